//! The routes over a real hub, with a task that answers as a test wants.

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::Method;
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;
use quorate_network::ca::{CertificateAuthority, NewAuthority, NodeKey, VALIDITY};
use quorate_network::client::{Answer, Body, ClientOptions, HubClient};
use quorate_network::dialler::{DialOptions, Dialler};
use quorate_network::hub::{Hub, HubOptions};
use quorate_network::ivn::IvnId;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::access::Part;
use super::answers::Answers;
use super::context::Context;
use super::ivn::Event;
use super::routes::routes;
use super::storage::{Storage, StorageCounts};
use crate::api::Problem;
use crate::documents::Shelf;
use crate::home::StorageLimits;
use crate::store::document_title::DocumentTitle;
use crate::store::documents::{DocumentPackage, Documents};

const DOCUMENT: u64 = 1 << 20;

/// One IVN, of which every account but mallory may connect and read.
struct Served {
    hub: Arc<Hub>,
    address: std::net::SocketAddr,
    authority: Arc<CertificateAuthority>,
    storage: Storage,
    _directory: tempfile::TempDir,
}

async fn served() -> Served {
    let directory = tempfile::tempdir().unwrap();
    let ivn = IvnId::new([1; 32]);
    let authority = Arc::new(NewAuthority::generate().unwrap().for_ivn(ivn));
    let shelf = Shelf::new(Documents::new(directory.path().join("documents")), DOCUMENT);
    let limits = StorageLimits { account_bytes: DOCUMENT, reserve_bytes: 1, ..Default::default() };
    let storage = Storage::new(limits, DOCUMENT);
    let (events, mut asked) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Some(event) = asked.recv().await {
            match event {
                Event::MayConnect { peer, reply } if peer.account.as_str() == "mallory" => {
                    let account = peer.account;
                    let _ = reply.send(Err(Refusal::Accounts(Accounts::Suspended { account })));
                }
                Event::MayConnect { reply, .. } => drop(reply.send(Ok(()))),
                Event::MayRead { account, part: Part::Document, reply, .. } => {
                    let _ = reply.send(account.as_str() != "auditor");
                }
                Event::MayRead { reply, .. } => drop(reply.send(true)),
                _ => {}
            }
        }
    });
    let context = Context {
        events,
        shelf,
        storage: storage.clone(),
        answers: Answers::new(DOCUMENT),
        authority: authority.clone(),
    };
    let hub = Hub::new(HubOptions::default());
    hub.serve(&authority, routes(context), SystemTime::now()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(hub.clone().run(listener));
    Served { hub, address, authority, storage, _directory: directory }
}

impl Served {
    fn client(&self, account: &str, issued: SystemTime) -> HubClient {
        let key = NodeKey::generate().unwrap();
        let name = quorate_network::ivn::AccountName::new(account).unwrap();
        let request = key.certificate_request().unwrap();
        let certificate =
            self.authority.issue_node_certificate(&name, &[7; 32], &request, issued).unwrap();
        let dialler = Dialler::new(
            self.address.into(),
            self.authority.ivn(),
            self.authority.fingerprint(),
            Some((&certificate, &key)),
            DialOptions::default(),
        );
        HubClient::new(dialler.unwrap(), ClientOptions::default())
    }

    /// Has ada store a document of this length. Returns its path and its package.
    async fn stored(&self, length: usize) -> (String, Vec<u8>) {
        let (path, bytes) = package(length);
        let stored = self.ask("ada", Method::PUT, &path, Body::Bytes(bytes.clone())).await;
        assert_eq!(stored.status.as_u16(), 204);
        (path, bytes)
    }

    async fn ask(&self, account: &str, method: Method, path: &str, body: Body) -> Answer {
        let client = self.client(account, SystemTime::now());
        client.request(method, path, body).await.unwrap()
    }
}

fn package(length: usize) -> (String, Vec<u8>) {
    let name = "contract".parse().unwrap();
    let package = DocumentPackage { salt: [7; 32], name, note: None, document: vec![1; length] };
    (format!("/ivn/v1/documents/{}", package.commitment()), package.to_bytes())
}

