//! The socket below a link: its messages, and why it ends.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Sink, Stream};

/// The largest frame, in bytes. A larger one ends the link.
pub const MAX_FRAME: usize = 1 << 20;

/// Why a link is over.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Ended {
    #[error("the link was closed at this end")]
    ClosedHere,
    #[error("the link was closed by the other end")]
    ClosedByPeer,
    #[error("nothing was heard from the other end for {0:?}")]
    Silent(Duration),
    #[error("the other end has taken nothing for {0:?}")]
    Stuck(Duration),
    #[error("the other end sent a frame of more than {MAX_FRAME} bytes")]
    TooLarge,
    #[error("the other end does not keep to the protocol of links")]
    Misbehaved,
    #[error("the connection failed")]
    Broken(#[source] Arc<dyn StdError + Send + Sync>),
}

/// The meaning of a WebSocket message for a link.
#[derive(Debug)]
pub(crate) enum Frame {
    Control(String),
    Payload(Bytes),
}

#[derive(Debug)]
pub(crate) enum SocketError {
    TooLarge,
    Closed,
    Broken(Arc<dyn StdError + Send + Sync>),
}

impl From<SocketError> for Ended {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::TooLarge => Self::TooLarge,
            SocketError::Closed => Self::ClosedByPeer,
            SocketError::Broken(source) => Self::Broken(source),
        }
    }
}

/// Either end's WebSocket.
pub(crate) trait Socket:
    Stream<Item = Result<Frame, SocketError>>
    + Sink<Frame, Error = SocketError>
    + Send
    + Unpin
    + 'static
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Frame, SocketError>>
        + Sink<Frame, Error = SocketError>
        + Send
        + Unpin
        + 'static
{
}
