//! The invariants of ARCHITECTURE.md, and a few on which they rest. Each is a function that is
//! called immediately after every event, so that it reports the effect that causes a violation.

mod audit;
mod liveness;
mod log;
mod s1;
mod s2;
mod s3;
mod s4;
mod s6;
mod s7;

use std::fmt;

use quorate_ceremony::effect::{CoordinatorChange, NodeChange};
use quorate_ceremony::entry::Entry;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::node::Node;

use crate::world::World;

pub(crate) use audit::the_audit_says_what_happened;
pub(crate) use liveness::{l1_approved_requests_are_signed, l2_processes_restart_by_themselves};
pub(crate) use log::is_volatile;
pub(crate) use s3::s3_of_two_views_at_most_one_is_final;

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
    /// Signing completes.
    L1,
    /// Restarting needs no manual action.
    L2,
    /// Every node's log is a prefix of the coordinator's.
    OneLog,
    /// A node's state is the fold of its disk.
    OneFold,
    /// No statement is lost.
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
    /// Which.
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
    /// A node wrote to its disk.
    NodeStored(&'a AccountName, &'a NodeChange),
    /// A node sent a message.
    NodeSent(&'a AccountName, &'a FromNode, &'a [u8]),
    /// A node has carried out all effects so far.
    NodeDone(&'a AccountName, &'a Node),
    /// An entry was appended to the log.
    Appended(&'a Entry),
    /// The coordinator wrote something else to its disk.
    CoordinatorStored(&'a CoordinatorChange),
    /// The coordinator sent a message.
    CoordinatorSent(&'a AccountName, &'a FromCoordinator, &'a [u8]),
}

/// The history that the invariants need.
#[derive(Default)]
pub(crate) struct Invariants {
    nonces: s1::NoncePairs,
    gate: s2::Gate,
    secrets: s4::Secrets,
    ceremonies: s6::Ceremonies,
    epochs: s7::Epochs,
    logs: log::Logs,
}

impl Invariants {
    pub(crate) fn observe(&mut self, world: &World, seen: &Seen<'_>) -> Result<(), Violation> {
        // The internal events of a malicious member prove nothing. Their effects on others do.
        if let Seen::NodeStored(by, _) | Seen::NodeSent(by, ..) | Seen::NodeDone(by, _) = seen
            && world.malicious.contains(*by)
        {
            return self.secrets.s4_no_share_is_in_anything_sent_or_stored_elsewhere(world, seen);
        }
        self.nonces.s1_no_two_shares_come_from_one_nonce_pair(world, seen)?;
        self.gate.s2_no_share_leaves_before_the_gate(world, seen)?;
        self.gate.s2_no_signature_without_an_approved_request(world, seen)?;
        self.secrets.s4_no_share_is_in_anything_sent_or_stored_elsewhere(world, seen)?;
        s3::s3_a_node_cosigns_one_history(world, seen)?;
        self.ceremonies.s6_a_key_is_certified_by_all_who_hold_it(world, seen)?;
        self.epochs.s7_a_reshare_keeps_the_key(world, seen)?;
        s7::s7_old_shares_are_destroyed_only_after_new_ones_are_in_use(world, seen)?;
        s6::s6_nobody_innocent_is_blamed(world, seen)?;
        self.logs.every_log_is_a_prefix_of_the_coordinators(world, seen)?;
        log::a_node_promises_only_what_is_on_its_disk(world, seen)?;
        self.logs.a_nodes_state_is_the_fold_of_its_disk(world, seen)?;
        log::no_statement_is_lost(world, seen)
    }
}