fn code(answer: &Answer) -> String {
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn no_route_serves_an_account_that_may_not_connect() {
    let served = served().await;
    let (document, bytes) = package(500_000);
    for (method, path, body) in [
        (Method::PUT, document.as_str(), Body::Bytes(bytes)),
        (Method::GET, &document, Body::Empty),
        (Method::GET, "/ivn/v1/checkpoint", Body::Empty),
        (Method::GET, "/ivn/v1/log/0", Body::Empty),
        (Method::POST, "/ivn/v1/certificate", Body::Json(b"{}".to_vec())),
    ] {
        let answer = served.ask("mallory", method, path, body).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (403, "blocked"), "{path}");
    }
    assert_eq!(served.storage.counts(), StorageCounts::default(), "nothing was counted");
}

#[tokio::test]
async fn an_auditor_receives_the_title_of_a_document_only() {
    let served = served().await;
    let (path, bytes) = served.stored(1_000).await;
    let refused = served.ask("auditor", Method::GET, &path, Body::Empty).await;
    assert_eq!(code(&refused), "no-reader");
    let answer = served.ask("auditor", Method::GET, &format!("{path}/title"), Body::Empty).await;
    let package = DocumentPackage::from_bytes(&bytes).unwrap();
    let title = DocumentTitle::from_bytes(&answer.body, package.commitment());
    assert_eq!(title, DocumentTitle::of_package(&bytes).ok());
    let absent = format!("/ivn/v1/documents/{}/title", "00".repeat(32));
    assert_eq!(
        code(&served.ask("auditor", Method::GET, &absent, Body::Empty).await),
        "no-document"
    );
}

#[tokio::test]
async fn an_account_at_its_limit_is_told_which_and_others_go_on() {
    let served = served().await;
    let (path, bytes) = served.stored(700_000).await;
    let (other, more) = package(600_000);
    let refused = served.ask("ada", Method::PUT, &other, Body::Bytes(more.clone())).await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (507, "account-storage"));
    let problem = Problem::from_http(507, &refused.body);
    assert!(problem.message.contains("storage.account_bytes"), "{}", problem.message);
    let stored = served.ask("ben", Method::PUT, &other, Body::Bytes(more)).await;
    assert_eq!(stored.status.as_u16(), 204);
    let reader = served.client("ben", SystemTime::now());
    let read = reader.request(Method::GET, &path, Body::Empty).await.unwrap();
    assert_eq!(served.hub.counts().strangers, 0, "the reader's connection is a member's");
    assert!(served.hub.counts().sockets > 0, "the reader keeps its connection");
    assert!(read.body == bytes, "the document arrives as it was sent");

    let (_, wrong) = package(500);
    let refused = served.ask("cyd", Method::PUT, &path, Body::Bytes(wrong)).await;
    assert_eq!(code(&refused), "other-document");
    let long = vec![0; usize::try_from(DOCUMENT).unwrap() + 1];
    let refused = served.ask("cyd", Method::PUT, &path, Body::Bytes(long)).await;
    assert_eq!(code(&refused), "document-too-large");
    let counts = served.storage.counts();
    assert_eq!((counts.documents, counts.rejected), (2, 1));
}

#[tokio::test]
async fn an_expired_certificate_serves_only_for_renewal() {
    let served = served().await;
    let client = served.client("ada", SystemTime::now() - 2 * VALIDITY);
    let log = client.request(Method::GET, "/ivn/v1/log/0", Body::Empty).await.unwrap();
    assert_eq!(code(&log), "unreachable");
    let ask = Body::Json(b"{}".to_vec());
    let renewal = client.request(Method::POST, "/ivn/v1/certificate", ask).await.unwrap();
    assert_eq!(renewal.status.as_u16(), 422, "it is only malformed");
    let of_mallory = served.client("mallory", SystemTime::now() - 2 * VALIDITY);
    let ask = Body::Json(b"{}".to_vec());
    let refused = of_mallory.request(Method::POST, "/ivn/v1/certificate", ask).await.unwrap();
    assert_eq!(code(&refused), "blocked");
}
