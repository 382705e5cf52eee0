//! Why signing failed, and whose fault it is.

use std::collections::BTreeSet;

use crate::Identifier;
use crate::keys::Mismatch;

/// Why there is no signature, or signature share.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key is not for FROST(Ed25519, SHA-512).
    #[error("the key's suite does not sign with FROST")]
    OtherSuite,
    /// The key package is not a share of the key that is to sign.
    #[error("the share does not belong to the key")]
    Mismatch(#[from] Mismatch),
    /// The nonces were made for another share.
    #[error("the nonces were made with another share")]
    OtherNonces,
    /// The set of commitments does not contain ours.
    #[error("our commitments are not among those of the signers")]
    NotASigner,
    /// The set of commitments contains others in our name than those of these nonces.
    #[error("the commitments in our name are not the ones for these nonces")]
    OtherCommitments,
    /// There are too few signers.
    #[error("{signers} signers are too few: the key needs {min_signers}")]
    TooFewSigners {
        /// The number of signers that have committed.
        signers: usize,
        /// The number of signers that are needed.
        min_signers: u16,
    },
    /// Some of the signers have no share of the key.
    #[error("{} of the signers have no share of this key", strangers.len())]
    Strangers {
        /// The signers without a share.
        strangers: BTreeSet<Identifier>,
    },
    /// Some signers that committed have not sent a share.
    #[error("{} signers have not sent their signature shares", missing.len())]
    MissingShares {
        /// The signers without a signature share. They are not culprits, because others may hold
        /// their shares back.
        missing: BTreeSet<Identifier>,
    },
    /// There are shares of signers that did not commit.
    #[error("{} signature shares are of participants who did not commit", unexpected.len())]
    UnexpectedShares {
        /// The signers that did not commit.
        unexpected: BTreeSet<Identifier>,
    },
    /// Some shares are wrong.
    #[error("{} signature shares are wrong", culprits.len())]
    WrongShares {
        /// All signers whose shares are wrong.
        culprits: BTreeSet<Identifier>,
    },
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
