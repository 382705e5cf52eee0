//! Handovers: when a group goes over to other members, those before show that they saw it.
//!
//! A log is final for a group when so many of its members have cosigned it that two such majorities have an honest member
//! in common ([`quorate_log::quorum`]). That holds for one set of members. A change takes fewer: as many consents as sign.
//! So the coordinator could keep the change from the other members, and have a log without it cosigned by the majority
//! from before, and one with it by the majority after. Both would be final.
//!
//! Therefore a log is final only if, for each change of members or of min_signers, a majority of those *before* cosigned a
//! checkpoint of a log with that change. Whoever leaves may soon have no account and no node any more, so their
//! cosignatures are put into the log. Nothing waits for that: a group that changes because a member is gone for good can
//! go on, though nobody can ever show that no one was kept in the dark.

use std::collections::BTreeMap;

use quorate_log::checkpoint::{CosignerSet, SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::key::{CosignerVerifier, LogVerifier};
use quorate_log::quorum::cosignatures_for_final;

use super::group::Group;
use super::{Event, Invalid, IvnState};
use crate::identity::PublicKey;
use crate::names::{AccountName, GroupName};
use crate::statement::GroupDefinition;

/// A change of a group's members or of its min_signers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handover {
    /// Index of the entry with which the shares of those after came into use.
    pub index: u64,
    /// The members before who had a say, with the keys of their cosignatures: other keys that an account gets later prove
    /// nothing about what it saw then.
    pub members: BTreeMap<AccountName, PublicKey>,
    /// How many of them have to have cosigned a log with that entry.
    pub needed: usize,
    /// Size of the tree that they cosigned, once that is in the log.
    pub confirmed: Option<u64>,
}

impl Handover {
    /// Who of the members before cosigned this checkpoint.
    pub fn cosigners(&self, origin: &str, checkpoint: &VerifiedCheckpoint) -> Vec<AccountName> {
        let cosigned = |(name, key): &(&AccountName, &PublicKey)| {
            let line = format!("{origin}/{name}").parse().ok();
            let verifier = line.and_then(|line| CosignerVerifier::new(line, &key.0).ok());
            let one = verifier.and_then(|verifier| CosignerSet::new([verifier]).ok());
            let found = one.and_then(|one| checkpoint.cosigned_by(&one).ok());
            found.is_some_and(|found| !found.times().is_empty())
        };
        self.members.iter().filter(cosigned).map(|(name, _)| name.clone()).collect()
    }
}

impl Handover {
    /// Whether a checkpoint of so many entries could show what is to be shown.
    pub fn waits_for(&self, size: u64) -> bool {
        self.confirmed.is_none() && self.index < size
    }

    /// The checkpoint with as many of their cosignatures as are needed, and no others; `None` if it has too few.
    pub fn excerpt(&self, origin: &str, checkpoint: &VerifiedCheckpoint) -> Option<String> {
        let names = self.cosigners(origin, checkpoint);
        let kept = names.get(..self.needed)?;
        let is_kept = |line: &str| kept.iter().any(|name| line == format!("{origin}/{name}"));
        let note = checkpoint.to_string();
        let (text, lines) = note.split_once("\n\n")?;
        let lines = lines.lines().filter(|line| {
            let name = line.strip_prefix("— ").and_then(|rest| rest.split_once(' '));
            name.is_some_and(|(name, _)| name == origin || is_kept(name))
        });
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        Some(format!("{text}\n\n{lines}"))
    }
}

impl IvnState {
    /// What a group's members have to show about its becoming `after` with entry `index`; nothing if who decides on a
    /// final log stays the same.
    pub(super) fn handover_to(
        &self,
        group: &Group,
        after: &GroupDefinition,
        index: u64,
    ) -> Option<Handover> {
        let before = &group.definition;
        let mut names =
            [&before.members, &after.members].map(|names| names.iter().collect::<Vec<_>>());
        names.iter_mut().for_each(|names| names.sort());
        let [old, new] = names;
        if old == new && before.min_signers == after.min_signers {
            return None;
        }
        let able = before.members.iter().filter(|name| group.has_say(name));
        let key =
            |name: &AccountName| Some((name.clone(), self.accounts().get(name)?.keys.cosigner));
        Some(Handover {
            index,
            members: able.filter_map(key).collect(),
            needed: cosignatures_for_final(before.members.len(), usize::from(before.min_signers)),
            confirmed: None,
        })
    }

    /// The coordinator shows that those before cosigned a log in which the epoch has begun. Whether it is this log, its
    /// auditor sees: the fold does not know the tree.
    pub(super) fn handed_over(
        &mut self,
        name: &GroupName,
        epoch: u64,
        checkpoint: &str,
    ) -> Result<Vec<Event>, Invalid> {
        let log = LogVerifier::new(
            self.origin().parse().map_err(|_| Invalid::Checkpoint)?,
            &self.genesis().log_key.0,
        );
        let log = log.map_err(|_| Invalid::Checkpoint)?;
        let signed: SignedCheckpoint = checkpoint.parse().map_err(|_| Invalid::Checkpoint)?;
        let checkpoint = signed.verify(&log).map_err(|_| Invalid::Checkpoint)?;
        let (origin, size) = (self.origin(), checkpoint.head().size);
        let (now, group) = (self.size(), self.group_mut(name)?);
        let unknown = || Invalid::NoHandover { group: name.clone(), epoch };
        let handover = group.handovers.get_mut(&epoch).ok_or_else(unknown)?;
        if handover.confirmed.is_some() {
            return Err(unknown());
        }
        let covers = handover.index < size && size <= now;
        if !covers || handover.cosigners(&origin, &checkpoint).len() < handover.needed {
            return Err(Invalid::Checkpoint);
        }
        handover.confirmed = Some(size);
        Ok(Vec::new())
    }
}
