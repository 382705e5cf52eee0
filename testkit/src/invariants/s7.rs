//! S7: reshares.

use std::collections::BTreeMap;

use quorate_ceremony::effect::NodeChange;
use quorate_ceremony::entry::Body;
use quorate_ceremony::names::{AccountName, GroupName};
use quorate_protocol::keys::{KeyPackage, VerifyingKey};

use super::{Invariant, Seen, Violation};
use crate::world::World;

/// All keys that were ever in use.
#[derive(Default)]
pub(crate) struct Epochs {
    keys: BTreeMap<GroupName, (u64, VerifyingKey)>,
}

impl Epochs {
    /// S7: "a reshare keeps the verifying key", and epochs follow one another.
    pub(crate) fn s7_a_reshare_keeps_the_key(
        &mut self,
        world: &World,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        let Seen::Appended(entry) = seen else { return Ok(()) };
        let Body::EpochStarted { session, .. } = &entry.statement().body else { return Ok(()) };
        let group = world.reference.state.group_of_session(*session);
        let Some((group, key)) = group.and_then(|group| Some((group, group.key.as_ref()?))) else {
            return Err(Invariant::S7.broken("an epoch without a group or key"));
        };
        let verifying_key = key.public.verifying_key().clone();
        let name = group.definition.name.clone();
        match self.keys.insert(name, (key.epoch, verifying_key.clone())) {
            None => Ok(()),
            Some((epoch, former)) => {
                Invariant::S7.check(former == verifying_key, || "the key is another".to_owned())?;
                Invariant::S7.check(key.epoch == epoch + 1, || "an epoch is left out".to_owned())
            }
        }
    }
}

/// S7: "old shares are destroyed only after the new epoch is certified and read back; a failed
/// reshare leaves the old epoch signing".
///
/// When a share is destroyed, it is not in use, and the disk of every member that should hold a
/// share in use has that share. So the group can sign whichever process dies now. Members destroy
/// the shares of a retired group, which signs nothing any more.
pub(crate) fn s7_old_shares_are_destroyed_only_after_new_ones_are_in_use(
    world: &World,
    seen: &Seen<'_>,
) -> Result<(), Violation> {
    let Seen::NodeStored(by, NodeChange::ShareDestroyed(session)) = seen else { return Ok(()) };
    let group = world.reference.state.group_of_session(*session);
    if group.is_some_and(|group| group.retirement().is_some()) {
        return Ok(());
    }
    let Some(key) = group.and_then(|group| group.key.as_ref()) else {
        return Err(Invariant::S7.broken(format!("{by} destroys a share and there is no key")));
    };
    Invariant::S7
        .check(key.session != *session, || format!("{by} destroys a share that is in use"))?;
    let honest = key.identifiers.keys().filter(|name| !world.malicious.contains(*name));
    for holder in honest.filter(|name| !world.lost.contains(*name)) {
        Invariant::S7.check(holds(world, holder), || {
            format!("{by} destroys a share while {holder} has none that is in use")
        })?;
    }
    Ok(())
}

/// Whether this account's disk has a share of every key of which it should hold one.
fn holds(world: &World, holder: &AccountName) -> bool {
    let keys = world.reference.state.groups().values().filter_map(|group| group.key.as_ref());
    let mut held = keys.filter(|key| key.identifiers.contains_key(holder));
    held.all(|key| {
        let bytes = world.disk(holder).and_then(|disk| disk.packages.get(&key.session));
        bytes
            .and_then(|bytes| KeyPackage::from_bytes(bytes).ok())
            .is_some_and(|package| package.check(&key.public).is_ok())
    })
}
