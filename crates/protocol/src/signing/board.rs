//! The public half of a session: the signers' messages, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};

use super::contents::Contents;
use super::error::{EncodingError, Error};
use super::plan::{Delivery, Plan, Signers};
use super::secrets::{DIGEST, digest};
use super::signature::{Signature, verify};
use crate::keys::PublicKeyPackage;
use crate::{Identifier, Suite};

/// The messages that the signers of a session have sent, round by round.
///
/// It contains nothing secret. Signers, coordinator and auditors compute it from the same messages
/// and reach the same result. With all shares it is the evidence of who made the signature.
///
/// The caller has authenticated every message, each together with the session, the round and all
/// messages of the rounds before. Only then is a wrong message its sender's fault.
#[derive(Clone, Debug)]
pub struct Board {
    suite: Suite,
    plan: &'static Plan,
    signers: Option<BTreeSet<Identifier>>,
    /// The last one is of the present round.
    rounds: Vec<Messages>,
    contents: Contents,
}

/// The messages of one round, by sender.
pub type Messages = BTreeMap<Identifier, Vec<u8>>;

impl Board {
    /// Begins a session in round 1. `signers` are needed exactly if the suite's [`Plan`] fixes them
    /// before the first round.
    ///
    /// # Errors
    ///
    /// [`Error::OtherSuite`] if the suite has no signing protocol, and [`Error::Signers`].
    pub fn new(suite: Suite, signers: Option<BTreeSet<Identifier>>) -> Result<Self, Error> {
        let scheme = suite.signing().ok_or(Error::OtherSuite)?;
        let (plan, contents) = (scheme.plan(), Contents::of(scheme, signers.as_ref()));
        if signers.is_some() != (plan.signers == Signers::BeforeFirstRound) {
            return Err(Error::Signers);
        }
        Ok(Self { suite, plan, signers, rounds: vec![Messages::new()], contents })
    }

