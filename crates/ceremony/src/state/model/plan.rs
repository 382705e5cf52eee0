//! The plan of a session: its purpose, its participants and their roles, and the cryptographic
//! protocol that it runs.
//!
//! There are three kinds of sessions: they make a first key, new shares of the same key (a
//! reshare), or one member's lost share again (a repair). Each plan follows from the log alone, so
//! nobody has to be trusted about the participants.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::keyshare::{
    self, Error, Fault, Parameters, Phase, Posted, SessionId as KeyshareSession,
};
use quorate_protocol::repair;

use crate::encoding::Encoder;
use crate::entry::GroupDefinition;
use crate::names::{AccountName, Digest, EntryId, IvnId, SessionId};
use crate::state::model::change::Change;
use crate::state::model::key::{GroupKey, name_of};
use crate::state::model::roster::Account;
use crate::state::refusal::{Changes, Refusal, Sessions};

#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SessionPlan {
    pub definition: GroupDefinition,
    /// The definition or approved change from which it follows.
    pub(in crate::state) authority: EntryId,
    /// The epoch that it begins or, in a repair, in which it makes a share again.
    pub epoch: u64,
    /// All participants: those that get a share, and those that hold a useful one.
    pub identifiers: BTreeMap<AccountName, Identifier>,
    aim: Aim,
}

#[derive(Clone, Debug)]
enum Aim {
    /// A first key.
    NewKey,
    /// New shares of this key. These holders can use their shares and may deal: all except for
    /// culprits.
    Reshare { old: PublicKeyPackage, dealers: BTreeSet<AccountName> },
    /// This member's lost share of this key, with the help of min_signers of these helpers.
    Repair { public: PublicKeyPackage, member: AccountName, helpers: BTreeSet<AccountName> },
}

#[expect(missing_docs, reason = "the names say it")]
impl SessionPlan {
    /// A group's first key. Identifiers are positions in the definition, from 1.
    pub(in crate::state) fn of_new_key(
        definition: &GroupDefinition,
        authority: EntryId,
    ) -> Result<Self, Refusal> {
        let definition = definition.clone();
        let numbered = (1u16..).zip(&definition.members);
        let identifiers = numbered.map(|(number, name)| Some((name.clone(), identifier(number)?)));
        let identifiers: Option<BTreeMap<_, _>> = identifiers.collect();
        let identifiers = identifiers
            .filter(|all| all.len() == definition.members.len())
            .ok_or(Sessions::Protocol)?;
        let aim = Aim::NewKey;
        Ok(Self { definition, authority, epoch: 1, identifiers, aim })
    }

    pub(in crate::state) fn of_change(key: &GroupKey, change: &Change) -> Result<Self, Refusal> {
        let definition = &change.proposal.definition;
        match &change.proposal.repairs {
            None => {
                let (numbered, culprits) = (&change.identifiers, &change.culprits);
                Self::of_reshare(key, definition, change.id, numbered, culprits)
            }
            Some(member) => {
                let skipped = &change.culprits | &change.late;
                Ok(Self::of_repair(key, definition, change.id, member, &skipped))
            }
        }
    }

    /// The same key with new shares. Holders keep their identifiers, and a joiner gets one that no
    /// other account ever had: that of the change's earlier sessions if it was `numbered` in one.
    pub(in crate::state) fn of_reshare(
        key: &GroupKey,
        definition: &GroupDefinition,
        authority: EntryId,
        numbered: &BTreeMap<AccountName, Identifier>,
        culprits: &BTreeSet<AccountName>,
    ) -> Result<Self, Refusal> {
        let mut identifiers = key.identifiers.clone();
        let mut highest = key.highest;
        for name in &definition.members {
            if let Some(same) = numbered.get(name) {
                identifiers.entry(name.clone()).or_insert(*same);
            } else if !identifiers.contains_key(name) {
                highest = highest.checked_add(1).ok_or(Sessions::Protocol)?;
                let new = identifier(highest).ok_or(Sessions::Protocol)?;
                identifiers.insert(name.clone(), new);
            }
        }
        let old = key.public.clone();
        Ok(Self {
            definition: definition.clone(),
            authority,
            epoch: key.epoch.checked_add(1).ok_or(Sessions::Protocol)?,
            identifiers,
            aim: Aim::Reshare { old, dealers: key.dealers(culprits).cloned().collect() },
        })
    }

