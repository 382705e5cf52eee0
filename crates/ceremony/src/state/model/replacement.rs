//! Replacements of the coordinator: the one that members vote for, and those that are in force.

use std::collections::BTreeMap;

use crate::entry::{CoordinatorKeys, LogTree, Replacement};
use crate::names::{AccountName, Timestamp};

/// A replacement, and the members who have voted for it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ReplacementState {
    pub replacement: Replacement,
    /// Who voted for it, and the largest tree that each one's node cosigned and then abandoned.
    pub votes: BTreeMap<AccountName, Option<LogTree>>,
    /// When each vote was signed, by its author's clock.
    times: Vec<Timestamp>,
    /// The index of the entry with which it came into force. `None` before that.
    pub in_force: Option<u64>,
}

/// The coordinators that the log has had.
#[derive(Clone, Debug)]
pub(in crate::state) struct Coordinators {
    first: CoordinatorKeys,
    /// Replacements in force, the oldest first.
    past: Vec<ReplacementState>,
    /// The replacement that the latest entries vote for.
    open: Option<ReplacementState>,
}

impl Coordinators {
    pub(in crate::state) fn new(first: CoordinatorKeys) -> Self {
        Self { first, past: Vec::new(), open: None }
    }

    /// The median of the times of the votes that replaced the coordinator last. Statements from
    /// before it are not admissible any more.
    pub(in crate::state) fn since(&self) -> Option<Timestamp> {
        let mut times = self.past.last()?.times.clone();
        times.sort();
        times.get(times.len().saturating_sub(1) / 2).copied()
    }

    /// The keys that are in force.
    pub(in crate::state) fn keys(&self) -> &CoordinatorKeys {
        self.past.last().map_or(&self.first, |last| &last.replacement.keys)
    }

    /// All keys that were ever in force, the oldest first.
    pub(in crate::state) fn all_keys(&self) -> impl Iterator<Item = &CoordinatorKeys> {
        let past = self.past.iter().map(|past| &past.replacement.keys);
        std::iter::once(&self.first).chain(past)
    }

    pub(in crate::state) fn past(&self) -> &[ReplacementState] {
        &self.past
    }

    /// The replacement that the latest entries vote for, which may have come into force with one of
    /// them.
    pub(in crate::state) fn voted_for(&self) -> Option<&ReplacementState> {
        self.open.as_ref()
    }

    /// Another entry follows, so that votes which are still missing come too late.
    pub(in crate::state) fn end_vote(&mut self) {
        self.open = None;
    }

    /// Adds a vote, which is the entry of that index. Returns whether the replacement is in force
    /// with this vote.
    pub(in crate::state) fn vote(
        &mut self,
        by: AccountName,
        replacement: &Replacement,
        abandoned: Option<LogTree>,
        at: Timestamp,
        needed: usize,
        index: u64,
    ) -> bool {
        self.open.take_if(|open| open.replacement != *replacement);
        let open = self.open.get_or_insert_with(|| ReplacementState {
            replacement: replacement.clone(),
            votes: BTreeMap::new(),
            times: Vec::new(),
            in_force: None,
        });
        open.votes.insert(by, abandoned);
        open.times.push(at);
        let comes_into_force = open.in_force.is_none() && open.votes.len() >= needed;
        if comes_into_force {
            open.in_force = Some(index);
            self.past.push(open.clone());
        } else if open.in_force.is_some()
            && let Some(last) = self.past.last_mut()
        {
            last.clone_from(open);
        }
        comes_into_force
    }
}
