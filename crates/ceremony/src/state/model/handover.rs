//! Confirmations: the previous members of a group prove that they saw its change.
//!
//! A log is final for a group when so many of its members have cosigned it that two such majorities
//! have an honest member in common ([`quorate_log::quorum`]). That holds for one set of members,
//! each with one key. A change takes fewer: as many approvals as signers. So the coordinator could
//! hide the change from the other members, have a log without it cosigned by the majority from
//! before, and have a log with it cosigned by the majority after. Both would be final. The same
//! applies to a member whose keys an admin replaced: it may be a different person, and is a
//! different node.
//!
//! Therefore a log is final only if, for each change of members or of min_signers, and for each
//! member that gets its vote back under new keys, a majority of the *previous* members cosigned a
//! checkpoint of a log that contains it. A member that leaves may soon have no account and no node,
//! so the log contains these cosignatures. This blocks nothing: a group that lost a member
//! permanently can continue, but its log is then not final, because nobody can prove that all
//! previous members saw the change.

use std::collections::BTreeMap;

use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::key::CosignerVerifier;

use crate::dsse::MAX_ENTRY;
use crate::identity::PublicKey;
use crate::names::AccountName;

/// A change of a group's members, of its min_signers, or of the keys of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handover {
    /// The epoch that began with it, or during which it happened.
    pub epoch: u64,
    /// The member that got its share back under new keys by a repair. `None` if an epoch began.
    pub repaired: Option<AccountName>,
    /// The index of the entry that brought the new shares into use.
    pub index: u64,
    /// The previous members that had a vote, their cosigner keys, and the size of the tree from
    /// which each key counts. Keys to which an account changes itself later count too. Keys from an
    /// admin prove nothing about what the account saw before.
    pub members: BTreeMap<AccountName, Vec<(u64, PublicKey)>>,
    /// How many of them must have cosigned a log with that entry.
    pub needed: usize,
    /// The size of the tree that they cosigned, once the log contains the cosignatures.
    pub confirmed: Option<u64>,
}

/// A lower bound for the bytes that a cosignature takes in an entry, in addition to twice the log's
/// origin, in base64.
const COSIGNATURE: usize = 140;

impl Handover {
    /// The previous members that cosigned this checkpoint.
    pub fn cosigners(&self, origin: &str, checkpoint: &VerifiedCheckpoint) -> Vec<AccountName> {
        let size = checkpoint.head().size;
        let cosigned = |(name, keys): &(&AccountName, &Vec<(u64, PublicKey)>)| {
            let Some((_, key)) = keys.iter().rfind(|(from, _)| *from <= size) else { return false };
            let line = format!("{origin}/{name}").parse().ok();
            let verifier = line.and_then(|line| CosignerVerifier::new(line, &key.0).ok());
            let one = verifier.and_then(|verifier| CosignerSet::new([verifier]).ok());
            let found = one.and_then(|one| checkpoint.cosigned_by(&one).ok());
            found.is_some_and(|found| !found.times().is_empty())
        };
        self.members.iter().filter(cosigned).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a checkpoint of this size could be the confirmation that is missing.
    pub fn waits_for(&self, size: u64) -> bool {
        self.confirmed.is_none() && self.index < size
    }

    /// The checkpoint with as many of their cosignatures as are needed. `None` if it has too few,
    /// or if they would not fit an entry.
    pub fn excerpt(&self, origin: &str, checkpoint: &VerifiedCheckpoint) -> Option<String> {
        let note = checkpoint.to_string();
        let (text, lines) = note.split_once("\n\n")?;
        let signer = |line: &str| Some(line.strip_prefix("— ")?.split_once(' ')?.0.to_owned());
        let account = |line: &str| {
            let name = signer(line)?.strip_prefix(origin)?.strip_prefix('/')?.parse().ok()?;
            self.members.contains_key::<AccountName>(&name).then_some(name)
        };
        // Verifying takes time, so do it only where there could be enough.
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
