//! The coordinator: orders entries, relays signing messages, and is trusted for availability only.
//!
//! It decides nothing that anyone has to believe: an entry is in the log because the fold admits it, a DKG succeeded
//! because its participants certified it, a signature is good because it verifies. What it adds of its own are random
//! session ids, deadlines, and the order of entries.
//!
//! After one or more calls of [`Coordinator::handle`] the shell calls [`Coordinator::seal`], which signs one checkpoint
//! for all that was appended and sends it out: that is how many entries share one write to disk.

mod admission;
mod response_time;
mod roast;
mod sessions;
mod signing;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use quorate_log::checkpoint::{CosignerSet, SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::key::{CosignerVerifier, LogSigner, Seed};
use quorate_log::leaf_hash;
use quorate_log::note::NoteSignature;
use quorate_log::tree::{Frontier, TreeHead};
use rand_core::CryptoRngCore;

use crate::document::Document;
use crate::effect::{CoordinatorChange, CoordinatorDeadline, CoordinatorEffect, JoinId};
use crate::entry::Entry;
use crate::identity::SecretKey;
use crate::message::{FromCoordinator, FromNode};
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::signing::Subject;
use crate::state::{Event, IvnState};
use crate::statement::Body;

/// How many entries a node gets at most before a checkpoint that confirms them: nodes hold no more than
/// [`crate::node::MAX_STAGED`] unconfirmed ones.
#[cfg(not(test))]
const STRETCH: u64 = 20_000;
#[cfg(test)]
const STRETCH: u64 = 8;
/// How many recent checkpoints are remembered to check cosignatures against.
const REMEMBERED_CHECKPOINTS: usize = 256;

/// Deadlines, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// How long a step of a ceremony may take before the session is given up and tried again.
    pub ceremony_step: u64,
    /// How long signers may take to answer at most before others are tried beside them. For nodes that have answered
    /// before, it is as long as their answers usually take.
    pub signing: u64,
    /// How long a signing session may take before nothing is expected of it any more. Shorter than nodes keep nonces.
    pub session: u64,
    /// The first pause before a signer that declined is asked again; doubles up to 32 times as much.
    pub pause: u64,
    /// How many requests, starts and other statements that nothing in the log bounds an account may make at once. One
    /// more after each second, and for each of its requests that is decided.
    pub credit: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { ceremony_step: 30_000, signing: 1_000, session: 20_000, pause: 100, credit: 10_000 }
    }
}

/// The coordinator's own keys, of one IVN.
#[derive(Debug)]
pub struct CoordinatorSecrets {
    /// Signs checkpoints.
    pub log: SecretKey,
    /// Signs the coordinator's entries.
    pub identity: SecretKey,
}

/// What happens to the coordinator.
#[derive(Debug)]
pub enum Input {
    /// A node's connection is up; the connection proved the account. It takes the place of an earlier one of that
    /// account.
    Connected(AccountName),
    /// It is gone. Not to be said of a connection after another took its place.
    Disconnected(AccountName),
    /// A node says something.
    Received(AccountName, FromNode),
    /// Someone asks to join: an [`AccountAdmitted`](crate::statement::Body::AccountAdmitted) entry's bytes.
    Join(JoinId, Vec<u8>),
    /// Answers [`CoordinatorEffect::PrepareDocument`].
    Document {
        /// For which request.
        request: EntryId,
        /// The document, or `None` if it is not in the store.
        document: Option<Document>,
    },
    /// A deadline has come.
    Deadline(CoordinatorDeadline),
}

/// Why the coordinator can not start from what it finds on disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RestoreError {
    /// A stored entry is damaged or not admissible.
    #[error("entry {index} of the stored log is damaged")]
    Entry {
        /// Its index.
        index: u64,
    },
    /// The stored log is not the one of the last signed checkpoint. Signing another would fork the log.
    #[error(
        "the stored log is not the one that the last checkpoint was signed for; it was changed or restored from an old copy"
    )]
    Checkpoint,
    /// The keys are not those that the genesis names.
    #[error("the coordinator's keys are not those of this IVN's genesis")]
    Keys,
}

/// A connected node.
#[derive(Debug)]
struct Peer {
    /// Entries sent so far; absent until its hello.
    sent: Option<u64>,
}

