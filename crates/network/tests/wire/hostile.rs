//! Connections that do not behave are dropped, and others do not notice.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::{SinkExt, StreamExt};
use quorate_network::dialler::{DialError, Refusal};
use quorate_network::hub::HubOptions;
use quorate_network::link::MAX_FRAME;
use quorate_network::stream::STREAM_PATH;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{TestHub, assert_works};

fn impatient() -> HubOptions {
    HubOptions {
        handshake_timeout: Duration::from_millis(300),
        header_timeout: Duration::from_millis(300),
        ..HubOptions::default()
    }
}

/// Waits until the hub has closed the connection, in whatever way.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn garbage_is_dropped() {
    let hub = TestHub::start(impatient()).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[0; 100_000],
        &[22, 3, 1, 255, 255, 1],
        &[0xFF; 5],
    ] {
        let mut stream = TcpStream::connect(hub.address).await.unwrap();
        let _ = stream.write_all(garbage).await;
        closed(stream).await;
        assert_works(&mut link).await;
    }
}

#[tokio::test]
async fn handshakes_that_stall_are_dropped() {
    let hub = TestHub::start(impatient()).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    // Nothing at all, and a hello that stops after its header.
    for start in [&b""[..], &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]] {
        let mut stream = TcpStream::connect(hub.address).await.unwrap();
        stream.write_all(start).await.unwrap();
        assert_works(&mut link).await;
        closed(stream).await;
        assert_works(&mut link).await;
    }
}

#[tokio::test]
async fn stalled_handshakes_lock_others_out_only_until_they_time_out() {
    let hub = TestHub::start(HubOptions { handshakes: 2, ..impatient() }).await;
    let ivn = hub.serve(1);
    let mut stalled = Vec::new();
    for _ in 0..2 {
        stalled.push(TcpStream::connect(hub.address).await.unwrap());
    }
    // It may be rejected while the places are taken, but not once they are free again.
    let dialler = hub.dialler(&ivn, Some(&ivn.admit("alice")));
    let mut link = loop {
        if let Ok(link) = dialler.connect(0).await {
            break link;
        }
    };
    assert_works(&mut link).await;
}

#[tokio::test]
async fn an_address_that_stalls_leaves_the_other_turns_to_others() {
    // Permits do not time out here.
    let options = HubOptions {
        handshake_timeout: Duration::from_secs(600),
        handshakes: 3,
        handshakes_per_address: 2,
        ..HubOptions::default()
    };
    let hub = TestHub::start(options).await;
    let ivn = hub.serve(1);
    let stall = || async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        socket.connect(hub.address).await.unwrap()
    };
    let _stalled = (stall().await, stall().await, stall().await);
    let mut link = hub.link(&ivn, "alice").await;
    assert_works(&mut link).await;
}

async fn from(address: &str, hub: &TestHub) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(hub.address).await.unwrap()
}

#[tokio::test]
async fn sockets_beyond_an_addresss_limit_are_closed_at_once() {
    // Handshakes do not time out here.
    let options = HubOptions {
        handshake_timeout: Duration::from_secs(600),
        strangers_per_address: 4,
        ..HubOptions::default()
    };
    let hub = TestHub::start(options).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(from("127.0.0.2", &hub).await);
    }
    // The hub accepts in order.
    for stream in open.split_off(4) {
        closed(stream).await;
    }
    let counts = hub.hub.counts();
    assert_eq!((counts.sockets, counts.strangers, counts.sockets_rejected), (5, 4, 16));
    assert_works(&mut link).await;
    assert_works(&mut hub.link(&ivn, "ben").await).await;
}

#[tokio::test]
async fn strangers_from_many_addresses_leave_room_for_members() {
    let options = HubOptions {
        handshake_timeout: Duration::from_secs(600),
        sockets: 16,
        ..HubOptions::default()
    };
    let hub = TestHub::start(options).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    let mut strangers = Vec::new();
    for host in 2..20 {
        strangers.push(from(&format!("127.0.0.{host}"), &hub).await);
    }
    for stream in strangers.split_off(6) {
        closed(stream).await;
    }
    assert_eq!(hub.hub.counts().strangers, 6, "half of all, without the members' reserve");
    assert_works(&mut hub.link(&ivn, "ben").await).await;
    assert_works(&mut link).await;
}

