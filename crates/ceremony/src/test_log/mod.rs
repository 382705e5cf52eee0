//! Makes logs in a few lines: accounts with keys, and what they say.

mod rounds;

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::key::{CosignerSigner, LogSigner, Seed};
use quorate_log::leaf_hash;
use quorate_log::tree::Frontier;
use quorate_protocol::keys::KeyPackage;
use quorate_protocol::{Identifier, Suite, sign};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::encoding::Base64;
use crate::entry::{Author, Entry, Statement};
use crate::identity::{AccountSecrets, SecretKey};
use crate::names::{AccountName, Digest, EntryId, GroupName, IvnId, SessionId, Timestamp};
use crate::policy::Policy;
use crate::signing::{SignedPart, SigningSession, Subject};
use crate::state::{Event, Group, IvnState, Refusal, Session};
use crate::statement::{
    Body, Genesis, GroupChange, GroupDefinition, Invitation, Request, Role, SignerRecord,
};

pub(crate) const HOUR: u64 = 3_600_000;

pub(crate) fn name(text: &str) -> AccountName {
    text.parse().unwrap()
}

pub(crate) fn some(names: &[&str]) -> BTreeSet<AccountName> {
    names.iter().map(|text| name(text)).collect()
}

pub(crate) fn board() -> GroupName {
    "board".parse().unwrap()
}

pub(crate) fn session(number: u8) -> SessionId {
    SessionId::new([number; 32])
}

/// What the log's key signs for these entries.
pub(crate) fn checkpoint_of(entries: &[Vec<u8>], origin: &str) -> VerifiedCheckpoint {
    let mut frontier = Frontier::default();
    entries.iter().for_each(|entry| frontier.append(leaf_hash(entry)));
    LogSigner::new(origin.parse().unwrap(), Seed::new(Box::new([1; 32]))).sign(frontier.head())
}

/// A log that is being written.
pub(crate) struct TestLog {
    pub(crate) state: IvnState,
    pub(crate) now: Timestamp,
    pub(crate) coordinator: SecretKey,
    packages: BTreeMap<AccountName, KeyPackage>,
    /// Shares of earlier epochs, as if nobody had destroyed them.
    pub(crate) former_packages: Vec<(AccountName, KeyPackage)>,
    /// All entries' bytes.
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) rng: ChaCha20Rng,
    signature: Vec<u8>,
    /// Accounts that have other keys than those of their name, and of which name they are.
    pub(crate) keys_of: BTreeMap<AccountName, String>,
}

