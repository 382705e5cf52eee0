//! Which documents a question is about, and what this node knows about them.

use std::cmp::Reverse;

use quorate_ceremony::effect::CommandError;
use quorate_ceremony::names::Digest;
use quorate_ceremony::state::RequestState;

use super::Task;
use crate::api::{Answer, Code, Problem, Query};
use crate::node::{answer, documents, view};
use crate::store::documents::DocumentPackage;
use crate::timers::now;

/// How many titles are fetched for one answer, those of the latest requests.
const TITLES_AT_ONCE: usize = 200;

/// How many documents of undecided requests a node offers on each connection.
const OFFERED: usize = 100;

/// What the coordinator is asked for before a question is answered.
#[derive(Debug, Default)]
pub(super) struct Absent {
    pub(super) documents: Vec<Digest>,
    /// Documents of which this account may read only the title.
    pub(super) titles: Vec<Digest>,
}

impl Absent {
    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.titles.is_empty()
    }
}

impl Task {
    /// Offers the coordinator the documents of the latest undecided requests, in case its disk lost
    /// them.
    pub(super) fn offer_documents(&self) {
        let state = self.machine.state();
        let open = state.requests().values().filter(|request| !request.stage(now()).is_final());
        let mut open: Vec<_> =
            open.map(|request| (request.index, request.request.document)).collect();
        open.sort_unstable_by_key(|(index, _)| std::cmp::Reverse(*index));
        let documents = open.into_iter().take(OFFERED).map(|(_, document)| document).collect();
        tokio::spawn(documents::offer(self.shelf.clone(), self.hub.clone(), documents));
    }

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

    /// Returns what a question needs and this node does not have.
    pub(super) async fn absent(&mut self, query: &Query) -> Absent {
        let is_list = matches!(query, Query::Requests);
        if self.link.is_none()
            || (is_list && !self.machine.state().is_auditor(self.machine.account()))
        {
            return Absent::default();
        }
        self.learn_facts(query).await;
        let (state, account) = (self.machine.state(), self.machine.account());
        let mut unknown = self.documents_of(query);
        unknown.retain(|commitment| !self.facts.contains_key(commitment));
        let (mut documents, mut titles): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|commitment| state.may_read(account, *commitment));
        titles.retain(|commitment| state.may_read_title(account, *commitment));
        // A list must not fetch what there ever was. Later lists know more.
        titles.sort_by_key(|commitment| {
            Reverse(state.request_of_document(*commitment).map(|request| request.index))
        });
        titles.truncate(TITLES_AT_ONCE);
        if is_list {
            documents.clear();
        }
        Absent { documents, titles }
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
                let state = self.machine.state();
                let request = state.request_of_document(commitment);
                let wanted = request.and_then(|request| state.to_sign(request.id, 0));
                self.facts.insert(commitment, view::FileFacts::of(&package, wanted.as_ref()));
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
