//! The state of a node and its IVN for people.

use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::clock::MAX_CLOCK_LEAD;
use quorate_ceremony::state::refusal::Accounts;

use super::group::group_sentence;
use super::text::{clause, commas, rough};
use crate::api::{BlockedView, GroupView, SigningStage, StatusView, TroubleKind, TroubleView};

/// The worst thing that is true of a node and its groups. Later ones are less bad.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Concern<'a> {
    /// The coordinator contradicts what the node verified.
    Trouble(&'a TroubleView),
    Blocked(&'a BlockedView),
    Unreachable,
    /// This machine's clock and the coordinator's differ: see [`clock_sentence`].
    Clock,
    /// Too few members can use their shares.
    CannotSign(&'a GroupView),
    /// Too few members' nodes are online.
    TooFewOnline(&'a GroupView),
    /// This node lacks its share of a group's key.
    LacksShare,
    /// One more lost share, and the group can never sign again.
    LosesNobody(&'a GroupView),
}

/// Returns the worst concern about the node or the groups of its account. An account that is in no
/// group watches all of them.
pub(crate) fn concern(view: &StatusView) -> Option<Concern<'_>> {
    let groups = watched_groups(view);
    let first = |is: fn(&GroupView) -> bool| groups.iter().copied().find(|group| is(group));
    if let Some(trouble) = &view.trouble {
        return Some(Concern::Trouble(trouble));
    }
    if let Some(blocked) = &view.hindrance {
        return Some(Concern::Blocked(blocked));
    }
    if !view.connected {
        return Some(Concern::Unreachable);
    }
    if clock_sentence(view).is_some() {
        return Some(Concern::Clock);
    }
    first(|group| group.signing == Some(SigningStage::TooFewShares))
        .map(Concern::CannotSign)
        .or_else(|| {
            let short = first(|group| group.signing == Some(SigningStage::TooFewOnline));
            short.map(Concern::TooFewOnline)
        })
        .or_else(|| first(|group| group.lacks_share).map(|_| Concern::LacksShare))
        .or_else(|| first(loses_nobody).map(Concern::LosesNobody))
}

/// Returns the groups that matter to an account: its own, or all if it is in none.
pub(crate) fn watched_groups(view: &StatusView) -> Vec<&GroupView> {
    let is_of = |group: &&GroupView| group.members.iter().any(|it| it.account == view.account);
    let own: Vec<_> = view.groups.iter().filter(is_of).collect();
    if own.is_empty() { view.groups.iter().collect() } else { own }
}

/// Whether members lost shares until all that are left are needed. A group that was made so that it
/// needs all members is not meant.
pub(crate) fn loses_nobody(group: &GroupView) -> bool {
    let needed = usize::from(group.min_signers);
    group.able == Some(needed) && needed < usize::from(group.max_signers)
}

/// Describes a group in which no further share may be lost.
pub(crate) fn loses_nobody_sentence(group: &GroupView) -> String {
    format!(
        "{} can lose nobody: {} of {} members can use their shares, and it takes all of these to sign; with one \
         more lost share, its key is lost permanently",
        group.name, group.min_signers, group.max_signers
    )
}

/// Describes the state of the node and its IVN in one sentence, the worst first.
pub(crate) fn status_sentence(view: &StatusView) -> String {
    let needs = match view.inbox {
        0 => String::new(),
        1 => "; 1 request or change needs you".to_owned(),
        count => format!("; {count} requests or changes need you"),
    };
    let (online, accounts) = (view.online.len(), view.accounts.len());
    match concern(view) {
        Some(Concern::Trouble(trouble)) => trouble_sentence(trouble),
        Some(Concern::Blocked(blocked)) => blocked_sentence(blocked),
        Some(Concern::Unreachable) => {
            format!("Not connected to the coordinator at {}; trying again.", view.hub)
        }
        Some(Concern::Clock) => {
            clock_sentence(view).map(|(sentence, _)| sentence).unwrap_or_default()
        }
        Some(Concern::CannotSign(group) | Concern::TooFewOnline(group)) => {
            let sentence = group_sentence(group);
            format!("{}{needs}.", clause(&sentence))
        }
        Some(Concern::LosesNobody(group)) => format!("{}{needs}.", loses_nobody_sentence(group)),
        Some(Concern::LacksShare) => {
            let lacking = view.groups.iter().filter(|group| group.lacks_share);
            let lacking = commas(lacking.map(|group| &group.name));
            format!(
                "Connected; {online} of {accounts} accounts are online{needs}; this node has no share of {lacking}."
            )
        }
        None if view.inbox == 0 => {
            format!("Connected; {online} of {accounts} accounts are online; nothing waits for you.")
        }
        None => format!("Connected; {online} of {accounts} accounts are online{needs}."),
    }
}

/// Explains how this machine's clock and the coordinator's differ, if that matters, and what to do.
/// A clock that is behind what most accounts have stated is certainly wrong.
pub(crate) fn clock_sentence(view: &StatusView) -> Option<(String, &'static str)> {
    compare(view.clock_ahead?, view.now, view.log_time.unwrap_or(Timestamp(0)))
}

fn compare(ahead: i64, now: Timestamp, log_time: Timestamp) -> Option<(String, &'static str)> {
    let by = rough(ahead.unsigned_abs());
    let theirs = now.0.saturating_add_signed(ahead.saturating_mul(-1000));
    let is_behind = |clock: u64| clock.saturating_add(MAX_CLOCK_LEAD) < log_time.0;
    let limit = i64::try_from(MAX_CLOCK_LEAD / 1000).unwrap_or(i64::MAX);
    if ahead > limit && is_behind(theirs) {
        return Some((
            format!(
                "The coordinator's clock is {by} behind this machine's, and behind what most accounts have stated; it \
                 accepts nothing from this machine."
            ),
            "ask the operator of the coordinator to set its clock, best by NTP; nothing needs a restart",
        ));
    }
    if ahead > limit {
        return Some((
            format!(
                "This machine's clock is {by} ahead of the coordinator's, which therefore accepts nothing from it."
            ),
            "set the clock that is wrong, best by NTP; nothing needs a restart",
        ));
    }
    (ahead < -limit).then(|| match is_behind(now.0) {
        true => (
            format!(
                "This machine's clock is {by} behind the coordinator's, and behind what most accounts have stated."
            ),
            "set this machine's clock, best by NTP: until then requests expire late here, and those that it makes \
             expire early",
        ),
        false => (
            format!("This machine's clock is {by} behind the coordinator's."),
            "set the clock that is wrong, best by NTP: on this machine requests expire late, and those that it makes \
             expire early",
        ),
    })
}

/// Explains why a node does not follow the log.
pub(crate) fn trouble_sentence(view: &TroubleView) -> String {
    match &view.kind {
        TroubleKind::Misbehaviour(proved) => format!(
            "The coordinator is proved to break the rules: {proved}. This node keeps the proof and no longer signs."
        ),
        TroubleKind::Unexplained => {
            "The coordinator signed a checkpoint that does not fit the log that this node verified; this node signs \
             nothing until the log shows which is right."
                .to_owned()
        }
        TroubleKind::Behind { size } => format!(
            "The coordinator shows a log of only {size} entries, fewer than this node has verified: it was restored \
             from an old copy."
        ),
    }
}

/// Advises on a coordinator whose log contradicts what the node verified.
pub(crate) fn trouble_advice(view: &TroubleView) -> String {
    match &view.kind {
        TroubleKind::Behind { .. } => {
            "tell the operator of the coordinator that its home is an old copy. It takes the rest from the nodes, or the \
             newest copy has to be put back"
        }
        TroubleKind::Misbehaviour(_) | TroubleKind::Unexplained => {
            "keep this home as it is, tell the other members, and find out who runs the coordinator; see \
             docs/operations.md, \"When a node reports that the coordinator broke the rules\""
        }
    }
    .to_owned()
}

/// Explains why a node may not act for its account.
pub(crate) fn blocked_sentence(view: &BlockedView) -> String {
    match view {
        BlockedView::Account(why) => format!("This node may not connect: {why}."),
        BlockedView::Coordinator(message) => {
            format!("The coordinator rejects this node: {message}.")
        }
        BlockedView::Duplicated => {
            "Two copies of this node run; neither signs until one of them is gone.".to_owned()
        }
    }
}

/// Advises on a node that may not act.
pub(crate) fn blocked_advice(view: &BlockedView, account: &AccountName) -> String {
    match view {
        BlockedView::Account(why) => account_advice(why),
        BlockedView::Coordinator(_) => format!(
            "if you did not expect that, ask an admin what the log shows: quorate account show {account}"
        ),
        BlockedView::Duplicated => DUPLICATED.to_owned(),
    }
}

pub(crate) fn account_advice(why: &Refusal) -> String {
    match why {
        Refusal::Accounts(Accounts::Suspended { account }) => format!(
            "ask an admin to run: quorate account resume {account}; this node then continues automatically"
        ),
        Refusal::Accounts(Accounts::Removed { .. }) => {
            "a removed account cannot be restored; to join the IVN again, ask an admin for an invitation under a new name"
                .to_owned()
        }
        _ => "use the home that has the new keys; if you did not replace them, tell the other members immediately"
            .to_owned(),
    }
}

pub(super) const DUPLICATED: &str = "stop both, delete the home of one, and start the other again";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn view(fields: Value, group: Value) -> StatusView {
        let member = |name: &str| {
            let share = json!({ "shown": { "healthy": { "proved": 0 } } });
            json!({
                "account": name, "identifier": 1, "online": true, "accepted": true,
                "awaited": false, "share": share,
            })
        };
        let rule = json!({
            "approvals_required": 2, "requester_may_approve": true, "auto_approve": false,
            "expiry": 1000,
        });
        let mut board = json!({
            "name": "board", "defined": "00".repeat(32), "accepts": false, "seen_by": "ben",
            "connected": true, "state": "ready",
            "signing": "ready", "suite": "frost-ed25519-sha512", "min_signers": 2,
            "max_signers": 3, "document_types": [], "able": 3,
            "policy": { "formats": ["raw"], "rule": rule, "governance": {} },
            "members": [member("ada"), member("ben"), member("eve")],
            "verifying_key": "00", "epoch": 1, "attempts": 1, "dkg_ms": 69,
        });
        let zero = "00".repeat(32);
        let mut view = json!({
            "account": "ben", "roles": ["member"], "ivn": zero, "ivn_name": "acme",
            "hub": "h:1", "connected": true, "log_size": 9, "log_time": 0, "log_key": "k",
            "online": ["ben"], "accounts": { "ben": ["member"] }, "groups": [],
            "inbox": 0, "unsent": 0, "now": 0,
        });
        for (name, value) in group.as_object().unwrap() {
            board[name] = value.clone();
        }
        for (name, value) in fields.as_object().unwrap() {
            view[name] = value.clone();
        }
        view["groups"] = json!([board]);
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn the_worst_truth_comes_first() {
        let truths = [
            (json!({}), json!({}), "Connected; 1 of 1 accounts are online; nothing waits"),
            (json!({}), json!({ "able": 2 }), "board can lose nobody: 2 of 3"),
            (
                json!({}),
                json!({ "able": 2, "lacks_share": true }),
                "this node has no share of board",
            ),
            (json!({}), json!({ "signing": "too-few-online" }), "board has its key, but only"),
            (json!({}), json!({ "signing": "too-few-shares" }), "board can"),
            (
                json!({ "clock_ahead": 600 }),
                json!({ "signing": "too-few-shares" }),
                "clock is 10 minutes ahead",
            ),
            (json!({ "connected": false, "clock_ahead": 600 }), json!({}), "Not connected"),
            (
                json!({ "connected": false, "hindrance": "duplicated" }),
                json!({}),
                "Two copies of this node run",
            ),
            (
                json!({ "hindrance": "duplicated", "trouble": { "kind": "unexplained" } }),
                json!({}),
                "does not fit the log",
            ),
        ];
        for (fields, group, expected) in truths {
            let sentence = status_sentence(&view(fields, group));
            assert!(sentence.contains(expected), "{expected:?} is not in: {sentence}");
        }
    }

    #[test]
    fn a_group_made_to_need_everybody_is_no_concern() {
        let all = view(json!({}), json!({ "able": 3, "min_signers": 3 }));
        assert!(concern(&all).is_none());
    }

    #[test]
    fn groups_of_others_are_no_concern_to_a_member() {
        let mut status = view(json!({}), json!({}));
        let mut other = status.groups[0].clone();
        other.members.retain(|member| member.account != status.account);
        other.signing = Some(SigningStage::TooFewShares);
        status.groups.push(other.clone());
        assert!(concern(&status).is_none());
        status.groups = vec![other];
        assert!(matches!(concern(&status), Some(Concern::CannotSign(_))), "it watches all");
    }

    #[test]
    fn clocks_are_compared_in_both_directions() {
        let now = Timestamp(1_000_000_000);
        let said = |ahead, log_time| compare(ahead, now, log_time).map(|(sentence, _)| sentence);
        assert_eq!((said(300, now), said(-300, now)), (None, None));
        for (ahead, log_time, expected) in [
            (599, Timestamp(0), "This machine's clock is 10 minutes ahead of the coordinator's"),
            (-7200, Timestamp(0), "This machine's clock is 2 hours behind the coordinator's."),
            (-7200, now.plus(7_200_000), "behind the coordinator's, and behind what most"),
            (7200, now, "The coordinator's clock is 2 hours behind this machine's, and behind"),
        ] {
            let sentence = said(ahead, log_time).unwrap();
            assert!(sentence.contains(expected), "{sentence}");
        }
    }
}
