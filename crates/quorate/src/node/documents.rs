//! Fetches a node's documents from its own copies or the coordinator, and stores new ones in both.

use std::sync::Arc;

use quorate_ceremony::document::{Document, ToSign};
use quorate_ceremony::names::Digest;
use quorate_ceremony::policy::OutputFormatError;
use quorate_ceremony::state::IvnState;
use quorate_documents::{Output, OutputError};
use rand_core::{OsRng, RngCore as _};

use super::hub::Hub;
use crate::api::{Code, Command, Problem, SignAsk};
use crate::documents::{Shelf, prepared, verifying_key};
use crate::store::document_title::DocumentTitle;
use crate::store::documents::{DocumentPackage, InvalidName, InvalidNote};

/// How to raise the limit of documents.
const LIMIT: &str =
    "raise config.limits.document_bytes in home.json of the coordinator and of all members";

/// Gets a package from this node's own copies, or from the coordinator.
pub(super) async fn package(shelf: &Shelf, hub: &Hub, commitment: Digest) -> Option<Arc<[u8]>> {
    match shelf.get(commitment).await {
        Ok(Some(package)) => return Some(package),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a stored document cannot be read"),
    }
    let bytes = match hub.document(commitment, shelf.limit()).await {
        Ok(bytes) => bytes,
        Err(problem) => {
            let (reason, limit) = (problem.message, shelf.limit());
            tracing::warn!(%commitment, limit, "a document cannot be fetched: {reason}");
            return None;
        }
    };
    let genuine =
        DocumentPackage::from_bytes(&bytes).is_ok_and(|package| package.matches(commitment));
    if !genuine {
        tracing::warn!(%commitment, "the coordinator sent a different document than the one requested");
        return None;
    }
    // The coordinator has it, so signing need not wait for this node's own disk.
    let bytes: Arc<[u8]> = bytes.into();
    shelf.keep(commitment, bytes.clone());
    Some(bytes)
}

/// Fetches the titles of these documents, one after the other, so that documents to be signed do
/// not wait for them. Leaves out those that the coordinator does not have.
pub(super) async fn titles(hub: &Hub, commitments: Vec<Digest>) -> Vec<(Digest, DocumentTitle)> {
    let mut titles = Vec::new();
    for commitment in commitments {
        let Ok(bytes) = hub.document_title(commitment).await else { continue };
        titles.extend(Some(commitment).zip(DocumentTitle::from_bytes(&bytes, commitment)));
    }
    titles
}

/// Uploads those of these documents that this node has and the coordinator has lost.
pub(super) async fn offer(shelf: Shelf, hub: Arc<Hub>, commitments: Vec<Digest>) {
    for commitment in commitments {
        let Ok(Some(package)) = shelf.get(commitment).await else { continue };
        let offered = match hub.lacks_document(commitment).await {
            Ok(true) => hub.put_document(commitment, package.to_vec()).await.map(|()| true),
            lacks => lacks,
        };
        match offered {
            Ok(true) => {
                tracing::info!(%commitment, "the coordinator had lost a document; it is uploaded again")
            }
            Ok(false) => {}
            // It is offered again on the next connection.
            Err(problem) => return tracing::debug!(%problem, "documents cannot be offered"),
        }
    }
}

/// Gets a request's document for the machine.
pub(super) async fn fetch(shelf: &Shelf, hub: &Hub, wanted: &ToSign) -> Option<Document> {
    let bytes = package(shelf, hub, wanted.request.document).await?;
    prepared(&bytes, wanted)
}

/// Why the group's key cannot sign the document of `ask` in the format that it asks for.
pub(super) fn unsignable(ask: &SignAsk, state: &IvnState) -> Option<Problem> {
    let output = ask.output.parse::<Output>().ok()?;
    let key = state.group(&ask.group).ok()?.key.as_ref()?.public.verifying_key();
    let key = verifying_key(key)?;
    let refused = quorate_documents::prepare(&ask.document, &output, &key).err()?;
    Some(Problem::new(Code::Failed, refused.to_string()))
}

/// Stores a document here and at the coordinator. Returns the command that requests its signature.
pub(super) async fn place(shelf: &Shelf, hub: &Hub, mut ask: SignAsk) -> Result<Command, Problem> {
    let mut salt = [0; 32];
    OsRng.fill_bytes(&mut salt);
    let name = ask
        .name
        .parse()
        .map_err(|error: InvalidName| Problem::new(Code::Usage, error.to_string()))?;
    let note = ask.note.as_deref().map(str::parse).transpose();
    let note = note.map_err(|error: InvalidNote| Problem::new(Code::Usage, error.to_string()))?;
    let package = DocumentPackage { salt, name, note, document: std::mem::take(&mut ask.document) };
    let commitment = package.commitment();
    let length = package.document.len();
    let bytes = package.to_bytes();
    if bytes.len() as u64 > shelf.limit() {
        let overhead = bytes.len().saturating_sub(length) as u64;
        let message = format!(
            "the document has {length} bytes; this node takes at most {}",
            shelf.limit().saturating_sub(overhead)
        );
        return Err(Problem::new(Code::DocumentTooLarge, message).hint(LIMIT));
    }
    shelf.keep(commitment, bytes.as_slice().into());
    hub.put_document(commitment, bytes).await?;
    request_for(&ask, commitment)
}

/// Returns the command that requests what `ask` asks for, with this commitment to its document.
pub(super) fn request_for(ask: &SignAsk, document: Digest) -> Result<Command, Problem> {
    let usage = |error: String| Problem::new(Code::Usage, error);
    let output: Output =
        ask.output.parse().map_err(|error: OutputError| usage(error.to_string()))?;
    Ok(Command::Request {
        group: ask.group.clone(),
        document_type: ask.document_type.clone(),
        signatures: output.signatures(),
        output: output
            .to_string()
            .parse()
            .map_err(|error: OutputFormatError| usage(error.to_string()))?,
        document,
        expires_in: ask.expires_in,
    })
}
