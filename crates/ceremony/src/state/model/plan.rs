//! What a session is for, who takes part and in which role, and the cryptographic protocol that it runs.
//!
//! There are three kinds of sessions: a first key, the same key shared again, and one member's lost share restored.
//! Each follows from the log alone, so nobody has to be believed about who takes part.

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

/// What a session is to bring into force.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// The group as it will be.
    pub definition: GroupDefinition,
    /// The entry that it follows from: a definition, or an approved change.
    pub authority: EntryId,
    /// The number of the set of shares that it makes, or of which it makes one again.
    pub epoch: u64,
    /// Everybody who takes part: who gets a share, and who holds one of use for that.
    pub identifiers: BTreeMap<AccountName, Identifier>,
    aim: Aim,
}

#[derive(Clone, Debug)]
enum Aim {
    /// A first key.
    NewKey,
    /// New shares of this key, of which these may deal theirs: all who hold one and can use it, but for those who were
    /// caught cheating.
    Reshare { old: PublicKeyPackage, dealers: BTreeSet<AccountName> },
    /// This member's share of this key, again, with the help of as many of these as sign.
    Repair { public: PublicKeyPackage, member: AccountName, helpers: BTreeSet<AccountName> },
}

impl SessionPlan {
    /// A group's first key: identifiers are positions in the definition, from 1.
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
            .ok_or(Refusal::Sessions(Sessions::Protocol))?;
        let aim = Aim::NewKey;
        Ok(Self { definition, authority, epoch: 1, identifiers, aim })
    }

    /// What an approved change of a group with this key comes to.
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

    /// The same key, shared anew: who holds a share keeps its identifier, who joins gets one that nobody else ever had:
    /// that of the change's earlier sessions, where it was `numbered` in one.
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
                highest = highest.checked_add(1).ok_or(Refusal::Sessions(Sessions::Protocol))?;
                let new = identifier(highest).ok_or(Refusal::Sessions(Sessions::Protocol))?;
                identifiers.insert(name.clone(), new);
            }
        }
        let old = key.public.clone();
        Ok(Self {
            definition: definition.clone(),
            authority,
            epoch: key.epoch.checked_add(1).ok_or(Refusal::Sessions(Sessions::Protocol))?,
            identifiers,
            aim: Aim::Reshare { old, dealers: key.dealers(culprits).cloned().collect() },
        })
    }

    /// The same shares, one of which is made again.
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

    /// Whether a session can be held under these terms: who takes part are numbers that the protocol accepts, and those
    /// who can use their shares are enough.
    pub(in crate::state) fn check(&self, ivn: IvnId) -> Result<(), Refusal> {
        self.check_dealers()?;
        // It makes no difference to that which session it is, and with which keys.
        self.board(ivn, SessionId::new([0; 32]), Digest::new([0; 32])).map(drop)
    }

    /// Whether as many can deal or help as have to: the others could not use the key without those who can not use their
    /// shares.
    pub(in crate::state) fn check_dealers(&self) -> Result<(), Refusal> {
        let (able, needed) = (self.dealers().count(), self.dealers_needed());
        if able < needed {
            let group = self.definition.name.clone();
            return Err(Refusal::Changes(Changes::TooFewShares { group, able, needed }));
        }
        Ok(())
    }

    /// The protocol of a session under these terms, before anybody has said anything. `keys` is what
    /// [`Self::keys`] gives: its messages are bound to that.
    pub(in crate::state) fn board(
        &self,
        ivn: IvnId,
        session: SessionId,
        keys: Digest,
    ) -> Result<SessionBoard, Refusal> {
        let of = |name: &AccountName| {
            self.identifiers.get(name).copied().ok_or(Refusal::Sessions(Sessions::Protocol))
        };
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
        let parameters = parameters.map_err(|_| Refusal::Sessions(Sessions::Protocol))?;
        Ok(SessionBoard::Keyshare(Box::new(keyshare::Board::new(parameters))))
    }

    /// Who is behind each identifier: a hash of all participants' names and of the public keys of their accounts, as the
    /// roster has them now. The same names with other keys are others, who must not come to the same key.
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

    /// Whether the group has a key already, which is shared anew.
    pub fn is_reshare(&self) -> bool {
        matches!(self.aim, Aim::Reshare { .. })
    }

    /// Whose lost share is made again, if that is what the session is for.
    pub fn repairs(&self) -> Option<&AccountName> {
        match &self.aim {
            Aim::Repair { member, .. } => Some(member),
            Aim::NewKey | Aim::Reshare { .. } => None,
        }
    }

    /// Who gets a share, and certifies that it has it.
    pub fn recipients(&self) -> impl Iterator<Item = &AccountName> {
        let all = self.definition.members.iter();
        all.filter(|name| self.repairs().is_none_or(|member| member == *name))
    }

    /// Whether this account gets a share.
    pub fn is_recipient(&self, name: &AccountName) -> bool {
        self.recipients().any(|recipient| recipient == name)
    }

    /// Whose shares are of use: who may deal in a reshare, who may help in a repair.
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

    /// How many of them have to.
    pub fn dealers_needed(&self) -> usize {
        match &self.aim {
            Aim::NewKey => 0,
            Aim::Reshare { old: key, .. } | Aim::Repair { public: key, .. } => {
                usize::from(key.min_signers())
            }
        }
    }

    /// Who takes part under that identifier.
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

/// The public half of a session's protocol, whichever that is.
#[derive(Clone, Debug)]
pub enum SessionBoard {
    /// Makes a key, or shares it anew.
    Keyshare(Box<keyshare::Board>),
    /// Makes one lost share again.
    Repair(Box<repair::Board>),
}

impl SessionBoard {
    /// The protocol, if it makes a key or shares it anew.
    pub fn keyshare(&self) -> Option<&keyshare::Board> {
        match self {
            Self::Keyshare(board) => Some(board),
            Self::Repair(_) => None,
        }
    }

    /// The protocol, if it makes one lost share again.
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

    /// Where the protocol is.
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

    /// The key that the shares are of, once the protocol is complete.
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
