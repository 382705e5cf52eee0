//! S6: key generation, reshares and repairs.

use std::collections::BTreeMap;

use quorate_ceremony::entry::{AbortReason, Body, Entry};
use quorate_ceremony::message::FromNode;
use quorate_ceremony::names::{AccountName, SessionId};
use quorate_ceremony::state::ChangeEnd;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};

use super::{Invariant, Seen, Violation};
use crate::world::World;

/// The keys that were generated.
#[derive(Default)]
pub(crate) struct Ceremonies {
    /// The public key package of each session, as its board had it before the epoch started.
    keys: BTreeMap<SessionId, PublicKeyPackage>,
}

impl Ceremonies {
    /// S6: "a DKG ends with one key certified by all participants, or with a logged abort".
    ///
    /// A node certifies only after its share is on its disk. When an epoch starts, each participant
    /// has certified the same transcript and key, and its disk holds a share of exactly that key.
    pub(crate) fn s6_a_key_is_certified_by_all_who_hold_it(
        &mut self,
        world: &World,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        match seen {
            Seen::NodeSent(by, FromNode::Submit { entry }, _) => {
                let Ok(entry) = Entry::from_bytes(&entry.0) else { return Ok(()) };
                let Body::CeremonyCertified { session, .. } = &entry.statement().body else {
                    return Ok(());
                };
                // A repeated certification of a session that is over has no effect, and the share
                // may be destroyed by now.
                let group = world.reference.state.group_of_session(*session);
                let running = group.and_then(|group| group.session.as_ref());
                // A repaired share is one of the shares that an earlier session made.
                let repairs = running.is_some_and(|running| running.terms.repairs().is_some());
                let key = group.and_then(|group| group.key.as_ref()).filter(|_| repairs);
                let made_by = key.map_or(*session, |key| key.session);
                let stored =
                    world.disk(by).is_some_and(|disk| disk.packages.contains_key(&made_by));
                let over = running.is_none_or(|running| running.session != *session);
                Invariant::S6.check(stored || over, || {
                    format!("{by} certifies a share that is not on its disk")
                })
            }
            Seen::Appended(entry) => match &entry.statement().body {
                Body::EpochStarted { session, .. } => self.epoch_started(world, *session),
                Body::CeremonyCertified { session, .. } => repaired(world, *session),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn epoch_started(&mut self, world: &World, session: SessionId) -> Result<(), Violation> {
        let state = &world.reference.state;
        let group = state.group_of_session(session);
        let (Some(group), Some(key)) = (group, group.and_then(|group| group.key.as_ref())) else {
            return Err(Invariant::S6.broken("an epoch without a group or key"));
        };
        let certificates = world.reference.certificates.get(&session);
        let certificates = certificates.cloned().unwrap_or_default();
        let first = certificates.values().next();
        for member in &group.definition.members {
            Invariant::S6.check(certificates.get(member) == first && first.is_some(), || {
                format!("{member} did not certify the key that is now in use")
            })?;
            let known = !world.malicious.contains(member);
            Invariant::S6.check(!known || holds(world, member, session, &key.public), || {
                format!("{member} has no share of the key that is now in use on its disk")
            })?;
        }
        let other = self.keys.insert(session, key.public.clone());
        Invariant::S6.check(other.is_none_or(|other| other == key.public), || {
            "one session made two keys".to_owned()
        })
    }
}

/// When a repair is over, the lost share is on its owner's disk and belongs to the current key.
fn repaired(world: &World, session: SessionId) -> Result<(), Violation> {
    let group = world.reference.state.group_of_session(session);
    let Some(group) = group.filter(|group| group.session.is_none()) else { return Ok(()) };
    let Some(past) = group.past_changes.last() else { return Ok(()) };
    let (ChangeEnd::Repaired { .. }, Some(member), Some(key)) =
        (&past.end, &past.proposal.repairs, &group.key)
    else {
        return Ok(());
    };
    let known = !world.malicious.contains(member);
    Invariant::S6.check(!known || holds(world, member, key.session, &key.public), || {
        format!("{member} certified a share that is not again on its disk")
    })
}

fn holds(
    world: &World,
    member: &AccountName,
    session: SessionId,
    public: &PublicKeyPackage,
) -> bool {
    let bytes = world.disk(member).and_then(|disk| disk.packages.get(&session));
    bytes
        .and_then(|bytes| KeyPackage::from_bytes(bytes).ok())
        .is_some_and(|package| package.check(public).is_ok())
}

/// S6: "… names culprits (or dissenters) — and never names an innocent one".
pub(crate) fn s6_nobody_innocent_is_blamed(
    world: &World,
    seen: &Seen<'_>,
) -> Result<(), Violation> {
    let Seen::Appended(entry) = seen else { return Ok(()) };
    let Body::CeremonyAborted { reason, .. } = &entry.statement().body else { return Ok(()) };
    match reason {
        AbortReason::Fault { culprits: blamed } | AbortReason::Dissent { dissenters: blamed } => {
            let innocent: Vec<_> = blamed.difference(&world.malicious).collect();
            Invariant::S6.check(innocent.is_empty() && !blamed.is_empty(), || {
                format!("{innocent:?} of {blamed:?} are blamed and did nothing wrong")
            })
        }
        AbortReason::TimedOut { .. }
        | AbortReason::Restarted { .. }
        | AbortReason::RosterChanged { .. }
        | AbortReason::Cancelled => Ok(()),
    }
}
