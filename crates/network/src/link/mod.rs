//! A link: frames of bytes in both directions between a node and its hub, over one WebSocket.
//!
//! Binary messages are the frames; text messages are the link's own, in JSON: the greeting and
//! heartbeats. The node sends its protocol version, and the hub accepts or rejects it. There is a
//! [`Link`] only after that, because a TLS 1.3 client learns only from the hub's first bytes
//! whether its certificate was accepted.
//!
//! Each end sends a heartbeat when it has sent nothing else for a while. It ends the link when it
//! receives nothing for longer, or cannot send its own bytes. The receiver of a direction that
//! fails notices, and closes the connection, which informs the other end; heartbeats need not
//! report what was received.

mod greeting;
mod socket;

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub use greeting::{Control, PROTOCOL_VERSION};
pub use socket::{Ended, MAX_FRAME};

pub(crate) use greeting::{GreetingError, greet, welcome};
pub(crate) use socket::{Frame, Socket, SocketError};

/// The times after which heartbeats are sent and a link is abandoned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LinkOptions {
    /// A heartbeat is sent after this long without another frame to send. Default 2 s.
    pub heartbeat: Duration,
    /// A peer that sends nothing for this long is dead; so is one that takes no bytes for this
    /// long. Default 8 s.
    ///
    /// Because a frame counts when it is complete, the largest one has to arrive within this time.
    pub dead_after: Duration,
    /// The number of frames that wait in each direction before `send` waits, or reading stops. At
    /// least 1, default 64.
    pub queue: usize,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(2), dead_after: Duration::from_secs(8), queue: 64 }
    }
}

/// An established link. Dropping it, or its receiver after [`split`](Self::split), ends it: frames
/// accepted for sending are still sent, then the peer is notified.
///
/// Frames arrive in order and complete or not at all; the last ones before an end may be lost in
/// either direction.
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
}

/// The sending half; clones send on the same link.
#[derive(Clone, Debug)]
pub struct LinkSender {
    frames: mpsc::Sender<Vec<u8>>,
    ended: watch::Receiver<Option<Ended>>,
    /// Closed when the socket is released.
    gone: watch::Receiver<()>,
}

/// The receiving half.
#[derive(Debug)]
pub struct LinkReceiver {
    frames: mpsc::Receiver<Vec<u8>>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Link {
    /// Sends a frame of at most [`MAX_FRAME`] bytes; waits while the queue is full.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the frame was not sent.
    pub async fn send(&self, frame: Vec<u8>) -> Result<(), SendError> {
        self.sender.send(frame).await
    }

    /// Returns the next frame. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Ended`], after the last frame; from then on always.
    pub async fn recv(&mut self) -> Result<Vec<u8>, Ended> {
        self.receiver.recv().await
    }

    /// Separates the two directions.
    pub fn split(self) -> (LinkSender, LinkReceiver) {
        (self.sender, self.receiver)
    }

    /// Runs the link over a socket whose ends have greeted each other.
    pub(crate) fn start(socket: impl Socket, options: LinkOptions) -> Self {
        let queue = options.queue.max(1);
        let (frames, outgoing) = mpsc::channel(queue);
        let (incoming, received) = mpsc::channel(queue);
        let (set_ended, ended) = watch::channel(None);
        let (until_gone, gone) = watch::channel(());
        tokio::spawn(async move {
            run(socket, options, outgoing, incoming, set_ended).await;
            drop(until_gone);
        });
        Self {
            sender: LinkSender { frames, ended: ended.clone(), gone },
            receiver: LinkReceiver { frames: received, ended },
        }
    }
}

impl LinkSender {
    /// Like [`Link::send`].
    ///
    /// # Errors
    ///
    /// [`SendError`]; the frame was not sent.
    pub async fn send(&self, frame: Vec<u8>) -> Result<(), SendError> {
        if frame.len() > MAX_FRAME {
            return Err(SendError::TooLarge(frame.len()));
        }
        self.frames.send(frame).await.map_err(|_| SendError::Ended(end_of(&self.ended)))
    }

    /// Sends a frame if the queue has room for it now.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the frame was not sent.
    pub fn try_send(&self, frame: Vec<u8>) -> Result<(), SendError> {
        if frame.len() > MAX_FRAME {
            return Err(SendError::TooLarge(frame.len()));
        }
        self.frames.try_send(frame).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Ended(end_of(&self.ended)),
        })
    }

    /// The number of frames that wait to be sent.
    pub fn queued(&self) -> usize {
        self.frames.max_capacity() - self.frames.capacity()
    }

    /// The most frames that can wait to be sent.
    pub fn queue(&self) -> usize {
        self.frames.max_capacity()
    }

    /// Waits until at most `left` frames wait to be sent, or the link is over.
    pub async fn drained(&self, left: usize) {
        let room = self.frames.max_capacity().saturating_sub(left);
        let _ = self.frames.reserve_many(room).await;
    }

    /// Waits for the end of the link.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        // The other end of the channel disappears only after it has reported the reason.
        let _ = ended.wait_for(Option::is_some).await;
        end_of(&ended)
    }

    /// Waits until nothing is left of the link: after its [end](Self::ended), accepted frames are
    /// sent, or abandoned.
    pub async fn gone(&self) {
        let mut gone = self.gone.clone();
        while gone.changed().await.is_ok() {}
    }
}

