//! What there is besides processes: disks, documents, and everybody's secrets. What the invariants look at.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::names::{AccountName, Digest, EntryId};

use crate::disk::{CoordinatorDisk, NodeDisk};
use crate::reference::Reference;

/// One account's secrets, from which its keys are made anew for each process.
pub(crate) struct Secrets {
    pub(crate) identity: [u8; 32],
    pub(crate) cosigner: [u8; 32],
    pub(crate) invitation: [u8; 32],
}

impl Secrets {
    pub(crate) fn account(&self) -> AccountSecrets {
        AccountSecrets {
            identity: SecretKey::from_seed(&self.identity),
            cosigner: SecretKey::from_seed(&self.cosigner),
        }
    }

    /// The key that an admin hands to the person, outside of everything that is simulated.
    pub(crate) fn invitation(&self) -> SecretKey {
        SecretKey::from_seed(&self.invitation)
    }
}

/// Everything that outlives processes.
pub(crate) struct World {
    /// All accounts; the admin first, then the other members, then the outsider.
    pub(crate) names: Vec<AccountName>,
    pub(crate) secrets: BTreeMap<AccountName, Secrets>,
    pub(crate) disks: BTreeMap<AccountName, NodeDisk>,
    pub(crate) coordinator: CoordinatorDisk,
    pub(crate) reference: Reference,
    /// What is to be signed for each document.
    pub(crate) documents: BTreeMap<Digest, Vec<u8>>,
    /// What the coordinator told a node that it would not take.
    pub(crate) rejected: BTreeSet<(AccountName, EntryId)>,
    /// Statements that die with the process that made them.
    pub(crate) volatile: BTreeSet<EntryId>,
}

impl World {
    pub(crate) fn disk(&self, account: &AccountName) -> Option<&NodeDisk> {
        self.disks.get(account)
    }
}
