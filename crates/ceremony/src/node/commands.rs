//! The account holder's commands, and what waits for its decision.
//!
//! A command becomes one statement. The node sends the statement until the log contains it, and
//! then answers the command. A command that breaks the log's rules is answered with the reason.

use super::Node;
use super::approvals::may_vote;
use super::contradiction::Contradiction;
use super::input::{Command, Proposal};
use super::view::{Call, View};
use crate::effect::{CommandError, CommandId};
use crate::entry::{AbortReason, Body, GroupChange, Request};
use crate::names::{EntryId, GroupName, Timestamp};
use crate::policy::Policy;
use crate::state::refusal::{Entries, Groups, Sessions};
use crate::state::{Change, Group, Refusal, RequestState, Status};

impl Node {
    pub(super) fn command(&mut self, id: CommandId, command: Command, call: &mut Call<'_>) {
        if let Err(refusal) = self.takes_orders() {
            return call.respond(id, Err(refusal));
        }
        let view = View { state: self.log.state(), me: &self.process };
        match command {
            Command::Approve(request) if self.joins_by(request).is_none() => {
                self.approvals.approve(&view, &mut self.outbox, id, request, call);
            }
            Command::Reject { request, reason } => {
                let rejected = (request, reason);
                if self.approvals.reject(&view, &mut self.outbox, id, rejected, call) {
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
            Command::Approve(request) => match self.joins_by(request) {
                Some(group) => self.acceptance(group)?,
                None => Body::Approval { request },
            },
            Command::Reject { request, reason } => Body::Refusal { request, reason },
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
            Command::AcceptGroup(group) => self.acceptance(group)?,
            Command::ChangeGroup(Proposal { definition, epoch, expires_in, repairs }) => {
                let expires_at = expiry(policy(&definition.name)?, expires_in);
                Body::GroupChange(GroupChange { epoch, definition, expires_at, repairs })
            }
            Command::CancelCeremony(group) => self.cancellation(&group)?,
            Command::Request { group, document_type, format, namespace, document, expires_in } => {
                let policy = policy(&group)?;
                Body::Request(Request {
                    policy: policy.hash(),
                    expires_at: expiry(policy, expires_in),
                    group,
                    document_type,
                    format,
                    namespace,
                    document,
                })
            }
        })
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

    fn cancellation(&self, group: &GroupName) -> Result<Body, Refusal> {
        let group = self.log.state().group(group)?;
        if let Some(change) = &group.change {
            return Ok(Body::GroupChangeWithdrawn { change: change.id });
        }
        let ceremony = group.session.as_ref().ok_or(Sessions::SessionOver)?;
        let reason = AbortReason::Cancelled;
        Ok(Body::CeremonyAborted { session: ceremony.session, reason })
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
            .filter(|state| may_vote(&self.view(), &self.outbox, state.id, now).is_ok())
            .filter(|state| matches!(state.status, Status::Open))
            .filter_map(|state| Some((state, self.log.state().group(&state.request.group).ok()?)))
            .collect()
    }
}
