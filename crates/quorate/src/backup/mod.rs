//! Backups of a node: their content, and which parts of it are still valid.
//!
//! A backup contains what cannot be downloaded again: keys, shares, and what the node must not
//! forget. The log comes back from the coordinator, and has to contain the checkpoint that this
//! node cosigned last. Documents come back, too.
//!
//! | in a backup | why |
//! |---|---|
//! | `keys.sealed`, `home.json` | the node's identity, and where its IVN is; the genesis pins that |
//! | key packages | the shares |
//! | the latest cosigned checkpoint, and those that did not fit | the node never cosigns a fork of what it cosigned |
//! | sessions, refusals | nothing is done twice, and a refusal stays a refusal |
//! | the entry with the account's keys | renews an expired certificate |
//!
//! Of the statements that had not reached the log, only refusals are kept, because a backup cannot
//! know whether the account holder has withdrawn the others since.

pub mod coordinator;
mod restore_check;

use std::collections::BTreeSet;

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::names::{AccountName, EntryId, GroupName, IvnId, SessionId, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::IvnState;
use quorate_protocol::keys::KeyPackage;
use serde::{Deserialize, Serialize};

use crate::home::NodeConfig;
use crate::keystore::{BackupFile, BackupParts, KeyProtector, KeystoreError, NodeKeys};
use crate::store::node::NodeStore;

pub use restore_check::{Judgement, Lost, judge};

/// The part of a backup that people can read without its passphrase.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    pub account: AccountName,
    pub ivn: IvnId,
    /// When the backup was made, by the node's clock.
    pub made_at: Timestamp,
    /// The number of log entries that the node had verified.
    pub log_size: u64,
    /// The shares in the backup, by the names of their groups.
    pub shares: Vec<LabelledShare>,
}

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledShare {
    pub group: GroupName,
    /// Absent if the share was not in use, as far as the node knew.
    pub epoch: Option<u64>,
    pub session: SessionId,
}

/// The sealed part other than keys and sessions.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    config: NodeConfig,
    keyed: Option<Base64>,
    cosigned: Option<String>,
    unexplained: Vec<String>,
    refused: BTreeSet<EntryId>,
    refusals: Vec<Base64>,
}

#[derive(Debug)]
pub struct Backup {
    pub label: Label,
    pub config: NodeConfig,
    /// The entry that gave the account its keys.
    pub keyed: Option<Entry>,
    pub keys: NodeKeys,
    pub key_file: Vec<u8>,
    pub packages: Vec<(SessionId, KeyPackage)>,
    /// Sessions that the node took part in, and whether it released a share.
    pub sessions: Vec<(SessionId, bool)>,
    /// The latest checkpoint that the node cosigned.
    pub cosigned: Option<String>,
    /// Checkpoints that did not fit the node's log.
    pub unexplained: Vec<String>,
    /// The ids of the entries that the account holder refuses.
    pub refused: BTreeSet<EntryId>,
    /// Refusals that may not be in the log.
    pub refusals: Vec<Entry>,
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "this node holds proof that the coordinator broke the rules, and signs nothing any more: there is nothing to restore from a backup of it"
    )]
    Frozen,
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    #[error("the backup cannot be encoded")]
    Json(#[from] serde_json::Error),
}

