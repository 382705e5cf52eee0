//! Periodic tasks of a node: it proves that it can use its shares, and proposes new shares as often
//! as the group's policy requires.
//!
//! - Upon a day without proof: prove possession of the share.
//! - Upon shares as old as the policy's limit: propose a refresh, if it is this member's turn.
//! - Afterwards: check again when the next task is due, but within the hour.

use super::keyshares::Keyshares;
use super::outbox::Outbox;
use super::view::{Call, View};
use crate::effect::NodeDeadline;
use crate::encoding::Base64;
use crate::entry::{Body, GroupChange};
use crate::names::{GroupName, Timestamp};
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::{ChangeEnd, possession_context};

/// How long after its last proof a node proves again that it has its share, in milliseconds: a day.
/// A signature counts as proof, so a group that signs daily has no extra cost.
pub(super) const PROVE_AFTER: u64 = 24 * 3_600_000;
/// The longest time between two checks for due tasks, and the pause after a task, in milliseconds:
/// an hour. A deadline may look distant only because the clock was wrong when it was set, and
/// timers may not count time spent asleep.
pub(super) const PAUSE: u64 = 3_600_000;
/// How long each member before this one has to propose new shares, in milliseconds: ten minutes.
pub(super) const TURN: u64 = 600_000;
/// How long after a failed refresh the next is proposed, in milliseconds: a day.
pub(super) const RETRY: u64 = 24 * 3_600_000;

/// Performs due tasks, and sets a deadline for the next check. `agrees` is whether this machine's
/// clock agreed with the coordinator's.
pub(super) fn run(
    view: &View<'_>,
    agrees: bool,
    keyshares: &Keyshares,
    outbox: &mut Outbox,
    call: &mut Call<'_>,
) {
    if !view.me.is_announced(view.state) {
        return;
    }
    let mut dues = Vec::new();
    for name in view.state.groups().keys() {
        let mut proof = proof_is_due(view, keyshares, name, agrees.then_some(call.now));
        if proof.is_some_and(|due| due <= call.now) {
            prove_share(view, keyshares, name, outbox, call);
            proof = Some(call.now.plus(PAUSE));
        }
        let mut refresh = refresh_is_due(view, name, call.now);
        if refresh.is_some_and(|due| due <= call.now) {
            ask_for_new_shares(view, name, outbox, call);
            refresh = Some(call.now.plus(PAUSE));
        }
        dues.extend([proof, refresh].into_iter().flatten());
    }
    if let Some(next) = dues.into_iter().min() {
        call.wake_at(NodeDeadline::Upkeep, next.min(call.now.plus(PAUSE)));
    }
}

/// When this node has to prove again that it can use its share, or `None` if it cannot. The proof
/// is due immediately if the log has a time from the future for it or for this account, because a
/// clock was wrong: the new statement corrects that. `now` is absent if this machine's own clock
/// may be wrong.
fn proof_is_due(
    view: &View<'_>,
    keyshares: &Keyshares,
    name: &GroupName,
    now: Option<Timestamp>,
) -> Option<Timestamp> {
    let group = view.state.group(name).ok()?;
    let key = group.key.as_ref()?;
    let able = group.has_say(view.me.account()) && keyshares.usable(group).is_some();
    let proved = key.proved.get(view.me.account()).copied().unwrap_or(key.activated);
    let stated = view.state.account(view.me.account()).ok()?.stated;
    let corrects =
        now.filter(|now| stated > now.plus(MAX_CLOCK_LEAD) || proved > now.plus(PROVE_AFTER));
    able.then(|| corrects.unwrap_or(proved.plus(PROVE_AFTER)))
}

fn prove_share(
    view: &View<'_>,
    keyshares: &Keyshares,
    name: &GroupName,
    outbox: &mut Outbox,
    call: &mut Call<'_>,
) {
    let Ok(group) = view.state.group(name) else { return };
    let (Some(key), Some(package)) = (&group.key, keyshares.usable(group)) else { return };
    let epoch = key.epoch;
    if outbox.is_stating(|body| matches!(body, Body::ShareProved { group, .. } if group == name)) {
        return;
    }
    let (ivn, me) = (view.state.ivn(), view.me.account());
    let context = possession_context(ivn, name, epoch, me, call.now);
    let Some(proof) = package.prove(context.as_bytes(), call.rng) else { return };
    let body = Body::ShareProved { group: name.clone(), epoch, proof: Base64(proof) };
    outbox.state(view.me, body, call);
}

/// When this node has to propose new shares, or `None` if the policy does not require it or a
/// change is pending. Members take turns, so that not all of them propose.
fn refresh_is_due(view: &View<'_>, name: &GroupName, now: Timestamp) -> Option<Timestamp> {
    let group = view.state.group(name).ok()?;
    let key = group.key.as_ref()?;
    let due = group.refresh_due()?;
    let members = &group.definition.members;
    let turn = members.iter().position(|member| member == view.me.account())?;
    let lapsed = match &group.change {
        Some(change)
            if !change.lapsed(view.state.time_with(group, Some((view.me.account(), now)))) =>
        {
            return None;
        }
        Some(change) => Some(change.proposal.expires_at.plus(RETRY)),
        None => None,
    };
    // The members have to decide first. The views display this.
    if !group.hinder_refresh().is_empty() {
        return None;
    }
    // Refreshes that failed or expired. A refresh that a member withdrew delays nothing.
    let failed = group.past_changes.iter().filter(|past| {
        past.proposal.epoch == key.epoch
            && past.proposal.definition == group.definition
            && matches!(past.end, ChangeEnd::Failed(_) | ChangeEnd::Lapsed)
    });
    let failed = u64::try_from(failed.count()).unwrap_or(u64::MAX);
    let turn = u64::try_from(turn).unwrap_or(u64::MAX).saturating_mul(TURN);
    let later = failed.saturating_mul(RETRY).saturating_add(turn);
    let due = due.plus(later);
    Some(lapsed.map_or(due, |lapsed| lapsed.max(due)))
}

fn ask_for_new_shares(view: &View<'_>, name: &GroupName, outbox: &mut Outbox, call: &mut Call<'_>) {
    let Ok(group) = view.state.group(name) else { return };
    let Some(key) = &group.key else { return };
    let definition = group.definition.clone();
    let expires_at = call.now.plus(definition.policy.rule.expiry);
    let proposal =
        GroupChange { epoch: key.epoch, definition, expires_at, repairs: None, retires: false };
    outbox.state_once(
        view.me,
        Body::GroupChange(proposal),
        |body| matches!(body, Body::GroupChange(change) if change.definition.name == *name),
        call,
    );
}
