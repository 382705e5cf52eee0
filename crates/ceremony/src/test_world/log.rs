//! Makes logs in a few lines: accounts with keys, and their statements.

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::key::{CosignerSigner, LogSigner, Seed};
use quorate_log::leaf_hash;
use quorate_log::tree::Frontier;
use quorate_protocol::Suite;
use quorate_protocol::keys::KeyPackage;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::encoding::Base64;
use crate::entry::{
    AbortReason, Author, Body, CoordinatorKeys, Entry, Genesis, GroupChange, GroupDefinition,
    Invitation, LogTree, Replacement, Request, Role, Statement,
};
use crate::identity::{AccountSecrets, SecretKey};
use crate::names::{AccountName, Digest, EntryId, GroupName, IvnId, SessionId, Timestamp};
use crate::policy::Output;
use crate::policy::Policy;
use crate::state::{Event, Group, IvnState, Refusal, Session};

/// In milliseconds.
pub const HOUR: u64 = 3_600_000;

/// Every byte of the seed of the log's key.
const LOG_KEY: u8 = 1;
/// The same in [`TestLog::founded_elsewhere`].
const OTHER_LOG_KEY: u8 = 0x11;

pub fn name(text: &str) -> AccountName {
    text.parse().unwrap()
}

pub fn some(names: &[&str]) -> BTreeSet<AccountName> {
    names.iter().map(|text| name(text)).collect()
}

pub fn board() -> GroupName {
    "board".parse().unwrap()
}

pub fn session(number: u8) -> SessionId {
    SessionId::new([number; 32])
}

/// The answer to an entry that the log does not admit.
pub fn refused<T>(why: impl Into<Refusal>) -> Result<T, Refusal> {
    Err(why.into())
}

pub fn checkpoint_of(entries: &[Vec<u8>], origin: &str) -> VerifiedCheckpoint {
    signed_checkpoint(&LogSigner::new(origin.parse().unwrap(), seed(LOG_KEY)), entries)
}

pub fn signed_checkpoint(signer: &LogSigner, entries: &[Vec<u8>]) -> VerifiedCheckpoint {
    let mut frontier = Frontier::default();
    entries.iter().for_each(|entry| frontier.append(leaf_hash(entry)));
    signer.sign(frontier.head())
}

pub fn cosigned(
    mut checkpoint: VerifiedCheckpoint,
    cosigners: &[CosignerSigner],
) -> VerifiedCheckpoint {
    for cosigner in cosigners {
        let line = cosigner.cosign(&checkpoint, 1_700_000_100.try_into().unwrap());
        let one = CosignerSet::new([cosigner.verifier().clone()]).unwrap();
        checkpoint.add_cosignature(&one, line).unwrap();
    }
    checkpoint
}

fn seed(byte: u8) -> Seed {
    Seed::new(Box::new([byte; 32]))
}

pub struct TestLog {
    pub state: IvnState,
    pub now: Timestamp,
    pub coordinator: SecretKey,
    log_key: u8,
    pub(super) packages: BTreeMap<AccountName, KeyPackage>,
    /// Shares of earlier epochs, as if no node had destroyed them.
    pub former_packages: Vec<(AccountName, KeyPackage)>,
    pub entries: Vec<Vec<u8>>,
    pub rng: ChaCha20Rng,
    pub(super) signature: Vec<u8>,
    /// Accounts with new keys, and the names from which these are derived.
    pub keys_of: BTreeMap<AccountName, String>,
    /// Whether the authors of statements say how much of the log they have seen.
    pub follows: bool,
}

pub fn genesis() -> Genesis {
    Genesis {
        deployment: "example.org".to_owned(),
        name: "example".to_owned(),
        admin: secrets("ada").public(),
        roles: BTreeSet::from([Role::Admin, Role::Member]),
        log_key: SecretKey::from_seed(&[1; 32]).public(),
        coordinator_key: SecretKey::from_seed(&[2; 32]).public(),
        ca: Digest::new([3; 32]),
        nonce: Digest::new([4; 32]),
    }
}

