//! The scenario of a run: its people, their wishes, and its faults.

use std::collections::BTreeMap;

use quorate_ceremony::entry::Role;
use quorate_ceremony::policy::Policy;

use crate::catalogue::ATTACKS;
use crate::double::member::{Attack, Ceremony};
use crate::rng::Chance;

/// A run's people, wishes and faults.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// How many members are needed to sign.
    pub min_signers: u16,
    /// The number of members. The first is also the admin.
    pub members: u16,
    /// The group's rule.
    pub policy: Policy,
    /// For each member, whether its node accepts groups and approves requests without asking.
    pub automatic: Vec<bool>,
    /// Whether an account outside the group also requests a signature.
    pub outsider: bool,
    /// Whether all accounts are on the roster when the run begins. Otherwise the admin invites them
    /// first.
    pub admitted: bool,
    /// How many other accounts can become members.
    pub reserves: u16,
    /// The signatures that members request.
    pub requests: Vec<PlannedRequest>,
    /// The changes of the group, in order.
    pub changes: Vec<PlannedChange>,
    /// The earliest time at which the admin proposes to retire the group, in milliseconds from the
    /// start. It does so after all other changes, even if requests are undecided.
    pub retires_at: Option<u64>,
    /// The malicious members and their attacks. They never heal. The first member, who is the
    /// admin, is not malicious.
    pub attacks: BTreeMap<usize, Vec<Attack>>,
    /// The most times that a change of the group is proposed. After an attack made it fail, the
    /// others may propose it without the attacker.
    pub proposals: usize,
    /// The faults of the network and the processes.
    pub faults: Faults,
}

/// A change that the admin proposes and all members approve.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedChange {
    /// The earliest time, in milliseconds from the start.
    pub at: u64,
    /// How many members will be needed to sign.
    pub min_signers: u16,
    /// The new members: indices of accounts. The first account, which proposes, is one of them.
    pub members: Vec<usize>,
    /// The account whose node loses its share and has it repaired. Then nothing else changes.
    pub repairs: Option<usize>,
}

/// A request that one account makes.
#[derive(Clone, Debug)]
pub struct PlannedRequest {
    /// The index of the requester.
    pub by: usize,
    /// The earliest time, in milliseconds from the start.
    pub at: u64,
    pub votes: Vec<Vote>,
}

/// How a member votes on a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vote {
    /// Approves when it sees the request.
    Approve,
    /// Rejects when it sees the request.
    Reject,
    Ignore,
}

/// The faults of a run until it heals. Chances are out of a thousand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Faults {
    /// The longest delay of a message, in milliseconds.
    pub delay: u64,
    /// The chance that a message is lost. Its connection breaks within [`Self::notice`].
    pub drop: u64,
    /// The chance that a message arrives twice.
    pub duplicate: u64,
    /// The chance that a message overtakes earlier ones, or later ones overtake it.
    pub reorder: u64,
    /// The chance that a message breaks its connection.
    pub disconnect: u64,
    /// The longest time until each side notices a broken connection, in milliseconds.
    pub notice: u64,
    /// The chance that the node dies in a batch.
    pub node_crash: u64,
    /// The chance that the coordinator dies in a batch.
    pub coordinator_crash: u64,
    /// The chance that a coordinator that dies finds an old copy of its disk, provided that a node
    /// has the whole log.
    pub lost_entries: u64,
    /// The longest time that a dead process stays dead, in milliseconds.
    pub downtime: u64,
    /// The chance that a document is temporarily not available.
    pub no_document: u64,
    /// The most inputs that a process takes before it carries out their effects.
    pub batch: u64,
    /// Whether a process makes everything in a batch durable before it sends anything. Otherwise it
    /// carries out effect by effect.
    pub durable_first: bool,
    /// The largest difference between clocks, in milliseconds.
    pub skew: u64,
    /// When all faults end, in milliseconds from the start.
    pub heal: u64,
}

impl Faults {
    /// Returns no faults, except that messages take a millisecond.
    pub fn none() -> Self {
        Self {
            delay: 1,
            drop: 0,
            duplicate: 0,
            reorder: 0,
            disconnect: 0,
            notice: 0,
            node_crash: 0,
            coordinator_crash: 0,
            lost_entries: 0,
            downtime: 0,
            no_document: 0,
            batch: 1,
            durable_first: false,
            skew: 0,
            heal: 0,
        }
    }

