//! Who of a group's members can use its share, as far as the log shows.
//!
//! A member can be *unable*, by what the log says of its account; and it can be *silent*: nothing has shown for a while
//! that its node still has its share. Certifying, signing, and a proof of possession show it. The first is a rule:
//! who is unable has no say and deals no share. The second is for people, since it depends on the time. So is that a node
//! runs twice: neither copy signs, but its account keeps its say, and the next start of one of them ends it.

use std::fmt;

use super::change::ChangeEnd;
use super::group::Group;
use super::request::Status;
use super::{Event, IvnState, Refusal};
use crate::encoding::Encoder;
use crate::names::{AccountName, Digest, GroupName, IvnId, Timestamp};
use crate::statement::AbortReason;

/// For how long what showed that a node has its share is good, in milliseconds: three days.
pub const HEALTHY_FOR: u64 = 3 * 24 * 3_600_000;

/// Why a holder can not use its share, or must not.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Unable {
    /// An admin suspended its account.
    Suspended,
    /// An admin replaced its keys: the share is with whoever has the node that was there before.
    Replaced,
    /// It is not on the roster any more.
    Removed,
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suspended => "suspended",
            Self::Replaced => "lost its share with its former keys",
            Self::Removed => "removed from the roster",
        })
    }
}

/// What the log shows of a member's share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// It was shown lately that its node has it.
    Healthy {
        /// When.
        proved: Timestamp,
    },
    /// Nothing has shown that for longer than [`HEALTHY_FOR`].
    Silent {
        /// When it was shown last.
        proved: Timestamp,
    },
    /// Two copies of its node ran, and none has started anew since: neither signs.
    Doubled,
    /// It can not be used.
    Unable(Unable),
}

/// A group that would have too few healthy shares, or just enough.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shortfall {
    /// Which.
    pub group: GroupName,
    /// How many it takes to sign.
    pub min_signers: usize,
    /// How many there would be.
    pub healthy: usize,
}

/// What a proof that `account` can use its share is about. Without a time of its own it would be good for ever.
pub fn possession_context(
    ivn: IvnId,
    group: &GroupName,
    epoch: u64,
    account: &AccountName,
    at: Timestamp,
) -> Digest {
    Encoder::new("quorate/share-proof/v1")
        .field(1, ivn.as_bytes())
        .field(2, group.as_str())
        .field(3, epoch.to_be_bytes())
        .field(4, account.as_str())
        .field(5, at.0.to_be_bytes())
        .digest()
}

impl Group {
    /// Why this member can not use its share of the group's key, if it can not.
    pub fn unable(&self, name: &AccountName) -> Option<Unable> {
        self.key.as_ref()?.unable.get(name).copied()
    }

    /// Whether this account has a say: a member that can use its share, or, before there is a key, any member.
    pub fn has_say(&self, name: &AccountName) -> bool {
        self.has_member(name) && self.unable(name).is_none()
    }

    /// What the group's own entries show of each member's share at `now`; [`IvnState::health`] knows the roster, too.
    pub(super) fn health(&self, now: Timestamp) -> Vec<(&AccountName, Health)> {
        let Some(key) = &self.key else { return Vec::new() };
        let of = |name| {
            let proved = key.proved.get(name).copied().unwrap_or(key.activated);
            match key.unable.get(name) {
                Some(why) => Health::Unable(*why),
                None if now <= proved.plus(HEALTHY_FOR) => Health::Healthy { proved },
                None => Health::Silent { proved },
            }
        };
        self.definition.members.iter().map(|name| (name, of(name))).collect()
    }

    /// When the policy wants new shares made by themselves; never if it does not, or there is no key.
    pub fn refresh_due(&self) -> Option<Timestamp> {
        Some(self.key.as_ref()?.activated.plus(self.definition.policy.governance.refresh_every?))
    }

    /// Members who keep new shares from being made by themselves, since not everybody can get one without anybody's
    /// consent. Empty before there is a key.
    pub fn hinder_refresh(&self) -> Vec<(&AccountName, Unable)> {
        let members = self.definition.members.iter();
        members.filter_map(|name| Some((name, self.unable(name)?))).collect()
    }

