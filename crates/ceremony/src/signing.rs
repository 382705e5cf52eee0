//! The messages that members sign while they make a signature together. The log stores them as
//! evidence.
//!
//! A signing protocol has rounds, and each signer sends one message in each. They go from a node to
//! the coordinator, which relays them. Each carries its author's signature over a statement of its
//! context, so that the coordinator can neither invent one nor move it to a different session, and
//! a wrong signature share accuses its sender provably. All participants know the context, so only
//! the message and the signature are sent and stored ([`SignedPart`]); a verifier makes the
//! statement again.

use quorate_protocol::signing::Board;
use serde::{Deserialize, Serialize};

use crate::dsse::pre_authentication_encoding;
use crate::encoding::{Base64, Encoder};
use crate::identity::{PublicKey, SecretKey};
use crate::names::{AccountName, Digest, EntryId, IvnId, SessionId};

const PAYLOAD_TYPE: &str = "application/vnd.quorate.signing+json";
/// The shares that a key generation makes.
pub(crate) const FIRST_EPOCH: u64 = 1;

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(tag = "of", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Subject {
    /// A requested document.
    Request { request: EntryId },
    /// The activation record of new shares: a ceremony's last round.
    Activation { session: SessionId },
}

/// The signed statement: the payload, as compact JSON with the members in this order, of a DSSE
/// envelope. Only its signature is stored.
#[derive(Serialize)]
struct SigningStatement<'a> {
    ivn: IvnId,
    session: SessionId,
    epoch: u64,
    subject: Subject,
    number: u8,
    signer: &'a AccountName,
    round: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Digest>,
    message: &'a Base64,
}

/// One signer's message of one round, and its signature over the session's statement about it.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPart {
    /// The bytes that the protocol makes. In FROST: commitments (64 bytes), then a signature share
    /// (32 bytes).
    value: Base64,
    sig: Base64,
}

#[expect(missing_docs, reason = "the names say it")]
impl SignedPart {
    pub fn value_unverified(&self) -> &[u8] {
        &self.value.0
    }
}

/// Where a message belongs in its session.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Numbered from 1.
    pub round: u8,
    /// The hash of the signers and of all messages of the rounds before. `None` in a first round
    /// that any signer may join.
    pub after: Option<Digest>,
}

/// The context that all messages of one signing session share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SigningSession {
    pub ivn: IvnId,
    pub session: SessionId,
    /// The epoch of the shares. A message for one epoch is not valid for another, and is not a
    /// fault there.
    pub epoch: u64,
    pub subject: Subject,
    /// Which of its subject's signatures the session makes: the number of those before it in the
    /// log.
    pub number: u8,
}

#[expect(missing_docs, reason = "the names say it")]
impl SigningSession {
    fn covered(&self, signer: &AccountName, place: Place, message: &Base64) -> Vec<u8> {
        let Self { ivn, session, epoch, subject, number } = *self;
        let Place { round, after } = place;
        let statement = SigningStatement {
            ivn,
            session,
            epoch,
            subject,
            number,
            signer,
            round,
            after,
            message,
        };
        // Serialising plain structs to memory cannot fail.
        let payload = serde_json::to_vec(&statement).unwrap_or_default();
        pre_authentication_encoding(PAYLOAD_TYPE, &payload)
    }

    /// The place of the next message on this board.
    ///
    /// Its hash is SHA-256 over the session, the signers' identifiers, and each message of the
    /// earlier rounds with its round and its sender.
    pub fn place(&self, board: &Board) -> Place {
        let round = board.round();
        let after = board.signers().map(|signers| {
            let mut before = Encoder::new("quorate/signing-rounds/v1")
                .field(1, self.ivn.as_bytes())
                .field(2, self.session.as_bytes());
            for signer in signers {
                before = before.field(3, signer.get().to_be_bytes());
            }
            for (number, messages) in (1..round).zip(board.rounds()) {
                for (from, message) in messages {
                    let sent = Encoder::default()
                        .field(1, [number])
                        .field(2, from.get().to_be_bytes())
                        .field(3, message);
                    before = before.nested(4, sent);
                }
            }
            before.digest()
        });
        Place { round, after }
    }

    pub fn sign(
        &self,
        signer: &AccountName,
        key: &SecretKey,
        place: Place,
        message: Vec<u8>,
    ) -> SignedPart {
        let value = Base64(message);
        let sig = Base64(key.sign(&self.covered(signer, place, &value)).to_vec());
        SignedPart { value, sig }
    }

    /// Returns the message that `signer` signed for this place in this session. A malformed one is
    /// then provably its fault.
    ///
    /// # Errors
    ///
    /// Fails if `signed` is not such a message, which is nobody's fault.
    pub fn open<'a>(
        &self,
        signer: &AccountName,
        key: PublicKey,
        place: Place,
        signed: &'a SignedPart,
    ) -> Result<&'a [u8], NotSigned> {
        let sig = signed.sig.0.as_slice().try_into().map_err(|_| NotSigned)?;
        let covered = self.covered(signer, place, &signed.value);
        key.verifies(&covered, sig).then_some(signed.value.0.as_slice()).ok_or(NotSigned)
    }
}

/// The message is not signed by its signer for this IVN, session, epoch, subject and round, and for
/// these signers and messages of the rounds before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not signed by its signer for this place in this session")]
pub struct NotSigned;
