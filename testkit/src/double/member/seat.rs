//! The position of a malicious member: what it sees, and what it can sign.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::effect::NodeEffect;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::message::FromNode;
use quorate_ceremony::names::{AccountName, Digest, SessionId, Timestamp};
use quorate_ceremony::state::IvnState;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;

/// What a double sees when it acts.
pub(crate) struct Seat<'a> {
    pub(crate) account: &'a AccountName,
    pub(crate) secrets: AccountSecrets,
    /// The state of the log as its node knows it.
    pub(crate) state: &'a IvnState,
    pub(crate) packages: &'a BTreeMap<SessionId, Vec<u8>>,
    pub(crate) documents: &'a BTreeMap<Digest, Vec<u8>>,
    /// All malicious members, including itself. A member that wants to speak last does not wait for
    /// them.
    pub(crate) accomplices: &'a BTreeSet<AccountName>,
    pub(crate) now: Timestamp,
    pub(crate) connected: bool,
    /// Whether a person looks at the node at this moment, as happens now and then.
    pub(crate) looks: bool,
}

impl Seat<'_> {
    /// Returns a properly signed statement of this account.
    pub(super) fn entry(&self, body: Body) -> Option<Entry> {
        self.entry_as(self.account, &self.secrets.identity, body)
    }

    pub(super) fn entry_as(
        &self,
        author: &AccountName,
        key: &SecretKey,
        body: Body,
    ) -> Option<Entry> {
        let statement = Statement {
            ivn: Some(self.state.ivn()),
            author: Author::Account(author.clone()),
            at: self.now,
            seen: self.state.size(),
            body,
        };
        Entry::sign(statement, &[key]).ok()
    }

    pub(super) fn submits(&self, body: Body) -> Option<NodeEffect> {
        self.entry(body).map(|entry| submission(&entry))
    }

    /// Returns a message of a ceremony as if an earlier process of its node had sent it.
    pub(super) fn submits_as_earlier_process(
        &self,
        session: SessionId,
        message: &Base64,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        let (incarnation, message) = (Digest::new(random(rng)), message.clone());
        let body = Body::CeremonyMessage { session, incarnation, message };
        self.submits(body).into_iter().collect()
    }

    /// States the start of a process that does not exist. With `own`, it then states its own
    /// process again, so that its node still signs.
    pub(super) fn restarts(&self, own: Option<Digest>, rng: &mut ChaCha20Rng) -> Vec<NodeEffect> {
        let started = [Some(Digest::new(random(rng))), own].into_iter().flatten();
        started.filter_map(|incarnation| self.submits(Body::NodeStarted { incarnation })).collect()
    }

    /// Certifies a different share than its node does.
    pub(super) fn certifies_another(
        &self,
        session: SessionId,
        transcript: Digest,
        public_key_package: Digest,
    ) -> Option<NodeEffect> {
        let mut other = *public_key_package.as_bytes();
        other[0] ^= 1;
        let public_key_package = Digest::new(other);
        self.submits(Body::CeremonyCertified { session, transcript, public_key_package })
    }
}

pub(super) fn submission(entry: &Entry) -> NodeEffect {
    NodeEffect::Send(FromNode::Submit { entry: Base64(entry.to_bytes()) })
}

pub(super) fn submitted(effect: &NodeEffect) -> Option<Entry> {
    match effect {
        NodeEffect::Send(FromNode::Submit { entry }) => Entry::from_bytes(&entry.0).ok(),
        _ => None,
    }
}

pub(super) fn random(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}
