//! Which documents a question is about, and what this node knows about them.

use quorate_ceremony::effect::CommandError;
use quorate_ceremony::names::Digest;
use quorate_ceremony::state::RequestState;

use super::Task;
use crate::api::{Answer, Code, Problem, Query};
use crate::node::{answer, view};
use crate::store::documents::DocumentPackage;
use crate::timers::now;

impl Task {
    pub(super) fn documents_of(&self, query: &Query) -> Vec<Digest> {
        let state = self.machine.state();
        let kept = |request: &&RequestState| state.document_deleted_since(request).is_none();
        match query {
            Query::Request { id, .. } | Query::Document { id } | Query::Evidence { id } => self
                .request(id)
                .ok()
                .into_iter()
                .filter(kept)
                .map(|state| state.request.document)
                .collect(),
            Query::Inbox { .. } => {
                self.machine.inbox(now()).iter().map(|(state, _)| state.request.document).collect()
            }
            Query::Requests => {
                state.requests().values().filter(kept).map(|state| state.request.document).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the documents that a question needs and this node does not have.
    pub(super) async fn absent(&mut self, query: &Query) -> Vec<Digest> {
        // A list of all requests must not fetch every document there ever was.
        if self.link.is_none() || matches!(query, Query::Requests) {
            return Vec::new();
        }
        self.learn_facts(query).await;
        let mut documents = self.documents_of(query);
        documents.retain(|commitment| !self.facts.contains_key(commitment));
        documents
    }

    /// Reads name, size and hash of the documents of a question, if this node has copies.
    pub(super) async fn learn_facts(&mut self, query: &Query) {
        for commitment in self.documents_of(query) {
            if self.facts.contains_key(&commitment) {
                continue;
            }
            let Ok(Some(bytes)) = self.shelf.get(commitment).await else { continue };
            if let Ok(package) = DocumentPackage::from_bytes(&bytes)
                && package.matches(commitment)
            {
                self.facts.insert(commitment, view::FileFacts::of(&package));
            }
        }
    }

    /// Reads the document from this node's own copy, because it was fetched before.
    pub(super) async fn document(&self, id: &str) -> Result<Answer, Problem> {
        let request = self.request(id)?;
        let (commitment, group) = (request.request.document, request.request.group.clone());
        if let Some(since) = self.machine.state().document_deleted_since(request) {
            let since = crate::render::utc(since);
            let message =
                format!("the document was deleted on {since}, as the policy of {group} demands");
            return Err(Problem::new(Code::NoDocument, message));
        }
        if !self.machine.state().may_read(self.machine.account(), commitment) {
            let message =
                format!("only the requester and the members of {group} receive the document");
            return Err(Problem::new(Code::NoReader, message));
        }
        let package = self.package(commitment).await;
        let package = package.ok_or_else(|| answer::problem(&CommandError::NoDocument))?;
        let name = package.name.as_str().to_owned();
        Ok(Answer::Document { name, document: package.document })
    }

    pub(super) async fn package(&self, commitment: Digest) -> Option<DocumentPackage> {
        let bytes = self.shelf.get(commitment).await.ok().flatten()?;
        let package = DocumentPackage::from_bytes(&bytes).ok()?;
        package.matches(commitment).then_some(package)
    }
}
