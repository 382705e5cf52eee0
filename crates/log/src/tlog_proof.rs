//! One entry's proof as a text that verifies offline, <https://c2sp.org/tlog-proof>.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use crate::key::LogVerifier;
use crate::note::MAX_NOTE_LEN;
use crate::proof::{InclusionProof, InvalidProof};
use crate::{decimal, leaf_hash};

/// Most bytes of the opaque extra data.
pub const MAX_EXTRA_LEN: usize = 65_536;

/// Most hashes of an inclusion proof in a tree of at most 2⁶³−1 entries.
const MAX_HASHES: usize = 63;

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

/// Proves, with the log's key alone, that an entry is in the log. Usually in a file whose name ends
/// in `.tlog-proof`. Displays as the content of that file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    inclusion: InclusionProof,
    checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Combines a proof and its checkpoint with cosignatures.
    pub fn new(inclusion: InclusionProof, checkpoint: SignedCheckpoint) -> Self {
        Self { extra: None, inclusion, checkpoint }
    }

    /// The opaque extra data of the file. Nothing authenticates it.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The zero-based index that the proof gives the entry.
    pub fn index(&self) -> u64 {
        self.inclusion.index
    }

    /// The checkpoint, not verified.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Checks that `entry` is in the log, at [`index`](Self::index).
    ///
    /// Returns the checkpoint, whose cosigners the caller has yet to count.
    ///
    /// # Errors
    ///
    /// When the checkpoint is not by the log, or the entry is not under its root.
    pub fn verify(
        &self,
        entry: &[u8],
        log: &LogVerifier,
    ) -> Result<VerifiedCheckpoint, TlogProofError> {
        let checkpoint = self.checkpoint.clone().verify(log)?;
        self.inclusion.verify(leaf_hash(entry), checkpoint.head())?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.inclusion.index)?;
        self.inclusion.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_NOTE_LEN + 2 * MAX_EXTRA_LEN {
            return Err(TlogProofError::TooLong);
        }
        let text = text.strip_prefix(HEADER).ok_or(TlogProofError::Header)?;
        // The hashes are non-empty lines, so the first empty line ends them.
        let (head, checkpoint) = text.split_once("\n\n").ok_or(TlogProofError::Lines)?;
        let mut lines = head.split('\n').peekable();
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(extra) => {
                lines.next();
                Some(decode_extra(extra)?)
            }
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(decimal::parse).ok_or(TlogProofError::Index)?;
        let hashes: Vec<_> = lines
            .take(MAX_HASHES + 1)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| TlogProofError::Hash)?;
        if hashes.len() > MAX_HASHES {
            return Err(TlogProofError::Hash);
        }
        let inclusion = InclusionProof { index, hashes };
        Ok(Self { extra, inclusion, checkpoint: checkpoint.parse()? })
    }
}

fn decode_extra(text: &str) -> Result<Vec<u8>, TlogProofError> {
    let extra = STANDARD.decode(text).map_err(|_| TlogProofError::Extra)?;
    if extra.len() > MAX_EXTRA_LEN { Err(TlogProofError::Extra) } else { Ok(extra) }
}

impl TryFrom<String> for TlogProof {
    type Error = TlogProofError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TlogProof> for String {
    fn from(proof: TlogProof) -> Self {
        proof.to_string()
    }
}

/// Why a text is not a proof, or does not prove that an entry is in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TlogProofError {
    #[error("the proof is too long")]
    TooLong,
    #[error("this is not a transparency log proof (its first line must be c2sp.org/tlog-proof@v1)")]
    Header,
    #[error("the proof has no checkpoint")]
    Lines,
    #[error("the extra data of the proof must be base64 of at most {MAX_EXTRA_LEN} bytes")]
    Extra,
    #[error("the index of the proof is missing or not a plain decimal number")]
    Index,
    /// A line is not a hash, or there are more than 63.
    #[error("the hashes of the proof are malformed or too many")]
    Hash,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    NotIncluded(#[from] InvalidProof),
}
