//! What can be wrong with a message, and whose fault it is.

use std::collections::BTreeSet;

use super::Phase;
use crate::Identifier;

/// How a participant provably broke the protocol.
///
/// A fault is decided from the parameters and the messages alone. Everybody who sees the
/// same log finds the same faults, and a participant that follows the protocol never has
/// one, whatever the others do, and even if the log shows them different messages.
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
    /// Its polynomial has another degree than min_signers − 1.
    #[error("committed to {actual} coefficients instead of {expected}")]
    CoefficientCount {
        /// min_signers.
        expected: u16,
        /// What it sent.
        actual: u16,
    },
    /// It sealed more or fewer sub-shares than there are others who get one.
    #[error("sealed {actual} sub-shares instead of {expected}")]
    SubShareCount {
        /// How many others get one.
        expected: usize,
        /// What it sent.
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
    /// It did not prove that it knows the constant term of its polynomial; in a reshare or repair, the secret of its
    /// ephemeral key.
    #[error("sent an invalid proof of knowledge")]
    WrongProof,
    /// In a reshare: the constant term of its polynomial is not its share of the old key.
    #[error("dealt another value than its share")]
    WrongConstant,
    /// In a repair: a summand's commitment is the identity, or not the canonical encoding of a point on the curve.
    #[error("committed to a summand with an invalid point")]
    InvalidSummand,
    /// In a repair: what it committed to does not add up to its share, weighted.
    #[error("split another value than its share")]
    WrongSummands,
    /// A complaint showed that it sealed a sub-share that is not on its polynomial, or
    /// something that is no sub-share.
    #[error("sent a wrong sub-share to {recipient}")]
    WrongSubShare {
        /// Who complained.
        recipient: Identifier,
    },
    /// In a reshare: it approved, though its share would be zero. One that follows the protocol finds the dealer
    /// whose sub-share to it is wrong, and complains.
    #[error("approved of a share of zero")]
    ZeroShare,
    /// In a repair: a complaint showed that it sealed a summand that it had not committed to, or something that is none.
    #[error("sent a wrong summand to {helper}")]
    WrongSummand {
        /// Who complained.
        helper: Identifier,
    },
    /// In a repair: a complaint showed that what it sealed is not the sum of the summands that it got and had accepted.
    #[error("sent a wrong sum to {recipient}")]
    WrongSum {
        /// Who complained: the one whose share is repaired.
        recipient: Identifier,
    },
    /// It complained with a shared point that it did not prove to be the right one.
    #[error("complained about {dealer} with an invalid proof")]
    WrongComplaint {
        /// About whom it complained.
        dealer: Identifier,
    },
    /// It complained about a sub-share, summand or sum that is right.
    #[error("complained about {dealer} without a reason")]
    FalseComplaint {
        /// About whom it complained.
        dealer: Identifier,
    },
}

impl Fault {
    /// Whom it was done to, or who was wrongly accused, where it was one participant.
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

/// Why a message was not taken, or why a run can't go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sender is not one of the participants.
    #[error("{0} does not take part in this session")]
    Stranger(Identifier),
    /// The message belongs to another round than the current one.
    ///
    /// Nobody is blamed: whoever orders the log may have misplaced it.
    #[error("a message of {from} came out of order, while the session was in phase {phase}")]
    OutOfOrder {
        /// Its sender.
        from: Identifier,
        /// Where the session is.
        phase: Phase,
    },
    /// The message names [other messages](super::Board::transcript) of the rounds before
    /// than those that count here.
    ///
    /// Nobody is blamed: whoever orders the log may have shown its sender another log. It
    /// does not count, whatever else is in it.
    #[error("a message of {from} answers other messages than the ones in this log")]
    OtherView {
        /// Its sender.
        from: Identifier,
    },
    /// The session is over, and takes no new messages.
    #[error("the session has ended")]
    Ended,
    /// The session failed. [`Board::faults`](super::Board::faults) has the reasons.
    #[error("the session failed through the fault of {} participants", culprits.len())]
    Failed {
        /// Who provably broke the protocol. Empty only in a key generation whose key or one
        /// of whose shares would have been zero, which takes all participants together, or in a repair if the shares of
        /// the key are not shares of one key.
        culprits: BTreeSet<Identifier>,
    },
    /// The board is of another session than the run, or lacks messages that the run saw.
    #[error("the board does not belong to this run")]
    OtherBoard,
    /// The log holds a message in our name that this run did not send: from a copy of
    /// this participant, or from someone who has its keys.
    #[error("somebody else sent a message in our name")]
    Impersonated,
    /// The key package that was given for a reshare is not one of the key that is reshared, or not this participant's.
    #[error("the old share is not a share of the key that is reshared")]
    OldShare,
    /// The key package that was given to help in a repair is not this participant's share of the key: it is of another
    /// key or epoch, or somebody else's.
    #[error("the key package is not this participant's share of the key")]
    OtherShare,
    /// Something that can't fail failed. A defect of this crate, never a participant's fault.
    #[error("internal error in the keyshare engine")]
    Bug,
}

impl Error {
    /// The participants that provably broke the protocol: those to exclude, and no others.
    pub fn culprits(&self) -> BTreeSet<Identifier> {
        // No wildcard, so that each new variant has to decide.
        match self {
            Self::Failed { culprits } => culprits.clone(),
            Self::Stranger(_)
            | Self::OutOfOrder { .. }
            | Self::OtherView { .. }
            | Self::Ended
            | Self::OtherBoard
            | Self::Impersonated
            | Self::OldShare
            | Self::OtherShare
            | Self::Bug => BTreeSet::new(),
        }
    }
}
