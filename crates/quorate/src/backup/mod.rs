//! Backups of a node: what is in them, and what of it is still good.
//!
//! In it is what can not be had again: keys, shares, and what the node must not forget. The log comes back from the
//! coordinator, and has to contain the checkpoint that this node cosigned last; documents come back, too.
//!
//! | in a backup | why |
//! |---|---|
//! | `keys.sealed`, `home.json` | who the node is, and where its IVN is; the genesis pins that |
//! | key packages | the shares |
//! | the latest cosigned checkpoint, and those that did not fit | the node never cosigns a fork of what it cosigned |
//! | sessions, refusals | nothing is done twice, and a no stays a no |
//! | the entry with the account's keys | an expired certificate is renewed with it |
//!
//! Of the statements that had not reached the log, only refusals are kept: whether the account holder took back something
//! else since, a backup can not know.

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

/// What people can read on a backup without its passphrase.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Whose node.
    pub account: AccountName,
    /// In which IVN.
    pub ivn: IvnId,
    /// When, by the node's clock.
    pub made_at: Timestamp,
    /// How many entries of the log the node had verified.
    pub log_size: u64,
    /// The shares in it, by the names of their groups.
    pub shares: Vec<LabelledShare>,
}

/// A share in a backup.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledShare {
    /// Of which group's key.
    pub group: GroupName,
    /// Of which epoch; absent if it was not in use, as far as the node knew.
    pub epoch: Option<u64>,
    /// The session that made it.
    pub session: SessionId,
}

/// The sealed part that is neither keys nor sessions.
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

/// An open backup.
#[derive(Debug)]
pub struct Backup {
    /// What is on it.
    pub label: Label,
    /// The node's configuration.
    pub config: NodeConfig,
    /// The entry that gave the account its keys.
    pub keyed: Option<Entry>,
    /// The account's keys.
    pub keys: NodeKeys,
    /// The file that they were in.
    pub key_file: Vec<u8>,
    /// The shares.
    pub packages: Vec<(SessionId, KeyPackage)>,
    /// Sessions that the node took part in, and whether it released a share.
    pub sessions: Vec<(SessionId, bool)>,
    /// The latest checkpoint that it cosigned.
    pub cosigned: Option<String>,
    /// Checkpoints that did not fit its log.
    pub unexplained: Vec<String>,
    /// What the account holder refuses.
    pub refused: BTreeSet<EntryId>,
    /// Refusals that may not be in the log.
    pub refusals: Vec<Entry>,
}

/// Why no backup is made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There would be nothing to restore.
    #[error(
        "this node holds proof that the coordinator broke the rules, and signs nothing any more: there is nothing to restore from a backup of it"
    )]
    Frozen,
    /// The node's database can not be read.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The node's key file can not be used.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// What is in the backup has no form.
    #[error("the backup can not be written down")]
    Json(#[from] serde_json::Error),
}

/// Makes a backup of a node, at a moment when all that the machine wanted to have on disk is there. `keys` is its key file.
///
/// # Errors
///
/// When there is no use in a backup of this node, or its disk can not be read.
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

/// Which shares these are, by what the log shows of their sessions.
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

/// Reads the label. Nobody vouches for it before the backup was [opened](Backup::open).
///
/// # Errors
///
/// When it is not one.
pub fn label(file: &BackupFile) -> Result<Label, serde_json::Error> {
    serde_json::from_slice(file.label())
}

impl Backup {
    /// Opens a backup.
    ///
    /// # Errors
    ///
    /// A [damaged](crate::file_problem::FileProblem::Damaged) file also when what was sealed is not what is sealed here.
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
