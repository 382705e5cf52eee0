//! What there is besides processes: disks, documents, and everybody's secrets. What the invariants look at.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::names::{AccountName, Digest, EntryId, SessionId};
use quorate_ceremony::signing::{SignedPart, SigningSession, Subject};

use crate::reference::Reference;
use quorate_ceremony::test_world::{CoordinatorDisk, NodeDisk};

/// One account's secrets, from which its keys are made anew for each process.
pub(crate) struct Secrets {
    pub(crate) identity: [u8; 32],
    pub(crate) cosigner: [u8; 32],
    pub(crate) invitation: [u8; 32],
}

impl Secrets {
    pub(crate) fn account(&self) -> AccountSecrets {
        AccountSecrets {
            identity: SecretKey::from_seed(&self.identity),
            cosigner: SecretKey::from_seed(&self.cosigner),
        }
    }

    /// The key that an admin hands to the person, outside of everything that is simulated.
    pub(crate) fn invitation(&self) -> SecretKey {
        SecretKey::from_seed(&self.invitation)
    }
}

/// Everything that outlives processes.
pub(crate) struct World {
    /// All accounts; the admin first, then the other members, then the outsider.
    pub(crate) names: Vec<AccountName>,
    pub(crate) secrets: BTreeMap<AccountName, Secrets>,
    pub(crate) disks: BTreeMap<AccountName, NodeDisk>,
    pub(crate) coordinator: CoordinatorDisk,
    pub(crate) reference: Reference,
    /// What is to be signed for each document.
    pub(crate) documents: BTreeMap<Digest, Vec<u8>>,
    /// What the coordinator told a node that it would not take.
    pub(crate) rejected: BTreeSet<(AccountName, EntryId)>,
    /// Statements that die with the process that made them.
    pub(crate) volatile: BTreeSet<EntryId>,
    /// What each signing session is for.
    pub(crate) subjects: BTreeMap<SessionId, Subject>,
    /// The commitments that a node was last sent to sign with.
    pub(crate) packages: BTreeMap<(AccountName, SessionId), Vec<(AccountName, SignedPart)>>,
    /// Whose disk has lost its share of the key.
    pub(crate) lost: BTreeSet<AccountName>,
    /// Who does not keep to the rules. Nobody may be blamed but these.
    pub(crate) malicious: BTreeSet<AccountName>,
}

impl World {
    /// Remembers what the coordinator tells a node about a signing session.
    pub(crate) fn note_signing(&mut self, to: &AccountName, message: &FromCoordinator) {
        match message {
            FromCoordinator::Invite { session, subject } => {
                self.subjects.insert(*session, *subject);
            }
            FromCoordinator::Package { session, commitments } => {
                self.packages.insert((to.clone(), *session), commitments.clone());
            }
            _ => {}
        }
    }

    /// The session and the set of commitments that this node's share is for.
    pub(crate) fn package_of(
        &self,
        by: &AccountName,
        session: SessionId,
    ) -> Option<(SigningSession, Digest)> {
        let state = &self.reference.state;
        let subject = *self.subjects.get(&session)?;
        let context = SigningSession {
            ivn: state.ivn(),
            session,
            epoch: state.epoch_of(subject).unwrap_or(1),
            subject,
        };
        let mut commitments = BTreeMap::new();
        for (account, signed) in self.packages.get(&(by.clone(), session))? {
            let group = state.groups().values().find(|group| group.identifier(account).is_some());
            let opened = context.open_commitments(account, state.identity_key(account)?, signed);
            commitments.insert(group?.identifier(account)?, opened.ok()?);
        }
        Some((context, context.package(&commitments)))
    }

    pub(crate) fn disk(&self, account: &AccountName) -> Option<&NodeDisk> {
        self.disks.get(account)
    }
}
