//! The messages that members sign while they make a signature together. The log stores them as
//! evidence.
//!
//! Commitments and signature shares go from a node to the coordinator, which relays them. Each
//! carries its author's signature over a statement of its context, so that the coordinator can
//! neither invent one nor move it to a different session, and a wrong share accuses its sender
//! provably. All participants know the context, so only the contribution and the signature are sent
//! and stored ([`SignedPart`]); a verifier makes the statement again.

use std::collections::BTreeMap;

use curve25519_dalek::Scalar;
use quorate_protocol::Identifier;
use quorate_protocol::sign::{Commitments, SignatureShare};
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
    part: Part<'a>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(tag = "part", rename_all = "kebab-case")]
enum Part<'a> {
    /// RFC 9591 §5.1.
    Commitments { commitments: &'a Base64 },
    /// RFC 9591 §5.2, for exactly the commitments that `package` names.
    Share { package: Digest, share: &'a Base64 },
}

/// One signer's contribution to one session, and its signature over the session's statement about
/// it.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPart {
    /// Commitments (64 bytes) or a signature share (32 bytes).
    value: Base64,
    sig: Base64,
}

#[expect(missing_docs, reason = "the names say it")]
impl SignedPart {
    pub fn value_unverified(&self) -> &[u8] {
        &self.value.0
    }
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
    fn covered(&self, signer: &AccountName, part: Part<'_>) -> Vec<u8> {
        let Self { ivn, session, epoch, subject, number } = *self;
        let statement = SigningStatement { ivn, session, epoch, subject, number, signer, part };
        // Serialising plain structs to memory cannot fail.
        let payload = serde_json::to_vec(&statement).unwrap_or_default();
        pre_authentication_encoding(PAYLOAD_TYPE, &payload)
    }

    fn verify(
        &self,
        signer: &AccountName,
        key: PublicKey,
        part: Part<'_>,
        signed: &SignedPart,
    ) -> Result<(), SigningMessageError> {
        let signature =
            signed.sig.0.as_slice().try_into().map_err(|_| SigningMessageError::Signature)?;
        if key.verifies(&self.covered(signer, part), signature) {
            Ok(())
        } else {
            Err(SigningMessageError::Signature)
        }
    }

    pub fn sign_commitments(
        &self,
        signer: &AccountName,
        key: &SecretKey,
        commitments: &Commitments,
    ) -> SignedPart {
        let value = Base64(commitments.to_bytes().to_vec());
        let covered = self.covered(signer, Part::Commitments { commitments: &value });
        SignedPart { value, sig: Base64(key.sign(&covered).to_vec()) }
    }

    /// Returns the commitments that `signer` signed for this session.
    ///
    /// # Errors
    ///
    /// Fails if `part` is not such a message. Only [`SigningMessageError::Contents`] is provably
    /// the signer's fault.
    pub fn open_commitments(
        &self,
        signer: &AccountName,
        key: PublicKey,
        signed: &SignedPart,
    ) -> Result<Commitments, SigningMessageError> {
        self.verify(signer, key, Part::Commitments { commitments: &signed.value }, signed)?;
        Commitments::from_bytes(&signed.value.0).map_err(|_| SigningMessageError::Contents)
    }

    /// Signs `share`, made for the commitments that `package` names.
    pub fn sign_share(
        &self,
        signer: &AccountName,
        key: &SecretKey,
        package: Digest,
        share: &SignatureShare,
    ) -> SignedPart {
        let value = Base64(share.to_bytes().to_vec());
        let covered = self.covered(signer, Part::Share { package, share: &value });
        SignedPart { value, sig: Base64(key.sign(&covered).to_vec()) }
    }

    /// Returns the signature share that `signer` signed for this session and `package`.
    ///
    /// # Errors
    ///
    /// Fails if `part` is not such a message. Only [`SigningMessageError::Contents`] is provably
    /// the signer's fault.
    pub fn open_share(
        &self,
        signer: &AccountName,
        key: PublicKey,
        package: Digest,
        signed: &SignedPart,
    ) -> Result<SignatureShare, SigningMessageError> {
        self.verify(signer, key, Part::Share { package, share: &signed.value }, signed)?;
        SignatureShare::from_bytes(&signed.value.0).map_err(|_| SigningMessageError::Contents)
    }

    /// The hash that identifies a set of commitments: SHA-256 over the session and each signer's
    /// identifier and commitments, by identifier. A share names the package that it was made for.
    pub fn package(&self, commitments: &BTreeMap<Identifier, Commitments>) -> Digest {
        let mut package = Encoder::new("quorate/signing-package/v1")
            .field(1, self.ivn.as_bytes())
            .field(2, self.session.as_bytes());
        for (identifier, commitments) in commitments {
            let signer = Encoder::default()
                .field(1, identifier.get().to_be_bytes())
                .field(2, commitments.to_bytes());
            package = package.nested(3, signer);
        }
        package.digest()
    }
}

/// Whether these shares add up to the scalar of the signature (RFC 9591, section 5.3). No document
/// is needed.
///
/// Otherwise a coordinator could log a signature under the names of other members, with shares from
/// a failed session or shares that make no signature.
pub(crate) fn add_up<'a>(
    shares: impl IntoIterator<Item = &'a SignatureShare>,
    signature: &[u8],
) -> bool {
    let Some((_, scalar)) = signature.split_first_chunk::<32>() else { return false };
    let mut sum = Scalar::ZERO;
    for share in shares {
        let share = Option::<Scalar>::from(Scalar::from_canonical_bytes(share.to_bytes()));
        let Some(share) = share else { return false };
        sum += share;
    }
    sum.as_bytes() == scalar
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SigningMessageError {
    /// Not signed by the signer for this IVN, session, subject, kind of message and set of
    /// commitments.
    #[error("not signed by its signer for this session")]
    Signature,
    /// Signed for this session, but its bytes are not commitments or a share.
    #[error("commitments or share are malformed")]
    Contents,
}
