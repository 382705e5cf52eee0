//! Fraud proofs: evidence that the coordinator broke the rules of the log. A proof convinces
//! everyone who has the log's public key, so it is stored and can be passed on.
//!
//! A statement that anyone could have made up proves nothing, so each proof contains checkpoints
//! that the log's key signed: two that exclude each other, or one over an entry that the log's own
//! rules do not admit. Silence, delays and false messages of the coordinator cannot be proved and
//! are not included.

use quorate_log::checkpoint::{CheckpointError, SignedCheckpoint};
use quorate_log::compare::{Fork, ForkError};
use quorate_log::key::LogVerifier;
use quorate_log::proof::{ConsistencyProof, InclusionProof};
use quorate_log::tree::{Frontier, HashReader, TreeHead};
use quorate_log::{Hash, leaf_hash};
use quorate_protocol::signing::{self, Signature};
use serde::{Deserialize, Serialize};

use crate::document::Documents;
use crate::encoding::Base64;
use crate::entry::{Body, Entry};
use crate::names::EntryId;
use crate::state::{IvnState, Refusal};

const VERSION: u8 = 1;

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Misbehaviour {
    /// Two checkpoints that exclude each other.
    Fork(Box<Fork>),
    /// A checkpoint over an entry that cannot be in the log.
    BadEntry(Box<BadEntry>),
}

