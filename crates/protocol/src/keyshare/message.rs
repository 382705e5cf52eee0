//! The messages of a key generation and of a reshare, three in each, and their one encoding.
//!
//! Numbers are big-endian. The first byte is the round and the version in one: a later version of a
//! message gets a tag of its own. Lengths are exact and nothing may follow. `P` is the length of a
//! point: 32 bytes for Ed25519.
//!
//! ```text
//! Commit   1 · view 32 · opening 32 · encryption key 32 key generation
//! Announce 4 · view 32 · encryption key 32              reshare
//! Reveal   2 · view 32                                  key generation
//!            · ephemeral key 32
//!            · count 2 · count × coefficient P        count = min_signers
//!            · proof: point P, scalar 32
//!            · count 2 · count × sealed sub-share 48  for all other recipients, ascending
//! Deal     9 · view 32                                  as Reveal, in a reshare
//!            · ephemeral key 32 · possession: challenge 32, response 32
//!            · count 2 · count × coefficient P
//!            · proof: point P, scalar 32
//!            · count 2 · count × sealed sub-share 48
//! Verdict  3 · view 32
//!            · count 2 · count × complaint            ascending by dealer
//!              complaint: dealer 2 · shared point 32 · proof: challenge 32, response 32
//! ```
//!
//! 5 to 8 are [a repair's](crate::repair).
//!
//! A *view* is the [transcript](super::Board::transcript) of all earlier rounds. It names the
//! messages that the sender answers, so that nobody can hold a message against its sender beside
//! other messages than those. In the first round it stands for the session's parameters alone, so
//! that nobody can hold a message against its sender in a session with other parameters: of another
//! group or log, or of another kind, to which somebody gave the same name.

use std::collections::BTreeMap;

use super::parameters::Parameters;
use crate::Identifier;
use crate::secret::SCALAR_LENGTH;
use crate::session::sealing::SEALED_LENGTH;
use crate::session::{Fault, Parameters as _, Phase, after_tag, possession};
use crate::transcript::Transcript;

/// A round; its value is the tag of its messages.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Round {
    Commit = 1,
    Reveal = 2,
    Verdict = 3,
    Announce = 4,
    Deal = 9,
}

impl crate::session::Round for Round {
    const ALL: &'static [Self] =
        &[Self::Commit, Self::Announce, Self::Reveal, Self::Deal, Self::Verdict];

    fn tag(self) -> u8 {
        self as u8
    }

    fn message_name(self) -> &'static str {
        match self {
            Self::Commit => "hash commitment",
            Self::Announce => "announcement",
            Self::Reveal | Self::Deal => "commitments and sealed sub-shares",
            Self::Verdict => "verdict",
        }
    }

    fn phase(self) -> Phase {
        match self {
            Self::Commit | Self::Announce => Phase::Commit,
            Self::Reveal | Self::Deal => Phase::Reveal,
            Self::Verdict => Phase::Verdict,
        }
    }
}

impl Round {
    pub(super) fn first(parameters: &Parameters) -> Self {
        if parameters.old().is_some() { Self::Announce } else { Self::Commit }
    }

    /// The second round of a session, in which dealers deal.
    pub(super) fn second(parameters: &Parameters) -> Self {
        if parameters.old().is_some() { Self::Deal } else { Self::Reveal }
    }
}

/// Round 1: binds the dealer to its dealing before it has seen any other.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    /// See [`first_view`](crate::session::first_view).
    pub(super) view: [u8; 32],
    /// See [`Dealing::opening`].
    pub(super) opening: [u8; 32],
    /// A Ristretto255 point, made for this session only.
    pub(super) encryption_key: [u8; 32],
}

impl Commit {
    pub(super) fn encode(&self) -> Vec<u8> {
        [&[Round::Commit as u8][..], &self.view, &self.opening, &self.encryption_key].concat()
    }

    pub(super) fn decode(message: &[u8]) -> Result<Self, Fault> {
        let mut reader = after_tag(message, Round::Commit).ok_or(Fault::Malformed)?;
        let mut read = || {
            Some(Self {
                view: reader.array()?,
                opening: reader.array()?,
                encryption_key: reader.array()?,
            })
        };
        let commit = read().ok_or(Fault::Malformed)?;
        reader.end().ok_or(Fault::Malformed)?;
        Ok(commit)
    }
}

/// The values that a dealer commits to in round 1 of a key generation, and reveals in round 2.
#[derive(Clone, Debug)]
pub(super) struct Dealing {
    /// The dealer's half of the key agreement that seals its sub-shares: Ristretto255.
    pub(super) ephemeral: [u8; 32],
    /// min_signers points, the constant term first.
    pub(super) coefficients: Vec<u8>,
    /// A point and a scalar: see [`Dealer::prove`](crate::algebra::Dealer::prove).
    pub(super) proof: Vec<u8>,
}