pub fn founding(genesis: Genesis) -> Entry {
    let statement = Statement {
        ivn: None,
        author: Author::Account(name("ada")),
        at: Timestamp(1_000_000),
        seen: 0,
        body: Body::Genesis(genesis),
    };
    let keys = [&secrets("ada").identity, &SecretKey::from_seed(&[2; 32])];
    Entry::sign(statement, &keys).unwrap()
}

/// An account's keys, derived from its name.
pub fn secrets(account: &str) -> AccountSecrets {
    let mut seed = [0; 32];
    seed[..account.len()].copy_from_slice(account.as_bytes());
    let identity = SecretKey::from_seed(&seed);
    seed[31] = 1;
    AccountSecrets { identity, cosigner: SecretKey::from_seed(&seed) }
}

impl TestLog {
    /// A new IVN with its admin `ada`, who is also a member.
    pub fn founded() -> Self {
        Self::with_genesis(genesis(), LOG_KEY)
    }

    /// A different IVN, with a different log key.
    pub fn founded_elsewhere() -> Self {
        let log_key = SecretKey::from_seed(&[OTHER_LOG_KEY; 32]).public();
        let genesis = Genesis { log_key, nonce: Digest::new([5; 32]), ..genesis() };
        Self::with_genesis(genesis, OTHER_LOG_KEY)
    }

    fn with_genesis(genesis: Genesis, log_key: u8) -> Self {
        let founding = founding(genesis);
        Self {
            state: IvnState::found(&founding).unwrap(),
            now: Timestamp(1_000_000),
            coordinator: SecretKey::from_seed(&[2; 32]),
            log_key,
            packages: BTreeMap::new(),
            former_packages: Vec::new(),
            entries: vec![founding.to_bytes()],
            rng: ChaCha20Rng::seed_from_u64(0),
            signature: Vec::new(),
            keys_of: BTreeMap::new(),
            follows: false,
        }
    }

    pub fn secrets(&self, account: &str) -> AccountSecrets {
        secrets(self.keys_of.get(&name(account)).map_or(account, String::as_str))
    }

    /// An admin gives `account` the keys of a different name, as after a loss.
    pub fn replace_keys(&mut self, account: &str, keys_of: &str) -> Result<Vec<Event>, Refusal> {
        let present = self.state.account(&name(account))?;
        let (roles, identity) = (present.roles.clone(), present.keys.identity);
        let invitation = Invitation {
            roles,
            replaces: Some(identity),
            ..self.invitation(account, Role::Member)
        };
        self.says("ada", Body::Invitation(invitation))?;
        self.keys_of.insert(name(account), keys_of.to_owned());
        self.join(account)
    }

    /// The statement that replaces an account's keys, derived from the name `before`, by those of
    /// `after`.
    pub fn rotation(&self, account: &str, before: &str, after: &str) -> Entry {
        let keys = secrets(after);
        let body = Body::KeysRotated { keys: keys.public() };
        let statement = self.statement(Author::Account(name(account)), body);
        Entry::sign(statement, &[&secrets(before).identity, &keys.identity]).unwrap()
    }

    /// With ada, the members ben and cyd and the requester out.
    pub fn peopled() -> Self {
        let mut log = Self::founded();
        for (account, role) in
            [("ben", Role::Member), ("cyd", Role::Member), ("out", Role::Requester)]
        {
            log.admits(account, role);
        }
        log
    }

    /// With the group `board` of ada, ben and cyd: two of three sign, and all have accepted.
    pub fn grouped() -> Self {
        let mut log = Self::peopled();
        log.define(log.board_of_three());
        for member in ["ada", "ben", "cyd"] {
            log.accept(member).unwrap();
        }
        log
    }

    pub fn keyed() -> Self {
        Self::keyed_with(Self::peopled().board_of_three())
    }

