//! A node's connections to its hub: a link that is dialled again whenever it ends, and separate
//! requests.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::names::Digest;
use quorate_network::client::{Answer, Body, ClientOptions, HubClient, RequestError};
use quorate_network::dialler::{DialError, Dialler, Refusal};
use quorate_network::redial::Redial;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::event::{Event, Outgoing};
use crate::api::{Code, Exit, Problem};
use crate::error_chain::chain;
use crate::fail_points;
use crate::home::REQUESTS_AT_ONCE;
use crate::store::document_title::DocumentTitle;

/// Sends requests to the hub. Shared by everything that fetches and stores documents.
pub(crate) struct Hub {
    diallers: watch::Receiver<Dialler>,
    client: Mutex<Requests>,
    turns: Semaphore,
    options: ClientOptions,
    /// Why there is no connection; `None` while there is one.
    pub(super) outage: watch::Sender<Option<Problem>>,
}

/// The requests of one link and certificate.
#[derive(Clone)]
struct Requests {
    client: HubClient,
    /// Cancelled when the link ends or a new certificate arrives.
    over: CancellationToken,
}

impl Requests {
    fn new(dialler: Dialler, options: ClientOptions) -> Self {
        Self { client: HubClient::new(dialler, options), over: CancellationToken::new() }
    }
}

/// The limits of requests if the longest document has `longest` bytes: it has to fit, and each of
/// its megabytes may take a second.
fn options(longest: u64) -> ClientOptions {
    let usual = ClientOptions::default();
    let timeout = usual.timeout + Duration::from_secs(longest >> 20);
    ClientOptions {
        max_answer: usual.max_answer.max(usize::try_from(longest).unwrap_or(usize::MAX)),
        timeout: fail_points::patience(timeout),
    }
}

impl Hub {
    /// `longest` is the number of bytes of the longest document that this node takes.
    pub(crate) fn new(diallers: watch::Receiver<Dialler>, longest: u64) -> Self {
        let options = options(longest);
        let client = Mutex::new(Requests::new(diallers.borrow().clone(), options));
        let turns = Semaphore::new(REQUESTS_AT_ONCE);
        Self { diallers, client, turns, options, outage: watch::Sender::new(None) }
    }

    pub(crate) fn address(&self) -> String {
        self.diallers.borrow().address().to_string()
    }

    /// Abandons the running requests and their connections. A broken link or an old certificate
    /// affects them too, and each would notice only later.
    fn renew(&self) {
        let new = Requests::new(self.diallers.borrow().clone(), self.options);
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, new).over.cancel();
    }

    fn requests(&self) -> Requests {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn request(
        &self,
        method: http::Method,
        path: &str,
        body: Body,
    ) -> Result<Answer, Problem> {
        let _turn = self.turns.acquire().await;
        let Requests { client, over } = self.requests();
        let answer = tokio::select! {
            answer = client.request(method, path, body) => answer,
            () = over.cancelled() => {
                let message = "the connection to the coordinator was lost before its answer came";
                return Err(Problem::new(Code::Unreachable, message));
            }
        };
        answer.map_err(|error| match error {
            RequestError::Dial(error) => dial_problem(&error),
            error => Problem::new(Code::Unreachable, chain(&error)),
        })
    }

    /// Fetches a document's package. The caller compares it with its commitment.
    pub(super) async fn document(
        &self,
        commitment: Digest,
        limit: u64,
    ) -> Result<Vec<u8>, Problem> {
        self.get(&format!("/ivn/v1/documents/{commitment}"), limit).await
    }

    /// Fetches the title of a document. The caller compares it with the commitment.
    pub(super) async fn document_title(&self, commitment: Digest) -> Result<Vec<u8>, Problem> {
        let path = format!("/ivn/v1/documents/{commitment}/title");
        self.get(&path, DocumentTitle::MAX_BYTES).await
    }

    /// Fetches at most `limit` bytes.
    async fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, Problem> {
        let answer = self.request(http::Method::GET, path, Body::Empty).await?;
        let small = answer.body.len() as u64 <= limit;
        if answer.status.is_success() && small { Ok(answer.body) } else { Err(refusal(&answer)) }
    }

    /// Stores a document's package at the coordinator.
    pub(super) async fn put_document(
        &self,
        commitment: Digest,
        package: Vec<u8>,
    ) -> Result<(), Problem> {
        let path = format!("/ivn/v1/documents/{commitment}");
        let answer = self.request(http::Method::PUT, &path, Body::Bytes(package)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(refusal(&answer)) }
    }

    /// Whether the coordinator has lost a document.
    pub(super) async fn lacks_document(&self, commitment: Digest) -> Result<bool, Problem> {
        let path = format!("/ivn/v1/documents/{commitment}");
        let answer = self.request(http::Method::HEAD, &path, Body::Empty).await?;
        Ok(answer.status == http::StatusCode::NOT_FOUND)
    }

    /// Fetches the log from an entry on, as much as fits into one answer.
    pub(super) async fn log(&self, first: u64) -> Result<FromCoordinator, Problem> {
        let path = format!("/ivn/v1/log/{first}");
        let answer = self.request(http::Method::GET, &path, Body::Empty).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| Problem::new(Code::Failed, "the coordinator sent an invalid log"))
    }

    /// Fetches the latest checkpoint with the cosignatures that the coordinator has.
    pub(super) async fn checkpoint(&self) -> Result<String, Problem> {
        let answer = self.request(http::Method::GET, "/ivn/v1/checkpoint", Body::Empty).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        String::from_utf8(answer.body)
            .map_err(|_| Problem::new(Code::Failed, "the coordinator sent an invalid checkpoint"))
    }
}

