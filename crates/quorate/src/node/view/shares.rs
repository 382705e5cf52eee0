//! A group's shares in sentences: who can use its own, whether those are enough to sign, and what to do where they are not.

use std::collections::BTreeSet;

use quorate_ceremony::names::{AccountName, GroupName, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{Group, Unable};

use crate::api::{BlockedView, RefreshView, ShareView, SigningStage};
use crate::render::{list, list_or, plural};

/// A day, in milliseconds.
const DAY: u64 = 24 * 3_600_000;

/// What is known of each member's share: what the log shows, and of this node's own what it has on its disk. Empty before
/// there is a key.
pub(super) fn shares<'a>(
    node: &Node,
    group: &'a Group,
    now: Timestamp,
) -> Vec<(&'a AccountName, ShareView)> {
    let lacks_share = lacks_share(node, group);
    let of = |(name, health)| {
        let share = ShareView::from(health);
        let is_missing = lacks_share && name == node.account() && group.unable(name).is_none();
        (name, if is_missing { ShareView::Missing } else { share })
    };
    node.state().health(group, now).into_iter().map(of).collect()
}

/// Whether this node should have a share of the group's key, and has none.
pub(crate) fn lacks_share(node: &Node, group: &Group) -> bool {
    let account = node.account();
    let should = matches!(group.unable(account), None | Some(Unable::Replaced));
    group.key.is_some()
        && group.has_member(account)
        && should
        && !node.holds_share(&group.definition.name)
}

/// `3 of 5 needed, 4 healthy; carol not proved for 9 days`.
pub(super) fn sentence(
    group: &Group,
    shares: &[(&AccountName, ShareView)],
    now: Timestamp,
) -> String {
    let definition = &group.definition;
    let mut sentence = format!(
        "{} of {} needed, {} healthy",
        definition.min_signers,
        definition.members.len(),
        healthy(shares)
    );
    for (name, share) in shares {
        let why = match share {
            ShareView::Healthy { .. } => continue,
            ShareView::Silent { proved } => {
                let days = now.0.saturating_sub(proved.0) / DAY;
                let days = usize::try_from(days).unwrap_or(usize::MAX);
                format!("{name} not proved for {}", plural(days, "day", "days"))
            }
            ShareView::Doubled => format!("{name} runs two copies of its node"),
            ShareView::Missing => format!("{name} has none on this node"),
            ShareView::Suspended => format!("{name} {}", Unable::Suspended),
            ShareView::Lost => format!("{name} {}", Unable::Replaced),
            ShareView::Removed => format!("{name} {}", Unable::Removed),
        };
        sentence.push_str(&format!("; {why}"));
    }
    sentence
}

pub(super) fn healthy(shares: &[(&AccountName, ShareView)]) -> usize {
    shares.iter().filter(|(_, share)| matches!(share, ShareView::Healthy { .. })).count()
}

/// Where a group with a key stands: whether it can sign, in one sentence, and what to do about it.
pub(super) struct Signing {
    pub(super) stage: SigningStage,
    pub(super) sentence: String,
    pub(super) advice: Option<String>,
}

/// What it is judged by.
struct Known<'a> {
    name: &'a GroupName,
    needed: usize,
    shares: &'a [(&'a AccountName, ShareView)],
    /// Not known without a connection.
    online: Option<&'a BTreeSet<AccountName>>,
    /// This node's account, where it should have a share and has none.
    lacking: Option<&'a AccountName>,
}

impl Signing {
    pub(super) fn of(node: &Node, group: &Group, shares: &[(&AccountName, ShareView)]) -> Self {
        Self::judge(&Known {
            name: &group.definition.name,
            needed: usize::from(group.definition.min_signers),
            shares,
            online: node.connected().then(|| node.online()),
            lacking: lacks_share(node, group).then(|| node.account()),
        })
    }

