//! The definition of a group, and a proposed change of one.

use std::collections::BTreeSet;

use quorate_protocol::Suite;
use serde::{Deserialize, Serialize};

use crate::names::{AccountName, DocumentType, GroupName, Timestamp};
use crate::policy::Policy;

/// A group's definition.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupDefinition {
    /// Its name, unique within the IVN.
    pub name: GroupName,
    /// Protocol × curve × hash.
    pub suite: Suite,
    /// How many members it takes to sign: enforced by the mathematics.
    pub min_signers: u16,
    /// The members. Of a group without a key, the first has identifier 1, and so on; with a key, each keeps the identifier
    /// that it has.
    pub members: Vec<AccountName>,
    /// Which documents it signs. Empty: those without a type.
    pub document_types: BTreeSet<DocumentType>,
    /// What a request needs: enforced by every member's node.
    pub policy: Policy,
}

/// A proposed change of a group.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupChange {
    /// The epoch that the group is in: a change is of no use after another one.
    pub epoch: u64,
    /// The whole group as it is to be. Its name and its suite stay.
    pub definition: GroupDefinition,
    /// Until when it can be decided, and its carrying out begun.
    pub expires_at: Timestamp,
    /// A member that lost its share and is to get it back. Nothing else changes then: the definition is the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
}