/// The coordinator of one IVN.
pub struct Coordinator {
    config: Config,
    key: SecretKey,
    log_signer: LogSigner,
    state: IvnState,
    frontier: Frontier,
    /// The tree after every [`STRETCH`] entries.
    milestones: Vec<TreeHead>,
    /// Where each entry stands, so that one submitted again is not appended again.
    index: HashMap<EntryId, u64>,
    checkpoint: Option<VerifiedCheckpoint>,
    recent: BTreeMap<u64, VerifiedCheckpoint>,
    /// The size of the latest tree that each node cosigned.
    cosigned: BTreeMap<AccountName, u64>,
    peers: BTreeMap<AccountName, Peer>,
    signing: signing::Signing,
    /// Until when a group's next session waits.
    pauses: BTreeMap<GroupName, Timestamp>,
    credit: admission::Credit,
    /// Accounts whose connections are to end when they were told why.
    dismissed: BTreeSet<AccountName>,
}

impl Coordinator {
    /// Rebuilds the coordinator from its log.
    ///
    /// # Errors
    ///
    /// What is wrong with the stored data.
    pub fn restore(
        secrets: CoordinatorSecrets,
        config: Config,
        entries: impl IntoIterator<Item = Vec<u8>>,
        checkpoint: Option<&str>,
    ) -> Result<Self, RestoreError> {
        let mut entries = entries.into_iter();
        let damaged = |index| RestoreError::Entry { index };
        let genesis = entries.next().ok_or(damaged(0))?;
        let entry = Entry::from_bytes(&genesis).map_err(|_| damaged(0))?;
        let mut state = IvnState::found(&entry).map_err(|_| damaged(0))?;
        let named = (state.genesis().log_key, state.genesis().coordinator_key);
        if named != (secrets.log.public(), secrets.identity.public()) {
            return Err(RestoreError::Keys);
        }
        let origin = state.origin().parse().map_err(|_| RestoreError::Keys)?;
        let log_signer = LogSigner::new(origin, Seed::new(Box::new(*secrets.log.seed())));
        let checkpoint = match checkpoint {
            Some(note) => Some(
                note.parse::<SignedCheckpoint>()
                    .and_then(|signed| signed.verify(log_signer.verifier()))
                    .map_err(|_| RestoreError::Checkpoint)?,
            ),
            None => None,
        };
        let mut index = HashMap::from([(entry.id(), 0)]);
        let mut frontier = Frontier::default();
        let mut milestones = Vec::new();
        frontier.append(leaf_hash(&genesis));
        let mut confirmed = checkpoint.is_none();
        loop {
            if let Some(checkpoint) = &checkpoint
                && checkpoint.head().size == frontier.size()
            {
                confirmed = checkpoint.head() == frontier.head();
            }
            let Some(bytes) = entries.next() else { break };
            let entry = Entry::from_bytes(&bytes).map_err(|_| damaged(frontier.size()))?;
            state.apply(&entry).map_err(|_| damaged(frontier.size()))?;
            index.insert(entry.id(), frontier.size());
            frontier.append(leaf_hash(&bytes));
            note_milestone(&frontier, &mut milestones);
        }
        if !confirmed {
            return Err(RestoreError::Checkpoint);
        }
        Ok(Self {
            config,
            key: secrets.identity,
            log_signer,
            state,
            frontier,
            milestones,
            index,
            recent: checkpoint.iter().map(|c| (c.head().size, c.clone())).collect(),
            checkpoint,
            cosigned: BTreeMap::new(),
            peers: BTreeMap::new(),
            signing: signing::Signing::default(),
            pauses: BTreeMap::new(),
            credit: admission::Credit::default(),
            dismissed: BTreeSet::new(),
        })
    }

    /// What to do first, once, after [`Self::restore`]: whatever was under way goes on.
    pub fn start(&mut self, now: Timestamp, rng: &mut dyn CryptoRngCore) -> Vec<CoordinatorEffect> {
        let mut out = Vec::new();
        let groups: Vec<_> = self.state.groups().keys().cloned().collect();
        for group in groups {
            self.tend_ceremony(&group, now, rng, &mut out);
            self.expect_ceremony_step(&group, now, &mut out);
        }
        let requests: Vec<_> = self.state.requests().keys().copied().collect();
        for request in requests {
            self.request_changed(request, &mut out);
        }
        out
    }

