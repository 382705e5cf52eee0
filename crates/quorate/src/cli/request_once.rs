//! Requests of programs that run a command again: the same document is not asked for twice.

use std::path::Path;

use quorate_documents::{Output, VerifyingKey, prepare};

use super::context::Context;
use super::file;
use super::session::Session;
use crate::api::{GroupView, Problem, Query, RequestStage, RequestView, SignAsk};
use crate::documents::sha256;

/// Returns the request for this output of this document, which is at `path`: the one that was made
/// before, or a new one.
pub(super) fn ask_once(
    context: &Context,
    session: &Session,
    group: &GroupView,
    output: &Output,
    (document, path): (&[u8], &Path),
) -> Result<RequestView, Problem> {
    let requests = session.requests(Query::Requests)?;
    if let Some(request) = asked_before(requests, group, output, document) {
        report_found(context, &request);
        return Ok(request);
    }
    let (id, _) = session.order(ask(group, output, document, path))?;
    report_sent(context, session, &id.to_string())
}

/// Returns the request that already asks for this output of this document: the signed one, or else
/// the newest that can still be signed.
pub(super) fn asked_before(
    requests: Vec<RequestView>,
    group: &GroupView,
    output: &Output,
    document: &[u8],
) -> Option<RequestView> {
    let sha256 = sha256(document);
    let is_same_output = |request: &RequestView| {
        let asked = request.output.parse::<Output>();
        // The times of an OpenPGP signature do not matter.
        asked.is_ok_and(|asked| asked.without_options() == output.without_options())
    };
    let is_same = |request: &RequestView| {
        request.group == group.name
            && is_same_output(request)
            && request.verifying_key == group.verifying_key
            && request.file_sha256.as_ref() == Some(&sha256)
    };
    let rank = |state: &RequestStage| match state {
        RequestStage::Signed => 2,
        RequestStage::Approved | RequestStage::Open => 1,
        _ => 0,
    };
    let same = requests.into_iter().filter(|request| is_same(request) && rank(&request.state) > 0);
    same.max_by_key(|request| (rank(&request.state), request.index))
}

fn ask(group: &GroupView, output: &Output, document: &[u8], path: &Path) -> SignAsk {
    // Git's name for the file is random. What the file is tells approvers more.
    let key = group.verifying_key.as_deref().and_then(VerifyingKey::from_hex);
    let preview = key.and_then(|key| prepare(document, output, &key).ok()?.preview());
    let name = match preview {
        Some(preview) if preview.warning.is_none() => preview.kind.replace(' ', "-"),
        _ if file::is_dash(path) => "stdin".to_owned(),
        _ => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    SignAsk {
        group: group.name.clone(),
        document_type: None,
        output: output.to_string(),
        name,
        note: None,
        document: document.to_vec(),
        expires_in: None,
    }
}

fn report_sent(context: &Context, session: &Session, id: &str) -> Result<RequestView, Problem> {
    let request = session.request(id)?;
    context.terminal.note(|page| {
        let (id, group) = (request.id.short(), &request.group);
        page.sentence(format!("Request {id} sent to {group}. Its members approve it with:"));
        page.copyable(format!("quorate approve {id}"));
    });
    Ok(request)
}

fn report_found(context: &Context, request: &RequestView) {
    context.terminal.note(|page| {
        let id = request.id.short();
        page.sentence(match request.state {
            RequestStage::Signed => format!("Request {id} for the same document is signed."),
            _ => format!("Request {id} for the same document was sent before."),
        });
    });
}
