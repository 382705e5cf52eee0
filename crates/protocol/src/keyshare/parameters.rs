//! What a session is about: fixed before it starts, and hashed into everything it makes.

use std::collections::BTreeSet;
use std::fmt;

use crate::transcript::Transcript;
use crate::{Identifier, Suite};

/// Names one attempt at making a key. Unique for ever.
///
/// Every hash and proof of a session is bound to it, so nothing of one session is of any
/// use in another. A retry is another session.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(
    /// 32 bytes that occur in no other session: random, or a hash of a unique manifest.
    pub [u8; 32],
);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// The most participants that a session can have.
///
/// Their messages must fit into entries of the log, which have at most 65,535 bytes and
/// encode a message in base64 twice: 16 bytes for 9. The longest message is a verdict that
/// complains about all others, with 35 + 98·(n − 1) bytes; a reveal has at most 86 + 81·n,
/// for n of n and points of 33 bytes. At 350 participants that is 34,237 bytes, 60,866 in
/// the log, and leaves more than 4,000 for what else is in the entry.
pub const MAX_PARTICIPANTS: usize = 350;

/// What all participants agree on before the first message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameters {
    suite: Suite,
    session: SessionId,
    context: [u8; 32],
    min_signers: u16,
    participants: BTreeSet<Identifier>,
    /// A hash of all of the above.
    binding: [u8; 32],
}

impl Parameters {
    /// Checks and fixes the parameters of a session.
    ///
    /// `context` is a hash of whatever else the participants agreed on: the manifest with
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
            return Err(ParametersError::TooManySigners {
                min_signers,
                participants: distinct.len(),
            });
        }
        let list: Vec<u8> = distinct.iter().flat_map(|id| id.to_bytes()).collect();
        let binding = Transcript::new("quorate/keyshare/v1/dkg")
            .field(suite.name().as_bytes())
            .field(&session.0)
            .field(&context)
            .field(&min_signers.to_be_bytes())
            .field(&list)
            .digest();
        Ok(Self { suite, session, context, min_signers, participants: distinct, binding })
    }

    /// The key's suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The session's name.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The hash of what else was agreed on.
    pub fn context(&self) -> &[u8; 32] {
        &self.context
    }

    /// How many signers a signature will need: t.
    pub fn min_signers(&self) -> u16 {
        self.min_signers
    }

    /// Everybody who takes part: n identifiers.
    pub fn participants(&self) -> &BTreeSet<Identifier> {
        &self.participants
    }

    /// A hash of all parameters; begins every other hash of the session.
    pub(crate) fn binding(&self) -> &[u8; 32] {
        &self.binding
    }
}

/// Parameters that no session can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// Two participants would have the same x-coordinate, and so the same share.
    #[error("identifier {0} is given to two participants")]
    Duplicate(Identifier),
    /// Their messages would not fit into the log.
    #[error("there are {participants} participants, but at most {MAX_PARTICIPANTS} are possible")]
    TooManyParticipants {
        /// How many there are.
        participants: usize,
    },
    /// With one signer every participant would hold the whole key: that is an ordinary
    /// key, not a threshold key. With none, nobody would be needed.
    #[error("min_signers is {0}, but must be at least 2")]
    TooFewSigners(u16),
    /// Nobody could ever sign.
    #[error("min_signers is {min_signers}, but there are only {participants} participants")]
    TooManySigners {
        /// What was asked for.
        min_signers: u16,
        /// How many there are.
        participants: usize,
    },
}
