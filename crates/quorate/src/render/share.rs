//! A group's shares in sentences: which members can use theirs, whether they can sign, and what to
//! do if not.

use std::collections::BTreeSet;

use quorate_ceremony::names::{AccountName, GroupName, Timestamp};
use quorate_ceremony::state::{Health, Unable};

use super::{list, list_or, plural};
use crate::api::{GroupView, Share, SigningStage, SigningWait};

/// In milliseconds.
const DAY: u64 = 24 * 3_600_000;

const LOST: Share = Share::Shown(Health::Unable(Unable::Replaced));
const REMOVED: Share = Share::Shown(Health::Unable(Unable::Removed));
const SUSPENDED: Share = Share::Shown(Health::Unable(Unable::Suspended));
const DOUBLED: Share = Share::Shown(Health::Doubled);

/// Returns the name of a share's state in JSON.
pub(crate) fn share_state(share: Share) -> &'static str {
    match share {
        Share::Missing => "missing",
        Share::Shown(Health::Healthy { .. }) => "healthy",
        Share::Shown(Health::Silent { .. }) => "silent",
        Share::Shown(Health::Doubled) => "doubled",
        Share::Shown(Health::Unable(Unable::Suspended)) => "suspended",
        Share::Shown(Health::Unable(Unable::Replaced)) => "lost",
        Share::Shown(Health::Unable(Unable::Removed)) => "removed",
    }
}

/// `4 of 5 shares healthy, 3 needed; carol not proved for 9 days`.
pub(crate) fn shares(view: &GroupView, now: Timestamp) -> String {
    let (needed, members) = (view.min_signers, view.max_signers);
    let healthy = view.healthy.unwrap_or_default();
    let mut sentence = format!("{healthy} of {members} shares healthy, {needed} needed");
    for member in &view.members {
        let why = match member.share {
            None | Some(Share::Shown(Health::Healthy { .. })) => continue,
            Some(Share::Shown(Health::Silent { proved })) => {
                let days = now.0.saturating_sub(proved.0) / DAY;
                let days = usize::try_from(days).unwrap_or(usize::MAX);
                format!("not proved for {}", plural(days, "day", "days"))
            }
            Some(Share::Shown(Health::Doubled)) => "runs two copies of its node".to_owned(),
            Some(Share::Shown(Health::Unable(why))) => why.to_string(),
            Some(Share::Missing) => "has no share on this node".to_owned(),
        };
        sentence.push_str(&format!("; {} {why}", member.account));
    }
    sentence
}

struct Known<'a> {
    name: &'a GroupName,
    needed: usize,
    stage: SigningStage,
    shares: &'a [(&'a AccountName, Share)],
    online: &'a BTreeSet<&'a AccountName>,
    /// The answering node's account, if its share is missing.
    lacking: Option<&'a AccountName>,
}

/// Describes whether a group with a key can sign, and what to do if it cannot.
pub(crate) fn signing(view: &GroupView) -> Option<(String, Option<String>)> {
    let of = |member: &'_ crate::api::MemberView| member.share;
    let shares: Vec<_> =
        view.members.iter().filter_map(|member| Some((&member.account, of(member)?))).collect();
    let online = view.members.iter().filter(|member| member.online);
    Some(judge(&Known {
        name: &view.name,
        needed: usize::from(view.min_signers),
        stage: view.signing?,
        shares: &shares,
        online: &online.map(|member| &member.account).collect(),
        lacking: view.lacks_share.then_some(&view.seen_by),
    }))
}

