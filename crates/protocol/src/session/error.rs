//! Why a message is not taken, or a run cannot go on.

use std::collections::BTreeSet;

use super::phase::Phase;
use crate::Identifier;

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
