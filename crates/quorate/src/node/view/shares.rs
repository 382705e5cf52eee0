//! The state of a group's shares.

use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{Group, Unable};

use crate::api::Share;

/// Returns the state of each member's share: from the log, and for this node's own share from its
/// disk. Empty before there is a key, and after the group's retirement.
pub(super) fn shares<'a>(
    node: &Node,
    group: &'a Group,
    now: Timestamp,
) -> Vec<(&'a AccountName, Share)> {
    let lacks_share = lacks_share(node, group);
    let of = |(name, health)| {
        let is_missing = lacks_share && name == node.account() && group.unable(name).is_none();
        (name, if is_missing { Share::Missing } else { Share::Shown(health) })
    };
    node.state().health(group, now).into_iter().map(of).collect()
}

/// Whether this node's share of the group's key is missing.
pub(crate) fn lacks_share(node: &Node, group: &Group) -> bool {
    let account = node.account();
    let should = matches!(group.unable(account), None | Some(Unable::Replaced));
    group.key.is_some()
        && group.retirement().is_none()
        && group.has_member(account)
        && should
        && !node.holds_share(&group.definition.name)
}
