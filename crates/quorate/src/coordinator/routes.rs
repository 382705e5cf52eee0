//! The hub's routes of one IVN: for nodes the stream, documents, the log and its checkpoint; for
//! strangers joining; for holders of an expired certificate renewing it.
//!
//! A member's request is authorised before its body is read, by the layer around all routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body, Entry};
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::message::FromNode;
use quorate_ceremony::names::{AccountName, Digest};
use quorate_network::Peer;
use quorate_network::hub::Routes;
use quorate_network::link::{Link, LinkOptions};
use quorate_network::stream::{STREAM_PATH, StreamRequest};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::access::{Member, Part};
use super::answers::Room;
use super::context::{Context, document_error, problem};
use super::ivn::Event;
use super::links::Outgoing;
use super::upload;
use crate::api::{Code, Problem};
use crate::fail_points;
use crate::setup::wire::{
    CHECK_ROUTE, CheckRequest, JOIN_ROUTE, JoinRequest, JoinResponse, MAX_JOIN_BODY, RENEW_ROUTE,
    certificate_request_hash,
};
use crate::store::document_title::DocumentTitle;
use crate::timers::wall_clock;

/// How long a request for a document waits for earlier answers to be read.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) fn routes(context: Context) -> Routes {
    // The layer is outermost, so that no route reads a body before its sender is authorised.
    let authorised = middleware::from_fn_with_state(context.clone(), authorise);
    let members = Router::new()
        .route(STREAM_PATH, get(stream))
        .route(
            "/ivn/v1/documents/{commitment}",
            get(document).head(document_exists).put(upload::put_document),
        )
        .route("/ivn/v1/documents/{commitment}/title", get(document_title))
        .route("/ivn/v1/checkpoint", get(checkpoint))
        .route("/ivn/v1/log/{first}", get(log))
        .route(RENEW_ROUTE, post(renew))
        .layer(DefaultBodyLimit::max(MAX_JOIN_BODY))
        .layer(authorised.clone())
        .with_state(context.clone());
    let renewal = Router::new()
        .route(RENEW_ROUTE, post(renew))
        .fallback(expired)
        .layer(DefaultBodyLimit::max(MAX_JOIN_BODY))
        .layer(authorised)
        .with_state(context.clone());
    let join = Router::new()
        .route(JOIN_ROUTE, post(join))
        .route(CHECK_ROUTE, post(check_invitation))
        .layer(DefaultBodyLimit::max(MAX_JOIN_BODY))
        .with_state(context);
    Routes { members, join, renewal }
}

/// Lets a request pass only with an account that may connect, before its body is read.
async fn authorise(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    match member(&context, &peer).await {
        Ok(member) => {
            request.extensions_mut().insert(member);
            next.run(request).await
        }
        Err(refusal) => {
            upload::discard(request.into_body(), context.shelf.limit()).await;
            refusal
        }
    }
}

async fn expired() -> Response {
    let why = "the certificate has expired; the node renews it automatically";
    problem(Problem::new(Code::Unreachable, why).hint("check the clocks of both machines"))
}

/// Returns the account of a connection, if it may connect and still has the keys of its
/// certificate: a certificate alone is not enough.
async fn member(context: &Context, peer: &Peer) -> Result<Member, Response> {
    let named = peer.account().and_then(|name| name.as_str().parse::<AccountName>().ok());
    let (Some(account), Some(identity)) = (named, peer.identity()) else {
        return Err(problem(Problem::new(Code::NotAllowed, "the certificate names no account")));
    };
    let member = Member { account, identity: PublicKey(*identity) };
    let (reply, answer) = oneshot::channel();
    let question = Event::MayConnect { peer: member.clone(), reply };
    context.events.send(question).await.map_err(|_| unavailable())?;
    match answer.await {
        Ok(Ok(())) => Ok(member),
        Ok(Err(why)) => {
            let message = why.to_string();
            Err(problem(Problem::new(Code::Blocked(why), message)))
        }
        Err(_) => Err(unavailable()),
    }
}

fn unavailable() -> Response {
    problem(not_ready())
}

fn not_ready() -> Problem {
    Problem::new(Code::NotReady, "the coordinator is not ready; try again")
}

async fn stream(
    State(context): State<Context>,
    Extension(member): Extension<Member>,
    request: StreamRequest,
) -> Response {
    static LINKS: AtomicU64 = AtomicU64::new(0);
    let link = LINKS.fetch_add(1, Ordering::Relaxed);
    let options = fail_points::links(LinkOptions::default());
    request.accept(options, move |connection| relay(context, member, link, connection))
}

