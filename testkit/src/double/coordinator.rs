//! A malicious coordinator with the log's key, everything that the coordinator stores, and the keys
//! of its accomplices.
//!
//! It can keep several logs and show each member one of them, sign any checkpoint, write any entry
//! in its own name or an accomplice's, and pass on, change or withhold any message. Where it lacks
//! the key, it can only forge.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::coordinator::{Config, Coordinator, CoordinatorSecrets, QuotaLimits};
use quorate_ceremony::effect::CoordinatorDeadline;
use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::identity::{SecretKey, cosigner_verifier};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::test_world::signed_checkpoint;
use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::key::{LogSigner, LogVerifier, Seed};
use quorate_log::note::NoteSignature;

use crate::world::Secrets;

/// Names one of the logs that the coordinator keeps.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ViewId(pub usize);

/// A log, and the machine that continues it as if it were the only one.
pub(super) struct View {
    pub(super) machine: Coordinator,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) deadlines: BTreeMap<CoordinatorDeadline, Timestamp>,
    /// For each size of the tree, the cosignature lines of checkpoints of that size by account.
    pub(super) cosignatures: BTreeMap<u64, BTreeMap<AccountName, String>>,
}

/// Replaces a message to a node with any number of messages.
pub type Outgoing = Box<dyn FnMut(&AccountName, FromCoordinator) -> Vec<FromCoordinator>>;
/// Changes or drops a message from a node.
pub type Incoming = Box<dyn FnMut(&AccountName, FromNode) -> Option<FromNode>>;

/// The malicious coordinator.
pub struct Liar {
    log: [u8; 32],
    identity: [u8; 32],
    ivn: IvnId,
    origin: String,
    pub(super) views: Vec<View>,
    /// The log that each account is shown.
    pub(super) seats: BTreeMap<AccountName, ViewId>,
    /// Members that gave the coordinator their keys.
    pub(super) accomplices: BTreeSet<AccountName>,
    pub(super) outgoing: Outgoing,
    pub(super) incoming: Incoming,
    /// Whether it replaces the documents that were submitted.
    pub(super) swaps_documents: bool,
}

const CONFIG: Config = Config {
    ceremony_step: 8_000,
    signing: 1_000,
    session: 20_000,
    pause: 100,
    comparison: 1_000,
    quota: QuotaLimits { account: 100, ivn: 2_000 },
};

pub(super) fn secrets(log: &[u8; 32], identity: &[u8; 32]) -> CoordinatorSecrets {
    CoordinatorSecrets { log: SecretKey::from_seed(log), identity: SecretKey::from_seed(identity) }
}

impl Liar {
    pub(super) fn new(log: [u8; 32], identity: [u8; 32], genesis: &Entry) -> Option<Self> {
        let state = quorate_ceremony::state::IvnState::found(genesis).ok()?;
        let mut liar = Self {
            log,
            identity,
            ivn: state.ivn(),
            origin: state.origin(),
            views: Vec::new(),
            seats: BTreeMap::new(),
            accomplices: BTreeSet::new(),
            outgoing: Box::new(|_, message| vec![message]),
            incoming: Box::new(|_, message| Some(message)),
            swaps_documents: false,
        };
        liar.begin(vec![genesis.to_bytes()])?;
        Some(liar)
    }

    /// Begins another log with these entries.
    pub(super) fn begin(&mut self, entries: Vec<Vec<u8>>) -> Option<ViewId> {
        let secrets = secrets(&self.log, &self.identity);
        let machine = Coordinator::restore(secrets, CONFIG, entries.clone(), None).ok()?;
        let (deadlines, cosignatures) = (BTreeMap::new(), BTreeMap::new());
        self.views.push(View { machine, entries, deadlines, cosignatures });
        Some(ViewId(self.views.len() - 1))
    }

    pub(super) fn seat(&self, account: &AccountName) -> ViewId {
        self.seats.get(account).copied().unwrap_or(ViewId(0))
    }

    /// Returns the log that a member is shown.
    pub fn log_of(&self, account: &AccountName) -> Vec<Vec<u8>> {
        self.view(self.seat(account)).map(|view| view.entries.clone()).unwrap_or_default()
    }

