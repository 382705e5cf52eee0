//! One hub with the IVNs and accounts that a test asks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use axum::extract::Extension;
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use quorate_network::Peer;
use quorate_network::ca::{CertificateAuthority, NewAuthority, NodeCertificate, NodeKey};
use quorate_network::client::{ClientOptions, HubClient};
use quorate_network::dialler::{DialOptions, Dialler};
use quorate_network::hub::{Hub, HubOptions, Routes};
use quorate_network::ivn::{AccountName, IvnId};
use quorate_network::link::{Link, LinkOptions};
use quorate_network::stream::{STREAM_PATH, StreamRequest};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Short enough to wait for in a test, long enough for a busy machine.
pub(crate) const LINK: LinkOptions = LinkOptions {
    heartbeat: Duration::from_millis(50),
    dead_after: Duration::from_secs(5),
    queue: 64,
};

/// Everybody's identity key: to a hub it is only bytes.
pub(crate) const IDENTITY: [u8; 32] = [0x1D; 32];

pub(crate) struct TestHub {
    pub(crate) hub: Arc<Hub>,
    pub(crate) address: SocketAddr,
    pub(crate) running: tokio::task::JoinHandle<()>,
}

/// One IVN: its authority, and how many requests got through to its routes.
pub(crate) struct TestIvn {
    pub(crate) authority: CertificateAuthority,
    pub(crate) reached: Arc<AtomicUsize>,
}

pub(crate) struct Identity {
    pub(crate) certificate: NodeCertificate,
    pub(crate) key: NodeKey,
}

impl TestHub {
    pub(crate) async fn start(options: HubOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hub = Hub::new(options);
        let running = tokio::spawn(hub.clone().run(listener));
        Self { hub, address, running }
    }

    pub(crate) fn serve(&self, number: u8) -> TestIvn {
        let ivn = IvnId::new([number; 32]);
        let authority = NewAuthority::generate().unwrap().for_ivn(ivn);
        let reached = Arc::new(AtomicUsize::new(0));
        self.hub.serve(&authority, routes(&reached), SystemTime::now()).unwrap();
        TestIvn { authority, reached }
    }

    pub(crate) fn dialler(&self, ivn: &TestIvn, identity: Option<&Identity>) -> Dialler {
        let identity = identity.map(|identity| (&identity.certificate, &identity.key));
        let options = DialOptions { link: LINK, ..DialOptions::default() };
        let authority = &ivn.authority;
        Dialler::new(
            self.address.into(),
            authority.ivn(),
            authority.fingerprint(),
            identity,
            options,
        )
        .unwrap()
    }

    pub(crate) fn client(&self, ivn: &TestIvn, identity: Option<&Identity>) -> HubClient {
        HubClient::new(self.dialler(ivn, identity), ClientOptions::default())
    }

    pub(crate) async fn link(&self, ivn: &TestIvn, account: &str) -> Link {
        self.dialler(ivn, Some(&ivn.admit(account))).connect(0).await.unwrap()
    }

    /// A TLS connection made without this crate's dialler.
    pub(crate) async fn raw_tls(
        &self,
        config: ClientConfig,
        name: ServerName<'static>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

impl TestIvn {
    pub(crate) fn admit(&self, account: &str) -> Identity {
        self.admit_at(account, SystemTime::now())
    }

    pub(crate) fn admit_at(&self, account: &str, now: SystemTime) -> Identity {
        let account = AccountName::new(account).unwrap();
        let key = NodeKey::generate().unwrap();
        let request = key.certificate_request().unwrap();
        let certificate =
            self.authority.issue_node_certificate(&account, &IDENTITY, &request, now).unwrap();
        Identity { certificate, key }
    }

    pub(crate) fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.authority.ivn().server_name().try_into().unwrap()
    }

    /// Settings of a client that trusts this IVN, made without this crate.
    pub(crate) fn raw_config(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        let pem = self.authority.certificate_pem();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certificate = identity.certificate.to_pem();
                let key = identity.key.to_pem();
                builder
                    .with_client_auth_cert(
                        vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                        PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                    )
                    .unwrap()
            }
        }
    }
}

/// Members get an echo by link and by request, and the route returns who they are; anyone may join.
pub(crate) fn routes(reached: &Arc<AtomicUsize>) -> Routes {
    let count = |router: Router| {
        let reached = reached.clone();
        router.layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
            reached.fetch_add(1, Ordering::SeqCst);
            next.run(request)
        }))
    };
    let members = Router::new()
        .route(STREAM_PATH, get(async |request: StreamRequest| request.accept(LINK, echo)))
        .route("/echo", post(async |body: Bytes| body))
        .route("/whoami", get(whoami));
    let join = Router::new().route("/join/{ivn}", get(whoami).post(async |body: Bytes| body));
    let renewal = Router::new().route("/renew", get(whoami));
    Routes { members: count(members), join: count(join), renewal }
}

async fn echo(mut link: Link) {
    while let Ok(frame) = link.recv().await {
        if link.send(frame).await.is_err() {
            return;
        }
    }
}

async fn whoami(Extension(peer): Extension<Peer>) -> String {
    let account = peer.account().map_or("nobody", AccountName::as_str);
    assert_eq!(peer.identity().is_some(), peer.account().is_some());
    assert!(peer.identity().is_none_or(|identity| *identity == IDENTITY));
    format!("{account} of {}", peer.ivn())
}

/// Sends a frame and waits for it to come back.
pub(crate) async fn assert_works(link: &mut Link) {
    link.send(b"are you there?".to_vec()).await.unwrap();
    assert_eq!(link.recv().await.unwrap(), b"are you there?");
}