/// Makes a backup of a node, at a moment when everything that the machine wants stored is on disk.
/// `keys` is the node's key file.
///
/// # Errors
///
/// When a backup of this node could not be used, or its disk cannot be read.
pub async fn make(
    machine: &Node,
    store: &mut NodeStore,
    config: NodeConfig,
    keys: &std::path::Path,
    now: Timestamp,
) -> Result<Vec<u8>, BackupError> {
    if machine.misbehaviour().is_some() {
        return Err(BackupError::Frozen);
    }
    let state = machine.state();
    let kept = store.kept().await?;
    let keyed = match state.account(machine.account()) {
        Ok(account) => store.entries(account.keyed, 1).await?.into_iter().next(),
        Err(_) => None,
    };
    let label = Label {
        account: machine.account().clone(),
        ivn: state.ivn(),
        made_at: now,
        log_size: state.size(),
        shares: labels(state, kept.packages.keys().copied()),
    };
    let is_refusal = |bytes: &Vec<u8>| {
        Entry::from_bytes(bytes)
            .is_ok_and(|entry| matches!(entry.statement().body, Body::Refusal { .. }))
    };
    let rest = Rest {
        config,
        keyed: keyed.map(Base64),
        cosigned: kept.cosigned,
        unexplained: kept.unexplained,
        refused: kept.refused,
        refusals: kept.outbox.into_iter().filter(is_refusal).map(Base64).collect(),
    };
    let parts = BackupParts {
        packages: kept.packages.into_iter().collect(),
        sessions: kept.sessions.into_iter().collect(),
        rest: serde_json::to_vec(&rest)?,
    };
    let file = std::fs::read(keys).map_err(|error| KeystoreError::read(keys, error))?;
    let label = serde_json::to_vec(&label)?;
    Ok(BackupFile::seal(store.sealer(), keys, &file, &label, &parts)?)
}

/// Labels shares by what the log shows of their sessions.
fn labels(state: &IvnState, sessions: impl Iterator<Item = SessionId>) -> Vec<LabelledShare> {
    let label = |session| {
        let group = state.group_of_session(session)?;
        let in_use = group.key.as_ref().filter(|key| key.session == session).map(|key| key.epoch);
        let past = || group.past_epochs.iter().find(|past| past.session == session);
        let epoch = in_use.or_else(|| past().map(|past| past.epoch));
        Some(LabelledShare { group: group.definition.name.clone(), epoch, session })
    };
    let mut labels: Vec<_> = sessions.filter_map(label).collect();
    labels.sort_by(|a, b| (&a.group, a.epoch).cmp(&(&b.group, b.epoch)));
    labels
}

/// Reads the label, which is not authenticated before the backup was [opened](Backup::open).
///
/// # Errors
///
/// When the bytes are not a label.
pub fn label(file: &BackupFile) -> Result<Label, serde_json::Error> {
    serde_json::from_slice(file.label())
}

impl Backup {
    /// Opens a backup.
    ///
    /// # Errors
    ///
    /// A file also counts as [damaged](crate::file_problem::FileProblem::Damaged) when its sealed
    /// content does not match its label or does not decode.
    pub fn open(
        path: &std::path::Path,
        file: &BackupFile,
        protector: &dyn KeyProtector,
    ) -> Result<Self, KeystoreError> {
        let damaged = || KeystoreError::damaged(path);
        let label = label(file).map_err(|_| damaged())?;
        let (keys, parts) = file.open(label.ivn, &label.account, protector)?;
        let rest: Rest = serde_json::from_slice(&parts.rest).map_err(|_| damaged())?;
        if (&rest.config.account, rest.config.ivn) != (&label.account, label.ivn) {
            return Err(damaged());
        }
        let sealer = keys.sealer(label.ivn, label.account.clone());
        let package = |(session, sealed): &(SessionId, Vec<u8>)| {
            let bytes = sealer.unseal(*session, sealed).ok()?;
            Some((*session, KeyPackage::from_bytes(&bytes).ok()?))
        };
        let packages: Option<Vec<_>> = parts.packages.iter().map(package).collect();
        let entry = |Base64(bytes): &Base64| Entry::from_bytes(bytes).map_err(|_| damaged());
        Ok(Self {
            keyed: rest.keyed.as_ref().map(entry).transpose()?,
            refusals: rest.refusals.iter().map(entry).collect::<Result<_, _>>()?,
            packages: packages.ok_or_else(damaged)?,
            sessions: parts.sessions,
            config: rest.config,
            cosigned: rest.cosigned,
            unexplained: rest.unexplained,
            refused: rest.refused,
            key_file: file.keys().to_vec(),
            keys,
            label,
        })
    }
}
