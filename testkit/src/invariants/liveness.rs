//! L1 and L2: in the end every request is decided, without manual action.

use quorate_ceremony::names::AccountName;
use quorate_ceremony::node::Node;
use quorate_ceremony::state::Status;

use super::{Invariant, Violation};
use crate::users::Plan;
use crate::world::World;

/// L1: "while ≥ min_signers approving nodes are connected, signing completes, whatever the others
/// do".
///
/// Checked after all faults have ended: all nodes are connected, so every request with enough
/// approvals is signed, and every request that no member wanted to reject has enough approvals.
/// Every request to a retired group is over.
pub(crate) fn l1_approved_requests_are_signed(plan: &Plan, world: &World) -> Result<(), Violation> {
    for request in world.reference.state.requests().values() {
        let required = usize::from(request.approvals_required);
        let due = request.approvals.len() >= required || plan.must_be_signed(world, request);
        let over = matches!(request.status, Status::Signed | Status::GroupRetired);
        Invariant::L1
            .check(over || !due, || format!("request {} is not signed", request.id.short()))?;
    }
    Ok(())
}

/// L2: "killing and restarting any process needs no manual action; ceremonies resume or are retried
/// as a new session".
///
/// A node holds its share, follows the log, and has an empty outbox, however often it was killed.
pub(crate) fn l2_processes_restart_by_themselves(
    plan: &Plan,
    world: &World,
    account: &AccountName,
    node: &Node,
) -> Result<(), Violation> {
    Invariant::L2.check(node.trouble().is_none(), || {
        format!("{account} does not follow the log: {:?}", node.trouble())
    })?;
    Invariant::L2.check(node.state().size() == world.reference.state.size(), || {
        format!("{account} has {} of {} entries", node.state().size(), world.reference.state.size())
    })?;
    Invariant::L2.check(node.unsent() == 0, || {
        format!("{account} has {} statements left to send", node.unsent())
    })?;
    let group = world.reference.state.groups().get(&plan.group);
    let member = group
        .is_some_and(|group| group.key.is_some() && group.definition.members.contains(account));
    if let Some(group) = group.filter(|group| group.retirement().is_some()) {
        let session = group.key.as_ref().map(|key| key.session);
        let kept = session.zip(world.disk(account));
        let keeps = kept.is_some_and(|(session, disk)| disk.packages.contains_key(&session));
        return Invariant::L2.check(!keeps, || format!("{account} has a share of a retired group"));
    }
    let holds = node.holds_share(&plan.group) || plan.leaves_lost(world, account);
    Invariant::L2.check(!member || holds, || format!("{account} has no share"))
}
