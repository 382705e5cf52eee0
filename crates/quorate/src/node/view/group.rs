//! Makes the views of groups and their proposed changes.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{Change, Group, Health, IvnState, SessionPhase, Unable};

use super::hex;
use super::shares::{lacks_share, shares};
use crate::api::{
    ChangeView, GroupStage, GroupView, MemberView, RefreshView, SessionView, Share, SigningStage,
    StoppedView, UnusedView,
};

pub(crate) fn group(node: &Node, group: &Group, now: Timestamp) -> GroupView {
    let definition = &group.definition;
    let missing = group.missing();
    let shares = shares(node, group, now);
    let share_of: BTreeMap<&AccountName, Share> = shares.iter().copied().collect();
    let members = definition
        .members
        .iter()
        .map(|account| MemberView {
            account: account.clone(),
            identifier: group.identifier(account).map_or(0, quorate_protocol::Identifier::get),
            online: node.online().contains(account),
            accepted: group.accepted.contains(account),
            awaited: missing.contains(account),
            share: share_of.get(account).copied(),
        })
        .collect();
    let change = group.change.as_ref().filter(|change| is_alive(group, change, now));
    let is_retired = group.retirement().is_some();
    let has_key = group.key.is_some() && !is_retired;
    let usable = || shares.iter().filter(|(_, share)| share.is_usable()).map(|(name, _)| *name);
    let able = usable().count();
    let online = || usable().filter(|name| node.online().contains(*name)).count();
    GroupView {
        name: definition.name.clone(),
        defined: group.defined,
        accepts: group.key.is_none() && group.not_accepted().any(|name| name == node.account()),
        seen_by: node.account().clone(),
        connected: node.connected(),
        state: stage(group),
        session: session(group),
        stopped: stopped(group),
        signing: has_key.then(|| {
            let needed = usize::from(definition.min_signers);
            SigningStage::of(needed, able, node.connected().then(online))
        }),
        suite: definition.suite.to_string(),
        min_signers: definition.min_signers,
        max_signers: u16::try_from(definition.members.len()).unwrap_or(u16::MAX),
        document_types: definition.document_types.clone(),
        policy: definition.policy.clone(),
        members,
        verifying_key: group.key.as_ref().map(|key| hex(key.public.verifying_key().as_bytes())),
        epoch: group.key.as_ref().map(|key| key.epoch),
        lacks_share: lacks_share(node, group),
        healthy: has_key.then(|| shares.iter().filter(|(_, share)| share.is_healthy()).count()),
        able: has_key.then_some(able),
        refresh: refresh(group),
        past_change: group.past_changes.last().cloned(),
        kept_by: match group.past_epochs.last().filter(|_| is_retired) {
            Some(past) => past.owed_by().cloned().collect(),
            None => Vec::new(),
        },
        unused: unused(node.state(), group).filter(|_| !is_retired),
        change: change.map(|pending| Box::new(self::change(node, group, pending, now))),
        attempts: group.past.len() + usize::from(group.session.is_some() || group.key.is_some()),
        dkg_ms: group.key.as_ref().map(|key| key.activated.0.saturating_sub(key.started.0)),
    }
}

/// Returns the shares of later sessions than the one whose shares are in use, if the log shows that
/// an account has them.
fn unused(state: &IvnState, group: &Group) -> Option<UnusedView> {
    let in_use = state.session_index(group.key.as_ref()?.session);
    let later = group.past.iter().filter(|past| state.session_index(past.session) > in_use);
    let certified: BTreeSet<AccountName> =
        later.flat_map(|past| &past.certified).cloned().collect();
    // All of them belong to one change: the pending one, or else the latest.
    let pending = group.change.as_ref().map(|change| &change.proposal);
    let latest = || group.past_changes.last().map(|past| &past.proposal);
    let definition = &pending.or_else(latest)?.definition;
    let (holders, min_signers) = (definition.members.len(), definition.min_signers);
    (!certified.is_empty()).then_some(UnusedView { certified, holders, min_signers })
}

/// Returns when new shares are due, and the members that prevent them.
fn refresh(group: &Group) -> Option<RefreshView> {
    let hindering = group.hinder_refresh().into_iter();
    let hindered_by = hindering.map(|(name, why)| (name.clone(), why)).collect();
    Some(RefreshView { due: group.refresh_due()?, hindered_by })
}

