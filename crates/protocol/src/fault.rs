//! What can be wrong with a message, and whose fault it is.

use crate::Identifier;

/// How a participant provably broke the protocol.
///
/// A fault is decided from the parameters and the messages alone. Everybody who sees the same log
/// finds the same faults. A participant that follows the protocol never has a fault, whatever the
/// others do, even if the log shows them different messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Fault {
    /// Its message is not the one encoding of a message of this protocol.
    #[error("sent a malformed message")]
    Malformed,
    #[error("sent two different messages for one round")]
    Equivocation,
    /// Its encryption key or ephemeral key is the identity or not canonically encoded.
    #[error("sent an invalid encryption key")]
    InvalidKey,
    /// Its polynomial does not have degree min_signers − 1.
    #[error("committed to {actual} coefficients instead of {expected}")]
    CoefficientCount { expected: u16, actual: u16 },
    #[error("sealed {actual} sub-shares instead of {expected}")]
    SubShareCount { expected: usize, actual: u16 },
    /// A coefficient's commitment is not the canonical encoding of a point on the curve.
    #[error("committed to a coefficient with an invalid point")]
    InvalidPoint,
    #[error("committed to a coefficient of zero")]
    IdentityPoint,
    #[error("committed to a coefficient with a point outside of the prime-order group")]
    Torsion,
    #[error("revealed something else than it had committed to")]
    WrongOpening,
    /// It did not prove that it knows the constant term of its polynomial; in a reshare or repair,
    /// the secret of its ephemeral key.
    #[error("sent an invalid proof of knowledge")]
    WrongProof,
    /// In a reshare: the constant term of its polynomial is not its share of the old key.
    #[error("dealt another value than its share")]
    WrongConstant,
    /// In a repair: a summand's commitment is the identity, or not the canonical encoding of a
    /// point on the curve.
    #[error("committed to a summand with an invalid point")]
    InvalidSummand,
    /// In a repair: the points that it committed to do not add up to its weighted share.
    #[error("split another value than its share")]
    WrongSummands,
    /// A complaint showed that it sealed a sub-share that is not on its polynomial, or something
    /// that is no sub-share.
    #[error("sent a wrong sub-share to {recipient}")]
    WrongSubShare { recipient: Identifier },
    /// In a reshare: it approved, though its share would be zero. A participant that follows the
    /// protocol finds the dealer whose sub-share to it is wrong, and complains.
    #[error("approved of a share of zero")]
    ZeroShare,
    /// In a repair: a complaint showed that it sealed a summand that it had not committed to, or
    /// something that is not a summand.
    #[error("sent a wrong summand to {helper}")]
    WrongSummand { helper: Identifier },
    /// In a repair: a complaint showed that what it sealed is not the sum of the summands that it
    /// received and had accepted.
    #[error("sent a wrong sum to {recipient}")]
    WrongSum { recipient: Identifier },
    #[error("complained about {dealer} with an invalid proof")]
    WrongComplaint { dealer: Identifier },
    #[error("complained about {dealer} without a reason")]
    FalseComplaint { dealer: Identifier },
}

impl Fault {
    /// The participant that the fault harmed or wrongly accused, if it was a single one.
    pub fn against(&self) -> Option<Identifier> {
        match self {
            Self::WrongSubShare { recipient: other }
            | Self::WrongSummand { helper: other }
            | Self::WrongSum { recipient: other }
            | Self::WrongComplaint { dealer: other }
            | Self::FalseComplaint { dealer: other } => Some(*other),
            Self::Malformed
            | Self::Equivocation
            | Self::InvalidKey
            | Self::CoefficientCount { .. }
            | Self::SubShareCount { .. }
            | Self::InvalidPoint
            | Self::IdentityPoint
            | Self::Torsion
            | Self::WrongOpening
            | Self::WrongProof
            | Self::WrongConstant
            | Self::ZeroShare
            | Self::InvalidSummand
            | Self::WrongSummands => None,
        }
    }
}
