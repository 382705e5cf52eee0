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
//! - Upon a rejection: it binds this node whatever happens to the statement. Otherwise the
//!   coordinator could hold it back and log an approval that it claimed to have rejected.

use std::collections::{BTreeMap, BTreeSet};

use super::outbox::Outbox;
use super::process::Process;
use super::view::{Call, View};
use crate::document::Document;
use crate::effect::{CommandError, CommandId, NodeChange, NodeDeadline, NodeEffect};
use crate::entry::Body;
use crate::names::{EntryId, Timestamp};
use crate::policy::Policy;
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::refusal::{Entries, Requests};
use crate::state::{Group, IvnState, Refusal, RequestState, Status};

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
    /// The bytes to sign, by request.
    documents: BTreeMap<EntryId, Vec<u8>>,
    wanted: BTreeMap<EntryId, Wanted>,
    /// Unavailable documents, and the number of consecutive failures.
    unavailable: BTreeMap<EntryId, u32>,
    /// Requests and changes that the account holder rejected. Final, whatever the log contains.
    refused: BTreeSet<EntryId>,
}

impl Approvals {
    pub(super) fn new(refused: BTreeSet<EntryId>) -> Self {
        Self {
            documents: BTreeMap::new(),
            wanted: BTreeMap::new(),
            unavailable: BTreeMap::new(),
            refused,
        }
    }

    /// The bytes that a signature for this request covers, if the node has the document.
    pub(super) fn document(&self, request: EntryId) -> Option<&Vec<u8>> {
        self.documents.get(&request)
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
        // A change has no document.
        let is_change = view.state.group_of_change(request).is_some();
        let permitted = match is_change {
            true => self
                .check_unrefused(view.me, request)
                .and_then(|()| check_change(view.state, request, call.now)),
            false => self.may_approve(view, outbox, request, call.now),
        };
        match permitted {
            Ok(()) if is_change || self.documents.contains_key(&request) => {
                outbox.state_for(command, view.me, Body::Approval { request }, call);
            }
            Ok(()) => self.want(request, call).commands.push(command),
            Err(refusal) => call.respond(command, Err(refusal)),
        }
    }

    /// Rejects a request or change. Returns whether the rejection of a request is new and binds.
    pub(super) fn reject(
        &mut self,
        view: &View<'_>,
        outbox: &mut Outbox,
        command: CommandId,
        (request, reason): (EntryId, String),
        call: &mut Call<'_>,
    ) -> bool {
        // Withdraws the consent if the log does not contain it: the log accepts one of the two.
        outbox.withdraw(
            view.me,
            |body| match body {
                Body::Approval { request: of } => *of == request,
                Body::GroupAccepted { definition, .. } => *definition == request,
                _ => false,
            },
            call,
        );
        if view.state.group_of_change(request).is_some() {
            // It binds this node only where the log contains consent that was withdrawn.
            self.refuse(request, call);
            outbox.state_for(command, view.me, Body::Refusal { request, reason }, call);
            return false;
        }
        let may_vote = may_vote(view, outbox, request, call.now);
        let is_late = view.state.request(request).is_ok_and(|state| {
            state.approvals.contains(view.me.account())
                && matches!(state.status, Status::Open | Status::Approved)
        });
        let binds = (may_vote.is_ok() || is_late) && self.refuse(request, call);
        match may_vote {
            Ok(()) => outbox.state_for(command, view.me, Body::Refusal { request, reason }, call),
            Err(refusal) if is_late => {
                call.respond(command, Err(CommandError::RefusedHere(refusal)));
            }
            Err(refusal) => call.respond(command, Err(refusal)),
        }
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
        if is_over(state, call.now) {
            self.documents.remove(&id);
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
        let automatic = auto_approve
            && !view.me.is_doubled(view.state)
            && state.may_be_approved_automatically()
            && self.may_approve(view, outbox, id, call.now).is_ok();
        if self.documents.contains_key(&id) {
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
        document: Option<Document>,
        call: &mut Call<'_>,
    ) -> Option<bool> {
        let wanted = self.wanted.remove(&request)?;
        let state = view.state.request(request).ok()?;
        let genuine = document.filter(|document| document.commitment == state.request.document);
        let Some(document) = genuine else {
            for command in wanted.commands {
                call.respond(command, Err(CommandError::NoDocument));
            }
            let failures = self.unavailable.entry(request).or_default();
            let pause = DOCUMENT_RETRY << (*failures).min(MAX_RETRY_DOUBLINGS);
            *failures = failures.saturating_add(1);
            call.wake_at(NodeDeadline::Document(request), call.now.plus(pause));
            return Some(false);
        };
        self.unavailable.remove(&request);
        self.documents.insert(request, document.to_be_signed);
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

fn is_over(state: &RequestState, now: Timestamp) -> bool {
    !matches!(state.status, Status::Open | Status::Approved) || state.lapsed(now)
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
