//! The machine on which an account's node runs, and the process on it.

use std::collections::BTreeMap;

use quorate_ceremony::effect::{CommandId, NodeDeadline, NodeEffect};
use quorate_ceremony::names::{IvnId, Timestamp};
use quorate_ceremony::node::{Config, Node};
use rand_chacha::ChaCha20Rng;

use super::network::ConnectionId;
use crate::double::member::Adversary;

/// The machine on which an account's node runs.
pub(super) struct Station {
    pub(super) index: usize,
    pub(super) ivn: IvnId,
    pub(super) config: Config,
    /// How far its clock is fast, in milliseconds.
    pub(super) skew: u64,
    /// The account's admission, made once, so that a repeated request has the same bytes.
    pub(super) admission: Option<Vec<u8>>,
    pub(super) is_on_roster: bool,
    /// The command whose answer the person awaits, and since when.
    pub(super) pending: Option<(CommandId, u64)>,
    pub(super) process: Option<Process>,
    /// The adversary that drives the node, if the account is malicious.
    pub(super) double: Option<Adversary>,
}

pub(super) struct Process {
    pub(super) number: u64,
    pub(super) node: Node,
    pub(super) connection: Option<ConnectionId>,
    pub(super) rng: ChaCha20Rng,
    pub(super) deadlines: BTreeMap<NodeDeadline, Timestamp>,
    /// Effects that are not carried out yet.
    pub(super) batch: Vec<NodeEffect>,
    pub(super) inputs: u64,
    pub(super) most_inputs: u64,
}

impl Station {
    pub(super) fn new(
        index: usize,
        ivn: IvnId,
        config: Config,
        skew: u64,
        is_on_roster: bool,
        double: Option<Adversary>,
    ) -> Self {
        Self {
            index,
            ivn,
            config,
            skew,
            admission: None,
            is_on_roster,
            pending: None,
            process: None,
            double,
        }
    }

    /// Whether the node is connected, up to date and without work. A malicious node, which may
    /// never finish, always counts as idle.
    pub(super) fn is_idle(&self, size: u64) -> bool {
        self.double.is_some()
            || self.process.as_ref().is_some_and(|process| {
                process.connection.is_some()
                    && process.batch.is_empty()
                    && process.node.unsent() == 0
                    && process.node.state().size() == size
            })
    }
}
