//! One account's node: follows the log, takes part in ceremonies, and releases a signature share
//! only for what the log shows to be approved.
//!
//! The node does not trust the coordinator. It recomputes the tree's root from the entries,
//! verifies every entry's signature against the roster at that point, evaluates the policy on the
//! members' signed approvals, and derives what it signs from a document that it fetched and
//! compared. It holds every entry up to each checkpoint that it accepts. So that checkpoint
//! includes the request and is consistent with the log so far, without a separate proof.
//!
//! ```text
//!            log.rs                       keyshares.rs    approvals.rs       signing.rs
//! Log ──▶ root = checkpoint? ──▶ fold ──▶ rounds of        documents,   ──▶  nonces, gate,
//!         cosign                          ceremonies,      approvals         signature share
//!            contradiction.rs             certification       maintenance.rs
//!         lies are kept, as proof                          share proofs, refreshes
//!            process.rs                   sessions.rs: nothing is begun twice
//!         announced, or a copy            outbox.rs: what is stated, until the log has it
//! ```
//!
//! Each part owns its data; its functions take what they need of other parts as arguments. [`Node`]
//! contains what involves several parts: here the inputs, in `follow.rs` the reactions to the log,
//! in `commands.rs` the account holder's commands.

mod approvals;
mod commands;
mod contradiction;
mod follow;
mod input;
mod keyshares;
mod log;
mod maintenance;
mod outbox;
mod process;
mod replay;
mod saved;
mod sessions;
mod signing;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeSet;

use rand_core::CryptoRngCore;

use crate::document::Document;
use crate::effect::{NodeDeadline, NodeEffect};
use crate::entry::{Body, Entry};
use crate::identity::AccountSecrets;
use crate::message::{FromCoordinator, FromNode};
use crate::misbehaviour::Misbehaviour;
use crate::names::{AccountName, EntryId, GroupName, IvnId, Timestamp};
use crate::signing::Subject;
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::{IvnState, Refusal};

use approvals::Approvals;
use contradiction::Contradictions;
use keyshares::Keyshares;
use log::VerifiedLog;
use outbox::Outbox;
use process::Process;
use sessions::Sessions;
use signing::{Grounds, Signing};
use view::{Call, View};

pub use contradiction::Contradiction;
pub use input::{Command, Config, Input, Motion, Proposal};
pub use log::MAX_STAGED;
pub use saved::{ChangeError, RestoreError, Saved};

/// One account's node.
pub struct Node {
    config: Config,
    process: Process,
    log: VerifiedLog,
    contradictions: Contradictions,
    outbox: Outbox,
    approvals: Approvals,
    keyshares: Keyshares,
    sessions: Sessions,
    signing: Signing,
    /// Accounts that are connected, as the coordinator reports.
    online: BTreeSet<AccountName>,
    /// Whether this machine's clock agreed with the coordinator's when they were last compared.
    clock_agrees: bool,
}