pub(crate) fn genesis() -> Genesis {
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

/// The genesis entry, signed by the admin and by the coordinator.
pub(crate) fn founding(genesis: Genesis) -> Entry {
    let statement = Statement {
        ivn: None,
        author: Author::Account(name("ada")),
        at: Timestamp(1_000_000),
        body: Body::Genesis(genesis),
    };
    let keys = [&secrets("ada").identity, &SecretKey::from_seed(&[2; 32])];
    Entry::sign(statement, &keys).unwrap()
}

/// An account's keys: a function of its name.
pub(crate) fn secrets(account: &str) -> AccountSecrets {
    let mut seed = [0; 32];
    seed[..account.len()].copy_from_slice(account.as_bytes());
    let identity = SecretKey::from_seed(&seed);
    seed[31] = 1;
    AccountSecrets { identity, cosigner: SecretKey::from_seed(&seed) }
}

impl TestLog {
    /// A new IVN with its admin `ada`, who is a member too.
    pub(crate) fn founded() -> Self {
        Self {
            state: IvnState::found(&founding(genesis())).unwrap(),
            now: Timestamp(1_000_000),
            coordinator: SecretKey::from_seed(&[2; 32]),
            packages: BTreeMap::new(),
            former_packages: Vec::new(),
            entries: vec![founding(genesis()).to_bytes()],
            rng: ChaCha20Rng::seed_from_u64(0),
            signature: Vec::new(),
            keys_of: BTreeMap::new(),
        }
    }

    /// The keys that an account has now.
    pub(crate) fn secrets(&self, account: &str) -> AccountSecrets {
        secrets(self.keys_of.get(&name(account)).map_or(account, String::as_str))
    }

    /// An admin gives `account` the keys of another name, as after the loss of its own.
    pub(crate) fn replace_keys(
        &mut self,
        account: &str,
        keys_of: &str,
    ) -> Result<Vec<Event>, Refusal> {
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

    /// What an account says to replace its keys, which are those of the name `before`, by those of `after`.
    pub(crate) fn rotation(&self, account: &str, before: &str, after: &str) -> Entry {
        let keys = secrets(after);
        let body = Body::KeysRotated { keys: keys.public() };
        let statement = self.statement(Author::Account(name(account)), body);
        Entry::sign(statement, &[&secrets(before).identity, &keys.identity]).unwrap()
    }

    /// Besides ada, the members ben and cyd and the requester out.
    pub(crate) fn peopled() -> Self {
        let mut log = Self::founded();
        for (account, role) in
            [("ben", Role::Member), ("cyd", Role::Member), ("out", Role::Requester)]
        {
            log.invite(account, role);
            log.join(account).unwrap();
        }
        log
    }

    /// With the group `board` of ada, ben and cyd: two of three, accepted by all.
    pub(crate) fn grouped() -> Self {
        let mut log = Self::peopled();
        log.define(log.board_of_three());
        for member in ["ada", "ben", "cyd"] {
            log.accept(member).unwrap();
        }
        log
    }

    /// With a key.
    pub(crate) fn keyed() -> Self {
        Self::keyed_with(Self::peopled().board_of_three())
    }

    /// With a key of a group of all three with this definition.
    pub(crate) fn keyed_with(definition: GroupDefinition) -> Self {
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

    /// The checkpoint of all that is there, cosigned by these.
    pub(crate) fn checkpoint(&self, cosigners: &[&str]) -> VerifiedCheckpoint {
        let origin = self.state.origin();
        let mut checkpoint = checkpoint_of(&self.entries, &origin);
        for account in cosigners {
            let seed = Seed::new(Box::new(*self.secrets(account).cosigner.seed()));
            let key = format!("{origin}/{account}").parse().unwrap();
            let cosigner = CosignerSigner::new(key, seed);
            let line = cosigner.cosign(&checkpoint, 1_700_000_100.try_into().unwrap());
            let one = CosignerSet::new([cosigner.verifier().clone()]).unwrap();
            checkpoint.add_cosignature(&one, line).unwrap();
        }
        checkpoint
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.plus(milliseconds);
    }

    /// Adds an entry; if it is not admissible, the state is as before.
    pub(crate) fn enter(&mut self, entry: &Entry) -> Result<Vec<Event>, Refusal> {
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

    pub(crate) fn statement(&self, author: Author, body: Body) -> Statement {
        Statement { ivn: Some(self.state.ivn()), author, at: self.now, body }
    }

    pub(crate) fn entry(&self, account: &str, body: Body) -> Entry {
        let statement = self.statement(Author::Account(name(account)), body);
        Entry::sign(statement, &[&self.secrets(account).identity]).unwrap()
    }

    pub(crate) fn says(&mut self, account: &str, body: Body) -> Result<Vec<Event>, Refusal> {
        self.enter(&self.entry(account, body))
    }

    pub(crate) fn coordinator_says(&mut self, body: Body) -> Result<Vec<Event>, Refusal> {
        let statement = self.statement(Author::Coordinator, body);
        self.enter(&Entry::sign(statement, &[&self.coordinator]).unwrap())
    }

    pub(crate) fn invitation_key(account: &str) -> SecretKey {
        let mut seed = [9; 32];
        seed[..account.len()].copy_from_slice(account.as_bytes());
        SecretKey::from_seed(&seed)
    }

    pub(crate) fn invitation(&self, account: &str, role: Role) -> Invitation {
        Invitation {
            name: name(account),
            roles: BTreeSet::from([role]),
            key: Self::invitation_key(account).public(),
            expires_at: self.now.plus(HOUR),
            replaces: None,
        }
    }

    pub(crate) fn invite(&mut self, account: &str, role: Role) {
        let invitation = self.invitation(account, role);
        self.says("ada", Body::Invitation(invitation)).unwrap();
    }

    /// The admission of `account` in this IVN, signed with `token` and its own key.
    pub(crate) fn admission(&self, account: &str, token: &SecretKey, ivn: IvnId) -> Entry {
        let keys = self.secrets(account);
        let statement = Statement {
            ivn: Some(ivn),
            author: Author::Account(name(account)),
            at: self.now,
            body: Body::AccountAdmitted { keys: keys.public() },
        };
        Entry::sign(statement, &[token, &keys.identity]).unwrap()
    }

    pub(crate) fn join(&mut self, account: &str) -> Result<Vec<Event>, Refusal> {
        let token = Self::invitation_key(account);
        let entry = self.admission(account, &token, self.state.ivn());
        self.enter(&entry)
    }

    pub(crate) fn board_of_three(&self) -> GroupDefinition {
        GroupDefinition {
            name: board(),
            suite: Suite::FrostEd25519Sha512,
            min_signers: 2,
            members: vec![name("ada"), name("ben"), name("cyd")],
            document_types: BTreeSet::new(),
            policy: Policy::for_min_signers(2),
        }
    }

    pub(crate) fn define(&mut self, definition: GroupDefinition) {
        self.says("ada", Body::GroupDefined(definition)).unwrap();
    }

    pub(crate) fn accept(&mut self, account: &str) -> Result<Vec<Event>, Refusal> {
        let definition = self.group().defined;
        self.says(account, Body::GroupAccepted { group: board(), definition })
    }

    pub(crate) fn begin(
        &mut self,
        session: SessionId,
        attempt: u32,
    ) -> Result<Vec<Event>, Refusal> {
        self.coordinator_says(Body::CeremonyStarted { group: board(), session, attempt })
    }

    /// The incarnation that [`Self::start_node`] announces.
    pub(crate) fn incarnation(account: &str, number: u8) -> Digest {
        crate::encoding::Encoder::new("test").field(1, account).field(2, [number]).digest()
    }

    /// The board, as the log has it.
    pub(crate) fn group(&self) -> &Group {
        self.state.group(&board()).unwrap()
    }

    /// The board's running session.
    pub(crate) fn ceremony(&self) -> &Session {
        self.group().session.as_ref().unwrap()
    }

    /// Starts an account's node, unless it runs.
    fn runs_node(&mut self, account: &str) {
        if self.state.account(&name(account)).unwrap().incarnation.is_none() {
            // A moment later than what is the same otherwise: before other keys it may have said so.
            self.wait(1);
            self.start_node(account, 1);
        }
    }

    pub(crate) fn start_node(&mut self, account: &str, number: u8) {
        let incarnation = Self::incarnation(account, number);
        self.says(account, Body::NodeStarted { incarnation }).unwrap();
    }

    /// A message of the account's latest process.
    pub(crate) fn posts(&mut self, account: &str, message: Vec<u8>) -> Result<Vec<Event>, Refusal> {
        let incarnation = self.state.account(&name(account)).unwrap().incarnation.unwrap();
        self.posts_as(account, incarnation, message)
    }

    pub(crate) fn posts_as(
        &mut self,
        account: &str,
        incarnation: Digest,
        message: Vec<u8>,
    ) -> Result<Vec<Event>, Refusal> {
        let session = self.ceremony().session;
        self.says(account, Body::CeremonyMessage { session, incarnation, message: Base64(message) })
    }

    pub(crate) fn certificate(&self) -> (Digest, Digest) {
        self.group().certificate().unwrap()
    }

    pub(crate) fn certifies(&mut self, account: &str) -> Result<Vec<Event>, Refusal> {
        let session = self.ceremony().session;
        let (transcript, public_key_package) = self.certificate();
        self.says(account, Body::CeremonyCertified { session, transcript, public_key_package })
    }

    pub(crate) fn certify_all(&mut self) {
        let group = self.group();
        for member in group.session.as_ref().unwrap().terms.definition.members.clone() {
            self.certifies(member.as_str()).unwrap();
        }
    }

    /// Ada and ben sign the activation record.
    pub(crate) fn activation_signature(&mut self) -> Base64 {
        self.activation_signed_by(&["ada", "ben"])
    }

    /// These sign the activation record.
    pub(crate) fn activation_signed_by(&mut self, signers: &[&str]) -> Base64 {
        let (record, _) = self.group().activation(self.state.ivn()).unwrap();
        self.signed_by(signers, &record.to_be_signed())
    }

    /// These sign with the new shares that the running session has made.
    pub(crate) fn signed_by(&mut self, signers: &[&str], message: &[u8]) -> Base64 {
        let public = self.ceremony().board.outcome().unwrap().clone();
        let (mut nonces, mut commitments, mut shares) =
            (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for member in signers {
            let package = &self.packages[&name(member)];
            let (ours, announced) = sign::commit(package, &mut self.rng).unwrap();
            commitments.insert(package.identifier(), announced);
            nonces.push((package, ours));
        }
        for (package, ours) in nonces {
            let share = sign::sign(ours, package, &public, &commitments, message).unwrap();
            shares.insert(package.identifier(), share);
        }
        let signature = sign::aggregate(&public, &commitments, &shares, message).unwrap();
        Base64(signature.to_bytes().to_vec())
    }

    /// Proposes that the group be this; returns the change's id.
    pub(crate) fn proposes(
        &mut self,
        account: &str,
        definition: GroupDefinition,
    ) -> Result<EntryId, Refusal> {
        let epoch = self.group().key.as_ref().map_or(0, |key| key.epoch);
        let expires_at = self.now.plus(HOUR);
        let proposal = GroupChange { epoch, definition, expires_at, repairs: None };
        let entry = self.entry(account, Body::GroupChange(proposal));
        self.enter(&entry).map(|_| entry.id())
    }

    /// The group's definition with these members and that min_signers.
    pub(crate) fn board_of(&self, members: &[&str], min_signers: u16) -> GroupDefinition {
        let members = members.iter().map(|member| name(member)).collect();
        let policy = Policy::for_min_signers(min_signers);
        GroupDefinition { members, min_signers, policy, ..self.board_of_three() }
    }

    /// The group is changed to this, all told: proposed by ada, approved by ben or, if he has no say, by cyd, accepted by who joins, and carried out
    /// in this session by everybody who takes part.
    pub(crate) fn change(&mut self, members: &[&str], min_signers: u16, id: SessionId) {
        let change = self.proposes("ada", self.board_of(members, min_signers)).unwrap();
        if !self.group().change.as_ref().unwrap().approved {
            let approver = if self.group().has_say(&name("ben")) { "ben" } else { "cyd" };
            self.approves(approver, change).unwrap();
        }
        self.carry_out(change, id);
    }

    /// An approved change is accepted and carried out.
    pub(crate) fn carry_out(&mut self, change: EntryId, id: SessionId) {
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
        let signature = self.activation_signed_by(&signers);
        self.coordinator_says(Body::EpochStarted { session: id, signature }).unwrap();
    }

    pub(crate) fn request(&self) -> Request {
        let policy = &self.group().definition.policy;
        Request {
            group: board(),
            document_type: None,
            format: "raw".to_owned(),
            namespace: None,
            document: Digest::new([8; 32]),
            policy: policy.hash(),
            expires_at: self.now.plus(HOUR),
        }
    }

    /// Makes a request; returns its id.
    pub(crate) fn requests(&mut self, account: &str, request: Request) -> Result<EntryId, Refusal> {
        let entry = self.entry(account, Body::Request(request));
        self.enter(&entry).map(|_| entry.id())
    }

    pub(crate) fn approves(
        &mut self,
        account: &str,
        request: EntryId,
    ) -> Result<Vec<Event>, Refusal> {
        self.says(account, Body::Approval { request })
    }

    pub(crate) fn refuses(
        &mut self,
        account: &str,
        request: EntryId,
    ) -> Result<Vec<Event>, Refusal> {
        self.says(account, Body::Refusal { request, reason: "no".to_owned() })
    }

    /// A copy of a member's share of the key.
    pub(crate) fn package_of(&self, account: &str) -> KeyPackage {
        KeyPackage::from_bytes(&self.packages[&name(account)].to_bytes()).unwrap()
    }

    /// Fresh commitments of a member, signed for a session.
    pub(crate) fn commitments_of(
        &mut self,
        account: &str,
        session: SessionId,
        subject: Subject,
    ) -> SignedPart {
        let context = SigningSession {
            ivn: self.state.ivn(),
            session,
            epoch: self.state.epoch_of(subject).unwrap_or(1),
            subject,
        };
        let (_, commitments) = sign::commit(&self.packages[&name(account)], &mut self.rng).unwrap();
        context.sign_commitments(&name(account), &self.secrets(account).identity, &commitments)
    }

    /// What these signers would leave as evidence of having signed in this session.
    pub(crate) fn records(
        &mut self,
        signers: &[&str],
        session: SessionId,
        subject: Subject,
    ) -> Vec<SignerRecord> {
        let context = SigningSession {
            ivn: self.state.ivn(),
            session,
            epoch: self.state.epoch_of(subject).unwrap_or(1),
            subject,
        };
        let public = self.group().key.as_ref().unwrap().public.clone();
        let (mut nonces, mut commitments) = (Vec::new(), BTreeMap::<Identifier, _>::new());
        for signer in signers {
            let package = &self.packages[&name(signer)];
            let (ours, announced) = sign::commit(package, &mut self.rng).unwrap();
            commitments.insert(package.identifier(), announced);
            nonces.push((*signer, package, ours));
        }
        let digest = context.package(&commitments);
        let (mut records, mut shares) = (Vec::new(), BTreeMap::new());
        for (signer, package, ours) in nonces {
            let key = self.secrets(signer).identity;
            let share = sign::sign(ours, package, &public, &commitments, b"document").unwrap();
            let announced = &commitments[&package.identifier()];
            records.push(SignerRecord {
                account: name(signer),
                commitments: context.sign_commitments(&name(signer), &key, announced),
                share: context.sign_share(&name(signer), &key, digest, &share),
            });
            shares.insert(package.identifier(), share);
        }
        let signature = sign::aggregate(&public, &commitments, &shares, b"document");
        self.signature = signature.map(|s| s.to_bytes().to_vec()).unwrap_or_default();
        records
    }

    /// These sign a request, in a session of this number.
    pub(crate) fn signs(
        &mut self,
        request: EntryId,
        by: &[&str],
        number: u8,
    ) -> Result<Vec<Event>, Refusal> {
        let signers = self.records(by, session(number), Subject::Request { request });
        let (signature, session) = (self.signature(), session(number));
        self.coordinator_says(Body::Signature { request, session, signature, signers })
    }

    /// The signature of b"document" that the latest [`Self::records`] make.
    pub(crate) fn signature(&self) -> Base64 {
        Base64(self.signature.clone())
    }

    /// The same with another point in it: to tell them apart takes the document.
    pub(crate) fn false_signature(&self) -> Base64 {
        let mut signature = self.signature();
        signature.0[0] ^= 1;
        signature
    }

    pub(crate) fn random(&mut self) -> Digest {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        Digest::new(bytes)
    }
}
