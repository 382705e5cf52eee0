//! Puts the members' votes into the new coordinator's log, once there are enough.

use std::path::{Path, PathBuf};

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body, Entry};
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::state::clock::MAX_CLOCK_LEAD;
use quorate_ceremony::state::refusal::Entries;
use quorate_ceremony::state::{IvnState, Refusal};

use super::history::replayed;
use super::{ReplacementError, ReplacementFile, vote};
use crate::home::{CoordinatorHome, IvnDirectory};
use crate::setup::SetupError;
use crate::store::coordinator::{CoordinatorStore, CoordinatorWrite};

/// A replacement that is in force.
#[derive(Debug)]
pub struct Finished {
    pub file: ReplacementFile,
    pub voted: Vec<AccountName>,
    /// The number of entries in the log.
    pub size: u64,
}

/// Adds votes, which stay in the home until there are enough. With enough of them, the coordinator
/// can serve.
///
/// # Errors
///
/// [`ReplacementError::TooFew`] while votes are missing.
pub async fn finish(
    path: &Path,
    votes: &[(PathBuf, Vec<u8>)],
    now: Timestamp,
) -> Result<Finished, SetupError> {
    let home = CoordinatorHome::open(path)?;
    let (ivn, mut file) = proposed(&home)?;
    let directory = home.ivn(ivn);
    let mut store = CoordinatorStore::open(&directory).await?;
    let entries = store.all_entries().await?;
    let state = replayed(path, &entries)?;
    let size = state.size();
    if *state.coordinator() == file.replacement.keys {
        return Ok(finished(file, &state));
    }
    for (name, bytes) in votes {
        add(&state, &mut file, name, bytes, now)?;
    }
    let voted = with_votes(&state, &file)?;
    file.save(&directory)?;
    if *voted.coordinator() != file.replacement.keys {
        return Err(too_few(&voted).into());
    }
    let writes = file
        .votes
        .iter()
        .zip(size..)
        .map(|(Base64(entry), index)| CoordinatorWrite::Append { index, entry: entry.clone() });
    // No other home has these keys, so this one cannot be a copy.
    let here = CoordinatorWrite::Compared(store.place()?);
    store.commit(writes.chain([here]).collect()).await?;
    Ok(finished(file, &voted))
}

/// Returns the replacement that waits for votes in a home, or is in force there.
fn proposed(home: &CoordinatorHome) -> Result<(IvnId, ReplacementFile), SetupError> {
    for ivn in home.ivns()? {
        if let Some(file) = read(&home.ivn(ivn))? {
            return Ok((ivn, file));
        }
    }
    Err(ReplacementError::NotProposed(home.path().to_owned()).into())
}

fn read(directory: &IvnDirectory) -> Result<Option<ReplacementFile>, SetupError> {
    let path = directory.replacement();
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(ReplacementFile::from_json(&path, &bytes)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SetupError::NotRead { path, source }),
    }
}

/// Adds one vote, unless its author's is there already.
fn add(
    state: &IvnState,
    file: &mut ReplacementFile,
    path: &Path,
    bytes: &[u8],
    now: Timestamp,
) -> Result<(), ReplacementError> {
    let entry = vote::read(path, bytes)?;
    // The rules refuse statements from before the votes.
    let ahead = entry.statement().at.0.saturating_sub(now.0);
    if let (Author::Account(account), true) = (&entry.statement().author, ahead > MAX_CLOCK_LEAD) {
        let (account, minutes) = (account.clone(), ahead / 60_000);
        return Err(ReplacementError::VoteAhead { account, minutes });
    }
    if !matches!(&entry.statement().body, Body::CoordinatorReplaced { replacement, .. } if *replacement == file.replacement)
    {
        return Err(ReplacementError::OtherVote(path.to_owned()));
    }
    match with_votes(state, file)?.apply(&entry) {
        Ok(_) => file.votes.push(Base64(entry.to_bytes())),
        Err(Refusal::Entries(Entries::AlreadySaid { .. })) => {}
        Err(refusal) => return Err(ReplacementError::Refused(refusal)),
    }
    Ok(())
}

/// The state after the votes in a file.
pub(super) fn with_votes(
    state: &IvnState,
    file: &ReplacementFile,
) -> Result<IvnState, ReplacementError> {
    let mut state = state.clone();
    for Base64(bytes) in &file.votes {
        let entry =
            Entry::from_bytes(bytes).map_err(|error| ReplacementError::Refused(error.into()))?;
        state.apply(&entry).map_err(ReplacementError::Refused)?;
    }
    Ok(state)
}

pub(super) fn too_few(state: &IvnState) -> ReplacementError {
    let voted = state.replacement_voted_for();
    let has_voted = |name: &AccountName| voted.is_some_and(|it| it.votes.contains_key(name));
    let missing = state
        .accounts()
        .keys()
        .filter(|name| state.may_vote_for_coordinator(name) && !has_voted(name));
    ReplacementError::TooFew {
        votes: voted.map_or(0, |it| it.votes.len()),
        needed: state.votes_for_coordinator().0,
        missing: missing.cloned().collect(),
    }
}

fn finished(file: ReplacementFile, state: &IvnState) -> Finished {
    let last = state.replacements().last();
    let voted = last.map(|last| last.votes.keys().cloned().collect()).unwrap_or_default();
    Finished { file, voted, size: state.size() }
}