    pub(super) fn view(&self, id: ViewId) -> Option<&View> {
        self.views.get(id.0)
    }

    pub(super) fn view_mut(&mut self, id: ViewId) -> Option<&mut View> {
        self.views.get_mut(id.0)
    }

    fn log_signer(&self) -> Option<LogSigner> {
        Some(LogSigner::new(self.origin.parse().ok()?, Seed::new(Box::new(self.log))))
    }

    /// Returns the public half of the log's key.
    pub fn log_verifier(&self) -> Option<LogVerifier> {
        self.log_signer().map(|signer| signer.verifier().clone())
    }

    /// Signs a checkpoint of exactly these entries with the log's key.
    pub fn checkpoint(&self, entries: &[Vec<u8>]) -> Option<VerifiedCheckpoint> {
        Some(signed_checkpoint(&self.log_signer()?, entries))
    }

    /// Returns an entry in the coordinator's own name.
    pub fn states(&self, at: Timestamp, body: Body) -> Option<Entry> {
        self.sign(at, Author::Coordinator, body, &SecretKey::from_seed(&self.identity))
    }

    /// Returns an entry in an account's name, signed with the coordinator's key: it has no other.
    pub fn forges(&self, at: Timestamp, author: &AccountName, body: Body) -> Option<Entry> {
        let key = SecretKey::from_seed(&self.identity);
        self.sign(at, Author::Account(author.clone()), body, &key)
    }

    fn sign(&self, at: Timestamp, author: Author, body: Body, key: &SecretKey) -> Option<Entry> {
        Entry::sign(Statement { ivn: Some(self.ivn), author, at, seen: 0, body }, &[key]).ok()
    }

    /// Returns the checkpoint of a view at a size, with all cosignatures that nodes sent for it,
    /// and those of all accomplices, which cosign anything.
    pub(super) fn cosigned(
        &self,
        id: ViewId,
        size: u64,
        secrets: &BTreeMap<AccountName, Secrets>,
        now: u64,
    ) -> Option<VerifiedCheckpoint> {
        let view = self.view(id)?;
        let mut checkpoint = self.checkpoint(view.entries.get(..usize::try_from(size).ok()?)?)?;
        let bare = checkpoint.clone();
        let mut add = |account: &AccountName, line: NoteSignature| {
            let key = view.machine.state().account(account).ok()?.keys.cosigner;
            let set = CosignerSet::new([cosigner_verifier(&self.origin, account, &key)?]).ok()?;
            checkpoint.add_cosignature(&set, line).ok()
        };
        for (account, line) in view.cosignatures.get(&size).into_iter().flatten() {
            add(account, line.parse().ok()?);
        }
        for account in &self.accomplices {
            let key = secrets.get(account)?.account().cosigner_of(&self.origin, account)?;
            let line = key.cosign(&bare, now.try_into().ok()?);
            add(account, line);
        }
        Some(checkpoint)
    }
}

/// Ways to alter messages.
impl Liar {
    /// Passes every message to nodes through `alter` from now on.
    pub fn alter(
        &mut self,
        alter: impl FnMut(&AccountName, FromCoordinator) -> Vec<FromCoordinator> + 'static,
    ) {
        self.outgoing = Box::new(alter);
    }

    /// Withholds these messages from this node from now on.
    pub fn withhold_from(
        &mut self,
        victim: &AccountName,
        which: impl Fn(&FromCoordinator) -> bool + 'static,
    ) {
        let victim = victim.clone();
        self.alter(
            move |to, message| {
                if *to == victim && which(&message) { Vec::new() } else { vec![message] }
            },
        );
    }

    /// Passes every message from nodes through `intercept` from now on.
    pub fn intercept(
        &mut self,
        intercept: impl FnMut(&AccountName, FromNode) -> Option<FromNode> + 'static,
    ) {
        self.incoming = Box::new(intercept);
    }

    /// Shows nodes different documents from now on.
    pub fn swap_documents(&mut self) {
        self.swaps_documents = true;
    }

    /// Shows this node the first log again, from its next connection on.
    pub fn seat_at_first(&mut self, account: &AccountName) {
        self.seats.insert(account.clone(), ViewId(0));
    }
}