fn judge(known: &Known<'_>) -> (String, Option<String>) {
    let Known { name, needed, stage, shares, online, lacking } = *known;
    let takes = format!("{needed} of {} members", shares.len());
    let usable = || shares.iter().filter(|(_, share)| share.is_usable()).map(|(name, _)| *name);
    let able = usable().count();
    let (there, offline): (Vec<_>, Vec<_>) = usable().partition(|name| online.contains(name));
    let there = there.len();
    let all_can = able == shares.len();
    let mut sentence = match stage {
        SigningStage::TooFewShares => {
            let (sentence, advice) = short(known, able);
            return (sentence, Some(advice));
        }
        SigningStage::Unknown if all_can => format!("{name} has its key; any {takes} can sign"),
        SigningStage::Unknown => {
            format!("{name} has its key; it takes {takes} to sign, and {able} can")
        }
        SigningStage::Ready if all_can => {
            format!("{name} is ready: any {takes} can sign, {there} are online")
        }
        SigningStage::Ready => format!(
            "{name} is ready: it takes {takes} to sign, {able} can, and {there} of these are online"
        ),
        SigningStage::TooFewOnline => format!(
            "{name} has its key, but only {there} of the {needed} nodes that it takes to sign are \
             online; {} missing",
            list(&offline) + if offline.len() == 1 { " is" } else { " are" },
        ),
    };
    if lacking.is_some() {
        sentence.push_str("; this node has no share of its key");
    }
    let advice = lacking.map(|account| {
        let share = shares.iter().find(|(name, _)| *name == account);
        way(name, account, share.map_or(Share::Missing, |(_, share)| *share)).unwrap_or_default()
    });
    (sentence + ".", advice)
}

/// Describes a group in which too few members can use their shares.
fn short(known: &Known<'_>, able: usize) -> (String, String) {
    let Known { name, needed, shares, .. } = *known;
    let comes_back = |share: &Share| matches!(*share, SUSPENDED | DOUBLED | Share::Missing);
    let back = shares.iter().filter(|(_, share)| comes_back(share)).count();
    let is_permanent = able + back < needed;
    let (can, what) = match is_permanent {
        true => ("can never sign again", "still use their shares"),
        false => ("cannot sign now", "use their shares"),
    };
    let able = if able == 0 { "none".to_owned() } else { format!("only {able}") };
    let sentence = format!(
        "{name} {can}: it takes {needed} of {} members, and {able} can {what}; {}.",
        shares.len(),
        reasons(shares)
    );
    let advice = match is_permanent {
        true => "this key cannot be restored: make a new group, which has a new key, and withdraw \
                 this one wherever it is known: quorate group create"
            .to_owned(),
        false => {
            let back = shares.iter().copied().filter(|(_, share)| comes_back(share));
            ways(name, &back.collect::<Vec<_>>())
        }
    };
    (sentence, advice)
}

