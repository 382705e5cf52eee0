//! The hub's end of a link: the request that becomes one, `GET /ivn/v1/stream?after=SEQ`.

use std::future::Future;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::timeout;

use crate::ivn::AccountName;
use crate::link::{self, Link, LinkOptions, MAX_FRAME};
use crate::peer::Peer;
use crate::problem::problem;
use crate::websocket;

/// The path of links, to be routed among the members' routes.
pub const STREAM_PATH: &str = "/ivn/v1/stream";

/// A member's request for a link: an axum extractor that rejects everything else.
///
/// The handler checks that the account may have one, and then calls [`accept`](Self::accept).
#[derive(Debug)]
pub struct StreamRequest {
    peer: Peer,
    account: AccountName,
    after: u64,
    upgrade: WebSocketUpgrade,
}

impl StreamRequest {
    /// The requester, as authenticated by the connection.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The account of the requester.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// The last sequence number that the node has; 0 if it has no message.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// Answers the request, and runs `serve` with the link once the node has greeted.
    ///
    /// The link ends when `serve` drops it.
    pub fn accept<F>(
        self,
        options: LinkOptions,
        serve: impl FnOnce(Link) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let Self { account, upgrade, .. } = self;
        upgrade.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME).on_upgrade(
            async move |socket| {
                let mut socket = websocket::of_hub(socket);
                match timeout(options.dead_after, link::welcome(&mut socket)).await {
                    Ok(Ok(())) => serve(Link::start(socket, options)).await,
                    Ok(Err(error)) => tracing::info!(%account, ?error, "no link"),
                    Err(_) => tracing::info!(%account, "no link: no greeting in time"),
                }
            },
        )
    }
}

impl<S: Send + Sync> FromRequestParts<S> for StreamRequest {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Some(peer) = parts.extensions.get::<Peer>().cloned() else {
            tracing::error!("a stream request did not come through the hub");
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        let Some(account) = peer.account().cloned() else {
            let why = "a link needs a certificate of the IVN";
            return Err(problem(StatusCode::UNAUTHORIZED, "no-certificate", why));
        };
        let Ok(Query(StreamQuery { after })) = Query::try_from_uri(&parts.uri) else {
            let why = "`after` is a sequence number";
            return Err(problem(StatusCode::BAD_REQUEST, "usage", why));
        };
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        Ok(Self { peer, account, after, upgrade })
    }
}

#[derive(Deserialize)]
struct StreamQuery {
    #[serde(default)]
    after: u64,
}
