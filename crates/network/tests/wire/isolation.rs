//! Everything of one IVN stays there: certificates, hubs, names, routes.

use std::time::SystemTime;

use axum::http::{Method, StatusCode};
use quorate_network::ca::{NewAuthority, VALIDITY};
use quorate_network::client::{Body, HubClient, RequestError};
use quorate_network::dialler::{DialError, DialOptions, Dialler, Refusal};
use quorate_network::hub::HubOptions;
use quorate_network::ivn::IvnId;
use rustls::AlertDescription;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{TestHub, TestIvn, assert_works};

/// Dials for a link and for a request; both must fail in the same way.
async fn assert_refused(dialler: Dialler, expected: fn(&DialError) -> bool) {
    let error = dialler.connect(0).await.unwrap_err();
    assert!(expected(&error), "{error:?}");
    let client = HubClient::new(dialler, Default::default());
    match client.request(Method::GET, "/whoami", Body::Empty).await {
        Err(RequestError::Dial(error)) => assert!(expected(&error), "{error:?}"),
        other => assert!(matches!(other, Err(RequestError::Dial(_))), "{other:?}"),
    }
}

#[tokio::test]
async fn members_are_known_by_their_certificate_in_their_ivn() {
    let hub = TestHub::start(HubOptions::default()).await;
    let (a, b) = (hub.serve(1), hub.serve(2));
    for (ivn, account) in [(&a, "alice"), (&b, "alice"), (&b, "bob")] {
        let identity = ivn.admit(account);
        let client = hub.client(ivn, Some(&identity));
        let answer = client.request(Method::GET, "/whoami", Body::Empty).await.unwrap();
        let expected = format!("{account} of {}", ivn.authority.ivn());
        assert_eq!(String::from_utf8(answer.body).unwrap(), expected);
        let mut link = hub.dialler(ivn, Some(&identity)).connect(0).await.unwrap();
        assert_works(&mut link).await;
    }
}

#[tokio::test]
async fn a_certificate_of_one_ivn_gets_nothing_from_another() {
    let hub = TestHub::start(HubOptions::default()).await;
    let (a, b) = (hub.serve(1), hub.serve(2));
    let alice_of_a = a.admit("alice");

    let refused: fn(&DialError) -> bool =
        |error| matches!(error, DialError::Refused(Refusal::Alert(AlertDescription::UnknownCA)));
    assert_refused(hub.dialler(&b, Some(&alice_of_a)), refused).await;

    // The same with a client that is not ours. TLS 1.3 lets it believe that it is connected until
    // it reads.
    let config = b.raw_config(&[&TLS13], Some(&alice_of_a));
    if let Ok(mut stream) = hub.raw_tls(config, b.server_name()).await {
        let _ = stream.write_all(b"GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut answer = Vec::new();
        assert!(stream.read_to_end(&mut answer).await.is_err());
        assert!(answer.is_empty());
    }
    assert_eq!(b.reached(), 0);
    assert_works(&mut hub.link(&a, "alice").await).await;
}

#[tokio::test]
async fn a_foreign_authoritys_certificate_gets_nothing() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let forger = TestIvn {
        authority: NewAuthority::generate().unwrap().for_ivn(ivn.authority.ivn()),
        reached: ivn.reached.clone(),
    };
    let refused: fn(&DialError) -> bool =
        |error| matches!(error, DialError::Refused(Refusal::Alert(_)));
    assert_refused(hub.dialler(&ivn, Some(&forger.admit("alice"))), refused).await;
    assert_eq!(ivn.reached(), 0);
}

#[tokio::test]
async fn a_certificate_from_a_clock_that_is_ahead_is_accepted() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let ahead = ivn.admit_at("alice", SystemTime::now() + 20 * VALIDITY);
    hub.dialler(&ivn, Some(&ahead)).connect(0).await.unwrap();
}

#[tokio::test]
async fn an_expired_certificate_reaches_only_its_renewal() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let long_ago = SystemTime::now() - 2 * VALIDITY;
    let expired = ivn.admit_at("alice", long_ago);
    let error = hub.dialler(&ivn, Some(&expired)).connect(0).await.unwrap_err();
    let refused =
        DialError::Refused(Refusal::Status { status: StatusCode::NOT_FOUND, body: Vec::new() });
    assert_eq!(format!("{error:?}"), format!("{refused:?}"));
    assert_eq!(ivn.reached(), 0);
    let client = hub.client(&ivn, Some(&expired));
    let answer = client.request(Method::GET, "/renew", Body::Empty).await.unwrap();
    assert_eq!(answer.body, format!("alice of {}", ivn.authority.ivn()).into_bytes());
    let other = hub.serve(2);
    let foreign = other.admit_at("alice", long_ago);
    let refused: fn(&DialError) -> bool =
        |error| matches!(error, DialError::Refused(Refusal::Alert(_)));
    assert_refused(hub.dialler(&ivn, Some(&foreign)), refused).await;
}

