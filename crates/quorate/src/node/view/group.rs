//! Groups in sentences: where they stand, what is proposed to change about them, and how far that is.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::AbortReason;
use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{
    Change, ChangeEnd, Group, Health, IvnState, PastChange, Session, SessionPhase, Unable,
};

use super::hex;
use super::shares::{self, Signing, lacks_share};
use crate::api::{
    ChangeView, GroupStage, GroupView, MemberView, PastChangeView, ShareView, UnusedView,
};
use crate::render::{list, list_or, plural};

/// A group, as this node sees it.
pub(crate) fn group(node: &Node, group: &Group, now: Timestamp) -> GroupView {
    let definition = &group.definition;
    let missing = group.missing();
    let shares = shares::shares(node, group, now);
    let share_of: BTreeMap<&AccountName, ShareView> = shares.iter().copied().collect();
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
    let has_key = group.key.is_some();
    let signing = has_key.then(|| Signing::of(node, group, &shares));
    GroupView {
        sentence: signing
            .as_ref()
            .map_or_else(|| making_sentence(node, group), |signing| signing.sentence.clone()),
        advice: signing.as_ref().and_then(|signing| signing.advice.clone()),
        signing: signing.map(|signing| signing.stage),
        name: definition.name.clone(),
        state: stage(group),
        suite: definition.suite.to_string(),
        min_signers: definition.min_signers,
        max_signers: u16::try_from(definition.members.len()).unwrap_or(u16::MAX),
        document_types: definition.document_types.clone(),
        policy: definition.policy.clone(),
        members,
        verifying_key: group.key.as_ref().map(|key| hex(key.public.verifying_key().as_bytes())),
        epoch: group.key.as_ref().map(|key| key.epoch),
        lacks_share: lacks_share(node, group),
        healthy: has_key.then(|| shares::healthy(&shares)),
        shares: has_key.then(|| shares::sentence(group, &shares, now)),
        able: has_key.then(|| shares.iter().filter(|(_, share)| share.is_usable()).count()),
        refresh: shares::refresh(group),
        past_change: group.past_changes.last().map(past_change),
        unused: unused(node.state(), group),
        change: change.map(|pending| Box::new(self::change(node, group, pending, now))),
        attempts: group.past.len() + usize::from(group.session.is_some() || group.key.is_some()),
        dkg_ms: group.key.as_ref().map(|key| key.activated.0.saturating_sub(key.started.0)),
    }
}

/// The shares of sessions after the one whose shares are in use, as far as the log shows that anybody has them.
fn unused(state: &IvnState, group: &Group) -> Option<UnusedView> {
    let in_use = state.session_index(group.key.as_ref()?.session);
    let later = group.past.iter().filter(|past| state.session_index(past.session) > in_use);
    let certified: BTreeSet<AccountName> =
        later.flat_map(|past| &past.certified).cloned().collect();
    // All of them were to carry out one change: the one that is pending, or else the latest.
    let pending = group.change.as_ref().map(|change| &change.proposal);
    let latest = || group.past_changes.last().map(|past| &past.proposal);
    let definition = &pending.or_else(latest)?.definition;
    let (holders, min_signers) = (definition.members.len(), definition.min_signers);
    (!certified.is_empty()).then_some(UnusedView { certified, holders, min_signers })
}

/// A change that is over.
pub(crate) fn past_change(past: &PastChange) -> PastChangeView {
    let definition = &past.proposal.definition;
    let what = match &past.proposal.repairs {
        Some(member) => format!("{member} should get its lost share back"),
        None => {
            format!("any {} of {} should sign", definition.min_signers, list(&definition.members))
        }
    };
    let refusing = past.refusals.iter().map(|(name, reason)| format!("{name} ({reason})"));
    let end = match past.end {
        ChangeEnd::Rejected if !past.refusals.is_empty() => {
            format!("refused by {}", refusing.collect::<Vec<_>>().join(" and "))
        }
        ChangeEnd::Declined { ref by } => match past.refusals.get(by) {
            Some(reason) => format!("{by} does not want to join ({reason})"),
            None => past.end.to_string(),
        },
        _ => past.end.to_string(),
    };
    PastChangeView {
        id: past.id,
        done: matches!(past.end, ChangeEnd::Done { .. } | ChangeEnd::Repaired { .. }),
        end,
        group: definition.name.clone(),
        what,
        proposer: past.proposer.clone(),
        refusals: past.refusals.clone(),
    }
}

