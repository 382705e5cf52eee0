//! How members replace the coordinator when its keys are lost, or when it has signed two histories.
//!
//! ```text
//! history that counts          votes for one replacement      from here on
//! 0 ··················· size-1 │ ada │ ben │ … more than half │ entries under the new keys
//!        (size, root) ─────────┘
//! ```
//!
//! Each vote names the tree that it follows, so that it has no effect in any other history. A
//! coordinator cannot vote, and cannot put another entry between the votes.

use crate::entry::{LogTree, Replacement, Role};
use crate::names::{AccountName, Digest, Timestamp};
use crate::state::model::replacement::ReplacementState;
use crate::state::model::roster::Account;
use crate::state::refusal::{Entries, Refusal, Replacements};
use crate::state::{Event, IvnState, is_reason};

impl IvnState {
    /// A member votes for a replacement of the coordinator.
    pub(in crate::state) fn replace_coordinator(
        &mut self,
        by: &AccountName,
        replacement: &Replacement,
        abandoned: Option<LogTree>,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        if !is_reason(&replacement.reason) {
            return Err(Replacements::Reason.into());
        }
        if !self.may_vote_for_coordinator(by) {
            return Err(Replacements::NoVote { account: by.clone() }.into());
        }
        match self.coordinators.voted_for() {
            Some(open) if open.replacement == *replacement => {
                if open.votes.contains_key(by) {
                    return Err(Entries::AlreadySaid { account: by.clone() }.into());
                }
            }
            _ => self.check_replacement(replacement)?,
        }
        let needed = self.votes_for_coordinator().0;
        let (by, index) = (by.clone(), self.size());
        let is_in_force = self.coordinators.vote(by, replacement, abandoned, at, needed, index);
        if is_in_force {
            let keys = &replacement.keys;
            self.keys.extend([keys.log_key, keys.coordinator_key]);
        }
        Ok(is_in_force.then_some(Event::CoordinatorReplaced).into_iter().collect())
    }

    /// Checks the first vote for a replacement.
    fn check_replacement(&self, replacement: &Replacement) -> Result<(), Refusal> {
        if replacement.history != self.tree() {
            return Err(Replacements::OtherHistory.into());
        }
        let keys = &replacement.keys;
        if self.log_verifier_of(&keys.log_key).is_none() {
            return Err(Replacements::UnusableKey.into());
        }
        let is_known = |key| {
            self.keys.contains(key)
                || self
                    .coordinators
                    .all_keys()
                    .any(|known| known.log_key == *key || known.coordinator_key == *key)
        };
        if keys.log_key == keys.coordinator_key
            || is_known(&keys.log_key)
            || is_known(&keys.coordinator_key)
        {
            return Err(Replacements::KnownKeys.into());
        }
        Ok(())
    }

    /// Whether this account has a vote about the coordinator: it has the member role and is not
    /// suspended. If no account has that role, all that are not suspended have a vote.
    pub fn may_vote_for_coordinator(&self, name: &AccountName) -> bool {
        self.active(name).is_ok() && self.voters().any(|voter| voter == name)
    }

    /// How many votes replace the coordinator, and how many accounts they are counted among. Those
    /// include suspended ones: otherwise an admin could suspend all others and vote alone.
    pub fn votes_for_coordinator(&self) -> (usize, usize) {
        let voters = self.voters().count();
        (voters / 2 + 1, voters)
    }

    fn voters(&self) -> impl Iterator<Item = &AccountName> {
        let is_member = |account: &Account| account.roles.contains(&Role::Member);
        let has_members = self.accounts.values().any(is_member);
        self.accounts
            .iter()
            .filter(move |(_, account)| !has_members || is_member(account))
            .map(|(name, _)| name)
    }

    /// The tree of all entries in this state.
    pub fn tree(&self) -> LogTree {
        let head = self.frontier.head();
        LogTree { size: head.size, root: Digest::new(*head.root.as_bytes()) }
    }

    /// The replacements of the coordinator that are in force, the oldest first.
    pub fn replacements(&self) -> &[ReplacementState] {
        self.coordinators.past()
    }

    /// The replacement that the latest entries vote for.
    pub fn replacement_voted_for(&self) -> Option<&ReplacementState> {
        self.coordinators.voted_for()
    }
}
