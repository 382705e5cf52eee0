//! The origin of a connection, by which strangers are limited.

use std::net::{IpAddr, SocketAddr};

/// An IPv4 address, or the first 64 bits of an IPv6 address, because one host has many of those.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Origin {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl From<SocketAddr> for Origin {
    fn from(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}
