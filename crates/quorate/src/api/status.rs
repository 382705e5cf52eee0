//! The view of a node and its IVN, and why the node no longer follows the log.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::Role;
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::state::Refusal;
use serde::{Deserialize, Serialize};

use super::GroupView;

/// The state of a node and its IVN.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StatusView {
    pub account: AccountName,
    /// Empty while this node's log does not contain the account's admission.
    pub roles: BTreeSet<Role>,
    /// Whether this node's log contains the account's removal.
    #[serde(default)]
    pub removed: bool,
    pub ivn: IvnId,
    pub ivn_name: String,
    /// The coordinator's address.
    pub hub: String,
    pub connected: bool,
    /// By how many seconds this machine's clock is ahead of the coordinator's. Negative if it is
    /// behind, unknown without a connection.
    #[serde(default)]
    pub clock_ahead: Option<i64>,
    /// The latest time that more than half of the accounts have stated in the log.
    #[serde(default)]
    pub log_time: Option<Timestamp>,
    /// The number of entries that this node verified.
    pub log_size: u64,
    pub log_key: String,
    /// The accounts whose nodes the coordinator reports as connected.
    pub online: BTreeSet<AccountName>,
    pub accounts: BTreeMap<AccountName, BTreeSet<Role>>,
    /// Why the node no longer follows the log.
    pub trouble: Option<TroubleView>,
    /// Why the node may not act, or may not connect.
    #[serde(default)]
    pub hindrance: Option<BlockedView>,
    pub groups: Vec<GroupView>,
    /// The number of requests and changes that wait for this account.
    pub inbox: usize,
    /// The number of statements on their way to the log.
    pub unsent: usize,
    /// The node's clock.
    pub now: Timestamp,
}

/// A [`Contradiction`](quorate_ceremony::node::Contradiction), as data.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TroubleView {
    pub kind: TroubleKind,
    /// Two checkpoints that do not fit together, if they prove nothing yet.
    pub checkpoints: Option<(String, String)>,
    /// The proof of misbehaviour, if there is one, in the form for other people.
    pub proof: Option<serde_json::Value>,
}

/// What keeps a node from signing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// The coordinator provably broke the rules. Contains what the proof shows.
    Misbehaviour(String),
    /// The coordinator signed a checkpoint that does not fit the log that the node verified.
    Unexplained,
    /// The coordinator shows a log with fewer entries than the node has verified.
    Behind { size: u64 },
}

/// What keeps a node from acting for its account.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockedView {
    /// The log shows that the account may not act, or has new keys.
    Account(Refusal),
    /// The coordinator's message, for a reason that this node's log does not show.
    Coordinator(String),
    /// Two copies of the node run.
    Duplicated,
}
