//! The parameters of a session: fixed before it starts, and hashed into all its messages.

use std::collections::BTreeSet;

use crate::keys::PublicKeyPackage;
use crate::session::{self, MAX_PARTICIPANTS, SessionId};
use crate::transcript::Transcript;
use crate::{Identifier, Suite};

/// The key that is reshared, and the participants that may deal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Old {
    pub(crate) public: PublicKeyPackage,
    pub(crate) dealers: BTreeSet<Identifier>,
}

/// What all participants agree on before the first message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameters {
    suite: Suite,
    session: SessionId,
    context: [u8; 32],
    min_signers: u16,
    participants: BTreeSet<Identifier>,
    old: Option<Old>,
    /// A hash of all fields above.
    binding: [u8; 32],
}

impl Parameters {
    /// Checks and fixes the parameters of a session.
    ///
    /// `context` is a hash of everything else that the participants agreed on: the manifest with
    /// the group, its policy, and who is behind each identifier.
    ///
    /// # Errors
    ///
    /// If an identifier occurs twice, if there are more than [`MAX_PARTICIPANTS`], or if
    /// `min_signers` is not between 2 and the number of participants.
    pub fn new(
        suite: Suite,
        session: SessionId,
        context: [u8; 32],
        min_signers: u16,
        participants: impl IntoIterator<Item = Identifier>,
    ) -> Result<Self, ParametersError> {
        let distinct = checked(min_signers, participants)?;
        let list: Vec<u8> = distinct.iter().flat_map(|id| id.to_bytes()).collect();
        let binding = Transcript::new("quorate/keyshare/v1/dkg")
            .field(suite.name().as_bytes())
            .field(&session.0)
            .field(&context)
            .field(&min_signers.to_be_bytes())
            .field(&list)
            .digest();
        let participants = distinct;
        Ok(Self { suite, session, context, min_signers, participants, old: None, binding })
    }

    /// Checks and fixes the parameters of a session that reshares the key of `old` among
    /// `participants`, of whom `min_signers` will be needed. Any number of them may have held
    /// shares before, or none.
    ///
    /// An identifier stands for the same participant before and after: a participant that joins has
    /// an identifier that nobody had. `dealers` are the old holders whose dealing is wanted: all
    /// except those that are known to cheat. As many as the old key's min_signers have to deal; the
    /// first ones in the log count.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`]; and if a dealer has no share of the old key, or if there are too few
    /// dealers.
    pub fn reshare(
        session: SessionId,
        context: [u8; 32],
        min_signers: u16,
        participants: impl IntoIterator<Item = Identifier>,
        old: &PublicKeyPackage,
        dealers: impl IntoIterator<Item = Identifier>,
    ) -> Result<Self, ParametersError> {
        let participants = checked(min_signers, participants)?;
        let mut distinct = BTreeSet::new();
        for dealer in dealers {
            if old.verifying_share(dealer).is_none() {
                return Err(ParametersError::NoShare(dealer));
            }
            if !distinct.insert(dealer) {
                return Err(ParametersError::Duplicate(dealer));
            }
        }
        if distinct.len() < usize::from(old.min_signers()) {
            return Err(ParametersError::TooFewDealers {
                min_signers: old.min_signers(),
                dealers: distinct.len(),
            });
        }
        let list = |ids: &BTreeSet<Identifier>| -> Vec<u8> {
            ids.iter().flat_map(|id| id.to_bytes()).collect()
        };
        let suite = old.suite();
        let binding = Transcript::new("quorate/keyshare/v1/reshare")
            .field(suite.name().as_bytes())
            .field(&session.0)
            .field(&context)
            .field(&min_signers.to_be_bytes())
            .field(&list(&participants))
            .field(&old.to_bytes())
            .field(&list(&distinct))
            .digest();
        let old = Some(Old { public: old.clone(), dealers: distinct });
        Ok(Self { suite, session, context, min_signers, participants, old, binding })
    }

    /// The key's suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The session's name.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The hash of everything else that was agreed on.
    pub fn context(&self) -> &[u8; 32] {
        &self.context
    }

    /// How many signers a signature will need: t.
    pub fn min_signers(&self) -> u16 {
        self.min_signers
    }

    /// All participants that get a share: n identifiers.
    pub fn participants(&self) -> &BTreeSet<Identifier> {
        &self.participants
    }

    /// All participants that may deal: in a key generation all of them, in a reshare holders of the
    /// old key's shares.
    pub fn dealers(&self) -> &BTreeSet<Identifier> {
        self.old.as_ref().map_or(&self.participants, |old| &old.dealers)
    }

    /// The number of dealings that make the key.
    pub(crate) fn dealings_needed(&self) -> usize {
        self.old
            .as_ref()
            .map_or(self.participants.len(), |old| usize::from(old.public.min_signers()))
    }

    /// The key that is reshared, in a reshare.
    pub(crate) fn old(&self) -> Option<&Old> {
        self.old.as_ref()
    }
}

impl session::Parameters for Parameters {
    fn binding(&self) -> &[u8; 32] {
        &self.binding
    }

    fn session(&self) -> SessionId {
        self.session
    }
}

/// The participants as a set, if a key can be shared among them.
fn checked(
    min_signers: u16,
    participants: impl IntoIterator<Item = Identifier>,
) -> Result<BTreeSet<Identifier>, ParametersError> {
    let mut distinct = BTreeSet::new();
    for participant in participants {
        if !distinct.insert(participant) {
            return Err(ParametersError::Duplicate(participant));
        }
    }
    if distinct.len() > MAX_PARTICIPANTS {
        return Err(ParametersError::TooManyParticipants { participants: distinct.len() });
    }
    if min_signers < 2 {
        return Err(ParametersError::TooFewSigners(min_signers));
    }
    if usize::from(min_signers) > distinct.len() {
        let participants = distinct.len();
        return Err(ParametersError::TooManySigners { min_signers, participants });
    }
    Ok(distinct)
}

/// Parameters that no session can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ParametersError {
    /// Two participants would have the same x-coordinate, and so the same share.
    #[error("identifier {0} is given to two participants")]
    Duplicate(Identifier),
    #[error("identifier {0} has no share of the old key")]
    NoShare(Identifier),
    #[error("the old key takes {min_signers} dealers, but there are only {dealers}")]
    TooFewDealers { min_signers: u16, dealers: usize },
    /// Their messages would not fit into the log.
    #[error("there are {participants} participants, but at most {MAX_PARTICIPANTS} are possible")]
    TooManyParticipants { participants: usize },
    /// With one signer every participant would hold the whole key: that is an ordinary key, not a
    /// threshold key. With none, nobody would be needed.
    #[error("min_signers is {0}, but must be at least 2")]
    TooFewSigners(u16),
    #[error("min_signers is {min_signers}, but there are only {participants} participants")]
    TooManySigners { min_signers: u16, participants: usize },
}
