//! People, who look at their node now and then and give it commands, as with the command line.

use std::collections::BTreeSet;

use quorate_ceremony::entry::{AbortReason, GroupDefinition, Invitation};
use quorate_ceremony::names::{AccountName, Digest, GroupName, Timestamp};
use quorate_ceremony::node::{Command, Motion, Node, Proposal};
use quorate_ceremony::policy::Output;
use quorate_ceremony::state::{Change, ChangeEnd, Group, RequestState, Status};
use quorate_protocol::Suite;

use crate::scenario::{Scenario, Vote};
use crate::world::World;

/// Returns how many changes of the group are in force.
fn changes_done(group: &Group) -> usize {
    let done = |end: &ChangeEnd| {
        matches!(end, ChangeEnd::Done { .. } | ChangeEnd::Repaired { .. } | ChangeEnd::Retired)
    };
    group.past_changes.iter().filter(|past| done(&past.end)).count()
}

/// How long an invitation is valid, in milliseconds: an hour.
pub(crate) const INVITATION: u64 = 3_600_000;

pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) group: GroupName,
}

impl Plan {
    pub(crate) fn document(&self, request: usize) -> Digest {
        let mut bytes = [0xD0; 32];
        for (to, from) in bytes.iter_mut().zip(request.to_be_bytes()) {
            *to = from;
        }
        Digest::new(bytes)
    }

    fn planned(&self, request: &RequestState) -> Option<usize> {
        (0..self.scenario.requests.len()).find(|k| self.document(*k) == request.request.document)
    }

