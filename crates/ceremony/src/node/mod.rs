//! One account's node: follows the log, takes part in ceremonies, and releases a signature share for nothing that the
//! log does not show to be approved.
//!
//! The node believes nothing that the coordinator says. It recomputes the tree's root from the entries that it got,
//! checks every entry's signature against the roster at that point, evaluates the policy on the members' own signed
//! approvals, and takes what is to be signed from a document that it fetched and compared itself. Since it holds every
//! entry up to each checkpoint that it accepts, that checkpoint includes the request and is consistent with all before,
//! without a separate proof.
//!
//! ```text
//!            follow.rs                    keyshares.rs    approval.rs        signing.rs
//! Log ──▶ root = checkpoint? ──▶ fold ──▶ rounds of        documents,   ──▶  nonces, gate,
//!         cosign                          ceremonies,      approvals         signature share
//!            contradiction.rs             certification       maintenance.rs
//!         lies are kept, as proof                          share proofs, refreshes, copies
//!                        outbox.rs: what is stated, until the log has it
//! ```

mod approval;
mod contradiction;
mod follow;
mod keyshares;
mod maintenance;
mod outbox;
mod saved;
mod signing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::key::{CosignerSigner, LogVerifier, Seed};
use quorate_log::tree::MemoryTree;
use quorate_protocol::keys::KeyPackage;
use rand_core::CryptoRngCore;

use crate::document::Document;
use crate::effect::{CommandError, CommandId, NodeDeadline, NodeEffect};
use crate::entry::Entry;
use crate::identity::AccountSecrets;
use crate::message::{FromCoordinator, FromNode};
use crate::misbehaviour::Misbehaviour;
use crate::names::{
    AccountName, Digest, DocumentType, EntryId, GroupName, IvnId, SessionId, Timestamp,
};
use crate::state::{IvnState, Refusal};
use crate::statement::{Body, GroupChange, GroupDefinition, Invitation, Role};

pub use contradiction::Contradiction;
pub use follow::MAX_STAGED;
pub use saved::{ChangeError, Saved};

/// What an account holder decides about its node, once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Accept group definitions that name this account, and to join a group by a change, without asking.
    pub auto_accept: bool,
    /// Approve requests without asking, where the group's policy says `auto_approve` too.
    pub auto_approve: bool,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Input {
    /// A connection to the coordinator is up.
    Connected,
    /// It is gone.
    Disconnected,
    /// The coordinator says something.
    Received(FromCoordinator),
    /// Answers [`NodeEffect::FetchDocument`].
    Document {
        /// For which request.
        request: EntryId,
        /// The document, or `None` if it can not be had now.
        document: Option<Document>,
    },
    /// The account holder wants something.
    Command(CommandId, Command),
    /// A deadline set by [`NodeEffect::SetDeadline`] has come.
    Deadline(NodeDeadline),
}

/// What an account holder can tell its node to state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Invite an account. Needs the admin role.
    Invite(Invitation),
    /// Withdraw an open invitation of this name. Needs the admin role.
    WithdrawInvitation(AccountName),
    /// Suspend an account. Needs the admin role, as do the next three.
    Suspend(AccountName),
    /// Resume a suspended account.
    Resume(AccountName),
    /// Take an account off the roster, for ever.
    Remove(AccountName),
    /// Give an account these roles and no others.
    SetRoles(AccountName, BTreeSet<Role>),
    /// Define a group. Needs the admin role.
    DefineGroup(GroupDefinition),
    /// Accept a group's definition, or to join it by a proposed change.
    AcceptGroup(GroupName),
    /// Propose to change a group that has a key: what it is to be, against the epoch that it is in, and for how many
    /// milliseconds that is good; the policy's limit if absent.
    ChangeGroup {
        /// What the group is to be.
        definition: GroupDefinition,
        /// The epoch that the proposer looked at.
        epoch: u64,
        /// For how long the proposal is good.
        expires_in: Option<u64>,
        /// A member that is to get its lost share back; the definition is the present one then.
        repairs: Option<AccountName>,
    },
    /// Call off a running key generation, which needs the admin role, or take a proposed change back, which its proposer
    /// may, too.
    CancelCeremony(GroupName),
    /// Ask a group to sign a document, which is already where the other members' nodes can fetch it.
    Request {
        /// Who shall sign.
        group: GroupName,
        /// What kind of document.
        document_type: Option<DocumentType>,
        /// The output format.
        format: String,
        /// Its namespace.
        namespace: Option<String>,
        /// Salted commitment to the document.
        document: Digest,
        /// For how long the request is good, in milliseconds; the policy's limit if absent.
        expires_in: Option<u64>,
    },
    /// Consent to a request.
    Approve(EntryId),
    /// Refuse a request.
    Reject {
        /// Which.
        request: EntryId,
        /// Why.
        reason: String,
    },
}

