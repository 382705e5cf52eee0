//! Why a node may not act, or may not connect, although the coordinator is honest: its account, its keys, or a copy of it.

use quorate_ceremony::node::Node;
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;
use serde::{Deserialize, Serialize};

use super::{Exit, Problem};

/// What keeps a node from acting for its account.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BlockedView {
    /// What it is.
    pub sentence: String,
    /// What to do about it.
    pub advice: String,
}

impl BlockedView {
    /// By what the log says, and by what the coordinator answered when it was dialled last, which the log that this node
    /// has need not show: it gets no more of it.
    pub(crate) fn of(node: &Node, outage: Option<&Problem>) -> Option<Self> {
        // Refused by the hub for a reason that concerns the account, and not for want of a network.
        let refused = outage.filter(|problem| problem.exit() == Exit::NotAllowed);
        // While the node is connected, the coordinator has seen its present keys, and the log will show them.
        let logged = node.dismissal().filter(|why| match why {
            Refusal::Accounts(Accounts::Suspended { .. } | Accounts::Removed { .. }) => true,
            Refusal::Accounts(Accounts::KeysReplaced { .. }) => !node.connected(),
            _ => false,
        });
        let is_of_the_hub = |why: &Refusal| {
            refused.is_none_or(|problem| problem.code.refusal().is_some_and(|said| said == why))
        };
        if let Some(why) = logged.filter(is_of_the_hub) {
            return Some(Self::logged(&why));
        }
        if let Some(Problem { message, .. }) = refused {
            let advice = format!(
                "if that is news to you, ask an admin what the log says: quorate account show {}",
                node.account()
            );
            let sentence = match message.as_str() {
                "" => "The coordinator refuses this node, and does not say why.".to_owned(),
                message => format!("The coordinator refuses this node: {message}."),
            };
            return Some(Self { sentence, advice });
        }
        let duplicated = node.state().account(node.account()).is_ok_and(|it| it.duplicated);
        (node.superseded() || duplicated).then(|| Self {
            sentence: "Two copies of this node run; it signs nothing until one of them is gone."
                .to_owned(),
            advice: "stop both, delete the home of one, and start the other again".to_owned(),
        })
    }

    fn logged(why: &Refusal) -> Self {
        let sentence = format!("This node may not connect: {why}.");
        let advice = match why {
            Refusal::Accounts(Accounts::Suspended { account }) => format!(
                "ask an admin, who may run: quorate account resume {account}; this node then goes on by itself"
            ),
            Refusal::Accounts(Accounts::Removed { .. }) => {
                "nothing brings the account back; to belong to the IVN again, ask an admin for an \
                 invitation under another name"
                    .to_owned()
            }
            _ => "use the home that has the new keys; if nobody of yours replaced them, tell the \
                  other members at once"
                .to_owned(),
        };
        Self { sentence, advice }
    }
}
