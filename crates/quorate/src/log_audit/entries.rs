//! Entries of a log as views: from a state that contains them, or from a copied directory.

use std::path::Path;

use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::names::{EntryId, GroupName};
use quorate_ceremony::state::IvnState;
use quorate_log::tile::Entries;

use super::files::Files;
use super::{files_problem, read_checkpoint};
use crate::api::{Code, EntryView, Problem};

/// Makes the view of an entry that `state` contains.
pub(crate) fn entry_view(state: &IvnState, index: u64, entry: &Entry) -> EntryView {
    let statement = entry.statement();
    let subject = subject(entry.id(), &statement.body);
    let is_on_change = subject.is_some_and(|id| state.group_of_change(id).is_some());
    EntryView {
        index,
        id: entry.id(),
        author: statement.author.to_string(),
        at: statement.at,
        kind: statement.body.kind().to_owned(),
        group: group(state, subject, &statement.body),
        request: subject,
        is_on_change,
        body: Box::new(statement.body.clone()),
    }
}

/// Returns the request or change of a group that an entry makes, decides or signs.
fn subject(id: EntryId, body: &Body) -> Option<EntryId> {
    match body {
        Body::Request(_) | Body::GroupChange(_) => Some(id),
        Body::Approval { request }
        | Body::Refusal { request, .. }
        | Body::RequestWithdrawn { request }
        | Body::Signature { request, .. } => Some(*request),
        Body::GroupChangeWithdrawn { change } => Some(*change),
        _ => None,
    }
}

/// Returns the group that an entry is about.
fn group(state: &IvnState, subject: Option<EntryId>, body: &Body) -> Option<GroupName> {
    match body {
        Body::GroupDefined(definition) => Some(definition.name.clone()),
        Body::GroupChange(change) => Some(change.definition.name.clone()),
        Body::Request(request) => Some(request.group.clone()),
        Body::GroupAccepted { group, .. }
        | Body::CeremonyStarted { group, .. }
        | Body::ChangeConfirmed { group, .. }
        | Body::ShareDestroyed { group, .. }
        | Body::ShareProved { group, .. } => Some(group.clone()),
        Body::CeremonyMessage { session, .. }
        | Body::CeremonyCertified { session, .. }
        | Body::CeremonyAborted { session, .. }
        | Body::EpochStarted { session, .. } => {
            state.group_of_session(*session).map(|group| group.definition.name.clone())
        }
        _ => {
            let id = subject?;
            let of_change = state.group_of_change(id).map(|group| group.definition.name.clone());
            of_change.or_else(|| Some(state.request(id).ok()?.request.group.clone()))
        }
    }
}

/// Returns all entries of a published log, after checking that its files are those of its
/// checkpoint, and that its rules admit each entry.
///
/// # Errors
///
/// [`Code::Verification`] if the log does not hold, [`Code::Failed`] if it cannot be read.
pub fn read_entries(directory: &Path) -> Result<Vec<EntryView>, Problem> {
    let files = Files::new(directory);
    let checkpoint = read_checkpoint(directory)?;
    let size = checkpoint.unverified().size();
    files.verify(&checkpoint, &super::Anchor::default())?;
    let mut state: Option<IvnState> = None;
    let mut views = Vec::new();
    for entry in Entries::new(&files, size, 0..size) {
        let (index, bytes) = entry.map_err(|error| files_problem(directory, &error))?;
        let refused = |why: &dyn std::fmt::Display| {
            let what =
                format!("the log in {} does not hold: entry {index}: {why}", directory.display());
            Problem::new(Code::Verification, what).hint("quorate log verify DIR")
        };
        let entry = Entry::from_bytes(&bytes).map_err(|error| refused(&error))?;
        match &mut state {
            None => state = Some(IvnState::found(&entry).map_err(|error| refused(&error))?),
            Some(state) => drop(state.apply(&entry).map_err(|error| refused(&error))?),
        }
        views.extend(state.as_ref().map(|state| entry_view(state, index, &entry)));
    }
    Ok(views)
}