/// Why a node can not start from what it finds on disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RestoreError {
    /// No genesis, or that of another IVN.
    #[error("the stored log does not start with the genesis of this IVN")]
    Genesis,
    /// A stored entry is damaged or not admissible.
    #[error("entry {index} of the stored log is damaged")]
    Entry {
        /// Its index.
        index: u64,
    },
    /// The stored log does not have the root that this node cosigned.
    #[error(
        "the stored log is not the one that this node cosigned: the database was changed or restored from elsewhere"
    )]
    Cosigned,
    /// The log's key or name in the genesis can not be used.
    #[error("the genesis names a log key that can not be used")]
    LogKey,
    /// A stored entry that was to be sent is damaged.
    #[error("an entry that waits to be sent is damaged")]
    Outbox,
    /// What was stored as proof of the coordinator's misbehaviour is none.
    #[error("the proof of the coordinator's misbehaviour that this node stored is damaged")]
    Misbehaviour,
}

/// One account's node.
pub struct Node {
    account: AccountName,
    secrets: AccountSecrets,
    cosigner: CosignerSigner,
    log_verifier: LogVerifier,
    config: Config,
    incarnation: Digest,
    /// Whether the log showed that this process started.
    announced: bool,
    /// Earlier processes of this node whose start may come into the log late.
    former: BTreeSet<Digest>,
    /// A process of this account's node that started after this one, and from another disk.
    copy: Option<Digest>,

    state: IvnState,
    /// The tree of all entries that the state is of, 64 bytes an entry: whatever checkpoint of it the coordinator signed,
    /// at whatever size, this node can tell and prove.
    tree: MemoryTree,
    /// Entries got, but not yet under a checkpoint.
    staged: Vec<follow::Staged>,
    cosigned: Option<follow::Cosigned>,
    /// Proof that the coordinator broke the rules. With it, nothing is followed or signed any more.
    misbehaviour: Option<Misbehaviour>,
    /// Signed checkpoints that do not fit the tree, and that nothing proves wrong yet.
    unexplained: Vec<VerifiedCheckpoint>,
    trouble: Option<Contradiction>,

    connected: bool,
    /// Whether this connection brought a checkpoint that this node accepted.
    greeted: bool,
    online: BTreeSet<AccountName>,
    /// By how many seconds this machine's clock was ahead when the coordinator last refused a statement for it.
    clock_lead: Option<u64>,
    outbox: Vec<Entry>,
    /// Entries of the outbox that the coordinator says it does not take, although the log that this node has admits them.
    disputed: BTreeSet<EntryId>,
    /// Entries of the outbox that the stored log holds already: the process died before it took them out.
    arrived: BTreeSet<EntryId>,
    commands: BTreeMap<EntryId, CommandId>,

    runs: BTreeMap<SessionId, keyshares::SessionRun>,
    packages: BTreeMap<SessionId, KeyPackage>,

    documents: BTreeMap<EntryId, Vec<u8>>,
    /// Documents asked for, and what to do when they come.
    wanted: BTreeMap<EntryId, approval::Wanted>,
    /// Documents that could not be had, and how often in a row.
    unavailable: BTreeMap<EntryId, u32>,

