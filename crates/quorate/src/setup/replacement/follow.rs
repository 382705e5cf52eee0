//! A node takes over a new coordinator: the history that counts, the votes, its keys and address.

use std::path::PathBuf;

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::AccountName;
use serde::Serialize;

use super::finish::{too_few, with_votes};
use super::{LostShare, ReplacementFile, Vote};
use crate::home::{NodeConfig, NodeHome};
use crate::setup::SetupError;
use crate::store::durable;
use crate::store::node::{Stored, StoredLog};

/// What a node has taken over.
#[derive(Debug)]
pub struct Followed {
    /// The number of entries in the node's log.
    pub size: u64,
    pub voted: Vec<AccountName>,
    /// The file with what the node had and gave up: entries, checkpoints, proofs.
    pub abandoned: Option<PathBuf>,
    pub lost_shares: Vec<LostShare>,
}

/// What a node gives up, kept for people.
#[derive(Serialize)]
struct Abandoned<'a> {
    /// The number of entries that the node's log had.
    size: u64,
    cosigned: Option<&'a str>,
    /// The index of the first of these entries.
    first: u64,
    entries: Vec<Base64>,
    /// Proofs that the earlier coordinator broke the rules, and checkpoints that did not fit.
    misbehaviour: &'a [String],
    unexplained: &'a [String],
}

/// Makes a node follow the replacement in `file`. Repeating it has the same result.
///
/// `compared` is the result of [`super::compare`]; its caller has asked the node's holder whether
/// entries may be given up.
///
/// # Errors
///
/// [`TooFew`](super::ReplacementError::TooFew) if the votes in the file are not enough.
pub async fn follow(
    home: &mut NodeHome,
    config: NodeConfig,
    file: &ReplacementFile,
    compared: Vote,
) -> Result<Followed, SetupError> {
    let state = with_votes(&compared.state, file)?;
    if *state.coordinator() != file.replacement.keys {
        return Err(too_few(&state).into());
    }
    let Vote { stored, mut history, .. } = compared;
    history.extend(file.votes.iter().map(|Base64(entry)| entry.clone()));
    let common =
        stored.entries.iter().zip(&history).take_while(|(own, other)| own == other).count();
    let mut abandoned = None;
    let key = file.replacement.keys.log_key;
    // A node that has followed before may have more entries by now.
    if common < history.len() {
        abandoned =
            evidence(&stored, common).map(|evidence| write(home, &evidence, &key)).transpose()?;
        let rest = history.split_off(common);
        StoredLog::open(&home.database()).await?.replace(common as u64, rest).await?;
    }
    // Last, so that a home which names the new coordinator has its log.
    home.save(NodeConfig {
        hub: file.hub.clone(),
        ca_certificate: file.ca_certificate.clone(),
        log_key: Some(key),
        ..config
    })?;
    let vote = home.vote();
    match std::fs::remove_file(&vote) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(SetupError::NotWritten { path: vote, source });
        }
        _ => {}
    }
    let voted = state.replacements().last();
    Ok(Followed {
        size: state.size(),
        voted: voted.map(|it| it.votes.keys().cloned().collect()).unwrap_or_default(),
        abandoned,
        lost_shares: compared.lost_shares,
    })
}

/// Collects what the node gives up. `None` if that is nothing.
fn evidence(stored: &Stored, common: usize) -> Option<Abandoned<'_>> {
    let Stored { entries, cosigned, misbehaviour, unexplained, .. } = stored;
    let size = entries.len() as u64;
    let entries: Vec<_> = entries.iter().skip(common).cloned().map(Base64).collect();
    if entries.is_empty() && misbehaviour.is_empty() && unexplained.is_empty() {
        return None;
    }
    let cosigned = cosigned.as_deref();
    let first = common as u64;
    Some(Abandoned { size, cosigned, first, entries, misbehaviour, unexplained })
}

fn write(
    home: &NodeHome,
    evidence: &Abandoned<'_>,
    log_key: &PublicKey,
) -> Result<PathBuf, SetupError> {
    let key = hex::encode(log_key.0);
    let name = format!("abandoned-{}-{}-{key:.8}.json", evidence.first, evidence.size);
    let path = home.path().join(name);
    let json = serde_json::to_vec_pretty(evidence).unwrap_or_default();
    durable::replace(&path, &json)
        .map_err(|source| SetupError::NotWritten { path: path.clone(), source })?;
    Ok(path)
}
