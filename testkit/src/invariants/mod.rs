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
mod violation;

use crate::world::World;

pub(crate) use audit::the_audit_says_what_happened;
pub(crate) use liveness::{l1_approved_requests_are_signed, l2_processes_restart_by_themselves};
pub(crate) use log::is_volatile;
pub(crate) use s3::s3_of_two_views_at_most_one_is_final;
pub(crate) use violation::Seen;
pub use violation::{Invariant, Violation};

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
