//! Requests, seen by a member: fetching the document, comparing it with what was committed to, consenting.

use super::{Command, Node};
use crate::document::Document;
use crate::effect::{CommandError, CommandId, NodeChange, NodeDeadline, NodeEffect};
use crate::entry::Entry;
use crate::names::{Digest, DocumentType, EntryId, GroupName, Timestamp};
use crate::state::{Change, Group, Refusal, RequestState, Status};
use crate::statement::{Body, Request};
use rand_core::CryptoRngCore;

/// The pause before a document that can not be had is asked for again, in milliseconds. It doubles up to
/// [`MAX_RETRY_DOUBLINGS`] times.
const DOCUMENT_RETRY: u64 = 1_000;
const MAX_RETRY_DOUBLINGS: u32 = 6;

/// Why a document was asked for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Commands that approve when it comes.
    commands: Vec<CommandId>,
    /// Approve when it comes, by the policy and this node's own configuration.
    automatically: bool,
}

impl Node {
    /// The statement of a new request, under the group's policy as the log has it now.
    #[expect(clippy::too_many_arguments, reason = "one for each field of the command")]
    pub(super) fn draft(
        &self,
        group: GroupName,
        document_type: Option<DocumentType>,
        format: String,
        namespace: Option<String>,
        document: Digest,
        expires_in: Option<u64>,
        now: Timestamp,
    ) -> Result<Body, Refusal> {
        let policy = &self.state.group(&group)?.definition.policy;
        let expires_at = now.plus(expires_in.unwrap_or(policy.rule.expiry));
        let policy = policy.hash();
        Ok(Body::Request(Request {
            group,
            document_type,
            format,
            namespace,
            document,
            policy,
            expires_at,
        }))
    }

    /// The account holder approves: the node states it once it has seen the document.
    pub(super) fn approve(
        &mut self,
        command: CommandId,
        request: EntryId,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        if self.state.group_of_change(request).is_some() {
            // There is no document to look at: the proposal is all there is.
            match self.check_unrefused(request) {
                Ok(()) => self.command_states(command, Body::Approval { request }, now, out),
                Err(invalid) => out.push(NodeEffect::Respond(command, Err(invalid.into()))),
            }
        } else if let Err(invalid) = self.may_approve(request, now) {
            out.push(NodeEffect::Respond(command, Err(invalid.into())));
        } else if self.documents.contains_key(&request) {
            self.command_states(command, Body::Approval { request }, now, out);
        } else {
            self.want(request, out).commands.push(command);
        }
    }

    /// The account holder refuses. That binds this node from now on, whatever becomes of the statement that says so: the
    /// coordinator could hold it back, and log an approval that it claimed not to have taken.
    pub(super) fn reject(
        &mut self,
        command: CommandId,
        request: EntryId,
        reason: String,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        // Consent that the log does not have is taken back: the log takes one of the two.
        let approval = |body: &Body| match body {
            Body::Approval { request: of } => *of == request,
            Body::GroupAccepted { definition, .. } => *definition == request,
            _ => false,
        };
        let unsaid: Vec<EntryId> = self
            .outbox
            .iter()
            .filter(|entry| approval(&entry.statement().body))
            .map(Entry::id)
            .collect();
        for id in unsaid {
            self.forget(id, out);
            if let Some(command) = self.commands.remove(&id) {
                let said = Refusal::AlreadySaid { account: self.account.clone() };
                out.push(NodeEffect::Respond(command, Err(said.into())));
            }
        }
        if self.state.group_of_change(request).is_some() {
            // It binds this node only where the log shows consent that was taken back.
            if self.refused.insert(request) {
                out.push(NodeEffect::Persist(NodeChange::Refused(request)));
            }
            self.command_states(command, Body::Refusal { request, reason }, now, out);
            return;
        }
        let may_vote = self.may_vote(request, now);
        let is_late = self.state.request(request).is_ok_and(|state| {
            state.approvals.contains(&self.account)
                && matches!(state.status, Status::Open | Status::Approved)
        });
        if (may_vote.is_ok() || is_late) && self.refused.insert(request) {
            out.push(NodeEffect::Persist(NodeChange::Refused(request)));
            self.drop_sessions_of(request);
        }
        match may_vote {
            Ok(()) => self.command_states(command, Body::Refusal { request, reason }, now, out),
            Err(invalid) => {
                let error =
                    if is_late { CommandError::RefusedHere(invalid) } else { invalid.into() };
                out.push(NodeEffect::Respond(command, Err(error)));
            }
        }
    }

    /// Whether this account's vote on a request counts; the log's own rules, looked at before a document is fetched.
    fn may_vote(&self, request: EntryId, now: Timestamp) -> Result<(), Refusal> {
        let state = self.state.request(request)?;
        let group = self.state.group(&state.request.group)?;
        if !group.has_member(&self.account) {
            return Err(Refusal::NotAMember {
                account: self.account.clone(),
                group: state.request.group.clone(),
            });
        }
        if !group.has_say(&self.account) {
            let group = state.request.group.clone();
            return Err(Refusal::NoShare { account: self.account.clone(), group });
        }
        let decided = state.approvals.contains(&self.account)
            || state.refusals.contains_key(&self.account)
            || self
                .is_stating(|body| matches!(body, Body::Approval { request: r } if *r == request));
        if decided {
            return Err(Refusal::AlreadySaid { account: self.account.clone() });
        }
        if !matches!(state.status, Status::Open | Status::Approved) || state.lapsed(now) {
            return Err(Refusal::RequestOver { request });
        }
        if !state.policy.rule.requester_may_approve && state.requester == self.account {
            return Err(Refusal::RequesterMayNotApprove);
        }
        Ok(())
    }

