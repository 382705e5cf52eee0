//! The names of the invariants, the events that they check, and their violations.

use std::fmt;

use quorate_ceremony::effect::{CoordinatorChange, NodeChange};
use quorate_ceremony::entry::Entry;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::node::Node;

/// Names an invariant.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Invariant {
    /// One share from one nonce pair.
    S1,
    /// No signature without a logged, approved request in a cosigned checkpoint.
    S2,
    /// No auditor accepts a split view.
    S3,
    /// No share leaves a node in the clear.
    S4,
    /// One key certified by all, or a logged abort that blames no innocent participant.
    S6,
    /// A reshare keeps the key and strands nobody.
    S7,
    L1,
    /// Restarting needs no manual action.
    L2,
    /// Every node's log is a prefix of the coordinator's.
    OneLog,
    /// A node's state is the fold of its disk.
    OneFold,
    Outbox,
    /// An auditor learns what happened from the log alone.
    Audit,
    /// The simulator itself reached an impossible state.
    Simulator,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S1 => "S1 (one share from one nonce pair)",
            Self::S2 => "S2 (no signature without an approved request in a cosigned checkpoint)",
            Self::S3 => "S3 (no auditor accepts a split view)",
            Self::S4 => "S4 (no share leaves a node)",
            Self::S6 => "S6 (one certified key, or an abort that blames nobody innocent)",
            Self::S7 => "S7 (a reshare keeps the key and strands nobody)",
            Self::L1 => "L1 (signing completes)",
            Self::L2 => "L2 (restarting needs no manual action)",
            Self::OneLog => "one log (every node's log is a prefix of the coordinator's)",
            Self::OneFold => "one fold (a node's state is the fold of its disk)",
            Self::Outbox => "outbox (no statement is lost)",
            Self::Audit => "audit (an auditor who has only the log finds what happened)",
            Self::Simulator => "the simulator",
        })
    }
}

/// A violated invariant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{invariant}: {what}")]
pub struct Violation {
    pub invariant: Invariant,
    /// What happened, in words.
    pub what: String,
}

impl Invariant {
    pub(crate) fn broken(self, what: impl Into<String>) -> Violation {
        Violation { invariant: self, what: what.into() }
    }

    /// Fails unless `holds`.
    pub(crate) fn check(self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err(self.broken(what())) }
    }
}

/// One event. The world is in the state right after it.
pub(crate) enum Seen<'a> {
    NodeStored(&'a AccountName, &'a NodeChange),
    NodeSent(&'a AccountName, &'a FromNode, &'a [u8]),
    /// A node has carried out all effects so far.
    NodeDone(&'a AccountName, &'a Node),
    Appended(&'a Entry),
    /// The coordinator wrote something else to its disk.
    CoordinatorStored(&'a CoordinatorChange),
    CoordinatorSent(&'a AccountName, &'a FromCoordinator, &'a [u8]),
}
