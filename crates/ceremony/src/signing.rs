//! What members sign while they make a signature together: the messages that end up as evidence in the log.
//!
//! Commitments and signature shares go from a node to the coordinator, which relays them; each is a DSSE envelope of
//! its author, so that the coordinator can neither invent one nor move it to another session, and a bad share accuses
//! its sender provably.

use std::collections::BTreeMap;

use quorate_protocol::Identifier;
use quorate_protocol::sign::{Commitments, SignatureShare};
use serde::{Deserialize, Serialize};

use crate::encoding::{self, Base64};
use crate::entry::{EntryError, Envelope};
use crate::identity::{PublicKey, SecretKey};
use crate::names::{AccountName, Digest, EntryId, IvnId, SessionId};

/// The DSSE payload type of these messages.
const PAYLOAD_TYPE: &str = "application/vnd.quorate.signing+json";

/// What is being signed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(tag = "of", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Subject {
    /// A requested document.
    Request {
        /// The request's entry.
        request: EntryId,
    },
    /// The activation record of a new key: the DKG's last round.
    Activation {
        /// The DKG session.
        session: SessionId,
    },
}

/// One signed message of one signer.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SigningStatement {
    ivn: IvnId,
    session: SessionId,
    subject: Subject,
    signer: AccountName,
    part: Part,
}

/// What the message contributes.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "part", rename_all = "kebab-case", deny_unknown_fields)]
enum Part {
    /// RFC 9591 §5.1.
    Commitments { commitments: Base64 },
    /// RFC 9591 §5.2, for exactly the commitments that `package` names.
    Share { package: Digest, share: Base64 },
}

/// The frame that all messages of one signing session share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SigningSession {
    /// Where.
    pub ivn: IvnId,
    /// Which attempt.
    pub session: SessionId,
    /// What is being signed.
    pub subject: Subject,
}

impl SigningSession {
    fn sign(&self, signer: &AccountName, key: &SecretKey, part: Part) -> Envelope {
        let statement = SigningStatement {
            ivn: self.ivn,
            session: self.session,
            subject: self.subject,
            signer: signer.clone(),
            part,
        };
        // Serialising plain structs to memory has no way to fail, and an empty payload verifies as nothing.
        Envelope::sign(PAYLOAD_TYPE, serde_json::to_vec(&statement).unwrap_or_default(), &[key])
    }

    fn open(
        &self,
        signer: &AccountName,
        key: PublicKey,
        envelope: &Envelope,
    ) -> Result<Part, SigningMessageError> {
        let payload = envelope.verify(PAYLOAD_TYPE, &[key])?;
        let statement: SigningStatement =
            serde_json::from_slice(payload).map_err(|_| SigningMessageError::Malformed)?;
        // One spelling only: padded with white space, a valid message could make the signature's entry too long for
        // the log, or the frame that relays it too long for the others.
        if serde_json::to_vec(&statement).ok().as_deref() != Some(payload) {
            return Err(SigningMessageError::Malformed);
        }
        let expected = (self.ivn, self.session, self.subject, signer);
        if (statement.ivn, statement.session, statement.subject, &statement.signer) != expected {
            return Err(SigningMessageError::OtherSession);
        }
        Ok(statement.part)
    }

    /// Signs `commitments` as `signer`.
    pub fn sign_commitments(
        &self,
        signer: &AccountName,
        key: &SecretKey,
        commitments: &Commitments,
    ) -> Envelope {
        let commitments = Base64(commitments.to_bytes().to_vec());
        self.sign(signer, key, Part::Commitments { commitments })
    }

    /// The commitments in an envelope that `signer` must have signed for this session.
    ///
    /// # Errors
    ///
    /// Why it is not that. Only [`SigningMessageError::Contents`] is provably the signer's fault.
    pub fn open_commitments(
        &self,
        signer: &AccountName,
        key: PublicKey,
        envelope: &Envelope,
    ) -> Result<Commitments, SigningMessageError> {
        match self.open(signer, key, envelope)? {
            Part::Commitments { commitments } => {
                Commitments::from_bytes(&commitments.0).map_err(|_| SigningMessageError::Contents)
            }
            Part::Share { .. } => Err(SigningMessageError::Malformed),
        }
    }

    /// Signs `share`, made for the commitments that `package` names.
    pub fn sign_share(
        &self,
        signer: &AccountName,
        key: &SecretKey,
        package: Digest,
        share: &SignatureShare,
    ) -> Envelope {
        self.sign(signer, key, Part::Share { package, share: Base64(share.to_bytes().to_vec()) })
    }

    /// The signature share in an envelope that `signer` must have signed for this session and `package`.
    ///
    /// # Errors
    ///
    /// Why it is not that. Only [`SigningMessageError::Contents`] is provably the signer's fault.
    pub fn open_share(
        &self,
        signer: &AccountName,
        key: PublicKey,
        package: Digest,
        envelope: &Envelope,
    ) -> Result<SignatureShare, SigningMessageError> {
        match self.open(signer, key, envelope)? {
            Part::Share { package: named, share } if named == package => {
                SignatureShare::from_bytes(&share.0).map_err(|_| SigningMessageError::Contents)
            }
            Part::Share { .. } => Err(SigningMessageError::OtherSession),
            Part::Commitments { .. } => Err(SigningMessageError::Malformed),
        }
    }

    /// Names a set of commitments: SHA-256 over the session and each signer's identifier and commitments, by
    /// identifier. A share names the package that it was made for.
    pub fn package(&self, commitments: &BTreeMap<Identifier, Commitments>) -> Digest {
        let mut parts: Vec<Vec<u8>> =
            vec![self.ivn.as_bytes().to_vec(), self.session.as_bytes().to_vec()];
        for (identifier, commitments) in commitments {
            parts.push(identifier.get().to_be_bytes().to_vec());
            parts.push(commitments.to_bytes().to_vec());
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        encoding::hash("quorate/signing-package/v1", &parts)
    }
}

/// One signer's part in a finished signature, in its own signed words.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignerRecord {
    /// Who.
    pub account: AccountName,
    /// Its signed commitments.
    pub commitments: Envelope,
    /// Its signed share.
    pub share: Envelope,
}

/// Why an envelope is not the signing message that is expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SigningMessageError {
    /// Not signed by the signer.
    #[error(transparent)]
    Envelope(#[from] EntryError),
    /// Signed, but not a message of this kind.
    #[error("not a signing message of the expected kind")]
    Malformed,
    /// Signed, but for another IVN, session, subject or set of commitments.
    #[error("made for another session")]
    OtherSession,
    /// Signed and for this session, but its bytes are no commitments or share.
    #[error("commitments or share are malformed")]
    Contents,
}
