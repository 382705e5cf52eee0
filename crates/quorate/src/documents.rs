//! Documents for signing: stored by commitment, and prepared as their request specifies.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use quorate_ceremony::document::{Document, ToSign};
use quorate_ceremony::entry::Request;
use quorate_ceremony::names::{Digest, EntryId, Timestamp};
use quorate_ceremony::state::IvnState;
use quorate_documents::{Output, Preview, Signature, VerifyingKey};
use quorate_protocol::Suite;
use sha2::{Digest as _, Sha256};

use crate::store::documents::{DocumentError, DocumentPackage, Documents};

/// Bytes of the latest documents that stay in memory.
const IN_MEMORY: usize = 64 << 20;

/// Document packages on disk, the latest also in memory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shelf {
    documents: Documents,
    limit: u64,
    latest: Arc<Mutex<Latest>>,
}

#[derive(Default)]
struct Latest {
    bytes: usize,
    packages: VecDeque<(Digest, Arc<[u8]>)>,
}

impl Shelf {
    /// Creates a shelf over a directory. No package may have more than `limit` bytes.
    pub(crate) fn new(documents: Documents, limit: u64) -> Self {
        Self { documents, limit, latest: Arc::default() }
    }

    /// Returns the length of the longest accepted package, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) async fn put(
        &self,
        commitment: Digest,
        package: Arc<[u8]>,
    ) -> Result<(), DocumentError> {
        self.documents.put(commitment, package.clone(), self.limit).await?;
        self.remember(commitment, package);
        Ok(())
    }

    /// Keeps a copy of a package that can be downloaded again: in memory immediately, on disk soon.
    pub(crate) fn keep(&self, commitment: Digest, package: Arc<[u8]>) {
        self.remember(commitment, package.clone());
        let shelf = self.clone();
        tokio::spawn(async move {
            if let Err(error) = shelf.documents.put(commitment, package, shelf.limit).await {
                tracing::warn!(%error, "a document cannot be kept");
            }
        });
    }

    /// Deletes these documents from memory and disk.
    pub(crate) async fn delete(&self, documents: BTreeSet<Digest>) -> Result<usize, DocumentError> {
        self.forget(&documents);
        self.documents.delete(documents).await
    }

    /// Deletes documents that no request needs, in the background.
    pub(crate) fn delete_soon(&self, documents: impl IntoIterator<Item = Digest>) {
        let documents: BTreeSet<_> = documents.into_iter().collect();
        if documents.is_empty() {
            return;
        }
        let shelf = self.clone();
        tokio::spawn(async move {
            match shelf.delete(documents).await {
                Ok(count) => tracing::info!(count, "deleted documents that no request needs"),
                Err(error) => tracing::warn!(%error, "documents cannot be deleted"),
            }
        });
    }

    fn forget(&self, documents: &BTreeSet<Digest>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.packages.retain(|(of, _)| !documents.contains(of));
        latest.bytes = latest.packages.iter().map(|(_, package)| package.len()).sum();
    }

    pub(crate) async fn get(&self, commitment: Digest) -> Result<Option<Arc<[u8]>>, DocumentError> {
        if let Some(package) = self.recall(commitment) {
            return Ok(Some(package));
        }
        let package: Option<Arc<[u8]>> =
            self.documents.get(commitment, self.limit).await?.map(Into::into);
        if let Some(package) = &package {
            self.remember(commitment, package.clone());
        }
        Ok(package)
    }

    /// Whether a package is on the disk.
    pub(crate) async fn has(&self, commitment: Digest) -> Result<bool, DocumentError> {
        self.documents.has(commitment).await
    }

    /// The documents on disk, for what needs no copy in memory.
    pub(crate) fn stored(&self) -> &Documents {
        &self.documents
    }

    fn recall(&self, commitment: Digest) -> Option<Arc<[u8]>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let found = latest.packages.iter().find(|(of, _)| *of == commitment);
        found.map(|(_, package)| package.clone())
    }

    fn remember(&self, commitment: Digest, package: Arc<[u8]>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.packages.iter().any(|(of, _)| *of == commitment) {
            return;
        }
        latest.bytes += package.len();
        latest.packages.push_front((commitment, package));
        while latest.bytes > IN_MEMORY || latest.packages.len() > 256 {
            let Some((_, oldest)) = latest.packages.pop_back() else { break };
            latest.bytes -= oldest.len();
        }
    }
}

