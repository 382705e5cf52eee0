//! The upload of a document: authorised and counted before its body is read, and written to the
//! disk as it comes.
//!
//! Only a short document passes through memory, because it is signed soon.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quorate_ceremony::names::Digest;
use tokio::time::timeout;

use super::access::Member;
use super::context::{Context, document_error, problem};
use super::storage::Full;
use crate::api::{Code, Problem};
use crate::store::documents::{DocumentError, DocumentPackage};
use crate::store::upload::Upload;
use crate::timers::now;

/// A document up to this length is taken into memory.
const SHORT: u64 = 256 << 10;
/// How long a sender may send nothing.
const IDLE: Duration = Duration::from_secs(20);
/// How long an upload may take.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// How long the rest of a rejected body is read.
const LONGEST_REJECTION: Duration = Duration::from_secs(30);

pub(super) async fn put_document(
    State(context): State<Context>,
    Extension(member): Extension<Member>,
    Path(commitment): Path<Digest>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let limit = context.shelf.limit();
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
    let length = declared.or(body.size_hint().exact()).unwrap_or(limit);
    if length > limit {
        return document_error(&DocumentError::TooLarge { length, limit });
    }
    let disk = context.shelf.stored().disk();
    let reserved = match context.storage.reserve(&member.account, length, disk) {
        Ok(reserved) => reserved,
        Err(full) => {
            discard(body, limit).await;
            return full_response(&full);
        }
    };
    let receive = receive(&context, commitment, length, body);
    match timeout(LONGEST, receive).await.unwrap_or(Err(Failed::TooSlow(LONGEST))) {
        Ok(()) => {
            reserved.store(commitment, now());
            StatusCode::NO_CONTENT.into_response()
        }
        Err(failed) => failed.into_response(),
    }
}

enum Failed {
    Document(DocumentError),
    Other,
    TooSlow(Duration),
    Broken,
}

impl From<DocumentError> for Failed {
    fn from(error: DocumentError) -> Self {
        Self::Document(error)
    }
}

async fn receive(
    context: &Context,
    commitment: Digest,
    length: u64,
    mut body: Body,
) -> Result<(), Failed> {
    if length <= SHORT {
        let mut package = Vec::new();
        while let Some(piece) = next(&mut body).await? {
            check(package.len() as u64, &piece, length)?;
            package.extend_from_slice(&piece);
        }
        let genuine = DocumentPackage::from_bytes(&package).is_ok_and(|it| it.matches(commitment));
        if !genuine {
            return Err(Failed::Other);
        }
        return Ok(context.shelf.put(commitment, package.into()).await?);
    }
    let mut upload = Upload::begin(context.shelf.stored(), commitment).await?;
    while let Some(piece) = next(&mut body).await? {
        check(upload.length(), &piece, length)?;
        upload = upload.write(piece).await?;
    }
    match upload.finish(commitment).await? {
        true => Ok(()),
        false => Err(Failed::Other),
    }
}

/// Reads the rest of a rejected body and forgets it, as long as it is not longer than a document.
/// Otherwise the sender would see a broken connection instead of the reason.
pub(super) async fn discard(mut body: Body, limit: u64) {
    let rest = async {
        let mut received = 0_u64;
        while let Ok(Some(piece)) = next(&mut body).await {
            received = received.saturating_add(piece.len() as u64);
            if received > limit {
                return;
            }
        }
    };
    let _ = timeout(LONGEST_REJECTION, rest).await;
}

/// The next bytes of a body; `None` at its end.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Failed> {
    loop {
        match timeout(IDLE, poll_fn(|context| Pin::new(&mut *body).poll_frame(context))).await {
            Err(_) => return Err(Failed::TooSlow(IDLE)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Failed::Broken),
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

fn check(received: u64, piece: &Bytes, limit: u64) -> Result<(), Failed> {
    let length = received.saturating_add(piece.len() as u64);
    if length > limit { Err(DocumentError::TooLarge { length, limit }.into()) } else { Ok(()) }
}

impl Failed {
    fn into_response(self) -> Response {
        let (code, why) = match self {
            Self::Document(error) => return document_error(&error),
            Self::Other => {
                (Code::OtherDocument, "the document does not match its commitment".to_owned())
            }
            Self::TooSlow(limit) => {
                (Code::TooSlow, format!("the upload took longer than {limit:?}; try again"))
            }
            Self::Broken => (Code::Usage, "the upload broke off".to_owned()),
        };
        problem(Problem::new(code, why))
    }
}

fn full_response(full: &Full) -> Response {
    let code = match full {
        Full::Account { .. } | Full::Unclaimed { .. } => Code::AccountStorage,
        Full::Ivn { .. } => Code::IvnStorage,
        Full::Disk { .. } => Code::DiskFull,
    };
    problem(Problem::new(code, full.to_string()))
}
