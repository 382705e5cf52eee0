//! Lines about what happens in the IVN's log: each request and each ceremony.

use quorate_ceremony::entry::{Body, Entry};
use tracing::{debug, info};

/// The most entries of one batch that are described. A node that catches up counts the others.
const DESCRIBED: usize = 64;

/// Describes entries that this node has just verified.
pub(crate) fn describe_stored(first: u64, entries: &[Vec<u8>]) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    if entries.len() > DESCRIBED {
        return info!(first, count = entries.len(), "verified entries of the log");
    }
    for (index, bytes) in (first..).zip(entries) {
        if let Ok(entry) = Entry::from_bytes(bytes) {
            describe(index, &entry);
        }
    }
}

/// Describes an entry that is now in the log.
pub(crate) fn describe(index: u64, entry: &Entry) {
    let statement = entry.statement();
    let (author, kind) = (&statement.author, statement.body.kind());
    match &statement.body {
        Body::Request(asked) => {
            info!(index, %author, request = %entry.id(), group = %asked.group, "request");
        }
        Body::Approval { request } => info!(index, %author, %request, "approval"),
        Body::Refusal { request, .. } => info!(index, %author, %request, "rejection"),
        Body::Signature { request, session, signers, .. } => {
            info!(index, %request, %session, signers = signers.len(), "signature");
        }
        Body::GroupChange(change) => {
            let (change, group) = (entry.id(), &change.definition.name);
            info!(index, %author, %change, %group, "change of a group proposed");
        }
        Body::CeremonyStarted { group, session, attempt } => {
            info!(index, %group, %session, attempt, "ceremony started");
        }
        Body::CeremonyAborted { session, reason } => {
            info!(index, %author, %session, %reason, "ceremony aborted");
        }
        Body::EpochStarted { session, .. } => info!(index, %session, "ceremony succeeded"),
        _ => debug!(index, %author, kind, "entry"),
    }
}
