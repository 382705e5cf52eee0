//! Answers who decided about a document, from the report of an audit.
//!
//! ```text
//! signature in the log ── verifies over the document under the group's key ──▶ it is the document
//! opening (salt, name) ── makes the commitment in the request ──────────────▶ it is the document
//! ```
//!
//! A signed document needs no opening, because the group's signature covers it. Requests without a
//! signature contain only a salted commitment, so their documents are recognised from openings:
//! document packages as nodes and coordinators keep them, or an evidence file.

use std::path::{Path, PathBuf};

use quorate_ceremony::audit::{AuditReport, RequestReport, SignatureReport};
use quorate_ceremony::names::Digest;
use quorate_documents::prepare;
use serde::Serialize;

use crate::documents::output;
use crate::store::documents::DocumentPackage;

/// Where the openings of commitments come from.
#[derive(Clone, Debug, Default)]
pub struct Openings {
    directories: Vec<PathBuf>,
    packages: Vec<DocumentPackage>,
}

impl Openings {
    /// Adds a directory of document packages by commitment. It need not exist.
    #[must_use]
    pub fn directory(mut self, directory: PathBuf) -> Self {
        self.directories.push(directory);
        self
    }

    /// Adds one document package.
    #[must_use]
    pub fn package(mut self, package: DocumentPackage) -> Self {
        self.packages.push(package);
        self
    }

    /// Returns the package with this commitment.
    fn find(&self, commitment: Digest) -> Option<DocumentPackage> {
        let given = self.packages.iter().find(|package| package.matches(commitment));
        given.cloned().or_else(|| {
            let name = commitment.to_string();
            self.directories.iter().find_map(|directory| read(&directory.join(&name), commitment))
        })
    }
}

fn read(path: &Path, commitment: Digest) -> Option<DocumentPackage> {
    let package = DocumentPackage::from_bytes(&std::fs::read(path).ok()?).ok()?;
    package.matches(commitment).then_some(package)
}

/// How a request's document was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecognisedBy {
    /// The group's signature in the log verifies over the document.
    Signature,
    /// The commitment in the request is the one of the document with a known name and salt.
    Opening,
}

/// One request for a signature over the document: everything that the log contains about it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct DocumentRequest {
    pub recognised_by: RecognisedBy,
    /// The name under which the requester submitted it, if an opening is known.
    pub file_name: Option<String>,
    pub request: RequestReport,
    pub signature: Option<SignatureReport>,
    /// The group's key in hex.
    pub verifying_key: Option<String>,
}

/// What a log contains about a document.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentAnswer {
    /// Requests for a signature over it, in log order.
    pub requests: Vec<DocumentRequest>,
    /// How many other requests have no signature and no known opening, so that their documents
    /// cannot be recognised.
    pub unrecognised: usize,
}

/// Finds the requests over `document` in the log that `report` is about.
pub fn find_document(report: &AuditReport, document: &[u8], openings: &Openings) -> DocumentAnswer {
    let mut answer = DocumentAnswer { requests: Vec::new(), unrecognised: 0 };
    for request in &report.requests {
        let signatures: Vec<_> =
            report.signatures.iter().filter(|it| it.request == request.id).collect();
        let signature = signatures.last().copied();
        let group = report.groups.iter().find(|group| group.name == request.group);
        let verifying_key = group.and_then(|group| group.verifying_key.clone());
        let opening = openings.find(request.asked.document);
        let is_signed = covers(request, &signatures, verifying_key.as_deref(), document);
        let recognised_by = match &opening {
            _ if is_signed => RecognisedBy::Signature,
            Some(package) if package.document == document => RecognisedBy::Opening,
            None if signature.is_none() => {
                answer.unrecognised += 1;
                continue;
            }
            _ => continue,
        };
        answer.requests.push(DocumentRequest {
            recognised_by,
            file_name: opening.map(|package| package.name.as_str().to_owned()),
            request: request.clone(),
            signature: signature.cloned(),
            verifying_key,
        });
    }
    answer
}

/// Whether these signatures of one request verify over `document`.
fn covers(
    request: &RequestReport,
    signatures: &[&SignatureReport],
    verifying_key: Option<&str>,
    document: &[u8],
) -> bool {
    let finished = || {
        let output = output(&request.asked)?;
        let made = signatures.iter().map(|report| report.signature.as_str());
        let (key, made) = crate::documents::signatures(verifying_key, made)?;
        prepare(document, &output, &key).ok()?.finish(&made).ok()
    };
    finished().is_some()
}
