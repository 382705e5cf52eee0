//! The coordinator: orders entries, relays signing messages, and is trusted for availability only.
//!
//! Nobody has to trust its decisions: an entry is in the log because the fold admits it, a DKG
//! succeeded because its participants certified it, and a signature is valid because it verifies.
//! The coordinator itself contributes random session ids, deadlines, and the order of entries.
//!
//! ```text
//!             admission.rs   quota.rs           log.rs
//! entries ──▶ who, when  ──▶ how many ──▶ fold, tree, checkpoints ──▶ peers.rs: who has what
//!                                          ▲ after catch_up.rs compared it with the nodes' logs
//!                                          │ events
//!                 sessions.rs ◀────────────┴──────────▶ signing/
//!                 when a session starts or ends         who is asked to sign, and what results
//! ```
//!
//! Each part owns its data; its functions take what they need of other parts as arguments.
//!
//! After one or more calls of [`Coordinator::handle`] the shell calls [`Coordinator::seal`], which
//! signs one checkpoint for all appended entries and sends it. Thus many entries share one write to
//! disk.

mod admission;
mod catch_up;
mod input;
mod log;
mod peers;
mod quota;
mod sessions;
mod signing;

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::checkpoint::VerifiedCheckpoint;
use rand_core::CryptoRngCore;

use crate::document::Document;
use crate::effect::{CoordinatorDeadline, CoordinatorEffect};
use crate::encoding::Base64;
use crate::identity::{PublicKey, SecretKey};
use crate::message::FromNode;
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::signing::Subject;
use crate::state::{Event, IvnState, Refusal};

use catch_up::{CatchUp, Received};
use input::Call;
use log::Log;
use peers::Peers;
use quota::Quota;
use sessions::{Next, Sessions};
use signing::{Finished, Signing};

pub use catch_up::{Missing, Waiting};
pub use input::{Config, CoordinatorSecrets, Input};
pub use log::RestoreError;
pub use quota::{QuotaLimits, QuotaUse};

#[expect(missing_docs, reason = "the names say it")]
pub struct Coordinator {
    config: Config,
    key: SecretKey,
    log: Log,
    catch_up: CatchUp,
    peers: Peers,
    sessions: Sessions,
    signing: Signing,
    quota: Quota,
    /// Accounts whose connections end once they have received the reason.
    dismissed: BTreeSet<AccountName>,
    /// Whether everything in the log is to be looked at, since a start or entries from a node.
    resumes: bool,
    /// Whether this process has appended anything.
    has_appended: bool,
    has_twin: bool,
}

#[expect(missing_docs, reason = "the names say it")]
impl Coordinator {
    /// Rebuilds the coordinator from its log.
    ///
    /// # Errors
    ///
    /// Fails if the stored data is damaged.
    pub fn restore(
        secrets: CoordinatorSecrets,
        config: Config,
        entries: impl IntoIterator<Item = Vec<u8>>,
        checkpoint: Option<&str>,
    ) -> Result<Self, RestoreError> {
        let log = Log::restore(&secrets, entries, checkpoint)?;
        Ok(Self {
            config,
            key: secrets.identity,
            log,
            catch_up: CatchUp::default(),
            peers: Peers::default(),
            sessions: Sessions::default(),
            signing: Signing::new(config),
            quota: Quota::new(config.quota),
            dismissed: BTreeSet::new(),
            resumes: false,
            has_appended: false,
            has_twin: false,
        })
    }

    /// Compares the log with the nodes' logs before anything is appended. `cosigned` is the size of
    /// the tree that each account cosigned last, as far as the disk shows. The caller calls it
    /// before [`Self::start`].
    #[must_use]
    pub fn awaiting(mut self, cosigned: BTreeMap<AccountName, u64>) -> Self {
        self.catch_up.wait_for(cosigned, &self.log);
        self
    }

    /// Appends nothing before the log has all entries of this checkpoint, which the disk shows to
    /// exist. The caller calls it before [`Self::awaiting`].
    ///
    /// # Errors
    ///
    /// Fails if it is not a checkpoint that this log's key signed, or not of this log.
    pub fn requiring(mut self, checkpoint: &str) -> Result<Self, RestoreError> {
        let required = self.log.known(checkpoint).ok_or(RestoreError::Required)?;
        self.catch_up.require(required, &self.log);
        Ok(self)
    }

    /// Appends nothing before more than half of the [awaited](Self::awaiting) nodes are connected,
    /// because another coordinator may have the same keys: the disk is a copy.
    #[must_use]
    pub fn perhaps_copied(mut self) -> Self {
        self.catch_up.need_majority(&self.log);
        self
    }

