//! Why a message is not taken, or a run cannot continue.

use std::collections::BTreeSet;

use super::phase::Phase;
use crate::Identifier;

/// Why a message was not taken, or why a run cannot continue.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("{0} does not take part in this session")]
    Stranger(Identifier),
    /// The message belongs to another round than the current one.
    ///
    /// Nobody is blamed, because the party that orders the log may have misplaced the message.
    #[error("a message of {from} came out of order, while the session was in phase {phase}")]
    OutOfOrder { from: Identifier, phase: Phase },
    /// The message names [other messages](super::Board::transcript) of the earlier rounds than
    /// those that count here.
    ///
    /// Nobody is blamed, because the party that orders the log may have shown the sender another
    /// log. The message does not count, whatever else it contains.
    #[error("a message of {from} answers other messages than the ones in this log")]
    OtherView { from: Identifier },
    #[error("the session has ended")]
    Ended,
    /// The session failed. [`Board::faults`](super::Board::faults) contains the reasons.
    #[error("the session failed through the fault of {} participants", culprits.len())]
    Failed {
        /// The participants that provably broke the protocol. Empty only in two cases: in a key
        /// generation whose key or one of whose shares would have been zero, which takes all
        /// participants together, and in a repair if the shares of the key are not shares of one
        /// key.
        culprits: BTreeSet<Identifier>,
    },
    /// The board belongs to another session than the run, or lacks messages that the run saw.
    #[error("the board does not belong to this run")]
    OtherBoard,
    /// The log contains a message in our name that this run did not send: it came from a copy of
    /// this participant, or from someone who has its keys.
    #[error("somebody else sent a message in our name")]
    Impersonated,
    /// The key package given for a reshare is not a share of the key that is reshared, or not this
    /// participant's share.
    #[error("the old share is not a share of the key that is reshared")]
    OldShare,
    /// The key package given to help in a repair is not this participant's share of the key: it
    /// belongs to another key or epoch, or to another participant.
    #[error("the key package is not this participant's share of the key")]
    OtherShare,
    /// Something that cannot fail failed. A defect of this crate, never a participant's fault.
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