    /// The course of the session.
    pub fn plan(&self) -> &'static Plan {
        self.plan
    }

    /// The round whose messages are being collected. It stays the last one at the end.
    pub fn round(&self) -> u8 {
        u8::try_from(self.rounds.len()).unwrap_or(u8::MAX)
    }

    /// The signers, once they are fixed.
    pub fn signers(&self) -> Option<&BTreeSet<Identifier>> {
        self.signers.as_ref()
    }

    /// The messages of all rounds so far. The last round may be incomplete.
    pub fn rounds(&self) -> &[Messages] {
        &self.rounds
    }

    /// Whether all signers have sent all their messages.
    pub fn is_complete(&self) -> bool {
        self.round() == self.plan.last() && self.has_round()
    }

    /// Whether all signers have sent their messages of the present round.
    fn has_round(&self) -> bool {
        let sent = self.rounds.last().map_or(0, BTreeMap::len);
        self.signers.as_ref().is_some_and(|signers| sent == signers.len())
    }

    fn go_on(&mut self) {
        if self.has_round() && self.round() < self.plan.last() {
            self.rounds.push(Messages::new());
        }
    }

    /// Adds a signer's message of the present round. The next round begins with the last one.
    ///
    /// In a round whose messages go [to each](Delivery::ToEach) signer, their digests are posted.
    ///
    /// A signature share is only decoded: see [`verify_share`](Self::verify_share).
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if its sender is at fault. Other errors blame nobody: the message is of
    /// another round, is not the first one in this round, or is not of a signer. The board stays as
    /// it was.
    pub fn post(&mut self, round: u8, from: Identifier, message: &[u8]) -> Result<(), Error> {
        let expected = self.round();
        if round != expected {
            return Err(Error::OtherRound { round, expected });
        }
        if self.signers.as_ref().is_some_and(|signers| !signers.contains(&from)) {
            return Err(Error::Unexpected { unexpected: BTreeSet::from([from]) });
        }
        if self.rounds.last().is_some_and(|sent| sent.contains_key(&from)) {
            return Err(Error::Repeated { from });
        }
        let posted = match self.plan.delivery(round) {
            Some(Delivery::ToEach) => self.check_digests(message),
            _ => self.contents.post(round, from, message),
        };
        posted.map_err(|why| Error::Malformed { from, why })?;
        if let Some(sent) = self.rounds.last_mut() {
            sent.insert(from, message.to_vec());
        }
        self.go_on();
        Ok(())
    }

    fn check_digests(&self, digests: &[u8]) -> Result<(), EncodingError> {
        let others = self.signers.as_ref().map_or(0, BTreeSet::len).saturating_sub(1);
        let (expected, actual) = (others.saturating_mul(DIGEST), digests.len());
        (expected == actual).then_some(()).ok_or(EncodingError::Length { expected, actual })
    }

    /// Whether a signer has posted the digest of this sealed message, in a round whose messages go
    /// [to each](Delivery::ToEach) signer.
    pub fn is_announced(
        &self,
        round: u8,
        (from, to): (Identifier, Identifier),
        sealed: &[u8],
    ) -> bool {
        let is_addressed = self.plan.delivery(round) == Some(Delivery::ToEach);
        let announced = || {
            let digests = self.rounds.get(usize::from(round).checked_sub(1)?)?.get(&from)?;
            let mut others = self.signers.as_ref()?.iter().filter(|signer| **signer != from);
            digests.chunks_exact(DIGEST).nth(others.position(|signer| *signer == to)?)
        };
        is_addressed && announced().is_some_and(|announced| announced == digest(sealed))
    }

    /// Fixes the signers after the first round: those whose messages are here. Has no effect if
    /// they are fixed.
    pub fn fix_signers(&mut self) {
        if self.signers.is_none() {
            self.signers = self.rounds.first().map(|sent| sent.keys().copied().collect());
            self.go_on();
        }
    }

    /// Checks one signature share, before it is posted or after.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] and [`Error::WrongShares`] blame its sender. [`Error::Unexpected`] if
    /// the sender is not a signer. A protocol whose shares can be judged only together reports
    /// nothing here.
    pub fn verify_share(
        &self,
        public: &PublicKeyPackage,
        from: Identifier,
        share: &[u8],
        message: &[u8],
    ) -> Result<(), Error> {
        self.contents.verify_share(public, from, share, message)
    }

    /// Makes the signature from all shares, and verifies it.
    ///
    /// If the signature is right, the shares have not been checked one by one: two wrong ones may
    /// have cancelled out. Where each share is evidence, [`verify_share`](Self::verify_share) them.
    ///
    /// # Errors
    ///
    /// [`Error::WrongShares`] names all signers whose shares are wrong, if any are. Needs the share
    /// of every signer.
    pub fn combine(&self, public: &PublicKeyPackage, message: &[u8]) -> Result<Signature, Error> {
        self.contents.combine(public, message)
    }

    /// Checks that these messages made this signature.
    ///
    /// Without the message that was signed, it checks only that the shares add up to the signature.
    /// With it, it checks each share, and verifies the signature.
    ///
    /// # Errors
    ///
    /// [`Error::OtherSignature`], [`Error::WrongShares`] with all culprits, or
    /// [`Error::InvalidSignature`].
    pub fn check(
        &self,
        public: &PublicKeyPackage,
        message: Option<&[u8]>,
        signature: &[u8],
    ) -> Result<(), Error> {
        if !self.is_complete() || !self.contents.is_of(signature) {
            return Err(Error::OtherSignature);
        }
        let Some(message) = message else { return Ok(()) };
        let mut culprits = BTreeSet::new();
        for (from, share) in self.rounds.last().into_iter().flatten() {
            match self.verify_share(public, *from, share, message) {
                Ok(()) => {}
                Err(Error::WrongShares { .. }) => drop(culprits.insert(*from)),
                Err(error) => return Err(error),
            }
        }
        if !culprits.is_empty() {
            return Err(Error::WrongShares { culprits });
        }
        let signature = Signature::from_bytes(self.suite, signature);
        let verified = signature.map(|it| verify(public.verifying_key(), message, &it));
        if matches!(verified, Ok(Ok(()))) { Ok(()) } else { Err(Error::InvalidSignature) }
    }

    pub(super) fn contents(&self) -> &Contents {
        &self.contents
    }
}
