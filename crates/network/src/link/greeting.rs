//! A link's own messages and its greeting: the node sends its version, and the hub accepts or
//! rejects it.

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};

use super::socket::{Ended, Frame, Socket, SocketError};

/// The version of the protocol on a link. Ends with different versions reject each other.
pub const PROTOCOL_VERSION: u16 = 1;

/// The link's own messages, each a text frame in JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Control {
    /// The node's first message.
    Hello { version: u16 },
    /// The hub's answer: the link is established.
    Accepted { version: u16 },
    /// The hub's other answer, after which it closes.
    Refused { version: u16 },
    /// Sent when there is nothing else to send.
    Heartbeat,
}

impl Control {
    pub(super) fn frame(&self) -> Frame {
        // None of the variants can fail to serialise; the peer would reject an empty message.
        Frame::Control(serde_json::to_string(self).unwrap_or_default())
    }

    async fn receive(socket: &mut impl Socket) -> Result<Self, Ended> {
        match socket.next().await {
            Some(Ok(Frame::Control(text))) => {
                serde_json::from_str(&text).map_err(|_| Ended::Misbehaved)
            }
            Some(Ok(Frame::Payload(_))) => Err(Ended::Misbehaved),
            Some(Err(error)) => Err(error.into()),
            None => Err(Ended::ClosedByPeer),
        }
    }
}

/// Why there is no link although there is a connection.
#[derive(Debug)]
pub(crate) enum GreetingError {
    /// The other end has this version.
    Version(u16),
    Ended(Ended),
}

impl From<Ended> for GreetingError {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<SocketError> for GreetingError {
    fn from(error: SocketError) -> Self {
        Self::Ended(error.into())
    }
}

/// The node's part of the greeting.
pub(crate) async fn greet(socket: &mut impl Socket) -> Result<(), GreetingError> {
    socket.send(Control::Hello { version: PROTOCOL_VERSION }.frame()).await?;
    match Control::receive(socket).await? {
        Control::Accepted { version: PROTOCOL_VERSION } => Ok(()),
        Control::Accepted { version } | Control::Refused { version } => {
            Err(GreetingError::Version(version))
        }
        Control::Hello { .. } | Control::Heartbeat => Err(Ended::Misbehaved.into()),
    }
}

/// The hub's part of the greeting.
pub(crate) async fn welcome(socket: &mut impl Socket) -> Result<(), GreetingError> {
    match Control::receive(socket).await? {
        Control::Hello { version: PROTOCOL_VERSION } => {
            socket.send(Control::Accepted { version: PROTOCOL_VERSION }.frame()).await?;
            Ok(())
        }
        Control::Hello { version } => {
            socket.send(Control::Refused { version: PROTOCOL_VERSION }.frame()).await?;
            let _ = socket.close().await;
            Err(GreetingError::Version(version))
        }
        Control::Accepted { .. } | Control::Refused { .. } | Control::Heartbeat => {
            Err(Ended::Misbehaved.into())
        }
    }
}
