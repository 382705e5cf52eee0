//! What the routes of an IVN share: its task, documents and authority, and how they report a
//! problem.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use quorate_network::ca::CertificateAuthority;
use tokio::sync::mpsc;

use super::answers::Answers;
use super::ivn::Event;
use super::storage::Storage;
use crate::api::{Code, HttpProblem, PROBLEM_TYPE, Problem};
use crate::documents::Shelf;
use crate::store::documents::DocumentError;

#[derive(Clone)]
pub(super) struct Context {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) shelf: Shelf,
    pub(super) storage: Storage,
    pub(super) answers: Answers,
    pub(super) authority: Arc<CertificateAuthority>,
}

/// Returns a refusal with its code (RFC 9457).
pub(super) fn problem(problem: Problem) -> Response {
    let problem = HttpProblem::from(problem);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, PROBLEM_TYPE)];
    (status, kind, serde_json::to_vec(&problem).unwrap_or_default()).into_response()
}

pub(super) fn document_error(error: &DocumentError) -> Response {
    let code = match error {
        DocumentError::TooLarge { .. } => Code::DocumentTooLarge,
        DocumentError::Taken => Code::DocumentTaken,
        DocumentError::DiskFull => Code::DiskFull,
        DocumentError::NotWritten(_)
        | DocumentError::Unreadable(_)
        | DocumentError::NotDeleted(_) => Code::Failed,
    };
    problem(Problem::new(code, error.to_string()))
}
