//! The messages of a session that everyone receives: the first and the last.

use std::collections::{BTreeMap, BTreeSet};

use super::EcdsaCurve;
use super::signature::{PIECE, Share, add_up, pieces};
use crate::Identifier;
use crate::keys::PublicKeyPackage;
use crate::session::sealing::PublicKey;
use crate::signing::error::{EncodingError, Error};
use crate::signing::signature::{Signature, verify};

/// The first message: the key to which others seal their messages (32 bytes, Ristretto255), and for
/// each other signer, in the order of identifiers, a commitment to a seed (32 bytes).
#[derive(Clone, Debug)]
pub(super) struct Greeting {
    pub(super) key: PublicKey,
    pub(super) commitments: BTreeMap<Identifier, [u8; PIECE]>,
}

/// The decoded messages of a session.
#[derive(Clone, Debug)]
pub(in crate::signing) struct Contents {
    curve: EcdsaCurve,
    signers: BTreeSet<Identifier>,
    pub(super) greetings: BTreeMap<Identifier, Greeting>,
    shares: BTreeMap<Identifier, Share>,
}

impl Contents {
    pub(in crate::signing) fn new(curve: EcdsaCurve, signers: BTreeSet<Identifier>) -> Self {
        Self { curve, signers, greetings: BTreeMap::new(), shares: BTreeMap::new() }
    }

    pub(in crate::signing) fn post(
        &mut self,
        round: u8,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), EncodingError> {
        if round == 1 {
            let mut pieces = pieces(message, self.signers.len())?.into_iter();
            let key = pieces.next().and_then(PublicKey::from_bytes).ok_or(EncodingError::Point)?;
            let others = self.signers.iter().copied().filter(|other| *other != from);
            let commitments = others.zip(pieces).collect();
            self.greetings.insert(from, Greeting { key, commitments });
        } else {
            self.shares.insert(from, Share::from_bytes(message)?);
        }
        Ok(())
    }

    /// A share alone is as good as any other: only all together are a signature or none.
    pub(in crate::signing) fn verify_share(
        &self,
        from: Identifier,
        share: &[u8],
    ) -> Result<(), Error> {
        if !self.signers.contains(&from) {
            return Err(Error::Unexpected { unexpected: BTreeSet::from([from]) });
        }
        Share::from_bytes(share).map(drop).map_err(|why| Error::Malformed { from, why })
    }

    pub(in crate::signing) fn combine(
        &self,
        public: &PublicKeyPackage,
        message: &[u8],
    ) -> Result<Signature, Error> {
        let missing: BTreeSet<Identifier> =
            self.signers.iter().copied().filter(|it| !self.shares.contains_key(it)).collect();
        if !missing.is_empty() {
            return Err(Error::MissingShares { missing });
        }
        let sum = add_up(self.curve, self.shares.values()).ok_or(Error::InvalidSignature)?;
        let signature =
            Signature::from_bytes(public.suite(), &sum).map_err(|_| Error::InvalidSignature)?;
        verify(public.verifying_key(), message, &signature).map_err(|_| Error::InvalidSignature)?;
        Ok(signature)
    }

    pub(in crate::signing) fn is_of(&self, signature: &[u8]) -> bool {
        add_up(self.curve, self.shares.values()).is_some_and(|sum| sum == signature)
    }
}