    /// Returns the next command of the holder of the account with this index, one at a time.
    pub(crate) fn wish(
        &self,
        index: usize,
        world: &World,
        node: &Node,
        now: Timestamp,
        passed: u64,
    ) -> Option<Command> {
        // Earlier statements are on their way: wait for the answer. A malicious member's node may
        // wait forever.
        let waits = node.unsent() > 0 && !world.malicious.contains(node.account());
        if waits || !node.connected() {
            return None;
        }
        self.wish_as_admin(index, world, node, now)
            .or_else(|| self.wish_to_leave_out(index, world, node))
            .or_else(|| self.wish_to_accept(index, node))
            .or_else(|| self.wish_to_change(index, world, node, passed))
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
                    replaces: None,
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
                policy: self.scenario.policy.clone(),
            })
        })
    }

    /// Returns the admin's new definition of the group, without the members that the log names.
    fn wish_to_leave_out(&self, index: usize, world: &World, node: &Node) -> Option<Command> {
        let group = node.state().group(&self.group).ok()?;
        let named = self.named(world, group);
        if index != 0 || group.key.is_some() || named.is_empty() || self.is_hopeless(world, group) {
            return None;
        }
        if let Some(session) = &group.session {
            return Some(Command::CancelSession(session.session));
        }
        let members = group.definition.members.iter().filter(|name| !named.contains(*name));
        let members: Vec<AccountName> = members.cloned().collect();
        let count = u16::try_from(members.len()).ok()?;
        let mut policy = group.definition.policy.clone();
        let voters = count - u16::from(!policy.rule.requester_may_approve);
        if policy.rule.approvals_required > voters {
            policy.rule.requester_may_approve = true;
            policy.rule.approvals_required = policy.rule.approvals_required.min(count);
        }
        Some(Command::DefineGroup(GroupDefinition { members, policy, ..group.definition.clone() }))
    }

    /// Returns the members that an admin leaves out of the next definition, according to the
    /// sessions of this one: members that are blamed, and members that sessions waited for twice
    /// after the network had healed.
    fn named(&self, world: &World, group: &Group) -> BTreeSet<AccountName> {
        let mut named = BTreeSet::new();
        let mut once = BTreeSet::new();
        if !self.scenario.has_malicious() {
            return named;
        }
        for past in &group.past {
            let started = world.reference.started_at.get(&past.session);
            let healed = started.is_some_and(|at| *at >= self.scenario.faults.heal);
            match &past.reason {
                AbortReason::Fault { culprits: all } | AbortReason::Dissent { dissenters: all } => {
                    named.extend(all.iter().cloned());
                }
                AbortReason::TimedOut { missing: all } | AbortReason::Restarted { nodes: all } => {
                    for name in all.iter().filter(|_| healed) {
                        if !once.insert(name.clone()) {
                            named.insert(name.clone());
                        }
                    }
                }
                AbortReason::RosterChanged { .. } | AbortReason::Cancelled => {}
            }
        }
        named
    }

    /// Whether too few members would remain.
    fn is_hopeless(&self, world: &World, group: &Group) -> bool {
        let named = self.named(world, group);
        let left = group.definition.members.iter().filter(|name| !named.contains(*name)).count();
        left < usize::from(group.definition.min_signers)
    }

    fn wish_to_accept(&self, index: usize, node: &Node) -> Option<Command> {
        if self.is_automatic(index) {
            return None;
        }
        let group = node.state().group(&self.group).ok()?;
        let asked = group.not_accepted().any(|name| name == node.account());
        let motion = match &group.change {
            Some(change) => Motion::Change(change.id),
            None => Motion::Definition(group.defined),
        };
        asked.then_some(Command::Approve(motion))
    }

    /// Returns the admin's proposal of the next change of the group.
    fn wish_to_change(
        &self,
        index: usize,
        world: &World,
        node: &Node,
        passed: u64,
    ) -> Option<Command> {
        let group = node.state().group(&self.group).ok()?;
        let Some(planned) = self.scenario.changes.get(changes_done(group)) else {
            return self.wish_to_retire(index, group, passed);
        };
        let epoch = group.key.as_ref()?.epoch;
        let named = self.named(world, group);
        if index == 0 && group.change.is_some() && !named.is_empty() {
            // It waits for a member that does not answer.
            let is_hopeless = |change: &Change| {
                let repaired = usize::from(change.proposal.repairs.is_some());
                let left = group.definition.members.len().saturating_sub(named.len() + repaired);
                named.iter().any(|name| change.gives_share_to(name))
                    || left < usize::from(group.definition.min_signers)
            };
            let hopeless = group.change.as_ref().filter(|change| is_hopeless(change));
            return hopeless.map(|change| Command::WithdrawChange(change.id));
        }
        if index != 0 || group.change.is_some() || planned.at > passed || self.gave_up(group) {
            return None;
        }
        if let Some(member) = planned.repairs {
            let (definition, repairs) =
                (group.definition.clone(), world.names.get(member).cloned());
            let proposal = Proposal { repairs, ..Proposal::new(definition, epoch) };
            return Some(Command::ChangeGroup(proposal));
        }
        let wanted = planned.members.iter().map(|index| world.names.get(*index).cloned());
        let wanted: Vec<AccountName> = wanted.collect::<Option<_>>()?;
        // A member that an earlier proposal left out stays out.
        let earlier = group.past_changes.iter().filter(|past| past.proposal.epoch == epoch);
        let before: Vec<&GroupDefinition> = earlier.map(|past| &past.proposal.definition).collect();
        let members: Vec<AccountName> = wanted
            .into_iter()
            .filter(|name| !named.contains(name))
            .filter(|name| {
                !self.scenario.has_malicious()
                    || before.iter().all(|definition| definition.members.contains(name))
            })
            .collect();
        let most = u16::try_from(members.len()).ok()?;
        let (min_signers, old) = (planned.min_signers.min(most), &group.definition);
        let mut policy = old.policy.clone();
        policy.rule.approvals_required = min_signers;
        let voters = members.len() - usize::from(!policy.rule.requester_may_approve);
        policy.rule.requester_may_approve |= voters < usize::from(min_signers);
        let definition = GroupDefinition { members, min_signers, policy, ..old.clone() };
        Some(Command::ChangeGroup(Proposal::new(definition, epoch)))
    }

    /// Returns the admin's proposal to retire the group, after all changes.
    fn wish_to_retire(&self, index: usize, group: &Group, passed: u64) -> Option<Command> {
        let is_due = self.scenario.retires_at.is_some_and(|at| at <= passed);
        let is_possible = group.change.is_none() && group.retirement().is_none();
        if index != 0 || !is_due || !is_possible {
            return None;
        }
        let epoch = group.key.as_ref()?.epoch;
        let proposal = Proposal::new(group.definition.clone(), epoch);
        Some(Command::ChangeGroup(Proposal { retires: true, ..proposal }))
    }

    /// Whether the repair is abandoned, so that the account's share stays lost.
    pub(crate) fn leaves_lost(&self, world: &World, account: &AccountName) -> bool {
        let group = world.reference.state.groups().get(&self.group);
        let due = |group: &Group| changes_done(group) < self.scenario.changes.len();
        world.lost.contains(account) && group.is_some_and(|group| due(group) && self.gave_up(group))
    }

    /// Whether the due change was proposed as often as it may be.
    fn gave_up(&self, group: &Group) -> bool {
        let epoch = group.key.as_ref().map(|key| key.epoch);
        let tried = group.past_changes.iter().filter(|past| Some(past.proposal.epoch) == epoch);
        group.change.is_none() && tried.count() >= self.scenario.proposals
    }

    fn wish_to_ask(&self, index: usize, node: &Node, passed: u64) -> Option<Command> {
        let group = node.state().group(&self.group).ok()?;
        if group.key.is_none() || group.retirement().is_some() {
            return None;
        }
        let wanted = self.scenario.requests.iter().enumerate().find(|(k, planned)| {
            let document = self.document(*k);
            planned.by == index
                && planned.at <= passed
                && !node.state().requests().values().any(|r| r.request.document == document)
        });
        wanted.map(|(k, _)| Command::Request {
            group: self.group.clone(),
            document_type: None,
            output: Output::default(),
            signatures: signatures_of(k),
            document: self.document(k),
            expires_in: None,
        })
    }

    fn wish_to_vote(&self, index: usize, node: &Node, now: Timestamp) -> Option<Command> {
        let mut changes = node.changes_to_decide(now).into_iter();
        let decides = changes.find(|(change, group)| {
            !change.approved && change.undecided(group).any(|name| name == node.account())
        });
        if let Some((change, _)) = decides {
            return Some(Command::Approve(Motion::Change(change.id)));
        }
        if self.is_automatic(index) && self.scenario.policy.rule.auto_approve {
            return None;
        }
        let mut asked: Vec<&RequestState> =
            node.inbox(now).into_iter().map(|(request, _)| request).collect();
        if self.scenario.has_malicious() {
            // The approvals are there and the signature is not: every member that can help does.
            let spare = node.state().requests().values().filter(|request| {
                request.status == Status::Approved && !request.approvals.contains(node.account())
            });
            asked.extend(spare);
        }
        asked.into_iter().find_map(|request| match self.vote(index, request)? {
            Vote::Approve => Some(Command::Approve(Motion::Request(request.id))),
            Vote::Reject => Some(Command::Reject {
                motion: Motion::Request(request.id),
                reason: "not like this".to_owned(),
            }),
            Vote::Ignore => None,
        })
    }

    /// Whether the node accepts and approves automatically.
    fn is_automatic(&self, index: usize) -> bool {
        self.scenario.automatic.get(index) == Some(&true)
    }

    fn vote(&self, index: usize, request: &RequestState) -> Option<Vote> {
        self.scenario.requests.get(self.planned(request)?)?.votes.get(index).copied()
    }

    /// Returns short descriptions of what is not done yet; none if everything possible is done.
    pub(crate) fn unfinished(&self, world: &World) -> Vec<String> {
        let state = &world.reference.state;
        let Some(group) = state.groups().get(&self.group) else {
            return vec!["the group is not defined".to_owned()];
        };
        if group.key.is_none() && group.session.is_none() && self.is_hopeless(world, group) {
            return Vec::new();
        }
        if group.key.is_none() {
            return vec![format!(
                "the group has no key: {:?}, waits for {:?}",
                group.phase(),
                group.missing()
            )];
        }
        let mut missing = Vec::new();
        if changes_done(group) < self.scenario.changes.len() && !self.gave_up(group) {
            missing.push(format!("a change is not in force: {:?}", group.change));
        }
        let without = world
            .lost
            .iter()
            .filter(|name| !world.malicious.contains(*name) && !self.leaves_lost(world, name));
        missing.extend(without.map(|name| format!("{name} has lost its share")));
        let is_retired = group.retirement().is_some();
        if self.scenario.retires_at.is_some() && !is_retired {
            missing.push(format!("the group is not retired: {:?}", group.change));
        }
        for past in &group.past_epochs {
            for kept in past.holders.difference(&past.destroyed) {
                missing.push(format!("{kept} has not destroyed its share of epoch {}", past.epoch));
            }
        }
        for k in 0..self.scenario.requests.len() {
            let request = state.requests().values().find(|r| self.planned(r) == Some(k));
            match request.map(|request| (request, &request.status)) {
                None if is_retired || self.scenario.is_malicious(self.requester(k)) => {}
                None => missing.push(format!("request {k} is not made")),
                Some((_, Status::Approved)) => missing.push(format!("request {k} is not signed")),
                Some((request, Status::Open)) => {
                    let awaited = request.undecided(group).find(|name| {
                        let index = world.names.iter().position(|other| other == *name);
                        let vote = index.and_then(|index| self.vote(index, request));
                        // A member that breaks the rules only when the group changes votes.
                        let cheats = |index| !self.scenario.cheats_in_changes_alone(index);
                        vote.is_some_and(|vote| vote != Vote::Ignore) && !index.is_some_and(cheats)
                    });
                    if let Some(name) = awaited {
                        missing.push(format!("{name} has not voted on request {k}"));
                    }
                }
                Some((
                    _,
                    Status::Signed
                    | Status::Rejected
                    | Status::Withdrawn
                    | Status::GroupRetired
                    | Status::Refused(_),
                )) => {}
            }
        }
        missing
    }

    fn requester(&self, request: usize) -> usize {
        self.scenario.requests.get(request).map_or(usize::MAX, |planned| planned.by)
    }

    /// Whether only approvals are planned for a request, by enough honest members.
    pub(crate) fn must_be_signed(&self, world: &World, request: &RequestState) -> bool {
        let planned = self.planned(request).and_then(|k| self.scenario.requests.get(k));
        let Some(group) = world.reference.state.groups().get(&self.group) else { return false };
        if group.retirement().is_some() {
            return false;
        }
        // A change can leave too few members to approve earlier requests, whose requirements never
        // become weaker.
        let stranded = request.status == Status::Rejected && !group.past_epochs.is_empty();
        if stranded {
            return false;
        }
        let honest = |name: &&AccountName| !world.malicious.contains(*name);
        let voters = group.definition.members.iter().filter(honest);
        let voters = voters.filter(|name| {
            request.policy.rule.requester_may_approve || **name != request.requester
        });
        group.definition.members.contains(&request.requester)
            && voters.count() >= usize::from(request.approvals_required)
            && planned
                .is_some_and(|planned| planned.votes.iter().all(|vote| *vote == Vote::Approve))
    }
}

/// Every third request takes two signatures.
fn signatures_of(request: usize) -> u8 {
    if request % 3 == 1 { 2 } else { 1 }
}
