//! What a node does by itself from time to time: it shows that it can use its shares, asks for new ones where the group's
//! policy says how often, and notices that a copy of it runs.

use rand_core::CryptoRngCore;

use super::Node;
use crate::effect::{NodeDeadline, NodeEffect};
use crate::encoding::Base64;
use crate::names::{Digest, GroupName, Timestamp};
use crate::state::{ChangeEnd, possession_context};
use crate::statement::{Body, GroupChange};

/// How long after the last thing that showed that this node has its share it shows it again, in milliseconds: a day. What
/// is signed shows it too, so a group that signs daily costs nothing.
pub(super) const PROVE_AFTER: u64 = 24 * 3_600_000;
/// How long a node waits before it looks again at what it has just seen to, and at the most before it looks whether
/// anything is due, in milliseconds: an hour. What is due may be far away only by a clock that was wrong, and is right again
/// by then; and who counts the milliseconds may not count those that a machine slept.
pub(super) const PAUSE: u64 = 3_600_000;
/// How long the members before this one have to ask for new shares, each, in milliseconds: ten minutes.
pub(super) const TURN: u64 = 600_000;
/// How much later new shares are asked for again after they could not be made, in milliseconds: a day.
pub(super) const RETRY: u64 = 24 * 3_600_000;

impl Node {
    /// Sees to what is due, and says when to look again.
    pub(super) fn upkeep(
        &mut self,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        if self.frozen() || !self.is_announced() {
            return;
        }
        let groups: Vec<GroupName> = self.state.groups().keys().cloned().collect();
        let mut dues = Vec::new();
        for name in groups {
            let mut proof = self.proof_is_due(&name);
            if proof.is_some_and(|due| due <= now) {
                self.prove_share(&name, now, rng, out);
                proof = Some(now.plus(PAUSE));
            }
            let mut refresh = self.refresh_is_due(&name);
            if refresh.is_some_and(|due| due <= now) {
                self.ask_for_new_shares(&name, now, out);
                refresh = Some(now.plus(PAUSE));
            }
            dues.extend([proof, refresh].into_iter().flatten());
        }
        if let Some(next) = dues.into_iter().min() {
            let next = next.min(now.plus(PAUSE));
            out.push(NodeEffect::SetDeadline(NodeDeadline::Upkeep, next));
        }
    }

    /// When this node is to show again that it can use its share of the group's key; never if it can not.
    fn proof_is_due(&self, name: &GroupName) -> Option<Timestamp> {
        let group = self.state.group(name).ok()?;
        let key = group.key.as_ref()?;
        let able = group.has_say(&self.account) && self.usable_package(group).is_some();
        let proved = key.proved.get(&self.account).copied().unwrap_or(key.activated);
        able.then(|| proved.plus(PROVE_AFTER))
    }

    fn prove_share(
        &mut self,
        name: &GroupName,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        let Ok(group) = self.state.group(name) else { return };
        let (Some(key), Some(package)) = (&group.key, self.usable_package(group)) else { return };
        let epoch = key.epoch;
        if self.is_stating(|body| matches!(body, Body::ShareProved { group, .. } if group == name))
        {
            return;
        }
        let context = possession_context(self.state.ivn(), name, epoch, &self.account, now);
        let Some(proof) = package.prove(context.as_bytes(), rng) else { return };
        let proof = Base64(proof);
        self.state_in_log(Body::ShareProved { group: name.clone(), epoch, proof }, now, out);
    }

    /// When this node is to ask for new shares; never if the policy does not say so, or a change is pending. Members take
    /// turns, so that not all of them ask.
    fn refresh_is_due(&self, name: &GroupName) -> Option<Timestamp> {
        let group = self.state.group(name).ok()?;
        let key = group.key.as_ref()?;
        let due = group.refresh_due()?;
        let members = &group.definition.members;
        let turn = members.iter().position(|member| *member == self.account)?;
        let lapsed = match &group.change {
            Some(change) if !change.lapsed(self.state.time()) => return None,
            Some(change) => Some(change.proposal.expires_at.plus(RETRY)),
            None => None,
        };
        // Somebody has to decide first: views say so, and what.
        if !group.hinder_refresh().is_empty() {
            return None;
        }
        // Refreshes that came to nothing by themselves: what somebody took back delays nothing.
        let failed = group.past_changes.iter().filter(|past| {
            past.proposal.epoch == key.epoch
                && past.proposal.definition == group.definition
                && matches!(past.end, ChangeEnd::Failed(_) | ChangeEnd::Lapsed)
        });
        let failed = u64::try_from(failed.count()).unwrap_or(u64::MAX);
        let turn = u64::try_from(turn).unwrap_or(u64::MAX).saturating_mul(TURN);
        let later = failed.saturating_mul(RETRY).saturating_add(turn);
        let due = due.plus(later);
        Some(lapsed.map_or(due, |lapsed| lapsed.max(due)))
    }

    fn ask_for_new_shares(&mut self, name: &GroupName, now: Timestamp, out: &mut Vec<NodeEffect>) {
        let Ok(group) = self.state.group(name) else { return };
        let Some(key) = &group.key else { return };
        let definition = group.definition.clone();
        let expires_at = now.plus(definition.policy.rule.expiry);
        let proposal = GroupChange { epoch: key.epoch, definition, expires_at, repairs: None };
        if !self.is_stating(
            |body| matches!(body, Body::GroupChange(change) if change.definition.name == *name),
        ) {
            self.state_in_log(Body::GroupChange(proposal), now, out);
        }
    }

    /// Whether the log shows that this process is the account's latest, and no copy of it runs. Only then does it sign: so
    /// a node that was restored from a backup signs when the log shows that it may, and the node that it replaces, if that
    /// still runs, stops.
    pub(super) fn is_announced(&self) -> bool {
        self.state.account(&self.account).is_ok_and(|account| {
            account.incarnation == Some(self.incarnation) && !account.duplicated
        })
    }

    /// A process of this account's node started, says the log.
    pub(super) fn note_start(&mut self, incarnation: Digest) {
        if incarnation == self.incarnation {
            self.announced = true;
        } else if self.announced && !self.former.contains(&incarnation) {
            self.copy = Some(incarnation);
        }
    }

    /// Says so in the log if a copy of this node started after it: whichever of the two the account holder means to use, it
    /// does not know of the other.
    pub(super) fn look_for_copies(&mut self, now: Timestamp, out: &mut Vec<NodeEffect>) {
        let Some(other) = self.copy else { return };
        let known = self.state.account(&self.account).is_ok_and(|account| {
            account.duplicated || account.incarnation != Some(other) || account.suspended
        });
        let incarnation = self.incarnation;
        let body = Body::NodeDuplicated { incarnation, other };
        if !known && !self.is_stating(|said| *said == body) {
            self.state_in_log(body, now, out);
        }
    }

    /// Whether a copy of this node runs, as far as the log shows: then it says nothing by itself any more, since what it
    /// knows may not be all that its holder said, and cosigns nothing, since the copy may be shown another log.
    pub(super) fn is_doubled(&self) -> bool {
        self.announced && !self.is_announced()
    }

    /// Whether a copy of this node was seen to start after it: this process signs nothing any more.
    pub fn superseded(&self) -> bool {
        self.copy.is_some()
    }
}
