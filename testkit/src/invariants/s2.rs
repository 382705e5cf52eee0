//! S2: the gate.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::Body;
use quorate_ceremony::identity::cosigner_verifier;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, EntryId, SessionId};
use quorate_ceremony::signing::Subject;
use quorate_ceremony::test_world::{NodeDisk, message_of};
use quorate_log::checkpoint::CosignerSet;
use quorate_log::note::NoteSignature;
use quorate_protocol::signing::{self, Signature};

use super::{Invariant, Seen, Violation};
use crate::world::World;

/// The members that passed the gate, and the subjects for which they did.
#[derive(Default)]
pub(crate) struct Gate {
    subjects: BTreeMap<SessionId, Subject>,
    passed: BTreeMap<SessionId, BTreeSet<AccountName>>,
}

impl Gate {
    /// S2, first half: a share leaves only together with its member's cosignature on a checkpoint
    /// in which the request (or the new key) is approved, also by that member. That checkpoint is
    /// durable first.
    pub(crate) fn s2_no_share_leaves_before_the_gate(
        &mut self,
        world: &World,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        let (by, session, size, line) = match seen {
            Seen::CoordinatorSent(_, FromCoordinator::Invite { session, subject, .. }, _) => {
                self.subjects.insert(*session, *subject);
                return Ok(());
            }
            Seen::NodeSent(by, FromNode::Share { session, size, cosignature, .. }, _) => {
                (*by, *session, *size, cosignature)
            }
            _ => return Ok(()),
        };
        let cosigned = cosigns(world, by, size, line);
        Invariant::S2.check(cosigned.is_some(), || {
            format!(
                "{by} releases a share without a cosignature on the checkpoint of {size} entries"
            )
        })?;
        let durable = world.disk(by).map(NodeDisk::cosigned_size);
        Invariant::S2.check(durable.is_some_and(|stored| stored >= size), || {
            format!("{by} shows a cosignature that is not on its disk")
        })?;
        let reference = &world.reference;
        let (approved, theirs) = match self.subjects.get(&session) {
            Some(Subject::Request { request }) => (
                reference.approved_at.get(request),
                reference.consents.get(&(*request, by.clone())),
            ),
            Some(Subject::Activation { session }) => {
                let at = reference.certified_at.get(session);
                (at, at)
            }
            None => (None, None),
        };
        let in_time = |at: Option<&u64>| at.is_some_and(|at| *at <= size);
        Invariant::S2.check(in_time(approved) && in_time(theirs), || {
            format!("{by} releases a share for what is not approved in the first {size} entries")
        })?;
        self.passed.entry(session).or_default().insert(by.clone());
        Ok(())
    }

    /// S2: "no signature exists without a logged, sufficiently approved request in a checkpoint
    /// cosigned by its signers".
    ///
    /// Every signature in the log verifies, with different code than the code that made it, over
    /// the bytes that the document requires. All its signers passed the gate in that session, for
    /// that request.
    pub(crate) fn s2_no_signature_without_an_approved_request(
        &mut self,
        world: &World,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        let Seen::Appended(entry) = seen else { return Ok(()) };
        let Body::Signature { request, session, signature, signers } = &entry.statement().body
        else {
            return Ok(());
        };
        let subject = Subject::Request { request: *request };
        Invariant::S2.check(self.subjects.get(session) == Some(&subject), || {
            "a signature of a session for something else".to_owned()
        })?;
        let passed = self.passed.get(session);
        for signer in signers {
            Invariant::S2.check(
                passed.is_some_and(|passed| passed.contains(&signer.account))
                    || world.malicious.contains(&signer.account),
                || format!("{} is named as a signer and did not pass the gate", signer.account),
            )?;
        }
        verifies(world, *request, &signature.0, signers.len())
    }
}

/// Whether this line is the account's cosignature on the coordinator's checkpoint of that size.
pub(super) fn cosigns(world: &World, by: &AccountName, size: u64, line: &str) -> Option<()> {
    let state = &world.reference.state;
    let mut checkpoint = world.reference.checkpoints.get(&size)?.clone();
    let key = state.account(by).ok()?.keys.cosigner;
    let cosigner = cosigner_verifier(&state.origin(), by, &key)?;
    let line = line.parse::<NoteSignature>().ok()?;
    checkpoint.add_cosignature(&CosignerSet::new([cosigner]).ok()?, line).ok()?;
    Some(())
}

fn verifies(
    world: &World,
    request: EntryId,
    signature: &[u8],
    signers: usize,
) -> Result<(), Violation> {
    let unknown = |_| Invariant::S2.broken("a signature for nothing that the log knows");
    let state = world.reference.state.request(request).map_err(unknown)?;
    let group = world.reference.state.group(&state.request.group).map_err(unknown)?;
    Invariant::S2.check(signers >= usize::from(group.definition.min_signers), || {
        format!("{signers} signers are too few")
    })?;
    Invariant::S2.check(state.approvals.len() >= usize::from(state.approvals_required), || {
        "a signature with too few approvals".to_owned()
    })?;
    let good = || {
        let document = world.documents.get(&state.request.document)?;
        let key = group.key.as_ref()?.public.verifying_key();
        let signature = Signature::from_bytes(key.suite(), signature).ok()?;
        let number = state.signatures.iter().position(|it| it.signature == signature.as_bytes());
        let number = u8::try_from(number.unwrap_or(state.signatures.len())).ok()?;
        let message = message_of(document, &world.reference.state.to_sign(request, number)?);
        signing::verify(key, &message, &signature).ok()
    };
    Invariant::S2.check(good().is_some(), || "a signature in the log does not verify".to_owned())
}
