//! Ways to break the system on purpose, to prove that the checks can fail.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_ceremony::coordinator::CoordinatorSecrets;
use quorate_ceremony::effect::{CoordinatorEffect, NodeChange, NodeEffect};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, SessionId};
use quorate_ceremony::signing::SignedPart;

use crate::reference::START;
use crate::world::{Secrets, World};
use quorate_ceremony::test_world::NodeDisk;

/// A way to break the system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sabotage {
    /// Nodes release a second share of each nonce pair.
    SecondShare,
    /// Nodes write to their disks after they have sent.
    PersistLate,
    /// Nodes do not record that they released a share.
    ForgetReleased,
    /// Nodes do not record their shares of the key.
    ForgetPackage,
    /// Nodes do not record the log.
    ForgetEntries,
    /// Nodes record neither the log nor what they cosign, and do not cosign.
    ForgetLog,
    /// Nodes record a different log.
    RewriteLog,
    /// Nodes do not record what they are about to state.
    ForgetStatements,
    /// Nodes immediately remove their statements from the outbox.
    DropStatements,
    /// Nodes destroy their old shares before the new ones are in use.
    DestroyEarly,
    /// Nodes state that they destroyed shares, and keep them.
    KeepShares,
    /// Nodes send their share of the key.
    LeakShare,
    /// Nodes release signature shares without a cosignature.
    NoCosignature,
    /// Nodes release signature shares with a cosignature on a checkpoint from before the request.
    OldCosignature,
    /// Nodes always cosign the first checkpoint.
    CosignOther,
    /// Nodes send garbage in the DKG, so that they are blamed.
    Rubbish,
    /// Nodes approve key generations about which they should complain.
    Complacent,
    WrongSignature,
    /// The coordinator never sends the sets of commitments.
    LosePackages,
    /// Nodes' disks are damaged while they are off.
    DamageDisk,
}

impl Sabotage {
    pub(super) fn of_disk(self, disk: &mut NodeDisk) {
        if self == Self::DamageDisk
            && disk.entries.len() > 1
            && let Some(byte) = disk.entries.last_mut().and_then(|entry| entry.last_mut())
        {
            *byte ^= 1;
        }
    }

    pub(super) fn of_node(
        self,
        account: &AccountName,
        secrets: &Secrets,
        world: &World,
        effects: &mut Vec<NodeEffect>,
    ) {
        match self {
            Self::PersistLate => {
                effects.sort_by_key(|effect| matches!(effect, NodeEffect::Persist(_)));
            }
            Self::ForgetReleased => {
                forget(effects, |change| matches!(change, NodeChange::Released(_)));
            }
            Self::ForgetPackage => {
                forget(effects, |change| matches!(change, NodeChange::KeyPackage { .. }));
            }
            Self::KeepShares => {
                forget(effects, |change| matches!(change, NodeChange::ShareDestroyed(_)));
            }
            Self::ForgetEntries => {
                forget(effects, |change| matches!(change, NodeChange::Entries { .. }));
            }
            Self::ForgetLog => {
                forget(effects, |change| {
                    matches!(change, NodeChange::Entries { .. } | NodeChange::Cosigned { .. })
                });
                effects
                    .retain(|effect| !matches!(effect, NodeEffect::Send(FromNode::Cosign { .. })));
            }
            Self::ForgetStatements => {
                forget(effects, |change| matches!(change, NodeChange::OutboxAdd(_)));
            }
            _ => {
                let replaced = std::mem::take(effects);
                effects.extend(
                    replaced
                        .into_iter()
                        .flat_map(|effect| self.of_effect(account, secrets, world, effect)),
                );
            }
        }
    }

