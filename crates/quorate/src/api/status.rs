//! How a node and its IVN are, and why it does not follow the log any more.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::Role;
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::node::{Contradiction, Node};
use serde::{Deserialize, Serialize};

use super::{BlockedView, GroupView};

/// How a node and its IVN are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StatusView {
    /// In one sentence.
    pub sentence: String,
    /// The account.
    pub account: AccountName,
    /// Its roles; empty while the log that this node has does not show its admission.
    pub roles: BTreeSet<Role>,
    /// Whether the log that this node has shows that the account was removed.
    #[serde(default)]
    pub removed: bool,
    /// The IVN.
    pub ivn: IvnId,
    /// What people call it.
    pub ivn_name: String,
    /// The coordinator's address.
    pub hub: String,
    /// Whether there is a connection.
    pub connected: bool,
    /// Entries that this node verified.
    pub log_size: u64,
    /// The log's verifier key.
    pub log_key: String,
    /// Who is connected, by the coordinator's word.
    pub online: BTreeSet<AccountName>,
    /// All accounts.
    pub accounts: BTreeMap<AccountName, BTreeSet<Role>>,
    /// Why the node does not follow the log any more.
    pub trouble: Option<TroubleView>,
    /// Why it may not act, or may not connect.
    #[serde(default)]
    pub hindrance: Option<BlockedView>,
    /// The groups.
    pub groups: Vec<GroupView>,
    /// Requests that wait for this account.
    pub inbox: usize,
    /// Statements on their way to the log.
    pub unsent: usize,
    /// The node's clock.
    pub now: Timestamp,
}

/// [`Contradiction`], for people.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TroubleView {
    /// What it is.
    pub sentence: String,
    /// The two checkpoints that do not fit together, where that is the trouble and proves nothing yet.
    pub checkpoints: Option<(String, String)>,
    /// The proof of misbehaviour, where there is one, as it is handed on.
    pub proof: Option<serde_json::Value>,
}

impl TroubleView {
    /// What keeps this node from signing.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        let (sentence, checkpoints) = match node.trouble()? {
            Contradiction::Misbehaviour(proved) => (
                format!(
                    "The coordinator is proved to break the rules: {proved}. This node keeps the proof and signs \
                     nothing any more."
                ),
                None,
            ),
            Contradiction::Unexplained { ours, theirs } => (
                "The coordinator signed a checkpoint that does not fit the log that this node verified; this node \
                 signs nothing until the log shows which is right."
                    .to_owned(),
                ours.clone().map(|ours| (ours, theirs.clone())),
            ),
            Contradiction::Behind { size } => (
                format!(
                    "The coordinator shows a log of only {size} entries, fewer than this node has verified: it was \
                     restored from an old copy."
                ),
                None,
            ),
        };
        let proof =
            node.misbehaviour().and_then(|proof| serde_json::from_str(&proof.to_json()).ok());
        Some(Self { sentence, checkpoints, proof })
    }
}
