//! Checkpoints: a tree head that the log signs and its followers cosign.
//!
//! <https://c2sp.org/tlog-checkpoint>, <https://c2sp.org/tlog-cosignature>. Three types, so that
//! nothing unverified is trusted by mistake: [`SignedCheckpoint`] (somebody sent it) →
//! [`VerifiedCheckpoint`] (the log signed it) → the [`Cosigners`] of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Hash;
use crate::decimal;
use crate::key::{CosignerSigner, CosignerVerifier, LogSigner, LogVerifier, Timestamp};
use crate::note::{KeyName, MAX_SIGNATURES, Note, NoteError, NoteSignature};
use crate::quorum::cosignatures_for_final;
use crate::tree::{MAX_SIZE, TreeHead};

/// A log's statement about itself at one time. Displays as the text that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    head: TreeHead,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// `origin` must be one non-empty line.
    pub(crate) fn new(origin: String, head: TreeHead) -> Self {
        Self { origin, head, extensions: Vec::new() }
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root of the tree.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.head.size
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        self.head.root
    }

    /// Lines that follow the root. They are signed, but nothing checks their content; this crate
    /// writes none.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, self.head.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if origin.is_empty() || extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Lines);
        }
        let size = decimal::parse(size).filter(|size| *size <= MAX_SIZE);
        let head = TreeHead {
            size: size.ok_or(CheckpointError::Size)?,
            root: root.parse().map_err(|_| CheckpointError::Root)?,
        };
        if head.size == 0 && head != TreeHead::empty() {
            return Err(CheckpointError::Root);
        }
        Ok(Self { origin: origin.to_owned(), head, extensions })
    }
}

/// A well-formed checkpoint with signatures that nobody has verified yet.
///
/// Displays as the note, byte for byte as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// The content of the note, which anybody may have written.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Checks that the checkpoint is of this log and signed by it.
    ///
    /// Ignores signatures of different keys.
    ///
    /// # Errors
    ///
    /// When the origin is another, no signature is by the log's key, or a signature by the log's
    /// key does not verify.
    pub fn verify(self, log: &LogVerifier) -> Result<VerifiedCheckpoint, CheckpointError> {
        if self.checkpoint.origin != log.origin().as_str() {
            return Err(CheckpointError::OtherLog);
        }
        let mut by_log = self.note.signatures().iter().filter(|s| log.signed(s)).peekable();
        if by_log.peek().is_none() {
            return Err(CheckpointError::NotSignedByLog);
        }
        if !by_log.all(|signature| log.verifies(self.note.text(), signature)) {
            return Err(CheckpointError::BadSignature { name: log.origin().clone() });
        }
        Ok(VerifiedCheckpoint(self))
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let note: Note = text.parse()?;
        Ok(Self { checkpoint: note.text().parse()?, note })
    }
}

impl TryFrom<String> for SignedCheckpoint {
    type Error = CheckpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SignedCheckpoint> for String {
    fn from(signed: SignedCheckpoint) -> Self {
        signed.to_string()
    }
}

/// A checkpoint that the log signed, with cosignatures that may be unverified.
///
/// Displays as the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint(SignedCheckpoint);

impl VerifiedCheckpoint {
    /// Parses a signed note and verifies the log's signature.
    ///
    /// # Errors
    ///
    /// When `note` is not a signed checkpoint, or as [`SignedCheckpoint::verify`].
    pub fn from_note(note: &str, log: &LogVerifier) -> Result<Self, CheckpointError> {
        note.parse::<SignedCheckpoint>()?.verify(log)
    }

    /// What the log signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.0.checkpoint
    }

    /// Size and root of the tree.
    pub fn head(&self) -> TreeHead {
        self.checkpoint().head
    }

    /// The note, with all signatures.
    pub fn note(&self) -> &Note {
        &self.0.note
    }

    /// The same note as a type that can be stored and sent.
    pub fn as_signed(&self) -> &SignedCheckpoint {
        &self.0
    }

    /// Adds a cosignature of this checkpoint, in place of an earlier one of that cosigner.
    ///
    /// # Errors
    ///
    /// When it is not by one of `cosigners`, does not verify, or the note is full. Then the note is
    /// unchanged.
    pub fn add_cosignature(
        &mut self,
        cosigners: &CosignerSet,
        cosignature: NoteSignature,
    ) -> Result<Timestamp, CheckpointError> {
        let cosigner = cosigners.find(&cosignature).ok_or(CheckpointError::UnknownCosigner)?;
        let time = cosigner
            .verify(self.0.note.text(), &cosignature)
            .ok_or_else(|| CheckpointError::BadSignature { name: cosignature.name.clone() })?;
        let signatures = &mut self.0.note.signatures;
        if let Some(earlier) = signatures.iter_mut().find(|s| cosigner.signed(s)) {
            *earlier = cosignature;
        } else if signatures.len() < MAX_SIGNATURES {
            signatures.push(cosignature);
        } else {
            return Err(NoteError::TooManySignatures.into());
        }
        Ok(time)
    }