/// An entry that a signed checkpoint covers, but that cannot be at that index.
///
/// To judge it, the preceding entries are needed, from any copy of the log that begins like the
/// checkpoint's.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BadEntry {
    checkpoint: SignedCheckpoint,
    index: u64,
    entry: Base64,
    /// Proves that the checkpoint's tree contains the entry at the index.
    inclusion: InclusionProof,
    /// Proves with which entries the checkpoint's tree begins.
    beginning: ConsistencyProof,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    misbehaviour: Misbehaviour,
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Proved {
    #[error(
        "the log's key signed two checkpoints that contradict each other, of {older} and of {newer} entries"
    )]
    Fork { older: u64, newer: u64 },
    #[error("the log's key signed a log whose entry {index} breaks the log's rules: {reason}")]
    Inadmissible { index: u64, reason: Refusal },
    #[error(
        "the log's key signed a log whose entry {index} holds a signature for request {request} that does not verify"
    )]
    FalseSignature { index: u64, request: EntryId },
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NotProved {
    #[error("not a proof of misbehaviour that this version can read")]
    Malformed,
    #[error(transparent)]
    Fork(#[from] ForkError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not in the checkpoint's tree, or that tree begins with different entries than
    /// the given ones.
    #[error("the entries at hand are not those with which the checkpoint's log begins")]
    OtherLog,
    #[error("to judge entry {index} takes a copy of the log with the entries before it")]
    NeedsLog { index: u64 },
    #[error("to judge entry {index} takes the document of request {request}")]
    NeedsDocument { index: u64, request: EntryId },
    #[error("nothing is wrong with entry {index}")]
    Sound { index: u64 },
}

impl Misbehaviour {
    /// Returns JSON, for a file or a database.
    pub fn to_json(&self) -> String {
        let file = File { version: VERSION, misbehaviour: self.clone() };
        // Serialising plain structs to memory cannot fail. An empty text is not a proof.
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// Parses the JSON of [`Self::to_json`]. Nothing is verified.
    ///
    /// # Errors
    ///
    /// [`NotProved::Malformed`].
    pub fn from_json(text: &str) -> Result<Self, NotProved> {
        let file: File = serde_json::from_str(text).map_err(|_| NotProved::Malformed)?;
        (file.version == VERSION).then_some(file.misbehaviour).ok_or(NotProved::Malformed)
    }

    /// How many entries of the log are needed to judge this.
    pub fn entries_needed(&self) -> u64 {
        match self {
            Self::Fork(_) => 0,
            Self::BadEntry(bad) => bad.index,
        }
    }

    /// Judges this with the log's key, the log's entries from the genesis on (as many as [are
    /// needed](Self::entries_needed), more are ignored), and documents.
    ///
    /// # Errors
    ///
    /// Fails if this proves nothing, or not with the given data.
    pub fn verify(
        &self,
        log: &LogVerifier,
        entries: impl IntoIterator<Item = Vec<u8>>,
        documents: &mut dyn Documents,
    ) -> Result<Proved, NotProved> {
        match self {
            Self::Fork(fork) => Ok(proved_fork(fork, log)?),
            Self::BadEntry(bad) => {
                let needed = usize::try_from(bad.index).unwrap_or(usize::MAX);
                let mut frontier = Frontier::default();
                let mut state: Option<IvnState> = None;
                for bytes in entries.into_iter().take(needed) {
                    let entry = Entry::from_bytes(&bytes).map_err(|_| NotProved::OtherLog)?;
                    match &mut state {
                        Some(state) => drop(state.apply(&entry).map_err(|_| NotProved::OtherLog)?),
                        None => {
                            state = Some(IvnState::found(&entry).map_err(|_| NotProved::OtherLog)?);
                        }
                    }
                    frontier.append(leaf_hash(&bytes));
                }
                let state = state.filter(|state| state.size() == bad.index);
                let state = state.ok_or(NotProved::NeedsLog { index: bad.index })?;
                bad.verify(log, &state, frontier.head(), documents)
            }
        }
    }
}

pub(crate) fn proved_fork(fork: &Fork, log: &LogVerifier) -> Result<Proved, ForkError> {
    fork.verify(log)?;
    let [older, newer] = fork.checkpoints().map(|checkpoint| checkpoint.unverified().size());
    Ok(Proved::Fork { older, newer })
}

impl BadEntry {
    /// Accuses entry `index` of the tree in `reader`, whose checkpoint is `checkpoint`.
    pub(crate) fn new<R: HashReader>(
        checkpoint: SignedCheckpoint,
        index: u64,
        entry: Vec<u8>,
        reader: &R,
    ) -> Option<Self> {
        let size = checkpoint.unverified().size();
        let inclusion = InclusionProof::prove(reader, index, size).ok()?;
        let beginning = ConsistencyProof::prove(reader, index, size).ok()?;
        Some(Self { checkpoint, index, entry: Base64(entry), inclusion, beginning })
    }

    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    pub(crate) fn is_signed_by(&self, log: &LogVerifier) -> bool {
        self.checkpoint.clone().verify(log).is_ok()
    }

    /// Judges the entry by the `state` of the entries before it, whose tree is `before`.
    pub(crate) fn verify(
        &self,
        log: &LogVerifier,
        state: &IvnState,
        before: TreeHead,
        documents: &mut dyn Documents,
    ) -> Result<Proved, NotProved> {
        let checkpoint = self.checkpoint.clone().verify(log)?.head();
        let leaf: Hash = leaf_hash(&self.entry.0);
        let stands = self.inclusion.index == self.index
            && before.size == self.index
            && self.inclusion.verify(leaf, checkpoint).is_ok()
            && self.beginning.verify(before, checkpoint).is_ok();
        if !stands {
            return Err(NotProved::OtherLog);
        }
        let index = self.index;
        let entry = match Entry::from_bytes(&self.entry.0) {
            Ok(entry) => entry,
            Err(error) => return Ok(Proved::Inadmissible { index, reason: error.into() }),
        };
        if let Err(reason) = state.clone().apply(&entry) {
            return Ok(Proved::Inadmissible { index, reason });
        }
        let Body::Signature { request, .. } = &entry.statement().body else {
            return Err(NotProved::Sound { index });
        };
        let request = *request;
        let wanted = state.next_to_sign(request).ok_or(NotProved::Sound { index })?;
        let message = documents
            .to_be_signed(request, &wanted)
            .map_err(|_| NotProved::NeedsDocument { index, request })?;
        if is_false_signature(state, &entry, &message) {
            Ok(Proved::FalseSignature { index, request })
        } else {
            Err(NotProved::Sound { index })
        }
    }
}

/// Whether an entry contains a signature that does not verify for `message` under the key of the
/// group.
pub(crate) fn is_false_signature(state: &IvnState, entry: &Entry, message: &[u8]) -> bool {
    let Body::Signature { request, signature, .. } = &entry.statement().body else { return false };
    let key = state.request(*request).and_then(|asked| state.group(&asked.request.group));
    let Some(key) = key.ok().and_then(|group| group.key.as_ref()) else { return false };
    !Signature::from_bytes(key.public.suite(), &signature.0).is_ok_and(|signature| {
        signing::verify(key.public.verifying_key(), message, &signature).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use quorate_log::key::{LogSigner, Seed};
    use quorate_log::tree::MemoryTree;

    use super::*;
    use crate::document::NoDocuments;
    use crate::test_world::TestLog;

    #[test]
    fn an_entry_elsewhere_or_nowhere_in_the_log_accuses_nobody() {
        let log = TestLog::keyed();
        let origin = log.state.origin().parse().unwrap();
        let signer = LogSigner::new(origin, Seed::new(Box::new([1; 32])));
        let tree: MemoryTree = log.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let size = tree.size();
        let accuse = |index: u64, entry: &[u8], shown: u64, begins: u64| {
            let bad = BadEntry {
                checkpoint: signer.sign(tree.head()).as_signed().clone(),
                index,
                entry: Base64(entry.to_vec()),
                inclusion: InclusionProof::prove(&tree, shown, size).unwrap(),
                beginning: ConsistencyProof::prove(&tree, begins, size).unwrap(),
            };
            let proof = Misbehaviour::BadEntry(Box::new(bad));
            assert_eq!(proof.entries_needed(), index);
            proof.verify(signer.verifier(), log.entries.clone(), &mut NoDocuments)
        };
        assert_eq!(accuse(8, &log.entries[8], 8, 8), Err(NotProved::Sound { index: 8 }));
        // A repetition would break the rules, but the log contains it only once.
        assert_eq!(accuse(8, &log.entries[5], 5, 8), Err(NotProved::OtherLog));
        assert_eq!(accuse(8, b"no entry", 8, 8), Err(NotProved::OtherLog));
        assert_eq!(accuse(8, &log.entries[8], 8, 7), Err(NotProved::OtherLog));
    }
}