    pub(in crate::state) fn of_repair(
        key: &GroupKey,
        definition: &GroupDefinition,
        authority: EntryId,
        member: &AccountName,
        culprits: &BTreeSet<AccountName>,
    ) -> Self {
        let helpers = key.dealers(culprits).filter(|name| *name != member).cloned().collect();
        let (public, member) = (key.public.clone(), member.clone());
        Self {
            definition: definition.clone(),
            authority,
            epoch: key.epoch,
            identifiers: key.identifiers.clone(),
            aim: Aim::Repair { public, member, helpers },
        }
    }

    /// Checks whether a session with this plan can succeed: the protocol accepts its numbers, and
    /// enough participants can use their shares.
    pub(in crate::state) fn check(&self, ivn: IvnId) -> Result<(), Refusal> {
        self.check_dealers()?;
        // The protocol's checks depend neither on the session nor on the keys.
        self.board(ivn, SessionId::new([0; 32]), Digest::new([0; 32])).map(drop)
    }

    /// Checks whether enough members can deal or help.
    pub(in crate::state) fn check_dealers(&self) -> Result<(), Refusal> {
        let (able, needed) = (self.dealers().count(), self.dealers_needed());
        if able < needed {
            let group = self.definition.name.clone();
            return Err(Changes::TooFewShares { group, able, needed }.into());
        }
        Ok(())
    }

    /// Returns the protocol of a session before any message. Its messages are bound to `keys`,
    /// which [`Self::keys`] returns.
    pub(in crate::state) fn board(
        &self,
        ivn: IvnId,
        session: SessionId,
        keys: Digest,
    ) -> Result<SessionBoard, Refusal> {
        let of = |name: &AccountName| self.identifiers.get(name).copied().ok_or(Sessions::Protocol);
        let participants: Result<Vec<_>, _> = self.definition.members.iter().map(of).collect();
        let (participants, min_signers) = (participants?, self.definition.min_signers);
        let aim = match &self.aim {
            Aim::NewKey => "dkg",
            Aim::Reshare { .. } => "reshare",
            Aim::Repair { .. } => "repair",
        };
        let context = Encoder::new("quorate/session/v1")
            .field(1, aim)
            .field(2, ivn.as_bytes())
            .field(3, self.authority.as_bytes())
            .field(4, self.epoch.to_be_bytes())
            .field(5, session.as_bytes())
            .field(6, keys.as_bytes());
        let context = *context.digest().as_bytes();
        let session = KeyshareSession(*session.as_bytes());
        let parameters = match &self.aim {
            Aim::NewKey => {
                let suite = self.definition.suite;
                Parameters::new(suite, session, context, min_signers, participants)
            }
            Aim::Reshare { old, dealers } => {
                let dealers: Result<Vec<_>, _> = dealers.iter().map(of).collect();
                Parameters::reshare(session, context, min_signers, participants, old, dealers?)
            }
            Aim::Repair { public, member, helpers } => {
                let helpers: Result<Vec<_>, _> = helpers.iter().map(of).collect();
                return repair::Parameters::new(session, context, public, helpers?, of(member)?)
                    .map(|parameters| {
                        SessionBoard::Repair(Box::new(repair::Board::new(parameters)))
                    })
                    .map_err(|_| Refusal::Sessions(Sessions::Protocol));
            }
        };
        let parameters = parameters.map_err(|_| Sessions::Protocol)?;
        Ok(SessionBoard::Keyshare(Box::new(keyshare::Board::new(parameters))))
    }

    /// A hash of the participants' names and of the public keys of their accounts, as the roster
    /// contains them now. Members with new keys are different participants, who must not arrive at
    /// the same key.
    pub(in crate::state) fn keys(&self, roster: &BTreeMap<AccountName, Account>) -> Digest {
        let participant = |name: &AccountName| {
            let keys = roster.get(name).map(|account| &account.keys);
            Encoder::default()
                .field(1, name.as_str())
                .optional(2, keys.map(|keys| keys.identity.0))
                .optional(3, keys.map(|keys| keys.cosigner.0))
        };
        let all = Encoder::new("quorate/participants/v1");
        self.identifiers.keys().fold(all, |all, name| all.nested(1, participant(name))).digest()
    }