    fn judge(known: &Known<'_>) -> Self {
        let Known { name, needed, shares, online, lacking } = *known;
        let takes = format!("{needed} of {} members", shares.len());
        let usable = || shares.iter().filter(|(_, share)| share.is_usable()).map(|(name, _)| *name);
        let able = usable().count();
        if able < needed {
            return Self::short(known, able);
        }
        let (there, offline): (Vec<_>, Vec<_>) =
            usable().partition(|name| online.is_some_and(|online| online.contains(*name)));
        let there = there.len();
        let all_can = able == shares.len();
        let (stage, mut sentence) = match (online.is_some(), there >= needed) {
            (false, _) if all_can => {
                (SigningStage::Unknown, format!("{name} has its key; any {takes} can sign"))
            }
            (false, _) => (
                SigningStage::Unknown,
                format!("{name} has its key; it takes {takes} to sign, and {able} can"),
            ),
            (true, true) if all_can => (
                SigningStage::Ready,
                format!("{name} is ready: any {takes} can sign, {there} are online"),
            ),
            (true, true) => (
                SigningStage::Ready,
                format!(
                    "{name} is ready: it takes {takes} to sign, {able} can, and {there} of these are online"
                ),
            ),
            (true, false) => (
                SigningStage::TooFewOnline,
                format!(
                    "{name} has its key, but only {there} of the {needed} nodes that it takes to sign are online; {} missing",
                    list(offline.iter().copied()) + if offline.len() == 1 { " is" } else { " are" },
                ),
            ),
        };
        if lacking.is_some() {
            sentence.push_str("; this node has no share of its key");
        }
        let advice = lacking.map(|account| {
            let share = shares.iter().find(|(name, _)| *name == account);
            way(name, account, share.map_or(ShareView::Missing, |(_, share)| *share))
                .unwrap_or_default()
        });
        Self { stage, sentence: sentence + ".", advice }
    }

    /// Fewer members can use their shares than it takes.
    fn short(known: &Known<'_>, able: usize) -> Self {
        let Known { name, needed, shares, .. } = *known;
        let comes_back = |share: &ShareView| {
            matches!(share, ShareView::Suspended | ShareView::Doubled | ShareView::Missing)
        };
        let back = shares.iter().filter(|(_, share)| comes_back(share)).count();
        let is_for_ever = able + back < needed;
        let (can, what) = match is_for_ever {
            true => ("can never sign again", "still use their shares"),
            false => ("can sign nothing now", "use their shares"),
        };
        let able = if able == 0 { "none".to_owned() } else { format!("only {able}") };
        let sentence = format!(
            "{name} {can}: it takes {needed} of {} members, and {able} can {what}; {}.",
            shares.len(),
            reasons(shares)
        );
        let advice = match is_for_ever {
            true => "nothing brings this key back: make a new group, which has a new key, and withdraw this one wherever \
                     it is known: quorate group create"
                .to_owned(),
            false => {
                let back = shares.iter().copied().filter(|(_, share)| comes_back(share));
                ways(name, &back.collect::<Vec<_>>())
            }
        };
        Self { stage: SigningStage::TooFewShares, sentence, advice: Some(advice) }
    }
}