#[tokio::test]
async fn a_hub_with_another_authority_is_refused() {
    let hub = TestHub::start(HubOptions::default()).await;
    let (a, b) = (hub.serve(1), hub.serve(2));
    // The handshake that a node of A would see if the hub presented B's certificate for A's name,
    // and the other way round.
    for (ivn, authority) in [(&a, &b), (&b, &a)] {
        let dialler = Dialler::new(
            hub.address.into(),
            ivn.authority.ivn(),
            authority.authority.fingerprint(),
            None,
            DialOptions::default(),
        );
        assert_refused(dialler.unwrap(), |error| matches!(error, DialError::OtherHub(_))).await;
    }
    // An impostor that made its own authority for the id of A.
    let impostor = TestHub::start(HubOptions::default()).await;
    let fake = impostor.serve(1);
    let dialler = impostor.dialler(&a, Some(&a.admit("alice")));
    assert_refused(dialler, |error| matches!(error, DialError::OtherHub(_))).await;
    assert_eq!(a.reached() + b.reached() + fake.reached(), 0);
}

#[tokio::test]
async fn without_a_certificate_only_the_join_route_is_reached() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let visitor = hub.client(&ivn, None);
    for path in ["/whoami", "/", "/join", "/ivn/v1/stream", "//join/x", "/%6Aoin/x", "/echo?/join/"]
    {
        let answer = visitor.request(Method::GET, path, Body::Empty).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(ivn.reached(), 0);
    for path in ["/join/../whoami", "/join/x/../../whoami", "/join/%2e%2e/whoami"] {
        let answer = visitor.request(Method::GET, path, Body::Empty).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let answer = visitor.request(Method::GET, "/join/x", Body::Empty).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.starts_with(b"nobody of "));
    let error = hub.dialler(&ivn, None).connect(0).await.unwrap_err();
    assert!(
        matches!(
            error,
            DialError::Refused(Refusal::Status { status: StatusCode::UNAUTHORIZED, .. })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn names_that_the_hub_does_not_serve_are_refused_as_such() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let dialler = Dialler::new(
        hub.address.into(),
        IvnId::new([9; 32]),
        ivn.authority.fingerprint(),
        None,
        DialOptions::default(),
    );
    assert_refused(dialler.unwrap(), |error| matches!(error, DialError::UnknownIvn)).await;
    // An address is never sent as SNI, so here is no name at all.
    let config = ivn.raw_config(&[&TLS13], None);
    let no_name = hub.address.ip().into();
    assert!(hub.raw_tls(config, no_name).await.is_err());
    assert_eq!(ivn.reached(), 0);
}

#[tokio::test]
async fn an_ivn_that_is_no_longer_served_is_gone_and_others_are_not() {
    let hub = TestHub::start(HubOptions::default()).await;
    let (a, b) = (hub.serve(1), hub.serve(2));
    let (mut of_a, mut of_b) = (hub.link(&a, "alice").await, hub.link(&b, "bob").await);
    hub.hub.stop_serving(a.authority.ivn());
    assert!(of_a.recv().await.is_err());
    assert_works(&mut of_b).await;
    let error = hub.dialler(&a, Some(&a.admit("alice"))).connect(0).await.unwrap_err();
    assert!(matches!(error, DialError::UnknownIvn), "{error:?}");
}

#[tokio::test]
async fn serving_again_renews_and_keeps_open_links() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let mut link = hub.link(&ivn, "alice").await;
    let routes = quorate_network::hub::Routes {
        members: axum::Router::new(),
        join: axum::Router::new(),
        renewal: axum::Router::new(),
    };
    hub.hub.serve(&ivn.authority, routes, SystemTime::now()).unwrap();
    assert_works(&mut link).await;
    let client = hub.client(&ivn, Some(&ivn.admit("alice")));
    let answer = client.request(Method::GET, "/whoami", Body::Empty).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let identity = ivn.admit("alice");
    let old = ivn.raw_config(&[&TLS12], Some(&identity));
    assert!(hub.raw_tls(old, ivn.server_name()).await.is_err());
    // The same client works with TLS 1.3, so it was the version.
    let new = ivn.raw_config(&[&TLS13], Some(&identity));
    let mut stream = hub.raw_tls(new, ivn.server_name()).await.unwrap();
    stream
        .write_all(b"GET /whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
