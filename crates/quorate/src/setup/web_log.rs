//! A published log on a web server, read over HTTP(S).
//!
//! Nothing that the server says is believed: the entries have to make the tree of a checkpoint that
//! the log's key signed ([`super::log_copy`]). TLS only hides from others which log is read.

use std::io;
use std::time::Duration;

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::tile::TileReader;
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::store::published::CHECKPOINT;

/// How long a file may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest file that is read: 256 entries of 64 KiB, and more.
const LARGEST: u64 = 32 << 20;

/// The files of a log under a URL.
#[derive(Debug)]
pub(super) struct WebLog {
    agent: Agent,
    /// Ends with a slash.
    base: String,
}

impl WebLog {
    /// Takes the URL of the directory that contains `checkpoint`. The proxy is that of the
    /// environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), and the certificate authorities are
    /// those of the machine.
    pub(super) fn new(url: &str) -> Self {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(quorate_network::crypto_provider())
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .user_agent(concat!("quorate/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), base: format!("{}/", url.trim_end_matches('/')) }
    }

    /// Returns the checkpoint, unverified, or `None` if there is none, or something else.
    pub(super) fn checkpoint(&self) -> io::Result<Option<SignedCheckpoint>> {
        let note = self.read(CHECKPOINT)?.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(note.and_then(|note| note.parse().ok()))
    }
}

impl TileReader for WebLog {
    type Error = io::Error;

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let url = format!("{}{path}", self.base);
        let mut answer = self.agent.get(&url).call().map_err(ureq::Error::into_io)?;
        match answer.status() {
            StatusCode::OK => {
                let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
                body.map(Some).map_err(ureq::Error::into_io)
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status => Err(io::Error::other(format!("{url}: the server answers {status}"))),
        }
    }
}