/// `dana and eve were removed from the roster, hank is suspended`.
pub(super) fn reasons(shares: &[(&AccountName, ShareView)]) -> String {
    let with = |of: fn(&ShareView) -> bool| {
        let names = shares.iter().filter(move |(_, share)| of(share)).map(|(name, _)| *name);
        names.collect::<Vec<_>>()
    };
    let parts = [
        (
            with(|share| matches!(share, ShareView::Removed)),
            ["was removed from the roster", "were removed from the roster"],
        ),
        (
            with(|share| matches!(share, ShareView::Lost)),
            ["lost its share with its former keys", "lost their shares with their former keys"],
        ),
        (with(|share| matches!(share, ShareView::Suspended)), ["is suspended", "are suspended"]),
        (
            with(|share| matches!(share, ShareView::Doubled)),
            ["runs two copies of its node", "run two copies of their nodes"],
        ),
        (
            with(|share| matches!(share, ShareView::Missing)),
            ["has none on this node", "have none on this node"],
        ),
    ];
    let parts = parts.into_iter().filter(|(names, _)| !names.is_empty());
    let parts = parts.map(|(names, [one, many])| {
        format!("{} {}", list(names.iter().copied()), if names.len() == 1 { one } else { many })
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// How those can sign again who can not now.
pub(super) fn ways(group: &GroupName, shares: &[(&AccountName, ShareView)]) -> String {
    let ways: Vec<String> =
        shares.iter().filter_map(|(member, share)| way(group, member, *share)).collect();
    match ways.is_empty() {
        true => format!("ask again: quorate sign --group {group}"),
        false => ways.join("; or "),
    }
}

fn way(group: &GroupName, member: &AccountName, share: ShareView) -> Option<String> {
    match share {
        ShareView::Suspended => Some(format!("quorate account resume {member}")),
        ShareView::Doubled => {
            Some(format!("{member} stops both copies of its node, and starts one again"))
        }
        ShareView::Missing => Some(format!(
            "a newer backup has the share, or the others give it back: quorate group repair {group} {member}"
        )),
        // No backup fits keys that were replaced.
        ShareView::Lost => {
            Some(format!("the others give the share back: quorate group repair {group} {member}"))
        }
        ShareView::Healthy { .. } | ShareView::Silent { .. } | ShareView::Removed => None,
    }
}

/// When new shares are to be made by themselves, and who keeps them from being made.
pub(super) fn refresh(group: &Group) -> Option<RefreshView> {
    let hindered = hindered(&group.definition.name, &group.hinder_refresh());
    Some(RefreshView { due: group.refresh_due()?, hindered })
}

fn hindered(name: &GroupName, hindering: &[(&AccountName, Unable)]) -> Option<BlockedView> {
    let of = |why| {
        let names = hindering.iter().filter(move |(_, of)| *of == why).map(|(name, _)| *name);
        names.collect::<Vec<&AccountName>>()
    };
    let (removed, replaced, suspended) =
        (of(Unable::Removed), of(Unable::Replaced), of(Unable::Suspended));
    let mut because = Vec::new();
    let mut ways = Vec::new();
    let are = |names: &[&AccountName]| if names.len() == 1 { "is" } else { "are" };
    if !removed.is_empty() {
        because.push(format!("{} {} removed", list(removed.iter().copied()), are(&removed)));
        let names: Vec<&str> = removed.iter().map(|name| name.as_str()).collect();
        ways.push(format!("quorate group change {name} --remove {}", names.join(",")));
    }
    for member in replaced {
        because.push(format!("{member} has other keys and no share"));
        ways.push(format!("quorate group repair {name} {member}"));
    }
    for member in suspended {
        because.push(format!("{member} is suspended"));
        ways.push(format!(
            "quorate account resume {member} (or quorate group change {name} --remove {member})"
        ));
    }
    (!because.is_empty())
        .then(|| BlockedView { sentence: because.join(", "), advice: ways.join("; ") })
}

/// What the signature of an approved request waits for: those who make it are among those who approved, whose shares these
/// are, and who of them are online. The others of the group can still approve.
pub(super) fn of_approved(
    group: &GroupName,
    min_signers: usize,
    approving: &[(&AccountName, ShareView)],
    others: &[&AccountName],
    online: &BTreeSet<AccountName>,
) -> String {
    let of = |able: bool| {
        let of = approving.iter().copied().filter(move |(_, share)| share.is_usable() == able);
        of.collect::<Vec<_>>()
    };
    let able = of(true);
    if able.len() < min_signers {
        let unable = of(false);
        let way = match others.is_empty() {
            true => ways(group, &unable),
            false => format!("the approval of {} helps, too", list_or(others.iter().copied())),
        };
        return format!(
            "Approved, but not signed: it takes the shares of {min_signers} who approved, and {}; {way}.",
            reasons(&unable)
        );
    }
    let (there, offline): (Vec<_>, Vec<_>) =
        able.into_iter().partition(|(name, _)| online.contains(*name));
    match min_signers.saturating_sub(there.len()) {
        0 if healthy(&there) < min_signers => {
            let silent =
                there.iter().filter(|(_, share)| matches!(share, ShareView::Silent { .. }));
            format!(
                "Approved; the signature is being made, if {} still can: nothing has shown that for days.",
                list(silent.map(|(name, _)| *name))
            )
        }
        0 => "Approved; the signature is being made.".to_owned(),
        lacking => format!(
            "Approved; waiting for {} of {} to come online. It is then signed by itself.",
            plural(lacking, "node", "nodes"),
            list_or(offline.into_iter().map(|(name, _)| name))
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);
    const HEALTHY: ShareView = ShareView::Healthy { proved: NOW };
    const SILENT: ShareView = ShareView::Silent { proved: Timestamp(0) };

    fn names(names: &[&str]) -> BTreeSet<AccountName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    /// A group of these members, of whom `needed` sign and all are online; its node lacks its share if `lacks` names one.
    fn judged(needed: usize, shares: &[(&str, ShareView)], lacks: &str) -> Signing {
        let members: Vec<(AccountName, ShareView)> =
            shares.iter().map(|(name, share)| (name.parse().unwrap(), *share)).collect();
        let shares: Vec<_> = members.iter().map(|(name, share)| (name, *share)).collect();
        let online = members.iter().map(|(name, _)| name.clone()).collect();
        Signing::judge(&Known {
            name: &"board".parse().unwrap(),
            needed,
            shares: &shares,
            online: Some(&online),
            lacking: members.iter().map(|(name, _)| name).find(|name| name.as_str() == lacks),
        })
    }

    #[test]
    fn a_group_that_can_never_sign_again_is_not_called_ready() {
        let shares = [
            ("ada", HEALTHY),
            ("bob", SILENT),
            ("carol", ShareView::Lost),
            ("dana", ShareView::Removed),
            ("eve", ShareView::Removed),
        ];
        let short = judged(3, &shares, "");
        assert_eq!(short.stage, SigningStage::TooFewShares);
        assert_eq!(
            short.sentence,
            "board can never sign again: it takes 3 of 5 members, and only 2 can still use their shares; dana and eve \
             were removed from the roster, carol lost its share with its former keys."
        );
        assert!(short.advice.unwrap().contains("quorate group create"));
        // With enough of them, those who are gone are not counted as online, or as missing.
        let enough = judged(2, &shares, "");
        assert_eq!(enough.stage, SigningStage::Ready);
        assert_eq!(
            enough.sentence,
            "board is ready: it takes 2 of 5 members to sign, 2 can, and 2 of these are online."
        );
    }

    #[test]
    fn a_group_that_waits_for_somebody_who_can_come_back_names_the_way() {
        let suspended = judged(
            2,
            &[("ada", HEALTHY), ("bob", ShareView::Suspended), ("eve", ShareView::Removed)],
            "",
        );
        assert!(suspended.sentence.contains("can sign nothing now"), "{}", suspended.sentence);
        assert_eq!(suspended.advice.as_deref(), Some("quorate account resume bob"));
        let doubled = judged(2, &[("ada", HEALTHY), ("bob", ShareView::Doubled)], "");
        assert!(
            doubled.sentence.contains("bob runs two copies of its node"),
            "{}",
            doubled.sentence
        );
        assert!(doubled.advice.unwrap().contains("stops both copies"));
    }

    #[test]
    fn a_node_without_its_share_says_so_although_the_group_can_sign() {
        let shares = [("ada", HEALTHY), ("bob", ShareView::Missing), ("eve", HEALTHY)];
        let lacking = judged(2, &shares, "bob");
        assert_eq!(lacking.stage, SigningStage::Ready);
        assert!(
            lacking.sentence.contains("this node has no share of its key"),
            "{}",
            lacking.sentence
        );
        assert!(lacking.advice.unwrap().contains("quorate group repair board bob"));
        assert_eq!(judged(2, &shares[..1], "").stage, SigningStage::TooFewShares);
        assert_eq!(healthy(&[(&"bob".parse().unwrap(), ShareView::Missing)]), 0);
    }

    #[test]
    fn who_keeps_new_shares_from_being_made_is_named_with_the_way_out() {
        let board = "board".parse().unwrap();
        let [hank, ivy] = ["hank", "ivy"].map(|name| name.parse::<AccountName>().unwrap());
        assert_eq!(hindered(&board, &[]), None);
        let removed =
            hindered(&board, &[(&hank, Unable::Removed), (&ivy, Unable::Removed)]).unwrap();
        assert_eq!(removed.sentence, "hank and ivy are removed");
        assert_eq!(removed.advice, "quorate group change board --remove hank,ivy");
        let others =
            hindered(&board, &[(&hank, Unable::Suspended), (&ivy, Unable::Replaced)]).unwrap();
        assert!(others.advice.contains("quorate account resume hank"), "{}", others.advice);
        assert!(others.advice.contains("quorate group repair board ivy"), "{}", others.advice);
    }

    #[test]
    fn an_approved_request_says_whose_share_it_waits_for() {
        let board = "board".parse().unwrap();
        let [ada, bob, eve] =
            ["ada", "bob", "eve"].map(|name| name.parse::<AccountName>().unwrap());
        let said = |bobs: ShareView, others: &[&AccountName], online: &[&str]| {
            of_approved(&board, 2, &[(&ada, HEALTHY), (&bob, bobs)], others, &names(online))
        };
        let all = ["ada", "bob", "eve"];
        assert_eq!(said(HEALTHY, &[], &all), "Approved; the signature is being made.");
        assert!(said(HEALTHY, &[], &["ada"]).contains("waiting for 1 node of bob"));
        assert!(said(SILENT, &[], &all).contains("if bob still can"));
        let doubled = said(ShareView::Doubled, &[&eve], &all);
        assert!(
            doubled.contains("bob runs two copies of its node; the approval of eve"),
            "{doubled}"
        );
        let missing = said(ShareView::Missing, &[], &all);
        assert!(missing.contains("quorate group repair board bob"), "{missing}");
    }
}
