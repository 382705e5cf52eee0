//! Dials a hub: the node's end of connections, and why there is no connection.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite;

use crate::ca::{CaFingerprint, NodeCertificate, NodeKey};
use crate::ivn::{HubAddress, IvnId};
use crate::link::{self, Ended, GreetingError, Link, LinkOptions, PROTOCOL_VERSION};
use crate::proxy::Proxy;
use crate::stream::STREAM_PATH;
use crate::tls::{self, TlsError};
use crate::websocket;

/// The most bytes that are kept of a rejection.
const LONGEST_REFUSAL: usize = 4096;

/// Knows how to reach one IVN's hub, and the identity to present there.
#[derive(Clone, Debug)]
pub struct Dialler {
    address: HubAddress,
    server_name: String,
    tls: Arc<ClientConfig>,
    options: DialOptions,
    proxy: Option<Proxy>,
}

/// The dialler's time limits, and those of its links.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DialOptions {
    /// From the first packet to the established connection or link. Default 10 s.
    pub timeout: Duration,
    /// The longest pause before dialling again, see [`crate::redial`]. Default 5 s.
    pub longest_pause: Duration,
    /// The options of links.
    pub link: LinkOptions,
}

impl Default for DialOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            longest_pause: Duration::from_secs(5),
            link: LinkOptions::default(),
        }
    }
}

impl Dialler {
    /// Dials `ivn` at `address`. Trusts only a hub with a certificate of `authority`, and presents
    /// `identity`.
    ///
    /// Without an identity only the join routes can be reached.
    ///
    /// # Errors
    ///
    /// [`TlsError`], when certificate and key cannot be used.
    pub fn new(
        address: HubAddress,
        ivn: IvnId,
        authority: CaFingerprint,
        identity: Option<(&NodeCertificate, &NodeKey)>,
        options: DialOptions,
    ) -> Result<Self, TlsError> {
        let tls = Arc::new(tls::dialler_config(authority, identity)?);
        Ok(Self { address, server_name: ivn.server_name(), tls, options, proxy: None })
    }

    /// Dials through this proxy, if there is one.
    #[must_use]
    pub fn through(self, proxy: Option<Proxy>) -> Self {
        Self { proxy, ..self }
    }

    /// The address of the hub.
    pub fn address(&self) -> &HubAddress {
        &self.address
    }

    /// Establishes a link, asking for what comes after sequence number `after` (0: everything).
    ///
    /// # Errors
    ///
    /// [`DialError`].
    pub async fn connect(&self, after: u64) -> Result<Link, DialError> {
        timeout(self.options.timeout, self.establish(after))
            .await
            .unwrap_or_else(|_| Err(self.unreachable(io::ErrorKind::TimedOut.into())))
    }

    async fn establish(&self, after: u64) -> Result<Link, DialError> {
        let stream = self.dial().await?;
        let uri = format!("wss://{}{STREAM_PATH}?after={after}", self.server_name);
        let (socket, _) = client_async_with_config(uri, stream, Some(websocket::config()))
            .await
            .map_err(|error| match error {
                tungstenite::Error::Http(response) => {
                    let (head, body) = response.into_parts();
                    let mut body = body.unwrap_or_default();
                    // The hub is not trusted to be brief.
                    body.truncate(LONGEST_REFUSAL);
                    DialError::Refused(Refusal::Status { status: head.status, body })
                }
                error => self.classify(&error),
            })?;
        let mut socket = websocket::of_node(socket);
        link::greet(&mut socket).await.map_err(|error| match error {
            GreetingError::Version(theirs) => DialError::Version { ours: PROTOCOL_VERSION, theirs },
            GreetingError::Ended(Ended::Broken(source)) => self.classify(&*source),
            GreetingError::Ended(Ended::ClosedByPeer) => DialError::Refused(Refusal::Closed),
            GreetingError::Ended(_) => DialError::NotAHub,
        })?;
        Ok(Link::start(socket, self.options.link))
    }

