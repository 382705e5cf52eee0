//! The state of the log at each size, from the simulator's own fold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use quorate_ceremony::entry::{Author, Body, Entry};
use quorate_ceremony::names::{AccountName, Digest, EntryId, SessionId};
use quorate_ceremony::state::{Event, IvnState, Refusal};
use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::key::LogVerifier;
use quorate_log::leaf_hash;
use quorate_log::tree::{Frontier, TreeHead};

/// The start of every run, in milliseconds since the Unix epoch.
pub(crate) const START: u64 = 1_750_000_000_000;

/// The log on the coordinator's disk, read independently.
pub(crate) struct Reference {
    pub(crate) state: IvnState,
    frontier: Frontier,
    log_verifier: Option<LogVerifier>,
    /// [`summary`] at size 1, 2, …
    summaries: Vec<String>,
    /// The entries of the log. The coordinator's disk may be an old copy with fewer of them.
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) ids: BTreeSet<EntryId>,
    /// The size at which each request had enough approvals.
    pub(crate) approved_at: BTreeMap<EntryId, u64>,
    /// The size from which each approval counts. The requester's own counts with the request.
    pub(crate) consents: BTreeMap<(EntryId, AccountName), u64>,
    /// The size at which every participant had certified each session.
    pub(crate) certified_at: BTreeMap<SessionId, u64>,
    /// When each session started by the coordinator's clock, in milliseconds from the start.
    pub(crate) started_at: BTreeMap<SessionId, u64>,
    pub(crate) certificates: BTreeMap<SessionId, BTreeMap<AccountName, (Digest, Digest)>>,
    /// Every checkpoint that the coordinator signed, by the size of its tree.
    pub(crate) checkpoints: BTreeMap<u64, VerifiedCheckpoint>,
}

impl Reference {
    pub(crate) fn new(genesis: &Entry) -> Result<Self, Refusal> {
        let state = IvnState::found(genesis)?;
        let mut frontier = Frontier::default();
        frontier.append(leaf_hash(&genesis.to_bytes()));
        Ok(Self {
            summaries: vec![summary(&state)],
            log_verifier: state.log_verifier(),
            state,
            frontier,
            entries: vec![genesis.to_bytes()],
            ids: BTreeSet::from([genesis.id()]),
            approved_at: BTreeMap::new(),
            consents: BTreeMap::new(),
            certified_at: BTreeMap::new(),
            started_at: BTreeMap::new(),
            certificates: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
        })
    }

    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), Refusal> {
        let events = self.state.apply(entry)?;
        let size = self.state.size();
        let bytes = entry.to_bytes();
        self.frontier.append(leaf_hash(&bytes));
        self.entries.push(bytes);
        self.ids.insert(entry.id());
        self.summaries.push(summary(&self.state));
        if let (Author::Account(author), body) =
            (&entry.statement().author, &entry.statement().body)
        {
            match body {
                Body::Approval { request } => {
                    self.consents.insert((*request, author.clone()), size);
                }
                Body::Request(_) => {
                    self.consents.insert((entry.id(), author.clone()), size);
                }
                Body::CeremonyCertified { session, transcript, public_key_package } => {
                    self.certificates
                        .entry(*session)
                        .or_default()
                        .insert(author.clone(), (*transcript, *public_key_package));
                }
                _ => {}
            }
        }
        if let Body::CeremonyStarted { session, .. } = &entry.statement().body {
            self.started_at.insert(*session, entry.statement().at.0.saturating_sub(START));
        }
        for event in events {
            match event {
                Event::RequestApproved(id) => {
                    // A later change of the group may repeat it.
                    self.approved_at.entry(id).or_insert(size);
                }
                Event::CeremonyCertified(group) => {
                    let session =
                        self.state.group(&group)?.session.as_ref().map(|ceremony| ceremony.session);
                    if let Some(session) = session {
                        self.certified_at.insert(session, size);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps a checkpoint if the log's key signed it for the present tree.
    pub(crate) fn checkpoint(&mut self, note: &str) -> Option<u64> {
        let checkpoint = VerifiedCheckpoint::from_note(note, self.log_verifier.as_ref()?).ok()?;
        let size = checkpoint.head().size;
        // A coordinator that lost entries takes them over with an earlier checkpoint.
        let known = self.checkpoints.get(&size).is_some_and(|it| it.head() == checkpoint.head());
        (known || checkpoint.head() == self.head()).then_some(())?;
        self.checkpoints.insert(size, checkpoint);
        Some(size)
    }

    pub(crate) fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// Returns the [`summary`] of the first `size` entries.
    pub(crate) fn summary_at(&self, size: u64) -> Option<&str> {
        let index = usize::try_from(size).ok()?.checked_sub(1)?;
        self.summaries.get(index).map(String::as_str)
    }
}

/// Returns everything that a state contains about accounts, groups and requests, in one line.
pub(crate) fn summary(state: &IvnState) -> String {
    let mut text = format!("{} entries at {}", state.size(), state.time().0);
    // Writing to a string cannot fail.
    for (name, account) in state.accounts() {
        let _ = write!(text, "; {name} {:?}", account.incarnation);
    }
    let _ = write!(text, "; invited {:?}", state.invitations().keys());
    for (name, group) in state.groups() {
        let session = group.session.as_ref().map(|ceremony| ceremony.session);
        let key = group.key.as_ref().map(|key| key.public.verifying_key());
        let _ = write!(
            text,
            "; {name} {:?} {:?} {session:?} {:?} {:?} {:?} {key:?} {:?} {:?} {:?}",
            group.defined,
            group.accepted,
            group.phase(),
            group.missing(),
            group.past,
            group.change,
            group.past_changes,
            group.past_epochs,
        );
    }
    for (id, request) in state.requests() {
        let _ = write!(
            text,
            "; {id:?} {:?} {:?} {:?}",
            request.status, request.approvals, request.refusals
        );
    }
    text
}