fn refusal(answer: &Answer) -> Problem {
    let status = answer.status.as_u16();
    let problem = Problem::from_http(status, &answer.body);
    let message = format!("the coordinator rejected the request: {} ({status})", problem.message);
    Problem { message, ..problem }
}

/// Explains why there is no connection, and what to do.
pub(crate) fn dial_problem(error: &DialError) -> Problem {
    let problem = Problem::new(Code::Unreachable, chain(error));
    match error {
        DialError::Unreachable { .. } => problem.hint("is the coordinator running? quorate serve"),
        DialError::UnknownIvn | DialError::OtherHub(_) => {
            problem.hint("the address may belong to another coordinator: see home.json")
        }
        // It can be reached, and its answer contains the reason.
        DialError::Refused(Refusal::Status { status, body }) => {
            match Problem::from_http(status.as_u16(), body) {
                refused if refused.exit() == Exit::NotAllowed => refused.hint("quorate status"),
                Problem { code, message, .. } => Problem::new(
                    code,
                    format!(
                        "the hub rejected the connection: {message} (status {})",
                        status.as_u16()
                    ),
                ),
            }
        }
        _ => problem,
    }
}

/// Keeps a link up until `stop`.
pub(super) async fn keep_linked(
    mut diallers: watch::Receiver<Dialler>,
    hub: Arc<Hub>,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    let outage = &hub.outage;
    let mut redial = Redial::new(diallers.borrow_and_update().clone());
    loop {
        if diallers.has_changed().unwrap_or(false) {
            redial = Redial::new(diallers.borrow_and_update().clone());
            hub.renew();
        }
        let failed = |error: &DialError, pause: Duration| {
            let problem = dial_problem(error);
            let known = outage.borrow().as_ref() == Some(&problem);
            if !known {
                tracing::warn!("{}; trying again", problem.message);
                outage.send_replace(Some(problem));
            }
            tracing::debug!(?pause, "dialling again");
            ControlFlow::Continue(())
        };
        // The node's first message contains how much of the log it has.
        let link = tokio::select! {
            () = stop.cancelled() => return,
            link = redial.next(0, failed) => link,
            Ok(()) = diallers.changed() => {
                diallers.mark_changed();
                continue;
            }
        };
        let Ok(link) = link else { return };
        outage.send_replace(None);
        tracing::info!("connected to the coordinator");
        let (sender, mut receiver) = link.split();
        let close = CancellationToken::new();
        let out = Outgoing { link: sender, close: close.clone() };
        if events.send(Event::Connected(out)).await.is_err() {
            return;
        }
        loop {
            let frame = tokio::select! {
                () = stop.cancelled() => return,
                () = close.cancelled() => break,
                frame = receiver.recv() => frame,
            };
            let message = match frame {
                Ok(frame) => serde_json::from_slice(&frame),
                Err(ended) => {
                    tracing::warn!("the connection to the coordinator ended: {ended}");
                    break;
                }
            };
            match message {
                Ok(message) => {
                    if events.send(Event::Received(Box::new(message))).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the coordinator sent an invalid message");
                    break;
                }
            }
        }
        hub.renew();
        if events.send(Event::Disconnected).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_document_fits_an_answer_in_its_time() {
        let (small, large) = (options(32 << 20), options(1_500_000_000));
        assert!(small.max_answer >= 32 << 20 && large.max_answer >= 1_500_000_000);
        assert!(large.timeout > 10 * small.timeout);
    }
}
