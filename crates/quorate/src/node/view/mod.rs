//! Makes views of a node's state.

mod account;
mod group;
mod shares;
mod status;

use std::collections::BTreeSet;

use quorate_ceremony::document::ToSign;
use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::RequestState;
use quorate_documents::{Meaning, Preview};

use crate::api::{RequestStage, RequestView, SigningWait};
use crate::documents::{preview, sha256};
use crate::store::document_title::DocumentTitle;
use crate::store::documents::DocumentPackage;

pub(crate) use self::account::accounts;
pub(crate) use self::group::group;
pub(crate) use self::status::{blocked, status};

/// What this node knows about a document.
#[derive(Clone, Debug)]
pub(crate) struct FileFacts {
    pub(crate) name: String,
    pub(crate) note: Option<String>,
    /// Unknown to an auditor.
    pub(crate) size: Option<u64>,
    pub(crate) sha256: String,
    /// What the file's own bytes mean besides.
    pub(crate) other_meaning: Option<Meaning>,
    pub(crate) preview: Option<Preview>,
}

impl FileFacts {
    /// `wanted` is what the request for this document wants signed.
    pub(crate) fn of(package: &DocumentPackage, wanted: Option<&ToSign>) -> Self {
        Self {
            name: package.name.as_str().to_owned(),
            note: package.note.as_ref().map(|note| note.as_str().to_owned()),
            size: Some(package.document.len() as u64),
            sha256: sha256(&package.document),
            other_meaning: quorate_documents::other_meaning(&package.document),
            preview: wanted.and_then(|wanted| preview(&package.document, wanted)),
        }
    }
}

impl From<DocumentTitle> for FileFacts {
    fn from(title: DocumentTitle) -> Self {
        Self {
            name: title.name,
            note: title.message,
            size: None,
            sha256: title.sha256.to_string(),
            other_meaning: None,
            preview: None,
        }
    }
}

pub(crate) fn request(
    node: &Node,
    state: &RequestState,
    file: Option<FileFacts>,
    now: Timestamp,
) -> RequestView {
    let group = node.state().groups().get(&state.request.group);
    let undecided: BTreeSet<AccountName> =
        group.map(|group| state.undecided(group).cloned().collect()).unwrap_or_default();
    let away = match node.connected() {
        true => undecided.difference(node.online()).cloned().collect(),
        false => BTreeSet::new(),
    };
    let mut signers: Vec<AccountName> = Vec::new();
    for name in state.signatures.iter().flat_map(|logged| &logged.signers) {
        if !signers.contains(name) {
            signers.push(name.clone());
        }
    }
    let stage = state.stage(now);
    RequestView {
        id: state.id,
        index: state.index,
        requester: state.requester.clone(),
        group: state.request.group.clone(),
        document_type: state.request.document_type.clone(),
        output: state.request.output.to_string(),
        preview: file.as_ref().and_then(|file| file.preview.clone()),
        document: state.request.document,
        file_name: file.as_ref().map(|file| file.name.clone()),
        message: file.as_ref().and_then(|file| file.note.clone()),
        file_size: file.as_ref().and_then(|file| file.size),
        file_sha256: file.as_ref().map(|file| file.sha256.clone()),
        document_deleted: node.state().document_deleted_since(state),
        other_meaning: file
            .filter(|_| state.request.output.format().name() == "raw")
            .and_then(|file| file.other_meaning),
        at: state.at,
        expires_at: state.request.expires_at,
        approvals_required: state.approvals_required,
        approvals: state.approvals.clone(),
        refusals: state.refusals.clone(),
        was_approved: state.was_approved,
        undecided,
        away,
        verifying_key: group
            .and_then(|group| group.key.as_ref())
            .map(|key| hex(key.public.verifying_key().as_bytes())),
        signatures: state.signatures.iter().map(|logged| hex(&logged.signature)).collect(),
        signature_index: state.signatures.last().map(|logged| logged.index),
        signers,
        waits: group.filter(|_| stage == RequestStage::Approved).map(|group| {
            let shares = shares::shares(node, group, now).into_iter();
            let approving = shares.filter(|(name, _)| state.approvals.contains(*name));
            SigningWait {
                connected: node.connected(),
                min_signers: group.definition.min_signers,
                shares: approving.map(|(name, share)| (name.clone(), share)).collect(),
                online: node.online().clone(),
            }
        }),
        state: stage,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