#[tokio::test]
async fn an_address_that_joins_a_lot_leaves_room_for_others_to_join() {
    let options = HubOptions { joining_per_address: 2, ..HubOptions::default() };
    let hub = TestHub::start(options).await;
    let ivn = hub.serve(1);
    let config = || ivn.raw_config(&[&TLS13], None);
    let mut idle = Vec::new();
    for _ in 0..2 {
        let stream = from("127.0.0.2", &hub).await;
        idle.push(
            TlsConnector::from(Arc::new(config()))
                .connect(ivn.server_name(), stream)
                .await
                .unwrap(),
        );
    }
    let join = async |address: &str| {
        let stream = from(address, &hub).await;
        let connector = TlsConnector::from(Arc::new(config()));
        let mut stream = connector.connect(ivn.server_name(), stream).await.unwrap();
        stream
            .write_all(b"GET /join/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    // The hub counts the idle ones when it has seen the end of their handshakes.
    let refused = loop {
        let answer = join("127.0.0.2").await;
        if answer.starts_with("HTTP/1.1 429") {
            break answer;
        }
    };
    assert!(refused.contains("too many others are joining from this address"), "{refused}");
    let accepted = join("127.0.0.3").await;
    assert!(accepted.starts_with("HTTP/1.1 200"), "{accepted}");
    assert!(hub.hub.counts().connections_rejected > 0);
}

#[tokio::test]
async fn a_member_that_reads_no_answer_loses_its_connection() {
    let options = HubOptions { write_timeout: Duration::from_millis(300), ..HubOptions::default() };
    let hub = TestHub::start(options).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    let config = ivn.raw_config(&[&TLS13], Some(&ivn.admit("mallory")));
    let mut stream = hub.raw_tls(config, ivn.server_name()).await.unwrap();
    let body = vec![7; 1 << 20];
    let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    // It sends requests as long as the hub takes them, and reads nothing.
    while stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(&body).await.is_ok() {
    }
    assert_works(&mut link).await;
}

#[tokio::test]
async fn headers_that_never_end_are_dropped() {
    let hub = TestHub::start(impatient()).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    let config = ivn.raw_config(&[&TLS13], Some(&ivn.admit("mallory")));
    let mut stream = hub.raw_tls(config, ivn.server_name()).await.unwrap();
    stream.write_all(b"GET /whoami HTTP/1.1\r\nX-Slow: ").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_works(&mut link).await;
}

#[tokio::test]
async fn connections_without_certificate_do_not_last() {
    let options = HubOptions { join_timeout: Duration::from_millis(300), ..HubOptions::default() };
    let hub = TestHub::start(options).await;
    let ivn = hub.serve(1);
    let config = ivn.raw_config(&[&TLS13], None);
    let mut stream = hub.raw_tls(config, ivn.server_name()).await.unwrap();
    stream
        .write_all(b"POST /join/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_works(&mut hub.link(&ivn, "alice").await).await;
}

#[tokio::test]
async fn an_oversized_frame_ends_its_link_only() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    let config = ivn.raw_config(&[&TLS13], Some(&ivn.admit("mallory")));
    let stream = hub.raw_tls(config, ivn.server_name()).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async(format!("wss://x{STREAM_PATH}?after=0"), stream)
            .await
            .unwrap();
    socket.send(Message::text(r#"{"type":"hello","version":1}"#)).await.unwrap();
    let accepted = socket.next().await.unwrap().unwrap();
    assert_eq!(accepted, Message::text(r#"{"type":"accepted","version":1}"#));

    let _ = socket.send(Message::binary(vec![0; MAX_FRAME + 1])).await;
    while let Some(Ok(message)) = socket.next().await {
        assert!(!message.is_binary(), "the oversized frame was echoed");
    }
    assert_works(&mut link).await;
}

#[tokio::test]
async fn messages_of_links_before_the_greeting_end_the_connection() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let config = ivn.raw_config(&[&TLS13], Some(&ivn.admit("mallory")));
    let stream = hub.raw_tls(config, ivn.server_name()).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async(format!("wss://x{STREAM_PATH}"), stream).await.unwrap();
    socket.send(Message::binary(b"early".to_vec())).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        assert!(message.is_close(), "{message:?}");
    }
}

#[tokio::test]
async fn an_account_has_a_limited_number_of_connections() {
    let hub =
        TestHub::start(HubOptions { connections_per_account: 2, ..HubOptions::default() }).await;
    let ivn = hub.serve(1);
    let dialler = hub.dialler(&ivn, Some(&ivn.admit("mallory")));
    let mut first = dialler.connect(0).await.unwrap();
    let mut second = dialler.connect(0).await.unwrap();
    let error = dialler.connect(0).await.unwrap_err();
    assert!(
        matches!(
            error,
            DialError::Refused(Refusal::Status { status: StatusCode::TOO_MANY_REQUESTS, .. })
        ),
        "{error:?}"
    );
    assert!(error.is_temporary());
    assert_works(&mut hub.link(&ivn, "alice").await).await;
    assert_works(&mut first).await;
    assert_works(&mut second).await;

    drop(first);
    // The hub counts it out when it has seen the end of it.
    let mut third = loop {
        if let Ok(link) = dialler.connect(0).await {
            break link;
        }
    };
    assert_works(&mut third).await;
}