/// Deletes the documents that the groups' policies no longer keep, again and again as the log's
/// time passes. A crash loses nothing, because the log shows what is still to be deleted.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    /// When it looked last, by this process's clock.
    looked: Timestamp,
}

impl Retention {
    /// Returns the documents that are to be deleted, or none if it looked a moment ago.
    pub(crate) fn due(&mut self, state: &IvnState, now: Timestamp) -> BTreeSet<Digest> {
        if now.0.abs_diff(self.looked.0) < LOOK_EVERY {
            return BTreeSet::new();
        }
        self.looked = now;
        state.documents_to_delete()
    }

    /// Deletes what is due, unless that was done a moment ago. Returns the documents that are due.
    pub(crate) async fn apply(
        &mut self,
        state: &IvnState,
        shelf: &Shelf,
        now: Timestamp,
    ) -> BTreeSet<Digest> {
        let due = self.due(state, now);
        if due.is_empty() {
            return due;
        }
        match shelf.delete(due.clone()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "deleted documents that are no longer kept"),
            Err(error) => tracing::warn!(%error, "documents cannot be deleted; trying again"),
        }
        due
    }
}

/// Where `approve` keeps copies of a request's document for the holder of a node's account.
pub(crate) fn viewed(home: &Path, request: EntryId) -> PathBuf {
    home.join("viewed").join(request.to_string())
}

/// Deletes the copies of these documents that `approve` made in a node's home.
pub(crate) fn delete_viewed(home: &Path, state: &IvnState, documents: &BTreeSet<Digest>) {
    let of = state.requests().values().filter(|it| documents.contains(&it.request.document));
    for request in of {
        match fs::remove_dir_all(viewed(home, request.id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "copies of a document cannot be deleted; trying again");
            }
            _ => {}
        }
    }
}

/// How often documents to delete are looked for, in milliseconds.
const LOOK_EVERY: u64 = 600_000;

/// Returns how a request wants its document signed.
///
/// Returns `None` if this version does not know the format, because it cannot determine what a
/// signature would cover.
pub(crate) fn output(request: &Request) -> Option<Output> {
    let text = request.output.to_string();
    text.parse().ok().filter(|output: &Output| output.to_string() == text)
}

/// Returns a group's key. `None` for a suite whose signatures no format has.
pub(crate) fn verifying_key(key: &quorate_protocol::keys::VerifyingKey) -> Option<VerifyingKey> {
    match key.suite() {
        Suite::FrostEd25519Sha512 | Suite::EcdsaP256Sha256 => {
            VerifyingKey::from_bytes(key.as_bytes())
        }
        _ => None,
    }
}

/// Returns the bytes that a request's next signature covers, and how many signatures it takes.
/// `None` also for a document that must not be signed in the requested format.
pub(crate) fn to_be_signed(document: &[u8], wanted: &ToSign) -> Option<(u8, Vec<u8>)> {
    let output = output(&wanted.request)?;
    let key = verifying_key(&wanted.key)?;
    let earlier: Option<Vec<_>> =
        wanted.earlier.iter().map(|signature| key.signature(signature)).collect();
    let prepared = quorate_documents::prepare(document, &output, &key).ok()?;
    Some((prepared.signatures(), prepared.to_be_signed(&earlier?).ok()?))
}

/// Returns a group's key and the signatures by it, from hex digits. `None` if one is malformed.
pub(crate) fn signatures<'a>(
    key: Option<&str>,
    signatures: impl IntoIterator<Item = &'a str>,
) -> Option<(VerifyingKey, Vec<Signature>)> {
    let key = VerifyingKey::from_hex(key?)?;
    let signatures = signatures.into_iter().map(|text| key.signature(&hex::decode(text).ok()?));
    Some((key, signatures.collect::<Option<_>>()?))
}