    /// Connects and shakes hands. With TLS 1.3 the hub may still reject the certificate afterwards.
    pub(crate) async fn dial(&self) -> Result<TlsStream<TcpStream>, DialError> {
        let stream = match &self.proxy {
            Some(proxy) => proxy.connect(&self.address).await,
            None => TcpStream::connect((self.address.host(), self.address.port())).await,
        }
        .map_err(|error| self.unreachable(error))?;
        stream.set_nodelay(true).map_err(|error| self.unreachable(error))?;
        let name =
            ServerName::try_from(self.server_name.clone()).map_err(|_| DialError::NotAHub)?;
        TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await
            .map_err(|error| self.classify(&error))
    }

    pub(crate) fn server_name(&self) -> &str {
        &self.server_name
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    pub(crate) fn longest_pause(&self) -> Duration {
        self.options.longest_pause
    }

    pub(crate) fn unreachable(&self, source: io::Error) -> DialError {
        DialError::Unreachable { address: self.address.clone(), source }
    }

    /// Finds out what an error before the hub's first answer means: layers wrap the error of the
    /// TLS library, which knows.
    pub(crate) fn classify(&self, error: &(dyn StdError + 'static)) -> DialError {
        let mut io_kind = None;
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<rustls::Error>() {
                return classify_tls(error);
            }
            next = match error.downcast_ref::<io::Error>() {
                Some(error) => {
                    io_kind = io_kind.or(Some(error.kind()));
                    // `source` of an `io::Error` leaves out the error that it wraps.
                    error.get_ref().map(|inner| inner as &(dyn StdError + 'static))
                }
                None => error.source(),
            };
        }
        match io_kind {
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => DialError::Refused(Refusal::Closed),
            Some(kind) => self.unreachable(kind.into()),
            None => DialError::NotAHub,
        }
    }
}

fn classify_tls(error: &rustls::Error) -> DialError {
    match error {
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => DialError::UnknownIvn,
        rustls::Error::AlertReceived(alert) => DialError::Refused(Refusal::Alert(*alert)),
        rustls::Error::InvalidCertificate(_) => DialError::OtherHub(error.clone()),
        _ => DialError::NotAHub,
    }
}

/// Why there is no connection to the hub.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DialError {
    #[error("the hub at {address} cannot be reached")]
    Unreachable { address: HubAddress, source: io::Error },
    #[error("what answers at this address is not a hub")]
    NotAHub,
    /// The hub's certificate is not from the pinned authority: another installation, or someone in
    /// between.
    #[error(
        "this is not the hub of the IVN: its certificate was not issued by the IVN's authority"
    )]
    OtherHub(#[source] rustls::Error),
    #[error("the hub does not serve this IVN")]
    UnknownIvn,
    #[error("the hub refused the connection: {0}")]
    Refused(Refusal),
    #[error(
        "the hub speaks version {theirs} of the protocol, this program version {ours}; update the older one"
    )]
    Version { ours: u16, theirs: u16 },
}

impl DialError {
    /// Whether trying again later can help without any further action.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Refused(Refusal::Closed) => true,
            Self::Refused(Refusal::Status { status, .. }) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::NotAHub
            | Self::OtherHub(_)
            | Self::UnknownIvn
            | Self::Refused(Refusal::Alert(_))
            | Self::Version { .. } => false,
        }
    }
}

/// How the hub rejected the connection.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Refusal {
    /// In the handshake: it did not accept our certificate (of another IVN, expired), or our TLS
    /// version.
    #[error("it did not accept this node's certificate ({0:?})")]
    Alert(AlertDescription),
    /// With an HTTP status: 403 for an account that may not connect, 429 for too many connections.
    #[error("status {}", .status.as_u16())]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the hub's answer, which gives the reason in a form that the caller
        /// knows.
        body: Vec<u8>,
    },
    #[error("it closed the connection")]
    Closed,
}