    pub fn is_reshare(&self) -> bool {
        matches!(self.aim, Aim::Reshare { .. })
    }

    /// The member whose lost share is repaired, if the session is a repair.
    pub fn repairs(&self) -> Option<&AccountName> {
        match &self.aim {
            Aim::Repair { member, .. } => Some(member),
            Aim::NewKey | Aim::Reshare { .. } => None,
        }
    }

    /// Members that get a share, and certify that.
    pub fn recipients(&self) -> impl Iterator<Item = &AccountName> {
        let all = self.definition.members.iter();
        all.filter(|name| self.repairs().is_none_or(|member| member == *name))
    }

    pub fn is_recipient(&self, name: &AccountName) -> bool {
        self.recipients().any(|recipient| recipient == name)
    }

    /// Holders that may deal in a reshare, or help in a repair.
    pub fn dealers(&self) -> impl Iterator<Item = &AccountName> {
        match &self.aim {
            Aim::NewKey => None,
            Aim::Reshare { dealers: holders, .. } | Aim::Repair { helpers: holders, .. } => {
                Some(holders)
            }
        }
        .into_iter()
        .flatten()
    }

    pub fn dealers_needed(&self) -> usize {
        match &self.aim {
            Aim::NewKey => 0,
            Aim::Reshare { old: key, .. } | Aim::Repair { public: key, .. } => {
                usize::from(key.min_signers())
            }
        }
    }

    pub fn name(&self, identifier: Identifier) -> Option<&AccountName> {
        name_of(&self.identifiers, identifier)
    }

    pub(in crate::state) fn names(
        &self,
        identifiers: &BTreeSet<Identifier>,
    ) -> BTreeSet<AccountName> {
        identifiers.iter().filter_map(|id| self.name(*id).cloned()).collect()
    }
}

fn identifier(number: u16) -> Option<Identifier> {
    Identifier::try_from(number).ok()
}

#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SessionBoard {
    /// For a new key or a reshare.
    Keyshare(Box<keyshare::Board>),
    Repair(Box<repair::Board>),
}

#[expect(missing_docs, reason = "the names say it")]
impl SessionBoard {
    pub fn keyshare(&self) -> Option<&keyshare::Board> {
        match self {
            Self::Keyshare(board) => Some(board),
            Self::Repair(_) => None,
        }
    }

    pub fn repair(&self) -> Option<&repair::Board> {
        match self {
            Self::Keyshare(_) => None,
            Self::Repair(board) => Some(board),
        }
    }

    pub(in crate::state) fn post(
        &mut self,
        from: Identifier,
        message: &[u8],
    ) -> Result<Posted, Error> {
        match self {
            Self::Keyshare(board) => board.post(from, message),
            Self::Repair(board) => board.post(from, message),
        }
    }

    pub fn phase(&self) -> Phase {
        match self {
            Self::Keyshare(board) => board.phase(),
            Self::Repair(board) => board.phase(),
        }
    }

    pub(in crate::state) fn missing(&self) -> BTreeSet<Identifier> {
        match self {
            Self::Keyshare(board) => board.missing(),
            Self::Repair(board) => board.missing(),
        }
    }

    pub(in crate::state) fn culprits(&self) -> BTreeSet<Identifier> {
        match self {
            Self::Keyshare(board) => board.culprits(),
            Self::Repair(board) => board.culprits(),
        }
    }

    pub(in crate::state) fn faults(&self) -> &BTreeMap<Identifier, Fault> {
        match self {
            Self::Keyshare(board) => board.faults(),
            Self::Repair(board) => board.faults(),
        }
    }

    /// The public key package, once the protocol is complete.
    pub fn outcome(&self) -> Option<&PublicKeyPackage> {
        match self {
            Self::Keyshare(board) => board.outcome(),
            Self::Repair(board) => board.outcome(),
        }
    }

    pub(in crate::state) fn transcript(&self) -> [u8; 32] {
        match self {
            Self::Keyshare(board) => board.transcript(),
            Self::Repair(board) => board.transcript(),
        }
    }
}
