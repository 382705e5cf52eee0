//! The hub: accepts the connections of many IVNs on one port and keeps them apart.
//!
//! The name in a connection's first message (SNI) selects the IVN, and with it the only authority
//! whose client certificates are accepted: a certificate of another IVN does not pass the
//! handshake. The connection then carries HTTP/1.1, which goes to that IVN's routes together with
//! the authenticated [`Peer`].

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::ca::{self, CertificateAuthority};
use crate::handshake_limit::HandshakeLimit;
use crate::ivn::{AccountName, IvnId};
use crate::peer::{ConnectionLimits, Connections, Exceeded, Holder, Peer, Severable};
use crate::problem::problem;
use crate::socket_limit::{Socket, SocketLimit};
use crate::tls::{self, TlsError};

/// The limits of a hub for its clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HubOptions {
    /// From the connection to the end of the TLS handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long a connection may wait for a request, or take to send its headers. Default 30 s.
    pub header_timeout: Duration,
    /// How long a connection without a certificate may last in total. Default 60 s.
    pub join_timeout: Duration,
    /// Handshakes at the same time; more connections wait. Default 256.
    pub handshakes: usize,
    /// Handshakes from one address (IPv6: from one /64) at the same time; more connections wait,
    /// and delay nobody else. Default 32.
    pub handshakes_per_address: usize,
    /// Connections of one account at the same time, links and requests together. Default 16.
    pub connections_per_account: usize,
    /// Connections without a certificate at the same time, for each IVN. Default 64.
    pub joining_connections: usize,
    /// Connections without a certificate from one address (IPv6: from one /64) at the same time,
    /// for each IVN. Default 8.
    pub joining_per_address: usize,
    /// How long a connection without a certificate may wait for a request, or take to send its
    /// headers. Default 5 s.
    pub join_header_timeout: Duration,
    /// How long the other end may take no bytes of an answer. Default 30 s.
    pub write_timeout: Duration,
    /// Sockets at the same time, of all IVNs; half of them at most without a verified certificate,
    /// and a quarter of that half is reserved for addresses from which members connected. More
    /// sockets are closed when they are accepted. Must be lower than the limit of the process on
    /// file descriptors. Default 768.
    pub sockets: usize,
    /// Sockets without a verified certificate from one address (IPv6: from one /64) at the same
    /// time; more are closed when they are accepted. Default 256.
    pub strangers_per_address: usize,
}

/// How many sockets and connections a hub has, and how many it rejected since it started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct HubCounts {
    pub sockets: usize,
    /// The most sockets that are open at a time.
    pub sockets_limit: usize,
    /// Sockets without a verified certificate.
    pub strangers: usize,
    /// Sockets that were closed when they were accepted.
    pub sockets_rejected: u64,
    /// Connections beyond the limits of an account or of joining.
    pub connections_rejected: u64,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            join_timeout: Duration::from_secs(60),
            handshakes: 256,
            handshakes_per_address: 32,
            connections_per_account: 16,
            joining_connections: 64,
            joining_per_address: 8,
            join_header_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
            sockets: 768,
            strangers_per_address: 256,
        }
    }
}

/// The routes of one IVN. Every request has a [`Peer`] as an extension.
#[derive(Clone, Debug)]
pub struct Routes {
    /// For connections with a certificate of the IVN's authority. The routes check whether that
    /// account is still on the roster.
    pub members: Router,
    /// For connections without a certificate; only paths below `/join/` get here.
    pub join: Router,
    /// For connections with a certificate of the IVN's authority that is not valid at this time.
    pub renewal: Router,
}

/// Serves any number of IVNs on one listener.
#[derive(Debug)]
pub struct Hub {
    options: HubOptions,
    /// The IVNs by server name.
    ivns: RwLock<HashMap<String, Arc<Ivn>>>,
    handshakes: HandshakeLimit,
    sockets: Arc<SocketLimit>,
    connections_rejected: AtomicU64,
    stopping: CancellationToken,
}

#[derive(Debug)]
struct Ivn {
    id: IvnId,
    tls: Arc<ServerConfig>,
    routes: Routes,
    connections: Arc<Connections>,
}

impl Hub {
    /// Creates a hub without any IVN.
    pub fn new(options: HubOptions) -> Arc<Self> {
        Arc::new(Self {
            options,
            ivns: RwLock::default(),
            handshakes: HandshakeLimit::new(options.handshakes, options.handshakes_per_address),
            sockets: SocketLimit::new(options.sockets, options.strangers_per_address),
            connections_rejected: AtomicU64::new(0),
            stopping: CancellationToken::new(),
        })
    }

