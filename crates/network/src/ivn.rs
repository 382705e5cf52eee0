//! Names on the wire: of IVNs, accounts and hubs.

use std::fmt;
use std::str::FromStr;

/// The identity of an IVN: the SHA-256 of its genesis, 64 hex digits in text.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IvnId([u8; 32]);

impl IvnId {
    /// Takes the 32 bytes as they are.
    pub const fn new(id: [u8; 32]) -> Self {
        Self(id)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name that connections to this IVN carry in the clear (SNI) and that its hub's
    /// certificate is for: the first 32 hex digits of the id, because a DNS label has at most 63
    /// characters, and `.ivn.internal`.
    pub fn server_name(&self) -> String {
        let (half, _) = self.0.split_at(16);
        format!("{}.ivn.internal", hex::encode(half))
    }
}

impl fmt::Display for IvnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for IvnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IvnId({self})")
    }
}

impl FromStr for IvnId {
    type Err = IvnIdError;

    fn from_str(text: &str) -> Result<Self, IvnIdError> {
        let mut id = [0; 32];
        hex::decode_to_slice(text, &mut id).map_err(|_| IvnIdError)?;
        Ok(Self(id))
    }
}

/// A text that is not an [`IvnId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an IVN id has 64 hex digits")]
pub struct IvnIdError;

/// An account as its certificate names it: 1 to 64 visible ASCII characters. This crate does not
/// know which of them are on the roster.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountName(String);

impl AccountName {
    /// Checks a text and makes it a name.
    ///
    /// # Errors
    ///
    /// [`AccountNameError`], when it has another length or other characters.
    pub fn new(name: impl Into<String>) -> Result<Self, AccountNameError> {
        let name = name.into();
        // 64 is the limit of a common name in X.509 (RFC 5280, appendix A.1).
        if (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(name))
        } else {
            Err(AccountNameError)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that is not an [`AccountName`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an account name in a certificate has 1 to 64 visible ASCII characters")]
pub struct AccountNameError;

/// The address of a hub: `host:port`, where a host is a DNS name, an IPv4 address, or an IPv6
/// address in brackets. Names are in lower case. It is not an address that stands for all addresses
/// of a machine, because nobody can dial that from elsewhere.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct HubAddress {
    host: String,
    port: u16,
}

impl HubAddress {
    /// The host without brackets, as the resolver expects it.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The TCP port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl From<std::net::SocketAddr> for HubAddress {
    fn from(address: std::net::SocketAddr) -> Self {
        let host = match address.ip() {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { host, port: address.port() }
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for HubAddress {
    type Err = HubAddressError;

    fn from_str(text: &str) -> Result<Self, HubAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(HubAddressError::NoPort)?;
        let port = match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(HubAddressError::Port),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.unwrap_or(host).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
            return Err(HubAddressError::Unspecified);
        }
        let valid = match bare {
            Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                (1..=253).contains(&host.len())
                    && host
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        match valid {
            true => Ok(Self { host: host.to_ascii_lowercase(), port }),
            false => Err(HubAddressError::Host),
        }
    }
}

/// Why a text is not a [`HubAddress`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum HubAddressError {
    #[error("the address of a hub is HOST:PORT, the port is missing")]
    NoPort,
    #[error("the port of a hub is a number from 1 to 65535")]
    Port,
    #[error("the host of a hub is a name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    #[error(
        "this address stands for all addresses of a machine, so nobody can dial it; give a name or an address at which members reach the hub (--listen sets where it listens)"
    )]
    Unspecified,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_are_valid_dns_names_that_differ_by_ivn() {
        let name = IvnId::new([0xAB; 32]).server_name();
        assert_eq!(name, "abababababababababababababababab.ivn.internal");
        assert!(rustls::pki_types::ServerName::try_from(name.as_str()).is_ok());
        assert_ne!(name, IvnId::new([0xAC; 32]).server_name());
    }

    #[test]
    fn addresses_read_back_and_bad_ones_say_why() {
        for text in ["localhost:1", "10.0.0.1:8443", "[::1]:65535", "hub.example.com:443"] {
            assert_eq!(text.parse::<HubAddress>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]:5".parse::<HubAddress>().unwrap().host(), "::1");
        let error = |text: &str| text.parse::<HubAddress>().unwrap_err();
        assert_eq!(error("localhost"), HubAddressError::NoPort);
        assert_eq!(error("localhost:"), HubAddressError::Port);
        assert_eq!(error("localhost:0"), HubAddressError::Port);
        assert_eq!(error("localhost:65536"), HubAddressError::Port);
        assert_eq!(error(":1"), HubAddressError::Host);
        assert_eq!(error("::1:1"), HubAddressError::Host);
        assert_eq!(error("a b:1"), HubAddressError::Host);
        for all in ["0.0.0.0:1", "[::]:1"] {
            assert_eq!(error(all), HubAddressError::Unspecified);
        }
        assert_eq!("HUB.Example.com:1".parse::<HubAddress>().unwrap().host(), "hub.example.com");
        assert_eq!(error("a@b:1"), HubAddressError::Host);
    }

    #[test]
    fn account_names_fit_a_certificate() {
        assert!(AccountName::new("alice").is_ok());
        for name in ["", "two words", "a\n", "ä", &"x".repeat(65)] {
            assert_eq!(AccountName::new(name), Err(AccountNameError));
        }
    }
}
