//! The connected nodes, and how much of the log each has.

use std::collections::BTreeMap;

use super::input::Call;
use crate::effect::CoordinatorEffect;
use crate::message::FromCoordinator;
use crate::names::{AccountName, Timestamp};

/// The connected nodes, and how many entries each has: `None` until its hello.
#[derive(Default)]
pub(super) struct Peers(BTreeMap<AccountName, Option<u64>>);

impl Peers {
    /// A node connected. It receives all connected accounts, the others only this one.
    pub(super) fn connect(&mut self, account: AccountName, call: &mut Call<'_>) {
        let is_new = self.0.insert(account.clone(), None).is_none();
        for to in self.0.keys() {
            let message = if *to == account {
                let online = self.0.keys().cloned().collect();
                FromCoordinator::Presence { online, clock: call.now }
            } else if is_new {
                changed(&account, true, call.now)
            } else {
                continue;
            };
            call.push(CoordinatorEffect::Send(to.clone(), message));
        }
    }

    pub(super) fn disconnect(&mut self, account: &AccountName, call: &mut Call<'_>) {
        if self.0.remove(account).is_none() {
            return;
        }
        for to in self.0.keys() {
            let message = changed(account, false, call.now);
            call.push(CoordinatorEffect::Send(to.clone(), message));
        }
    }

    /// Whether this node is connected and has not sent its hello.
    pub(super) fn awaits_hello(&self, account: &AccountName) -> bool {
        self.0.get(account) == Some(&None)
    }

    pub(super) fn is_ready(&self, account: &AccountName) -> bool {
        self.0.get(account).is_some_and(Option::is_some)
    }

    /// Notes that a node was sent the log up to entry `end`.
    pub(super) fn was_sent(&mut self, account: &AccountName, end: u64) {
        if let Some(sent) = self.0.get_mut(account) {
            *sent = Some(end);
        }
    }

    /// The nodes that lack entries of a log of this size, and the size that each has.
    pub(super) fn behind(&self, size: u64) -> Vec<(AccountName, u64)> {
        let sent = self.0.iter().filter_map(|(account, sent)| Some((account.clone(), (*sent)?)));
        sent.filter(|(_, sent)| *sent < size).collect()
    }

    pub(super) fn online(&self) -> impl Iterator<Item = &AccountName> {
        self.0.keys()
    }
}

/// Reports that an account has connected or disconnected.
fn changed(account: &AccountName, online: bool, clock: Timestamp) -> FromCoordinator {
    FromCoordinator::PresenceChanged { account: account.clone(), online, clock }
}
