//! Which documents a question is about, and what this node knows about them.

use quorate_ceremony::names::Digest;

use super::Task;
use crate::api::Query;
use crate::node::view;
use crate::store::documents::DocumentPackage;
use crate::timers::now;

impl Task {
    pub(super) fn documents_of(&self, query: &Query) -> Vec<Digest> {
        let state = self.machine.state();
        match query {
            Query::Request { id, .. } | Query::Document { id } | Query::Evidence { id } => {
                self.request(id).ok().into_iter().map(|state| state.request.document).collect()
            }
            Query::Inbox { .. } => {
                self.machine.inbox(now()).iter().map(|(state, _)| state.request.document).collect()
            }
            Query::Requests => {
                state.requests().values().map(|state| state.request.document).collect()
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
}
