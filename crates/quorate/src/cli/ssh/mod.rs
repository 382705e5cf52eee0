//! Groups as signers for programs that speak to SSH's tools: `quorate ssh-sign` and
//! `quorate ssh-agent`.

mod agent;
mod keygen;
mod sign;

use quorate_documents::VerifyingKey;

use crate::api::{GroupStage, GroupView};

pub(super) use self::agent::SshAgent;
pub(super) use self::sign::SshSign;

/// Returns the group with this key. A group that still signs comes before a retired one.
fn group_with(key: &VerifyingKey, groups: Vec<GroupView>) -> Option<GroupView> {
    let mut with_key: Vec<GroupView> =
        groups.into_iter().filter(|group| has_key(group.verifying_key.as_deref(), key)).collect();
    with_key.sort_by_key(|group| group.state == GroupStage::Retired);
    with_key.into_iter().next()
}

fn has_key(hex: Option<&str>, key: &VerifyingKey) -> bool {
    hex.and_then(VerifyingKey::from_hex).as_ref() == Some(key)
}