    /// Returns the faults that remain after the world has healed.
    pub(crate) fn healed(&self) -> Self {
        Self {
            delay: 20,
            batch: self.batch,
            durable_first: self.durable_first,
            skew: self.skew,
            ..Self::none()
        }
    }

    fn random(chance: &mut Chance) -> Self {
        // Every kind of fault is absent from some runs, because faults that always occur together
        // hide what each does alone.
        let mut level = |levels: &[u64]| {
            let most = u64::try_from(levels.len()).unwrap_or(1) - 1;
            let drawn = usize::try_from(chance.up_to(most)).unwrap_or(0);
            levels.get(drawn).copied().unwrap_or(0)
        };
        Self {
            delay: level(&[5, 40, 300]),
            drop: level(&[0, 0, 10, 30]),
            duplicate: level(&[0, 0, 20, 200]),
            reorder: level(&[0, 0, 20, 200]),
            disconnect: level(&[0, 0, 5, 20]),
            notice: level(&[50, 1_000, 8_000]),
            node_crash: level(&[0, 5, 20, 40]),
            coordinator_crash: level(&[0, 0, 10, 30]),
            downtime: level(&[100, 2_000]),
            no_document: level(&[0, 0, 100, 500]),
            batch: level(&[1, 4, 16]),
            durable_first: level(&[0, 1]) == 1,
            skew: level(&[0, 2_000]),
            heal: level(&[5_000, 15_000, 30_000]),
            lost_entries: level(&[0, 500]),
        }
    }
}

impl Scenario {
    /// Returns a group in a perfect world. As many members as needed approve one request of the
    /// first.
    pub fn calm(min_signers: u16, members: u16) -> Self {
        let people = usize::from(members);
        let votes = (0..members)
            .map(|member| if member < min_signers { Vote::Approve } else { Vote::Ignore });
        Self {
            min_signers,
            members,
            policy: Policy::for_min_signers(min_signers),
            automatic: vec![false; people],
            reserves: 0,
            changes: Vec::new(),
            retires_at: None,
            outsider: false,
            admitted: false,
            attacks: BTreeMap::new(),
            proposals: usize::MAX,
            requests: vec![PlannedRequest { by: 0, at: 0, votes: votes.collect() }],
            faults: Faults::none(),
        }
    }

