//! What can be wrong with a message, and whose fault it is.

use crate::Identifier;

/// How a participant provably broke the protocol.
///
/// A fault is decided from the parameters and the messages alone. Everybody who sees the same log
/// finds the same faults. A participant that follows the protocol never has a fault, whatever the
/// others do, even if the log shows them different messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Its message is not the one encoding of a message of this protocol.
    #[error("sent a malformed message")]
    Malformed,
    /// It sent two different messages where one is allowed.
    #[error("sent two different messages for one round")]
    Equivocation,
    /// Its encryption key or ephemeral key is the identity or not canonically encoded.
    #[error("sent an invalid encryption key")]
    InvalidKey,
    /// Its polynomial does not have degree min_signers − 1.
    #[error("committed to {actual} coefficients instead of {expected}")]
    CoefficientCount {
        /// The right number: min_signers.
        expected: u16,
        /// The number that it sent.
        actual: u16,
    },
    /// It sealed more or fewer sub-shares than there are other recipients.
    #[error("sealed {actual} sub-shares instead of {expected}")]
    SubShareCount {
        /// The number of other recipients.
        expected: usize,
        /// The number that it sent.
        actual: u16,
    },
    /// A coefficient's commitment is not the canonical encoding of a point on the curve.
    #[error("committed to a coefficient with an invalid point")]
    InvalidPoint,
    /// A coefficient's commitment is the identity: the coefficient is zero.
    #[error("committed to a coefficient of zero")]
    IdentityPoint,
    /// A coefficient's commitment is outside of the group of prime order.
    #[error("committed to a coefficient with a point outside of the prime-order group")]
    Torsion,
    /// What it revealed is not what it committed to in the round before.
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
    WrongSubShare {
        /// The participant that complained.
        recipient: Identifier,
    },
    /// In a reshare: it approved, though its share would be zero. A participant that follows the
    /// protocol finds the dealer whose sub-share to it is wrong, and complains.
    #[error("approved of a share of zero")]
    ZeroShare,
    /// In a repair: a complaint showed that it sealed a summand that it had not committed to, or
    /// something that is not a summand.
    #[error("sent a wrong summand to {helper}")]
    WrongSummand {
        /// The helper that complained.
        helper: Identifier,
    },
    /// In a repair: a complaint showed that what it sealed is not the sum of the summands that it
    /// received and had accepted.
    #[error("sent a wrong sum to {recipient}")]
    WrongSum {
        /// The participant that complained: the one whose share is repaired.
        recipient: Identifier,
    },
    /// It complained with a shared point that it did not prove to be the right one.
    #[error("complained about {dealer} with an invalid proof")]
    WrongComplaint {
        /// The participant that it complained about.
        dealer: Identifier,
    },
    /// It complained about a sub-share, summand or sum that is right.
    #[error("complained about {dealer} without a reason")]
    FalseComplaint {
        /// The participant that it complained about.
        dealer: Identifier,
    },
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
