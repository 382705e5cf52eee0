//! Why signing failed, and whose fault it is.

use std::collections::BTreeSet;

use crate::Identifier;
use crate::keys::Mismatch;

/// Why there is no signature, or signature share.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("the key's suite does not sign with FROST")]
    OtherSuite,
    #[error("the share does not belong to the key")]
    Mismatch(#[from] Mismatch),
    #[error("the nonces were made with another share")]
    OtherNonces,
    #[error("our commitments are not among those of the signers")]
    NotASigner,
    #[error("the commitments in our name are not the ones for these nonces")]
    OtherCommitments,
    #[error("{signers} signers are too few: the key needs {min_signers}")]
    TooFewSigners { signers: usize, min_signers: u16 },
    #[error("{} of the signers have no share of this key", strangers.len())]
    Strangers { strangers: BTreeSet<Identifier> },
    /// Some signers that committed have not sent a share.
    #[error("{} signers have not sent their signature shares", missing.len())]
    MissingShares {
        /// The signers without a signature share. They are not culprits, because others may hold
        /// their shares back.
        missing: BTreeSet<Identifier>,
    },
    #[error("{} signature shares are of participants who did not commit", unexpected.len())]
    UnexpectedShares { unexpected: BTreeSet<Identifier> },
    #[error("{} signature shares are wrong", culprits.len())]
    WrongShares { culprits: BTreeSet<Identifier> },
    /// Something that cannot fail failed, or an aggregated signature does not verify. A defect of
    /// this crate or of a library, never a participant's fault.
    #[error("internal error in signing")]
    Bug,
}

impl Error {
    /// The participants that provably broke the protocol: those to exclude, and no others.
    pub fn culprits(&self) -> BTreeSet<Identifier> {
        // No wildcard, so that each new variant has to decide.
        match self {
            Self::WrongShares { culprits } => culprits.clone(),
            Self::OtherSuite
            | Self::Mismatch(_)
            | Self::OtherNonces
            | Self::NotASigner
            | Self::OtherCommitments
            | Self::TooFewSigners { .. }
            | Self::Strangers { .. }
            | Self::MissingShares { .. }
            | Self::UnexpectedShares { .. }
            | Self::Bug => BTreeSet::new(),
        }
    }
}