    /// Verifies the cosignatures of `cosigners`. Ignores signatures of different keys.
    ///
    /// # Errors
    ///
    /// When a cosignature of one of them does not verify: the party that handed out the note did
    /// not check it.
    pub fn cosigned_by(&self, cosigners: &CosignerSet) -> Result<Cosigners, CheckpointError> {
        let mut times = BTreeMap::new();
        for signature in self.note().signatures() {
            let Some(cosigner) = cosigners.find(signature) else { continue };
            let time = cosigner
                .verify(self.note().text(), signature)
                .ok_or_else(|| CheckpointError::BadSignature { name: signature.name.clone() })?;
            let latest = times.entry(signature.name.clone()).or_insert(time);
            *latest = time.max(*latest);
        }
        Ok(Cosigners { times, of: cosigners.0.len() })
    }
}

impl fmt::Display for VerifiedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl LogSigner {
    /// Signs a checkpoint that states that the log has the tree `head`.
    ///
    /// A signer of two heads that are not [consistent](crate::proof::ConsistencyProof) has provably
    /// forked the log.
    pub fn sign(&self, head: TreeHead) -> VerifiedCheckpoint {
        let checkpoint = Checkpoint::new(self.verifier().origin().as_str().to_owned(), head);
        let text = checkpoint.to_string();
        let signature = self.sign_text(&text);
        let note = Note::from_parts(text, vec![signature]);
        VerifiedCheckpoint(SignedCheckpoint { checkpoint, note })
    }
}

impl CosignerSigner {
    /// States that at `time` this checkpoint was the largest that the cosigner knew of the log, and
    /// consistent with all earlier ones.
    ///
    /// The caller has checked that, and has durably stored the checkpoint before it sends the
    /// cosignature.
    pub fn cosign(&self, checkpoint: &VerifiedCheckpoint, time: Timestamp) -> NoteSignature {
        self.cosign_text(checkpoint.note().text(), time)
    }
}

/// The cosigners that count, no two with the same name or the same key.
///
/// The key matters because a cosignature does not cover its name: one cosigner would count twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CosignerSet(BTreeMap<KeyName, CosignerVerifier>);

impl CosignerSet {
    /// Collects cosigners.
    ///
    /// # Errors
    ///
    /// When two have the same name or the same public key.
    pub fn new(
        cosigners: impl IntoIterator<Item = CosignerVerifier>,
    ) -> Result<Self, AmbiguousCosigner> {
        let mut set = Self::default();
        let mut keys = BTreeMap::new();
        for cosigner in cosigners {
            let name = cosigner.name().clone();
            let same_key = keys.insert(cosigner.public_key(), name.clone()).is_some();
            if same_key || set.0.insert(name.clone(), cosigner).is_some() {
                return Err(AmbiguousCosigner(name));
            }
        }
        Ok(set)
    }

    fn find(&self, signature: &NoteSignature) -> Option<&CosignerVerifier> {
        self.0.get(&signature.name).filter(|cosigner| cosigner.signed(signature))
    }
}

/// Two cosigners have one name or one key; the second's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cosigner {0} has the name or the key of another")]
pub struct AmbiguousCosigner(pub KeyName);

/// The cosigners of a checkpoint, with their times; all verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigners {
    times: BTreeMap<KeyName, Timestamp>,
    /// The size of the set of cosigners that was searched for.
    of: usize,
}

impl Cosigners {
    /// The time at which each of them cosigned (the last, if more than once).
    pub fn times(&self) -> &BTreeMap<KeyName, Timestamp> {
        &self.times
    }

    /// Whether they are [enough](cosignatures_for_final) to make the checkpoint final.
    pub fn are_final(&self, min_signers: u16) -> bool {
        self.times.len() >= cosignatures_for_final(self.of, usize::from(min_signers))
    }
}

/// Why a checkpoint is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("a checkpoint must have three or more lines, none of them empty")]
    Lines,
    /// The second line is not the shortest decimal form of a number up to [`MAX_SIZE`].
    #[error("the tree size of the checkpoint is not a plain decimal number")]
    Size,
    #[error("the root of the checkpoint is not a hash that a tree of this size can have")]
    Root,
    #[error("the checkpoint is of another log")]
    OtherLog,
    #[error("the checkpoint is not signed by the log's key")]
    NotSignedByLog,
    #[error("the cosignature is not by a known cosigner")]
    UnknownCosigner,
    #[error("the signature of {name} on the checkpoint does not verify")]
    BadSignature {
        /// The name that the signature claims. That proves nothing against the holder of that name.
        name: KeyName,
    },
}