/// Relays a node's messages to the task, until either ends.
async fn relay(context: Context, peer: Member, link: u64, connection: Link) {
    let account = peer.account.clone();
    let (sender, mut receiver) = connection.split();
    let close = CancellationToken::new();
    let out = Outgoing { link: sender, close: close.clone() };
    let connected = Event::Connected { peer, link, out };
    if context.events.send(connected).await.is_err() {
        return;
    }
    let mut greeted = false;
    loop {
        let frame = tokio::select! {
            () = close.cancelled() => break,
            frame = receiver.recv() => frame,
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(ended) => {
                tracing::info!(%account, %ended, "a node's link is over");
                break;
            }
        };
        match serde_json::from_slice(&frame) {
            // Each hello costs reading and sending the part of the log that the node lacks.
            Ok(FromNode::Hello { .. }) if std::mem::replace(&mut greeted, true) => {
                tracing::warn!(%account, "a node said hello twice; its link is closed");
                break;
            }
            Ok(message) => {
                let message = Box::new(message);
                let event = Event::Received { account: account.clone(), link, message };
                if context.events.send(event).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(%account, %error, "a node sent an invalid message; its link is closed");
                break;
            }
        }
    }
    let _ = context.events.send(Event::Disconnected { account, link }).await;
}

async fn document(
    State(context): State<Context>,
    Extension(Member { account, .. }): Extension<Member>,
    Path(commitment): Path<Digest>,
) -> Response {
    match read_document(&context, &account, commitment, Part::Document).await {
        Ok((package, room)) => {
            let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
            (kind, room.hold(package)).into_response()
        }
        Err(refusal) => refusal,
    }
}

/// Returns a document's name, message, salt and hash.
async fn document_title(
    State(context): State<Context>,
    Extension(Member { account, .. }): Extension<Member>,
    Path(commitment): Path<Digest>,
) -> Response {
    let (package, room) = match read_document(&context, &account, commitment, Part::Title).await {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    // Hashing a large document would hold up the other requests. It continues when the other end
    // hangs up, and keeps its room until then.
    let title = tokio::task::spawn_blocking(move || {
        let title = DocumentTitle::of_package(&package).ok();
        drop(room);
        title
    });
    match title.await {
        Ok(Some(title)) => {
            ([(header::CONTENT_TYPE, "application/json")], title.to_bytes()).into_response()
        }
        Ok(None) => problem(Problem::new(Code::NoDocument, "the stored document is damaged")),
        Err(_) => unavailable(),
    }
}

/// Reads a document for an account that may read this part of it.
async fn read_document(
    context: &Context,
    account: &AccountName,
    commitment: Digest,
    part: Part,
) -> Result<(Arc<[u8]>, Room), Response> {
    may_read(context, account, commitment, part).await?;
    let absent = || problem(Problem::new(Code::NoDocument, "there is no such document"));
    let path = context.shelf.stored().path(commitment);
    let file = tokio::fs::metadata(path).await.map_err(|_| absent())?;
    let room = timeout(LONGEST_WAIT, context.answers.room(account, file.len())).await;
    let Ok(Some(room)) = room else {
        let why = format!("earlier answers were not read within {LONGEST_WAIT:?}; try again");
        return Err(problem(Problem::new(Code::TooSlow, why)));
    };
    match context.shelf.get(commitment).await {
        Ok(Some(package)) => Ok((package, room)),
        Ok(None) => Err(absent()),
        Err(error) => Err(document_error(&error)),
    }
}

/// Answers whether the document is stored. Nodes ask this about the documents of undecided requests
/// when they connect, and upload those that the coordinator has lost.
async fn document_exists(
    State(context): State<Context>,
    Extension(Member { account, .. }): Extension<Member>,
    Path(commitment): Path<Digest>,
) -> Response {
    if let Err(refusal) = may_read(&context, &account, commitment, Part::Document).await {
        return refusal;
    }
    match context.shelf.has(commitment).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => problem(Problem::new(Code::NoDocument, "there is no such document")),
        Err(error) => document_error(&error),
    }
}

/// Checks that the account of a connection may read a document or its title.
async fn may_read(
    context: &Context,
    account: &AccountName,
    commitment: Digest,
    part: Part,
) -> Result<(), Response> {
    let account = account.clone();
    let (reply, answer) = oneshot::channel();
    let question = Event::MayRead { account, commitment, part, reply };
    context.events.send(question).await.map_err(|_| unavailable())?;
    match answer.await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let why = match part {
                Part::Document => "only the requester and the group's members receive a document",
                Part::Title => {
                    "only auditors, the requester and the group's members learn a document's name"
                }
            };
            Err(problem(Problem::new(Code::NoReader, why)))
        }
        Err(_) => Err(unavailable()),
    }
}

