//! Why a node may not act, or may not connect, although the coordinator is honest.

use quorate_ceremony::node::Node;
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;
use serde::{Deserialize, Serialize};

use super::{Code, Exit, Problem};

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

impl BlockedView {
    /// Combines what the log shows with the coordinator's answer to the last connection attempt.
    /// This node's log may not show the reason, because a rejected node receives no more of it.
    pub(crate) fn of(node: &Node, outage: Option<&Problem>) -> Option<Self> {
        // A rejection that concerns the account, not a network failure.
        let refused = outage.filter(|problem| problem.exit() == Exit::NotAllowed);
        // While the node is connected, the coordinator has seen its present keys, and the log will
        // show them.
        let logged = node.dismissal().filter(|why| match why {
            Refusal::Accounts(Accounts::Suspended { .. } | Accounts::Removed { .. }) => true,
            Refusal::Accounts(Accounts::KeysReplaced { .. }) => !node.connected(),
            _ => false,
        });
        let is_the_hubs = |why: &Refusal| {
            refused.is_none_or(|problem| problem.code.refusal().is_some_and(|said| said == why))
        };
        if let Some(why) = logged.filter(is_the_hubs) {
            return Some(Self::Account(why));
        }
        if let Some(problem) = refused {
            return Some(Self::Coordinator(problem.message.clone()));
        }
        let duplicated = node.state().account(node.account()).is_ok_and(|it| it.duplicated);
        (node.superseded() || duplicated).then_some(Self::Duplicated)
    }
}

/// Explains why a command was not carried out without a connection.
impl From<BlockedView> for Problem {
    fn from(blocked: BlockedView) -> Self {
        match blocked {
            BlockedView::Account(why) => {
                let message = format!("this node may not connect: {why}");
                Self::new(Code::Blocked(why), message)
            }
            BlockedView::Coordinator(message) => {
                Self::new(Code::Unwanted, format!("the coordinator refuses this node: {message}"))
            }
            BlockedView::Duplicated => {
                Self::new(Code::Duplicated, "two copies of this node run, and neither signs")
            }
        }
    }
}
