//! The coordinator's machine: its keys, and one process that dies.

use std::collections::BTreeMap;

use quorate_ceremony::coordinator::{Coordinator, CoordinatorSecrets};
use quorate_ceremony::effect::{CoordinatorDeadline, CoordinatorEffect, JoinId};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::names::{AccountName, Timestamp};
use rand_chacha::ChaCha20Rng;

use super::network::ConnectionId;

pub(super) struct Hub {
    log: [u8; 32],
    identity: [u8; 32],
    /// Whether the disk is an old copy.
    pub(super) lost_entries: bool,
    pub(super) process: Option<HubProcess>,
}

pub(super) struct HubProcess {
    pub(super) number: u64,
    pub(super) coordinator: Coordinator,
    pub(super) connections: BTreeMap<AccountName, ConnectionId>,
    pub(super) rng: ChaCha20Rng,
    pub(super) deadlines: BTreeMap<CoordinatorDeadline, Timestamp>,
    pub(super) joins: BTreeMap<JoinId, AccountName>,
    pub(super) batch: Vec<CoordinatorEffect>,
    pub(super) inputs: u64,
    pub(super) most_inputs: u64,
}

impl Hub {
    pub(super) fn new(log: [u8; 32], identity: [u8; 32]) -> Self {
        Self { log, identity, lost_entries: false, process: None }
    }

    pub(super) fn secrets(&self) -> CoordinatorSecrets {
        CoordinatorSecrets {
            log: SecretKey::from_seed(&self.log),
            identity: SecretKey::from_seed(&self.identity),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.inputs == 0)
    }
}
