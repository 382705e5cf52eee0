//! Builds whole, genuine logs in a few lines: every entry is signed by its author and admitted by the fold, keys come
//! from real DKG sessions. What is to be wrong with one, the test does to its entries.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry, Statement};
use quorate_ceremony::identity::{AccountKeys, AccountSecrets, SecretKey};
use quorate_ceremony::names::{
    AccountName, COORDINATOR, Digest, EntryId, GroupName, SessionId, Timestamp,
};
use quorate_ceremony::policy::Policy;
use quorate_ceremony::signing::{SigningSession, Subject};
use quorate_ceremony::state::IvnState;
use quorate_ceremony::statement::{
    Body, Genesis, GroupDefinition, Invitation, Request, Role, SignerRecord,
};
use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::key::{CosignerSigner, LogSigner, Seed};
use quorate_log::leaf_hash;
use quorate_log::tree::Frontier;
use quorate_protocol::keys::KeyPackage;
use quorate_protocol::keyshare::{Run, Step};
use quorate_protocol::{Suite, sign};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// A log under construction.
pub(crate) struct Log {
    /// The entries so far.
    pub(crate) entries: Vec<Vec<u8>>,
    /// What they come to.
    pub(crate) state: IvnState,
    /// Everybody's keys.
    pub(crate) secrets: BTreeMap<AccountName, AccountSecrets>,
    coordinator: SecretKey,
    log_key: SecretKey,
    packages: BTreeMap<(GroupName, AccountName), KeyPackage>,
    /// Where nonces come from.
    pub(crate) rng: ChaCha20Rng,
    /// The next statement is made a millisecond later.
    pub(crate) now: Timestamp,
}

pub(crate) fn name(name: &str) -> AccountName {
    name.parse().unwrap()
}

impl Log {
    /// An IVN with one account, the admin and member `ada`.
    pub(crate) fn found(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let ada = AccountSecrets::generate(&mut rng);
        let coordinator = SecretKey::generate(&mut rng);
        let log_key = SecretKey::generate(&mut rng);
        let now = Timestamp(1_700_000_000_000);
        let genesis = Genesis {
            deployment: "sign.example.com".to_owned(),
            name: "Example Ltd".to_owned(),
            admin: ada.public(),
            roles: BTreeSet::from([Role::Admin, Role::Member]),
            log_key: log_key.public(),
            coordinator_key: coordinator.public(),
            ca: random(&mut rng),
            nonce: random(&mut rng),
        };
        let author = Author::Account(name("ada"));
        let statement = Statement { ivn: None, author, at: now, body: Body::Genesis(genesis) };
        let entry = Entry::sign(statement, &[&ada.identity, &coordinator]).unwrap();
        let state = IvnState::found(&entry).unwrap();
        let mut log = Self {
            entries: vec![entry.to_bytes()],
            state,
            secrets: BTreeMap::from([(name("ada"), ada)]),
            coordinator,
            log_key,
            packages: BTreeMap::new(),
            rng,
            now,
        };
        log.start_node("ada");
        log
    }

    /// An IVN with the members `ada`, `bob` and `eve`, and their group `board` with a key, two of whom sign.
    pub(crate) fn with_group(seed: u64) -> Self {
        let mut log = Self::found(seed);
        log.join("bob");
        log.join("eve");
        log.group("board", &["ada", "bob", "eve"], 2);
        log
    }

    /// As [`Self::with_group`]; `ada` asks to sign `message`, `bob` consents, both sign. Gives the request.
    pub(crate) fn with_signature(seed: u64, document: Digest, message: &[u8]) -> (Self, EntryId) {
        let mut log = Self::with_group(seed);
        let request = log.request("ada", "board", document);
        log.by("bob", Body::Approval { request });
        let signature = log.signature(request, &["ada", "bob"], message);
        log.by(COORDINATOR, signature);
        (log, request)
    }

    /// Signs a statement by an account or the coordinator, without appending it.
    pub(crate) fn statement(&mut self, author: &str, body: Body) -> Entry {
        self.now = self.now.plus(1);
        let (author, key) = if author == COORDINATOR {
            (Author::Coordinator, &self.coordinator)
        } else {
            (Author::Account(name(author)), &self.secrets[&name(author)].identity)
        };
        let statement = Statement { ivn: Some(self.state.ivn()), author, at: self.now, body };
        Entry::sign(statement, &[key]).unwrap()
    }

    /// Appends an entry that must be admissible.
    pub(crate) fn append(&mut self, entry: &Entry) -> EntryId {
        self.state.apply(entry).unwrap();
        self.entries.push(entry.to_bytes());
        entry.id()
    }