    /// Goes on from a log of `size` entries after the time for the comparison, even if more are
    /// known to exist, or too few nodes are connected: an operator gave them up. Has no effect if
    /// the log has another size then.
    #[must_use]
    pub fn going_on_from(mut self, size: u64) -> Self {
        self.catch_up.go_on_from(size);
        self
    }

    /// Returns what to do first. The caller calls it once after [`Self::restore`].
    pub fn start(&mut self, now: Timestamp, rng: &mut dyn CryptoRngCore) -> Vec<CoordinatorEffect> {
        let mut call = Call::new(now, rng);
        self.resumes = true;
        self.catch_up.start(self.config.comparison, &mut call);
        self.go_on(&mut call);
        call.into_effects()
    }

    /// Asks a node for missing entries; if nothing is missing, does what waited for that.
    fn go_on(&mut self, call: &mut Call<'_>) {
        self.catch_up.ask(&self.log, self.config.comparison, call);
        let Some((hellos, interrupted)) = self.catch_up.take_waiting() else { return };
        if std::mem::take(&mut self.resumes) {
            for group in self.groups() {
                self.tend_ceremony(&group, call);
                self.expect_ceremony_step(&group, call);
            }
            let requests: Vec<_> = self.log.state().requests().keys().copied().collect();
            for request in requests {
                self.request_changed(request);
            }
        }
        for (account, after) in hellos {
            self.greet(&account, after, call);
        }
        // They send their statements again on the next connection.
        self.dismissed.extend(interrupted);
    }

