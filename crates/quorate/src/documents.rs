//! Documents for signing: stored by commitment, and prepared as their request specifies.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_ceremony::document::Document;
use quorate_ceremony::entry::Request;
use quorate_ceremony::names::Digest;
use quorate_documents::{Format, Namespace, Output};
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

    /// Deletes a package here and on disk.
    pub(crate) async fn remove(&self, commitment: Digest) -> Result<(), DocumentError> {
        self.forget(commitment);
        self.documents.remove(commitment).await
    }

    fn forget(&self, commitment: Digest) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = latest.packages.iter().position(|(of, _)| *of == commitment)
            && let Some((_, package)) = latest.packages.remove(at)
        {
            latest.bytes -= package.len();
        }
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

/// Returns how a request wants its document signed.
///
/// Returns `None` if this version does not know the format, because it cannot determine what a
/// signature would cover.
pub(crate) fn output(request: &Request) -> Option<Output> {
    let format: Format = request.format.parse().ok()?;
    let namespace = match &request.namespace {
        Some(namespace) => Some(Namespace::new(namespace.clone()).ok()?),
        None => None,
    };
    Output::new(format, namespace).ok()
}

/// Prepares a document package for a state machine: the commitment and the bytes to sign. Returns
/// `None` also for a document that must not be signed in the requested format.
pub(crate) fn prepared(package: &[u8], request: &Request) -> Option<Document> {
    let package = DocumentPackage::from_bytes(package).ok()?;
    let output = output(request)?;
    quorate_documents::check(&package.document, &output).ok()?;
    let to_be_signed = quorate_documents::prepare(&package.document, &output);
    Some(Document { commitment: package.commitment(), to_be_signed: to_be_signed.into_bytes() })
}

/// Returns the SHA-256 of a file in hex, as `sha256sum` prints it.
pub(crate) fn sha256(file: &[u8]) -> String {
    hex::encode(Sha256::digest(file))
}