    /// Serves the IVN of `authority` from now on, with a new hub certificate, valid for
    /// [`ca::VALIDITY`].
    ///
    /// Calling it again renews the certificate and replaces the routes; open connections continue
    /// with the old ones.
    ///
    /// # Errors
    ///
    /// [`TlsError`], when the authority's key or certificate cannot be used.
    pub fn serve(
        &self,
        authority: &CertificateAuthority,
        routes: Routes,
        now: SystemTime,
    ) -> Result<(), TlsError> {
        let tls = Arc::new(tls::hub_config(authority, now)?);
        let id = authority.ivn();
        let mut ivns = self.ivns.write().unwrap_or_else(PoisonError::into_inner);
        let connections = match ivns.get(&id.server_name()) {
            Some(ivn) if ivn.id == id => ivn.connections.clone(),
            _ => Arc::new(Connections::new(self.stopping.clone())),
        };
        ivns.insert(id.server_name(), Arc::new(Ivn { id, tls, routes, connections }));
        Ok(())
    }

    /// Stops serving an IVN and ends its connections.
    pub fn stop_serving(&self, ivn: IvnId) {
        let mut ivns = self.ivns.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(ivn) = ivns.remove(&ivn.server_name()) {
            ivn.connections.sever_all();
        }
    }

    /// Ends all connections of an account, links and requests, and returns their number.
    ///
    /// The account's certificate stays valid: the routes have to reject it from now on.
    pub fn disconnect(&self, ivn: IvnId, account: &AccountName) -> usize {
        self.ivn(&ivn.server_name()).map_or(0, |ivn| ivn.connections.sever(account))
    }

    /// Like [`Self::disconnect`], for the present connections, once `farewell` is over: until then
    /// a link can still carry what its account has to receive. Later connections are not affected.
    pub fn disconnect_after(
        &self,
        ivn: IvnId,
        account: &AccountName,
        farewell: impl Future<Output = ()> + Send + 'static,
    ) {
        let Some(ivn) = self.ivn(&ivn.server_name()) else { return };
        let Some(sever) = ivn.connections.take_sever(account) else { return };
        tokio::spawn(async move {
            farewell.await;
            sever.cancel();
        });
    }

    /// Accepts connections until [`stop`](Self::stop). An error of one connection, or of accepting
    /// one, is logged and ends nothing else.
    pub async fn run(self: Arc<Self>, listener: TcpListener) {
        self.accept_from(|| listener.accept()).await;
    }

    /// The present numbers of sockets and connections, for metrics.
    pub fn counts(&self) -> HubCounts {
        let (sockets, strangers, sockets_rejected) = self.sockets.counts();
        let connections_rejected = self.connections_rejected.load(Ordering::Relaxed);
        let sockets_limit = self.options.sockets;
        HubCounts { sockets, sockets_limit, strangers, sockets_rejected, connections_rejected }
    }

    /// Ends [`run`](Self::run) and every connection.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    async fn accept_from<F>(self: Arc<Self>, accept: impl Fn() -> F)
    where
        F: Future<Output = io::Result<(TcpStream, SocketAddr)>>,
    {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = self.stopping.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => match self.sockets.enter(address) {
                    Some(socket) => {
                        connections.spawn(self.clone().connection(stream, address, socket));
                    }
                    None => tracing::debug!(%address, "too many sockets; this one is closed"),
                },
                Err(error) => {
                    // Mostly too many open files: trying again immediately would only waste time.
                    tracing::warn!(%error, "could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.shutdown().await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, socket: Socket) {
        let handshake = async {
            // The time includes the wait for a permit: a client that cannot be served in time is
            // better off dialling again.
            let _permit = self.handshakes.acquire(address).await?;
            self.handshake(stream, address).await
        };
        match timeout(self.options.handshake_timeout, handshake).await {
            Ok(Some((ivn, stream))) => self.requests(&ivn, stream, address, socket).await,
            Ok(None) => {}
            Err(_) => tracing::debug!(%address, "no TLS handshake in time"),
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(Arc<Ivn>, TlsStream<TcpStream>)> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%address, %error, "could not set TCP_NODELAY");
        }
        let acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
        tokio::pin!(acceptor);
        let start = match acceptor.as_mut().await {
            Ok(start) => start,
            Err(error) => {
                tracing::debug!(%address, %error, "not a TLS handshake");
                linger(acceptor.take_io()?).await;
                return None;
            }
        };
        let name = start.client_hello().server_name().map(str::to_owned);
        let Some(ivn) = name.as_deref().and_then(|name| self.ivn(name)) else {
            tracing::debug!(%address, ?name, "no such IVN here");
            let mut stream = start.io;
            // The library cannot reject a name, so this is its alert as in RFC 8446 §6.
            let _ = stream.write_all(&UNRECOGNIZED_NAME).await;
            linger(stream).await;
            return None;
        };
        match start.into_stream(ivn.tls.clone()).into_fallible().await {
            Ok(stream) => Some((ivn, stream)),
            Err((error, stream)) => {
                tracing::debug!(%address, ivn = %ivn.id, %error, "TLS handshake failed");
                linger(stream).await;
                None
            }
        }
    }

    async fn requests(
        &self,
        ivn: &Ivn,
        stream: TlsStream<TcpStream>,
        address: SocketAddr,
        mut socket: Socket,
    ) {
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let standing = match certificate {
            None => Standing::Stranger,
            Some(certificate) if !ca::is_expired(certificate, SystemTime::now()) => {
                Standing::Member
            }
            Some(_) => Standing::Renewing,
        };
        let named = match certificate.map(|certificate| ca::account_of(certificate, ivn.id)) {
            Some(None) => {
                tracing::warn!(%address, ivn = %ivn.id, "a certificate of the IVN's authority names no account and key");
                return;
            }
            named => named.flatten(),
        };
        let (account, identity) = named.unzip();
        if standing == Standing::Member {
            socket.is_members();
        }
        let holder = match &account {
            Some(account) => Holder::Account(account.clone()),
            None => Holder::Joining(address.into()),
        };
        let limits = ConnectionLimits {
            per_account: self.options.connections_per_account,
            joining_per_origin: self.options.joining_per_address,
            joining: self.options.joining_connections,
        };
        let header_timeout = match standing {
            Standing::Member => self.options.header_timeout,
            Standing::Renewing | Standing::Stranger => self.options.join_header_timeout,
        };
        let admission = match ivn.connections.enter(holder, limits) {
            Ok(admission) => admission,
            Err(limit) => {
                self.connections_rejected.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%address, ivn = %ivn.id, ?account, ?limit, "too many connections");
                // Outside the limit, so only for as long as the rejection takes.
                let refuse = serve_http(stream, too_many(limit), header_timeout);
                let _ = timeout(self.options.handshake_timeout, refuse).await;
                return;
            }
        };
        let peer = Peer { ivn: ivn.id, account, identity, address };
        let routes = match standing {
            Standing::Member => &ivn.routes.members,
            Standing::Renewing => &ivn.routes.renewal,
            Standing::Stranger => &ivn.routes.join,
        };
        let router = TowerToHyperService::new(routes.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            if standing != Standing::Stranger || request.uri().path().starts_with("/join/") {
                request.extensions_mut().insert(peer.clone());
                router.call(request)
            } else {
                TowerToHyperService::new(members_only()).call(request)
            }
        });
        let stream = Severable::new(stream, admission, socket, self.options.write_timeout);
        let serve = serve_http(stream, service, header_timeout);
        if standing == Standing::Member {
            serve.await;
        } else {
            let _ = timeout(self.options.join_timeout, serve).await;
        }
    }

    fn ivn(&self, server_name: &str) -> Option<Arc<Ivn>> {
        self.ivns.read().unwrap_or_else(PoisonError::into_inner).get(server_name).cloned()
    }
}

