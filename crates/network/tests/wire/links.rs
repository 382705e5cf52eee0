//! Links that end, and come back.

use std::ops::ControlFlow;

use quorate_network::dialler::DialError;
use quorate_network::hub::HubOptions;
use quorate_network::ivn::AccountName;
use quorate_network::link::{Ended, MAX_FRAME};
use quorate_network::redial::Redial;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::harness::{TestHub, assert_works};

#[tokio::test]
async fn frames_arrive_complete_and_in_order() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let (sender, mut receiver) = hub.link(&ivn, "alice").await.split();
    let frames: Vec<Vec<u8>> = (0..500_usize)
        .map(|number| {
            vec![number.to_le_bytes()[0]; if number % 100 == 0 { MAX_FRAME } else { number }]
        })
        .collect();
    let sending = frames.clone();
    let send = async move {
        for frame in sending {
            sender.send(frame).await.unwrap();
        }
        sender
    };
    let receive = async {
        for frame in &frames {
            assert!(receiver.recv().await.unwrap() == *frame);
        }
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn a_removed_account_is_disconnected_and_others_are_not() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let (mut alice, mut bob) = (hub.link(&ivn, "alice").await, hub.link(&ivn, "bob").await);
    assert_works(&mut alice).await;
    assert_eq!(hub.hub.disconnect(ivn.authority.ivn(), &AccountName::new("alice").unwrap()), 1);
    assert!(matches!(alice.recv().await, Err(Ended::ClosedByPeer | Ended::Broken(_))));
    assert_works(&mut bob).await;
    assert_eq!(hub.hub.disconnect(ivn.authority.ivn(), &AccountName::new("carol").unwrap()), 0);
}

#[tokio::test]
async fn a_dismissed_account_receives_only_what_was_on_its_way() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let alice = AccountName::new("alice").unwrap();
    let mut link = hub.link(&ivn, "alice").await;
    link.send(b"on its way".to_vec()).await.unwrap();
    let (over, farewell) = tokio::sync::oneshot::channel::<()>();
    let farewell = async move { drop(farewell.await) };
    hub.hub.disconnect_after(ivn.authority.ivn(), &alice, farewell);
    assert_eq!(link.recv().await.unwrap(), b"on its way");
    // A connection that was made since is not one of those that are ended.
    let mut later = hub.link(&ivn, "alice").await;
    over.send(()).unwrap();
    assert!(matches!(link.recv().await, Err(Ended::ClosedByPeer | Ended::Broken(_))));
    assert_works(&mut later).await;
}

#[tokio::test]
async fn a_link_is_gone_when_its_last_frame_has_left() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let (sender, receiver) = hub.link(&ivn, "alice").await.split();
    sender.send(b"last words".to_vec()).await.unwrap();
    drop(receiver);
    sender.gone().await;
    assert!(matches!(sender.ended().await, Ended::ClosedHere));
}

#[tokio::test]
async fn stopping_the_hub_ends_every_link_and_the_hub() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    hub.hub.stop();
    assert!(link.recv().await.is_err());
    hub.running.await.unwrap();
}

#[tokio::test]
async fn redialling_gets_through_when_the_hub_comes_back() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let mut redial = Redial::new(hub.dialler(&ivn, Some(&ivn.admit("alice"))));
    let mut link = redial.next(0, |_, _| ControlFlow::Break(())).await.unwrap();
    assert_works(&mut link).await;

    hub.hub.stop();
    assert!(link.recv().await.is_err());
    hub.running.await.unwrap();

    let again = quorate_network::hub::Hub::new(HubOptions::default());
    let mut failures = Vec::new();
    let mut restart = Some(async || {
        let listener = TcpListener::bind(hub.address).await.unwrap();
        let routes = crate::harness::routes(&ivn.reached);
        again.serve(&ivn.authority, routes, std::time::SystemTime::now()).unwrap();
        tokio::spawn(again.clone().run(listener));
    });
    let mut broken_off = redial
        .next(0, |error, _| {
            failures.push(error.is_temporary());
            ControlFlow::Break(())
        })
        .await;
    assert!(matches!(broken_off, Err(DialError::Unreachable { .. })), "{broken_off:?}");
    if let Some(restart) = restart.take() {
        restart().await;
    }
    broken_off = redial.next(0, |_, _| ControlFlow::Continue(())).await;
    assert_works(&mut broken_off.unwrap()).await;
    assert_eq!(failures, [true]);
}

#[tokio::test]
async fn what_is_no_hub_is_told_from_what_is_not_there() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let identity = ivn.admit("alice");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TestHub { address: listener.local_addr().unwrap(), ..hub };
    let answer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        stream
    });
    let error = other.dialler(&ivn, Some(&identity)).connect(0).await.unwrap_err();
    assert!(matches!(error, DialError::NotAHub), "{error:?}");
    assert!(!error.is_temporary());
    drop(answer.await.unwrap());

    // The listener is gone with the task, so nothing answers any more.
    let error = other.dialler(&ivn, Some(&identity)).connect(0).await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }), "{error:?}");
    assert!(error.is_temporary());
}
