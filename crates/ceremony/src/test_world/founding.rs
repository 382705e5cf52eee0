//! The genesis, invitations, and admissions of an IVN.

use std::collections::BTreeSet;

use crate::coordinator::CoordinatorSecrets;
use crate::entry::{Author, Body, Entry, Genesis, Invitation, Role, Statement};
use crate::identity::{AccountSecrets, SecretKey};
use crate::names::{AccountName, Digest, IvnId, Timestamp};

/// The genesis of an IVN whose admin is also a member, signed by both.
pub fn genesis_entry(
    admin: &AccountName,
    secrets: &AccountSecrets,
    coordinator: &CoordinatorSecrets,
    nonce: Digest,
    at: Timestamp,
) -> Entry {
    let genesis = Genesis {
        deployment: "sign.example.com".to_owned(),
        name: "Example Ltd".to_owned(),
        admin: secrets.public(),
        roles: BTreeSet::from([Role::Admin, Role::Member]),
        log_key: coordinator.log.public(),
        coordinator_key: coordinator.identity.public(),
        ca: Digest::new([0xCA; 32]),
        nonce,
    };
    let author = Author::Account(admin.clone());
    let statement = Statement { ivn: None, author, at, seen: 0, body: Body::Genesis(genesis) };
    Entry::sign(statement, &[&secrets.identity, &coordinator.identity]).unwrap()
}

pub fn invitation(name: &AccountName, role: Role, token: &SecretKey, at: Timestamp) -> Invitation {
    Invitation {
        name: name.clone(),
        roles: BTreeSet::from([role]),
        key: token.public(),
        expires_at: at.plus(super::log::HOUR),
        replaces: None,
    }
}

pub fn admission(
    account: &AccountName,
    secrets: &AccountSecrets,
    token: &SecretKey,
    ivn: IvnId,
    at: Timestamp,
) -> Entry {
    let body = Body::AccountAdmitted { keys: secrets.public() };
    let author = Author::Account(account.clone());
    let statement = Statement { ivn: Some(ivn), author, at, seen: 0, body };
    Entry::sign(statement, &[token, &secrets.identity]).unwrap()
}
