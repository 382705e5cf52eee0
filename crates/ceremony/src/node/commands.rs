//! The account holder's commands, and what waits for its decision.
//!
//! A command becomes one statement. The node sends the statement until the log contains it, and
//! then answers the command. A command that breaks the log's rules is answered with the reason.

use super::Node;
use super::approvals::may_vote;
use super::contradiction::Contradiction;
use super::input::{Command, Motion, Proposal};
use super::view::{Call, View};
use crate::effect::{CommandError, CommandId};
use crate::entry::{AbortReason, Body, GroupChange, Request};
use crate::names::{EntryId, GroupName, Timestamp};
use crate::policy::Policy;
use crate::state::refusal::{Entries, Groups, Requests};
use crate::state::{Change, Group, Refusal, Refused, RequestState, Status};

impl Node {
    pub(super) fn command(&mut self, id: CommandId, command: Command, call: &mut Call<'_>) {
        if let Err(refusal) = self.takes_orders() {
            return call.respond(id, Err(refusal));
        }
        let view = View { state: self.log.state(), me: &self.process };
        match command {
            Command::Approve(Motion::Request(request)) => {
                self.approvals.approve(&view, &mut self.outbox, id, request, call);
            }
            Command::Approve(Motion::Change(change)) if self.joins_by(change).is_none() => {
                self.approvals.approve_change(&view, &mut self.outbox, id, change, call);
            }
            Command::Reject { motion: Motion::Request(request), reason } => {
                let rejected = (request, reason);
                if self.approvals.reject(&view, &mut self.outbox, id, rejected, call) {
                    self.signing.drop_request(request);
                }
            }
            Command::Reject { motion: Motion::Change(change), reason } => {
                let rejected = (change, reason);
                self.approvals.reject_change(&view, &mut self.outbox, id, rejected, call);
            }
            Command::WithdrawRequest(request) => {
                // It binds this node whatever the coordinator does with the statement.
                if self.approvals.withdraw(&view, &mut self.outbox, id, request, call) {
                    self.signing.drop_request(request);
                }
            }
            command => match self.statement(command, call.now) {
                Ok(body) => self.outbox.state_for(id, &self.process, body, call),
                Err(refusal) => call.respond(id, Err(refusal)),
            },
        }
    }

    /// Whether the node can state anything on the account holder's command.
    fn takes_orders(&self) -> Result<(), CommandError> {
        match self.contradictions.trouble() {
            _ if self.outbox.is_closed() => Err(CommandError::Frozen),
            Some(Contradiction::Behind { size }) => Err(CommandError::Behind { size: *size }),
            _ if !self.outbox.has_connection() => Err(CommandError::Unreachable),
            _ => Ok(()),
        }
    }

    /// The statement of a command, under the group's policy as currently logged.
    fn statement(&self, command: Command, now: Timestamp) -> Result<Body, Refusal> {
        let state = self.log.state();
        let policy = |group: &GroupName| state.group(group).map(|group| &group.definition.policy);
        let expiry = |policy: &Policy, expires_in: Option<u64>| {
            now.plus(expires_in.unwrap_or(policy.rule.expiry))
        };
        Ok(match command {
            Command::Approve(motion) => self.consent(motion)?,
            Command::Reject { motion, reason } => {
                self.check_kind(motion)?;
                Body::Refusal { request: motion.id(), reason }
            }
            Command::WithdrawRequest(request) => Body::RequestWithdrawn { request },
            Command::Invite(invitation) => Body::Invitation(invitation),
            Command::WithdrawInvitation(account) => {
                Body::Invitation(state.withdrawal(&account, now)?)
            }
            Command::Suspend(account) => Body::AccountSuspended { account },
            Command::Resume(account) => Body::AccountResumed { account },
            Command::MoveHub(hub) => Body::HubMoved { hub },
            Command::Remove(account) => Body::AccountRemoved { account },
            Command::SetRoles(account, roles) => Body::AccountRoles { account, roles },
            Command::DefineGroup(definition) => Body::GroupDefined(definition),
            Command::ChangeGroup(Proposal { definition, epoch, expires_in, repairs, retires }) => {
                let expires_at = expiry(policy(&definition.name)?, expires_in);
                Body::GroupChange(GroupChange { epoch, definition, expires_at, repairs, retires })
            }
            Command::CancelSession(session) => {
                Body::CeremonyAborted { session, reason: AbortReason::Cancelled }
            }
            Command::WithdrawChange(change) => Body::GroupChangeWithdrawn { change },
            Command::Request { group, document_type, output, signatures, document, expires_in } => {
                let policy = policy(&group)?;
                Body::Request(Request {
                    policy: policy.hash(),
                    expires_at: expiry(policy, expires_in),
                    group,
                    document_type,
                    output,
                    signatures,
                    document,
                })
            }
        })
    }