/// `dana and eve were removed from the roster, hank is suspended`.
fn reasons(shares: &[(&AccountName, Share)]) -> String {
    let parts = [
        (REMOVED, ["was removed from the roster", "were removed from the roster"]),
        (LOST, ["lost its share with its former keys", "lost their shares with their former keys"]),
        (SUSPENDED, ["is suspended", "are suspended"]),
        (DOUBLED, ["runs two copies of its node", "run two copies of their nodes"]),
        (Share::Missing, ["has no share on this node", "have no shares on this node"]),
    ];
    let parts = parts.into_iter().filter_map(|(state, [one, many])| {
        let with = shares.iter().filter(|(_, share)| *share == state);
        let names: Vec<_> = with.map(|(name, _)| *name).collect();
        let what = if names.len() == 1 { one } else { many };
        (!names.is_empty()).then(|| format!("{} {what}", list(&names)))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Advises how members that cannot sign can do so again.
fn ways(group: &GroupName, shares: &[(&AccountName, Share)]) -> String {
    let ways: Vec<String> =
        shares.iter().filter_map(|(member, share)| way(group, member, *share)).collect();
    match ways.is_empty() {
        true => format!("ask again: quorate sign --group {group}"),
        false => ways.join("; or "),
    }
}

fn way(group: &GroupName, member: &AccountName, share: Share) -> Option<String> {
    match share {
        SUSPENDED => Some(format!("quorate account resume {member}")),
        DOUBLED => Some(format!("stop both copies of {member}'s node, and start one of them")),
        Share::Missing => Some(format!(
            "restore a newer backup that contains the share, or have the others restore it: \
             quorate group repair {group} {member}"
        )),
        // After the keys were replaced, backups no longer work.
        LOST => Some(format!(
            "have the others restore the share: quorate group repair {group} {member}"
        )),
        _ => None,
    }
}

/// Explains why new shares are not made automatically, and what to do.
pub(crate) fn hindered(
    name: &GroupName,
    hindering: &[(AccountName, Unable)],
) -> Option<(String, String)> {
    let of = |why| {
        let names = hindering.iter().filter(move |(_, of)| *of == why).map(|(name, _)| name);
        names.collect::<Vec<&AccountName>>()
    };
    let (removed, replaced, suspended) =
        (of(Unable::Removed), of(Unable::Replaced), of(Unable::Suspended));
    let mut because = Vec::new();
    let mut ways = Vec::new();
    if !removed.is_empty() {
        let are = if removed.len() == 1 { "is" } else { "are" };
        because.push(format!("{} {are} removed", list(&removed)));
        let names: Vec<&str> = removed.iter().map(|name| name.as_str()).collect();
        ways.push(format!("quorate group change {name} --remove {}", names.join(",")));
    }
    for member in replaced {
        because.push(format!("{member} has new keys and no share"));
        ways.push(format!("quorate group repair {name} {member}"));
    }
    for member in suspended {
        because.push(format!("{member} is suspended"));
        ways.push(format!(
            "quorate account resume {member} (or quorate group change {name} --remove {member})"
        ));
    }
    (!because.is_empty()).then(|| (because.join(", "), ways.join("; ")))
}

/// Describes what the signature of an approved request waits for. Its signers are among the members
/// that approved; `others` can still approve.
pub(crate) fn approved(
    group: &GroupName,
    wait: &SigningWait,
    others: &BTreeSet<AccountName>,
) -> String {
    if !wait.connected {
        return "Approved; whether it is signed is not known until the coordinator can be reached."
            .to_owned();
    }
    let min_signers = usize::from(wait.min_signers);
    let shares: Vec<_> = wait.shares.iter().map(|(name, share)| (name, *share)).collect();
    let (able, unable): (Vec<_>, Vec<_>) =
        shares.into_iter().partition(|(_, share)| share.is_usable());
    if able.len() < min_signers {
        let way = match others.is_empty() {
            true => ways(group, &unable),
            false => format!("an approval by {} would help, too", list_or(others)),
        };
        return format!(
            "Approved, but not signed: it takes the shares of {min_signers} who approved, and {}; \
             {way}.",
            reasons(&unable)
        );
    }
    let (there, offline): (Vec<_>, Vec<_>) =
        able.into_iter().partition(|(name, _)| wait.online.contains(*name));
    let healthy = there.iter().filter(|(_, share)| share.is_healthy()).count();
    match min_signers.saturating_sub(there.len()) {
        0 if healthy < min_signers => {
            let silent = there.iter().filter(|(_, share)| !share.is_healthy());
            format!(
                "Approved; the signature is being made, if {} can still sign: nothing has shown \
                 that for days.",
                list(silent.map(|(name, _)| *name))
            )
        }
        0 => "Approved; the signature is being made.".to_owned(),
        lacking => format!(
            "Approved. Waiting for {} of {} to come online; signing then happens automatically.",
            plural(lacking, "node", "nodes"),
            list_or(offline.into_iter().map(|(name, _)| name))
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);
    const HEALTHY: Share = Share::Shown(Health::Healthy { proved: NOW });
    const SILENT: Share = Share::Shown(Health::Silent { proved: Timestamp(0) });

    fn names(names: &[&str]) -> BTreeSet<AccountName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    struct Judged {
        stage: SigningStage,
        sentence: String,
        advice: Option<String>,
    }

    /// A group of these members, of whom `needed` sign and all are online. The share of `lacks` is
    /// missing on its node.
    fn judged(needed: usize, shares: &[(&str, Share)], lacks: &str) -> Judged {
        let members: Vec<(AccountName, Share)> =
            shares.iter().map(|(name, share)| (name.parse().unwrap(), *share)).collect();
        let shares: Vec<_> = members.iter().map(|(name, share)| (name, *share)).collect();
        let able = shares.iter().filter(|(_, share)| share.is_usable()).count();
        let stage = SigningStage::of(needed, able, Some(able));
        let (sentence, advice) = judge(&Known {
            name: &"board".parse().unwrap(),
            needed,
            stage,
            shares: &shares,
            online: &members.iter().map(|(name, _)| name).collect(),
            lacking: members.iter().map(|(name, _)| name).find(|name| name.as_str() == lacks),
        });
        Judged { stage, sentence, advice }
    }

    #[test]
    fn a_group_that_can_never_sign_again_is_not_called_ready() {
        let shares = [
            ("ada", HEALTHY),
            ("bob", SILENT),
            ("carol", LOST),
            ("dana", REMOVED),
            ("eve", REMOVED),
        ];
        let short = judged(3, &shares, "");
        assert_eq!(short.stage, SigningStage::TooFewShares);
        assert_eq!(
            short.sentence,
            "board can never sign again: it takes 3 of 5 members, and only 2 can still use their shares; dana and eve \
             were removed from the roster, carol lost its share with its former keys."
        );
        assert!(short.advice.unwrap().contains("quorate group create"));
        // Removed members count neither as online nor as missing.
        let enough = judged(2, &shares, "");
        assert_eq!(enough.stage, SigningStage::Ready);
        assert_eq!(
            enough.sentence,
            "board is ready: it takes 2 of 5 members to sign, 2 can, and 2 of these are online."
        );
    }

    #[test]
    fn a_group_waiting_for_a_member_names_the_way_back() {
        let suspended = judged(2, &[("ada", HEALTHY), ("bob", SUSPENDED), ("eve", REMOVED)], "");
        assert!(suspended.sentence.contains("cannot sign now"), "{}", suspended.sentence);
        assert_eq!(suspended.advice.as_deref(), Some("quorate account resume bob"));
        let doubled = judged(2, &[("ada", HEALTHY), ("bob", DOUBLED)], "");
        assert!(
            doubled.sentence.contains("bob runs two copies of its node"),
            "{}",
            doubled.sentence
        );
        assert!(doubled.advice.unwrap().contains("stop both copies"));
    }

    #[test]
    fn a_node_without_its_share_says_so_although_the_group_can_sign() {
        let shares = [("ada", HEALTHY), ("bob", Share::Missing), ("eve", HEALTHY)];
        let lacking = judged(2, &shares, "bob");
        assert_eq!(lacking.stage, SigningStage::Ready);
        assert!(
            lacking.sentence.contains("this node has no share of its key"),
            "{}",
            lacking.sentence
        );
        assert!(lacking.advice.unwrap().contains("quorate group repair board bob"));
        assert_eq!(judged(2, &shares[..1], "").stage, SigningStage::TooFewShares);
        assert!(!Share::Missing.is_healthy());
    }

    #[test]
    fn members_that_prevent_new_shares_are_named_with_advice() {
        let board = "board".parse().unwrap();
        let [hank, ivy] = ["hank", "ivy"].map(|name| name.parse::<AccountName>().unwrap());
        assert_eq!(hindered(&board, &[]), None);
        let removed =
            hindered(&board, &[(hank.clone(), Unable::Removed), (ivy.clone(), Unable::Removed)])
                .unwrap();
        assert_eq!(removed.0, "hank and ivy are removed");
        assert_eq!(removed.1, "quorate group change board --remove hank,ivy");
        let others =
            hindered(&board, &[(hank, Unable::Suspended), (ivy, Unable::Replaced)]).unwrap();
        assert!(others.1.contains("quorate account resume hank"), "{}", others.1);
        assert!(others.1.contains("quorate group repair board ivy"), "{}", others.1);
    }

    #[test]
    fn an_approved_request_says_whose_share_it_waits_for() {
        let board = "board".parse().unwrap();
        let [ada, bob, eve] =
            ["ada", "bob", "eve"].map(|name| name.parse::<AccountName>().unwrap());
        let said = |bobs: Share, others: &[&AccountName], online: &[&str]| {
            let wait = SigningWait {
                connected: true,
                min_signers: 2,
                shares: vec![(ada.clone(), HEALTHY), (bob.clone(), bobs)],
                online: names(online),
            };
            approved(&board, &wait, &others.iter().map(|name| (*name).clone()).collect())
        };
        let all = ["ada", "bob", "eve"];
        assert_eq!(said(HEALTHY, &[], &all), "Approved; the signature is being made.");
        assert!(said(HEALTHY, &[], &["ada"]).contains("Waiting for 1 node of bob"));
        assert!(said(SILENT, &[], &all).contains("if bob can still sign"));
        let doubled = said(DOUBLED, &[&eve], &all);
        assert!(
            doubled.contains("bob runs two copies of its node; an approval by eve"),
            "{doubled}"
        );
        let missing = said(Share::Missing, &[], &all);
        assert!(missing.contains("quorate group repair board bob"), "{missing}");
    }
}
