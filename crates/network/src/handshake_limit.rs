//! Limits how many TLS handshakes run at the same time, and how many of them from one address.
//!
//! A client that connects and then sends nothing holds its permit until the handshake times out.
//! Because each address has a limit of its own, it takes many addresses to hold all permits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::origin::Origin;

/// The handshake permits of one hub.
#[derive(Debug)]
pub(crate) struct HandshakeLimit {
    all: Semaphore,
    per_origin: usize,
    origins: Arc<Mutex<HashMap<Origin, Queue>>>,
}

/// The permits of one origin, and the number of connections that hold or await one.
#[derive(Debug)]
struct Queue {
    permits: Arc<Semaphore>,
    connections: usize,
}

/// Permits one handshake; returned when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_origin: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in an origin's queue.
#[derive(Debug)]
struct Place {
    origin: Origin,
    origins: Arc<Mutex<HashMap<Origin, Queue>>>,
}

impl HandshakeLimit {
    /// Permits `all` handshakes at the same time and `per_origin` of one address; at least one
    /// each.
    pub(crate) fn new(all: usize, per_origin: usize) -> Self {
        let origins = Arc::default();
        let [all, per_origin] = [all, per_origin].map(|most| most.clamp(1, Semaphore::MAX_PERMITS));
        Self { all: Semaphore::new(all), per_origin, origins }
    }

    /// Waits for a permit. The address's own limit comes first, so that a connection that waits for
    /// it delays no other address.
    pub(crate) async fn acquire(&self, address: SocketAddr) -> Option<Permit<'_>> {
        let (place, permits) = self.queue(address.into());
        // The semaphores are never closed.
        let of_origin = permits.acquire_owned().await.ok()?;
        let of_all = self.all.acquire().await.ok()?;
        Some(Permit { _of_all: of_all, _of_origin: of_origin, _place: place })
    }

    fn queue(&self, origin: Origin) -> (Place, Arc<Semaphore>) {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = origins.entry(origin).or_insert_with(|| Queue {
            permits: Arc::new(Semaphore::new(self.per_origin)),
            connections: 0,
        });
        queue.connections += 1;
        (Place { origin, origins: self.origins.clone() }, queue.permits.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = origins.get_mut(&self.origin) {
            queue.connections -= 1;
            if queue.connections == 0 {
                origins.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn from(address: &str) -> SocketAddr {
        format!("{address}:1234").parse().unwrap()
    }

    /// A permit, if there is one without waiting.
    fn acquire<'a>(limit: &'a HandshakeLimit, address: &str) -> Option<Permit<'a>> {
        limit.acquire(from(address)).now_or_never().flatten()
    }

    #[test]
    fn an_address_gets_its_share_and_leaves_the_rest_to_others() {
        let limit = HandshakeLimit::new(3, 2);
        let first = acquire(&limit, "192.0.2.1");
        let second = acquire(&limit, "192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(acquire(&limit, "192.0.2.1").is_none());
        assert!(acquire(&limit, "192.0.2.2").is_some());
        drop(first);
        assert!(acquire(&limit, "192.0.2.1").is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_share() {
        let limit = HandshakeLimit::new(3, 1);
        let _held = acquire(&limit, "[2001:db8::1]").unwrap();
        assert!(acquire(&limit, "[2001:db8::2]").is_none());
        assert!(acquire(&limit, "[2001:db8:0:1::1]").is_some());
        let _mapped = acquire(&limit, "[::ffff:192.0.2.1]").unwrap();
        assert!(acquire(&limit, "192.0.2.1").is_none());
    }

    #[test]
    fn nothing_is_remembered_of_addresses_that_are_gone() {
        let limit = HandshakeLimit::new(3, 1);
        let held = acquire(&limit, "192.0.2.1");
        assert!(acquire(&limit, "192.0.2.1").is_none());
        assert_eq!(limit.origins.lock().unwrap().len(), 1);
        drop(held);
        assert!(limit.origins.lock().unwrap().is_empty());
    }
}
