//! People: they look at their node now and then, and tell it what they want, as with the command line.

use std::collections::BTreeSet;

use quorate_ceremony::names::{AccountName, Digest, GroupName, Timestamp};
use quorate_ceremony::node::{Command, Node};
use quorate_ceremony::policy::Policy;
use quorate_ceremony::state::{RequestState, Status};
use quorate_ceremony::statement::{GroupDefinition, Invitation};
use quorate_protocol::Suite;

use crate::scenario::{Scenario, Vote};
use crate::simulation::world::World;

/// How long an invitation is good, in milliseconds: an hour.
pub(crate) const INVITATION: u64 = 3_600_000;

/// Everybody's plan.
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) group: GroupName,
}

impl Plan {
    /// The commitment to the document of a planned request.
    pub(crate) fn document(&self, request: usize) -> Digest {
        let mut bytes = [0xD0; 32];
        for (to, from) in bytes.iter_mut().zip(request.to_be_bytes()) {
            *to = from;
        }
        Digest::new(bytes)
    }

    /// Which planned request this is.
    fn planned(&self, request: &RequestState) -> Option<usize> {
        (0..self.scenario.requests.len()).find(|k| self.document(*k) == request.request.document)
    }

    /// What the person behind the account of this index wants of its node now; one thing at a time.
    pub(crate) fn wish(
        &self,
        index: usize,
        world: &World,
        node: &Node,
        now: Timestamp,
        passed: u64,
    ) -> Option<Command> {
        // What was said before is on its way: wait for the answer.
        if node.unsent() > 0 || !node.connected() {
            return None;
        }
        self.wish_as_admin(index, world, node, now)
            .or_else(|| self.wish_to_accept(index, node))
            .or_else(|| self.wish_to_ask(index, node, passed))
            .or_else(|| self.wish_to_vote(index, node, now))
    }

    fn wish_as_admin(
        &self,
        index: usize,
        world: &World,
        node: &Node,
        now: Timestamp,
    ) -> Option<Command> {
        if index != 0 {
            return None;
        }
        let state = node.state();
        let members = usize::from(self.scenario.members);
        for (index, name) in world.names.iter().enumerate() {
            if state.account(name).is_err() && !state.invitations().contains_key(name) {
                let role = self.scenario.role(index);
                return Some(Command::Invite(Invitation {
                    name: name.clone(),
                    roles: BTreeSet::from([role]),
                    key: world.secrets.get(name)?.invitation().public(),
                    expires_at: now.plus(INVITATION),
                }));
            }
        }
        let members: Vec<AccountName> = world.names.iter().take(members).cloned().collect();
        let complete = members.iter().all(|name| state.account(name).is_ok());
        (complete && state.group(&self.group).is_err()).then(|| {
            Command::DefineGroup(GroupDefinition {
                name: self.group.clone(),
                suite: Suite::FrostEd25519Sha512,
                min_signers: self.scenario.min_signers,
                members,
                document_types: BTreeSet::new(),
                policy: Policy { ..self.scenario.policy.clone() },
            })
        })
    }

    fn wish_to_accept(&self, index: usize, node: &Node) -> Option<Command> {
        if self.is_automatic(index) {
            return None;
        }
        let group = node.state().group(&self.group).ok()?;
        let asked = group.definition.members.contains(node.account())
            && !group.accepted.contains(node.account());
        asked.then(|| Command::AcceptGroup(self.group.clone()))
    }

    fn wish_to_ask(&self, index: usize, node: &Node, passed: u64) -> Option<Command> {
        node.state().group(&self.group).ok()?.key.as_ref()?;
        let wanted = self.scenario.requests.iter().enumerate().find(|(k, planned)| {
            let document = self.document(*k);
            planned.by == index
                && planned.at <= passed
                && !node.state().requests().values().any(|r| r.request.document == document)
        });
        wanted.map(|(k, _)| Command::Request {
            group: self.group.clone(),
            document_type: None,
            format: "raw".to_owned(),
            namespace: None,
            document: self.document(k),
            expires_in: None,
        })
    }

    fn wish_to_vote(&self, index: usize, node: &Node, now: Timestamp) -> Option<Command> {
        if self.is_automatic(index) && self.scenario.policy.auto_approve {
            return None;
        }
        let mut asked: Vec<&RequestState> =
            node.inbox(now).into_iter().map(|(request, _)| request).collect();
        if self.scenario.mischief.is_some() {
            // The consents are there and the signature is not: whoever can help does.
            let spare = node.state().requests().values().filter(|request| {
                request.status == Status::Approved && !request.approvals.contains(node.account())
            });
            asked.extend(spare);
        }
        asked.into_iter().find_map(|request| match self.vote(index, request)? {
            Vote::Approve => Some(Command::Approve(request.id)),
            Vote::Reject => {
                Some(Command::Reject { request: request.id, reason: "not like this".to_owned() })
            }
            Vote::Ignore => None,
        })
    }

    /// Whether the node does by itself what it may do by itself.
    fn is_automatic(&self, index: usize) -> bool {
        self.scenario.automatic.get(index) == Some(&true)
    }

    fn vote(&self, index: usize, request: &RequestState) -> Option<Vote> {
        self.scenario.requests.get(self.planned(request)?)?.votes.get(index).copied()
    }

    /// What is still to come, in a few words; nothing if everybody has what can be had.
    pub(crate) fn unfinished(&self, world: &World) -> Vec<String> {
        let state = &world.reference.state;
        let Some(group) = state.groups().get(&self.group) else {
            return vec!["the group is not defined".to_owned()];
        };
        if group.key.is_none() {
            return vec![format!(
                "the group has no key: {:?}, waits for {:?}",
                group.phase(),
                group.missing()
            )];
        }
        let mut missing = Vec::new();
        for k in 0..self.scenario.requests.len() {
            let request = state.requests().values().find(|r| self.planned(r) == Some(k));
            match request.map(|request| (request, &request.status)) {
                None => missing.push(format!("request {k} is not made")),
                Some((_, Status::Approved)) => missing.push(format!("request {k} is not signed")),
                Some((request, Status::Open)) => {
                    let awaited = request.undecided(group).find(|name| {
                        let index = world.names.iter().position(|other| other == *name);
                        let vote = index.and_then(|index| self.vote(index, request));
                        vote.is_some_and(|vote| vote != Vote::Ignore)
                    });
                    if let Some(name) = awaited {
                        missing.push(format!("{name} has not voted on request {k}"));
                    }
                }
                Some((_, Status::Signed { .. } | Status::Rejected | Status::Refused(_))) => {}
            }
        }
        missing
    }

    /// Whether nothing but consent was planned for a request, by enough members.
    pub(crate) fn must_be_signed(&self, request: &RequestState) -> bool {
        let planned = self.planned(request).and_then(|k| self.scenario.requests.get(k));
        planned.is_some_and(|planned| {
            planned.by < usize::from(self.scenario.members)
                && planned.votes.iter().all(|vote| *vote == Vote::Approve)
        })
    }
}