    signing: BTreeMap<SessionId, signing::Pending>,
    /// Every signing session and ceremony that this node took part in, so that none is used twice.
    sessions: BTreeMap<SessionId, bool>,
    /// Requests that the account holder refused. Final, whatever the log shows.
    refused: BTreeSet<EntryId>,
}

impl Node {
    /// Rebuilds a node from its disk.
    ///
    /// # Errors
    ///
    /// What is wrong with the stored data. Nothing is changed.
    pub fn restore(
        account: AccountName,
        secrets: AccountSecrets,
        config: Config,
        ivn: IvnId,
        saved: Saved,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, RestoreError> {
        let outbox: Option<Vec<Entry>> =
            saved.outbox.iter().map(|bytes| Entry::from_bytes(bytes).ok()).collect();
        let outbox = outbox.ok_or(RestoreError::Outbox)?;
        let replayed = follow::replay(ivn, &saved, &outbox)?;
        let name = format!("{}/{account}", replayed.state.origin());
        let name = name.parse().map_err(|_| RestoreError::LogKey)?;
        let seed = Box::new(*secrets.cosigner.seed());
        let cosigner = CosignerSigner::new(name, Seed::new(seed));
        let (misbehaviour, unexplained) = contradiction::restore(&saved, &replayed)?;
        let trouble = contradiction::of(misbehaviour.as_ref(), &unexplained, &replayed);
        let mut incarnation = [0; 32];
        rng.fill_bytes(&mut incarnation);
        Ok(Self {
            account,
            secrets,
            cosigner,
            log_verifier: replayed.log_verifier,
            config,
            incarnation: Digest::new(incarnation),
            announced: false,
            former: BTreeSet::new(),
            copy: None,
            state: replayed.state,
            tree: replayed.tree,
            staged: Vec::new(),
            cosigned: replayed.cosigned,
            trouble,
            misbehaviour,
            unexplained,
            connected: false,
            greeted: false,
            online: BTreeSet::new(),
            clock_lead: None,
            outbox,
            disputed: BTreeSet::new(),
            arrived: replayed.arrived,
            commands: BTreeMap::new(),
            runs: BTreeMap::new(),
            packages: saved.packages,
            documents: BTreeMap::new(),
            wanted: BTreeMap::new(),
            unavailable: BTreeMap::new(),
            signing: BTreeMap::new(),
            sessions: saved.sessions,
            refused: saved.refused,
        })
    }

    /// What to do first, once, after [`Self::restore`].
    pub fn start(&mut self, now: Timestamp, rng: &mut dyn CryptoRngCore) -> Vec<NodeEffect> {
        let mut out = Vec::new();
        // Messages of the process before belong to a run that died with it.
        let arrived = std::mem::take(&mut self.arrived);
        let stale: Vec<EntryId> = self
            .outbox
            .iter()
            .filter(|entry| {
                entry.statement().body.is_of_one_process() || arrived.contains(&entry.id())
            })
            .map(Entry::id)
            .collect();
        let starts = self.outbox.iter().filter_map(|entry| match entry.statement().body {
            Body::NodeStarted { incarnation } => Some(incarnation),
            _ => None,
        });
        self.former.extend(starts);
        for id in stale {
            self.forget(id, &mut out);
        }
        self.announce(now, rng, &mut out);
        out
    }

    /// States that this process runs, and what else this node has to say by itself.
    fn announce(&mut self, now: Timestamp, rng: &mut dyn CryptoRngCore, out: &mut Vec<NodeEffect>) {
        self.announce_process(now, out);
        if !self.frozen() {
            self.reconcile_all(now, rng, out);
        }
    }

    /// States that this process runs, unless the log shows it.
    fn announce_process(&mut self, now: Timestamp, out: &mut Vec<NodeEffect>) {
        let known = self.state.accounts().get(&self.account);
        let announced = known.is_some_and(|account| account.incarnation == Some(self.incarnation))
            || self.is_stating(|body| matches!(body, Body::NodeStarted { .. }));
        if !self.frozen() && !announced && self.copy.is_none() {
            // Later than the one before, also if this machine's clock was set back.
            let latest = known.map_or(now, |account| now.max(account.started.plus(1)));
            self.state_in_log(Body::NodeStarted { incarnation: self.incarnation }, latest, out);
        }
    }

    /// Takes in what happened and says what to do, in order.
    pub fn handle(
        &mut self,
        input: Input,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<NodeEffect> {
        let mut out = Vec::new();
        match input {
            Input::Connected => {
                self.connected = true;
                self.greeted = false;
                self.staged.clear();
                self.signing.clear();
                out.push(NodeEffect::Send(FromNode::Hello { after: self.state.size() }));
                out.extend(self.outbox.iter().map(outbox::submission));
                self.want_again(&mut out);
            }
            Input::Disconnected => {
                self.connected = false;
                self.online.clear();
                // Their sessions die with the connection; the nonces need not outlive it.
                self.signing.clear();
            }
            Input::Received(message) => self.receive(message, now, rng, &mut out),
            Input::Document { request, document } => {
                self.document(request, document, now, rng, &mut out);
            }
            Input::Command(id, command) => self.command(id, command, now, &mut out),
            Input::Deadline(NodeDeadline::Clock) => self.announce(now, rng, &mut out),
            Input::Deadline(NodeDeadline::Upkeep) => self.upkeep(now, rng, &mut out),
            Input::Deadline(NodeDeadline::Signing(session)) => {
                self.signing.remove(&session);
            }
            Input::Deadline(NodeDeadline::Document(request)) => {
                self.reconcile_request(request, now, &mut out);
            }
        }
        out
    }

    fn receive(
        &mut self,
        message: FromCoordinator,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        match message {
            FromCoordinator::Log { first, entries, checkpoint } => {
                self.follow(first, entries, checkpoint, now, rng, out);
            }
            FromCoordinator::Rejected { entry, reason } => {
                self.rejected(entry, reason, now, out);
            }
            FromCoordinator::Invite { session, subject } => {
                self.invited(session, subject, now, rng, out);
            }
            FromCoordinator::Package { session, commitments } => {
                self.package(session, commitments, now, out);
            }
            FromCoordinator::Presence { online } => self.online = online.into_iter().collect(),
        }
    }

    fn command(
        &mut self,
        id: CommandId,
        command: Command,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        if let Err(refusal) = self.takes_orders() {
            out.push(NodeEffect::Respond(id, Err(refusal)));
            return;
        }
        let body = match command {
            Command::Approve(request) => return self.approve(id, request, now, out),
            Command::Invite(invitation) => Ok(Body::Invitation(invitation)),
            Command::WithdrawInvitation(account) => {
                self.state.withdrawal(&account, now).map(Body::Invitation)
            }
            Command::Suspend(account) => Ok(Body::AccountSuspended { account }),
            Command::Resume(account) => Ok(Body::AccountResumed { account }),
            Command::Remove(account) => Ok(Body::AccountRemoved { account }),
            Command::SetRoles(account, roles) => Ok(Body::AccountRoles { account, roles }),
            Command::DefineGroup(definition) => Ok(Body::GroupDefined(definition)),
            Command::AcceptGroup(group) => self.acceptance(group),
            Command::ChangeGroup { definition, epoch, expires_in, repairs } => {
                self.proposal(definition, epoch, expires_in, repairs, now)
            }
            Command::Reject { request, reason } => {
                return self.reject(id, request, reason, now, out);
            }
            Command::CancelCeremony(group) => self.cancellation(&group),
            Command::Request { group, document_type, format, namespace, document, expires_in } => {
                self.draft(group, document_type, format, namespace, document, expires_in, now)
            }
        };
        match body {
            Ok(body) => self.command_states(id, body, now, out),
            Err(invalid) => out.push(NodeEffect::Respond(id, Err(invalid.into()))),
        }
    }

    /// Whether this node holds proof of the coordinator's misbehaviour. Final.
    fn frozen(&self) -> bool {
        self.misbehaviour.is_some()
    }

    /// Whether it can state anything that its holder orders.
    fn takes_orders(&self) -> Result<(), CommandError> {
        match (self.frozen(), self.connected) {
            (true, _) => Err(CommandError::Frozen),
            (false, false) => Err(CommandError::Unreachable),
            (false, true) => Ok(()),
        }
    }

    fn proposal(
        &self,
        definition: GroupDefinition,
        epoch: u64,
        expires_in: Option<u64>,
        repairs: Option<AccountName>,
        now: Timestamp,
    ) -> Result<Body, Refusal> {
        let policy = &self.state.group(&definition.name)?.definition.policy;
        let expires_at = now.plus(expires_in.unwrap_or(policy.rule.expiry));
        Ok(Body::GroupChange(GroupChange { epoch, definition, expires_at, repairs }))
    }

    /// Whether [`Command::ChangeGroup`] with these fields could be carried out now. The log's own rules judge; nothing is
    /// stated, and the node is as before.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn judge_change(
        &self,
        definition: GroupDefinition,
        epoch: u64,
        expires_in: Option<u64>,
        repairs: Option<AccountName>,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        self.takes_orders()?;
        self.judge(self.proposal(definition, epoch, expires_in, repairs, now)?, now)
    }

    fn cancellation(&self, group: &GroupName) -> Result<Body, Refusal> {
        let group = self.state.group(group)?;
        if let Some(change) = &group.change {
            return Ok(Body::GroupChangeWithdrawn { change: change.id });
        }
        let ceremony = group.session.as_ref().ok_or(Refusal::SessionOver)?;
        let reason = crate::statement::AbortReason::Cancelled;
        Ok(Body::CeremonyAborted { session: ceremony.session, reason })
    }

    /// The account.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// What the log says, as far as this node has verified it.
    pub fn state(&self) -> &IvnState {
        &self.state
    }

    /// Whether there is a connection to the coordinator.
    pub fn connected(&self) -> bool {
        self.connected
    }

    /// Who is connected, by the coordinator's word.
    pub fn online(&self) -> &BTreeSet<AccountName> {
        &self.online
    }

    /// Why this node may not connect any more, as far as its log shows: its account was suspended or removed, or has other
    /// keys.
    pub fn dismissal(&self) -> Option<Refusal> {
        let identity = self.secrets.identity.public();
        self.state.check_connection(&self.account, Some(identity)).err()
    }

    /// What keeps this node from signing, if anything.
    pub fn trouble(&self) -> Option<&Contradiction> {
        self.trouble.as_ref()
    }

    /// Proof that the coordinator broke the rules, if this node has any.
    pub fn misbehaviour(&self) -> Option<&Misbehaviour> {
        self.misbehaviour.as_ref()
    }

    /// Statements that the coordinator says it does not take, although the log as this node verified it admits them.
    /// They are signed, and may come into the log.
    pub fn disputed(&self) -> impl Iterator<Item = &Entry> {
        self.outbox.iter().filter(|entry| self.disputed.contains(&entry.id()))
    }

    /// The signed note of the latest checkpoint that this node verified and cosigned.
    pub fn checkpoint(&self) -> Option<&str> {
        self.cosigned.as_ref().map(follow::Cosigned::note)
    }

    /// Whether this node holds a share of the group's key that fits the logged verifying share.
    pub fn holds_share(&self, group: &GroupName) -> bool {
        self.state.group(group).is_ok_and(|group| self.usable_package(group).is_some())
    }

    /// By how many seconds this machine's clock was ahead when the coordinator last refused a statement for it.
    pub fn clock_lead(&self) -> Option<u64> {
        self.clock_lead
    }

    /// How many entries wait to reach the log.
    pub fn unsent(&self) -> usize {
        self.outbox.len()
    }
}