impl Dealing {
    /// The statement of the proof of knowledge. The prover appends its commitment.
    pub(super) fn statement(
        parameters: &Parameters,
        dealer: Identifier,
        ephemeral: &[u8; 32],
        coefficients: &[u8],
    ) -> Transcript {
        Transcript::new("quorate/keyshare/v1/knowledge")
            .field(parameters.binding())
            .field(&dealer.to_bytes())
            .field(ephemeral)
            .field(coefficients)
    }

    /// The hash that is published in round 1 of a key generation. In a reshare nobody needs to be
    /// bound before seeing the others' dealings: the constant terms are fixed, a fixed key cannot
    /// be biased, and [possession](Self::possession) shows that the ephemeral key belongs to no
    /// other dealer. There the hash only stands for the dealing.
    ///
    /// The hash needs no blinding: the coefficients are uniformly random points, so nobody can
    /// guess them to compare hashes. It contains the dealer, so it cannot be copied: a dealer that
    /// publishes another's hash has nothing that opens it in its own name.
    pub(super) fn opening(&self, parameters: &Parameters, dealer: Identifier) -> [u8; 32] {
        Transcript::new("quorate/keyshare/v1/opening")
            .field(parameters.binding())
            .field(&dealer.to_bytes())
            .field(&self.ephemeral)
            .field(&self.coefficients)
            .field(&self.proof)
            .digest()
    }

    /// The statement of a proof of [possession] of the ephemeral key, in a reshare. It binds the
    /// whole dealing to session, dealer, and the messages that it answers.
    pub(super) fn possession(
        &self,
        parameters: &Parameters,
        view: &[u8; 32],
        dealer: Identifier,
    ) -> possession::Statement {
        possession::Statement {
            about: Transcript::new("quorate/keyshare/v1/possession")
                .field(parameters.binding())
                .field(view)
                .field(&dealer.to_bytes())
                .field(&self.opening(parameters, dealer)),
            nonce: "quorate/keyshare/v1/possession/nonce",
        }
    }
}

/// Round 2: the dealing, and for each other recipient its sealed sub-share. In a reshare the
/// message is called `Deal`.
#[derive(Clone, Debug)]
pub(super) struct Reveal {
    /// The transcript of round 1.
    pub(super) view: [u8; 32],
    pub(super) dealing: Dealing,
    /// Proves possession of the ephemeral key; present only in a reshare.
    pub(super) possession: Option<[u8; 64]>,
    pub(super) sealed: BTreeMap<Identifier, [u8; SEALED_LENGTH]>,
}

impl Reveal {
    pub(super) fn encode(&self, parameters: &Parameters) -> Vec<u8> {
        let Dealing { ephemeral, coefficients, proof } = &self.dealing;
        // There are fewer than 2¹⁶ identifiers.
        let recipients = self.sealed.len() as u16;
        let mut message = [
            &[Round::second(parameters) as u8][..],
            &self.view,
            ephemeral,
            self.possession.as_ref().map_or(&[], <[u8; 64]>::as_slice),
            &parameters.min_signers().to_be_bytes(),
            coefficients,
            proof,
            &recipients.to_be_bytes(),
        ]
        .concat();
        self.sealed.values().for_each(|sealed| message.extend_from_slice(sealed));
        message
    }

    pub(super) fn decode(
        message: &[u8],
        dealer: Identifier,
        parameters: &Parameters,
    ) -> Result<Self, Fault> {
        let point_length = parameters.suite().algebra().point_length();
        let min_signers = parameters.min_signers();
        let round = Round::second(parameters);
        let mut reader = after_tag(message, round).ok_or(Fault::Malformed)?;

        let view = reader.array().ok_or(Fault::Malformed)?;
        let ephemeral = reader.array().ok_or(Fault::Malformed)?;
        let possession = match round {
            Round::Deal => Some(reader.array().ok_or(Fault::Malformed)?),
            Round::Commit | Round::Announce | Round::Reveal | Round::Verdict => None,
        };
        let count = reader.number().ok_or(Fault::Malformed)?;
        if count != min_signers {
            return Err(Fault::CoefficientCount { expected: min_signers, actual: count });
        }
        let mut read = |length| reader.take(length).map(<[u8]>::to_vec).ok_or(Fault::Malformed);
        let coefficients = read(usize::from(count) * point_length)?;
        let proof = read(point_length + SCALAR_LENGTH)?;

        let count = reader.number().ok_or(Fault::Malformed)?;
        let others = || parameters.participants().iter().filter(|id| **id != dealer);
        if usize::from(count) != others().count() {
            return Err(Fault::SubShareCount { expected: others().count(), actual: count });
        }
        let mut sealed = BTreeMap::new();
        for recipient in others() {
            sealed.insert(*recipient, reader.array().ok_or(Fault::Malformed)?);
        }
        reader.end().ok_or(Fault::Malformed)?;
        let dealing = Dealing { ephemeral, coefficients, proof };
        Ok(Self { view, dealing, possession, sealed })
    }
}
