//! A signing session with FROST: what the board contains, and what one signer keeps to itself.

use std::collections::BTreeMap;

use rand_core::CryptoRngCore;

use super::message::{Commitments, SignatureShare};
use super::{Nonces, add_up, aggregate, commit, sign, verify_share};
use crate::Identifier;
use crate::keys::{KeyPackage, PublicKeyPackage};
use crate::signing::error::{EncodingError, Error};
use crate::signing::signature::Signature;

/// The decoded messages of a session.
#[derive(Clone, Debug, Default)]
pub(in crate::signing) struct Contents {
    commitments: BTreeMap<Identifier, Commitments>,
    shares: BTreeMap<Identifier, SignatureShare>,
}

impl Contents {
    pub(in crate::signing) fn post(
        &mut self,
        round: u8,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), EncodingError> {
        if round == 1 {
            self.commitments.insert(from, Commitments::from_bytes(message)?);
        } else {
            self.shares.insert(from, SignatureShare::from_bytes(message)?);
        }
        Ok(())
    }

    pub(in crate::signing) fn verify_share(
        &self,
        public: &PublicKeyPackage,
        from: Identifier,
        share: &[u8],
        message: &[u8],
    ) -> Result<(), Error> {
        let share = SignatureShare::from_bytes(share);
        let share = share.map_err(|why| Error::Malformed { from, why })?;
        verify_share(public, &self.commitments, from, &share, message)
    }

    pub(in crate::signing) fn combine(
        &self,
        public: &PublicKeyPackage,
        message: &[u8],
    ) -> Result<Signature, Error> {
        aggregate(public, &self.commitments, &self.shares, message)
    }

    pub(in crate::signing) fn is_of(&self, signature: &[u8]) -> bool {
        add_up(self.shares.values(), signature)
    }
}

/// Round 1.
pub(in crate::signing) fn start(
    key: &KeyPackage,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Nonces, Vec<u8>), Error> {
    let (nonces, commitments) = commit(key, rng)?;
    Ok((nonces, commitments.to_bytes().to_vec()))
}

/// Round 2, which uses the nonces up.
pub(in crate::signing) fn share(
    nonces: Nonces,
    key: &KeyPackage,
    public: &PublicKeyPackage,
    contents: &Contents,
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    Ok(sign(nonces, key, public, &contents.commitments, message)?.to_bytes().to_vec())
}
