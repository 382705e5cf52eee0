//! The connected nodes, and how much of the log each has.

use std::collections::BTreeMap;

use super::input::Call;
use crate::effect::CoordinatorEffect;
use crate::message::FromCoordinator;
use crate::names::AccountName;

/// The connected nodes, and how many entries each has: `None` until its hello.
#[derive(Default)]
pub(super) struct Peers(BTreeMap<AccountName, Option<u64>>);

impl Peers {
    pub(super) fn connect(&mut self, account: AccountName) {
        self.0.insert(account, None);
    }

    pub(super) fn disconnect(&mut self, account: &AccountName) {
        self.0.remove(account);
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

    /// Sends the connected accounts to all nodes.
    pub(super) fn announce(&self, call: &mut Call<'_>) {
        let online: Vec<AccountName> = self.0.keys().cloned().collect();
        for account in self.0.keys() {
            let presence = FromCoordinator::Presence { online: online.clone(), clock: call.now };
            call.push(CoordinatorEffect::Send(account.clone(), presence));
        }
    }
}
