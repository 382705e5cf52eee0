//! How a node and its IVN are, and why the node does not follow the log any more.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::Role;
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::node::{Contradiction, Node};
use serde::{Deserialize, Serialize};

use super::{BlockedView, GroupView};

/// How a node and its IVN are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StatusView {
    pub account: AccountName,
    /// Its roles; empty while the log that this node has does not show its admission.
    pub roles: BTreeSet<Role>,
    /// Whether the log that this node has shows that the account was removed.
    #[serde(default)]
    pub removed: bool,
    pub ivn: IvnId,
    pub ivn_name: String,
    /// The coordinator's address.
    pub hub: String,
    pub connected: bool,
    /// How far this machine's clock is ahead of the coordinator's, in seconds, if the coordinator
    /// accepts nothing from it because of that.
    #[serde(default)]
    pub clock_lead: Option<u64>,
    /// Entries that this node verified.
    pub log_size: u64,
    pub log_key: String,
    /// Who is connected, by the coordinator's word.
    pub online: BTreeSet<AccountName>,
    pub accounts: BTreeMap<AccountName, BTreeSet<Role>>,
    /// Why the node does not follow the log any more.
    pub trouble: Option<TroubleView>,
    /// Why it may not act, or may not connect.
    #[serde(default)]
    pub hindrance: Option<BlockedView>,
    pub groups: Vec<GroupView>,
    /// Requests that wait for this account.
    pub inbox: usize,
    /// Statements on their way to the log.
    pub unsent: usize,
    /// The node's clock.
    pub now: Timestamp,
}

/// [`Contradiction`], as data.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TroubleView {
    pub kind: TroubleKind,
    /// The two checkpoints that do not fit together, where that is the trouble and proves nothing
    /// yet.
    pub checkpoints: Option<(String, String)>,
    /// The proof of misbehaviour, where there is one, in the form in which it is handed to others.
    pub proof: Option<serde_json::Value>,
}

/// What keeps a node from signing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// The coordinator is proved to break the rules: what the proof shows.
    Misbehaviour(String),
    /// The coordinator signed a checkpoint that does not fit the log that the node verified.
    Unexplained,
    /// The coordinator shows a log with fewer entries than the node has verified.
    Behind { size: u64 },
}

impl TroubleView {
    /// What keeps this node from signing.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        let (kind, checkpoints) = match node.trouble()? {
            Contradiction::Misbehaviour(proved) => {
                (TroubleKind::Misbehaviour(proved.to_string()), None)
            }
            Contradiction::Unexplained { ours, theirs } => {
                (TroubleKind::Unexplained, ours.clone().map(|ours| (ours, theirs.clone())))
            }
            Contradiction::Behind { size } => (TroubleKind::Behind { size: *size }, None),
        };
        let proof =
            node.misbehaviour().and_then(|proof| serde_json::from_str(&proof.to_json()).ok());
        Some(Self { kind, checkpoints, proof })
    }
}
