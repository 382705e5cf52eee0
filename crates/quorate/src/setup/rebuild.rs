//! Makes a coordinator's home again, from its keys and, if there are any, copies of its logs.

use std::path::Path;

use quorate_ceremony::effect::CoordinatorChange;
use quorate_ceremony::names::IvnId;

use super::error::SetupError;
use super::log_copy::VerifiedCopy;
use super::undo::Undo;
use crate::backup::coordinator::{IvnParts, founded, size_of};
use crate::fail_points;
use crate::home::{CoordinatorConfig, CoordinatorHome, IvnDirectory};
use crate::store::coordinator::{CoordinatorStore, CoordinatorWrite};
use crate::store::durable;

/// How many entries are stored at a time.
const BATCH: usize = 1_000;

/// One IVN of a rebuilt home.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rebuilt {
    pub ivn: IvnId,
    /// The number of entries that the home has.
    pub size: u64,
    /// The number of entries that it has to have before anything is appended.
    pub required: u64,
}

/// Creates a coordinator's home at `path`. It is complete or absent.
///
/// An IVN without a copy of its log gets the genesis only; its coordinator takes the rest from the
/// nodes that connect. The keys are those in the parts, so a home can also be made with new ones.
///
/// # Errors
///
/// When there is something at `path`, or the disk fails.
pub async fn rebuild(
    path: &Path,
    config: CoordinatorConfig,
    ivns: Vec<(IvnParts, Option<VerifiedCopy>)>,
) -> Result<Vec<Rebuilt>, SetupError> {
    let failed = |path: &Path, source| SetupError::NotWritten { path: path.to_owned(), source };
    let parent = durable::directory_of(path);
    durable::create_directories(parent).map_err(|source| failed(parent, source))?;
    let mut home = CoordinatorHome::stage(path)?;
    let undo = Undo::of(home.path());
    let mut rebuilt = Vec::new();
    for (parts, copy) in ivns {
        let genesis = founded(&parts.genesis);
        let ivn = genesis.map(|state| state.ivn()).ok_or(SetupError::Answer)?;
        let directory = home.ivn(ivn);
        directory.create()?;
        let reached = fail_points::before(["restore.keys"]);
        parts.keys.create(&directory.keys())?;
        let certificate = directory.ca_certificate();
        durable::create(&certificate, parts.ca_certificate.as_bytes())
            .map_err(|source| failed(&certificate, source))?;
        fail_points::after(reached);
        let reached = fail_points::before(["restore.store"]);
        let required = parts.checkpoint.as_deref().map_or(1, size_of);
        let size = write_store(&directory, parts, copy).await?;
        fail_points::after(reached);
        rebuilt.push(Rebuilt { ivn, size, required: required.max(size) });
    }
    let reached = fail_points::before(["restore.config"]);
    home.save(config)?;
    fail_points::after(reached);
    let reached = fail_points::before(["restore.swap"]);
    home.put_in_place(path)?;
    fail_points::after(reached);
    undo.keep();
    Ok(rebuilt)
}

async fn write_store(
    directory: &IvnDirectory,
    parts: IvnParts,
    copy: Option<VerifiedCopy>,
) -> Result<u64, SetupError> {
    let mut store = CoordinatorStore::open(directory).await?;
    let (entries, checkpoint) = match copy {
        Some(VerifiedCopy { entries, checkpoint }) => (entries, Some(checkpoint)),
        None => (vec![parts.genesis], None),
    };
    let mut index = 0;
    for batch in entries.chunks(BATCH) {
        let append = |(index, entry): (u64, &Vec<u8>)| CoordinatorWrite::Append {
            index,
            entry: entry.clone(),
        };
        store.commit((index..).zip(batch).map(append).collect()).await?;
        index += batch.len() as u64;
    }
    let mut changes = Vec::new();
    if let Some(note) = checkpoint {
        let change = CoordinatorChange::Checkpoint { note, size: index };
        changes.push(CoordinatorWrite::Change(change));
    }
    changes.extend(parts.checkpoint.map(CoordinatorWrite::Require));
    changes.extend(parts.cosignatures.into_iter().map(|(account, size, line)| {
        CoordinatorWrite::Change(CoordinatorChange::Cosignature { account, size, line })
    }));
    store.commit(changes).await?;
    let size = store.size();
    store.close().await?;
    Ok(size)
}