    fn of_effect(
        self,
        account: &AccountName,
        secrets: &Secrets,
        world: &World,
        effect: NodeEffect,
    ) -> Vec<NodeEffect> {
        match (self, effect) {
            (
                Self::SecondShare,
                NodeEffect::Send(FromNode::Share { session, share, size, cosignature }),
            ) => {
                let key = secrets.account().identity;
                let second = other_share(world, account, &key, session, &share)
                    .unwrap_or_else(|| share.clone());
                let again = FromNode::Share {
                    session,
                    share: second,
                    size,
                    cosignature: cosignature.clone(),
                };
                let first = FromNode::Share { session, share, size, cosignature };
                vec![NodeEffect::Send(first), NodeEffect::Send(again)]
            }
            (Self::RewriteLog, NodeEffect::Persist(NodeChange::Entries { first, mut entries })) => {
                if let Some(byte) = entries.last_mut().and_then(|entry| entry.last_mut()) {
                    *byte ^= 1;
                }
                vec![NodeEffect::Persist(NodeChange::Entries { first, entries })]
            }
            (Self::DropStatements, NodeEffect::Persist(NodeChange::OutboxAdd(entry))) => {
                let id = entry.id();
                let add = NodeEffect::Persist(NodeChange::OutboxAdd(entry));
                vec![add, NodeEffect::Persist(NodeChange::OutboxRemove(id))]
            }
            (
                Self::DestroyEarly,
                NodeEffect::Persist(NodeChange::KeyPackage { session, package }),
            ) => {
                let old = world.disk(account).into_iter().flat_map(|disk| disk.packages.keys());
                let gone = |old: &SessionId| NodeEffect::Persist(NodeChange::ShareDestroyed(*old));
                let mut early: Vec<NodeEffect> = old.map(gone).collect();
                early.push(NodeEffect::Persist(NodeChange::KeyPackage { session, package }));
                early
            }
            (Self::LeakShare, NodeEffect::Persist(NodeChange::KeyPackage { session, package })) => {
                let cosignature = STANDARD.encode(package.to_bytes().as_slice());
                let leak = NodeEffect::Send(FromNode::Cosign { size: 0, cosignature });
                vec![leak, NodeEffect::Persist(NodeChange::KeyPackage { session, package })]
            }
            (
                Self::NoCosignature,
                NodeEffect::Send(FromNode::Share { session, share, size, .. }),
            ) => {
                let cosignature = String::new();
                vec![NodeEffect::Send(FromNode::Share { session, share, size, cosignature })]
            }
            (
                Self::OldCosignature,
                NodeEffect::Send(FromNode::Share { session, share, size, cosignature }),
            ) => {
                let (size, cosignature) =
                    first_cosignature(account, secrets, world).unwrap_or((size, cosignature));
                vec![NodeEffect::Send(FromNode::Share { session, share, size, cosignature })]
            }
            (Self::CosignOther, NodeEffect::Send(FromNode::Cosign { size, cosignature })) => {
                let cosignature = first_cosignature(account, secrets, world)
                    .map_or(cosignature, |(_, cosignature)| cosignature);
                vec![NodeEffect::Send(FromNode::Cosign { size, cosignature })]
            }
            (
                Self::Rubbish | Self::Complacent,
                NodeEffect::Persist(NodeChange::OutboxAdd(entry)),
            ) => {
                let entry =
                    self.other_message(&entry, &secrets.account().identity).unwrap_or(entry);
                vec![NodeEffect::Persist(NodeChange::OutboxAdd(entry))]
            }
            (Self::Rubbish | Self::Complacent, NodeEffect::Send(FromNode::Submit { entry })) => {
                let changed = Entry::from_bytes(&entry.0)
                    .ok()
                    .and_then(|entry| self.other_message(&entry, &secrets.account().identity));
                let entry = changed.map_or(entry, |entry| Base64(entry.to_bytes()));
                vec![NodeEffect::Send(FromNode::Submit { entry })]
            }
            (_, effect) => vec![effect],
        }
    }

    fn other_message(self, entry: &Entry, key: &SecretKey) -> Option<Entry> {
        let mut statement = entry.statement().clone();
        let Body::CeremonyMessage { message, .. } = &mut statement.body else { return None };
        match (self, message.0.as_slice()) {
            (Self::Rubbish, _) => message.0 = vec![0xFF],
            // The view without complaints.
            (Self::Complacent, [3, ..]) => {
                message.0.truncate(33);
                message.0.extend([0, 0]);
            }
            _ => {}
        }
        Entry::sign(statement, &[key]).ok()
    }

    pub(super) fn of_coordinator(
        self,
        secrets: &CoordinatorSecrets,
        effects: &mut Vec<CoordinatorEffect>,
    ) {
        if self == Self::LosePackages {
            effects.retain(|effect| {
                !matches!(effect, CoordinatorEffect::Send(_, FromCoordinator::Package { .. }))
            });
        }
        if self == Self::WrongSignature {
            for effect in effects {
                if let CoordinatorEffect::Append { entry, .. } = effect
                    && let Some(wrong) = wrong_signature(entry, &secrets.identity)
                {
                    *entry = wrong;
                }
            }
        }
    }
}

fn forget(effects: &mut Vec<NodeEffect>, what: impl Fn(&NodeChange) -> bool) {
    effects.retain(|effect| !matches!(effect, NodeEffect::Persist(change) if what(change)));
}

/// Returns the same signed message with a different share in it.
pub(super) fn other_share(
    world: &World,
    by: &AccountName,
    key: &SecretKey,
    session: SessionId,
    signed: &SignedPart,
) -> Option<SignedPart> {
    let (context, place) = world.package_of(by, session)?;
    let mut bytes = signed.value_unverified().to_vec();
    *bytes.first_mut()? ^= 1;
    Some(context.sign(by, key, place, bytes))
}

/// Returns the account's cosignature on the oldest checkpoint.
fn first_cosignature(
    account: &AccountName,
    secrets: &Secrets,
    world: &World,
) -> Option<(u64, String)> {
    let (size, checkpoint) = world.reference.checkpoints.first_key_value()?;
    let cosigner = secrets.account().cosigner_of(&world.reference.state.origin(), account)?;
    let time = (START / 1000).try_into().ok()?;
    Some((*size, cosigner.cosign(checkpoint, time).to_string()))
}

fn wrong_signature(entry: &Entry, key: &SecretKey) -> Option<Entry> {
    let mut statement = entry.statement().clone();
    let Body::Signature { signature, .. } = &mut statement.body else { return None };
    // Change the point. The scalar has to be the sum of the shares, which the log's rules ensure.
    *signature.0.first_mut()? ^= 1;
    Entry::sign(statement, &[key]).ok()
}
