//! HTTP requests to the hub over the same kind of connection as links: joining, documents,
//! envelopes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::dialler::{DialError, Dialler, Refusal};

/// Sends requests to one hub. Connections are kept for the next request; clones share them.
#[derive(Clone, Debug)]
pub struct HubClient {
    dialler: Dialler,
    options: ClientOptions,
    idle: Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>,
}

/// The limits of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientOptions {
    /// The largest body of an answer, in bytes. Default 64 MiB.
    pub max_answer: usize,
    /// From the request to the complete answer, dialling included. Default 60 s.
    pub timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { max_answer: 64 << 20, timeout: Duration::from_secs(60) }
    }
}

/// The body of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Body {
    /// No body.
    Empty,
    /// A JSON text, sent as `application/json`.
    Json(Vec<u8>),
    /// Anything, sent as `application/octet-stream`.
    Bytes(Vec<u8>),
}

/// A complete answer, whatever its status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body, at most [`ClientOptions::max_answer`] bytes.
    pub body: Vec<u8>,
}

impl HubClient {
    /// Sends requests over connections of `dialler`.
    pub fn new(dialler: Dialler, options: ClientOptions) -> Self {
        Self { dialler, options, idle: Arc::default() }
    }

    /// Sends a request and waits for the answer; `path` begins with `/` and may have a query.
    ///
    /// # Errors
    ///
    /// [`RequestError`]. After [`RequestError::Broken`] and [`RequestError::TimedOut`] the hub may
    /// have acted on the request.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Answer, RequestError> {
        timeout(self.options.timeout, self.exchange(method, path, body))
            .await
            .unwrap_or(Err(RequestError::TimedOut(self.options.timeout)))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Answer, RequestError> {
        let mut request = self.prepare(method, path, body)?;
        while let Some(mut connection) = self.take_idle() {
            match connection.try_send_request(request).await {
                Ok(response) => return self.read(response, connection).await,
                // The hub closed it while it was idle, so that the request was never sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(RequestError::Broken(error.into_error())),
                },
            }
        }
        let (mut connection, driver) = self.dial().await?;
        match connection.try_send_request(request).await {
            Ok(response) => self.read(response, connection).await,
            Err(error) => Err(self.first_failure(error.into_error(), driver).await),
        }
    }

    fn prepare(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Request<Full<Bytes>>, RequestError> {
        let uri: Uri = path.parse().map_err(|_| RequestError::Path)?;
        if uri.authority().is_some() || !path.starts_with('/') {
            return Err(RequestError::Path);
        }
        let request =
            Request::builder().method(method).uri(uri).header(HOST, self.dialler.server_name());
        let (kind, bytes) = match body {
            Body::Empty => (None, Vec::new()),
            Body::Json(text) => (Some("application/json"), text),
            Body::Bytes(bytes) => (Some("application/octet-stream"), bytes),
        };
        let request = match kind {
            Some(kind) => request.header(CONTENT_TYPE, kind),
            None => request,
        };
        request.body(Full::new(bytes.into())).map_err(|_| RequestError::Path)
    }

    async fn read(
        &self,
        response: Response<Incoming>,
        connection: SendRequest<Full<Bytes>>,
    ) -> Result<Answer, RequestError> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.options.max_answer).collect().await.map_err(
            |error| match error.downcast::<hyper::Error>() {
                Ok(error) => RequestError::Broken(*error),
                Err(error) if error.is::<LengthLimitError>() => {
                    RequestError::TooLarge(self.options.max_answer)
                }
                Err(_) => RequestError::Dial(DialError::NotAHub),
            },
        )?;
        if !connection.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        Ok(Answer { status: head.status, body: body.to_bytes().into() })
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    async fn dial(&self) -> Result<(SendRequest<Full<Bytes>>, Driver), RequestError> {
        let dial = async {
            let stream = self.dialler.dial().await?;
            http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| self.dialler.classify(&error))
        };
        let (connection, driver) =
            timeout(self.dialler.timeout(), dial).await.unwrap_or_else(|_| {
                Err(self.dialler.unreachable(std::io::ErrorKind::TimedOut.into()))
            })?;
        Ok((connection, tokio::spawn(driver)))
    }

    /// Why the first request on a connection failed: mostly because the hub rejected the
    /// certificate. With TLS 1.3 a client does not learn that earlier, and the alert may have
    /// reached the connection's driver instead of the request.
    async fn first_failure(&self, error: hyper::Error, driver: Driver) -> RequestError {
        let driver = driver.await.ok().and_then(Result::err);
        for error in driver.iter().chain([&error]) {
            match self.dialler.classify(error) {
                DialError::NotAHub => {}
                found => return RequestError::Dial(found),
            }
        }
        if error.is_incomplete_message() || error.is_canceled() {
            return RequestError::Dial(DialError::Refused(Refusal::Closed));
        }
        RequestError::Broken(error)
    }
}

type Driver = JoinHandle<Result<(), hyper::Error>>;

/// Why there is no answer to a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RequestError {
    /// There is no connection; the request was not sent. After [`Refusal::Closed`] it may have
    /// been: a hub that dies before its first answer looks the same.
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("a request's path begins with / and has no spaces or control characters")]
    Path,
    #[error("the hub's answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("the connection to the hub failed before its answer was complete")]
    Broken(#[source] hyper::Error),
    #[error("the hub did not answer within {0:?}")]
    TimedOut(Duration),
}
