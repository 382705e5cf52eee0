//! A member's vote for a new coordinator, signed on the member's own machine.

use std::path::Path;

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::names::{AccountName, GroupName, SessionId, Timestamp};
use quorate_ceremony::state::IvnState;
use serde::Serialize;

use super::history::{self, Comparison, Source};
use super::{ReplacementError, ReplacementFile};
use crate::home::{NodeConfig, NodeHome};
use crate::keystore::{KeyProtector, NodeKeys};
use crate::setup::SetupError;
use crate::store::durable;
use crate::store::node::{Stored, StoredLog};

/// What a member is about to vote for.
#[derive(Debug)]
pub struct Vote {
    pub comparison: Comparison,
    /// The state of the log at the end of the history that is voted for.
    pub state: IvnState,
    /// The entries of the own log that are not in the history, and the index of the first.
    pub lost: Vec<Entry>,
    /// The groups whose share the node does not have any more in this history, although it should.
    pub lost_shares: Vec<LostShare>,
    pub(super) stored: Stored,
    pub(super) history: Vec<Vec<u8>>,
}

/// A share that a node would not have any more.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LostShare {
    pub group: GroupName,
    pub epoch: u64,
}

/// Compares the history that is voted for with the log of this home's node. `from` has the history
/// if the own log does not contain it.
///
/// # Errors
///
/// [`ReplacementError::NeedsHistory`] if it does not and `from` is absent, or another reason why
/// the node cannot vote or follow.
pub async fn compare(
    home: &NodeHome,
    config: &NodeConfig,
    file: &ReplacementFile,
    from: Option<&Source>,
) -> Result<Vote, SetupError> {
    if config.ivn != file.ivn {
        return Err(ReplacementError::OtherIvn.into());
    }
    let mut stored = StoredLog::open(&home.database()).await?.read().await?;
    if stored.entries.is_empty() {
        stored.entries.push(config.genesis.0.clone());
    }
    let own = &stored.entries;
    let voted = file.replacement.history;
    let contained = history::tree_of(own, voted.size) == Some(voted);
    let (history, path) = match (contained, from) {
        (true, _) => {
            let size = usize::try_from(voted.size).unwrap_or(usize::MAX);
            (own.get(..size).unwrap_or_default().to_vec(), home.database())
        }
        (false, None) => {
            let own = own.len() as u64;
            return Err(ReplacementError::NeedsHistory { own, needed: voted.size }.into());
        }
        (false, Some(source)) => {
            let history = source.read(Some(config.ivn), Some(voted.size)).await?;
            if history.state.tree() != voted {
                return Err(ReplacementError::OtherHistory(source.0.clone()).into());
            }
            (history.entries, source.0.clone())
        }
    };
    let state = history::replayed(&path, &history)?;
    let votes: Vec<_> = file.votes.iter().map(|Base64(vote)| vote.clone()).collect();
    let comparison = history::compare(own, stored.cosigned.as_deref(), &history, &votes);
    let present = history::replayed(&home.database(), own)?;
    if *present.coordinator() == file.replacement.keys && comparison.lost > 0 {
        return Err(ReplacementError::OtherVotes.into());
    }
    let keys = |state: &IvnState| state.identity_key(&config.account);
    if keys(&present).is_some() && keys(&present) != keys(&state) {
        return Err(ReplacementError::OtherKeys { account: config.account.clone() }.into());
    }
    let lost = match comparison.lost {
        0 => Vec::new(),
        _ => own
            .iter()
            .skip(usize::try_from(comparison.common).unwrap_or(usize::MAX))
            .filter_map(|bytes| Entry::from_bytes(bytes).ok())
            .collect(),
    };
    let lost_shares = match comparison.lost {
        0 => Vec::new(),
        _ => lost_shares(&state, &config.account, &stored.shares),
    };
    Ok(Vote { comparison, state, lost, lost_shares, stored, history })
}

/// Signs the vote of this home's account. From then on, its node does not start before it follows
/// the new coordinator: what it cosigned meanwhile would be missing in the vote.
///
/// # Errors
///
/// When the keys cannot be opened, the rules do not admit the vote, or the account has voted for
/// another replacement.
pub fn vote(
    home: &NodeHome,
    config: &NodeConfig,
    file: &ReplacementFile,
    compared: &Vote,
    protector: &dyn KeyProtector,
    now: Timestamp,
) -> Result<Entry, SetupError> {
    let keys = NodeKeys::open(&home.keys(), protector)?;
    let statement = Statement {
        ivn: Some(config.ivn),
        author: Author::Account(config.account.clone()),
        at: now,
        seen: file.replacement.history.size,
        body: Body::CoordinatorReplaced {
            replacement: file.replacement.clone(),
            abandoned: compared.comparison.abandoned,
        },
    };
    let entry = Entry::sign(statement, &[&keys.account().identity])?;
    let marker = home.vote();
    if let Some(earlier) = marked(home)?
        && earlier.replacement != file.replacement
    {
        return Err(ReplacementError::VotedOtherwise { path: marker }.into());
    }
    compared.state.clone().apply(&entry).map_err(ReplacementError::Refused)?;
    // Before the vote leaves, so that this node cosigns nothing of the earlier coordinator.
    durable::replace(&marker, &file.to_json())
        .map_err(|source| SetupError::NotWritten { path: marker, source })?;
    Ok(entry)
}

/// The replacement that this home's account has voted for, if its node does not follow it yet.
///
/// # Errors
///
/// When there is such a file, and it cannot be read.
pub fn marked(home: &NodeHome) -> Result<Option<ReplacementFile>, SetupError> {
    let path = home.vote();
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(ReplacementFile::from_json(&path, &bytes)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SetupError::NotRead { path, source }),
    }
}

/// Reads the entry that [`vote`] signed.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Entry, ReplacementError> {
    let entry = Entry::from_bytes(bytes.trim_ascii()).ok();
    let is_vote =
        |entry: &Entry| matches!(entry.statement().body, Body::CoordinatorReplaced { .. });
    entry.filter(is_vote).ok_or_else(|| ReplacementError::NotAVote(path.to_owned()))
}

/// The groups of which the account should have a share that is not in its database.
fn lost_shares(state: &IvnState, account: &AccountName, held: &[SessionId]) -> Vec<LostShare> {
    let lost = state.groups().values().filter_map(|group| {
        let key = group.key.as_ref()?;
        let is_holder = key.identifiers.contains_key(account) && group.has_say(account);
        (is_holder && !held.contains(&key.session))
            .then(|| LostShare { group: group.definition.name.clone(), epoch: key.epoch })
    });
    lost.collect()
}
