//! The definition of a group, and a proposed change of one.

use std::collections::BTreeSet;

use quorate_protocol::Suite;
use serde::{Deserialize, Serialize};

use crate::names::{AccountName, DocumentType, GroupName, Timestamp};
use crate::policy::Policy;

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct GroupDefinition {
    /// Unique within the IVN.
    pub name: GroupName,
    /// Protocol × curve × hash.
    pub suite: Suite,
    /// How many members it takes to sign, enforced by the mathematics.
    pub min_signers: u16,
    /// In a group without a key, the first has identifier 1, and so on. In a group with a key, each
    /// keeps its identifier.
    pub members: Vec<AccountName>,
    /// The types of documents that it signs. Empty: documents without a type.
    pub document_types: BTreeSet<DocumentType>,
    /// What a request needs, enforced by every member's node.
    pub policy: Policy,
}

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct GroupChange {
    /// The group's epoch. The change is not valid in a later one.
    pub epoch: u64,
    /// The whole new definition. The group's name and suite stay.
    pub definition: GroupDefinition,
    /// When it is too late to decide on the change or to begin to carry it out.
    pub expires_at: Timestamp,
    /// The member that is to get its lost share back. The definition is then the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
    /// Whether the group is to be retired: it signs nothing any more, and its members destroy their
    /// shares. The definition is then the present one, and nothing is repaired.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retires: bool,
}