    /// Takes in what happened and says what to do, in order. [`Self::seal`] must follow soon.
    pub fn handle(
        &mut self,
        input: Input,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<CoordinatorEffect> {
        let mut out = Vec::new();
        match input {
            Input::Connected(account) => {
                // The process at the other end, and what it had in memory, may be another.
                self.signer_gone(&account);
                self.peers.insert(account, Peer { sent: None });
                self.announce_presence(&mut out);
            }
            Input::Disconnected(account) => {
                self.peers.remove(&account);
                self.announce_presence(&mut out);
                self.signer_gone(&account);
            }
            Input::Received(account, message) => {
                self.receive(account, message, now, rng, &mut out);
            }
            Input::Join(id, bytes) => {
                let result = self.join(&bytes, now, rng, &mut out);
                out.push(CoordinatorEffect::RespondJoin(id, result));
            }
            Input::Document { request, document } => {
                self.document(request, document, now, &mut out);
            }
            Input::Deadline(CoordinatorDeadline::Ceremony(session)) => {
                self.ceremony_overdue(session, now, rng, &mut out);
            }
            Input::Deadline(CoordinatorDeadline::Signing(session)) => {
                self.signing_overdue(session, now, &mut out);
            }
            Input::Deadline(CoordinatorDeadline::NextCeremony(group)) => {
                self.pauses.remove(&group);
                self.tend_ceremony(&group, now, rng, &mut out);
            }
            Input::Deadline(CoordinatorDeadline::Retry) => {
                self.signing.resume();
                self.signing.prepare_missing(&mut out);
            }
        }
        out
    }

    /// Signs one checkpoint for all appended entries, sends everybody what they lack, and starts the signing sessions
    /// that these entries made possible.
    pub fn seal(&mut self, now: Timestamp, rng: &mut dyn CryptoRngCore) -> Vec<CoordinatorEffect> {
        let mut out = Vec::new();
        self.send_log(&mut out);
        self.dismiss(&mut out);
        self.start_signing(now, rng, &mut out);
        out
    }

    /// Ends the connections of those who may have none any more.
    fn dismiss(&mut self, out: &mut Vec<CoordinatorEffect>) {
        let dismissed = std::mem::take(&mut self.dismissed);
        if dismissed.is_empty() {
            return;
        }
        for account in dismissed {
            self.peers.remove(&account);
            self.signer_gone(&account);
            out.push(CoordinatorEffect::Disconnect(account));
        }
        self.announce_presence(out);
    }

    fn send_log(&mut self, out: &mut Vec<CoordinatorEffect>) {
        let end = self.state.size();
        if self.checkpoint.as_ref().is_none_or(|checkpoint| checkpoint.head().size < end) {
            let checkpoint = self.log_signer.sign(self.frontier.head());
            let change = CoordinatorChange::Checkpoint { note: checkpoint.to_string(), size: end };
            out.push(CoordinatorEffect::Persist(change));
            self.recent.insert(end, checkpoint.clone());
            while self.recent.len() > REMEMBERED_CHECKPOINTS {
                self.recent.pop_first();
            }
            self.checkpoint = Some(checkpoint);
        }
        let behind: Vec<(AccountName, u64)> = self
            .peers
            .iter()
            .filter_map(|(account, peer)| {
                Some((account.clone(), peer.sent.filter(|sent| *sent < end)?))
            })
            .collect();
        for (account, sent) in behind {
            self.catch_up(account, sent, out);
        }
    }

    /// Sends an account's node everything from entry `first` on, and at least a checkpoint.
    fn catch_up(&mut self, account: AccountName, first: u64, out: &mut Vec<CoordinatorEffect>) {
        let end = self.state.size();
        let Some(checkpoint) = self.checkpoint.as_ref().map(ToString::to_string) else { return };
        let mut first = first;
        while let Some((end, checkpoint)) = self.milestone_after(first, end) {
            out.push(CoordinatorEffect::SendLog { to: account.clone(), first, end, checkpoint });
            first = end;
        }
        if let Some(peer) = self.peers.get_mut(&account) {
            peer.sent = Some(end);
        }
        out.push(CoordinatorEffect::SendLog { to: account, first, end, checkpoint });
    }

    /// The stretch of the log from entry `first` on: where it ends, and a checkpoint of the tree there. For who reads the log
    /// without being its account's node; none before there is a checkpoint.
    pub fn stretch(&self, first: u64) -> Option<(u64, String)> {
        let latest = self.checkpoint.as_ref()?;
        let end = latest.head().size;
        Some(self.milestone_after(first, end).unwrap_or_else(|| (end, latest.to_string())))
    }

    /// The next size at which what is sent from entry `first` to `end` gets a checkpoint in between, and that checkpoint.
    fn milestone_after(&self, first: u64, end: u64) -> Option<(u64, String)> {
        let next = self.milestones.partition_point(|head| head.size <= first);
        let head = self.milestones.get(next).filter(|head| head.size < end)?;
        Some((head.size, self.log_signer.sign(*head).to_string()))
    }

    fn receive(
        &mut self,
        account: AccountName,
        message: FromNode,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        match message {
            FromNode::Hello { after } => self.hello(account, after, now, rng, out),
            FromNode::Submit { entry } => self.submitted(account, &entry.0, now, rng, out),
            FromNode::Cosign { size, cosignature } => {
                self.cosigned(&account, size, &cosignature, now, rng, out);
            }
            FromNode::Commitments { session, commitments } => {
                self.commitments(&account, session, commitments, now, out);
            }
            FromNode::Share { session, share, size, cosignature } => {
                self.cosigned(&account, size, &cosignature, now, rng, out);
                self.share(&account, session, share, now, rng, out);
            }
            FromNode::Declined { session, .. } => {
                self.signer_failed(&account, session, now);
            }
        }
    }

    /// A node says how much of the log it has: it gets the rest, and always a checkpoint, which it cosigns.
    fn hello(
        &mut self,
        account: AccountName,
        after: u64,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        // Once on each connection: the answer is the rest of the log, however long, and a node that lost some of it
        // dials again.
        if self.peers.get(&account).is_none_or(|peer| peer.sent.is_some()) {
            return;
        }
        self.send_log(out);
        self.signing.wake(&account);
        self.catch_up(account, after.min(self.state.size()), out);
        let groups: Vec<_> = self.state.groups().keys().cloned().collect();
        for group in groups {
            self.tend_ceremony(&group, now, rng, out);
        }
    }

    fn react(
        &mut self,
        event: Event,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        match event {
            Event::Invited(_) | Event::Admitted(_) | Event::Account(_) => {}
            Event::Dismissed(account) => {
                self.signer_disowned(&account);
                self.dismissed.insert(account);
            }
            Event::NodeStarted(account) => {
                let groups: Vec<_> = self
                    .state
                    .groups()
                    .values()
                    .filter(|group| group.identifier(&account).is_some())
                    .map(|group| group.definition.name.clone())
                    .collect();
                for group in groups {
                    self.tend_ceremony(&group, now, rng, out);
                }
            }
            Event::CeremonyAborted(group) => {
                self.pause_ceremony(&group, now, out);
                self.tend_ceremony(&group, now, rng, out);
            }
            // What went wrong with the definition before says nothing about this one.
            Event::GroupDefined(group) => {
                self.pauses.remove(&group);
                self.tend_ceremony(&group, now, rng, out);
            }
            Event::Change(group) => self.tend_ceremony(&group, now, rng, out),
            Event::EpochStarted(group) => {
                self.drop_sessions_of_group(&group);
                self.tend_ceremony(&group, now, rng, out);
            }
            Event::ShareDestroyed(_) | Event::ShareProved(_) => {}
            Event::GroupAccepted(group)
            | Event::Ceremony(group)
            | Event::CeremonyCertified(group) => {
                self.expect_ceremony_step(&group, now, out);
                self.tend_ceremony(&group, now, rng, out);
            }
            Event::RequestRejected(id) | Event::RequestSigned(id) => {
                if let Ok(request) = self.state.request(id) {
                    self.credit.give_back(&request.requester);
                }
                self.request_changed(id, out);
            }
            Event::RequestOpened(id)
            | Event::RequestVoted(id)
            | Event::RequestApproved(id)
            | Event::RequestRefused(id) => self.request_changed(id, out),
        }
    }

    fn cosigned(
        &mut self,
        account: &AccountName,
        size: u64,
        line: &str,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let cosigner = self.cosigner(account);
        let (Some(cosigner), Some(checkpoint)) = (cosigner, self.recent.get_mut(&size)) else {
            return;
        };
        let (Ok(signature), Ok(set)) =
            (line.parse::<NoteSignature>(), CosignerSet::new([cosigner]))
        else {
            return;
        };
        let fresh = self.cosigned.get(account).is_none_or(|latest| *latest < size);
        if fresh && checkpoint.add_cosignature(&set, signature).is_ok() {
            self.cosigned.insert(account.clone(), size);
            out.push(CoordinatorEffect::Persist(CoordinatorChange::Cosignature {
                account: account.clone(),
                size,
                line: line.to_owned(),
            }));
            self.confirm_handovers(account, size, now, rng, out);
        }
    }

    /// Puts into the log what the members before a change have to show about it, if this checkpoint has enough of their
    /// cosignatures now, the latest by `cosigner`.
    fn confirm_handovers(
        &mut self,
        cosigner: &AccountName,
        size: u64,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Some(checkpoint) = self.recent.get(&size) else { return };
        let origin = self.state.origin();
        let shown = self.state.groups().values().flat_map(|group| {
            let waiting = group.handovers.iter().filter(|handover| {
                handover.waits_for(size) && handover.members.contains_key(cosigner)
            });
            waiting.filter_map(|handover| {
                let checkpoint = handover.excerpt(&origin, checkpoint)?;
                let (group, epoch) = (group.definition.name.clone(), handover.epoch);
                Some(Body::HandedOver { group, epoch, checkpoint })
            })
        });
        let shown: Vec<Body> = shown.collect();
        for body in shown {
            // Too long an entry is not made; then the latest checkpoint shows it as long as all of them cosign it. Nor is
            // one that shows nothing more than the one before.
            let _ = self.append_own(body, now, rng, out);
        }
    }

    fn cosigner(&self, account: &AccountName) -> Option<CosignerVerifier> {
        let account_of = self.state.accounts().get(account).filter(|account| !account.suspended);
        let key = account_of?.keys.cosigner;
        let name = format!("{}/{account}", self.state.origin()).parse().ok()?;
        CosignerVerifier::new(name, &key.0).ok()
    }

    fn announce_presence(&self, out: &mut Vec<CoordinatorEffect>) {
        let online: Vec<AccountName> = self.peers.keys().cloned().collect();
        for account in self.peers.keys() {
            let presence = FromCoordinator::Presence { online: online.clone() };
            out.push(CoordinatorEffect::Send(account.clone(), presence));
        }
    }

    /// What the log says.
    pub fn state(&self) -> &IvnState {
        &self.state
    }

    /// Who is connected.
    pub fn online(&self) -> impl Iterator<Item = &AccountName> {
        self.peers.keys()
    }

    /// The latest cosignature of each node: the size of the tree that it cosigned.
    pub fn cosigned_sizes(&self) -> &BTreeMap<AccountName, u64> {
        &self.cosigned
    }

    /// The latest checkpoint with the cosignatures that have come in for it: what is published.
    pub fn published(&self) -> Option<&VerifiedCheckpoint> {
        self.recent.last_key_value().map(|(_, checkpoint)| checkpoint)
    }

    /// Whose answers are awaited to sign this.
    pub fn awaited_signers(&self, subject: Subject) -> BTreeSet<&AccountName> {
        self.signing.awaited(subject)
    }

    /// The session of a group's ceremony, if one runs.
    pub fn ceremony_session(&self, group: &crate::names::GroupName) -> Option<SessionId> {
        self.state.groups().get(group)?.session.as_ref().map(|ceremony| ceremony.session)
    }
}

fn note_milestone(frontier: &Frontier, milestones: &mut Vec<TreeHead>) {
    if frontier.size().is_multiple_of(STRETCH) {
        milestones.push(frontier.head());
    }
}

#[cfg(test)]
mod tests;
