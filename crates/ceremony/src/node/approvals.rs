//! What this account consents to: requests (after the node has seen the document), proposed changes
//! of its groups, and membership of a group.
//!
//! ```text
//! approve ──▶ fetch the document ──▶ is it what the request commits to? ──▶ state the approval
//! reject  ──▶ durable here, binding from now on ──▶ state the rejection
//! ```
//!
//! - Upon a request that the account approved or that the node approves automatically: fetch the
//!   document, because the node will be asked to sign it.
//! - Upon a document: approve the request if that is wanted and the log's rules still admit it.
//! - Upon a document that is unavailable: ask again later, with a doubling pause.
//! - Upon a rejection or withdrawal: it binds this node whatever happens to the statement.
//!   Otherwise the coordinator could hold it back and log an approval that it claimed to have
//!   rejected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::outbox::Outbox;
use super::process::Process;
use super::view::{Call, View};
use crate::document::Document;
use crate::effect::{CommandError, CommandId, Done, NodeChange, NodeDeadline, NodeEffect};
use crate::entry::Body;
use crate::held::{HELD_BY_NODE, Held};
use crate::names::{EntryId, Timestamp};
use crate::policy::Policy;
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::refusal::{Entries, Requests};
use crate::state::{Group, IvnState, Refusal};

/// The pause before an unavailable document is requested again, in milliseconds. It doubles up to
/// [`MAX_RETRY_DOUBLINGS`] times.
const DOCUMENT_RETRY: u64 = 1_000;
const MAX_RETRY_DOUBLINGS: u32 = 6;

/// By how much longer than the policy permits a request or change may be open by this node's clock,
/// in milliseconds, so that an approving node's clock may be behind: a day.
const MAX_EXPIRY_EXCESS: u64 = DAY;
const DAY: u64 = 24 * 3_600_000;

/// Why the node asked for a document.
#[derive(Debug, Default)]
struct Wanted {
    /// Commands that approve when the document arrives.
    commands: Vec<CommandId>,
    /// Whether to approve when the document arrives, by the policy and this node's configuration.
    automatically: bool,
}

/// The account holder's decisions, and the documents that they are about.
pub(super) struct Approvals {
    /// Requests whose documents this node has fetched and compared.
    seen: BTreeSet<EntryId>,
    /// The bytes to sign of the latest documents.
    held: Held,
    wanted: BTreeMap<EntryId, Wanted>,
    /// Unavailable documents, and the number of consecutive failures.
    unavailable: BTreeMap<EntryId, u32>,
    /// Requests and changes that the account holder rejected. Final, whatever the log contains.
    refused: BTreeSet<EntryId>,
}

impl Approvals {
    pub(super) fn new(refused: BTreeSet<EntryId>) -> Self {
        Self {
            seen: BTreeSet::new(),
            held: Held::new(HELD_BY_NODE),
            wanted: BTreeMap::new(),
            unavailable: BTreeMap::new(),
            refused,
        }
    }

    /// Whether this node has fetched the document and compared it with the request.
    pub(super) fn has_seen(&self, request: EntryId) -> bool {
        self.seen.contains(&request)
    }