fn session(group: &Group) -> Option<SessionView> {
    let phase = group.phase()?;
    let session = group.session.as_ref()?;
    let plan = &session.terms;
    let is_tried_again = match &phase {
        SessionPhase::Doomed(reason) => group.goes_on_after(reason),
        _ => false,
    };
    Some(SessionView {
        id: session.session,
        phase,
        missing: group.missing().iter().cloned().collect(),
        dealers_needed: plan.dealers_needed(),
        repairs: plan.repairs().cloned(),
        is_tried_again,
    })
}

fn stopped(group: &Group) -> Option<StoppedView> {
    let past = group.past.last().filter(|_| group.key.is_none() && group.session.is_none())?;
    let is_tried_again = group.goes_on_after(&past.reason);
    Some(StoppedView { reason: past.reason.clone(), is_tried_again })
}

fn stage(group: &Group) -> GroupStage {
    if group.retirement().is_some() {
        return GroupStage::Retired;
    }
    if group.key.is_some() {
        return GroupStage::Ready;
    }
    match group.phase() {
        Some(
            SessionPhase::Committing
            | SessionPhase::Revealing
            | SessionPhase::Summing
            | SessionPhase::Judging,
        ) => GroupStage::Generating,
        Some(SessionPhase::Certifying) => GroupStage::Certifying,
        Some(SessionPhase::Activating) => GroupStage::Activating,
        Some(SessionPhase::Doomed(reason)) if !group.goes_on_after(&reason) => GroupStage::Failed,
        Some(SessionPhase::Doomed(_)) => GroupStage::Accepted,
        None if group.past.last().is_some_and(|past| !group.goes_on_after(&past.reason)) => {
            GroupStage::Failed
        }
        None if group.not_accepted().next().is_some() => GroupStage::Defined,
        None => GroupStage::Accepted,
    }
}

/// Whether a change can still succeed: it is being carried out, or it has not lapsed.
fn is_alive(group: &Group, change: &Change, now: Timestamp) -> bool {
    group.session.is_some() || !change.lapsed(now)
}

fn change(node: &Node, group: &Group, change: &Change, now: Timestamp) -> ChangeView {
    let after = &change.proposal.definition;
    let undecided: BTreeSet<AccountName> = match change.approved {
        true => BTreeSet::new(),
        false => change.undecided(group).cloned().collect(),
    };
    let not_accepted: BTreeSet<AccountName> = group.not_accepted().cloned().collect();
    let is_in = |name: &&AccountName| group.has_member(name);
    let recipients = || after.members.iter().filter(|name| change.gives_share_to(name));
    let is_suspended =
        |name: &&AccountName| node.state().account(name).is_ok_and(|account| account.suspended);
    ChangeView {
        id: change.id,
        group: group.definition.name.clone(),
        proposer: change.proposer.clone(),
        session: session(group),
        refresh: change.is_refresh(group),
        repairs: change.proposal.repairs.clone(),
        retires: change.proposal.retires,
        share_shown: change.proposal.repairs.as_ref().and_then(|member| {
            match node.state().health(group, now).into_iter().find(|(name, _)| *name == member)? {
                (_, Health::Healthy { proved }) => Some(proved),
                _ => None,
            }
        }),
        regains: recipients()
            .filter(|name| group.unable(name) == Some(Unable::Replaced))
            .cloned()
            .collect(),
        now: group.definition.clone(),
        after: after.clone(),
        added: after.members.iter().filter(|name| !is_in(name)).cloned().collect(),
        removed: group
            .definition
            .members
            .iter()
            .filter(|name| !after.members.contains(name))
            .cloned()
            .collect(),
        approved: change.approved,
        approvals_required: change.approvals_required,
        approvals: change.approvals.clone(),
        refusals: change.refusals.clone(),
        suspended: recipients().filter(is_suspended).cloned().collect(),
        offline: recipients().filter(|name| !node.online().contains(*name)).cloned().collect(),
        decides: undecided.contains(node.account()),
        undecided,
        accepts: not_accepted.contains(node.account()),
        not_accepted,
        expires_at: change.proposal.expires_at,
    }
}
