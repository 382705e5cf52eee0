//! S3: split views.

use quorate_ceremony::audit;
use quorate_ceremony::audit::{Anchor, Verdict};
use quorate_ceremony::document::NoDocuments;
use quorate_ceremony::message::FromNode;
use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::note::NoteSignature;

use super::s2::cosigns;
use super::{Invariant, Seen, Violation};
use crate::world::World;

/// S3: "no auditor accepts a split view while at most min_signers−1 members collude with the
/// coordinator".
///
/// `views` are logs that one key signed, each with a cosigned checkpoint of all its entries. Of two
/// contradictory views, the auditor accepts at most one as final.
pub(crate) fn s3_of_two_views_at_most_one_is_final(
    views: &[(Vec<Vec<u8>>, VerifiedCheckpoint)],
) -> Result<(), Violation> {
    let mut last: Option<&[Vec<u8>]> = None;
    for (entries, checkpoint) in views {
        let report = audit::replay(
            entries.iter().cloned(),
            checkpoint.as_signed(),
            &Anchor::default(),
            &mut NoDocuments,
        );
        if !report.is_ok_and(|report| report.verdict == Verdict::Final) {
            continue;
        }
        if let Some(other) = last {
            let both = entries.len().min(other.len());
            Invariant::S3.check(entries.get(..both) == other.get(..both), || {
                format!(
                    "auditors accept two logs of {} and {} entries that differ",
                    other.len(),
                    entries.len()
                )
            })?;
        }
        if last.is_none_or(|other| other.len() < entries.len()) {
            last = Some(entries);
        }
    }
    Ok(())
}

/// The foundation of S3: an honest member cosigns one history, here the coordinator's.
pub(crate) fn s3_a_node_cosigns_one_history(
    world: &World,
    seen: &Seen<'_>,
) -> Result<(), Violation> {
    let (by, size, line) = match seen {
        Seen::NodeSent(by, FromNode::Cosign { size, cosignature }, _)
        | Seen::NodeSent(by, FromNode::Share { size, cosignature, .. }, _) => {
            (*by, *size, cosignature)
        }
        _ => return Ok(()),
    };
    // Bytes that are not a cosignature prove nothing.
    if line.parse::<NoteSignature>().is_err() {
        return Ok(());
    }
    Invariant::S3.check(cosigns(world, by, size, line).is_some(), || {
        format!("{by} cosigns {size} entries that are not the first {size} of the log")
    })
}
