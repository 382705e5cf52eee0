//! Settings of attacks: a group, how it changes, and which members attack.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::names::AccountName;
use quorate_ceremony::policy::Policy;
use quorate_testkit::{Attack, PlannedChange, PlannedRequest, Scenario, Slip, Vote};

const NAMES: [&str; 6] = ["ada", "ben", "cyd", "dot", "eve", "fay"];

pub(crate) fn name(index: usize) -> AccountName {
    NAMES[index].parse().unwrap()
}

pub(crate) fn names(indices: &[usize]) -> BTreeSet<AccountName> {
    indices.iter().map(|index| name(*index)).collect()
}

/// How a group changes after it has a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    None,
    /// A reshare to this min_signers and these members.
    Reshare(u16, &'static [usize]),
    Repair(usize),
}

/// A group and its attackers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Setting {
    /// The first min_signers and number of members of the group.
    pub(crate) group: (u16, u16),
    pub(crate) change: Change,
    pub(crate) attackers: &'static [usize],
    /// Whether the ceremony is impossible without the attackers.
    pub(crate) is_needed: bool,
}

impl Setting {
    pub(crate) const fn new(group: (u16, u16), attackers: &'static [usize]) -> Self {
        Self { group, change: Change::None, attackers, is_needed: false }
    }

    pub(crate) const fn reshares(self, min_signers: u16, members: &'static [usize]) -> Self {
        Self { change: Change::Reshare(min_signers, members), ..self }
    }

    pub(crate) const fn repairs(self, recipient: usize) -> Self {
        Self { change: Change::Repair(recipient), ..self }
    }

    pub(crate) const fn needed(self) -> Self {
        Self { is_needed: true, ..self }
    }

    pub(crate) fn attacker(self) -> usize {
        let [attacker] = self.attackers else { panic!("{self:?}") };
        *attacker
    }

    /// Returns the scenario in which all attackers do the same.
    pub(crate) fn scenario(self, attack: Attack, times: [u64; 2]) -> Scenario {
        let attacks = self.attackers.iter().map(|index| (*index, vec![attack]));
        self.scenario_of(attacks.collect(), times)
    }

    /// Returns the scenario in which everyone approves requests of the first member, the last ones
    /// at these times. In a group that does not change, one more request has only its requester's
    /// approval.
    pub(crate) fn scenario_of(
        self,
        attacks: BTreeMap<usize, Vec<Attack>>,
        times: [u64; 2],
    ) -> Scenario {
        let (min_signers, members) = self.group;
        let request = |vote| move |at| PlannedRequest { by: 0, at, votes: vec![vote; NAMES.len()] };
        let wanted = times.into_iter().map(request(Vote::Approve));
        let change = |at, min_signers, members: &[usize], repairs| PlannedChange {
            at,
            min_signers,
            members: members.to_vec(),
            repairs,
        };
        let all: Vec<usize> = (0..usize::from(members)).collect();
        let (accounts, requests, changes) = match self.change {
            Change::None => {
                let unwanted = request(Vote::Ignore)(0);
                (usize::from(members), wanted.chain([unwanted]).collect(), Vec::new())
            }
            Change::Reshare(new, to) => {
                // Dealing shares of an older epoch takes an older epoch.
                let deals_older = |attack: &Attack| attack.slip == Slip::OlderShare;
                let refreshes = attacks.values().flatten().any(deals_older);
                let refresh = refreshes.then(|| change(500, min_signers, &all, None));
                let changes = refresh.into_iter().chain([change(1_500, new, to, None)]);
                let accounts = to.iter().max().unwrap() + 1;
                let first = request(Vote::Approve)(0);
                (accounts, [first].into_iter().chain(wanted).collect(), changes.collect())
            }
            Change::Repair(recipient) => {
                let repair = change(1_500, min_signers, &[], Some(recipient));
                (usize::from(members), wanted.collect(), vec![repair])
            }
        };
        Scenario {
            policy: Policy::for_min_signers(min_signers),
            admitted: true,
            reserves: u16::try_from(accounts).unwrap().saturating_sub(members),
            automatic: vec![false; NAMES.len()],
            requests,
            changes,
            attacks,
            ..Scenario::calm(min_signers, members)
        }
    }
}
