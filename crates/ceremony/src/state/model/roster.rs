//! The log's record of an account, and an admin's decisions about one.

use std::collections::BTreeSet;

use crate::entry::Role;
use crate::identity::AccountKeys;
use crate::names::{AccountName, Digest, Timestamp};
use crate::state::model::turn::Turn;
use crate::state::refusal::{Entries, Refusal};

#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Account {
    pub roles: BTreeSet<Role>,
    pub keys: AccountKeys,
    pub admitted: u64,
    /// The index of the entry with its present keys.
    pub keyed: u64,
    /// The index of the entry by which an admin last replaced its keys.
    pub(in crate::state) replaced: Option<u64>,
    /// The latest process of its node.
    pub incarnation: Option<Digest>,
    /// When that process started, in the order of its account's starts.
    pub(in crate::state) started: Turn,
    pub suspended: bool,
    /// Two copies of its node ran at the same time, and neither has restarted since.
    pub duplicated: bool,
    /// The last decision about its roles or suspension.
    pub(in crate::state) decided: Turn,
    /// The time of its latest statement in the log's order, by its own clock.
    pub stated: Timestamp,
}

impl Account {
    pub(in crate::state) fn new(
        roles: BTreeSet<Role>,
        keys: AccountKeys,
        admitted: u64,
        stated: Timestamp,
    ) -> Self {
        Self {
            roles,
            keys,
            admitted,
            keyed: admitted,
            replaced: None,
            incarnation: None,
            started: Turn::default(),
            suspended: false,
            duplicated: false,
            decided: Turn::default(),
            stated,
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::state) struct Invited {
    pub(in crate::state) by: AccountName,
    pub(in crate::state) turn: Turn,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::state) enum Decision<'a> {
    Suspend,
    Resume,
    Remove,
    Roles(&'a BTreeSet<Role>),
}

/// Checks that `deployment` can be the first part of a signed note's origin (C2SP tlog-checkpoint:
/// no spaces, no plus).
pub(in crate::state) fn check_deployment(deployment: &str) -> Result<(), Refusal> {
    let printable = deployment.chars().all(|c| c.is_ascii_graphic() && c != '+');
    // A cosigner's key name, `<deployment>/ivn/<64 digits>/<account>`, has at most 255 bytes.
    if deployment.is_empty() || deployment.len() > 120 || !printable {
        return Err(Entries::Deployment.into());
    }
    Ok(())
}
