//! Single requests to the hub.

use axum::http::{Method, StatusCode};
use quorate_network::client::{Body, ClientOptions, HubClient, RequestError};
use quorate_network::dialler::DialError;
use quorate_network::hub::HubOptions;
use quorate_network::ivn::AccountName;
use quorate_network::token::JoinToken;
use zeroize::Zeroizing;

use crate::harness::TestHub;

#[tokio::test]
async fn bodies_arrive_in_both_directions() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let client = hub.client(&ivn, Some(&ivn.admit("alice")));
    for size in [0, 1, 100_000, 1_000_000] {
        let answer =
            client.request(Method::POST, "/echo", Body::Bytes(vec![7; size])).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body == vec![7; size]);
    }
    let answer = client.request(Method::GET, "/nowhere", Body::Empty).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_an_error_and_no_memory() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let options = ClientOptions { max_answer: 1000, ..ClientOptions::default() };
    let client = HubClient::new(hub.dialler(&ivn, Some(&ivn.admit("alice"))), options);
    let ask =
        async |size: usize| client.request(Method::POST, "/echo", Body::Bytes(vec![7; size])).await;
    assert_eq!(ask(1000).await.unwrap().body.len(), 1000);
    assert!(matches!(ask(1001).await, Err(RequestError::TooLarge(1000))));
    assert_eq!(ask(10).await.unwrap().body.len(), 10);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let client = hub.client(&ivn, Some(&ivn.admit("alice")));
    let alice = AccountName::new("alice").unwrap();
    for _ in 0..20 {
        let answer =
            client.request(Method::POST, "/echo", Body::Json(b"{}".to_vec())).await.unwrap();
        assert_eq!(answer.body, b"{}");
        assert_eq!(hub.hub.disconnect(ivn.authority.ivn(), &alice), 1);
        // The client cannot know before the end of it arrives here.
        while matches!(
            client.request(Method::GET, "/whoami", Body::Empty).await,
            Err(RequestError::Broken(_))
        ) {}
    }
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let hub =
        TestHub::start(HubOptions { connections_per_account: 64, ..HubOptions::default() }).await;
    let ivn = hub.serve(1);
    let client = hub.client(&ivn, Some(&ivn.admit("alice")));
    let requests: Vec<_> = (0..50_u8)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                client.request(Method::POST, "/echo", Body::Bytes(vec![number])).await.unwrap().body
            })
        })
        .collect();
    for (number, request) in (0..).zip(requests) {
        assert_eq!(request.await.unwrap(), [number]);
    }
}

#[tokio::test]
async fn paths_that_are_none_are_refused_before_dialling() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let client = hub.client(&ivn, None);
    for path in ["", "whoami", "/two words", "/line\r\nbreak", "https://elsewhere/", "*"] {
        let result = client.request(Method::GET, path, Body::Empty).await;
        assert!(matches!(result, Err(RequestError::Path)), "{path:?}: {result:?}");
    }
}

#[tokio::test]
async fn a_join_token_reaches_only_the_join_route_of_its_hub() {
    let hub = TestHub::start(HubOptions::default()).await;
    let ivn = hub.serve(1);
    let url = JoinToken::new(
        hub.address.into(),
        ivn.authority.ivn(),
        ivn.authority.fingerprint(),
        Zeroizing::new([1; 32]),
    )
    .to_url();
    let join = async |hub: &TestHub| {
        let token: JoinToken = url.parse().unwrap();
        let dialler = quorate_network::dialler::Dialler::new(
            hub.address.into(),
            token.ivn(),
            token.authority(),
            None,
            Default::default(),
        );
        let client = HubClient::new(dialler.unwrap(), ClientOptions::default());
        let path = format!("/join/{}", token.ivn());
        client.request(Method::POST, &path, Body::Json(b"let me in".to_vec())).await
    };
    assert_eq!(join(&hub).await.unwrap().body, b"let me in");

    let impostor = TestHub::start(HubOptions::default()).await;
    let fake = impostor.serve(1);
    let result = join(&impostor).await;
    assert!(matches!(result, Err(RequestError::Dial(DialError::OtherHub(_)))), "{result:?}");
    assert_eq!(fake.reached(), 0);
}