fn stage(group: &Group) -> GroupStage {
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

/// How far a group without a key is from one.
fn making_sentence(node: &Node, group: &Group) -> String {
    let name = &group.definition.name;
    let offline: Vec<&AccountName> =
        group.definition.members.iter().filter(|member| !node.online().contains(*member)).collect();
    match group.phase() {
        Some(SessionPhase::Committing) => waiting(group, 1, "hash commitments"),
        Some(SessionPhase::Revealing) => waiting(group, 2, "sealed shares"),
        Some(SessionPhase::Summing) => waiting(group, 3, "sealed sums"),
        Some(SessionPhase::Judging) => waiting(group, 3, "acknowledgements"),
        Some(SessionPhase::Certifying) => waiting(group, 4, "certifications"),
        Some(SessionPhase::Activating) => format!(
            "{name}: key generation, round 5 of 5: any {} members prove the new key by a signature.",
            group.definition.min_signers
        ),
        Some(SessionPhase::Doomed(reason)) => abort_sentence(group, &reason),
        None => match group.past.last() {
            Some(past) if !group.goes_on_after(&past.reason) => abort_sentence(group, &past.reason),
            _ if group.not_accepted().next().is_some() => {
                format!("{name} waits for {} to accept its definition.", list(group.not_accepted()))
            }
            _ if !offline.is_empty() => format!(
                "{name}: key generation starts when all members are online; {} missing.",
                list(offline.iter().copied()) + if offline.len() == 1 { " is" } else { " are" },
            ),
            _ => format!("{name}: key generation is about to start."),
        },
    }
}

fn waiting(group: &Group, round: u8, what: &str) -> String {
    let missing = group.missing();
    format!(
        "{}: key generation, round {round} of 5: waiting for {what} of {}.",
        group.definition.name,
        list(&missing)
    )
}

fn abort_sentence(group: &Group, reason: &AbortReason) -> String {
    let name = &group.definition.name;
    match reason {
        AbortReason::TimedOut { missing } => format!(
            "{name}: key generation stopped because {} did not answer in time; it starts again when all are online.",
            list(missing)
        ),
        AbortReason::Restarted { nodes } => format!(
            "{name}: key generation starts again because the node of {} restarted.",
            list(nodes)
        ),
        AbortReason::Fault { culprits } => format!(
            "{name}: key generation failed: {} broke the protocol, as the log proves. Define the group again without them.",
            list(culprits)
        ),
        AbortReason::Dissent { dissenters } => format!(
            "{name}: key generation failed: {} saw other messages than the log shows. Check whether the coordinator shows everybody the same log.",
            list(dissenters)
        ),
        AbortReason::RosterChanged { account } => format!(
            "{name}: key generation stopped because {account} was suspended, removed, or given other keys."
        ),
        AbortReason::Cancelled => {
            format!(
                "{name}: key generation was cancelled by an admin. Define the group again to start over."
            )
        }
    }
}

/// Whether something can still come of a change: it is being carried out, or there is time left to decide on it.
fn is_alive(group: &Group, change: &Change, now: Timestamp) -> bool {
    group.session.is_some() || !change.lapsed(now)
}

/// A proposed change of a group, as this node sees it.
fn change(node: &Node, group: &Group, change: &Change, now: Timestamp) -> ChangeView {
    let after = &change.proposal.definition;
    let undecided: BTreeSet<AccountName> = match change.approved {
        true => BTreeSet::new(),
        false => change.undecided(group).cloned().collect(),
    };
    let not_accepted: BTreeSet<AccountName> = group.not_accepted().cloned().collect();
    let is_in = |name: &&AccountName| group.has_member(name);
    ChangeView {
        sentence: change_sentence(node, group, change, &undecided, &not_accepted),
        id: change.id,
        group: group.definition.name.clone(),
        proposer: change.proposer.clone(),
        refresh: change.is_refresh(group),
        repairs: change.proposal.repairs.clone(),
        share_shown: change.proposal.repairs.as_ref().and_then(|member| {
            match node.state().health(group, now).into_iter().find(|(name, _)| *name == member)? {
                (_, Health::Healthy { proved }) => Some(proved),
                _ => None,
            }
        }),
        regains: after
            .members
            .iter()
            .filter(|name| change.gives_share_to(name))
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
        decides: undecided.contains(node.account()),
        undecided,
        accepts: not_accepted.contains(node.account()),
        not_accepted,
        expires_at: change.proposal.expires_at,
    }
}

/// The session that was to carry a change out can not, and its end is due.
fn doomed(group: &Group, reason: &AbortReason) -> String {
    match group.goes_on_after(reason) {
        true => format!("Tried again: {reason}."),
        false => format!("It comes to nothing: {reason}."),
    }
}

/// Who is to announce that it takes part in a repair: enough helpers, and the member itself.
fn repair_announcements(group: &Group, ceremony: &Session, member: &AccountName) -> String {
    let missing = group.missing();
    let (itself, helpers): (Vec<_>, Vec<_>) = missing.iter().partition(|name| *name == member);
    let mut who = Vec::new();
    if !itself.is_empty() {
        who.push(format!("of {member}"));
    }
    if !helpers.is_empty() {
        let needed = ceremony.terms.dealers_needed();
        who.push(format!("of {}, of whom {needed} are enough", list_or(helpers)));
    }
    format!("Under way, round 1 of 5: waiting for announcements {}.", who.join(", and "))
}

fn change_sentence(
    node: &Node,
    group: &Group,
    change: &Change,
    undecided: &BTreeSet<AccountName>,
    not_accepted: &BTreeSet<AccountName>,
) -> String {
    let round = |number: u8, what: &str| {
        format!("Under way, round {number} of 5: waiting for {what} of {}.", list(group.missing()))
    };
    if let Some(ceremony) = &group.session
        && let Some(member) = ceremony.terms.repairs()
    {
        return match group.phase() {
            Some(SessionPhase::Committing) => repair_announcements(group, ceremony, member),
            Some(SessionPhase::Revealing) => round(2, "sealed summands"),
            Some(SessionPhase::Summing) => round(3, "sealed sums"),
            Some(SessionPhase::Judging) => round(4, "acknowledgement"),
            Some(SessionPhase::Doomed(reason)) => doomed(group, &reason),
            Some(SessionPhase::Certifying | SessionPhase::Activating) | None => {
                round(5, "certification")
            }
        };
    }
    match group.phase() {
        Some(SessionPhase::Committing) => return round(1, "announcements"),
        Some(SessionPhase::Revealing) => {
            let needed = group.session.as_ref().map_or(0, |it| it.terms.dealers_needed());
            let of = list_or(group.missing());
            return format!(
                "Under way, round 2 of 5: waiting for the sealed shares of {of}; {needed} are enough."
            );
        }
        Some(SessionPhase::Summing | SessionPhase::Judging) => {
            return round(3, "acknowledgements");
        }
        Some(SessionPhase::Certifying) => return round(4, "certifications"),
        Some(SessionPhase::Activating) => {
            return "Under way, round 5 of 5: the new shares are proved by a signature.".to_owned();
        }
        Some(SessionPhase::Doomed(reason)) => return doomed(group, &reason),
        None => {}
    }
    if !change.approved {
        let missing = usize::from(change.approvals_required).saturating_sub(change.approvals.len());
        let refused = match change.refusals.len() {
            0 => String::new(),
            count => format!(" ({} refused)", plural(count, "member", "members")),
        };
        return format!(
            "Waiting for {} of {}: {} of {} so far{refused}.",
            plural(missing, "approval", "approvals"),
            if undecided.len() == missing { list(undecided) } else { list_or(undecided) },
            change.approvals.len(),
            change.approvals_required
        );
    }
    if !not_accepted.is_empty() {
        let name = &group.definition.name;
        return format!(
            "Approved; waits for {} to accept: quorate group accept {name}.",
            list(not_accepted)
        );
    }
    let recipients =
        || change.proposal.definition.members.iter().filter(|name| change.gives_share_to(name));
    let suspended =
        |name: &&AccountName| node.state().account(name).is_ok_and(|account| account.suspended);
    let suspended: Vec<&AccountName> = recipients().filter(suspended).collect();
    if let Some(first) = suspended.first() {
        let are = if suspended.len() == 1 { "is" } else { "are" };
        return format!(
            "Approved, but {} {are} suspended, and would get a share: quorate account resume {first}; or take the change \
             back: quorate group cancel {}.",
            list(suspended.iter().copied()),
            group.definition.name
        );
    }
    let offline: Vec<&AccountName> =
        recipients().filter(|name| !node.online().contains(*name)).collect();
    match offline.len() {
        0 => {
            "Approved; it is carried out as soon as enough holders of shares are online.".to_owned()
        }
        1 => format!("Approved; it is carried out when {} is online.", list(offline)),
        _ => format!("Approved; it is carried out when {} are online.", list(offline)),
    }
}
