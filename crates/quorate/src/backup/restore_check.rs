//! Which shares of a backup are still valid, according to the complete log.

use std::collections::BTreeSet;

use quorate_ceremony::names::{AccountName, GroupName, SessionId};
use quorate_ceremony::state::{Group, IvnState};
use quorate_protocol::keys::KeyPackage;
use serde::Serialize;

use super::Label;

/// Which shares are restored, and which are missing then.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Judgement {
    /// The sessions whose shares are in use, or may come into use.
    pub good: BTreeSet<SessionId>,
    /// Groups in which the account should have a share that the backup lacks.
    pub lost: Vec<Lost>,
}

/// A share that the account should have, and that is not in the backup.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Lost {
    pub group: GroupName,
    /// The epoch of the share in the backup, if it contains one.
    pub backup_epoch: Option<u64>,
    pub epoch: u64,
    /// The number of members that signing, and repairing a share, takes.
    pub min_signers: u16,
    /// Whether at least `min_signers` other members have their shares.
    pub others_can_repair: bool,
}

/// Judges the shares of a backup by the log.
pub fn judge(state: &IvnState, label: &Label, packages: &[(SessionId, KeyPackage)]) -> Judgement {
    let good = packages.iter().filter(|(session, package)| is_good(state, *session, package));
    let good: BTreeSet<SessionId> = good.map(|(session, _)| *session).collect();
    let lost = state.groups().values().filter_map(|group| lost(group, label, &good)).collect();
    Judgement { good, lost }
}

/// Whether a share is of the current epoch, or of a later session that may have succeeded. The node
/// itself keeps the same ones.
fn is_good(state: &IvnState, session: SessionId, package: &KeyPackage) -> bool {
    let Some(group) = state.group_of_session(session) else { return false };
    match &group.key {
        None => true,
        Some(key) if key.session == session => package.check(&key.public).is_ok(),
        Some(key) => state.session_index(session) > state.session_index(key.session),
    }
}

fn lost(group: &Group, label: &Label, good: &BTreeSet<SessionId>) -> Option<Lost> {
    let key = group.key.as_ref()?;
    let account: &AccountName = &label.account;
    let is_holder = key.identifiers.contains_key(account) && group.has_say(account);
    if !is_holder || good.contains(&key.session) {
        return None;
    }
    let name = &group.definition.name;
    let ours = label.shares.iter().filter(|share| share.group == *name);
    let others =
        key.identifiers.keys().filter(|name| *name != account && group.unable(name).is_none());
    Some(Lost {
        group: name.clone(),
        backup_epoch: ours.filter_map(|share| share.epoch).max(),
        epoch: key.epoch,
        min_signers: group.definition.min_signers,
        others_can_repair: others.count() >= usize::from(group.definition.min_signers),
    })
}