    /// The bytes that the signature with this number covers, if they are held.
    pub(super) fn held(&self, request: EntryId, number: u8) -> Option<Arc<[u8]>> {
        self.held.get(request, number)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Holds a document for the next step, if it is short.
    pub(super) fn hold(&mut self, request: EntryId, document: Document) {
        if self.has_seen(request) {
            self.held.insert(request, document.number, document.to_be_signed);
        }
    }

    pub(super) fn is_refused(&self, id: EntryId) -> bool {
        self.refused.contains(&id)
    }

    fn refuse(&mut self, id: EntryId, call: &mut Call<'_>) -> bool {
        let is_new = self.refused.insert(id);
        if is_new {
            call.persist(NodeChange::Refused(id));
        }
        is_new
    }

    /// Approves a request: the node states the approval once it has seen the document.
    pub(super) fn approve(
        &mut self,
        view: &View<'_>,
        outbox: &mut Outbox,
        command: CommandId,
        request: EntryId,
        call: &mut Call<'_>,
    ) {
        match self.may_approve(view, outbox, request, call.now) {
            Ok(()) if self.has_seen(request) => {
                outbox.state_for(command, view.me, Body::Approval { request }, call);
            }
            Ok(()) => self.want(request, call).commands.push(command),
            Err(refusal) => call.respond(command, Err(refusal)),
        }
    }

    /// Approves a proposed change, which has no document.
    pub(super) fn approve_change(
        &self,
        view: &View<'_>,
        outbox: &mut Outbox,
        command: CommandId,
        change: EntryId,
        call: &mut Call<'_>,
    ) {
        let known = view.state.group_of_change(change);
        let known = known.ok_or(Requests::UnknownRequest { request: change }.into());
        let permitted = known
            .and_then(|_| self.check_unrefused(view.me, change))
            .and_then(|()| check_change(view.state, change, call.now));
        match permitted {
            Ok(()) => {
                outbox.state_for(command, view.me, Body::Approval { request: change }, call);
            }
            Err(refusal) => call.respond(command, Err::<Done, _>(refusal)),
        }
    }

    /// Rejects a proposed change.
    pub(super) fn reject_change(
        &mut self,
        view: &View<'_>,
        outbox: &mut Outbox,
        command: CommandId,
        (change, reason): (EntryId, String),
        call: &mut Call<'_>,
    ) {
        if view.state.group_of_change(change).is_none() {
            let unknown = Refusal::Requests(Requests::UnknownRequest { request: change });
            return call.respond(command, Err(unknown));
        }
        withdraw_consent(view, outbox, change, call);
        // It binds this node only where the log contains consent that was withdrawn.
        self.refuse(change, call);
        outbox.state_for(command, view.me, Body::Refusal { request: change, reason }, call);
    }

    /// Rejects a request. Returns whether the rejection is new and binds.
    pub(super) fn reject(
        &mut self,
        view: &View<'_>,
        outbox: &mut Outbox,
        command: CommandId,
        (request, reason): (EntryId, String),
        call: &mut Call<'_>,
    ) -> bool {
        withdraw_consent(view, outbox, request, call);
        match view.state.rejectable(view.me.account(), request, call.now) {
            Ok(_) => {
                let binds = self.refuse(request, call);
                outbox.state_for(command, view.me, Body::Refusal { request, reason }, call);
                binds
            }
            Err(refusal) => {
                call.respond(command, Err(refusal));
                false
            }
        }
    }

    /// Withdraws this account's own request. Returns whether that binds this node from now on.
    pub(super) fn withdraw(
        &mut self,
        view: &View<'_>,
        outbox: &mut Outbox,
        command: CommandId,
        request: EntryId,
        call: &mut Call<'_>,
    ) -> bool {
        if let Err(refusal) = view.state.withdrawable(view.me.account(), request, call.now) {
            call.respond(command, Err(refusal));
            return false;
        }
        withdraw_consent(view, outbox, request, call);
        let binds = self.refuse(request, call);
        outbox.state_for(command, view.me, Body::RequestWithdrawn { request }, call);
        binds
    }

    /// Whether this account can still consent. After a rejection it cannot, whether or not the log
    /// contains the rejection.
    fn may_approve(
        &self,
        view: &View<'_>,
        outbox: &Outbox,
        request: EntryId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_unrefused(view.me, request)?;
        may_vote(view, outbox, request, now)
    }

    fn check_unrefused(&self, me: &Process, id: EntryId) -> Result<(), Refusal> {
        match self.is_refused(id) {
            true => Err(Refusal::Entries(Entries::AlreadySaid { account: me.account().clone() })),
            false => Ok(()),
        }
    }

    /// The definition or proposed change that this account could accept and has not accepted.
    pub(super) fn acceptable(&self, me: &Process, group: &Group) -> Option<EntryId> {
        if !group.not_accepted().any(|name| name == me.account()) {
            return None;
        }
        let asked = group.change.as_ref().map_or(group.defined, |change| change.id);
        (!self.is_refused(asked)).then_some(asked)
    }

    /// Whether this node's own clock and rejections permit the group's change. The coordinator
    /// could have logged a withdrawn consent in place of the rejection. The log shows whether the
    /// others approved.
    pub(super) fn consents(&self, me: &Process, group: &Group, now: Timestamp) -> bool {
        group.change.as_ref().is_none_or(|change| {
            let earliest = Timestamp(now.0.saturating_sub(MAX_CLOCK_LEAD));
            let policy = &group.definition.policy;
            !self.took_back(me, group)
                && !change.lapsed(earliest)
                && check_expiry(change.proposal.expires_at, policy, now).is_ok()
        })
    }

    /// Whether the account holder rejected the group's change after the logged consent. From then
    /// on this node takes no part in the change, even if it has begun.
    pub(super) fn took_back(&self, me: &Process, group: &Group) -> bool {
        group.change.as_ref().is_some_and(|change| {
            let consented = [&change.approvals, &change.accepted];
            self.is_refused(change.id)
                && consented.into_iter().any(|names| names.contains(me.account()))
        })
    }

    /// Asks for a document, unless the node already did.
    fn want(&mut self, request: EntryId, call: &mut Call<'_>) -> &mut Wanted {
        self.wanted.entry(request).or_insert_with(|| {
            call.push(NodeEffect::FetchDocument(request));
            Wanted::default()
        })
    }

    pub(super) fn want_for_signing(&mut self, request: EntryId, call: &mut Call<'_>) {
        self.want(request, call);
    }

    /// Requests the documents again that were requested on a closed connection.
    pub(super) fn want_again(&self, call: &mut Call<'_>) {
        self.wanted.keys().for_each(|request| call.push(NodeEffect::FetchDocument(*request)));
    }

    /// Acts on a request that changed. `auto_approve` is the account holder's setting.
    pub(super) fn reconcile(
        &mut self,
        view: &View<'_>,
        auto_approve: bool,
        outbox: &mut Outbox,
        id: EntryId,
        call: &mut Call<'_>,
    ) {
        let Ok(state) = view.state.request(id) else { return };
        if !state.is_pending(call.now) {
            self.seen.remove(&id);
            self.held.remove(id);
            self.unavailable.remove(&id);
            let wanted = self.wanted.remove(&id).unwrap_or_default();
            for command in wanted.commands {
                call.respond(
                    command,
                    Err(Refusal::Requests(Requests::RequestOver { request: id })),
                );
            }
            return;
        }
        let consented = state.approvals.contains(view.me.account());
        // Only a member's request: otherwise an admin alone could have documents signed, by giving
        // an account of its own the requester role.
        let group = view.state.group(&state.request.group);
        let is_of_member = group.is_ok_and(|group| group.has_member(&state.requester));
        let automatic = auto_approve
            && is_of_member
            && !view.me.is_doubled(view.state)
            && state.may_be_approved_automatically()
            && self.may_approve(view, outbox, id, call.now).is_ok();
        if self.has_seen(id) {
            if automatic {
                outbox.state(view.me, Body::Approval { request: id }, call);
            }
        } else if consented || automatic {
            // A member that consented will be asked to sign, so fetch the document now.
            self.want(id, call).automatically |= automatic;
        }
    }

    /// Takes a document, or the news that it is unavailable. Returns whether the document is here
    /// now, or `None` if nothing waited for it or nothing is approved any more.
    pub(super) fn came(
        &mut self,
        view: &View<'_>,
        outbox: &mut Outbox,
        request: EntryId,
        document: Option<&Document>,
        call: &mut Call<'_>,
    ) -> Option<bool> {
        let wanted = self.wanted.remove(&request)?;
        let state = view.state.request(request).ok()?;
        let genuine = document.filter(|document| document.is_of(&state.request));
        if genuine.is_none() {
            for command in wanted.commands {
                call.respond(command, Err(CommandError::NoDocument));
            }
            let failures = self.unavailable.entry(request).or_default();
            let pause = DOCUMENT_RETRY << (*failures).min(MAX_RETRY_DOUBLINGS);
            *failures = failures.saturating_add(1);
            call.wake_at(NodeDeadline::Document(request), call.now.plus(pause));
            return Some(false);
        }
        self.unavailable.remove(&request);
        self.seen.insert(request);
        let may_approve = self.may_approve(view, outbox, request, call.now);
        let mut commands = wanted.commands.into_iter();
        if outbox.is_closed() {
            commands.for_each(|id| call.respond(id, Err(CommandError::Frozen)));
            return None;
        }
        let approval = Body::Approval { request };
        match (may_approve, commands.next()) {
            (Ok(()), Some(command)) => outbox.state_for(command, view.me, approval, call),
            (Ok(()), None) if wanted.automatically => {
                outbox.state(view.me, approval, call);
            }
            (Ok(()), None) => {}
            (Err(refusal), first) => {
                for command in first.into_iter().chain(&mut commands) {
                    call.respond(command, Err(refusal.clone()));
                }
            }
        }
        for command in commands {
            let account = view.me.account().clone();
            call.respond(command, Err(Refusal::Entries(Entries::AlreadySaid { account })));
        }
        Some(true)
    }
}

fn check_change(state: &IvnState, id: EntryId, now: Timestamp) -> Result<(), Refusal> {
    let Some(group) = state.group_of_change(id) else { return Ok(()) };
    let change = group.change.as_ref().filter(|change| change.id == id);
    change.map_or(Ok(()), |change| {
        check_expiry(change.proposal.expires_at, &group.definition.policy, now)
    })
}

/// Checks by this node's clock that something expires within the policy's time. Its author may have
/// dated it ahead, by mistake or to keep it open for longer.
fn check_expiry(expires_at: Timestamp, policy: &Policy, now: Timestamp) -> Result<(), Refusal> {
    let latest = now.plus(policy.rule.expiry).plus(MAX_EXPIRY_EXCESS);
    match expires_at > latest {
        true => Err(Requests::DatedAhead { days: (expires_at.0 - latest.0).div_ceil(DAY) }.into()),
        false => Ok(()),
    }
}

/// Withdraws the consent if the log does not contain it: the log accepts one of the two.
fn withdraw_consent(view: &View<'_>, outbox: &mut Outbox, on: EntryId, call: &mut Call<'_>) {
    outbox.withdraw(
        view.me,
        |body| match body {
            Body::Approval { request } => *request == on,
            Body::GroupAccepted { definition, .. } => *definition == on,
            _ => false,
        },
        call,
    );
}

/// Whether this account's vote on a request counts: the log's rules admit it, and no vote is
/// already on its way to the log. Checked before a document is fetched.
pub(super) fn may_vote(
    view: &View<'_>,
    outbox: &Outbox,
    request: EntryId,
    now: Timestamp,
) -> Result<(), Refusal> {
    let account = view.me.account();
    let state = view.state.votable(account, request, now)?;
    check_expiry(state.request.expires_at, &state.policy, now)?;
    match outbox.is_stating(|body| *body == Body::Approval { request }) {
        true => Err(Refusal::Entries(Entries::AlreadySaid { account: account.clone() })),
        false => Ok(()),
    }
}
