//! Links over in-memory pipes, in virtual time.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::websocket;

const PIPE: usize = 4096;

async fn sockets() -> (WebSocketStream<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (node, hub) = duplex(PIPE);
    (
        WebSocketStream::from_raw_socket(node, Role::Client, Some(websocket::config())).await,
        WebSocketStream::from_raw_socket(hub, Role::Server, Some(websocket::config())).await,
    )
}

async fn links() -> (Link, Link) {
    let (node, hub) = sockets().await;
    let options = LinkOptions::default();
    (Link::start(websocket::of_node(node), options), Link::start(websocket::of_node(hub), options))
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_lives_on_heartbeats() {
    let (mut node, hub) = links().await;
    let start = Instant::now();
    let quiet = timeout(Duration::from_secs(3600), node.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert!(start.elapsed() >= Duration::from_secs(3600));
    hub.send(b"still here".to_vec()).await.unwrap();
    assert_eq!(node.recv().await.unwrap(), b"still here");
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_dead_after_the_time_and_not_before() {
    let (node, hub) = sockets().await;
    let mut link = Link::start(websocket::of_node(node), LinkOptions::default());
    let start = Instant::now();
    // It takes what we send, and sends nothing.
    let listener = tokio::spawn(hub.for_each(|_| std::future::ready(())));
    assert!(matches!(link.recv().await, Err(Ended::Silent(_))));
    let waited = start.elapsed();
    assert!((Duration::from_secs(8)..Duration::from_secs(9)).contains(&waited), "{waited:?}");
    assert!(matches!(link.send(vec![1]).await, Err(SendError::Ended(Ended::Silent(_)))));
    drop(link);
    listener.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_dead_although_it_talks() {
    let (node, mut hub) = sockets().await;
    let (sender, mut receiver) =
        Link::start(websocket::of_node(node), LinkOptions::default()).split();
    let talker = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        loop {
            beat.tick().await;
            let text = serde_json::to_string(&Control::Heartbeat).unwrap();
            if hub.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    });
    sender.send(vec![0; 4 * PIPE]).await.unwrap();
    assert!(matches!(receiver.recv().await, Err(Ended::Stuck(_))));
    talker.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_readers_own_delay_is_not_the_peers_silence() {
    let (node, mut hub) = sockets().await;
    let options = LinkOptions { queue: 1, ..LinkOptions::default() };
    let mut link = Link::start(websocket::of_node(node), options);
    for number in 0..10 {
        hub.send(Message::binary(vec![number])).await.unwrap();
    }
    let listener = tokio::spawn(async move {
        let (mut sink, stream) = hub.split();
        let beats = async {
            let text = serde_json::to_string(&Control::Heartbeat).unwrap();
            while sink.send(Message::text(text.clone())).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        };
        tokio::join!(beats, stream.for_each(|_| std::future::ready(())));
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    for number in 0..10 {
        assert_eq!(link.recv().await.unwrap(), [number]);
    }
    drop(link);
    listener.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_is_sent_before_a_dropped_link_ends() {
    let (mut node, hub) = links().await;
    for number in 0..20 {
        hub.send(vec![number]).await.unwrap();
    }
    drop(hub);
    for number in 0..20 {
        assert_eq!(node.recv().await.unwrap(), [number]);
    }
    assert!(matches!(node.recv().await, Err(Ended::ClosedByPeer)));
    assert!(matches!(node.recv().await, Err(Ended::ClosedByPeer)));
}

#[tokio::test(start_paused = true)]
async fn the_largest_frame_passes_and_a_larger_one_is_not_sent() {
    let (mut node, hub) = links().await;
    hub.send(vec![7; MAX_FRAME]).await.unwrap();
    assert_eq!(node.recv().await.unwrap(), vec![7; MAX_FRAME]);
    let too_large = hub.send(vec![7; MAX_FRAME + 1]).await;
    assert!(matches!(too_large, Err(SendError::TooLarge(n)) if n == MAX_FRAME + 1));
    hub.send(vec![8]).await.unwrap();
    assert_eq!(node.recv().await.unwrap(), [8]);
}

#[tokio::test(start_paused = true)]
async fn a_larger_frame_from_the_peer_ends_the_link() {
    let (node, mut hub) = sockets().await;
    let mut link = Link::start(websocket::of_node(node), LinkOptions::default());
    let flood = tokio::spawn(async move {
        let _ = hub.send(Message::binary(vec![0; MAX_FRAME + 1])).await;
        hub
    });
    assert!(matches!(link.recv().await, Err(Ended::TooLarge)));
    drop(flood);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_so_instead_of_growing() {
    let (node, hub) = sockets().await;
    let options = LinkOptions { queue: 4, ..LinkOptions::default() };
    let (sender, receiver) = Link::start(websocket::of_node(node), options).split();
    // Nobody reads from the pipe, so these fill the queue at the latest.
    let result = (0..100).map(|_| sender.try_send(vec![0; PIPE])).find(Result::is_err);
    assert!(matches!(result, Some(Err(SendError::Full))));
    drop((hub, receiver));
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_no_frames_end_the_link() {
    for text in ["", "{}", r#"{"type":"hello","version":1}"#, r#"{"type":"bye"}"#] {
        let (node, mut hub) = sockets().await;
        let mut link = Link::start(websocket::of_node(node), LinkOptions::default());
        hub.send(Message::text(text)).await.unwrap();
        assert!(matches!(link.recv().await, Err(Ended::Misbehaved)), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_of_another_version_is_refused_with_ours() {
    let (mut node, hub) = sockets().await;
    node.send(Message::text(r#"{"type":"hello","version":99}"#)).await.unwrap();
    let hub = tokio::spawn(async move { welcome(&mut websocket::of_node(hub)).await });
    let answer = node.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::text(r#"{"type":"refused","version":1}"#));
    assert!(matches!(node.next().await, Some(Ok(Message::Close(_)))));
    drop(node);
    assert!(matches!(hub.await.unwrap(), Err(GreetingError::Version(99))));
}

#[tokio::test(start_paused = true)]
async fn a_hub_of_another_version_is_not_linked_to() {
    for answer in [r#"{"type":"refused","version":2}"#, r#"{"type":"accepted","version":2}"#] {
        let (node, mut hub) = sockets().await;
        hub.send(Message::text(answer)).await.unwrap();
        let greeting = greet(&mut websocket::of_node(node)).await;
        assert!(matches!(greeting, Err(GreetingError::Version(2))));
    }
}

#[tokio::test(start_paused = true)]
async fn greetings_have_these_bytes() {
    let (node, mut hub) = sockets().await;
    let node = tokio::spawn(async move { greet(&mut websocket::of_node(node)).await.is_ok() });
    let hello = hub.next().await.unwrap().unwrap();
    assert_eq!(hello, Message::text(r#"{"type":"hello","version":1}"#));
    hub.send(Message::text(r#"{"type":"accepted","version":1}"#)).await.unwrap();
    assert!(node.await.unwrap());
    let heartbeat = serde_json::to_string(&Control::Heartbeat).unwrap();
    assert_eq!(heartbeat, r#"{"type":"heartbeat"}"#);
}

#[tokio::test(start_paused = true)]
async fn nothing_but_a_greeting_is_taken_for_one() {
    for message in [Message::binary(vec![1]), Message::text("hello"), Message::text("{}")] {
        let (mut node, hub) = sockets().await;
        node.send(message.clone()).await.unwrap();
        let welcome = welcome(&mut websocket::of_node(hub)).await;
        assert!(matches!(welcome, Err(GreetingError::Ended(Ended::Misbehaved))), "{message:?}");
    }
}

/// A connection of which only writing shows that it has failed.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_could_not_write_says_no_farewell() {
    let socket = WebSocketStream::from_raw_socket(Broken, Role::Client, None).await;
    let (_frames, outgoing) = mpsc::channel(1);
    let (incoming, _received) = mpsc::channel(1);
    let (set_ended, ended) = watch::channel(None);
    // Not in a task of its own, so that a panic in it fails this test.
    let options = LinkOptions::default();
    run(websocket::of_node(socket), options, outgoing, incoming, set_ended).await;
    assert!(matches!(&*ended.borrow(), Some(Ended::Broken(_))));
}

#[tokio::test(start_paused = true)]
async fn a_sender_learns_when_its_frames_have_left() {
    let (hub, mut node) = sockets().await;
    let options = LinkOptions { queue: 8, ..LinkOptions::default() };
    let link = Link::start(websocket::of_node(hub), options);
    let (sender, _receiver) = link.split();
    // More than the pipe holds, so that the frames wait here until the other end reads.
    for _ in 0..8 {
        sender.send(vec![7; 4 * PIPE]).await.unwrap();
    }
    assert!(sender.queued() > 2);
    let early = timeout(Duration::from_secs(1), sender.drained(2)).await;
    assert!(early.is_err(), "the other end has read nothing");
    let reader = tokio::spawn(async move { while let Some(Ok(_)) = node.next().await {} });
    sender.drained(2).await;
    assert!(sender.queued() <= 2);
    reader.abort();
    let _ = reader.await;
    sender.ended().await;
    sender.drained(0).await;
}