#[expect(missing_docs, reason = "the names say it")]
impl Node {
    /// Rebuilds a node from its disk.
    ///
    /// # Errors
    ///
    /// Fails if the stored data is damaged, or is not of this IVN.
    pub fn restore(
        account: AccountName,
        secrets: AccountSecrets,
        config: Config,
        ivn: IvnId,
        saved: Saved,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, RestoreError> {
        let unsent: Option<Vec<Entry>> =
            saved.outbox.iter().map(|bytes| Entry::from_bytes(bytes).ok()).collect();
        let unsent = unsent.ok_or(RestoreError::Outbox)?;
        let replay::Replayed { log, arrived } =
            replay::replay(ivn, &saved, &unsent, config.log_key.as_ref())?;
        let process = Process::new(account, secrets, log.state(), &unsent, rng)?;
        let contradictions = Contradictions::restore(&saved, &log)?;
        Ok(Self {
            config,
            process,
            log,
            outbox: Outbox::new(unsent, arrived, contradictions.is_proved()),
            contradictions,
            approvals: Approvals::new(saved.refused),
            keyshares: Keyshares::new(saved.packages),
            sessions: Sessions::new(saved.sessions),
            signing: Signing::default(),
            online: BTreeSet::new(),
            clock_agrees: false,
        })
    }

    /// Returns what to do first. The caller calls it once after [`Self::restore`].
    pub fn start(&mut self, now: Timestamp, rng: &mut dyn CryptoRngCore) -> Vec<NodeEffect> {
        let mut call = Call::new(now, rng);
        self.outbox.start(&mut call);
        self.announce(&mut call);
        call.into_effects()
    }

    /// Processes an input and returns what to do, in order.
    pub fn handle(
        &mut self,
        input: Input,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<NodeEffect> {
        let mut call = Call::new(now, rng);
        self.dispatch(input, &mut call);
        call.into_effects()
    }

    fn dispatch(&mut self, input: Input, call: &mut Call<'_>) {
        match input {
            Input::Connected => {
                self.signing.drop_all();
                let after = self.log.connected();
                // With proof of two histories, the node takes no side and gives no entries.
                let checkpoint = self.log.note().filter(|_| !self.contradictions.is_proved());
                let checkpoint = checkpoint.map(str::to_owned);
                call.send(FromNode::Hello { after, checkpoint });
                self.outbox.connected();
                self.approvals.want_again(call);
            }
            Input::Disconnected => {
                self.outbox.disconnected();
                self.online.clear();
                // Their sessions end with the connection, so the nonces must not outlive it.
                self.signing.drop_all();
            }
            Input::Received(message) => self.receive(message, call),
            Input::Document { request, document } => self.document(request, document, call),
            Input::Command(id, command) => self.command(id, command, call),
            Input::Deadline(NodeDeadline::Clock) => self.announce(call),
            Input::Deadline(NodeDeadline::Upkeep) => self.upkeep(call),
            Input::Deadline(NodeDeadline::Signing(session)) => self.signing.drop_session(session),
            Input::Deadline(NodeDeadline::Document(request)) => {
                self.reconcile_request(request, call);
            }
        }
    }

    fn receive(&mut self, message: FromCoordinator, call: &mut Call<'_>) {
        match message {
            FromCoordinator::Log { first, entries, checkpoint } => {
                self.follow(first, entries, checkpoint.as_deref(), call);
            }
            // It can only be told what its own key signed, so a liar learns nothing by asking.
            FromCoordinator::Want { first } => {
                let takes_sides = self.log.names_coordinator() && !self.contradictions.is_proved();
                if first < self.log.state().size() && takes_sides {
                    call.push(NodeEffect::SendEntries { first });
                }
            }
            FromCoordinator::Rejected { entry, reason } => {
                self.outbox.rejected(self.log.state(), entry, reason, call);
            }
            FromCoordinator::Invite { session, subject, signers } => {
                let missing = self.sign(|signing, sessions, grounds| {
                    signing.invited(grounds, sessions, session, subject, signers, call)
                });
                if let Some(request) = missing {
                    self.approvals.want_for_signing(request, call);
                }
            }
            FromCoordinator::Sealed { session, round, from, message } => {
                self.signing.sealed(session, round, from, message.0);
            }
            FromCoordinator::Package { session, round, parts } => {
                let missing = self.sign(|signing, sessions, grounds| {
                    signing.package(grounds, sessions, session, (round, parts), call)
                });
                if let Some(request) = missing {
                    self.approvals.want_for_signing(request, call);
                }
            }
            FromCoordinator::Presence { online, clock } => {
                self.online = online.into_iter().collect();
                self.clock_agrees = call.now.0.abs_diff(clock.0) <= MAX_CLOCK_LEAD;
            }
            FromCoordinator::PresenceChanged { account, online, clock } => {
                if online {
                    self.online.insert(account);
                } else {
                    self.online.remove(&account);
                }
                self.clock_agrees = call.now.0.abs_diff(clock.0) <= MAX_CLOCK_LEAD;
            }
        }
    }

    /// Acts on a document, or on the news that it is unavailable: it may be approved or signed.
    fn document(&mut self, request: EntryId, document: Option<Document>, call: &mut Call<'_>) {
        let view = View { state: self.log.state(), me: &self.process };
        let came = self.approvals.came(&view, &mut self.outbox, request, document.as_ref(), call);
        match (came, document) {
            (None, _) | (Some(true), None) => {}
            (Some(false), _) => self.signing.without_document(request, call),
            (Some(true), Some(document)) => {
                // The log may have got a signature since these bytes were asked for.
                if self.log.state().number_of(Subject::Request { request }) != document.number {
                    return self.approvals.want_for_signing(request, call);
                }
                let message = &document.to_be_signed;
                self.sign(|signing, sessions, grounds| {
                    signing.with_document(grounds, sessions, request, message, call);
                });
                self.approvals.hold(request, document);
            }
        }
    }

    /// Takes a step of a signing session, which changes nothing else.
    fn sign<R>(&mut self, step: impl FnOnce(&mut Signing, &mut Sessions, &Grounds<'_>) -> R) -> R {
        let grounds = Grounds {
            view: View { state: self.log.state(), me: &self.process },
            approvals: &self.approvals,
            keyshares: &self.keyshares,
            cosignature: self.log.cosignature(),
            contradicted: self.contradictions.trouble().is_some() || !self.log.names_coordinator(),
        };
        step(&mut self.signing, &mut self.sessions, &grounds)
    }

    /// States that this process runs, and everything else that is due.
    fn announce(&mut self, call: &mut Call<'_>) {
        self.announce_process(call);
        if !self.contradictions.is_proved() {
            self.reconcile_all(call);
        }
    }

    fn announce_process(&mut self, call: &mut Call<'_>) {
        let announcement = self.process.announcement(self.log.state());
        if let Some(body) = announcement
            && !self.outbox.is_stating(|body| matches!(body, Body::NodeStarted { .. }))
        {
            self.outbox.state(&self.process, body, call);
        }
    }

    fn view(&self) -> View<'_> {
        View { state: self.log.state(), me: &self.process }
    }

    pub fn account(&self) -> &AccountName {
        self.process.account()
    }

    /// Whether the log names the coordinator that this node trusts. Until then, the node cosigns,
    /// states and signs nothing.
    pub fn names_coordinator(&self) -> bool {
        self.log.names_coordinator()
    }

    /// Returns the state of the log as far as this node has verified it.
    pub fn state(&self) -> &IvnState {
        self.log.state()
    }

    pub fn connected(&self) -> bool {
        self.outbox.is_connected()
    }

    /// Returns the accounts that are connected, as the coordinator reports.
    pub fn online(&self) -> &BTreeSet<AccountName> {
        &self.online
    }

    /// Why this node may not connect any more according to its log: its account was suspended or
    /// removed, or has new keys.
    pub fn dismissal(&self) -> Option<Refusal> {
        let identity = self.process.identity_key();
        self.log.state().check_connection(self.process.account(), Some(identity)).err()
    }

    /// Whether a copy of this node started after it. This process then signs nothing any more.
    pub fn superseded(&self) -> bool {
        self.process.is_superseded()
    }

    /// What keeps this node from signing, if anything.
    pub fn trouble(&self) -> Option<&Contradiction> {
        self.contradictions.trouble()
    }

    /// Returns proof that the coordinator broke the rules, if this node has any.
    pub fn misbehaviour(&self) -> Option<&Misbehaviour> {
        self.contradictions.proof()
    }

    /// Returns statements that the coordinator claims to have rejected although the log, as this
    /// node verified it, admits them. They are signed, and may still be logged.
    pub fn disputed(&self) -> impl Iterator<Item = &Entry> {
        self.outbox.disputed()
    }

    /// Returns the signed note of the latest checkpoint that this node verified and cosigned.
    pub fn checkpoint(&self) -> Option<&str> {
        self.log.note()
    }

    /// Whether this node holds a share of the group's key that fits the logged verifying share.
    pub fn holds_share(&self, group: &GroupName) -> bool {
        self.log.state().group(group).is_ok_and(|group| self.keyshares.usable(group).is_some())
    }

    /// By how many seconds this machine's clock was ahead when the coordinator last rejected a
    /// statement because of it.
    pub fn clock_lead(&self) -> Option<u64> {
        self.outbox.clock_lead()
    }

    /// How many bytes of documents this machine holds, at most
    /// [`HELD_BY_NODE`](crate::held::HELD_BY_NODE).
    pub fn held_bytes(&self) -> usize {
        self.approvals.held_bytes()
    }

    /// The number of entries that wait to be logged.
    pub fn unsent(&self) -> usize {
        self.outbox.len()
    }
}