    /// Signs and appends a statement.
    pub(crate) fn by(&mut self, author: &str, body: Body) -> EntryId {
        let entry = self.statement(author, body);
        self.append(&entry)
    }

    /// Invites and admits an account with the member role.
    pub(crate) fn join(&mut self, account: &str) {
        let secrets = AccountSecrets::generate(&mut self.rng);
        let keys = secrets.public();
        self.join_with(account, secrets, keys);
    }

    /// As [`Self::join`], but the account says that it has these keys.
    pub(crate) fn join_with(&mut self, account: &str, secrets: AccountSecrets, keys: AccountKeys) {
        let invitation_key = SecretKey::generate(&mut self.rng);
        let invitation = Invitation {
            name: name(account),
            roles: BTreeSet::from([Role::Member]),
            key: invitation_key.public(),
            expires_at: self.now.plus(1000),
            replaces: None,
        };
        self.by("ada", Body::Invitation(invitation));
        let author = Author::Account(name(account));
        let body = Body::AccountAdmitted { keys };
        let statement = Statement { ivn: Some(self.state.ivn()), author, at: self.now, body };
        let entry = Entry::sign(statement, &[&invitation_key, &secrets.identity]).unwrap();
        self.secrets.insert(name(account), secrets);
        self.append(&entry);
        self.start_node(account);
    }

    fn start_node(&mut self, account: &str) {
        let incarnation = random(&mut self.rng);
        self.by(account, Body::NodeStarted { incarnation });
    }

    /// Defines a group, has all members accept, and runs its DKG.
    pub(crate) fn group(&mut self, group: &str, members: &[&str], min_signers: u16) {
        let definition = GroupDefinition {
            name: group.parse().unwrap(),
            suite: Suite::FrostEd25519Sha512,
            min_signers,
            members: members.iter().map(|member| name(member)).collect(),
            document_types: BTreeSet::new(),
            policy: Policy::for_min_signers(min_signers),
        };
        self.define(definition);
        let session = self.start_dkg(group, 1);
        self.run_dkg(group, session, members);
    }

    /// Defines a group and has all members accept.
    pub(crate) fn define(&mut self, definition: GroupDefinition) {
        let (group, members) = (definition.name.clone(), definition.members.clone());
        let definition = self.by("ada", Body::GroupDefined(definition));
        for member in members {
            self.by(member.as_str(), Body::GroupAccepted { group: group.clone(), definition });
        }
    }

    /// Starts a DKG session.
    pub(crate) fn start_dkg(&mut self, group: &str, attempt: u32) -> SessionId {
        let session = SessionId::new(*random(&mut self.rng).as_bytes());
        let group = group.parse().unwrap();
        self.by(COORDINATOR, Body::CeremonyStarted { group, session, attempt });
        session
    }

    fn run_dkg(&mut self, group: &str, session: SessionId, members: &[&str]) {
        let group: GroupName = group.parse().unwrap();
        let mut runs = Vec::new();
        let mut outbox = Vec::new();
        for member in members {
            let state = self.state.group(&group).unwrap();
            let me = state.identifier(&name(member)).unwrap();
            let parameters = state.session.as_ref().unwrap().board.keyshare().unwrap().parameters();
            let (run, message) = Run::start(parameters, me, &mut self.rng).unwrap();
            runs.push((*member, run));
            outbox.push((*member, message));
        }
        while !runs.is_empty() {
            for (member, message) in outbox.drain(..) {
                let incarnation = self.state.account(&name(member)).unwrap().incarnation.unwrap();
                let message = Base64(message);
                self.by(member, Body::CeremonyMessage { session, incarnation, message });
            }
            for (member, run) in std::mem::take(&mut runs) {
                let board = &self
                    .state
                    .group(&group)
                    .unwrap()
                    .session
                    .as_ref()
                    .unwrap()
                    .board
                    .keyshare()
                    .unwrap();
                match run.advance(board, &mut self.rng).unwrap() {
                    Step::Wait(run) => runs.push((member, run)),
                    Step::Send(run, message) => {
                        outbox.push((member, message));
                        runs.push((member, run));
                    }
                    Step::Done(package) => {
                        self.packages.insert((group.clone(), name(member)), package);
                    }
                    Step::Left => unreachable!("not a reshare"),
                }
            }
        }
        let certificate = self.state.group(&group).unwrap().certificate().unwrap();
        let (transcript, public_key_package) = certificate;
        for member in members {
            self.by(member, Body::CeremonyCertified { session, transcript, public_key_package });
        }
        let state = self.state.group(&group).unwrap();
        let (record, public) = state.activation(self.state.ivn()).unwrap();
        let message = record.to_be_signed();
        let (_, _, signature) = self.threshold_sign(&group, &public, members, &message);
        let signature = Base64(signature.to_bytes().to_vec());
        self.by(COORDINATOR, Body::EpochStarted { session, signature });
    }