/// Serves HTTP until the connection ends or becomes a WebSocket. Errors are the peer's or the
/// network's, and end it.
async fn serve_http<IO, S, B>(stream: IO, service: S, header_timeout: Duration)
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = hyper::Response<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection failed");
    }
}

fn members_only() -> Router {
    Router::new().fallback(|| async {
        let detail = "this needs a certificate of the IVN: join it first";
        problem(StatusCode::UNAUTHORIZED, "no-certificate", detail)
    })
}

fn too_many(limit: Exceeded) -> TowerToHyperService<Router> {
    let detail = match limit {
        Exceeded::PerAccount(limit) => {
            format!(
                "the account has reached its limit of connections (config.connections.connections_per_account: {limit})"
            )
        }
        Exceeded::JoiningPerOrigin(limit) => {
            format!(
                "too many others are joining from this address (config.connections.joining_per_address: {limit}); try again"
            )
        }
        Exceeded::Joining(limit) => {
            format!(
                "too many others are joining this IVN (config.connections.joining_connections: {limit}); try again"
            )
        }
    };
    TowerToHyperService::new(Router::new().fallback(async move || {
        let headers = [(CONNECTION, "close")];
        (headers, problem(StatusCode::TOO_MANY_REQUESTS, "too-many-connections", &detail))
    }))
}

/// What a connection's certificate permits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    Member,
    /// The certificate is not valid at this time, and can only be renewed.
    Renewing,
    /// There is no certificate.
    Stranger,
}

/// Ends a connection so that the peer reads our last bytes: closing with its bytes unread would
/// reset it, and the peer would see a failed network instead of the reason. The handshake's time
/// limit ends this too.
async fn linger(mut stream: TcpStream) {
    let mut rest = [0; 1024];
    if stream.shutdown().await.is_ok() {
        while matches!(stream.read(&mut rest).await, Ok(length) if length > 0) {}
    }
}

/// A fatal alert, unrecognized_name (112), in a plaintext record.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn errors_of_accept_do_not_end_the_hub() {
        let hub = Hub::new(HubOptions::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let failures = AtomicUsize::new(0);
        let accept = || async {
            if failures.fetch_add(1, Ordering::Relaxed) < 2 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            listener.accept().await
        };
        let client = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::select! {
            () = hub.clone().accept_from(accept) => panic!("the hub ended"),
            answer = client => answer,
        };
        // An alert, as TLS answers what is not TLS.
        assert_eq!(answer.first(), Some(&21));
        assert!(failures.load(Ordering::Relaxed) >= 3);
    }
}
