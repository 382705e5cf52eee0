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

use quorate_log::checkpoint::{CosignerSet, SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::key::{CosignerVerifier, LogVerifier};
use quorate_log::quorum::cosignatures_for_final;

use super::group::Group;
use super::health::Unable;
use super::{Event, IvnState, Refusal};
use crate::dsse::MAX_ENTRY;
use crate::identity::PublicKey;
use crate::names::{AccountName, GroupName};
use crate::statement::GroupDefinition;

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

/// Fewer bytes than a cosignature takes in an entry besides the log's origin, in base64 twice.
const COSIGNATURE: usize = 140;

impl IvnState {
    /// What a group's members have to show about its becoming `after` with the epoch that begins at entry `index`; nothing if
    /// who decides on a final log stays the same.
    pub(super) fn handover_to(
        &self,
        group: &Group,
        after: &GroupDefinition,
        epoch: u64,
        index: u64,
    ) -> Option<Handover> {
        let before = &group.definition;
        let mut names =
            [&before.members, &after.members].map(|names| names.iter().collect::<Vec<_>>());
        names.iter_mut().for_each(|names| names.sort());
        let [old, new] = names;
        let other_keys = new.iter().any(|name| group.unable(name) == Some(Unable::Replaced));
        let is_same = old == new && before.min_signers == after.min_signers && !other_keys;
        (!is_same).then(|| self.handover(group, epoch, index))
    }

    /// The same, about the running repair, if it gives a share back to a member with other keys.
    pub(super) fn handover_by_repair(&self, group: &Group, index: u64) -> Option<Handover> {
        let member = group.session.as_ref()?.terms.repairs()?;
        let key = group.key.as_ref().filter(|_| group.unable(member) == Some(Unable::Replaced))?;
        let handover = self.handover(group, key.epoch, index);
        Some(Handover { repaired: Some(member.clone()), ..handover })
    }

    fn handover(&self, group: &Group, epoch: u64, index: u64) -> Handover {
        let before = &group.definition;
        let able = before.members.iter().filter(|name| group.has_say(name));
        let key = |name: &AccountName| {
            Some((name.clone(), vec![(0, self.accounts().get(name)?.keys.cosigner)]))
        };
        Handover {
            epoch,
            repaired: None,
            index,
            members: able.filter_map(key).collect(),
            needed: cosignatures_for_final(before.members.len(), usize::from(before.min_signers)),
            confirmed: None,
        }
    }

    /// An account changes its own keys. It says so itself, so what it cosigns with the new ones, from here on, shows what it
    /// saw before.
    pub(super) fn hand_over_with(
        &mut self,
        name: &AccountName,
        former: PublicKey,
        present: PublicKey,
    ) {
        let from = self.size + 1;
        let groups = self.groups.values_mut();
        let handovers = groups.flat_map(|group| group.handovers.iter_mut());
        for handover in handovers.filter(|handover| handover.confirmed.is_none()) {
            let keys = handover.members.get_mut(name);
            let keys = keys.filter(|keys| keys.last().is_some_and(|(_, key)| *key == former));
            keys.into_iter().for_each(|keys| keys.push((from, present)));
        }
    }

    /// The coordinator shows that those before cosigned a log in which the epoch has begun, or in which a member with other
    /// keys has its share of that epoch back. Whether it is this log, its
    /// auditor sees: the fold does not know the tree.
    pub(super) fn handed_over(
        &mut self,
        name: &GroupName,
        epoch: u64,
        checkpoint: &str,
    ) -> Result<Vec<Event>, Refusal> {
        let log = LogVerifier::new(
            self.origin().parse().map_err(|_| Refusal::Checkpoint)?,
            &self.genesis().log_key.0,
        );
        let log = log.map_err(|_| Refusal::Checkpoint)?;
        let signed: SignedCheckpoint = checkpoint.parse().map_err(|_| Refusal::Checkpoint)?;
        let checkpoint = signed.verify(&log).map_err(|_| Refusal::Checkpoint)?;
        let (origin, size) = (self.origin(), checkpoint.head().size);
        let (now, group) = (self.size(), self.group_mut(name)?);
        let mut waiting = group
            .handovers
            .iter_mut()
            .filter(|handover| handover.epoch == epoch && handover.confirmed.is_none())
            .peekable();
        if waiting.peek().is_none() {
            return Err(Refusal::NoHandover { group: name.clone(), epoch });
        }
        let shown = waiting.filter(|handover| {
            let covers = handover.index < size && size <= now;
            covers && handover.cosigners(&origin, &checkpoint).len() >= handover.needed
        });
        let mut confirmed = 0;
        for handover in shown {
            handover.confirmed = Some(size);
            confirmed += 1;
        }
        if confirmed == 0 { Err(Refusal::Checkpoint) } else { Ok(Vec::new()) }
    }
}
