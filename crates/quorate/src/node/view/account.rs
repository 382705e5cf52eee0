//! Makes the views of accounts.

use std::collections::BTreeSet;

use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{Account, Group, IvnState};

use crate::api::{AccountView, Answer, InvitedView, MembershipView, Standing};

/// Returns all accounts, those on the roster first, and the open invitations.
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
    let standing = if account.suspended { Standing::Suspended } else { Standing::Active };
    AccountView {
        account: name.clone(),
        standing,
        roles: account.roles.clone(),
        online: node.online().contains(name),
        duplicated: account.duplicated,
        identity: Some(account.keys.identity),
        admitted: Some(account.admitted),
        keyed: Some(account.keyed),
        removed: None,
        groups: memberships(state, name, now),
        shortfalls: state.shortfalls(name, now),
    }
}

fn former(state: &IvnState, name: &AccountName, index: u64) -> AccountView {
    AccountView {
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
        MembershipView { group: group.definition.name.clone(), health }
    };
    state.groups().values().filter(|group| group.has_member(name)).map(of).collect()
}
