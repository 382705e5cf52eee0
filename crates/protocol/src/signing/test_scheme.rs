//! A protocol that needs everything that FROST does not: three rounds, the first of which is
//! addressed to each signer, and signers and message that are fixed before it.
//!
//! It is no protection of the key: its shares *are* the signing shares, and its "signature" is the
//! secret key, and a hash of the message. Each pair of signers agrees on a pad in the first round.
//! The pads cancel out in the sum of all shares, as the zero shares of threshold ECDSA do.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::{EncodingError, Error};
use super::secrets::{Addressed, Message, Next, Opening, Secrets, Turn};
use super::signature::Signature;
use crate::algebra::Weights;
use crate::keys::{KeyPackage, PublicKeyPackage, VerifyingKey};
use crate::secret::SecretScalar;
use crate::{Identifier, Suite};

const PAD: usize = 32;

type Pad = Zeroizing<[u8; PAD]>;

pub(super) struct Pads {
    has_committed: bool,
    hash: [u8; 32],
    sent: BTreeMap<Identifier, Pad>,
    received: BTreeMap<Identifier, Pad>,
}

pub(super) fn start(
    key: &KeyPackage,
    opening: &Opening<'_>,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Pads, Addressed), Error> {
    let (signers, message) = (opening.signers.unwrap(), opening.message.unwrap());
    let mut sent = BTreeMap::new();
    for other in signers.iter().filter(|other| **other != key.identifier()) {
        let mut pad = Pad::default();
        rng.fill_bytes(pad.as_mut());
        sent.insert(*other, pad);
    }
    let messages = sent.iter().map(|(to, pad)| (*to, pad.to_vec())).collect();
    let hash = Sha256::digest(message).into();
    let received = BTreeMap::new();
    Ok((Pads { has_committed: false, hash, sent, received }, messages))
}

fn xor(into: &mut [u8], pad: &[u8]) {
    into.iter_mut().zip(pad).for_each(|(a, b)| *a ^= b);
}

impl Pads {
    /// A pad that cancels out in the sum of all signers', the hash of the message, and the share.
    fn share(&self, key: &KeyPackage) -> Vec<u8> {
        let mut mine = [0; PAD];
        self.sent.values().chain(self.received.values()).for_each(|pad| xor(&mut mine, &**pad));
        [mine, self.hash, *key.signing_share().expose()].concat()
    }
}

impl Secrets for Pads {
    fn receive(&mut self, from: Identifier, message: &[u8]) -> Result<(), Error> {
        if !self.sent.contains_key(&from) {
            return Err(Error::Unexpected { unexpected: BTreeSet::from([from]) });
        }
        let pad = exactly(message).map_err(|why| Error::Malformed { from, why })?;
        self.received.insert(from, Zeroizing::new(pad));
        Ok(())
    }

    fn advance(
        mut self: Box<Self>,
        turn: &Turn<'_>,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Next, Error> {
        if !self.received.keys().eq(self.sent.keys()) {
            return Err(Error::NotASigner);
        }
        let share = self.share(turn.key);
        if !self.has_committed {
            self.has_committed = true;
            let commitment = Sha256::digest(share).to_vec();
            return Ok(Next::Send(self, Message::ToAll(commitment)));
        }
        Ok(Next::Share(share))
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    commitments: BTreeMap<Identifier, [u8; 32]>,
    shares: BTreeMap<Identifier, [u8; 96]>,
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], EncodingError> {
    bytes.try_into().map_err(|_| EncodingError::Length { expected: N, actual: bytes.len() })
}

impl Contents {
    pub(super) fn post(
        &mut self,
        round: u8,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), EncodingError> {
        if round == 2 {
            self.commitments.insert(from, exactly(message)?);
        } else {
            self.shares.insert(from, exactly(message)?);
        }
        Ok(())
    }

    pub(super) fn verify_share(
        &self,
        public: &PublicKeyPackage,
        from: Identifier,
        share: &[u8],
    ) -> Result<(), Error> {
        let share: [u8; 96] = exactly(share).map_err(|why| Error::Malformed { from, why })?;
        let secret = SecretScalar::copy_of(share[64..].try_into().unwrap());
        let theirs = public.suite().algebra().public_key(&secret);
        let is_right = self.commitments.get(&from) == Some(&Sha256::digest(share).into())
            && theirs.as_deref() == public.verifying_share(from).map(|share| share.as_bytes());
        let culprits = BTreeSet::from([from]);
        is_right.then_some(()).ok_or(Error::WrongShares { culprits })
    }

    /// The signature, if the pads cancel out.
    fn sum(&self, suite: Suite) -> Option<Vec<u8>> {
        let (mut pads, mut terms) = ([0; PAD], Vec::new());
        for (from, share) in &self.shares {
            xor(&mut pads, &share[..PAD]);
            terms.push((*from, SecretScalar::copy_of(share[64..].try_into().unwrap())));
        }
        let hash = &self.shares.values().next()?[32..64];
        let secret = suite.algebra().sum(&terms, Weights::Lagrange)?;
        (pads == [0; PAD]).then(|| [secret.expose(), hash].concat())
    }

    pub(super) fn is_of(&self, signature: &[u8]) -> bool {
        self.sum(Suite::TestP256).is_some_and(|sum| sum == signature)
    }

    pub(super) fn combine(
        &self,
        public: &PublicKeyPackage,
        message: &[u8],
    ) -> Result<Signature, Error> {
        let signature = self.sum(public.suite()).ok_or(Error::OtherSignature)?;
        if !verifies(public.verifying_key(), message, &signature) {
            return Err(Error::InvalidSignature);
        }
        Signature::from_bytes(public.suite(), &signature).map_err(|_| Error::Bug)
    }
}

pub(super) fn check_signature_encoding(bytes: &[u8]) -> Result<(), EncodingError> {
    exactly::<64>(bytes).map(drop)
}

pub(super) fn verifies(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    let secret = SecretScalar::copy_of(signature[..32].try_into().unwrap());
    let public = key.suite().algebra().public_key(&secret);
    public.as_deref() == Some(key.as_bytes()) && signature[32..] == Sha256::digest(message)[..]
}
