//! Evidence files: everything that it takes to check offline who approved a document.
//!
//! ```text
//! {"schema": "quorate.evidence/v1",
//!  "request": "…",                      id of the request's entry
//!  "opening": {"name": …, "salt": …},   opens the commitment in the request; absent if unknown
//!  "document": "…",                     base64; absent if it was left out
//!  "checkpoint": "…",                   C2SP tlog-checkpoint with cosignatures
//!  "entries": ["…", …]}                 base64; all entries of the checkpoint's log
//! ```
//!
//! An evidence file contains the whole log up to its checkpoint, so verifying it is an audit: no
//! statement about the request can be left out, and nobody has to be trusted. Only the identity of
//! the log has to be known, as its id or key.

use quorate_ceremony::audit::{self, Anchor, AuditReport};
use quorate_ceremony::document::{Documents, NotChecked, ToSign};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::names::{Digest, EntryId};
use quorate_log::checkpoint::SignedCheckpoint;
use serde::{Deserialize, Serialize};

use super::answer::{DocumentRequest, Openings, find_document};
use crate::api::{Code, Problem};
use crate::documents::{output, to_be_signed};
use crate::store::documents::DocumentPackage;

const SCHEMA: &str = "quorate.evidence/v1";

/// The content of an evidence file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    schema: String,
    request: EntryId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opening: Option<Opening>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<Base64>,
    checkpoint: String,
    entries: Vec<Base64>,
}

/// What makes a document's commitment, except the document.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    name: String,
    /// What the requester wrote to the approvers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    salt: Digest,
}

/// What verified evidence shows.
#[derive(Clone, Debug, Serialize)]
pub struct EvidenceReport {
    /// The request and all decisions about it.
    pub evidence: DocumentRequest,
    /// The size of the document in bytes.
    pub file_size: usize,
    /// In hex.
    pub file_sha256: String,
    /// The audit of the log in the file.
    pub audit: AuditReport,
}

impl Evidence {
    /// Makes the evidence for a request in a log whose checkpoint is over all of `entries`.
    pub fn new(
        request: EntryId,
        package: Option<&DocumentPackage>,
        checkpoint: String,
        entries: Vec<Vec<u8>>,
    ) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            request,
            opening: package.map(|package| Opening {
                name: package.name.as_str().to_owned(),
                message: package.note.as_ref().map(|note| note.as_str().to_owned()),
                salt: Digest::new(package.salt),
            }),
            document: package.map(|package| Base64(package.document.clone())),
            checkpoint,
            entries: entries.into_iter().map(Base64).collect(),
        }
    }

    /// Leaves the document out. Who verifies the evidence then needs it from elsewhere.
    #[must_use]
    pub fn without_document(self) -> Self {
        Self { document: None, ..self }
    }

    /// Returns the document, if it contains one.
    pub fn document(&self) -> Option<&[u8]> {
        self.document.as_ref().map(|document| document.0.as_slice())
    }

    /// Decodes a file.
    ///
    /// # Errors
    ///
    /// [`Code::Verification`] if the bytes are not an evidence file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Problem> {
        let evidence: Self = serde_json::from_slice(bytes)
            .map_err(|error| unproved(&format!("it is not an evidence file: {error}")))?;
        if evidence.schema != SCHEMA {
            return Err(unproved(&format!("its schema is not {SCHEMA}")));
        }
        Ok(evidence)
    }

    /// Encodes a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising to memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Audits the log in the evidence, and returns what it shows about its request. `document` is
    /// the document from elsewhere, which then must be the one of the request.
    ///
    /// # Errors
    ///
    /// [`Code::Verification`] if anything in the evidence does not hold, or it is about a different
    /// document. [`Code::Usage`] if there is no document.
    pub fn verify(
        &self,
        document: Option<&[u8]>,
        anchor: &Anchor,
    ) -> Result<EvidenceReport, Problem> {
        let Some(document) = document.or_else(|| self.document()) else {
            return Err(Problem::new(Code::Usage, "the evidence does not contain the document")
                .hint("give the document as well: quorate verify FILE --evidence EVIDENCE"));
        };
        let package = self.package(document)?;
        let checkpoint: SignedCheckpoint =
            self.checkpoint.parse().map_err(|error| unproved(&format!("checkpoint: {error}")))?;
        let entries = self.entries.iter().map(|entry| entry.0.clone());
        let mut one = OneDocument { request: self.request, package: package.as_ref() };
        let audit = audit::replay(entries, &checkpoint, anchor, &mut one)
            .map_err(|error| unproved(&error.to_string()))?;
        if let Some(fault) = audit.faults.first() {
            return Err(unproved(&fault.to_string()));
        }
        let openings = package.into_iter().fold(Openings::default(), Openings::package);
        let found = find_document(&audit, document, &openings).requests.into_iter();
        let mut found = found.filter(|found| found.request.id == self.request);
        let evidence = found.next().ok_or_else(|| {
            unproved(match audit.requests.iter().any(|request| request.id == self.request) {
                true => "it is about a different document",
                false => "its log does not contain the request",
            })
        })?;
        Ok(EvidenceReport {
            evidence,
            file_size: document.len(),
            file_sha256: crate::documents::sha256(document),
            audit,
        })
    }

    /// Returns `document` with the opening's name and salt.
    fn package(&self, document: &[u8]) -> Result<Option<DocumentPackage>, Problem> {
        let Some(opening) = &self.opening else { return Ok(None) };
        let name = opening.name.parse().map_err(|_| unproved("its file name is not valid"))?;
        let salt = *opening.salt.as_bytes();
        let note = opening.message.as_deref().map(str::parse).transpose();
        let note = note.map_err(|_| unproved("its message is not valid"))?;
        Ok(Some(DocumentPackage { salt, name, note, document: document.to_vec() }))
    }
}

/// The document of one request. Those of all other requests are not known.
struct OneDocument<'a> {
    request: EntryId,
    package: Option<&'a DocumentPackage>,
}

impl Documents for OneDocument<'_> {
    fn to_be_signed(&mut self, id: EntryId, wanted: &ToSign) -> Result<Vec<u8>, NotChecked> {
        if output(&wanted.request).is_none() {
            return Err(NotChecked::UnknownFormat);
        }
        // A document that does not fit is reported as such after the audit.
        let package = self
            .package
            .filter(|package| id == self.request && package.matches(wanted.request.document))
            .ok_or(NotChecked::NoDocument)?;
        // A document that must not be signed like this was not signed by honest members.
        let prepared = to_be_signed(&package.document, wanted);
        prepared.map(|(_, bytes)| bytes).ok_or(NotChecked::OtherDocument)
    }
}

fn unproved(why: &str) -> Problem {
    Problem::new(Code::Verification, format!("the evidence does not hold: {why}"))
        .hint("get the file again from where it came from, or check the whole log")
}
