//! The hub's own refusals, as problem documents (RFC 9457) with a code for programs.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A refusal; `code` and `detail` contain nothing that JSON escapes.
pub(crate) fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let number = status.as_u16();
    let body = format!(
        r#"{{"type":"about:blank","status":{number},"code":"{code}","detail":"{detail}"}}"#
    );
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}
