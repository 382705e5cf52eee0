//! Accounts in sentences: how they stand, and what depends on their shares.

use std::collections::BTreeSet;

use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{Account, Group, Health, IvnState};

use crate::api::{
    AccountView, Answer, InvitedView, MembershipView, ShareState, ShortfallView, Standing,
};

/// All accounts, those on the roster first, and the open invitations.
pub(crate) fn accounts(node: &Node, now: Timestamp) -> Answer {
    let state = node.state();
    let present = state.accounts().iter().map(|(name, account)| present(node, name, account, now));
    let former = state.former_accounts().iter().map(|(name, index)| former(state, name, *index));
    let invitations = state.open_invitations(now).map(|(name, invitation)| InvitedView {
        account: name.clone(),
        roles: invitation.roles.clone(),
        expires_at: invitation.expires_at,
        replaces_keys: invitation.replaces.is_some(),
    });
    Answer::Accounts {
        accounts: present.chain(former).collect(),
        invitations: invitations.collect(),
    }
}

fn present(node: &Node, name: &AccountName, account: &Account, now: Timestamp) -> AccountView {
    let state = node.state();
    let online = node.online().contains(name);
    let groups = memberships(state, name, now);
    let standing = if account.suspended { Standing::Suspended } else { Standing::Active };
    let of = match state.groups_of(name).map(ToString::to_string).collect::<Vec<_>>() {
        groups if groups.is_empty() => "a member of no group".to_owned(),
        groups => format!("a member of {}", groups.join(", ")),
    };
    let sentence = match standing {
        Standing::Suspended => format!(
            "{name} is suspended: its node may not connect, and it has no say until it is resumed; {of}."
        ),
        _ if account.duplicated => {
            format!("{name} runs two copies of its node, so that it can not sign; {of}.")
        }
        _ if online => format!("{name} is online; {of}."),
        _ => format!("{name} is offline; {of}."),
    };
    AccountView {
        sentence,
        account: name.clone(),
        standing,
        roles: account.roles.clone(),
        online,
        duplicated: account.duplicated,
        identity: Some(account.keys.identity),
        admitted: Some(account.admitted),
        keyed: Some(account.keyed),
        removed: None,
        groups,
        shortfalls: shortfalls(state, name, now),
    }
}

fn former(state: &IvnState, name: &AccountName, index: u64) -> AccountView {
    let still: Vec<String> = state.groups_of(name).map(ToString::to_string).collect();
    let rest = match still.is_empty() {
        true => String::new(),
        false => format!(" It still has a place, and can not sign, in {}.", still.join(", ")),
    };
    AccountView {
        sentence: format!("{name} was removed by entry {index}; the name is not used again.{rest}"),
        account: name.clone(),
        standing: Standing::Removed,
        roles: BTreeSet::new(),
        online: false,
        duplicated: false,
        identity: None,
        admitted: None,
        keyed: None,
        removed: Some(index),
        groups: memberships(state, name, Timestamp(0)),
        shortfalls: Vec::new(),
    }
}

fn memberships(state: &IvnState, name: &AccountName, now: Timestamp) -> Vec<MembershipView> {
    let of = |group: &Group| {
        let mut health = state.health(group, now).into_iter();
        let health = health.find(|(member, _)| *member == name).map(|(_, health)| health);
        let (share, detail, proved) = match health {
            None => (ShareState::NoKey, "the group has no key yet".to_owned(), None),
            Some(Health::Healthy { proved }) => {
                (ShareState::Healthy, "its share can be used".to_owned(), Some(proved))
            }
            Some(Health::Silent { proved }) => {
                let detail = "nothing has shown for days that it still has its share".to_owned();
                (ShareState::Silent, detail, Some(proved))
            }
            Some(Health::Doubled) => {
                let detail = "two copies of its node run, and neither signs".to_owned();
                (ShareState::Doubled, detail, None)
            }
            Some(Health::Unable(why)) => (ShareState::Unable, why.to_string(), None),
        };
        MembershipView { group: group.definition.name.clone(), share, detail, proved }
    };
    let mine = state.groups().values().filter(|group| group.has_member(name));
    mine.map(of).collect()
}

fn shortfalls(state: &IvnState, name: &AccountName, now: Timestamp) -> Vec<ShortfallView> {
    let of = |short: quorate_ceremony::state::Shortfall| {
        let members = state.group(&short.group).map_or(0, |group| group.definition.members.len());
        let quorate_ceremony::state::Shortfall { group, min_signers, healthy } = short;
        ShortfallView { group, min_signers, members, healthy }
    };
    state.shortfalls(name, now).into_iter().map(of).collect()
}
