//! How a node and its IVN are, and why the node may not act or sign, as data.

use quorate_ceremony::names::Timestamp;
use quorate_ceremony::node::{Contradiction, Node};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;

use crate::api::{BlockedView, Exit, Problem, StatusView, TroubleKind, TroubleView};

/// Describes the node and its IVN.
pub(crate) fn status(
    node: &Node,
    hub: String,
    outage: Option<&Problem>,
    coordinators_clock: Option<Timestamp>,
    now: Timestamp,
) -> StatusView {
    let state = node.state();
    let rejected = || node.clock_lead().and_then(|lead| i64::try_from(lead).ok());
    let inbox = node.inbox(now).len() + node.changes_to_decide(now).len();
    let roles = state.account(node.account()).map(|account| account.roles.clone());
    StatusView {
        account: node.account().clone(),
        roles: roles.unwrap_or_default(),
        removed: state.former_accounts().contains_key(node.account()),
        ivn: state.ivn(),
        ivn_name: state.genesis().name.clone(),
        hub,
        connected: node.connected(),
        log_size: state.size(),
        log_key: state.log_verifier().map(|verifier| verifier.to_string()).unwrap_or_default(),
        online: node.online().clone(),
        accounts: state
            .accounts()
            .iter()
            .map(|(name, account)| (name.clone(), account.roles.clone()))
            .collect(),
        clock_ahead: coordinators_clock
            .map(|theirs| seconds_between(now, theirs))
            .or_else(rejected),
        log_time: Some(state.time()),
        trouble: trouble(node),
        hindrance: blocked(node, outage),
        groups: state.groups().values().map(|group| super::group(node, group, now)).collect(),
        inbox,
        unsent: node.unsent(),
        now,
    }
}

fn seconds_between(one: Timestamp, other: Timestamp) -> i64 {
    let seconds = |later: Timestamp, earlier: Timestamp| {
        i64::try_from(later.0.saturating_sub(earlier.0) / 1000).unwrap_or(i64::MAX)
    };
    seconds(one, other) - seconds(other, one)
}

fn trouble(node: &Node) -> Option<TroubleView> {
    let (kind, checkpoints) = match node.trouble()? {
        Contradiction::Misbehaviour(proved) => {
            (TroubleKind::Misbehaviour(proved.to_string()), None)
        }
        Contradiction::Unexplained { ours, theirs } => {
            (TroubleKind::Unexplained, ours.clone().map(|ours| (ours, theirs.clone())))
        }
        Contradiction::Behind { size } => (TroubleKind::Behind { size: *size }, None),
    };
    let proof = node.misbehaviour().and_then(|proof| serde_json::from_str(&proof.to_json()).ok());
    Some(TroubleView { kind, checkpoints, proof })
}

/// Combines what the log shows with the coordinator's answer to the last connection attempt.
/// This node's log may not show the reason, because a rejected node receives no more of it.
pub(crate) fn blocked(node: &Node, outage: Option<&Problem>) -> Option<BlockedView> {
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
        return Some(BlockedView::Account(why));
    }
    if let Some(problem) = refused {
        return Some(BlockedView::Coordinator(problem.message.clone()));
    }
    let duplicated = node.state().account(node.account()).is_ok_and(|it| it.duplicated);
    (node.superseded() || duplicated).then_some(BlockedView::Duplicated)
}