    /// Processes an input and returns what to do, in order. The caller calls [`Self::seal`] soon
    /// after.
    pub fn handle(
        &mut self,
        input: Input,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<CoordinatorEffect> {
        let mut call = Call::new(now, rng);
        self.dispatch(input, &mut call);
        call.into_effects()
    }

    fn dispatch(&mut self, input: Input, call: &mut Call<'_>) {
        match input {
            Input::Connected(account) => {
                // The new connection may be of a different process, without the secrets in memory
                // of the previous one.
                self.signing.signer_gone(&account);
                self.catch_up.disconnected(&account);
                self.peers.connect(account, call);
            }
            Input::Disconnected(account) => {
                self.catch_up.disconnected(&account);
                self.go_on(call);
                self.peers.disconnect(&account, call);
                self.signing.signer_gone(&account);
            }
            Input::Received(account, message) => self.receive(account, message, call),
            Input::Join(id, bytes) => {
                // Without an answer, the shell asks to try again. A node whose certificate has
                // expired needs another one to connect, and the comparison may wait for it.
                if self.catch_up.is_over() || self.is_in_log(&bytes) {
                    let result = self.join(&bytes, call);
                    call.push(CoordinatorEffect::RespondJoin(id, result));
                }
            }
            Input::Document { request, document } => {
                self.document(request, document, call);
            }
            Input::Deadline(CoordinatorDeadline::Ceremony(session)) => {
                if let Some(body) = sessions::overdue(self.log.state(), session) {
                    let _ = self.append_own(body, call);
                }
            }
            Input::Deadline(CoordinatorDeadline::Signing(session)) => {
                self.signing.overdue(session, call);
            }
            Input::Deadline(CoordinatorDeadline::NextCeremony(group)) => {
                self.sessions.resume(&group);
                self.tend_ceremony(&group, call);
            }
            Input::Deadline(CoordinatorDeadline::Comparison) => {
                self.catch_up.awaited_are_late(&self.log, self.config.comparison, call);
                self.go_on(call);
            }
            Input::Deadline(CoordinatorDeadline::Source) => {
                self.dismissed.extend(self.catch_up.source_is_late());
                self.go_on(call);
            }
            Input::Deadline(CoordinatorDeadline::Retry) => {
                self.signing.resume();
            }
        }
    }

    /// Signs one checkpoint for all appended entries, sends the nodes all missing entries, and
    /// starts the signing sessions that the entries made possible.
    pub fn seal(&mut self, now: Timestamp, rng: &mut dyn CryptoRngCore) -> Vec<CoordinatorEffect> {
        let mut call = Call::new(now, rng);
        if self.catch_up.is_over() {
            self.send_log(&mut call);
        }
        self.dismiss(&mut call);
        if self.catch_up.is_over() {
            self.signing.start(self.log.state(), &self.peers, &mut call);
        }
        call.into_effects()
    }

    fn dismiss(&mut self, call: &mut Call<'_>) {
        let dismissed = std::mem::take(&mut self.dismissed);
        if dismissed.is_empty() {
            return;
        }
        for account in dismissed {
            self.catch_up.disconnected(&account);
            self.peers.disconnect(&account, call);
            self.signing.signer_gone(&account);
            call.push(CoordinatorEffect::Disconnect(account));
        }
    }

    fn send_log(&mut self, call: &mut Call<'_>) {
        self.log.seal(call);
        for (account, sent) in self.peers.behind(self.log.state().size()) {
            self.send_rest(&account, sent, call);
        }
    }

    /// Sends an account's node all entries from `first` on, or at least a checkpoint.
    fn send_rest(&mut self, account: &AccountName, first: u64, call: &mut Call<'_>) {
        if let Some(end) = self.log.send(account, first, call) {
            self.peers.was_sent(account, end);
        }
    }

    fn receive(&mut self, account: AccountName, message: FromNode, call: &mut Call<'_>) {
        match message {
            FromNode::Hello { after, checkpoint } => {
                self.hello(&account, after, checkpoint.as_deref(), call);
            }
            FromNode::Entries { first, entries } => self.entries(&account, first, entries, call),
            FromNode::Submit { entry } => self.submitted(account, &entry.0, call),
            FromNode::Cosign { size, cosignature } => {
                self.cosigned(&account, size, &cosignature, call);
            }
            FromNode::Sealed { session, round, to, message } => {
                self.signing.sealed(&account, session, round, to, message);
            }
            FromNode::Part { session, round, part } => {
                self.signing.part(self.log.state(), &account, session, (round, part), call);
            }
            FromNode::Share { session, share, size, cosignature } => {
                self.cosigned(&account, size, &cosignature, call);
                let finished = self.signing.share(self.log.state(), &account, session, share, call);
                self.finish_signing(finished, call);
            }
            FromNode::Declined { session, because, .. } => {
                self.signing.declined(&account, session, because.as_ref(), call.now);
            }
        }
    }

    /// A document was read, or is unavailable.
    fn document(&mut self, request: EntryId, document: Option<Document>, call: &mut Call<'_>) {
        let unchecked = self.signing.document(self.log.state(), request, document.as_ref(), call);
        let Some(document) = document else { return };
        for ((session, account), share) in unchecked {
            let (state, message) = (self.log.state(), &document.to_be_signed);
            let finished = self.signing.checked(state, &account, session, share, message, call);
            self.finish_signing(finished, call);
        }
        self.signing.hold(request, document);
    }

    fn finish_signing(&mut self, finished: Option<Finished>, call: &mut Call<'_>) {
        let Some(Finished { subject, session, body }) = finished else { return };
        let logged = body.is_some_and(|body| self.append_own(body, call).is_some());
        self.signing.settle(self.log.state(), subject, session, logged, call);
    }

    /// A node says how much of the log it has.
    fn hello(
        &mut self,
        account: &AccountName,
        after: u64,
        checkpoint: Option<&str>,
        call: &mut Call<'_>,
    ) {
        // Only the first hello on a connection is answered, because the answer can be the whole
        // log. A node that lost entries reconnects.
        if self.peers.awaits_hello(account) {
            self.catch_up.hello(account, after, checkpoint, &self.log);
            self.go_on(call);
        }
    }

    /// A node sends entries that the log lacks.
    fn entries(
        &mut self,
        account: &AccountName,
        first: u64,
        entries: Vec<Base64>,
        call: &mut Call<'_>,
    ) {
        match self.catch_up.received(account, first, entries, call) {
            Received::Nothing => return,
            Received::Whole(taken, checkpoint) => {
                // Another coordinator appended to what this one appended.
                self.has_twin |= self.has_appended;
                let events = self.log.take_over(*taken, checkpoint, call);
                self.dismissed.extend(self.catch_up.caught_up(&self.log));
                // What else the events ask for, the look at everything finds.
                self.resumes = true;
                self.dismissed.extend(events.into_iter().filter_map(|event| match event {
                    Event::Dismissed(account) => Some(account),
                    _ => None,
                }));
            }
            Received::Contradiction => {
                if let Some(after) = self.catch_up.take_hello(account) {
                    self.greet(account, after, call);
                }
            }
        }
        self.go_on(call);
    }

    /// Answers a hello: the node gets the rest of the log, and always a checkpoint, which it
    /// cosigns.
    fn greet(&mut self, account: &AccountName, after: u64, call: &mut Call<'_>) {
        self.send_log(call);
        self.signing.wake(account);
        self.send_rest(account, after.min(self.log.state().size()), call);
        for group in self.groups() {
            self.tend_ceremony(&group, call);
        }
    }

    fn cosigned(&mut self, account: &AccountName, size: u64, line: &str, call: &mut Call<'_>) {
        for body in self.log.cosigned(account, size, line, call) {
            // An entry that is too long is not made; then the latest checkpoint confirms the change
            // as long as all of them cosign it. A repeated confirmation is rejected.
            let _ = self.append_own(body, call);
        }
    }

    fn groups(&self) -> Vec<GroupName> {
        self.log.state().groups().keys().cloned().collect()
    }

    fn tend_ceremony(&mut self, name: &GroupName, call: &mut Call<'_>) {
        match self.sessions.next(self.log.state(), &self.peers, name, call) {
            Next::Nothing => {}
            Next::Sign(subject) => self.signing.wanted(subject),
            Next::State(body) => {
                // This is admissible, because it follows from the present state. Otherwise, the
                // next event tries again.
                let _ = self.append_own(body, call);
            }
        }
    }

    fn pause_ceremony(&mut self, name: &GroupName, call: &mut Call<'_>) {
        self.sessions.pause(self.log.state(), name, self.config.pause, call);
    }

    fn expect_ceremony_step(&self, name: &GroupName, call: &mut Call<'_>) {
        sessions::expect_step(self.log.state(), name, self.config.ceremony_step, call);
    }

    fn request_changed(&mut self, id: EntryId) {
        self.signing.request_changed(self.log.state(), id);
    }

    /// Returns the end of the stretch of entries from `first` on, and a checkpoint of the tree at
    /// that size, for readers that are not nodes. `None` if there is no checkpoint.
    pub fn stretch(&self, first: u64) -> Option<(u64, String)> {
        self.log.stretch(first)
    }

    pub fn state(&self) -> &IvnState {
        self.log.state()
    }

    /// Whether the log was compared with the nodes' logs. Until then, nothing is appended.
    pub fn is_compared(&self) -> bool {
        self.catch_up.is_over()
    }

    /// Returns what the log lacks, by the largest checkpoint that a node or the disk has shown.
    pub fn missing(&self) -> Option<Missing> {
        self.catch_up.missing(&self.log)
    }

    /// Returns what the comparison with the nodes' logs waits for; `None` when it is over.
    pub fn waiting(&self) -> Option<Waiting> {
        self.catch_up.waiting(&self.log)
    }

    /// Whether a node has entries that another process appended with these keys, after what this
    /// one appended. Two coordinators that go on would fork the log.
    pub fn has_twin(&self) -> bool {
        self.has_twin
    }

    /// Checks that this account may connect.
    ///
    /// While the log lacks entries, every account may, because the missing ones may admit it or
    /// change its keys. It can then only show and give what it has of the log.
    ///
    /// # Errors
    ///
    /// Fails with the reason if it may not.
    pub fn check_connection(
        &self,
        account: &AccountName,
        identity: PublicKey,
    ) -> Result<(), Refusal> {
        if self.catch_up.lacks_entries() {
            return Ok(());
        }
        self.log.state().check_connection(account, Some(identity))
    }

    pub fn online(&self) -> impl Iterator<Item = &AccountName> {
        self.peers.online()
    }

    /// The size of the tree that each node cosigned last.
    pub fn cosigned_sizes(&self) -> &BTreeMap<AccountName, u64> {
        self.log.cosigned_sizes()
    }

    /// The latest checkpoint with all its cosignatures.
    pub fn published(&self) -> Option<&VerifiedCheckpoint> {
        self.log.published()
    }

    /// How many bytes of documents this machine holds, at most
    /// [`HELD_BY_COORDINATOR`](crate::held::HELD_BY_COORDINATOR).
    pub fn held_bytes(&self) -> usize {
        self.signing.held_bytes()
    }

    /// How much of the quota of statements is used up.
    pub fn quota_in_use(&self) -> QuotaUse {
        self.quota.in_use()
    }

    /// Signers whose answers are awaited to sign this.
    pub fn awaited_signers(&self, subject: Subject) -> BTreeSet<&AccountName> {
        self.signing.awaited(subject)
    }

    pub fn ceremony_session(&self, group: &GroupName) -> Option<SessionId> {
        self.log.state().groups().get(group)?.session.as_ref().map(|ceremony| ceremony.session)
    }
}

#[cfg(test)]
mod tests;
