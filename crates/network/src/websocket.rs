//! Both ends' WebSockets as the sockets of links.

use std::future::ready;
use std::io;
use std::sync::Arc;

use axum::extract::ws::{self, WebSocket};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::link::{Frame, MAX_FRAME, Socket, SocketError};

/// The limits of a node's WebSocket; those of a hub's are set where it is upgraded.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME))
}

pub(crate) fn of_node<S>(socket: WebSocketStream<S>) -> impl Socket
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    socket
        .sink_map_err(classify)
        .with(|frame| {
            ready(Ok(match frame {
                Frame::Control(text) => Message::text(text),
                Frame::Payload(bytes) => Message::binary(bytes),
            }))
        })
        .filter_map(|message| {
            ready(match message {
                Ok(Message::Binary(bytes)) => Some(Ok(Frame::Payload(bytes))),
                Ok(Message::Text(text)) => Some(Ok(Frame::Control(text.as_str().to_owned()))),
                Ok(Message::Close(_)) => Some(Err(SocketError::Closed)),
                Ok(_) => None,
                Err(error) => Some(Err(classify(error))),
            })
        })
}

/// A hub's end.
pub(crate) fn of_hub(socket: WebSocket) -> impl Socket {
    socket
        .sink_map_err(classify_axum)
        .with(|frame| {
            ready(Ok(match frame {
                Frame::Control(text) => ws::Message::Text(text.into()),
                Frame::Payload(bytes) => ws::Message::Binary(bytes),
            }))
        })
        .filter_map(|message| {
            ready(match message {
                Ok(ws::Message::Binary(bytes)) => Some(Ok(Frame::Payload(bytes))),
                Ok(ws::Message::Text(text)) => Some(Ok(Frame::Control(text.as_str().to_owned()))),
                Ok(ws::Message::Close(_)) => Some(Err(SocketError::Closed)),
                Ok(_) => None,
                Err(error) => Some(Err(classify_axum(error))),
            })
        })
}

fn classify_axum(error: axum::Error) -> SocketError {
    match error.into_inner().downcast::<tungstenite::Error>() {
        Ok(error) => classify(*error),
        Err(other) => SocketError::Broken(Arc::from(other)),
    }
}

fn classify(error: tungstenite::Error) -> SocketError {
    match error {
        tungstenite::Error::Capacity(_) => SocketError::TooLarge,
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            SocketError::Closed
        }
        tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            SocketError::Closed
        }
        other => SocketError::Broken(Arc::new(other)),
    }
}
