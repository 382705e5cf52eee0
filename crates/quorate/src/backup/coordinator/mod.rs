//! Backups of a coordinator: what its nodes do not have.
//!
//! Nodes have all entries of the logs, and the documents that they were asked to sign. A backup
//! contains the rest, and what proves how much of a log the nodes have to give back:
//!
//! | in a backup | why |
//! |---|---|
//! | `home.json` | addresses and limits |
//! | `coordinator.keys`, `ca.pem` | the keys that sign checkpoints, entries and certificates |
//! | the genesis | names the IVN, and pins these keys |
//! | the latest checkpoint | the restored log has to reach it before anything is appended |
//! | the latest cosignatures | more than half of their nodes have to be connected before that, too |
//!
//! It can be made while the coordinator runs, and stays usable as long as the keys do: an older
//! backup only requires less.

use std::path::Path;

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Entry;
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::state::IvnState;
use quorate_log::checkpoint::SignedCheckpoint;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::home::{CoordinatorConfig, CoordinatorHome, HomeError};
use crate::keystore::{
    CoordinatorBackupFile, CoordinatorKeys, KeyProtector, KeystoreError, put_counted, take_counted,
};
use crate::store::StoreError;
use crate::store::coordinator::read_beside_writer;

/// The part of a backup that people can read without its passphrase.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorLabel {
    pub deployment: String,
    /// The hub's address, `host:port`.
    pub hub: String,
    pub made_at: Timestamp,
    pub ivns: Vec<LabelledIvn>,
}

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledIvn {
    pub ivn: IvnId,
    pub name: String,
    /// The number of log entries in its latest checkpoint.
    pub log_size: u64,
}

/// One IVN of a coordinator, without its log.
#[derive(Debug)]
pub struct IvnParts {
    pub keys: CoordinatorKeys,
    /// The IVN's CA certificate, PEM.
    pub ca_certificate: String,
    /// The first entry of the log.
    pub genesis: Vec<u8>,
    /// The checkpoint, a signed note, that the log has to reach before it continues.
    pub checkpoint: Option<String>,
    /// Each account's latest cosignature: size of the tree, and signature line.
    pub cosignatures: Vec<(AccountName, u64, String)>,
}

/// What a backup contains of an IVN beside the keys.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Public {
    ca_certificate: String,
    genesis: Base64,
    checkpoint: Option<String>,
    cosignatures: Vec<(AccountName, u64, String)>,
}

#[derive(Debug)]
pub struct CoordinatorBackup {
    pub label: CoordinatorLabel,
    pub config: CoordinatorConfig,
    pub ivns: Vec<IvnParts>,
}

#[derive(Debug, thiserror::Error)]
pub enum CoordinatorBackupError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    #[error("{} cannot be read", path.display())]
    Unreadable { path: std::path::PathBuf, source: std::io::Error },
    #[error("{} has no IVN, so there is nothing to back up", .0.display())]
    Empty(std::path::PathBuf),
    #[error("the backup cannot be encoded")]
    Encoding,
}

/// Makes a backup of the coordinator's home at `path`, whether its coordinator runs or not.
///
/// # Errors
///
/// When the home cannot be read.
pub async fn make(
    path: &Path,
    protector: &dyn KeyProtector,
    now: Timestamp,
    rng: &mut dyn CryptoRngCore,
) -> Result<(CoordinatorLabel, Vec<u8>), CoordinatorBackupError> {
    let config = CoordinatorHome::read(path)?;
    let mut ivns = Vec::new();
    let mut content = Zeroizing::new(Vec::new());
    put(&mut content, &json(&config)?)?;
    for (ivn, directory) in CoordinatorHome::directories(path)? {
        let certificate = directory.ca_certificate();
        let ca_certificate = std::fs::read_to_string(&certificate)
            .map_err(|source| CoordinatorBackupError::Unreadable { path: certificate, source })?;
        let (genesis, kept) = read_beside_writer(&directory).await?;
        let keys = CoordinatorKeys::open(&directory.keys())?;
        // A log that is not complete yet has to become so after a restore, too.
        let known = kept.required.into_iter().chain(kept.checkpoint);
        let checkpoint = known.max_by_key(|note| size_of(note));
        let name = founded(&genesis).map(|state| state.genesis().name.clone());
        ivns.push(LabelledIvn {
            ivn,
            name: name.unwrap_or_default(),
            log_size: checkpoint.as_deref().map_or(1, size_of),
        });
        let public = Public {
            ca_certificate,
            genesis: Base64(genesis),
            checkpoint,
            cosignatures: kept.cosignatures,
        };
        put(&mut content, &json(&public)?)?;
        put(&mut content, &keys.to_bytes())?;
    }
    if ivns.is_empty() {
        return Err(CoordinatorBackupError::Empty(path.to_owned()));
    }
    let label =
        CoordinatorLabel { deployment: config.deployment, hub: config.hub, made_at: now, ivns };
    let file = CoordinatorBackupFile::seal(path, &json(&label)?, &content, protector, rng)?;
    Ok((label, file))
}

impl CoordinatorBackup {
    /// Reads the label, which is not authenticated before the backup was [opened](Self::open).
    ///
    /// # Errors
    ///
    /// When the bytes are not a label.
    pub fn label(file: &CoordinatorBackupFile) -> Result<CoordinatorLabel, KeystoreError> {
        serde_json::from_slice(file.label()).map_err(|_| file.damaged())
    }

    /// Opens a backup.
    ///
    /// # Errors
    ///
    /// A file also counts as damaged when its sealed content does not match its label or does not
    /// decode.
    pub fn open(
        file: &CoordinatorBackupFile,
        protector: &dyn KeyProtector,
    ) -> Result<Self, KeystoreError> {
        let label = Self::label(file)?;
        let content = file.open(protector)?;
        let (config, ivns) = parse(&content).ok_or_else(|| file.damaged())?;
        let found = ivns.iter().map(|parts| founded(&parts.genesis).map(|state| state.ivn()));
        let fits = found.eq(label.ivns.iter().map(|labelled| Some(labelled.ivn)));
        match fits {
            true => Ok(Self { label, config, ivns }),
            false => Err(file.damaged()),
        }
    }
}

fn parse(mut content: &[u8]) -> Option<(CoordinatorConfig, Vec<IvnParts>)> {
    let config = serde_json::from_slice(take_counted(&mut content)?).ok()?;
    let mut ivns = Vec::new();
    while !content.is_empty() {
        let public: Public = serde_json::from_slice(take_counted(&mut content)?).ok()?;
        let keys = CoordinatorKeys::from_bytes(take_counted(&mut content)?)?;
        let Public { ca_certificate, genesis: Base64(genesis), checkpoint, cosignatures } = public;
        ivns.push(IvnParts { keys, ca_certificate, genesis, checkpoint, cosignatures });
    }
    Some((config, ivns))
}

/// Returns the state after the first entry of a log.
pub fn founded(genesis: &[u8]) -> Option<IvnState> {
    IvnState::found(&Entry::from_bytes(genesis).ok()?).ok()
}

/// Returns the number of entries that a checkpoint covers.
pub fn size_of(note: &str) -> u64 {
    note.parse::<SignedCheckpoint>().map_or(0, |signed| signed.unverified().size())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, CoordinatorBackupError> {
    serde_json::to_vec(value).map_err(|_| CoordinatorBackupError::Encoding)
}

fn put(content: &mut Vec<u8>, counted: &[u8]) -> Result<(), CoordinatorBackupError> {
    put_counted(content, counted).ok_or(CoordinatorBackupError::Encoding)
}
