//! Confirmations: the previous members of a group prove that they saw its change.
//!
//! A log is final for a group if a majority of its members cosigned it. Two majorities of *one* set
//! of members have an honest member in common ([`quorate_log::quorum`]); majorities of the sets
//! before and after a change need not. Without a confirmation, the coordinator could therefore hide
//! a change from some members: a log without the change would be final by the previous majority,
//! and a log with it by the new one. A member whose keys an admin replaced counts as a new member,
//! because a different person may hold those keys.
//!
//! In this example, the members change from ada, ben and cyd to cyd, dan and eve. 2 of 3 sign, so
//! each majority is 3 members:
//!
//! ```text
//! entry                            checkpoint  cosigned by          final?
//!  41 group-change by cyd          size 50     ada ben cyd          yes: no change is in force
//!  58 epoch-started                size 59     cyd dan eve          no: ada and ben may not know
//!                                  size 59     ada ben cyd dan eve  yes: both majorities
//!  59 change-confirmed by ada ben  size 60     cyd dan eve          yes: entry 59 proves the rest
//!     cyd, with their checkpoint
//! ```
//!
//! - Upon a new epoch with different members, different min_signers or a member with keys from an
//!   admin, and upon a repair for such a member: record a [`Confirmation`] with the previous
//!   members.
//! - Upon new keys that an account gives itself: its new cosigner key counts from the next size on.
//! - Upon a cosignature: if enough previous members cosigned a checkpoint that includes the change,
//!   the coordinator appends `change-confirmed`, because members that left may soon have no node.
//! - Upon `change-confirmed`: verify the cosignatures and note the confirmation. Nodes and auditors
//!   also compare the checkpoint with their own tree.
//!
//! A log is **final** for a group if its checkpoint has the cosignatures of a majority of the
//! members, and each confirmation either is in the log or has enough cosignatures on that
//! checkpoint. Nothing waits for a confirmation: a group that lost a member permanently continues,
//! but is never final again, because nobody can prove that all previous members saw the change.

use std::collections::BTreeMap;

use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};

use crate::dsse::MAX_ENTRY;
use crate::identity::{PublicKey, cosigner_verifier};
use crate::names::AccountName;

/// The state of one confirmation by the previous members.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Confirmation {
    /// The epoch that began with the change, or in which the repair took place.
    pub epoch: u64,
    /// The member with keys from an admin whose share was repaired, if the change was a repair.
    pub repaired: Option<AccountName>,
    /// Index of the entry with which the change came into force.
    pub index: u64,
    /// The previous members that had a vote.
    pub(crate) members: BTreeMap<AccountName, CosignerKeys>,
    /// How many of them must cosign a log with that entry.
    pub needed: usize,
    /// Size of the cosigned tree, once the log contains the confirmation.
    pub confirmed: Option<u64>,
}

/// The cosigner keys of a previous member, each with the size of the tree from which it counts.
/// Keys that an admin gives the account later prove nothing about what the member saw, and are left
/// out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CosignerKeys(Vec<(u64, PublicKey)>);

impl CosignerKeys {
    pub(in crate::state) fn new(key: PublicKey) -> Self {
        Self(vec![(0, key)])
    }

    /// Adds a key that the account gave itself in place of `former`.
    pub(in crate::state) fn replace(&mut self, former: PublicKey, present: PublicKey, from: u64) {
        if self.0.last().is_some_and(|(_, key)| *key == former) {
            self.0.push((from, present));
        }
    }

    fn at(&self, size: u64) -> Option<&PublicKey> {
        self.0.iter().rfind(|(from, _)| *from <= size).map(|(_, key)| key)
    }
}

/// A lower bound of the bytes of a cosignature in an entry, without the origin; base64 twice.
const COSIGNATURE: usize = 140;

impl Confirmation {
    /// The previous members that cosigned this checkpoint.
    pub fn cosigners(&self, origin: &str, checkpoint: &VerifiedCheckpoint) -> Vec<AccountName> {
        let size = checkpoint.head().size;
        let cosigned = |(name, keys): &(&AccountName, &CosignerKeys)| {
            let Some(key) = keys.at(size) else { return false };
            let verifier = cosigner_verifier(origin, name, key);
            let one = verifier.and_then(|verifier| CosignerSet::new([verifier]).ok());
            let found = one.and_then(|one| checkpoint.cosigned_by(&one).ok());
            found.is_some_and(|found| !found.times().is_empty())
        };
        self.members.iter().filter(cosigned).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a cosignature by `cosigner` on a checkpoint of `size` entries helps to confirm it.
    pub fn waits_for(&self, cosigner: &AccountName, size: u64) -> bool {
        self.confirmed.is_none() && self.index < size && self.members.contains_key(cosigner)
    }

    /// The checkpoint with exactly as many cosignatures of previous members as are needed; `None`
    /// if it has too few, or if these would not fit into an entry.
    pub fn excerpt(&self, origin: &str, checkpoint: &VerifiedCheckpoint) -> Option<String> {
        let note = checkpoint.to_string();
        let (text, lines) = note.split_once("\n\n")?;
        let signer = |line: &str| Some(line.strip_prefix("— ")?.split_once(' ')?.0.to_owned());
        let account = |line: &str| {
            let name = signer(line)?.strip_prefix(origin)?.strip_prefix('/')?.parse().ok()?;
            self.members.contains_key::<AccountName>(&name).then_some(name)
        };
        // Verifies signatures, with the keys of that time, only if there could be enough.
        let most = lines.lines().filter(|line| account(line).is_some()).count();
        if most < self.needed || self.needed.saturating_mul(origin.len() + COSIGNATURE) > MAX_ENTRY
        {
            return None;
        }
        let names = self.cosigners(origin, checkpoint);
        let kept = names.get(..self.needed)?;
        let is_kept = |line: &&str| {
            signer(line).is_some_and(|name| name == origin)
                || account(line).is_some_and(|name| kept.contains(&name))
        };
        let lines: String = lines.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        Some(format!("{text}\n\n{lines}"))
    }
}
