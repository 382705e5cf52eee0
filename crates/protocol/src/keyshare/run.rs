//! The secret half of a session: what one participant keeps to itself.

use std::collections::BTreeMap;
use std::fmt;

use rand_core::CryptoRngCore;

use super::board::{Board, Phase};
use super::discrete_log::Claim;
use super::feldman::Dealer;
use super::message::{Commit, Complaint, Dealing, Reveal, Round, Verdict};
use super::sealing::{Envelope, PublicKey, SecretKey};
use super::{Error, Parameters};
use crate::Identifier;
use crate::keys::{KeyPackage, PublicKeyPackage, SecretScalar};
use crate::transcript::Transcript;

/// One participant's secrets in one session.
///
/// It can't be copied or stored, and [`advance`](Self::advance) consumes it: after an
/// error or a crash the session can only be given up, and a new one started. All secrets
/// are wiped when it is dropped.
pub struct Run {
    me: Identifier,
    parameters: Parameters,
    /// The hashes of what it has sent.
    sent: BTreeMap<Round, [u8; 32]>,
    /// Decrypts the sub-shares that others seal to this participant.
    decryption: SecretKey,
    state: State,
}

enum State {
    /// Has dealt, and published only a hash of it. Reveals when all hashes are known.
    Committed { dealer: Box<dyn Dealer>, dealing: Dealing, ephemeral: SecretKey },
    /// Has revealed. Judges the others' sub-shares when all are known.
    Revealed { own: SecretScalar },
    /// Holds a share of this key. Done when all others say so too.
    Approved { share: SecretScalar, public: PublicKeyPackage },
    /// Has complained. The complaint, when posted, ends the session.
    Complained,
}

/// What [`Run::advance`] leads to.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// The board waits for others, or for a message that was sent.
    Wait(Run),
    /// Post this message, and go on.
    Send(Run, Vec<u8>),
    /// The session is complete: this is the participant's share of the key.
    Done(KeyPackage),
}

impl Run {
    /// Starts a session as participant `me`; returns the first message to post.
    ///
    /// Never start the same session twice, not even after a crash: the second first message
    /// would be [equivocation](super::Fault::Equivocation). Make durable that the session
    /// was started before the message leaves.
    ///
    /// # Errors
    ///
    /// [`Error::Stranger`] if `me` is not one of the participants.
    pub fn start(
        parameters: &Parameters,
        me: Identifier,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, Vec<u8>), Error> {
        if !parameters.participants().contains(&me) {
            return Err(Error::Stranger(me));
        }
        let dealer = parameters.suite().algebra().deal(parameters.min_signers(), rng);
        let ephemeral = SecretKey::random(rng);
        let decryption = SecretKey::random(rng);

        let public = ephemeral.public();
        let coefficients = dealer.coefficients();
        let statement = Dealing::statement(parameters, me, &public, &coefficients);
        let proof = dealer.prove(statement, rng);
        let dealing = Dealing { ephemeral: public, coefficients, proof };
        let opening = dealing.opening(parameters, me);
        let message = Commit { opening, encryption_key: decryption.public() }.encode();

        let run = Self {
            me,
            parameters: parameters.clone(),
            sent: BTreeMap::new(),
            decryption,
            state: State::Committed { dealer, dealing, ephemeral },
        };
        Ok(run.sent(Round::Commit, message))
    }

    /// Looks at the board and does what is next. Call it after posting to the board; it
    /// takes at most one step, and [waits](Step::Wait) if there is none.
    ///
    /// # Errors
    ///
    /// Every error ends the run. [`Error::culprits`] says whom to leave out of the next
    /// session.
    pub fn advance(self, board: &Board, rng: &mut dyn CryptoRngCore) -> Result<Step, Error> {
        if board.parameters() != &self.parameters {
            return Err(Error::OtherBoard);
        }
        for (round, hash) in &self.sent {
            if board.recorded(*round, self.me).is_some_and(|recorded| recorded != hash) {
                return Err(Error::Impersonated);
            }
        }
        let phase = board.phase();
        if phase == Phase::Failed {
            return Err(Error::Failed { culprits: board.culprits() });
        }
        let Self { me, parameters, sent, decryption, state } = self;
        let run = |state| Self { me, parameters, sent, decryption, state };
        match (state, phase) {
            (State::Committed { dealer, dealing, ephemeral }, Phase::Reveal) => {
                let own = dealer.sub_share(me);
                run(State::Revealed { own }).reveal(board, &*dealer, dealing, &ephemeral)
            }
            (State::Revealed { own }, Phase::Verdict) => {
                run(State::Complained).judge(board, own, rng)
            }
            (State::Approved { share, public }, Phase::Complete) => {
                // The share was checked against the key that was judged, not against this.
                if board.outcome() != Some(&public) {
                    return Err(Error::OtherBoard);
                }
                let package = KeyPackage::of_valid_share(me, share, &public).ok_or(Error::Bug)?;
                Ok(Step::Done(package))
            }
            (state @ State::Committed { .. }, Phase::Commit)
            | (state @ State::Revealed { .. }, Phase::Reveal)
            | (state @ (State::Approved { .. } | State::Complained), Phase::Verdict) => {
                Ok(Step::Wait(run(state)))
            }
            // Behind: the board lacks messages that this run has already seen. Ahead: it
            // has messages in this participant's name that this run did not send.
            (State::Revealed { .. }, Phase::Commit)
            | (State::Approved { .. } | State::Complained, Phase::Commit | Phase::Reveal) => {
                Err(Error::OtherBoard)
            }
            (State::Committed { .. }, Phase::Verdict | Phase::Complete)
            | (State::Revealed { .. } | State::Complained, Phase::Complete) => {
                Err(Error::Impersonated)
            }
            (_, Phase::Failed) => Err(Error::Bug),
        }
    }

