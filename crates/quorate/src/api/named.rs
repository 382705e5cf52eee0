//! What an id names.

use std::fmt;

use quorate_ceremony::names::{EntryId, GroupName};
use quorate_ceremony::state::PastChange;
use serde::{Deserialize, Serialize};

/// What the only id with a certain beginning names.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Named {
    /// A request, open or past.
    Request { id: EntryId },
    /// A change of a group that is proposed or being carried out.
    Change { id: EntryId, group: GroupName },
    /// A change of a group that has ended.
    PastChange(Box<PastChange>),
    /// The latest definition of a group by an admin, whether the group has its key or not.
    Definition { id: EntryId, group: GroupName },
}

impl Named {
    /// Returns the whole id.
    pub fn id(&self) -> EntryId {
        match self {
            Self::Request { id } | Self::Change { id, .. } | Self::Definition { id, .. } => *id,
            Self::PastChange(past) => past.id,
        }
    }
}

/// The kind, for example `a change of board`.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { .. } => f.write_str("a request"),
            Self::Change { group, .. } => write!(f, "a proposed change of {group}"),
            Self::PastChange(past) => {
                write!(f, "a past change of {}", past.proposal.definition.name)
            }
            Self::Definition { group, .. } => write!(f, "the definition of {group}"),
        }
    }
}
