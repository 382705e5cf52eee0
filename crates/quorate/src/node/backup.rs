//! Backups of a node, by the node itself or, while it does not run, from its home.

use std::path::Path;

use quorate_ceremony::node::{Config, Node};
use rand_core::OsRng;

use super::opening::{damaged, load, problem};
use crate::api::{Answer, Code, Problem};
use crate::backup;
use crate::home::{Home, NodeConfig, NodeHome};
use crate::keystore::NodeKeys;
use crate::setup::rotate;
use crate::store::node::NodeStore;
use crate::timers::now;

/// Answers for a running node with the home `home`.
pub(super) async fn answer(
    machine: &Node,
    store: &mut NodeStore,
    home: &Path,
) -> Result<Answer, Problem> {
    let config = Home::<NodeConfig>::read(home).map_err(|error| problem(&error))?;
    let keys = home.join(KEYS);
    let file = backup::make(machine, store, config, &keys, now()).await;
    Ok(Answer::Backup { file: file.map_err(|error| backup_problem(&error))? })
}

/// Backs up a node that does not run. Nothing is sent or changed.
///
/// # Errors
///
/// If its data is damaged, or it is receiving new keys.
pub(crate) async fn at_rest(home: NodeHome, keys: NodeKeys) -> Result<Vec<u8>, Problem> {
    if rotate::is_begun(&home) {
        let message = "this account is receiving new keys, and that is not finished: a backup of the earlier ones would not work";
        return Err(Problem::new(Code::Failed, message).hint("quorate node rotate-keys"));
    }
    let config = home.config().cloned().ok_or_else(|| damaged("home.json"))?;
    let sealer = keys.sealer(config.ivn, config.account.clone());
    let mut store =
        NodeStore::open(&home.database(), sealer).await.map_err(|error| problem(&error))?;
    let saved = load(&mut store, &config).await.map_err(|error| problem(&error))?;
    let (secrets, _) = keys.into_parts();
    let settings = Config { auto_accept: false, auto_approve: false, log_key: config.log_key };
    // This machine is never started and sends nothing. It only evaluates the log's shares.
    let machine =
        Node::restore(config.account.clone(), secrets, settings, config.ivn, saved, &mut OsRng)
            .map_err(|error| problem(&error))?;
    let made = backup::make(&machine, &mut store, config, &home.keys(), now()).await;
    store.close().await.map_err(|error| problem(&error))?;
    made.map_err(|error| backup_problem(&error))
}

fn backup_problem(error: &backup::BackupError) -> Problem {
    match error {
        backup::BackupError::Frozen => Problem::new(Code::Failed, error.to_string())
            .hint("keep this home as it is, and copies of the proof: quorate doctor"),
        error => problem(error),
    }
}

const KEYS: &str = "keys.sealed";