    /// The consent to a motion: an approval, or the acceptance of membership.
    fn consent(&self, motion: Motion) -> Result<Body, Refusal> {
        self.check_kind(motion)?;
        match motion {
            Motion::Request(request) => Ok(Body::Approval { request }),
            Motion::Change(change) => match self.joins_by(change) {
                Some(group) => self.acceptance(group),
                None => Ok(Body::Approval { request: change }),
            },
            Motion::Definition(definition) => {
                let mut groups = self.log.state().groups().values();
                let group = groups.find(|group| group.defined == definition && group.key.is_none());
                let unknown = Requests::UnknownRequest { request: definition };
                self.acceptance(group.ok_or(unknown)?.definition.name.clone())
            }
        }
    }

    /// Whether the log contains such a motion, of this kind.
    fn check_kind(&self, motion: Motion) -> Result<(), Refusal> {
        let state = self.log.state();
        let is_known = match motion {
            Motion::Request(id) => state.requests().contains_key(&id),
            Motion::Change(id) => state.group_of_change(id).is_some(),
            Motion::Definition(id) => state.groups().values().any(|group| group.defined == id),
        };
        let unknown = Requests::UnknownRequest { request: motion.id() };
        if is_known { Ok(()) } else { Err(unknown.into()) }
    }

    /// The consent to belong to a group. Fails if nobody asked for it.
    fn acceptance(&self, name: GroupName) -> Result<Body, Refusal> {
        let group = self.log.state().group(&name)?;
        if let Some(definition) = self.approvals.acceptable(&self.process, group) {
            return Ok(Body::GroupAccepted { group: name, definition });
        }
        let asked = group.has_member(self.process.account())
            || group.not_accepted().any(|it| it == self.process.account());
        Err(match asked {
            true => {
                Refusal::Entries(Entries::AlreadySaid { account: self.process.account().clone() })
            }
            false => Refusal::Groups(Groups::NotAMember {
                account: self.process.account().clone(),
                group: name,
            }),
        })
    }

    /// Checks whether the log would now admit the statement of a command. Changes nothing.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the log would not admit it.
    pub fn judge(&self, command: Command, now: Timestamp) -> Result<(), CommandError> {
        self.takes_orders()?;
        let body = self.statement(command, now)?;
        let entry = self.process.sign(body, now).ok_or(CommandError::TooLong)?;
        self.log.state().clone().apply(&entry)?;
        Ok(())
    }

    /// Checks whether the log would now admit a request, like [`Self::judge`], and returns why it
    /// would record the request as refused by rule.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the log would not admit it.
    pub fn judge_request(
        &self,
        command: Command,
        now: Timestamp,
    ) -> Result<Option<Refused>, CommandError> {
        self.takes_orders()?;
        let state = self.log.state();
        match self.statement(command, now)? {
            Body::Request(request) => {
                let now = now.max(state.time());
                Ok(state.judge_request(self.process.account(), &request, now)?)
            }
            _ => Ok(None),
        }
    }

    /// Returns the proposed changes that wait for this account, either for its decision as a member
    /// or for its acceptance to join.
    pub fn changes_to_decide(&self, now: Timestamp) -> Vec<(&Change, &Group)> {
        let pending = self.log.state().groups().values();
        pending
            .filter_map(|group| Some((group.change.as_ref()?, group)))
            .filter(|(change, group)| {
                let votes = !change.approved
                    && change.undecided(group).any(|name| name == self.process.account());
                let joins = self.approvals.acceptable(&self.process, group).is_some();
                !change.lapsed(now) && (votes || joins)
            })
            .collect()
    }

    /// Returns the group that this account would join by this change, if it can accept that.
    fn joins_by(&self, change: EntryId) -> Option<GroupName> {
        let group = self.log.state().group_of_change(change).filter(|group| {
            self.approvals.acceptable(&self.process, group) == Some(change)
                && !group.has_member(self.process.account())
        });
        group.map(|group| group.definition.name.clone())
    }

    /// Returns the requests that wait for this account's decision.
    pub fn inbox(&self, now: Timestamp) -> Vec<(&RequestState, &Group)> {
        self.log
            .state()
            .requests()
            .values()
            // First, because it excludes nearly all requests of a long log.
            .filter(|state| matches!(state.status, Status::Open))
            .filter(|state| may_vote(&self.view(), &self.outbox, state.id, now).is_ok())
            .filter_map(|state| Some((state, self.log.state().group(&state.request.group).ok()?)))
            .collect()
    }
}
