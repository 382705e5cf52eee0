//! The foundations of the design's invariants: one log, one fold, and no lost statement.

use std::collections::BTreeMap;

use quorate_ceremony::effect::NodeChange;
use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::AccountName;

use super::{Invariant, Seen, Violation};
use crate::reference::summary;
use crate::world::World;

/// How far each node was checked.
#[derive(Default)]
pub(crate) struct Logs {
    folded: BTreeMap<AccountName, u64>,
}

impl Logs {
    /// Every node's log is a byte-by-byte prefix of the coordinator's log, and grows only at its
    /// end.
    pub(crate) fn every_log_is_a_prefix_of_the_coordinators(
        &mut self,
        world: &World,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        match seen {
            Seen::NodeStored(by, NodeChange::Entries { first, entries }) => {
                let log = world.disk(by).map(|disk| disk.entries.as_slice()).unwrap_or_default();
                let held = log.len().saturating_sub(entries.len());
                let contiguous = u64::try_from(held).ok() == Some(*first);
                Invariant::OneLog
                    .check(contiguous, || format!("{by} stores entry {first} after {held}"))?;
                let same = world.reference.entries.get(held..log.len()) == log.get(held..);
                Invariant::OneLog.check(same, || format!("{by} stores what is not in the log"))
            }
            Seen::CoordinatorSent(to, FromCoordinator::Log { first, entries, .. }, _) => {
                let stored = usize::try_from(*first)
                    .ok()
                    .and_then(|first| world.coordinator.entries.get(first..first + entries.len()));
                let same = stored.is_some_and(|stored| {
                    stored.iter().zip(entries).all(|(stored, sent)| *stored == sent.0)
                });
                Invariant::OneLog.check(same, || format!("{to} is sent what is not in the log"))
            }
            _ => Ok(()),
        }
    }

    /// A node's state is exactly the fold of the log up to the size that is on its disk.
    pub(crate) fn a_nodes_state_is_the_fold_of_its_disk(
        &mut self,
        world: &World,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        let Seen::NodeDone(by, node) = seen else { return Ok(()) };
        let size = node.state().size();
        let stored = world.disk(by).map(|disk| disk.entries.len());
        Invariant::OneFold
            .check(stored.and_then(|len| u64::try_from(len).ok()) == Some(size), || {
                format!("{by} has a state of {size} entries, and {stored:?} on its disk")
            })?;
        if self.folded.insert((*by).clone(), size) == Some(size) {
            return Ok(());
        }
        let theirs = summary(node.state());
        Invariant::OneFold.check(world.reference.summary_at(size) == Some(theirs.as_str()), || {
            format!("{by} understands {size} entries otherwise: {theirs}")
        })
    }
}

/// "Persist before log, log before send" (DESIGN §3): everything that a node cosigns or submits is
/// on its disk.
pub(crate) fn a_node_promises_only_what_is_on_its_disk(
    world: &World,
    seen: &Seen<'_>,
) -> Result<(), Violation> {
    let Seen::NodeSent(by, message, _) = seen else { return Ok(()) };
    let Some(disk) = world.disk(by) else { return Ok(()) };
    match message {
        FromNode::Cosign { size, .. } => {
            let stored = u64::try_from(disk.entries.len()).unwrap_or(0);
            let cosigned = disk.cosigned_size();
            Invariant::OneLog.check(stored >= *size && cosigned >= *size, || {
                format!(
                    "{by} cosigns {size} entries and has {stored} on its disk, {cosigned} cosigned"
                )
            })
        }
        FromNode::Submit { entry } => {
            let id = Entry::from_bytes(&entry.0).map(|entry| entry.id());
            let stored = id.is_ok_and(|id| disk.holds(id) || world.reference.ids.contains(&id));
            Invariant::Outbox.check(stored, || format!("{by} submits what is not on its disk"))
        }
        FromNode::Hello { .. }
        | FromNode::Entries { .. }
        | FromNode::Sealed { .. }
        | FromNode::Part { .. }
        | FromNode::Share { .. }
        | FromNode::Declined { .. } => Ok(()),
    }
}

/// Every statement of a node is in the log or in the outbox on its disk, or the coordinator gave a
/// reason to reject it.
///
/// The exceptions belong to a process that has ended: its announcement and its part of a DKG.
pub(crate) fn no_statement_is_lost(world: &World, seen: &Seen<'_>) -> Result<(), Violation> {
    let Seen::NodeStored(by, NodeChange::OutboxRemove(id)) = seen else { return Ok(()) };
    let accounted = world.reference.ids.contains(id)
        || world.rejected.contains(&((*by).clone(), *id))
        || world.volatile.contains(id);
    Invariant::Outbox
        .check(accounted, || format!("{by} forgets {id:?}, which never reached the log"))
}

/// Whether a statement dies with the process that made it.
pub(crate) fn is_volatile(entry: &Entry) -> bool {
    matches!(entry.statement().body, Body::CeremonyMessage { .. } | Body::NodeStarted { .. })
}