    /// Returns the scenario of a seed: some group size, some requests, some faults.
    pub fn random(seed: u64) -> Self {
        // The run draws from a different stream of the same seed.
        let mut chance = Chance::from_seed(seed ^ 0x5CE7_A810);
        let sizes =
            [(26, (3, 5)), (20, (2, 2)), (5, (2, 4)), (5, (3, 4)), (1, (4, 7)), (1, (5, 5))];
        let (min_signers, members) = chance.choose((2, 3), &sizes, 130);
        let approvals_required =
            min_signers + if chance.happens(300) { u16::from(members > min_signers) } else { 0 };
        let people = usize::from(members);
        // Signing must not depend on the attacker: the others are enough, and all of them approve.
        let attacks = if members > min_signers && chance.happens(250) {
            let who = 1 + index(&mut chance, people - 1);
            // Groups with attackers do not change.
            let changes = |ceremony| matches!(ceremony, Ceremony::Reshare | Ceremony::Repair);
            let rows = ATTACKS.iter().map(|row| row.attack);
            let all: Vec<Attack> = rows.filter(|attack| !changes(attack.ceremony)).collect();
            let how = all.get(index(&mut chance, all.len()));
            how.map(|how| (who, vec![*how])).into_iter().collect()
        } else {
            BTreeMap::new()
        };
        let requester_may_approve =
            approvals_required == members || !attacks.is_empty() || chance.happens(700);
        let mut policy = Policy::for_min_signers(min_signers);
        policy.rule.approvals_required = approvals_required;
        policy.rule.requester_may_approve = requester_may_approve;
        policy.rule.auto_approve = chance.happens(400);
        let automatic: Vec<bool> = (0..people).map(|_| chance.happens(400)).collect();
        let outsider = chance.happens(200);
        let admitted = chance.happens(800);
        let changing = attacks.is_empty() && members <= 5 && chance.happens(350);
        let reserves = if changing { chance.choose(1, &[(2, 0), (2, 2)], 6) } else { 0 };
        let accounts = people + usize::from(reserves);
        let requests = (0..chance.choose(1, &[(3, 2), (1, 3)], 5))
            .map(|_| {
                let stranger = outsider && chance.happens(300);
                let by = if stranger { accounts } else { index(&mut chance, people) };
                let at = chance.up_to(6_000);
                let quarrel = attacks.is_empty() && chance.happens(350);
                let votes = (0..accounts).map(|account| {
                    if quarrel && automatic.get(account) == Some(&false) {
                        chance.choose(Vote::Approve, &[(3, Vote::Reject), (2, Vote::Ignore)], 5)
                    } else {
                        Vote::Approve
                    }
                });
                PlannedRequest { by, at, votes: votes.collect() }
            })
            .collect();
        let mut changes = match changing {
            true => planned_changes(&mut chance, accounts),
            false => Vec::new(),
        };
        let faults = Faults::random(&mut chance);
        // The others have to be enough.
        // Neither the recipient nor, under some policies, the proposer has a vote.
        let voters = members - 1 - u16::from(!policy.rule.requester_may_approve);
        if changing && voters >= min_signers && chance.happens(400) {
            let repairs = Some(1 + index(&mut chance, people - 1));
            let at = chance.up_to(6_000);
            changes.insert(0, PlannedChange { at, min_signers, members: Vec::new(), repairs });
        }
        // Groups with malicious members are not retired.
        let retires = attacks.is_empty() && chance.happens(150);
        let retires_at = retires.then(|| chance.up_to(15_000));
        Self {
            reserves,
            changes,
            retires_at,
            min_signers,
            members,
            policy,
            automatic,
            outsider,
            admitted,
            requests,
            attacks,
            proposals: usize::MAX,
            faults,
        }
    }

    pub(crate) fn role(&self, index: usize) -> Role {
        let members = usize::from(self.members) + usize::from(self.reserves);
        if index < members { Role::Member } else { Role::Auditor }
    }

    /// Whether any account breaks the rules.
    pub(crate) fn has_malicious(&self) -> bool {
        !self.attacks.is_empty()
    }

    /// Whether the account with this index breaks the rules.
    pub(crate) fn is_malicious(&self, index: usize) -> bool {
        self.attacks.contains_key(&index)
    }

    /// Whether the account with this index breaks the rules only when the group changes, or never.
    pub(crate) fn cheats_in_changes_alone(&self, index: usize) -> bool {
        let attacks = self.attacks.get(&index).into_iter().flatten();
        attacks
            .map(|attack| attack.ceremony)
            .all(|ceremony| matches!(ceremony, Ceremony::Reshare | Ceremony::Repair))
    }

    pub(crate) fn accounts(&self) -> usize {
        usize::from(self.members) + usize::from(self.reserves) + usize::from(self.outsider)
    }
}

/// Returns one or two changes among this many accounts, to any size that a group can have. Some
/// only make new shares.
fn planned_changes(chance: &mut Chance, accounts: usize) -> Vec<PlannedChange> {
    let count = chance.choose(1, &[(1, 2)], 4);
    (0..count)
        .map(|_| {
            let mut members = vec![0];
            members.extend((1..accounts).filter(|_| chance.happens(650)));
            // A group has at least two members.
            if members.len() == 1 {
                members.push(1);
            }
            let most = u64::try_from(members.len()).unwrap_or(2).min(4);
            let min_signers = u16::try_from(2 + chance.up_to(most - 2)).unwrap_or(2);
            PlannedChange { at: chance.up_to(12_000), min_signers, members, repairs: None }
        })
        .collect()
}

fn index(chance: &mut Chance, count: usize) -> usize {
    let most = u64::try_from(count).unwrap_or(1).saturating_sub(1);
    usize::try_from(chance.up_to(most)).unwrap_or(0)
}