    /// Something showed that these can use their shares.
    pub(super) fn note_proof<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a AccountName>,
        at: Timestamp,
    ) {
        let Some(key) = &mut self.key else { return };
        for name in names {
            let proved = key.proved.entry(name.clone()).or_insert(at);
            *proved = at.max(*proved);
        }
    }

    /// Takes the say of one who can not use its share any more. What its consents did so far is undone where it is
    /// undecided; a change that would give a share to somebody who is not who was approved is over. Whether anything in the
    /// group has changed by that.
    fn disable(&mut self, name: &AccountName, why: Unable) -> bool {
        let mut concerned = false;
        if let Some(key) = &mut self.key
            && key.identifiers.contains_key(name)
        {
            let known = key.unable.entry(name.clone()).or_insert(why);
            *known = why.max(*known);
            if why != Unable::Suspended {
                key.lost.insert(name.clone());
            }
            concerned = true;
        }
        if why != Unable::Suspended {
            concerned |= self.accepted.remove(name);
            // The others agreed to have a key together with whoever that was.
            if self.key.is_none() && self.has_member(name) {
                self.accepted.clear();
                concerned = true;
            }
            // Whether these copies are destroyed, nobody will ever say.
            for past in self.past_epochs.iter_mut().filter(|past| past.is_owed_by(name)) {
                past.lost.insert(name.clone());
            }
        }
        if let Some(ceremony) = &self.session
            && ceremony.terms.identifiers.contains_key(name)
        {
            self.close_session(AbortReason::RosterChanged { account: name.clone() });
            concerned = true;
        }
        let void = self
            .change
            .as_ref()
            .is_some_and(|change| change.gives_share_to(name) && why != Unable::Suspended);
        if void {
            self.end_change(ChangeEnd::Void { account: name.clone() });
            return true;
        }
        if let Some(mut change) = self.change.take() {
            change.approvals.remove(name);
            change.refusals.remove(name);
            change.accepted.remove(name);
            change.approved &= change.is_approved(self);
            self.change = Some(change);
        }
        concerned
    }
}

impl IvnState {
    /// What is known of each member's share at `now`, in the order of the definition. Empty before there is a key.
    pub fn health<'a>(&self, group: &'a Group, now: Timestamp) -> Vec<(&'a AccountName, Health)> {
        let doubled = |name| self.account(name).is_ok_and(|account| account.duplicated);
        let with_roster = |(name, health)| match health {
            Health::Healthy { .. } | Health::Silent { .. } if doubled(name) => {
                (name, Health::Doubled)
            }
            health => (name, health),
        };
        group.health(now).into_iter().map(with_roster).collect()
    }

    /// How many members' shares are healthy at `now`.
    pub fn healthy(&self, group: &Group, now: Timestamp) -> usize {
        let health = self.health(group, now).into_iter();
        health.filter(|(_, health)| matches!(health, Health::Healthy { .. })).count()
    }

    /// The groups that this account is a member of.
    pub fn groups_of(&self, name: &AccountName) -> impl Iterator<Item = &GroupName> {
        let of = self.groups.values().filter(move |group| group.has_member(name));
        of.map(|group| &group.definition.name)
    }

    /// The groups that this account would become a member of by a change that is pending.
    pub(super) fn groups_to_be_of(&self, name: &AccountName) -> impl Iterator<Item = &GroupName> {
        let pending = self.groups.values().filter(move |group| {
            group.change.as_ref().is_some_and(|change| change.gives_share_to(name))
        });
        pending.map(|group| &group.definition.name)
    }

    /// The groups that would have as few healthy shares as a signature takes, or fewer, at `now` without this member's.
    pub fn shortfalls(&self, without: &AccountName, now: Timestamp) -> Vec<Shortfall> {
        let of = |group: &Group| {
            let key = group.key.as_ref().filter(|_| group.has_member(without))?;
            let health = self.health(group, now).into_iter();
            let healthy = health.filter(|(name, health)| {
                *name != without && matches!(health, Health::Healthy { .. })
            });
            let healthy = healthy.count();
            let (group, min_signers) = (group.definition.name.clone(), key.min_signers());
            (healthy <= min_signers).then_some(Shortfall { group, min_signers, healthy })
        };
        self.groups.values().filter_map(of).collect()
    }

    /// Takes an account's say in all its groups.
    pub(super) fn disable(&mut self, name: &AccountName, why: Unable) -> Vec<Event> {
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

    /// Gives it back after a suspension. What was void stays void.
    pub(super) fn enable(&mut self, name: &AccountName) {
        for group in self.groups.values_mut() {
            if let Some(key) = &mut group.key
                && key.unable.get(name) == Some(&Unable::Suspended)
            {
                key.unable.remove(name);
            }
        }
    }

    /// This account's consents to undecided requests do not count any more.
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
                    state.status = Status::Open;
                }
                events.push(Event::RequestVoted(state.id));
            }
        }
        events
    }

    /// A member shows that its node can use its share.
    pub(super) fn share_proved(
        &mut self,
        author: &AccountName,
        name: &GroupName,
        epoch: u64,
        proof: &[u8],
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let ivn = self.ivn;
        let group = self.group_mut(name)?;
        let key = group.key.as_ref().ok_or_else(|| Refusal::NoKey { group: name.clone() })?;
        if key.epoch != epoch {
            let current = key.epoch;
            return Err(Refusal::OtherEpoch { group: name.clone(), asked: epoch, current });
        }
        let identifier = key.identifiers.get(author).filter(|_| group.has_say(author));
        let identifier = *identifier
            .ok_or_else(|| Refusal::NoShare { account: author.clone(), group: name.clone() })?;
        if key.proved.get(author).is_some_and(|proved| at <= *proved) {
            return Err(Refusal::AlreadySaid { account: author.clone() });
        }
        let context = possession_context(ivn, name, epoch, author, at);
        if !key.public.verifies_possession(identifier, context.as_bytes(), proof) {
            return Err(Refusal::BadSignature);
        }
        group.note_proof([author], at);
        Ok(vec![Event::ShareProved(name.clone())])
    }
}
