//! The four messages and their one encoding.
//!
//! Numbers are big-endian. The first byte is the round and the version in one; no message of key
//! generation or of a reshare begins with the same. Lengths are exact and nothing may follow. `P`
//! is the length of a point: 32 bytes for Ed25519; t is the key's min_signers, the number of
//! helpers.
//!
//! ```text
//! Announce 5 · view 32 · encryption key 32
//! Deal     6 · view 32
//!            · ephemeral key 32 · proof: challenge 32, response 32
//!            · t × commitment P              for all helpers, ascending
//!            · (t − 1) × sealed summand 48   for all other helpers, ascending
//! Sum      7 · view 32
//!            · count 2 · count × complaint   ascending by helper
//!            · sealed sum 48                 if there is no complaint
//! Verdict  8 · view 32
//!            · count 2 · count × complaint   ascending by helper
//!
//! complaint: helper 2 · shared point 32 · proof: challenge 32, response 32
//! ```
//!
//! A *view* is the [transcript](super::Board::transcript) of all earlier rounds. It names the
//! messages that the sender answers, and with them the helpers. In the first round it stands for
//! the session's parameters alone.

use std::collections::{BTreeMap, BTreeSet};

use super::parameters::Parameters;
use crate::Identifier;
use crate::session::complaint::{Complaint, Complaints};
use crate::session::sealing::SEALED_LENGTH;
use crate::session::{Fault, Parameters as _, Phase, after_tag, possession};
use crate::transcript::Transcript;

/// A round; its value is the tag of its messages.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Round {
    Announce = 5,
    Deal = 6,
    Sum = 7,
    Verdict = 8,
}

impl crate::session::Round for Round {
    const ALL: &'static [Self] = &[Self::Announce, Self::Deal, Self::Sum, Self::Verdict];

    fn tag(self) -> u8 {
        self as u8
    }

    fn message_name(self) -> &'static str {
        match self {
            Self::Announce => "announcement",
            Self::Deal => "commitments and sealed summands",
            Self::Sum => "sealed sum",
            Self::Verdict => "verdict",
        }
    }

    fn phase(self) -> Phase {
        match self {
            Self::Announce => Phase::Commit,
            Self::Deal => Phase::Reveal,
            Self::Sum => Phase::Sum,
            Self::Verdict => Phase::Verdict,
        }
    }
}

/// The values that a helper publishes about the summands of its share.
#[derive(Clone, Debug)]
pub(super) struct Dealing {
    /// The helper's half of the key agreements that seal its summands, and later its sum:
    /// Ristretto255.
    pub(super) ephemeral: [u8; 32],
    /// A point for each helper, ascending: see [`Table`](crate::algebra::Table).
    pub(super) commitments: Vec<u8>,
}

impl Dealing {
    /// The statement of a proof of [possession] of the ephemeral key. It binds the dealing to its
    /// helper and to the helpers that it is for.
    pub(super) fn statement(
        &self,
        parameters: &Parameters,
        view: &[u8; 32],
        helper: Identifier,
    ) -> possession::Statement {
        possession::Statement {
            about: Transcript::new("quorate/repair/v1/possession")
                .field(&self.digest(parameters, view, helper)),
            nonce: "quorate/repair/v1/possession/nonce",
        }
    }

    /// Stands for the dealing in the keys that seal its summands.
    pub(super) fn digest(
        &self,
        parameters: &Parameters,
        view: &[u8; 32],
        helper: Identifier,
    ) -> [u8; 32] {
        Transcript::new("quorate/repair/v1/dealing")
            .field(parameters.binding())
            .field(view)
            .field(&helper.to_bytes())
            .field(&self.ephemeral)
            .field(&self.commitments)
            .digest()
    }
}

/// Round 2: a helper's share, weighted and split.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    /// The transcript of round 1.
    pub(super) view: [u8; 32],
    pub(super) dealing: Dealing,
    /// Proves possession of the ephemeral key.
    pub(super) proof: [u8; 64],
    pub(super) sealed: BTreeMap<Identifier, [u8; SEALED_LENGTH]>,
}

impl Deal {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Dealing { ephemeral, commitments } = &self.dealing;
        let tag = [Round::Deal as u8];
        let mut message = [&tag[..], &self.view, ephemeral, &self.proof, commitments].concat();
        self.sealed.values().for_each(|sealed| message.extend_from_slice(sealed));
        message
    }

    pub(super) fn decode(
        message: &[u8],
        from: Identifier,
        helpers: &BTreeSet<Identifier>,
        parameters: &Parameters,
    ) -> Result<Self, Fault> {
        let read = || {
            let mut reader = after_tag(message, Round::Deal)?;
            let (view, ephemeral) = (reader.array()?, reader.array()?);
            let proof = reader.array()?;
            let length = helpers.len() * parameters.suite().algebra().point_length();
            let commitments = reader.take(length)?.to_vec();
            let mut sealed = BTreeMap::new();
            for helper in helpers.iter().filter(|helper| **helper != from) {
                sealed.insert(*helper, reader.array()?);
            }
            reader.end()?;
            Some(Self { view, dealing: Dealing { ephemeral, commitments }, proof, sealed })
        };
        read().ok_or(Fault::Malformed)
    }
}

/// Round 3: a helper's sum for the recipient, or complaints about wrong summands.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    /// The transcript of rounds 1 and 2.
    pub(super) view: [u8; 32],
    pub(super) answer: Result<[u8; SEALED_LENGTH], Complaints>,
}

impl Sum {
    pub(super) fn encode(&self) -> Vec<u8> {
        let answer = match &self.answer {
            Ok(sealed) => [&Complaint::encode_all(&Complaints::new())[..], sealed].concat(),
            Err(complaints) => Complaint::encode_all(complaints),
        };
        [&[Round::Sum as u8][..], &self.view, &answer].concat()
    }

    /// Complaints about oneself, about a participant that did not deal, or not in ascending order
    /// are malformed.
    pub(super) fn decode(
        message: &[u8],
        from: Identifier,
        helpers: &BTreeSet<Identifier>,
    ) -> Result<Self, Fault> {
        let read = || {
            let mut reader = after_tag(message, Round::Sum)?;
            let view = reader.array()?;
            let deals = |id| id != from && helpers.contains(&id);
            let complaints = Complaint::decode_all(&mut reader, deals)?;
            let answer = if complaints.is_empty() { Ok(reader.array()?) } else { Err(complaints) };
            reader.end()?;
            Some(Self { view, answer })
        };
        read().ok_or(Fault::Malformed)
    }
}
