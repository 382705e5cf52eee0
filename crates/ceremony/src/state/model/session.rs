//! A session in which a group's key is made or shared again, or a lost share restored.
//!
//! The log is the broadcast channel of the protocol: every participant's messages are entries, so all who follow the
//! log hold the same [`SessionBoard`], and a participant that breaks the protocol does so in writing.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::keyshare::Phase;
use serde::{Deserialize, Serialize};

use crate::encoding::Encoder;
use crate::entry::AbortReason;
use crate::names::{AccountName, Digest, EntryId, IvnId, SessionId, Timestamp};
use crate::state::model::plan::{SessionBoard, SessionPlan};

/// A session in progress.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub session: SessionId,
    /// 1 for the first.
    pub attempt: u32,
    /// When it started, by the log's time.
    pub started: Timestamp,
    /// What it is for.
    pub terms: SessionPlan,
    /// The public half of the protocol.
    pub board: SessionBoard,
    /// Who posted anything, and which process of its node did.
    pub(in crate::state) posted: BTreeMap<AccountName, Digest>,
    /// Who certified, and whether it agrees with the log's own transcript.
    pub(in crate::state) certified: BTreeMap<AccountName, bool>,
    /// Who restarted after posting and before certifying.
    pub(in crate::state) restarted: BTreeSet<AccountName>,
}

impl Session {
    /// Whether the session can not go on without what this participant's process has in memory, after it posted anything.
    pub(in crate::state) fn needs_memory_of(&self, name: &AccountName) -> bool {
        let Some(board) = self.board.repair() else { return self.terms.is_recipient(name) };
        let helps = || {
            let me = self.terms.identifiers.get(name);
            let is_helper = me.is_some_and(|me| board.helpers().contains(me));
            is_helper
                && matches!(board.phase(), Phase::Commit | Phase::Reveal | Phase::Sum)
                && !(board.phase() == Phase::Sum
                    && me.is_some_and(|me| !board.missing().contains(me)))
        };
        self.terms.is_recipient(name) || helps()
    }
}

/// A session that ended without a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PastSession {
    /// Its id.
    pub session: SessionId,
    /// Why it ended.
    pub reason: AbortReason,
    /// Who had certified by then: their nodes have the shares that it made on disk, though no node uses them.
    pub certified: BTreeSet<AccountName>,
}

/// The step of a session, as people see it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionPhase {
    /// Round 1: hash commitments, or in a reshare announcements.
    Committing,
    /// Round 2: commitments, proofs and sealed sub-shares.
    Revealing,
    /// Only in a repair: sealed sums for the recipient, or complaints.
    Summing,
    /// Round 3: acknowledgements or complaints.
    Judging,
    /// Round 4: everybody has its package on disk and signs the transcript. In a repair, the recipient does, and then it is
    /// done.
    Certifying,
    /// Round 5: min_signers sign the activation record with the new shares.
    Activating,
    /// The session can not succeed; the abort that says why is due.
    Doomed(AbortReason),
}

/// What the members sign with the new shares before they count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ActivationRecord {
    pub(in crate::state) ivn: IvnId,
    /// The definition, or the change.
    pub(in crate::state) definition: EntryId,
    pub(in crate::state) epoch: u64,
    pub(in crate::state) session: SessionId,
    pub(in crate::state) transcript: Digest,
    pub(in crate::state) public_key_package: Digest,
}

/// What the bytes to be signed for an activation begin with. No document that is signed as it is may begin with the first
/// part of it (`quorate_documents::OWN`), so that neither can pass for the other.
const ACTIVATION: &[u8] = b"quorate/own/activation/v1\0";

impl ActivationRecord {
    /// The bytes to be signed: `quorate/own/activation/v1`, a zero byte, and SHA-256 over all fields.
    pub fn to_be_signed(&self) -> Vec<u8> {
        [ACTIVATION, self.hash().as_bytes()].concat()
    }

    /// The hash over all fields.
    fn hash(&self) -> Digest {
        Encoder::new("quorate/activation/v1")
            .field(1, self.ivn.as_bytes())
            .field(2, self.definition.as_bytes())
            .field(3, self.epoch.to_be_bytes())
            .field(4, self.session.as_bytes())
            .field(5, self.transcript.as_bytes())
            .field(6, self.public_key_package.as_bytes())
            .digest()
    }
}

pub(in crate::state) fn package_hash(package: &PublicKeyPackage) -> Digest {
    Encoder::new("quorate/public-key-package/v1").field(1, package.to_bytes()).digest()
}
