//! Turns: how many TLS handshakes run at the same time, and how many of them from one address.
//!
//! Somebody who connects and then says nothing holds a turn until the handshake's time is over. With a limit for each
//! address, it takes many addresses to hold all turns.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Where connections come from: an IPv4 address, or the first 64 bits of an IPv6 address, of which one host has many.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Origin {
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

/// All turns of one hub.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Semaphore,
    per_origin: usize,
    taken: Arc<Mutex<HashMap<Origin, usize>>>,
}

/// One turn; given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _place: SemaphorePermit<'a>,
    _share: Share,
}

/// One of an origin's share of turns, whether it has its turn or waits for it.
#[derive(Debug)]
struct Share {
    origin: Origin,
    taken: Arc<Mutex<HashMap<Origin, usize>>>,
}

impl Turns {
    /// `all` at the same time, of which one address gets `per_origin`; at least one each.
    pub(crate) fn new(all: usize, per_origin: usize) -> Self {
        let taken = Arc::default();
        Self { all: Semaphore::new(all.max(1)), per_origin: per_origin.max(1), taken }
    }

    /// Waits for a turn; `None` at once if connections from this address have or wait for their share already.
    pub(crate) async fn take(&self, address: SocketAddr) -> Option<Turn<'_>> {
        let share = self.share(address.into())?;
        let place = self.all.acquire().await.ok()?;
        Some(Turn { _place: place, _share: share })
    }

    fn share(&self, origin: Origin) -> Option<Share> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(origin).or_default();
        if *count >= self.per_origin {
            return None;
        }
        *count += 1;
        Some(Share { origin, taken: self.taken.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> SocketAddr {
        format!("{address}:1234").parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_gets_its_share_and_leaves_the_rest_to_others() {
        let turns = Turns::new(3, 2);
        let first = turns.take(from("192.0.2.1")).await;
        let second = turns.take(from("192.0.2.1")).await;
        assert!(first.is_some() && second.is_some());
        assert!(turns.take(from("192.0.2.1")).await.is_none());
        assert!(turns.take(from("192.0.2.2")).await.is_some());
        drop(first);
        assert!(turns.take(from("192.0.2.1")).await.is_some());
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_share() {
        let turns = Turns::new(3, 1);
        let _held = turns.take(from("[2001:db8::1]")).await.unwrap();
        assert!(turns.take(from("[2001:db8::2]")).await.is_none());
        assert!(turns.take(from("[2001:db8:0:1::1]")).await.is_some());
        let _mapped = turns.take(from("[::ffff:192.0.2.1]")).await.unwrap();
        assert!(turns.take(from("192.0.2.1")).await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_remembered_of_addresses_that_are_gone() {
        let turns = Turns::new(3, 1);
        drop(turns.take(from("192.0.2.1")).await);
        assert!(turns.taken.lock().unwrap().is_empty());
    }
}
