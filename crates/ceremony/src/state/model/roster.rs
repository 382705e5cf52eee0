//! What the log says of an account, and what an admin can decide about one.

use std::collections::BTreeSet;

use crate::entry::Role;
use crate::identity::AccountKeys;
use crate::names::{AccountName, Digest, Timestamp};
use crate::state::refusal::{Entries, Refusal};

/// An account on the roster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Its keys.
    pub keys: AccountKeys,
    /// Index of the entry that admitted it.
    pub admitted: u64,
    /// Index of the entry with its present keys.
    pub keyed: u64,
    /// Index of the entry by which it last got keys from an admin in place of its own.
    pub replaced: Option<u64>,
    /// Its node's latest process, once it started one.
    pub incarnation: Option<Digest>,
    /// When it started, by the account's clock.
    pub started: Timestamp,
    /// An admin suspended it.
    pub suspended: bool,
    /// Two copies of its node ran at the same time, and none has started anew since.
    pub duplicated: bool,
    /// When its roles or its suspension were last decided, by that admin's clock.
    pub(in crate::state) decided: Timestamp,
}

impl Account {
    /// An account that was just admitted.
    pub(in crate::state) fn new(roles: BTreeSet<Role>, keys: AccountKeys, admitted: u64) -> Self {
        Self {
            roles,
            keys,
            admitted,
            keyed: admitted,
            replaced: None,
            incarnation: None,
            started: Timestamp(0),
            suspended: false,
            duplicated: false,
            decided: Timestamp(0),
        }
    }
}

/// An open invitation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::state) struct Invited {
    pub(in crate::state) by: AccountName,
    /// By its author's clock.
    pub(in crate::state) at: Timestamp,
}

/// What an admin decides about an account on the roster.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) enum Decision<'a> {
    Suspend,
    Resume,
    Remove,
    Roles(&'a BTreeSet<Role>),
}

/// Whether `deployment` can be the first part of a signed note's origin (C2SP tlog-checkpoint: no spaces, no plus).
pub(in crate::state) fn check_deployment(deployment: &str) -> Result<(), Refusal> {
    let printable = deployment.chars().all(|c| c.is_ascii_graphic() && c != '+');
    // A cosigner's key name, `<deployment>/ivn/<64 digits>/<account>`, has at most 255 bytes.
    if deployment.is_empty() || deployment.len() > 120 || !printable {
        return Err(Refusal::Entries(Entries::Deployment));
    }
    Ok(())
}
