//! Documents on their way to be signed: kept by commitment, prepared as their request says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_ceremony::document::Document;
use quorate_ceremony::entry::Request;
use quorate_ceremony::names::Digest;
use quorate_documents::{Format, Namespace, Output};

use crate::store::documents::{DocumentError, DocumentPackage, Documents};

/// How many bytes of the latest documents stay in memory.
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
    /// A shelf over a directory; no package has more than `limit` bytes.
    pub(crate) fn new(documents: Documents, limit: u64) -> Self {
        Self { documents, limit, latest: Arc::default() }
    }

    /// The longest package that it takes, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Stores a package, durably.
    pub(crate) async fn put(
        &self,
        commitment: Digest,
        package: Arc<[u8]>,
    ) -> Result<(), DocumentError> {
        self.documents.put(commitment, package.clone(), self.limit).await?;
        self.remember(commitment, package);
        Ok(())
    }

    /// Keeps a copy of a package that can be had again elsewhere: at once in memory, on disk soon.
    pub(crate) fn keep(&self, commitment: Digest, package: Arc<[u8]>) {
        self.remember(commitment, package.clone());
        let shelf = self.clone();
        tokio::spawn(async move {
            if let Err(error) = shelf.documents.put(commitment, package, shelf.limit).await {
                tracing::warn!(%error, "a document can not be kept");
            }
        });
    }

    /// A package that was put in, or `None`.
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

/// How a request wants its document signed.
///
/// `None` if this version does not know the format: then it can not say what a signature would cover.
pub(crate) fn output(request: &Request) -> Option<Output> {
    let format: Format = request.format.parse().ok()?;
    let namespace = match &request.namespace {
        Some(namespace) => Some(Namespace::new(namespace.clone()).ok()?),
        None => None,
    };
    Output::new(format, namespace).ok()
}

/// A document package as a machine wants it: what it commits to, and what is to be signed. `None` also for a document that
/// must not be signed in the format that is asked for.
pub(crate) fn prepared(package: &[u8], request: &Request) -> Option<Document> {
    let package = DocumentPackage::from_bytes(package).ok()?;
    let output = output(request)?;
    quorate_documents::check(&package.document, &output).ok()?;
    let to_be_signed = quorate_documents::prepare(&package.document, &output);
    Some(Document { commitment: package.commitment(), to_be_signed: to_be_signed.into_bytes() })
}