    /// With a key of a group of all three with this definition.
    pub fn keyed_with(definition: GroupDefinition) -> Self {
        let mut log = Self::peopled();
        log.define(definition);
        for member in ["ada", "ben", "cyd"] {
            log.accept(member).unwrap();
        }
        log.begin(session(1), 1).unwrap();
        log.generate();
        log.certify_all();
        let signature = log.activation_signature();
        log.coordinator_says(Body::EpochStarted { session: session(1), signature }).unwrap();
        log
    }

    /// A checkpoint of the whole log, cosigned by these accounts.
    pub fn checkpoint(&self, cosigners: &[&str]) -> VerifiedCheckpoint {
        let cosigners: Vec<_> = cosigners.iter().map(|account| self.cosigner(account)).collect();
        cosigned(signed_checkpoint(&self.signer(), &self.entries), &cosigners)
    }

    pub fn signer(&self) -> LogSigner {
        LogSigner::new(self.state.origin().parse().unwrap(), seed(self.log_key))
    }

    pub fn cosigner(&self, account: &str) -> CosignerSigner {
        self.secrets(account).cosigner_of(&self.state.origin(), &name(account)).unwrap()
    }

    /// The keys of a coordinator with this seed, which replaces the first.
    pub fn other_coordinator(seed: u8) -> CoordinatorKeys {
        CoordinatorKeys {
            log_key: SecretKey::from_seed(&[seed; 32]).public(),
            coordinator_key: SecretKey::from_seed(&[seed + 1; 32]).public(),
            ca: Digest::new([seed; 32]),
        }
    }

    /// These accounts vote for another coordinator, which then signs this log.
    pub fn replace_coordinator(&mut self, seed: u8, voters: &[&str], abandoned: Option<LogTree>) {
        let keys = Self::other_coordinator(seed);
        let reason = "the disk is lost".to_owned();
        let replacement = Replacement { history: self.state.tree(), keys, reason };
        for voter in voters {
            let replacement = replacement.clone();
            self.by(voter, Body::CoordinatorReplaced { replacement, abandoned });
        }
        assert_eq!(*self.state.coordinator(), keys, "not enough votes");
        self.log_key = seed;
        self.coordinator = SecretKey::from_seed(&[seed + 1; 32]);
    }

