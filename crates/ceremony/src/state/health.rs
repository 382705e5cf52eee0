//! Which members can use their shares, as far as the log shows.
//!
//! The roster can show that a member is *unable*. A member can also be *silent*: the log contains
//! no recent proof (a certification, a signature, or a proof of possession) that its node still has
//! its share. The first is a rule: a member that is unable has no vote and deals no share. The
//! second is for people, because it depends on the time. The same applies to a duplicated node:
//! neither copy signs, but the account keeps its vote, and the state ends when either copy
//! restarts.

use serde::{Deserialize, Serialize};

use crate::names::{AccountName, GroupName, Timestamp};
use crate::state::IvnState;
use crate::state::model::group::Group;
use crate::state::model::key::Health;

/// A group that would have only min_signers healthy shares or fewer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Shortfall {
    pub group: GroupName,
    pub min_signers: usize,
    pub members: usize,
    /// How many there would be.
    pub healthy: usize,
}

impl Shortfall {
    /// Whether the group could not sign any more.
    pub fn is_fatal(&self) -> bool {
        self.healthy < self.min_signers
    }
}

#[expect(missing_docs, reason = "the names say it")]
impl IvnState {
    /// The health of each member's share at `now`, in the order of the definition. Empty before
    /// there is a key.
    pub fn health<'a>(&self, group: &'a Group, now: Timestamp) -> Vec<(&'a AccountName, Health)> {
        let doubled = |name| self.account(name).is_ok_and(|account| account.duplicated);
        let with_roster = |(name, health)| match health {
            Health::Healthy { .. } | Health::Silent { .. } if doubled(name) => {
                (name, Health::Doubled)
            }
            health => (name, health),
        };
        group.health(now).into_iter().map(with_roster).collect()
    }

    pub fn healthy(&self, group: &Group, now: Timestamp) -> usize {
        let health = self.health(group, now).into_iter();
        health.filter(|(_, health)| matches!(health, Health::Healthy { .. })).count()
    }

    pub fn groups_of(&self, name: &AccountName) -> impl Iterator<Item = &GroupName> {
        let of = self.groups.values().filter(move |group| group.has_member(name));
        of.map(|group| &group.definition.name)
    }

    /// The groups that this account would join by a pending change.
    pub(in crate::state) fn groups_to_be_of(
        &self,
        name: &AccountName,
    ) -> impl Iterator<Item = &GroupName> {
        let pending = self.groups.values().filter(move |group| {
            group.change.as_ref().is_some_and(|change| change.gives_share_to(name))
        });
        pending.map(|group| &group.definition.name)
    }

    /// The groups that would have at most min_signers healthy shares at `now` without this
    /// member's.
    pub fn shortfalls(&self, without: &AccountName, now: Timestamp) -> Vec<Shortfall> {
        let of = |group: &Group| {
            let key = group.key.as_ref().filter(|_| group.has_member(without))?;
            let health = self.health(group, now).into_iter();
            let healthy = health.filter(|(name, health)| {
                *name != without && matches!(health, Health::Healthy { .. })
            });
            let healthy = healthy.count();
            let (members, min_signers) = (group.definition.members.len(), key.min_signers());
            let group = group.definition.name.clone();
            (healthy <= min_signers).then_some(Shortfall { group, min_signers, members, healthy })
        };
        self.groups.values().filter_map(of).collect()
    }
}
