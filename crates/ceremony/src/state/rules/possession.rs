//! Which members can use their shares: their proofs, and how the state of an account affects its
//! shares.

use crate::names::{AccountName, GroupName};
use crate::state::model::key::{Unable, possession_context};
use crate::state::model::request::Status;
use crate::state::model::turn::Turn;
use crate::state::refusal::{Changes, Entries, Groups, Possession, Refusal, Sessions};
use crate::state::{Event, IvnState};

impl IvnState {
    pub(in crate::state) fn share_proved(
        &mut self,
        author: &AccountName,
        name: &GroupName,
        epoch: u64,
        proof: &[u8],
        turn: Turn,
    ) -> Result<Vec<Event>, Refusal> {
        let ivn = self.ivn;
        let group = self.group_mut(name)?;
        group.check_in_use()?;
        let key = group.key.as_ref().ok_or_else(|| Groups::NoKey { group: name.clone() })?;
        if key.epoch != epoch {
            let current = key.epoch;
            return Err(Changes::OtherEpoch { group: name.clone(), asked: epoch, current }.into());
        }
        let identifier = key.identifiers.get(author).filter(|_| group.has_say(author));
        let identifier = *identifier.ok_or_else(|| {
            Refusal::Groups(Groups::NoShare { account: author.clone(), group: name.clone() })
        })?;
        if key.proofs.get(author).is_some_and(|last| turn <= *last) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        let context = possession_context(ivn, name, epoch, author, turn.at);
        if !key.public.verifies_possession(identifier, context.as_bytes(), proof) {
            return Err(Sessions::BadSignature.into());
        }
        group.state_proof(author, turn);
        Ok(vec![Event::ShareProved(name.clone())])
    }

    pub(in crate::state) fn share_destroyed(
        &mut self,
        author: &AccountName,
        name: &GroupName,
        epoch: u64,
    ) -> Result<Vec<Event>, Refusal> {
        let group = self.group_mut(name)?;
        let past = group.past_epochs.iter_mut().rev().find(|past| past.epoch == epoch);
        let past = past.ok_or_else(|| {
            Refusal::Possession(Possession::NotAPastEpoch { group: name.clone(), epoch })
        })?;
        if past.destroyed.contains(author) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        if !past.is_owed_by(author) {
            return Err(Groups::NotAMember { account: author.clone(), group: name.clone() }.into());
        }
        past.destroyed.insert(author.clone());
        Ok(vec![Event::ShareDestroyed(name.clone())])
    }

    /// Takes an account's vote in all its groups.
    pub(in crate::state) fn disable(&mut self, name: &AccountName, why: Unable) -> Vec<Event> {
        let mut events = Vec::new();
        for group in self.groups.values_mut() {
            let ran = group.session.is_some();
            if group.disable(name, why) {
                let name = group.definition.name.clone();
                let closed = ran && group.session.is_none();
                events.push(match closed {
                    true => Event::CeremonyAborted(name),
                    false => Event::Change(name),
                });
            }
        }
        events.extend(self.void_consents(name));
        events
    }

    /// Restores the vote after a suspension. Void approvals stay void.
    pub(in crate::state) fn enable(&mut self, name: &AccountName) {
        for group in self.groups.values_mut() {
            if let Some(key) = &mut group.key
                && key.unable.get(name) == Some(&Unable::Suspended)
            {
                key.unable.remove(name);
            }
        }
    }

    /// This account's votes on undecided requests do not count any more.
    fn void_consents(&mut self, name: &AccountName) -> Vec<Event> {
        let undecided = self
            .requests
            .values_mut()
            .filter(|state| matches!(state.status, Status::Open | Status::Approved));
        let mut events = Vec::new();
        for state in undecided {
            let said = state.approvals.remove(name) | state.refusals.remove(name).is_some();
            if said {
                if state.missing_approvals() > 0 {
                    state.set(Status::Open, state.at);
                }
                events.push(Event::RequestVoted(state.id));
            }
        }
        events
    }
}
