//! The parameters of a repair: fixed before it starts, and hashed into all its messages.

use std::collections::BTreeSet;

use crate::keys::PublicKeyPackage;
use crate::session::{self, MAX_PARTICIPANTS, SessionId};
use crate::transcript::Transcript;
use crate::{Identifier, Suite};

/// What everybody agrees on before the first message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameters {
    session: SessionId,
    context: [u8; 32],
    public: PublicKeyPackage,
    candidates: BTreeSet<Identifier>,
    recipient: Identifier,
    /// A hash of all fields above.
    binding: [u8; 32],
}

impl Parameters {
    /// Checks and fixes the parameters of a session in which `recipient` recovers its share of the
    /// key of `public`.
    ///
    /// `context` is a hash of everything else that was agreed on: the group and its epoch, who is
    /// behind each identifier, and why the recipient may have its share. `candidates` are the
    /// participants that may help: all other holders except those that are known to cheat. As many
    /// of them as the key's min_signers will help; the first ones to announce in the log count.
    ///
    /// The recipient must be one of the key's participants. Interpolating a share that nobody held
    /// would give a new participant a vote; that takes a reshare.
    ///
    /// # Errors
    ///
    /// If a candidate occurs twice, or is the recipient; if a candidate or the recipient has no
    /// verifying share in `public`; if the candidates are fewer than the key's min_signers, or if
    /// those are more than [`MAX_PARTICIPANTS`], so that messages would not fit into the log.
    pub fn new(
        session: SessionId,
        context: [u8; 32],
        public: &PublicKeyPackage,
        candidates: impl IntoIterator<Item = Identifier>,
        recipient: Identifier,
    ) -> Result<Self, ParametersError> {
        let holds = |id| public.verifying_share(id).map(|_| ()).ok_or(ParametersError::NoShare(id));
        holds(recipient)?;
        let mut distinct = BTreeSet::new();
        for candidate in candidates {
            holds(candidate)?;
            if candidate == recipient {
                return Err(ParametersError::Recipient(recipient));
            }
            if !distinct.insert(candidate) {
                return Err(ParametersError::Duplicate(candidate));
            }
        }
        let min_signers = public.min_signers();
        if distinct.len() < usize::from(min_signers) {
            let candidates = distinct.len();
            return Err(ParametersError::TooFewCandidates { min_signers, candidates });
        }
        if usize::from(min_signers) > MAX_PARTICIPANTS {
            return Err(ParametersError::TooManySigners(min_signers));
        }
        let list: Vec<u8> = distinct.iter().flat_map(|id| id.to_bytes()).collect();
        let binding = Transcript::new("quorate/repair/v1/parameters")
            .field(public.suite().name().as_bytes())
            .field(&session.0)
            .field(&context)
            .field(&public.to_bytes())
            .field(&list)
            .field(&recipient.to_bytes())
            .digest();
        let (public, candidates) = (public.clone(), distinct);
        Ok(Self { session, context, public, candidates, recipient, binding })
    }

    /// The key's suite.
    pub fn suite(&self) -> Suite {
        self.public.suite()
    }

    /// The session's name.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The hash of everything else that was agreed on.
    pub fn context(&self) -> &[u8; 32] {
        &self.context
    }

    /// The key, with the verifying share of the lost share.
    pub fn public(&self) -> &PublicKeyPackage {
        &self.public
    }

    /// The number of helpers: t, as many as sign.
    pub fn min_signers(&self) -> u16 {
        self.public.min_signers()
    }

    /// All participants that may help.
    pub fn candidates(&self) -> &BTreeSet<Identifier> {
        &self.candidates
    }

    /// The participant that lost its share.
    pub fn recipient(&self) -> Identifier {
        self.recipient
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

/// Parameters that no repair can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ParametersError {
    #[error("identifier {0} is listed twice among those who may help")]
    Duplicate(Identifier),
    #[error("identifier {0} cannot help to repair its own share")]
    Recipient(Identifier),
    #[error("identifier {0} has no share of the key")]
    NoShare(Identifier),
    /// Together the candidates could not use the key, so they cannot interpolate a share either.
    #[error("a repair takes {min_signers} helpers, but only {candidates} may help")]
    TooFewCandidates { min_signers: u16, candidates: usize },
    /// Their messages would not fit into the log.
    #[error("the key takes {0} signers, but a repair can have at most {MAX_PARTICIPANTS} helpers")]
    TooManySigners(u16),
}
