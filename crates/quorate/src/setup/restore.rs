//! Creates a node's home again, from a backup and the complete log.

use std::collections::BTreeSet;
use std::path::Path;

use quorate_ceremony::effect::NodeChange;
use quorate_ceremony::names::SessionId;
use quorate_log::checkpoint::SignedCheckpoint;

use super::error::SetupError;
use super::undo::Undo;
use crate::backup::Backup;
use crate::fail_points;
use crate::home::{NodeConfig, NodeHome};
use crate::store::durable;
use crate::store::node::NodeStore;

const BATCH: usize = 1000;

/// Creates a home at `path` with the shares of exactly these sessions. The home is complete or
/// absent.
///
/// `entries` is the whole log, which has to contain the checkpoint of the backup.
///
/// # Errors
///
/// When there is something at `path`, or the disk fails.
pub async fn restore(
    path: &Path,
    backup: Backup,
    config: NodeConfig,
    entries: Vec<Vec<u8>>,
    good: &BTreeSet<SessionId>,
) -> Result<(), SetupError> {
    let failed = |path: &Path, source| SetupError::NotWritten { path: path.to_owned(), source };
    let parent = durable::directory_of(path);
    durable::create_directories(parent).map_err(|source| failed(parent, source))?;
    let mut home = NodeHome::stage(path)?;
    // The directory contains at most the same data, so an earlier attempt's can be removed too.
    let undo = Undo::of(home.path());
    let reached = fail_points::before(["restore.keys"]);
    let keys = home.keys();
    durable::create(&keys, &backup.key_file).map_err(|source| failed(&keys, source))?;
    fail_points::after(reached);
    let reached = fail_points::before(["restore.store"]);
    write_store(&home, backup, entries, good).await?;
    fail_points::after(reached);
    let reached = fail_points::before(["restore.config"]);
    home.save(config)?;
    fail_points::after(reached);
    let reached = fail_points::before(["restore.swap"]);
    home.put_in_place(path)?;
    fail_points::after(reached);
    undo.keep();
    Ok(())
}

async fn write_store(
    home: &NodeHome,
    backup: Backup,
    entries: Vec<Vec<u8>>,
    good: &BTreeSet<SessionId>,
) -> Result<(), SetupError> {
    let sealer = backup.keys.sealer(backup.config.ivn, backup.config.account.clone());
    let mut store = NodeStore::open(&home.database(), sealer).await?;
    let mut first = 0;
    for batch in entries.chunks(BATCH) {
        let entries = batch.to_vec();
        let next = first + batch.len() as u64;
        store.commit(vec![NodeChange::Entries { first, entries }]).await?;
        first = next;
    }
    let mut changes = Vec::new();
    if let Some(checkpoint) = backup.cosigned {
        let size = checkpoint.parse::<SignedCheckpoint>();
        let size = size.map_or(0, |checkpoint| checkpoint.unverified().size());
        changes.push(NodeChange::Cosigned { checkpoint, size });
    }
    changes.extend(backup.refused.into_iter().map(NodeChange::Refused));
    changes.extend(backup.refusals.into_iter().map(NodeChange::OutboxAdd));
    for (session, released) in backup.sessions {
        changes.push(NodeChange::Committed(session));
        changes.extend(released.then_some(NodeChange::Released(session)));
    }
    for (session, package) in backup.packages {
        if good.contains(&session) {
            changes.push(NodeChange::KeyPackage { session, package });
        }
    }
    let mut changes = changes.into_iter().peekable();
    while changes.peek().is_some() {
        store.commit(changes.by_ref().take(BATCH).collect()).await?;
    }
    store.close().await?;
    Ok(())
}