    fn threshold_sign(
        &mut self,
        group: &GroupName,
        public: &quorate_protocol::keys::PublicKeyPackage,
        signers: &[&str],
        message: &[u8],
    ) -> (
        BTreeMap<quorate_protocol::Identifier, sign::Commitments>,
        BTreeMap<quorate_protocol::Identifier, sign::SignatureShare>,
        sign::Signature,
    ) {
        let mut nonces = Vec::new();
        let mut commitments = BTreeMap::new();
        for signer in signers {
            let package = &self.packages[&(group.clone(), name(signer))];
            let (secret, public) = sign::commit(package, &mut self.rng).unwrap();
            commitments.insert(package.identifier(), public);
            nonces.push((package, secret));
        }
        let mut shares = BTreeMap::new();
        for (package, secret) in nonces {
            let share = sign::sign(secret, package, public, &commitments, message).unwrap();
            shares.insert(package.identifier(), share);
        }
        let signature = sign::aggregate(public, &commitments, &shares, message).unwrap();
        (commitments, shares, signature)
    }

    /// Asks a group to sign a document.
    pub(crate) fn request(&mut self, requester: &str, group: &str, document: Digest) -> EntryId {
        let group: GroupName = group.parse().unwrap();
        let policy = &self.state.group(&group).unwrap().definition.policy;
        let request = Request {
            policy: policy.hash(),
            expires_at: self.now.plus(policy.rule.expiry),
            group,
            document_type: None,
            format: "raw".to_owned(),
            namespace: None,
            document,
        };
        self.by(requester, Body::Request(request))
    }

    /// Has `signers` sign `message` for a request, and gives the statement that says so.
    pub(crate) fn signature(&mut self, request: EntryId, signers: &[&str], message: &[u8]) -> Body {
        let group = self.state.request(request).unwrap().request.group.clone();
        let public = self.state.group(&group).unwrap().key.as_ref().unwrap().public.clone();
        let session = SessionId::new(*random(&mut self.rng).as_bytes());
        let (commitments, shares, signature) =
            self.threshold_sign(&group, &public, signers, message);
        let subject = Subject::Request { request };
        let context = SigningSession {
            ivn: self.state.ivn(),
            session,
            epoch: self.state.epoch_of(subject).unwrap_or(1),
            subject,
        };
        let package = context.package(&commitments);
        let records = signers.iter().map(|signer| {
            let account = name(signer);
            let key = &self.secrets[&account].identity;
            let id = self.state.group(&group).unwrap().identifier(&account).unwrap();
            SignerRecord {
                commitments: context.sign_commitments(&account, key, &commitments[&id]),
                share: context.sign_share(&account, key, package, &shares[&id]),
                account,
            }
        });
        let signers = records.collect();
        let signature = Base64(signature.to_bytes().to_vec());
        Body::Signature { request, session, signature, signers }
    }

    /// The log's signer.
    pub(crate) fn signer(&self) -> LogSigner {
        let origin = self.state.origin().parse().unwrap();
        LogSigner::new(origin, Seed::new(Box::new(*self.log_key.seed())))
    }

    /// An account's cosigner.
    pub(crate) fn cosigner(&self, account: &str) -> CosignerSigner {
        let line_name = format!("{}/{account}", self.state.origin()).parse().unwrap();
        let key = &self.secrets[&name(account)].cosigner;
        CosignerSigner::new(line_name, Seed::new(Box::new(*key.seed())))
    }

    /// A checkpoint of the entries as they are now, admissible or not, cosigned by these accounts.
    pub(crate) fn checkpoint(&self, cosigners: &[&str]) -> VerifiedCheckpoint {
        let mut frontier = Frontier::default();
        self.entries.iter().for_each(|entry| frontier.append(leaf_hash(entry)));
        let cosigners: Vec<_> = cosigners.iter().map(|account| self.cosigner(account)).collect();
        cosigned(self.signer().sign(frontier.head()), &cosigners)
    }
}

/// Adds cosignatures to a checkpoint.
pub(crate) fn cosigned(
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

fn random(rng: &mut ChaCha20Rng) -> Digest {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    Digest::new(bytes)
}
