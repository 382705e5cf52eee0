//! A session that makes a key, new shares of one, or a lost share again.
//!
//! The log is the broadcast channel of the protocol. All messages are entries, so all readers of
//! the log hold the same [`SessionBoard`], and each violation of the protocol is recorded with its
//! author's signature.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::keyshare::Phase;
use serde::{Deserialize, Serialize};

use crate::encoding::Encoder;
use crate::entry::AbortReason;
use crate::names::{AccountName, Digest, EntryId, IvnId, SessionId, Timestamp};
use crate::state::model::plan::{SessionBoard, SessionPlan};

#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Session {
    pub session: SessionId,
    /// By the log's time.
    pub(in crate::state) started: Timestamp,
    pub terms: SessionPlan,
    pub board: SessionBoard,
    /// Participants that posted a message, and the incarnation of the process that did.
    pub(in crate::state) posted: BTreeMap<AccountName, Digest>,
    /// Participants that certified, and whether each certificate agrees with the log's own
    /// transcript.
    pub(in crate::state) certified: BTreeMap<AccountName, bool>,
    /// Participants that restarted between a message and their certification.
    pub(in crate::state) restarted: BTreeSet<AccountName>,
}

impl Session {
    /// Whether this participant's process, after its first message, holds secrets in memory that
    /// the session still needs.
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
#[expect(missing_docs, reason = "the names say it")]
pub struct PastSession {
    pub session: SessionId,
    pub reason: AbortReason,
    /// Participants that had certified. Their disks contain the new shares, although no node uses
    /// them.
    pub certified: BTreeSet<AccountName>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SessionPhase {
    /// Round 1: hash commitments or, in a reshare, announcements.
    Committing,
    /// Round 2: commitments, proofs and sealed sub-shares.
    Revealing,
    /// Only in a repair: sealed sums for the recipient, or complaints.
    Summing,
    /// Round 3: acknowledgements or complaints.
    Judging,
    /// Round 4: the recipients have their packages on disk and sign the transcript. A repair ends
    /// with this round.
    Certifying,
    /// Round 5: min_signers members sign the activation record with the new shares.
    Activating,
    /// The session cannot succeed. The coordinator has to abort it for this reason.
    Doomed(AbortReason),
}

/// The record that members sign with the new shares before these are used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ActivationRecord {
    pub(in crate::state) ivn: IvnId,
    /// The definition or change.
    pub(in crate::state) definition: EntryId,
    pub(in crate::state) epoch: u64,
    pub(in crate::state) session: SessionId,
    pub(in crate::state) transcript: Digest,
    pub(in crate::state) public_key_package: Digest,
}

/// The first bytes of a signed activation. A document that is signed as it is must not begin with
/// the first part (`quorate_documents::OWN`), so that neither can be mistaken for the other.
const ACTIVATION: &[u8] = b"quorate/own/activation/v1\0";

impl ActivationRecord {
    /// The bytes to sign: `quorate/own/activation/v1`, a zero byte, and SHA-256 over all fields.
    pub fn to_be_signed(&self) -> Vec<u8> {
        [ACTIVATION, self.hash().as_bytes()].concat()
    }

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
