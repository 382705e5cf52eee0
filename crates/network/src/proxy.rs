//! HTTP proxies that connect nodes with hubs (CONNECT, RFC 9110 section 9.3.6).
//!
//! A proxy sees the hub's address and the length and time of messages. TLS is between node and hub,
//! so it can read and change nothing.

use std::io;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ivn::HubAddress;

/// The most bytes of a proxy's answer.
const LONGEST_ANSWER: usize = 8192;

/// An HTTP proxy, as in the variable `HTTPS_PROXY`: `http://[USER:PASSWORD@]HOST:PORT`.
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    address: HubAddress,
    /// User and password in base64.
    credentials: Option<String>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A text that is no proxy. It may contain a password, so it is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the proxy cannot be used: expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")]
pub struct ProxyError;

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let rest = text.trim().strip_prefix("http://").ok_or(ProxyError)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        let address = address.parse().map_err(|_| ProxyError)?;
        Ok(Self { address, credentials: user.map(|user| STANDARD.encode(user)) })
    }
}

impl Proxy {
    /// Returns a connection to `hub` through this proxy.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached, or does not connect.
    pub(crate) async fn connect(&self, hub: &HubAddress) -> io::Result<TcpStream> {
        let through = |error: io::Error| {
            let message = format!("through the proxy {}: {error}", self.address);
            io::Error::new(error.kind(), message)
        };
        let address = (self.address.host(), self.address.port());
        let mut stream = TcpStream::connect(address).await.map_err(through)?;
        let authorization = match &self.credentials {
            Some(credentials) => format!("Proxy-Authorization: Basic {credentials}\r\n"),
            None => String::new(),
        };
        let request = format!("CONNECT {hub} HTTP/1.1\r\nHost: {hub}\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await.map_err(through)?;
        let mut answer = Vec::new();
        // The hub's bytes follow the answer, so nothing behind it may be read.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == LONGEST_ANSWER {
                return Err(through(io::Error::other("its answer is too long")));
            }
            answer.push(stream.read_u8().await.map_err(through)?);
        }
        let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        match line.split(' ').nth(1) {
            Some("200") if line.starts_with("HTTP/1.") => Ok(stream),
            _ => Err(through(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                format!("it answers {line:?}"),
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one CONNECT with `answer`. Returns the proxy and what it was asked.
    async fn proxy(
        answer: &'static str,
        user: &str,
    ) -> (Proxy, tokio::task::JoinHandle<(String, TcpStream)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            (String::from_utf8(asked).unwrap(), stream)
        });
        (format!("http://{user}{address}/").parse().unwrap(), serving)
    }

    #[tokio::test]
    async fn a_proxy_connects_and_its_answer_is_not_the_hubs() {
        let (proxy, serving) =
            proxy("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nhub", "").await;
        let mut stream = proxy.connect(&"hub.example:7420".parse().unwrap()).await.unwrap();
        let mut first = [0; 3];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"hub");
        let (asked, _) = serving.await.unwrap();
        assert_eq!(asked, "CONNECT hub.example:7420 HTTP/1.1\r\nHost: hub.example:7420\r\n\r\n");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_named_without_its_password() {
        let (proxy, serving) = proxy("HTTP/1.1 407 Who are you\r\n\r\n", "ada:secret@").await;
        let error = proxy.connect(&"hub.example:7420".parse().unwrap()).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("through the proxy 127.0.0.1") && said.contains("407"), "{said}");
        let (asked, _) = serving.await.unwrap();
        assert!(asked.contains("Proxy-Authorization: Basic YWRhOnNlY3JldA==\r\n"), "{asked}");
        let shown = format!("{said}{proxy:?}");
        assert!(!shown.contains("secret") && !shown.contains("YWRh"), "{shown}");
    }

    #[test]
    fn only_http_proxies_are_understood() {
        for bad in ["", "proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://proxy"] {
            assert_eq!(bad.parse::<Proxy>(), Err(ProxyError), "{bad}");
        }
        assert!("http://[::1]:3128".parse::<Proxy>().is_ok());
    }
}
