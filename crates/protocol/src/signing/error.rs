//! Why signing failed, and whose fault it is.

use std::collections::BTreeSet;

use crate::Identifier;
use crate::keys::Mismatch;

/// The bytes are not a value of the expected kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum EncodingError {
    /// They are too few or too many.
    #[error("has {actual} bytes instead of {expected}")]
    Length { expected: usize, actual: usize },
    /// A point is not canonically encoded, not on the curve, or not of prime order.
    #[error("contains an invalid point")]
    Point,
    /// A scalar is not below the group order.
    #[error("contains a scalar that is out of range")]
    Scalar,
    #[error("no signing protocol exists for this suite")]
    Suite,
}

/// Why there is no signature, or no message of a signer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("the key, the session and the signature are not of one suite that can sign")]
    OtherSuite,
    #[error("the share does not belong to the key")]
    Mismatch(#[from] Mismatch),
    #[error("the nonces were made with another share")]
    OtherNonces,
    #[error("our message of the first round is not among those of the signers")]
    NotASigner,
    #[error("the commitments in our name are not the ones for these nonces")]
    OtherCommitments,
    #[error("the signers have to be known before the first round, or only after it")]
    Signers,
    #[error("the protocol needs the message to be signed in this round")]
    NoMessage,
    #[error("a message of round {round} while the session is in round {expected}")]
    OtherRound { round: u8, expected: u8 },
    #[error("participant {from} sent a second message in this round")]
    Repeated { from: Identifier },
    /// The layer above has authenticated the message, so its sender is at fault.
    #[error("the message of participant {from} {why}")]
    Malformed { from: Identifier, why: EncodingError },
    #[error("{signers} signers are too few: the key needs {min_signers}")]
    TooFewSigners { signers: usize, min_signers: u16 },
    #[error("{} of the signers have no share of this key", strangers.len())]
    Strangers { strangers: BTreeSet<Identifier> },
    /// Some signers have not sent a signature share.
    #[error("{} signers have not sent their signature shares", missing.len())]
    MissingShares {
        /// The signers without a signature share. They are not culprits, because others may hold
        /// their shares back.
        missing: BTreeSet<Identifier>,
    },
    #[error("{} messages are of participants who do not sign in this session", unexpected.len())]
    Unexpected { unexpected: BTreeSet<Identifier> },
    #[error("{} signature shares are wrong", culprits.len())]
    WrongShares { culprits: BTreeSet<Identifier> },
    /// A message to this signer only is not what the protocol prescribes. Nobody else can tell.
    #[error("the message of participant {from} to us is wrong")]
    Refused { from: Identifier },
    #[error("participant {from} has sent us no message in this round")]
    MissingMessage { from: Identifier },
    /// Not the message that its sender has posted the digest of: the coordinator changed it.
    #[error("the message in the name of participant {from} is another than it has announced")]
    NotAnnounced { from: Identifier },
    #[error("the message to be signed is another than at the beginning of the session")]
    OtherMessage,
    /// The signature was not made from these shares.
    #[error("the signature shares do not add up to the signature")]
    OtherSignature,
    /// The signature was made from right shares, and does not verify.
    #[error("the signature is not valid for the message and the key")]
    InvalidSignature,
    /// Something that cannot fail failed, or a combined signature does not verify. A defect of this
    /// crate or of a library, never a participant's fault.
    #[error("internal error in signing")]
    Bug,
}

impl Error {
    /// The participants that provably broke the protocol: those to exclude, and no others.
    pub fn culprits(&self) -> BTreeSet<Identifier> {
        // No wildcard, so that each new variant has to decide.
        match self {
            Self::WrongShares { culprits } => culprits.clone(),
            Self::Malformed { from, .. } => BTreeSet::from([*from]),
            Self::OtherSuite
            | Self::Mismatch(_)
            | Self::OtherNonces
            | Self::NotASigner
            | Self::OtherCommitments
            | Self::Signers
            | Self::NoMessage
            | Self::OtherRound { .. }
            | Self::Repeated { .. }
            | Self::TooFewSigners { .. }
            | Self::Strangers { .. }
            | Self::MissingShares { .. }
            | Self::Unexpected { .. }
            | Self::Refused { .. }
            | Self::MissingMessage { .. }
            | Self::NotAnnounced { .. }
            | Self::OtherMessage
            | Self::OtherSignature
            | Self::InvalidSignature
            | Self::Bug => BTreeSet::new(),
        }
    }

    /// The participant whose message only this signer can see to be wrong.
    pub fn refused(&self) -> Option<Identifier> {
        match self {
            Self::Refused { from } => Some(*from),
            _ => None,
        }
    }
}
