//! What the layer above has to know of a signing protocol before it can run it.

use super::ecdsa::EcdsaCurve;

/// The course of a signing protocol: how many rounds there are, and what each needs.
///
/// Rounds are numbered from 1. In each round every signer makes one message. The messages of the
/// last round are the *signature shares*: together they are the signature, so a signer releases its
/// own only after it has decided that the message is to be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Who receives the messages of each round.
    pub rounds: &'static [Delivery],
    /// When it is known who signs.
    pub signers: Signers,
    /// When the message to be signed is needed.
    pub message: Needed,
    /// How many times longer than with FROST a signer may take to answer, because of what it
    /// computes.
    pub patience: u32,
}

/// Who receives the messages of a round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// Everyone: the other signers, the coordinator and the log receive the same bytes.
    ToAll,
    /// Each other signer receives a message of its own, sealed; everyone receives its digest.
    ToEach,
}

/// When the set of signers is fixed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signers {
    /// Before the first round. A signer that does not answer spoils the session.
    BeforeFirstRound,
    /// After the first round, by those who have answered. Any holder of a share may answer in it.
    AfterFirstRound,
}

/// When the message to be signed is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Needed {
    FromFirstRound,
    InLastRound,
}

impl Plan {
    /// The number of the last round.
    pub fn last(&self) -> u8 {
        // No protocol has 256 rounds.
        u8::try_from(self.rounds.len()).unwrap_or(u8::MAX)
    }

    /// Who receives the messages of this round. `None` if there is no such round.
    pub fn delivery(&self, round: u8) -> Option<Delivery> {
        self.rounds.get(usize::from(round).checked_sub(1)?).copied()
    }
}

/// The signing protocols that this crate implements.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    Frost,
    Ecdsa(EcdsaCurve),
    /// Exists only in this crate's own tests.
    #[cfg(test)]
    Test,
}

const FROST: Plan = Plan {
    rounds: &[Delivery::ToAll, Delivery::ToAll],
    signers: Signers::AfterFirstRound,
    message: Needed::InLastRound,
    patience: 1,
};

const ECDSA: Plan = Plan {
    rounds: &[
        Delivery::ToAll,
        Delivery::ToEach,
        Delivery::ToEach,
        Delivery::ToEach,
        Delivery::ToAll,
    ],
    signers: Signers::BeforeFirstRound,
    message: Needed::FromFirstRound,
    // The set-up takes about a second of CPU time for each other signer.
    patience: 10,
};

#[cfg(test)]
const TEST: Plan = Plan {
    rounds: &[Delivery::ToEach, Delivery::ToAll, Delivery::ToAll],
    signers: Signers::BeforeFirstRound,
    message: Needed::FromFirstRound,
    patience: 1,
};

impl Scheme {
    pub(crate) fn plan(self) -> &'static Plan {
        match self {
            Self::Frost => &FROST,
            Self::Ecdsa(_) => &ECDSA,
            #[cfg(test)]
            Self::Test => &TEST,
        }
    }
}