    /// Whether this account can still consent: not after it refused, whether the log shows that or not.
    fn may_approve(&self, request: EntryId, now: Timestamp) -> Result<(), Refusal> {
        self.check_unrefused(request)?;
        self.may_vote(request, now)
    }

    /// Whether the account holder has not refused this request or change. Who has takes no part in it, consents or not.
    fn check_unrefused(&self, request: EntryId) -> Result<(), Refusal> {
        match self.refused.contains(&request) {
            true => Err(Refusal::AlreadySaid { account: self.account.clone() }),
            false => Ok(()),
        }
    }

    /// Asks for a document, once.
    fn want(&mut self, request: EntryId, out: &mut Vec<NodeEffect>) -> &mut Wanted {
        self.wanted.entry(request).or_insert_with(|| {
            out.push(NodeEffect::FetchDocument(request));
            Wanted::default()
        })
    }

    /// What a request that changed asks of this node.
    pub(super) fn reconcile_request(
        &mut self,
        id: EntryId,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        let Ok(state) = self.state.request(id) else { return };
        if !matches!(state.status, Status::Open | Status::Approved) || state.lapsed(now) {
            self.documents.remove(&id);
            self.unavailable.remove(&id);
            if let Some(wanted) = self.wanted.remove(&id) {
                for command in wanted.commands {
                    let over = Refusal::RequestOver { request: id };
                    out.push(NodeEffect::Respond(command, Err(over.into())));
                }
            }
            return;
        }
        let consented = state.approvals.contains(&self.account);
        let automatic = self.config.auto_approve
            && !self.is_doubled()
            && state.policy.rule.auto_approve
            && self.may_approve(id, now).is_ok();
        if self.documents.contains_key(&id) {
            if automatic {
                self.state_in_log(Body::Approval { request: id }, now, out);
            }
        } else if consented || automatic {
            // Who consented will be asked to sign: have the document at hand by then.
            self.want(id, out).automatically |= automatic;
        }
    }

    /// Asks again for what was asked for on a connection that is gone.
    pub(super) fn want_again(&self, out: &mut Vec<NodeEffect>) {
        out.extend(self.wanted.keys().map(|request| NodeEffect::FetchDocument(*request)));
    }

    /// A document came, or could not be had.
    pub(super) fn document(
        &mut self,
        request: EntryId,
        document: Option<Document>,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        let Some(wanted) = self.wanted.remove(&request) else { return };
        let Ok(state) = self.state.request(request) else { return };
        let genuine = document.filter(|document| document.commitment == state.request.document);
        let Some(document) = genuine else {
            for command in wanted.commands {
                out.push(NodeEffect::Respond(command, Err(CommandError::NoDocument)));
            }
            let failures = self.unavailable.entry(request).or_default();
            let pause = DOCUMENT_RETRY << (*failures).min(MAX_RETRY_DOUBLINGS);
            *failures = failures.saturating_add(1);
            out.push(NodeEffect::SetDeadline(NodeDeadline::Document(request), now.plus(pause)));
            self.invitations_without_document(request, out);
            return;
        };
        self.unavailable.remove(&request);
        self.documents.insert(request, document.to_be_signed);
        let may_approve = self.may_approve(request, now);
        let mut commands = wanted.commands.into_iter();
        if self.frozen() {
            out.extend(commands.map(|id| NodeEffect::Respond(id, Err(CommandError::Frozen))));
            return;
        }
        match (may_approve, commands.next()) {
            (Ok(()), Some(command)) => {
                self.command_states(command, Body::Approval { request }, now, out);
            }
            (Ok(()), None) if wanted.automatically => {
                self.state_in_log(Body::Approval { request }, now, out);
            }
            (Ok(()), None) => {}
            (Err(invalid), first) => {
                for command in first.into_iter().chain(&mut commands) {
                    out.push(NodeEffect::Respond(command, Err(invalid.clone().into())));
                }
            }
        }
        for command in commands {
            let said = Refusal::AlreadySaid { account: self.account.clone() };
            out.push(NodeEffect::Respond(command, Err(said.into())));
        }
        self.invitations_with_document(request, now, rng, out);
    }

    /// Asks for the document of a request that this node is invited to sign.
    pub(super) fn want_for_signing(&mut self, request: EntryId, out: &mut Vec<NodeEffect>) {
        self.want(request, out);
    }

    /// Proposed changes of groups that wait for this account: for its decision as a member, or for its acceptance to join.
    pub fn changes_to_decide(&self, now: Timestamp) -> Vec<(&Change, &Group)> {
        let pending = self.state.groups().values();
        pending
            .filter_map(|group| Some((group.change.as_ref()?, group)))
            .filter(|(change, group)| {
                let votes =
                    !change.approved && change.undecided(group).any(|name| *name == self.account);
                let joins = self.acceptable(group).is_some();
                !change.lapsed(now) && (votes || joins)
            })
            .collect()
    }

    /// What it takes to say yes to this: an approval, or, of who would join by a change, acceptance.
    pub fn consent(&self, to: EntryId) -> Command {
        let joins = self
            .state
            .group_of_change(to)
            .filter(|group| self.acceptable(group) == Some(to) && !group.has_member(&self.account));
        match joins {
            Some(group) => Command::AcceptGroup(group.definition.name.clone()),
            None => Command::Approve(to),
        }
    }

    /// Requests that wait for this account's decision.
    pub fn inbox(&self, now: Timestamp) -> Vec<(&RequestState, &Group)> {
        self.state
            .requests()
            .values()
            .filter(|state| self.may_vote(state.id, now).is_ok())
            .filter(|state| matches!(state.status, Status::Open))
            .filter_map(|state| Some((state, self.state.group(&state.request.group).ok()?)))
            .collect()
    }
}
