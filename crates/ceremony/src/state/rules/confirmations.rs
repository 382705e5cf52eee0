//! How the previous members of a group confirm its change.

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::key::LogVerifier;
use quorate_log::quorum::cosignatures_for_final;

use crate::entry::GroupDefinition;
use crate::identity::PublicKey;
use crate::names::{AccountName, GroupName};
use crate::state::model::group::Group;
use crate::state::model::handover::Handover;
use crate::state::model::key::Unable;
use crate::state::refusal::{Confirmations, Refusal};
use crate::state::{Event, IvnState};

impl IvnState {
    /// What the previous members have to confirm when the group becomes `after` with the epoch that
    /// begins at entry `index`. `None` if the members and their keys and min_signers stay the same.
    pub(in crate::state) fn handover_to(
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

    /// The same for the running repair, if it gives a share to a member with new keys.
    pub(in crate::state) fn handover_by_repair(
        &self,
        group: &Group,
        index: u64,
    ) -> Option<Handover> {
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

    /// An account changes its own keys. It signs the change, so its cosignatures with the new keys,
    /// from here on, prove what it saw before.
    /// saw before.
    pub(in crate::state) fn hand_over_with(
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

    /// The coordinator proves that the previous members cosigned a log in which the epoch has
    /// begun, or in which a member with new keys has its share again. Only the auditor checks that
    /// it is this log, because the fold does not know the tree.
    pub(in crate::state) fn handed_over(
        &mut self,
        name: &GroupName,
        epoch: u64,
        checkpoint: &str,
    ) -> Result<Vec<Event>, Refusal> {
        let log = LogVerifier::new(
            self.origin().parse().map_err(|_| Refusal::Confirmations(Confirmations::Checkpoint))?,
            &self.genesis().log_key.0,
        );
        let log = log.map_err(|_| Refusal::Confirmations(Confirmations::Checkpoint))?;
        let signed: SignedCheckpoint =
            checkpoint.parse().map_err(|_| Refusal::Confirmations(Confirmations::Checkpoint))?;
        let checkpoint =
            signed.verify(&log).map_err(|_| Refusal::Confirmations(Confirmations::Checkpoint))?;
        let (origin, size) = (self.origin(), checkpoint.head().size);
        let (now, group) = (self.size(), self.group_mut(name)?);
        let mut waiting = group
            .handovers
            .iter_mut()
            .filter(|handover| handover.epoch == epoch && handover.confirmed.is_none())
            .peekable();
        if waiting.peek().is_none() {
            return Err(Refusal::Confirmations(Confirmations::NoConfirmation {
                group: name.clone(),
                epoch,
            }));
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
        if confirmed == 0 {
            Err(Refusal::Confirmations(Confirmations::Checkpoint))
        } else {
            Ok(Vec::new())
        }
    }
}
