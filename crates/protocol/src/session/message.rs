//! The messages that all ceremonies have: encryption keys and verdicts.

use super::Fault;
use super::complaint::{Complaint, Complaints};
use super::phase::{Round, after_tag};
use crate::Identifier;

/// Publishes the key that values are sealed to.
#[derive(Clone, Debug)]
pub(crate) struct Announce {
    /// See [`first_view`](super::first_view).
    pub(crate) view: [u8; 32],
    /// A Ristretto255 point, made for this session only.
    pub(crate) encryption_key: [u8; 32],
}

impl Announce {
    pub(crate) fn encode(&self, round: impl Round) -> Vec<u8> {
        [&[round.tag()][..], &self.view, &self.encryption_key].concat()
    }

    pub(crate) fn decode(message: &[u8], round: impl Round) -> Result<Self, Fault> {
        let read = || {
            let mut reader = after_tag(message, round)?;
            let announce = Self { view: reader.array()?, encryption_key: reader.array()? };
            reader.end().map(|()| announce)
        };
        read().ok_or(Fault::Malformed)
    }
}

/// Approves of everything that was dealt or sent, or complains about some of it.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// The transcript of all rounds before.
    pub(crate) view: [u8; 32],
    pub(crate) complaints: Complaints,
}

impl Verdict {
    pub(crate) fn encode(&self, round: impl Round) -> Vec<u8> {
        [&[round.tag()][..], &self.view, &Complaint::encode_all(&self.complaints)].concat()
    }

    /// Complaints about a participant that is not admissible, or not in ascending order, are
    /// malformed.
    pub(crate) fn decode(
        message: &[u8],
        round: impl Round,
        admissible: impl Fn(Identifier) -> bool,
    ) -> Result<Self, Fault> {
        let read = || {
            let mut reader = after_tag(message, round)?;
            let view = reader.array()?;
            let complaints = Complaint::decode_all(&mut reader, admissible)?;
            reader.end()?;
            Some(Self { view, complaints })
        };
        read().ok_or(Fault::Malformed)
    }
}
