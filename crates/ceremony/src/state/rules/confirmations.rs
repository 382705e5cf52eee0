//! How the previous members of a group confirm its change.

use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::quorum::cosignatures_for_final;

use crate::entry::GroupDefinition;
use crate::identity::PublicKey;
use crate::names::{AccountName, GroupName};
use crate::state::model::confirmation::{Confirmation, CosignerKeys};
use crate::state::model::group::Group;
use crate::state::model::key::Unable;
use crate::state::refusal::{Confirmations, Refusal};
use crate::state::{Event, IvnState};

impl IvnState {
    /// The confirmation that is needed if the group becomes `after` with the epoch that begins at
    /// entry `index`; `None` if the members that make a log final stay the same.
    pub(in crate::state) fn confirmation_of_change(
        &self,
        group: &Group,
        after: &GroupDefinition,
        epoch: u64,
        index: u64,
    ) -> Option<Confirmation> {
        let before = &group.definition;
        let mut names =
            [&before.members, &after.members].map(|names| names.iter().collect::<Vec<_>>());
        names.iter_mut().for_each(|names| names.sort());
        let [old, new] = names;
        let other_keys = new.iter().any(|name| group.unable(name) == Some(Unable::Replaced));
        let is_same = old == new && before.min_signers == after.min_signers && !other_keys;
        (!is_same).then(|| self.confirmation(group, epoch, index))
    }

    /// The confirmation that the running repair needs, if its member has keys from an admin.
    pub(in crate::state) fn confirmation_of_repair(
        &self,
        group: &Group,
        index: u64,
    ) -> Option<Confirmation> {
        let member = group.session.as_ref()?.terms.repairs()?;
        let key = group.key.as_ref().filter(|_| group.unable(member) == Some(Unable::Replaced))?;
        let confirmation = self.confirmation(group, key.epoch, index);
        Some(Confirmation { repaired: Some(member.clone()), ..confirmation })
    }

    fn confirmation(&self, group: &Group, epoch: u64, index: u64) -> Confirmation {
        let before = &group.definition;
        let able = before.members.iter().filter(|name| group.has_say(name));
        let key = |name: &AccountName| {
            Some((name.clone(), CosignerKeys::new(self.accounts().get(name)?.keys.cosigner)))
        };
        Confirmation {
            epoch,
            repaired: None,
            index,
            members: able.filter_map(key).collect(),
            needed: cosignatures_for_final(before.members.len(), usize::from(before.min_signers)),
            confirmed: None,
        }
    }

    /// Lets the new cosigner key of an account that replaced its own keys count from the next size
    /// on: what it cosigns with that key proves what it saw before.
    pub(in crate::state) fn add_cosigner_key(
        &mut self,
        name: &AccountName,
        former: PublicKey,
        present: PublicKey,
    ) {
        let from = self.size() + 1;
        let confirmations = self.groups.values_mut().flat_map(|group| &mut group.confirmations);
        for it in confirmations.filter(|it| it.confirmed.is_none()) {
            if let Some(keys) = it.members.get_mut(name) {
                keys.replace(former, present, from);
            }
        }
    }

    /// The coordinator proves that the previous members cosigned a log with the change. Only nodes
    /// and auditors check that it is this log, because the fold does not know the tree.
    pub(in crate::state) fn change_confirmed(
        &mut self,
        name: &GroupName,
        epoch: u64,
        checkpoint: &str,
    ) -> Result<Vec<Event>, Refusal> {
        let origin = self.origin();
        let refused = || Refusal::Confirmations(Confirmations::Checkpoint);
        let log = self.log_verifier().ok_or_else(refused)?;
        let checkpoint = VerifiedCheckpoint::from_note(checkpoint, &log).map_err(|_| refused())?;
        let size = checkpoint.head().size;
        let (now, group) = (self.size(), self.group_mut(name)?);
        let mut waiting = group
            .confirmations
            .iter_mut()
            .filter(|confirmation| confirmation.epoch == epoch && confirmation.confirmed.is_none())
            .peekable();
        if waiting.peek().is_none() {
            return Err(Confirmations::NoConfirmation { group: name.clone(), epoch }.into());
        }
        let proved = waiting.filter(|confirmation| {
            let covers = confirmation.index < size && size <= now;
            covers && confirmation.cosigners(&origin, &checkpoint).len() >= confirmation.needed
        });
        let mut confirmed = 0;
        for confirmation in proved {
            confirmation.confirmed = Some(size);
            confirmed += 1;
        }
        if confirmed == 0 { Err(refused()) } else { Ok(Vec::new()) }
    }
}