    pub fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.plus(milliseconds);
    }

    /// Adds an entry. If it is not admissible, the state is as before.
    pub fn enter(&mut self, entry: &Entry) -> Result<Vec<Event>, Refusal> {
        let before = self.state.clone();
        let result = self.state.apply(entry);
        if result.is_ok() {
            self.entries.push(entry.to_bytes());
        } else {
            let [before, after] = [&before, &self.state].map(|state| format!("{state:?}"));
            assert_eq!(before, after, "a refused entry left a trace");
        }
        result
    }

    pub fn statement(&self, author: Author, body: Body) -> Statement {
        let seen = if self.follows { self.state.size() } else { 0 };
        Statement { ivn: Some(self.state.ivn()), author, at: self.now, seen, body }
    }

    pub fn entry(&self, account: &str, body: Body) -> Entry {
        let statement = self.statement(Author::Account(name(account)), body);
        Entry::sign(statement, &[&self.secrets(account).identity]).unwrap()
    }

    pub fn says(&mut self, account: &str, body: Body) -> Result<Vec<Event>, Refusal> {
        self.enter(&self.entry(account, body))
    }

    pub fn coordinator_says(&mut self, body: Body) -> Result<Vec<Event>, Refusal> {
        let statement = self.statement(Author::Coordinator, body);
        self.enter(&Entry::sign(statement, &[&self.coordinator]).unwrap())
    }

    pub fn invitation_key(account: &str) -> SecretKey {
        let mut seed = [9; 32];
        seed[..account.len()].copy_from_slice(account.as_bytes());
        SecretKey::from_seed(&seed)
    }

    pub fn invitation(&self, account: &str, role: Role) -> Invitation {
        Invitation {
            name: name(account),
            roles: BTreeSet::from([role]),
            key: Self::invitation_key(account).public(),
            expires_at: self.now.plus(HOUR),
            replaces: None,
        }
    }

    pub fn invite(&mut self, account: &str, role: Role) {
        let invitation = self.invitation(account, role);
        self.says("ada", Body::Invitation(invitation)).unwrap();
    }

    /// The admission of `account` in this IVN, signed with `token` and its own key.
    pub fn admission(&self, account: &str, token: &SecretKey, ivn: IvnId) -> Entry {
        let keys = self.secrets(account);
        let statement = Statement {
            ivn: Some(ivn),
            author: Author::Account(name(account)),
            at: self.now,
            seen: 0,
            body: Body::AccountAdmitted { keys: keys.public() },
        };
        Entry::sign(statement, &[token, &keys.identity]).unwrap()
    }

    pub fn join(&mut self, account: &str) -> Result<Vec<Event>, Refusal> {
        let token = Self::invitation_key(account);
        let entry = self.admission(account, &token, self.state.ivn());
        self.enter(&entry)
    }

    pub fn admits(&mut self, account: &str, role: Role) {
        self.invite(account, role);
        self.join(account).unwrap();
    }

    pub fn board_of_three(&self) -> GroupDefinition {
        GroupDefinition {
            name: board(),
            suite: Suite::FrostEd25519Sha512,
            min_signers: 2,
            members: vec![name("ada"), name("ben"), name("cyd")],
            document_types: BTreeSet::new(),
            policy: Policy::for_min_signers(2),
        }
    }

    pub fn define(&mut self, definition: GroupDefinition) {
        self.says("ada", Body::GroupDefined(definition)).unwrap();
    }

    pub fn accept(&mut self, account: &str) -> Result<Vec<Event>, Refusal> {
        let definition = self.group().defined;
        self.says(account, Body::GroupAccepted { group: board(), definition })
    }

    pub fn begin(&mut self, session: SessionId, attempt: u32) -> Result<Vec<Event>, Refusal> {
        self.coordinator_says(Body::CeremonyStarted { group: board(), session, attempt })
    }

    /// The incarnation that [`Self::start_node`] announces.
    pub fn incarnation(account: &str, number: u8) -> Digest {
        crate::encoding::Encoder::new("test").field(1, account).field(2, [number]).digest()
    }

    pub fn group(&self) -> &Group {
        self.state.group(&board()).unwrap()
    }

    pub fn ceremony(&self) -> &Session {
        self.group().session.as_ref().unwrap()
    }

    pub(super) fn runs_node(&mut self, account: &str) {
        if self.state.account(&name(account)).unwrap().incarnation.is_none() {
            // Later than an equal statement that the account may have made with earlier keys.
            self.wait(1);
            self.start_node(account, 1);
        }
    }

    pub fn start_node(&mut self, account: &str, number: u8) {
        let incarnation = Self::incarnation(account, number);
        self.says(account, Body::NodeStarted { incarnation }).unwrap();
    }

    pub fn posts(&mut self, account: &str, message: Vec<u8>) -> Result<Vec<Event>, Refusal> {
        let incarnation = self.state.account(&name(account)).unwrap().incarnation.unwrap();
        self.posts_as(account, incarnation, message)
    }

    pub fn posts_as(
        &mut self,
        account: &str,
        incarnation: Digest,
        message: Vec<u8>,
    ) -> Result<Vec<Event>, Refusal> {
        let session = self.ceremony().session;
        self.says(account, Body::CeremonyMessage { session, incarnation, message: Base64(message) })
    }

    pub fn aborts(&mut self, session: SessionId, reason: AbortReason) {
        self.coordinator_says(Body::CeremonyAborted { session, reason }).unwrap();
    }

    pub fn activates(&mut self, session: SessionId, signers: &[&str]) {
        let signature = self.activation_signed_by(signers);
        self.coordinator_says(Body::EpochStarted { session, signature }).unwrap();
    }

    pub fn certificate(&self) -> (Digest, Digest) {
        self.group().certificate().unwrap()
    }

    pub fn certifies(&mut self, account: &str) -> Result<Vec<Event>, Refusal> {
        let session = self.ceremony().session;
        let (transcript, public_key_package) = self.certificate();
        self.says(account, Body::CeremonyCertified { session, transcript, public_key_package })
    }

    pub fn certify_all(&mut self) {
        let group = self.group();
        for member in group.session.as_ref().unwrap().terms.definition.members.clone() {
            self.certifies(member.as_str()).unwrap();
        }
    }

    /// Proposes this definition. Returns the change's id.
    pub fn proposes(
        &mut self,
        account: &str,
        definition: GroupDefinition,
    ) -> Result<EntryId, Refusal> {
        let epoch = self.group().key.as_ref().map_or(0, |key| key.epoch);
        let expires_at = self.now.plus(HOUR);
        let proposal = GroupChange { epoch, definition, expires_at, repairs: None, retires: false };
        let entry = self.entry(account, Body::GroupChange(proposal));
        self.enter(&entry).map(|_| entry.id())
    }

    /// The group's definition with these members and this min_signers.
    pub fn board_of(&self, members: &[&str], min_signers: u16) -> GroupDefinition {
        let members = members.iter().map(|member| name(member)).collect();
        let policy = Policy::for_min_signers(min_signers);
        GroupDefinition { members, min_signers, policy, ..self.board_of_three() }
    }

    /// Changes the group in all steps: ada proposes, ben approves (or cyd, if ben has no vote), the
    /// joiners accept, and all participants carry it out in this session.
    pub fn change(&mut self, members: &[&str], min_signers: u16, id: SessionId) {
        let change = self.proposes("ada", self.board_of(members, min_signers)).unwrap();
        if !self.group().change.as_ref().unwrap().approved {
            let approver = if self.group().has_say(&name("ben")) { "ben" } else { "cyd" };
            self.approves(approver, change).unwrap();
        }
        self.carry_out(change, id);
    }

    pub fn carry_out(&mut self, change: EntryId, id: SessionId) {
        let group = self.group();
        let joiners: Vec<AccountName> = group.not_accepted().cloned().collect();
        for joiner in joiners {
            let accepted = Body::GroupAccepted { group: board(), definition: change };
            self.says(joiner.as_str(), accepted).unwrap();
        }
        self.begin(id, 1).unwrap();
        let ceremony = self.ceremony();
        let parts = ceremony.terms.recipients().chain(ceremony.terms.dealers());
        let everybody: BTreeSet<AccountName> = parts.cloned().collect();
        let everybody: Vec<&str> = everybody.iter().map(AccountName::as_str).collect();
        let members = ceremony.terms.definition.members.clone();
        let min_signers = usize::from(ceremony.terms.definition.min_signers);
        self.reshare(&everybody);
        self.certify_all();
        let signers: Vec<&str> =
            members.iter().map(AccountName::as_str).take(min_signers).collect();
        self.activates(id, &signers);
    }

    pub fn request(&self) -> Request {
        let policy = &self.group().definition.policy;
        Request {
            group: board(),
            document_type: None,
            output: Output::default(),
            signatures: 1,
            document: Digest::new([8; 32]),
            policy: policy.hash(),
            expires_at: self.now.plus(HOUR),
        }
    }

    pub fn requests(&mut self, account: &str, request: Request) -> Result<EntryId, Refusal> {
        let entry = self.entry(account, Body::Request(request));
        self.enter(&entry).map(|_| entry.id())
    }

    pub fn approves(&mut self, account: &str, request: EntryId) -> Result<Vec<Event>, Refusal> {
        self.says(account, Body::Approval { request })
    }

    pub fn refuses(&mut self, account: &str, request: EntryId) -> Result<Vec<Event>, Refusal> {
        self.says(account, Body::Refusal { request, reason: "no".to_owned() })
    }

    pub fn random(&mut self) -> Digest {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        Digest::new(bytes)
    }
}