impl LinkReceiver {
    /// Like [`Link::recv`].
    ///
    /// # Errors
    ///
    /// [`Ended`], after the last frame; from then on always.
    pub async fn recv(&mut self) -> Result<Vec<u8>, Ended> {
        self.frames.recv().await.ok_or_else(|| end_of(&self.ended))
    }
}

fn end_of(ended: &watch::Receiver<Option<Ended>>) -> Ended {
    ended.borrow().clone().unwrap_or(Ended::ClosedHere)
}

/// Why a frame was not sent.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SendError {
    /// The frame is larger than [`MAX_FRAME`]; its bytes. The link continues.
    #[error("a frame of {0} bytes is larger than {MAX_FRAME}")]
    TooLarge(usize),
    /// The queue has no room now. The link continues.
    #[error("too many frames wait to be sent")]
    Full,
    #[error("the link is over")]
    Ended(#[source] Ended),
}

/// Owns the socket until the link is over.
async fn run(
    socket: impl Socket,
    options: LinkOptions,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    incoming: mpsc::Sender<Vec<u8>>,
    ended: watch::Sender<Option<Ended>>,
) {
    let (mut sink, mut stream) = socket.split();
    let mut failed = false;
    let why = tokio::select! {
        why = write_frames(&mut sink, &mut outgoing, options) => {
            failed = !matches!(why, Ended::ClosedHere | Ended::Stuck(_));
            why
        }
        why = read_frames(&mut stream, &incoming, options) => why,
        () = incoming.closed() => Ended::ClosedHere,
    };
    let closed_here = matches!(why, Ended::ClosedHere);
    // In this order: a receiver that waits for a frame must find the reason when the channel
    // closes.
    ended.send_replace(Some(why));
    drop(incoming);
    outgoing.close();
    // A sink that failed must not be used again.
    if failed {
        return;
    }
    let farewell = async {
        if closed_here {
            while let Some(frame) = outgoing.recv().await {
                sink.feed(Frame::Payload(frame.into())).await?;
            }
        }
        sink.close().await
    };
    // The link is over whether the peer receives this or not.
    let _ = timeout(options.dead_after, farewell).await;
}

/// Sends frames as they come, and those that already wait together.
async fn write_frames<S: Socket>(
    sink: &mut SplitSink<S, Frame>,
    outgoing: &mut mpsc::Receiver<Vec<u8>>,
    options: LinkOptions,
) -> Ended {
    loop {
        let write = match timeout(options.heartbeat, outgoing.recv()).await {
            Ok(None) => return Ended::ClosedHere,
            Ok(Some(frame)) => {
                timeout(options.dead_after, write_batch(sink, outgoing, frame)).await
            }
            Err(_) => timeout(options.dead_after, sink.send(Control::Heartbeat.frame())).await,
        };
        match write {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return Ended::Stuck(options.dead_after),
        }
    }
}

async fn write_batch<S: Socket>(
    sink: &mut SplitSink<S, Frame>,
    outgoing: &mut mpsc::Receiver<Vec<u8>>,
    first: Vec<u8>,
) -> Result<(), SocketError> {
    let mut size = first.len();
    sink.feed(Frame::Payload(first.into())).await?;
    while size < BATCH {
        let Ok(next) = outgoing.try_recv() else { break };
        size += next.len();
        sink.feed(Frame::Payload(next.into())).await?;
    }
    sink.flush().await
}

async fn read_frames<S: Socket>(
    stream: &mut SplitStream<S>,
    incoming: &mpsc::Sender<Vec<u8>>,
    options: LinkOptions,
) -> Ended {
    loop {
        // The clock runs only while this end listens: a slow reader at this end is not the peer's
        // silence.
        match timeout(options.dead_after, stream.next()).await {
            Ok(Some(Ok(Frame::Payload(frame)))) => {
                if incoming.send(frame.into()).await.is_err() {
                    return Ended::ClosedHere;
                }
            }
            Ok(Some(Ok(Frame::Control(text)))) => match serde_json::from_str(&text) {
                Ok(Control::Heartbeat) => {}
                _ => return Ended::Misbehaved,
            },
            Ok(Some(Err(error))) => return error.into(),
            Ok(None) => return Ended::ClosedByPeer,
            Err(_) => return Ended::Silent(options.dead_after),
        }
    }
}

/// The number of bytes after which waiting frames are sent, so that a large one does not delay a
/// small one much.
const BATCH: usize = 64 * 1024;

#[cfg(test)]
mod tests;
