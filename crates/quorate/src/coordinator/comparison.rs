//! The start of an IVN's coordinator until its log is compared with the nodes' logs: what its disk
//! shows to exist, and the sentences about what it waits for.

use quorate_ceremony::coordinator::{
    Config, Coordinator, CoordinatorSecrets, Missing, RestoreError, Waiting,
};
use quorate_ceremony::names::AccountName;

use crate::home::IvnDirectory;
use crate::store::StoreError;
use crate::store::coordinator::{CoordinatorStore, CoordinatorWrite};
use crate::store::published::published_entries;

/// How many entries are stored at a time.
const BATCH: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum IvnError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored data differs from what was written.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(
        "another coordinator runs with the keys of this home: nodes have entries that it appended after this one's; end one of the two"
    )]
    Twin,
    #[error(
        "this coordinator waits for the members' votes; quorate coordinator finish adds them to its log"
    )]
    WaitsForVotes,
}

/// A coordinator's log, as its disk has it.
pub(super) struct Opened {
    pub(super) store: CoordinatorStore,
    pub(super) machine: Coordinator,
    pub(super) genesis: Vec<u8>,
}

/// Opens the log of an IVN. Takes entries that the database lacks from the published files beside
/// it, if they are those of the published checkpoint; otherwise the nodes have to give them.
pub(super) async fn open(
    directory: &IvnDirectory,
    secrets: impl Fn() -> CoordinatorSecrets,
    config: Config,
    go_on_from: Option<u64>,
) -> Result<Opened, IvnError> {
    let mut store = CoordinatorStore::open(directory).await?;
    let entries = store.all_entries().await?;
    let kept = store.kept().await?;
    let genesis = entries.first().cloned();
    let restore =
        |entries| Coordinator::restore(secrets(), config, entries, kept.checkpoint.as_deref());
    let machine = match store.published_beyond().map(str::to_owned) {
        None => restore(entries)?,
        Some(note) => match published(directory, &entries, &note) {
            Some(all)
                if let Ok(machine) = restore(all.clone()).and_then(|it| it.requiring(&note)) =>
            {
                let size = store.size();
                write(&mut store, all, size).await?;
                tracing::warn!(
                    "the database had only {size} entries: took {} from the published log/",
                    store.size() - size
                );
                machine
            }
            _ => restore(entries)?.requiring(&note)?,
        },
    };
    let genesis = match genesis {
        Some(genesis) => genesis,
        None => store.entries(0, 1, 0).await?.pop().ok_or(RestoreError::Entry { index: 0 })?,
    };
    let machine = match &kept.required {
        Some(note) => machine.requiring(note)?,
        None => machine,
    };
    let cosigned = kept.cosignatures.into_iter().map(|(account, size, _)| (account, size));
    let mut machine = machine.awaiting(cosigned.collect());
    if kept.place != Some(store.place()?) {
        machine = machine.perhaps_copied();
    }
    if let Some(size) = go_on_from {
        machine = machine.going_on_from(size);
    }
    Ok(Opened { store, machine, genesis })
}

/// Returns the stored entries followed by the published ones, if all can be read.
fn published(directory: &IvnDirectory, stored: &[Vec<u8>], note: &str) -> Option<Vec<Vec<u8>>> {
    let signed: quorate_log::checkpoint::SignedCheckpoint = note.parse().ok()?;
    let first = stored.len() as u64;
    let more = published_entries(&directory.log(), first, signed.unverified().size())?;
    Some([stored, &more].concat())
}

/// Stores the entries after the first `size` ones.
async fn write(
    store: &mut CoordinatorStore,
    entries: Vec<Vec<u8>>,
    size: u64,
) -> Result<(), IvnError> {
    let missing: Vec<_> = (0..).zip(entries).skip_while(|(index, _)| *index < size).collect();
    for batch in missing.chunks(BATCH) {
        let append = |(index, entry): &(u64, Vec<u8>)| CoordinatorWrite::Append {
            index: *index,
            entry: entry.clone(),
        };
        store.commit(batch.iter().map(append).collect()).await?;
    }
    Ok(())
}

/// Reports what the comparison waits for, each time that it changes.
#[derive(Default)]
pub(super) struct Progress {
    reported: Option<Waiting>,
    is_over: bool,
}

impl Progress {
    /// Returns whether the comparison ended since the last call.
    pub(super) fn update(&mut self, machine: &Coordinator) -> bool {
        let waiting = machine.waiting();
        if waiting == self.reported && (waiting.is_some() || self.is_over) {
            return false;
        }
        match &waiting {
            Some(waiting @ Waiting::Entries(_)) => {
                tracing::warn!("{}", sentence(waiting, machine.state().size()));
            }
            Some(waiting) => tracing::info!("{}", sentence(waiting, machine.state().size())),
            None => tracing::info!("the log is complete: {}", entries(machine.state().size())),
        }
        self.reported = waiting;
        let was_over = std::mem::replace(&mut self.is_over, self.reported.is_none());
        self.is_over && !was_over
    }

    pub(super) fn waiting(&self) -> Option<&Waiting> {
        self.reported.as_ref()
    }
}

/// Explains what a comparison waits for. `size` is the number of entries in the log.
pub(super) fn sentence(waiting: &Waiting, size: u64) -> String {
    match waiting {
        Waiting::Entries(Missing { size, shown, by: Some(by) }) => format!(
            "this log has {}, and {by}'s node has {shown}: taking {} from {by}, and appending nothing before. To \
             give them up if {by} never sends them: quorate serve --go-on-from {size}",
            entries(*size),
            shown - size
        ),
        Waiting::Entries(Missing { size, shown, by: None }) => format!(
            "this log has {}, and its own disk shows that there are {shown}: waiting for a node that has them, and \
             appending nothing before. To give them up if no node has them: quorate serve --go-on-from {size}",
            entries(*size)
        ),
        Waiting::Nodes { absent, .. } if size == 1 => format!(
            "comparing this log of {} with the nodes' logs: waiting for the node of {} to connect for the first time",
            entries(size),
            listed(absent)
        ),
        Waiting::Nodes { absent, needed: 0 } => format!(
            "comparing this log of {} with the nodes' logs: waiting for {}; some seconds if another node is there",
            entries(size),
            listed(absent)
        ),
        Waiting::Nodes { absent, needed } => format!(
            "comparing this log of {} with the nodes' logs: waiting for {needed} of {}, because this home is a copy, or was moved. \
             To go on without them, if no other coordinator runs with these keys: quorate serve --go-on-from {size}",
            entries(size),
            listed(absent)
        ),
    }
}

fn entries(size: u64) -> String {
    match size {
        1 => "1 entry".to_owned(),
        size => format!("{size} entries"),
    }
}

fn listed(accounts: &std::collections::BTreeSet<AccountName>) -> String {
    let names: Vec<&str> = accounts.iter().map(AccountName::as_str).collect();
    names.join(", ")
}
