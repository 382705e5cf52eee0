//! The reliability of nodes as signers: how fast they answer, and how often they failed.
//!
//! - Upon an answer: note how long it took.
//! - Upon a late or wrong answer, or a signer that disconnected: suspect the signer.
//! - Upon a valid share: clear the suspicion.

use std::collections::{BTreeMap, BTreeSet};

use super::response_time::ResponseTime;
use crate::names::AccountName;

/// The coordinator's experience with all nodes as signers.
#[derive(Debug, Default)]
pub(super) struct Reliability {
    /// How often a node failed since it last delivered.
    suspicion: BTreeMap<AccountName, u32>,
    response_times: BTreeMap<AccountName, ResponseTime>,
}

impl Reliability {
    pub(super) fn suspicion(&self, account: &AccountName) -> u32 {
        self.suspicion.get(account).copied().unwrap_or(0)
    }

    pub(super) fn suspect(&mut self, signers: &BTreeSet<AccountName>) {
        for account in signers {
            let suspicion = self.suspicion.entry(account.clone()).or_default();
            *suspicion = suspicion.saturating_add(1);
        }
    }

    pub(super) fn answered(&mut self, account: &AccountName, after: Option<u64>) {
        if let Some(after) = after {
            self.response_times.entry(account.clone()).or_default().answered(after);
        }
    }

    pub(super) fn delivered(&mut self, account: &AccountName, after: Option<u64>) {
        self.answered(account, after);
        self.suspicion.remove(account);
    }

    /// How long to wait for all of these, at most `longest`.
    pub(super) fn patience<'a>(
        &self,
        of: impl Iterator<Item = &'a AccountName>,
        longest: u64,
    ) -> u64 {
        of.map(|account| self.response_times.get(account).copied().unwrap_or_default())
            .map(|response_time| response_time.patience(longest))
            .max()
            .unwrap_or(longest)
    }
}
