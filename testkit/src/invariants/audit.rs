//! The offline audit: the log alone shows what happened.

use quorate_ceremony::audit;
use quorate_ceremony::audit::{Anchor, AuditReport, Check, SessionOutcome};
use quorate_ceremony::document::{Documents, NotChecked, ToSign};
use quorate_ceremony::entry::AbortReason;
use quorate_ceremony::names::EntryId;
use quorate_ceremony::test_world::message_of;
use quorate_log::checkpoint::SignedCheckpoint;

use super::{Invariant, Violation};
use crate::world::World;

/// Replays the log on the coordinator's disk, as `quorate log verify` does.
///
/// The log is valid, every signature is checked with its document, and every member that the
/// auditor blames did break the rules.
pub(crate) fn the_audit_says_what_happened(world: &World) -> Result<AuditReport, Violation> {
    let report = replay(world)?;
    Invariant::Audit.check(report.faults.is_empty(), || format!("{:?}", report.faults))?;
    for signature in &report.signatures {
        let checks = [signature.sum, signature.shares, signature.document];
        Invariant::Audit.check(checks == [Check::Verified; 3], || {
            format!("a signature is not verified: {signature:?}")
        })?;
    }
    for session in report.groups.iter().flat_map(|group| &group.sessions) {
        let SessionOutcome::Aborted { reason, .. } = &session.outcome else { continue };
        if let AbortReason::Fault { culprits: named } | AbortReason::Dissent { dissenters: named } =
            reason
        {
            Invariant::Audit.check(named.is_subset(&world.malicious), || {
                format!("the auditor blames {named:?}")
            })?;
        }
    }
    Ok(report)
}

fn replay(world: &World) -> Result<AuditReport, Violation> {
    let failed = || Invariant::Audit.broken("there is no checkpoint that an auditor could read");
    let (note, size) = world.coordinator.checkpoint.as_ref().ok_or_else(failed)?;
    let lines = world.coordinator.cosignatures.values().filter(|(of, _)| of == size);
    let cosigned = lines.fold(note.clone(), |note, (_, line)| format!("{note}{line}\n"));
    let checkpoint: SignedCheckpoint = cosigned.parse().map_err(|_| failed())?;
    let anchor = Anchor { ivn: Some(world.reference.state.ivn()), log_key: None };
    let entries = world.coordinator.entries.iter().cloned();
    audit::replay(entries, &checkpoint, &anchor, &mut OfTheWorld(world))
        .map_err(|error| Invariant::Audit.broken(error.to_string()))
}

struct OfTheWorld<'a>(&'a World);

impl Documents for OfTheWorld<'_> {
    fn to_be_signed(&mut self, _: EntryId, wanted: &ToSign) -> Result<Vec<u8>, NotChecked> {
        let document = self.0.documents.get(&wanted.request.document);
        Ok(message_of(document.ok_or(NotChecked::NoDocument)?, wanted))
    }
}
