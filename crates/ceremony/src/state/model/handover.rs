//! Handovers: when a group goes over to others, those before show that they saw it.
//!
//! A log is final for a group when so many of its members have cosigned it that two such majorities have an honest member
//! in common ([`quorate_log::quorum`]). That holds for one set of members, each with one key. A change takes fewer: as many
//! consents as sign. So the coordinator could keep the change from the other members, and have a log without it cosigned
//! by the majority from before, and one with it by the majority after. Both would be final. A member whose keys an admin
//! replaced is another one, too, whatever its name: it may be another person, and is another node.
//!
//! Therefore a log is final only if, for each change of members or of min_signers, and for each member that has a say
//! again under other keys, a majority of those *before* cosigned a checkpoint of a log with that. Whoever leaves may soon
//! have no account and no node any more, so their cosignatures are put into the log. Nothing waits for that: a group that
//! changes because a member is gone for good can go on, though nobody can ever show that no one was kept in the dark.

use std::collections::BTreeMap;

use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::key::CosignerVerifier;

use crate::dsse::MAX_ENTRY;
use crate::identity::PublicKey;
use crate::names::AccountName;

/// A change of a group's members or of its min_signers, or of the keys of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handover {
    /// The epoch that began with it, or in which it was.
    pub epoch: u64,
    /// Who got its share back under other keys by a repair, if it was that; otherwise an epoch began.
    pub repaired: Option<AccountName>,
    /// Index of the entry with which the shares of those after came into use.
    pub index: u64,
    /// The members before who had a say, with the keys of their cosignatures, and from which size of the tree on each
    /// counts: keys that an account changes itself later are its own, too. Those that an admin gives it prove nothing
    /// about what it saw then.
    pub members: BTreeMap<AccountName, Vec<(u64, PublicKey)>>,
    /// How many of them have to have cosigned a log with that entry.
    pub needed: usize,
    /// Size of the tree that they cosigned, once that is in the log.
    pub confirmed: Option<u64>,
}

/// Fewer bytes than a cosignature takes in an entry besides the log's origin, in base64 twice.
const COSIGNATURE: usize = 140;

impl Handover {
    /// Who of the members before cosigned this checkpoint.
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

    /// Whether a checkpoint of so many entries could show what is to be shown.
    pub fn waits_for(&self, size: u64) -> bool {
        self.confirmed.is_none() && self.index < size
    }

    /// The checkpoint with as many of their cosignatures as are needed, and no others; `None` if it has too few, or if
    /// these would not fit an entry.
    pub fn excerpt(&self, origin: &str, checkpoint: &VerifiedCheckpoint) -> Option<String> {
        let note = checkpoint.to_string();
        let (text, lines) = note.split_once("\n\n")?;
        let signer = |line: &str| Some(line.strip_prefix("— ")?.split_once(' ')?.0.to_owned());
        let account = |line: &str| {
            let name = signer(line)?.strip_prefix(origin)?.strip_prefix('/')?.parse().ok()?;
            self.members.contains_key::<AccountName>(&name).then_some(name)
        };
        // Signatures are verified again, with the keys of then, only where they could be enough.
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