async fn checkpoint(State(context): State<Context>) -> Response {
    let (reply, answer) = oneshot::channel();
    if context.events.send(Event::Checkpoint { reply }).await.is_err() {
        return unavailable();
    }
    match answer.await {
        Ok(Some(note)) => note.into_response(),
        Ok(None) | Err(_) => unavailable(),
    }
}

/// Returns the log from an entry on, in the form of the stream. A stream belongs to the account's
/// running node; this route lets a future node of the account read the log without disconnecting
/// that one.
async fn log(State(context): State<Context>, Path(first): Path<u64>) -> Response {
    let (reply, answer) = oneshot::channel();
    if context.events.send(Event::Read { first, reply }).await.is_err() {
        return unavailable();
    }
    match answer.await {
        Ok(part) => ([(header::CONTENT_TYPE, "application/json")], part).into_response(),
        Err(_) => unavailable(),
    }
}

/// Answers whether an invitation can be used, before its holder makes keys.
async fn check_invitation(
    State(context): State<Context>,
    axum::Json(CheckRequest { account, key }): axum::Json<CheckRequest>,
) -> Response {
    let (reply, answer) = oneshot::channel();
    let question = Event::CheckInvitation { account, key, reply };
    if context.events.send(question).await.is_err() {
        return unavailable();
    }
    match answer.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(why)) => problem(Problem::from(why)),
        Err(_) => unavailable(),
    }
}

/// Admits the holder of an invitation, or accepts a member's new keys, according to the log's
/// rules. Then it issues the account's certificate.
async fn join(
    State(context): State<Context>,
    axum::Json(request): axum::Json<JoinRequest>,
) -> Response {
    match admitted(&context, &request).await {
        Ok(response) => axum::Json(response).into_response(),
        Err(refusal) => problem(refusal),
    }
}

/// Renews the certificate of a connection's own account. Other joining connections cannot delay
/// it.
async fn renew(
    State(context): State<Context>,
    Extension(member): Extension<Member>,
    axum::Json(request): axum::Json<JoinRequest>,
) -> Response {
    let author =
        Entry::from_bytes(&request.entry.0).ok().map(|entry| entry.statement().author.clone());
    if author != Some(Author::Account(member.account)) {
        let why = "an account renews only its own certificate";
        return problem(Problem::new(Code::NotAllowed, why));
    }
    match admitted(&context, &request).await {
        Ok(response) => axum::Json(response).into_response(),
        Err(refusal) => problem(refusal),
    }
}

async fn admitted(context: &Context, request: &JoinRequest) -> Result<JoinResponse, Problem> {
    let malformed = || Problem::new(Code::Usage, "the request to join is malformed");
    let busy = not_ready;
    let entry = Entry::from_bytes(&request.entry.0).map_err(|_| malformed())?;
    let Author::Account(account) = entry.statement().author.clone() else {
        return Err(malformed());
    };
    // The founder's admission is the genesis.
    let keys = match &entry.statement().body {
        Body::AccountAdmitted { keys } | Body::KeysRotated { keys } => keys,
        Body::Genesis(genesis) => &genesis.admin,
        _ => return Err(malformed()),
    };
    let proof: &[u8; 64] = request.proof.0.as_slice().try_into().map_err(|_| malformed())?;
    let signed = certificate_request_hash(entry.id(), &request.csr.0);
    if !keys.identity.verifies(signed.as_bytes(), proof) {
        let detail = "the certificate request is not signed by the account's identity key";
        return Err(Problem::new(Code::NotAllowed, detail));
    }
    let name = quorate_network::ivn::AccountName::new(account.as_str()).map_err(|_| malformed())?;
    // Issued first, because an account that is admitted and then receives no certificate could not
    // connect, and its invitation would be used up. The certificate is sent only if the log admits
    // the account.
    let certificate = context
        .authority
        .issue_node_certificate(&name, &keys.identity.0, &request.csr.0, wall_clock())
        .map_err(|error| Problem::new(Code::Usage, error.to_string()))?;
    let (reply, answer) = oneshot::channel();
    let event = Event::Join { entry: request.entry.0.clone(), reply };
    context.events.send(event).await.map_err(|_| busy())?;
    let index = answer.await.map_err(|_| busy())?.map_err(Problem::from)?;
    let (reply, genesis) = oneshot::channel();
    context.events.send(Event::Genesis { reply }).await.map_err(|_| busy())?;
    let (genesis, log_key) = genesis.await.map_err(|_| busy())?;
    Ok(JoinResponse {
        genesis: Base64(genesis),
        log_key,
        authority: context.authority.certificate_pem(),
        certificate: certificate.to_pem(),
        index,
    })
}
