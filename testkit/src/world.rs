//! The world outside processes, which the invariants inspect: disks, documents and secrets.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::names::{AccountName, Digest, EntryId, SessionId};
use quorate_ceremony::signing::{Place, SignedPart, SigningSession, Subject};
use quorate_protocol::signing::Board;
use quorate_protocol::{Identifier, Suite};

use crate::reference::Reference;
use quorate_ceremony::test_world::{CoordinatorDisk, FIRST, NodeDisk};

/// One account's secrets, from which each process derives its keys again.
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

    /// Returns the key that an admin gives the person outside of the simulation.
    pub(crate) fn invitation(&self) -> SecretKey {
        SecretKey::from_seed(&self.invitation)
    }
}

/// Everything that outlives processes.
pub(crate) struct World {
    /// All accounts: the admin, then the other members, then the outsider.
    pub(crate) names: Vec<AccountName>,
    pub(crate) secrets: BTreeMap<AccountName, Secrets>,
    pub(crate) disks: BTreeMap<AccountName, NodeDisk>,
    pub(crate) coordinator: CoordinatorDisk,
    pub(crate) reference: Reference,
    /// The message to sign for each document.
    pub(crate) documents: BTreeMap<Digest, Vec<u8>>,
    /// The entries that the coordinator rejected, with the node it told.
    pub(crate) rejected: BTreeSet<(AccountName, EntryId)>,
    /// Statements that are lost with the process that made them.
    pub(crate) volatile: BTreeSet<EntryId>,
    pub(crate) subjects: BTreeMap<SessionId, Subject>,
    /// The last set of commitments that each node received to sign with.
    pub(crate) packages: BTreeMap<(AccountName, SessionId), Vec<(AccountName, SignedPart)>>,
    /// The accounts whose disks have lost their share of the key.
    pub(crate) lost: BTreeSet<AccountName>,
    /// The malicious accounts. Only these may be blamed.
    pub(crate) malicious: BTreeSet<AccountName>,
}

impl World {
    /// Records what the coordinator sends a node about a signing session.
    pub(crate) fn note_signing(&mut self, to: &AccountName, message: &FromCoordinator) {
        match message {
            FromCoordinator::Invite { session, subject, .. } => {
                self.subjects.insert(*session, *subject);
            }
            FromCoordinator::Package { session, parts, .. } => {
                self.packages.insert((to.clone(), *session), parts.clone());
            }
            _ => {}
        }
    }

    /// Returns the session, and the place in it of this node's share.
    pub(crate) fn package_of(
        &self,
        by: &AccountName,
        session: SessionId,
    ) -> Option<(SigningSession, Place)> {
        let state = &self.reference.state;
        let subject = *self.subjects.get(&session)?;
        let context = SigningSession {
            ivn: state.ivn(),
            session,
            epoch: state.epoch_of(subject).unwrap_or(1),
            subject,
            number: state.number_of(subject),
        };
        let mut commitments = Vec::new();
        for (account, signed) in self.packages.get(&(by.clone(), session))? {
            let group = state.groups().values().find(|group| group.identifier(account).is_some());
            let opened = context.open(account, state.identity_key(account)?, FIRST, signed);
            commitments.push((group?.identifier(account)?, opened.ok()?));
        }
        Some((context, context.place(&committed(commitments)?)))
    }

    pub(crate) fn disk(&self, account: &AccountName) -> Option<&NodeDisk> {
        self.disks.get(account)
    }
}

/// Returns the board of a FROST session with these commitments.
pub(crate) fn committed<'a>(
    commitments: impl IntoIterator<Item = (Identifier, &'a [u8])>,
) -> Option<Board> {
    let mut board = Board::new(Suite::FrostEd25519Sha512, None).ok()?;
    for (from, announced) in commitments {
        board.post(1, from, announced).ok()?;
    }
    board.fix_signers();
    Some(board)
}