    /// Opens the commitment of round 1 and seals everybody's sub-share.
    fn reveal(
        self,
        board: &Board,
        dealer: &dyn Dealer,
        dealing: Dealing,
        ephemeral: &SecretKey,
    ) -> Result<Step, Error> {
        let opening = dealing.opening(&self.parameters, self.me);
        let mut sealed = BTreeMap::new();
        for (recipient, committed) in board.commits().iter().filter(|(id, _)| **id != self.me) {
            let envelope = Envelope {
                binding: self.parameters.binding(),
                dealer: self.me,
                recipient: *recipient,
                ephemeral: &dealing.ephemeral,
                recipient_key: committed.key.bytes(),
                opening: &opening,
            };
            let shared = ephemeral.agree(&committed.key);
            let sub_share = dealer.sub_share(*recipient);
            sealed.insert(*recipient, envelope.seal(&shared, &sub_share).ok_or(Error::Bug)?);
        }
        let view = board.view(Round::Reveal).ok_or(Error::Bug)?;
        let message = Reveal { view, dealing, sealed }.encode(&self.parameters);
        let (run, message) = self.sent(Round::Reveal, message);
        Ok(Step::Send(run, message))
    }

    /// Adds the sub-shares up and approves, or finds out whom to complain about.
    ///
    /// Only the sum s = Σ f_ℓ(me) is checked, as s·G against the verifying share that the
    /// board computed from the summed commitments. That is enough, because s is all that
    /// is kept: if it is right, it does not matter whether two dealers' errors cancelled
    /// out. If it is wrong, so is at least one f_ℓ(me), and checking each against its
    /// dealer's commitments finds exactly the wrong ones; the sum of equations that all
    /// hold would hold too.
    fn judge(
        mut self,
        board: &Board,
        own: SecretScalar,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step, Error> {
        let algebra = self.parameters.suite().algebra();
        let mut terms = vec![own];
        for dealer in self.others() {
            terms.extend(self.open(board, dealer)?);
        }
        let candidate = board.candidate().ok_or(Error::Bug)?;
        let expected = candidate.verifying_share(self.me).ok_or(Error::Bug)?;
        let share = (terms.len() == self.parameters.participants().len())
            .then(|| algebra.sum(&terms))
            .flatten()
            .filter(|share| algebra.public_key(share).as_deref() == Some(expected.as_bytes()));

        let view = board.view(Round::Verdict).ok_or(Error::Bug)?;
        let mut verdict = Verdict { view, complaints: BTreeMap::new() };
        if let Some(share) = share {
            self.state = State::Approved { share, public: candidate.clone() };
        } else {
            for dealer in self.others() {
                let right = self
                    .open(board, dealer)?
                    .is_some_and(|sub_share| board.dealings().matches(dealer, self.me, &sub_share));
                if !right {
                    verdict.complaints.insert(dealer, self.complain(board, dealer, rng)?);
                }
            }
            if verdict.complaints.is_empty() {
                return Err(Error::Bug);
            }
        }
        let (run, message) = self.sent(Round::Verdict, verdict.encode());
        Ok(Step::Send(run, message))
    }

    /// Decrypts a dealer's sub-share. `None` if it was not sealed under the right key.
    fn open(&self, board: &Board, dealer: Identifier) -> Result<Option<SecretScalar>, Error> {
        let (envelope, sealed) = board.envelope(dealer, self.me).ok_or(Error::Bug)?;
        let shared = self.decryption.agree(ephemeral(board, dealer)?);
        Ok(envelope.open(&shared, sealed))
    }

    /// Makes public what opens a dealer's sub-share.
    fn complain(
        &self,
        board: &Board,
        dealer: Identifier,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Complaint, Error> {
        let ephemeral = ephemeral(board, dealer)?;
        let shared = *self.decryption.agree(ephemeral).bytes();
        let claim = Claim {
            binding: self.parameters.binding(),
            complainer: self.me,
            dealer,
            key: &board.commits().get(&self.me).ok_or(Error::Bug)?.key,
            ephemeral,
            shared: &shared,
        };
        let proof = claim.prove(&self.decryption, rng);
        Ok(Complaint { shared, proof })
    }

    fn others(&self) -> impl Iterator<Item = Identifier> + use<> {
        let me = self.me;
        self.parameters.participants().clone().into_iter().filter(move |id| *id != me)
    }

    /// Remembers what is sent, to recognise a message that somebody else sends in our name.
    fn sent(mut self, round: Round, message: Vec<u8>) -> (Self, Vec<u8>) {
        let hash = Transcript::new("quorate/keyshare/v1/message").field(&message).digest();
        self.sent.insert(round, hash);
        (self, message)
    }
}

fn ephemeral(board: &Board, dealer: Identifier) -> Result<&PublicKey, Error> {
    Ok(&board.reveals().get(&dealer).ok_or(Error::Bug)?.ephemeral)
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Committed { .. } => "committed",
            State::Revealed { .. } => "revealed",
            State::Approved { .. } => "approved",
            State::Complained => "complained",
        };
        f.debug_struct("Run")
            .field("me", &self.me)
            .field("session", &self.parameters.session())
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