/// Returns what a document says, where people cannot read it themselves.
pub(crate) fn preview(document: &[u8], wanted: &ToSign) -> Option<Preview> {
    let output = output(&wanted.request)?;
    let key = verifying_key(&wanted.key)?;
    quorate_documents::prepare(document, &output, &key).ok()?.preview()
}

/// Prepares a document package for a state machine.
pub(crate) fn prepared(package: &[u8], wanted: &ToSign) -> Option<Document> {
    let package = DocumentPackage::from_bytes(package).ok()?;
    let (signatures, to_be_signed) = to_be_signed(&package.document, wanted)?;
    let number = u8::try_from(wanted.earlier.len()).ok()?;
    Some(Document { commitment: package.commitment(), signatures, number, to_be_signed })
}

/// Returns the SHA-256 of a file in hex, as `sha256sum` prints it.
pub(crate) fn sha256(file: &[u8]) -> String {
    hex::encode(Sha256::digest(file))
}

#[cfg(test)]
mod tests {
    use quorate_ceremony::entry::Body;
    use quorate_ceremony::policy::SHORTEST_RETENTION;
    use quorate_ceremony::test_world::TestLog;

    use super::*;

    #[tokio::test]
    async fn a_document_is_deleted_in_time_and_again_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(Documents::new(directory.path().join("documents")), 1000);
        let package = |name: &str| DocumentPackage {
            salt: [7; 32],
            name: name.parse().unwrap(),
            note: None,
            document: b"contract".to_vec(),
        };
        let mut definition = TestLog::peopled().board_of_three();
        definition.policy.delete_documents_after = Some(SHORTEST_RETENTION);
        let mut log = TestLog::keyed_with(definition);
        let [old, new] = ["old", "new"].map(package);
        let store = async |package: &DocumentPackage| {
            shelf.put(package.commitment(), package.to_bytes().into()).await.unwrap();
        };
        let ask = |log: &mut TestLog, package: &DocumentPackage| {
            let request = Request { document: package.commitment(), ..log.request() };
            let id = log.requests("ada", request).unwrap();
            log.approves("ben", id).unwrap();
            log.signs(id, &["ada", "ben"], 7).unwrap();
        };
        ask(&mut log, &old);
        store(&old).await;
        store(&new).await;
        let mut retention = Retention::default();
        assert!(retention.apply(&log.state, &shelf, log.now).await.is_empty());
        log.wait(SHORTEST_RETENTION + 1);
        ask(&mut log, &new);
        for (member, number) in [("ben", 1), ("cyd", 2)] {
            let started = Body::NodeStarted { incarnation: Digest::new([number; 32]) };
            log.says(member, started).unwrap();
        }
        let due = BTreeSet::from([old.commitment()]);
        assert_eq!(retention.apply(&log.state, &shelf, log.now).await, due);
        assert_eq!(shelf.get(old.commitment()).await.unwrap(), None);
        assert!(shelf.get(new.commitment()).await.unwrap().is_some());
        let home = directory.path();
        let [old_copy, new_copy] = [&old, &new].map(|package| {
            let copy =
                viewed(home, log.state.request_of_document(package.commitment()).unwrap().id);
            fs::create_dir_all(&copy).unwrap();
            fs::write(copy.join("contract"), b"contract").unwrap();
            copy
        });
        delete_viewed(home, &log.state, &due);
        delete_viewed(home, &log.state, &due);
        assert!(!old_copy.exists() && new_copy.exists());
        // As if the machine had failed before the deletion was durable.
        store(&old).await;
        assert_eq!(Retention::default().apply(&log.state, &shelf, log.now).await, due);
        assert_eq!(shelf.get(old.commitment()).await.unwrap(), None);
    }
}
