//! Limits how many sockets are open, from the moment that they are accepted.
//!
//! A socket belongs to a stranger until a member's certificate is verified on it, and forever if it
//! has none. Strangers have a limit for each origin and a limit in total, so that they take neither
//! all file descriptors nor the members' share. The last part of the strangers' share is reserved
//! for the origins of members, because a member that dials is a stranger at first.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::origin::Origin;

/// How many origins of members are remembered.
const MEMBER_ORIGINS: usize = 4096;

#[derive(Debug)]
pub(crate) struct SocketLimit {
    all: usize,
    strangers: usize,
    strangers_per_origin: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    strangers: HashMap<Origin, usize>,
    stranger_count: usize,
    /// The latest origins of members.
    member_origins: VecDeque<Origin>,
    refused: u64,
}

/// The place of one socket; dropping it counts the socket out.
#[derive(Debug)]
pub(crate) struct Socket {
    limit: Arc<SocketLimit>,
    origin: Origin,
    is_stranger: bool,
}

impl SocketLimit {
    /// Allows `all` sockets, half of them for strangers, and of those `strangers_per_origin` from
    /// one origin; at least one each.
    pub(crate) fn new(all: usize, strangers_per_origin: usize) -> Arc<Self> {
        Arc::new(Self {
            all: all.max(1),
            strangers: (all / 2).max(1),
            strangers_per_origin: strangers_per_origin.max(1),
            open: Mutex::default(),
        })
    }

    /// Counts a socket in, unless a limit is reached.
    pub(crate) fn enter(self: &Arc<Self>, address: SocketAddr) -> Option<Socket> {
        let origin = Origin::from(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let from_here = open.strangers.get(&origin).copied().unwrap_or_default();
        let reserve = match open.member_origins.contains(&origin) {
            true => 0,
            false => self.strangers / 4,
        };
        if open.all >= self.all
            || from_here >= self.strangers_per_origin
            || open.stranger_count >= self.strangers - reserve
        {
            open.refused = open.refused.saturating_add(1);
            return None;
        }
        open.all += 1;
        open.stranger_count += 1;
        open.strangers.insert(origin, from_here + 1);
        Some(Socket { limit: self.clone(), origin, is_stranger: true })
    }

    /// The number of open sockets, those of strangers, and the number of rejected ones.
    pub(crate) fn counts(&self) -> (usize, usize, u64) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        (open.all, open.stranger_count, open.refused)
    }
}

impl Open {
    fn remove_stranger(&mut self, origin: Origin) {
        self.stranger_count = self.stranger_count.saturating_sub(1);
        if let Some(count) = self.strangers.get_mut(&origin) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.strangers.remove(&origin);
            }
        }
    }
}

impl Socket {
    /// Notes that a member's certificate was verified on this socket.
    pub(crate) fn is_members(&mut self) {
        if !std::mem::take(&mut self.is_stranger) {
            return;
        }
        let mut open = self.limit.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove_stranger(self.origin);
        if !open.member_origins.contains(&self.origin) {
            open.member_origins.push_back(self.origin);
            if open.member_origins.len() > MEMBER_ORIGINS {
                open.member_origins.pop_front();
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut open = self.limit.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if self.is_stranger {
            open.remove_stranger(self.origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> SocketAddr {
        format!("{address}:1234").parse().unwrap()
    }

    /// As many sockets from this address as the limit allows.
    fn all_from(limit: &Arc<SocketLimit>, address: &str) -> Vec<Socket> {
        std::iter::from_fn(|| limit.enter(from(address))).collect()
    }

    #[test]
    fn one_origin_gets_its_share_of_the_sockets() {
        let limit = SocketLimit::new(100, 5);
        let first = all_from(&limit, "192.0.2.1");
        let second = all_from(&limit, "[2001:db8::1]");
        assert_eq!((first.len(), second.len()), (5, 5));
        assert!(limit.enter(from("[2001:db8::2]")).is_none(), "the same network");
        assert_eq!(limit.counts(), (10, 10, 3));
        drop(first);
        assert_eq!(all_from(&limit, "192.0.2.1").len(), 5);
    }

    #[test]
    fn strangers_from_everywhere_leave_room_for_members() {
        let limit = SocketLimit::new(32, 4);
        let mut member = limit.enter(from("192.0.2.200")).unwrap();
        member.is_members();
        let strangers: Vec<_> =
            (0..20).flat_map(|host| all_from(&limit, &format!("192.0.2.{host}"))).collect();
        assert_eq!(strangers.len(), 12, "half of all, without the reserve");
        let mut again = limit.enter(from("192.0.2.200")).unwrap();
        again.is_members();
        assert_eq!(limit.counts().0, 14);
    }

    #[test]
    fn a_members_sockets_do_not_count_as_strangers() {
        let limit = SocketLimit::new(100, 2);
        let mut members = Vec::new();
        for _ in 0..10 {
            let mut socket = limit.enter(from("192.0.2.1")).unwrap();
            socket.is_members();
            members.push(socket);
        }
        assert_eq!((limit.counts().0, limit.counts().1), (10, 0));
        drop(members);
        assert_eq!(limit.counts().0, 0);
        assert!(limit.open.lock().unwrap().strangers.is_empty());
    }

    #[test]
    fn members_do_not_exceed_the_total_either() {
        let limit = SocketLimit::new(4, 4);
        let mut members = Vec::new();
        while let Some(mut socket) = limit.enter(from("192.0.2.1")) {
            socket.is_members();
            members.push(socket);
        }
        assert_eq!(members.len(), 4);
    }
}
