//! The secret half of a key generation or reshare.

use std::collections::BTreeMap;

use rand_core::CryptoRngCore;

use super::board::{Board, Keyshare};
use super::message::{Commit, Dealing, Reveal, Round};
use super::parameters::Parameters;
use crate::Identifier;
use crate::algebra::Dealer;
use crate::keys::{KeyPackage, PublicKeyPackage};
use crate::secret::SecretScalar;
use crate::session::complaint::{Complaint, Complaints};
use crate::session::message::{Announce, Verdict};
use crate::session::sealing::{Envelope, PublicKey, Purpose, SecretKey};
use crate::session::{self, Error, Parameters as _, Phase, first_view, possession};

/// One participant's secrets in a key generation or reshare.
pub type Run = session::Run<Secrets>;

/// The result of [`Run::advance`].
pub type Step<R = Run> = session::Step<R>;

/// What a participant keeps to itself.
pub struct Secrets {
    /// Decrypts the sub-shares that others seal to this participant.
    decryption: SecretKey,
    state: State,
}

impl Secrets {
    fn new(decryption: SecretKey, prepared: Option<Prepared>) -> Self {
        Self { decryption, state: State::Committed(prepared) }
    }
}

enum State {
    /// Has dealt, if it deals, and published at most a hash of the dealing. Reveals when all
    /// recipients' keys are known.
    Committed(Option<Prepared>),
    /// Has revealed. Judges the others' sub-shares when all are known, if it gets a share.
    Revealed { own: SecretScalar },
    /// Holds a share of this key. Done when all others have approved, too.
    Approved { share: SecretScalar, public: PublicKeyPackage },
    /// Has judged, and gets no share: it complained, or it found nothing wrong with its own
    /// sub-shares in a session in which somebody's share would be zero. Its verdict or another's
    /// ends the session.
    NoShare,
}

/// A dealing that nobody has seen yet.
struct Prepared {
    dealer: Box<dyn Dealer>,
    dealing: Dealing,
    ephemeral: SecretKey,
}

impl Prepared {
    fn new(
        parameters: &Parameters,
        me: Identifier,
        dealer: Box<dyn Dealer>,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let ephemeral = SecretKey::random(rng);
        let public = ephemeral.public();
        let coefficients = dealer.coefficients();
        let statement = Dealing::statement(parameters, me, &public, &coefficients);
        let proof = dealer.prove(statement, rng);
        Self { dealer, dealing: Dealing { ephemeral: public, coefficients, proof }, ephemeral }
    }
}

impl Run {
    /// Starts a session as participant `me`; returns the first message to post.
    ///
    /// Never start the same session twice, not even after a crash: the second first message would
    /// be [equivocation](super::Fault::Equivocation). Make durable that the session was started
    /// before the message leaves.
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
        if parameters.old().is_some() {
            return Err(Error::OldShare);
        }
        let dealer = parameters.suite().algebra().deal(parameters.min_signers(), rng);
        let prepared = Prepared::new(parameters, me, dealer, rng);
        let decryption = SecretKey::random(rng);
        let opening = prepared.dealing.opening(parameters, me);
        let view = first_view::<Keyshare>(parameters);
        let message = Commit { view, opening, encryption_key: decryption.public() }.encode();
        let run = Self::new(parameters, me, Secrets::new(decryption, Some(prepared)));
        Ok(run.sent(Round::Commit, message))
    }

    /// Starts a reshare as participant `me`; returns the first message to post, if there is one: a
    /// participant that gets no share has nothing to post yet.
    ///
    /// `old` is this participant's share of the key. Without it, a participant that gets a share
    /// takes part but does not deal, because it never had a share or because it lost it. A share
    /// that is dealt stays good: the old key package may be used until the layer above destroys it.
    ///
    /// As for [`Self::start`], never start the same session twice.
    ///
    /// # Errors
    ///
    /// [`Error::Stranger`] if `me` neither gets a share nor is to deal one. [`Error::OldShare`] if
    /// `old` is not this participant's share of that key, or if the session makes a new key.
    pub fn reshare(
        parameters: &Parameters,
        me: Identifier,
        old: Option<&KeyPackage>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, Option<Vec<u8>>), Error> {
        let key = parameters.old().ok_or(Error::OldShare)?;
        let recipient = parameters.participants().contains(&me);
        let deals = parameters.dealers().contains(&me);
        if !recipient && !deals {
            return Err(Error::Stranger(me));
        }
        let mut prepared = None;
        if let Some(old) = old.filter(|_| deals) {
            if old.identifier() != me || old.check(&key.public).is_err() {
                return Err(Error::OldShare);
            }
            let algebra = parameters.suite().algebra();
            let dealer = algebra.deal_again(old.signing_share(), parameters.min_signers(), rng);
            prepared = Some(Prepared::new(parameters, me, dealer.ok_or(Error::Bug)?, rng));
        }
        let decryption = SecretKey::random(rng);
        let view = first_view::<Keyshare>(parameters);
        let announce =
            Announce { view, encryption_key: decryption.public() }.encode(Round::Announce);
        let run = Self::new(parameters, me, Secrets::new(decryption, prepared));
        if recipient {
            let (run, message) = run.sent(Round::Announce, announce);
            Ok((run, Some(message)))
        } else {
            Ok((run, None))
        }
    }
}

impl session::Secrets for Secrets {
    type Phases = Keyshare;

    fn advance(run: Run, board: &Board, rng: &mut dyn CryptoRngCore) -> Result<Step, Error> {
        let me = run.me;
        let parameters = board.parameters();
        let recipient = parameters.participants().contains(&me);
        // In a reshare a session may continue without a dealer: enough others were faster.
        let optional = parameters.old().is_some();
        let (run, Self { decryption, state }) = run.split();
        let run = |state| run(Self { decryption, state });
        match (state, board.phase()) {
            (State::Committed(Some(prepared)), Phase::Reveal) => {
                let own = prepared.dealer.sub_share(me);
                run(State::Revealed { own }).reveal(board, prepared, rng)
            }
            (State::Revealed { own }, Phase::Verdict) if recipient => {
                run(State::NoShare).judge(board, Some(own), rng)
            }
            (State::Committed(_), Phase::Verdict) if recipient && optional => {
                run(State::NoShare).judge(board, None, rng)
            }
            (State::Committed(_) | State::Revealed { .. }, Phase::Complete) if !recipient => {
                Ok(Step::Left)
            }
            (State::Approved { share, public }, Phase::Complete) => {
                // The share was checked against the key that was judged, not against this.
                if board.outcome() != Some(&public) {
                    return Err(Error::OtherBoard);
                }
                let package = KeyPackage::of_valid_share(me, share, &public).ok_or(Error::Bug)?;
                Ok(Step::Done(package))
            }
            (state @ (State::Committed(_) | State::Revealed { .. }), Phase::Verdict)
                if !recipient =>
            {
                Ok(Step::Wait(run(state)))
            }
            (state @ State::Committed(_), Phase::Commit)
            | (state @ State::Committed(None), Phase::Reveal)
            | (state @ State::Revealed { .. }, Phase::Reveal)
            | (state @ (State::Approved { .. } | State::NoShare), Phase::Verdict) => {
                Ok(Step::Wait(run(state)))
            }
            // Behind: the board lacks messages that this run has already seen. Ahead: it has
            // messages in this participant's name that this run did not send.
            (State::Revealed { .. }, Phase::Commit)
            | (State::Approved { .. } | State::NoShare, Phase::Commit | Phase::Reveal) => {
                Err(Error::OtherBoard)
            }
            (State::Committed(_), Phase::Verdict | Phase::Complete)
            | (State::Revealed { .. }, Phase::Verdict | Phase::Complete)
            | (State::NoShare, Phase::Complete) => Err(Error::Impersonated),
            (_, Phase::Sum | Phase::Failed) => Err(Error::Bug),
        }
    }

    fn name(&self) -> &'static str {
        match &self.state {
            State::Committed(_) => "committed",
            State::Revealed { .. } => "revealed",
            State::Approved { .. } => "approved",
            State::NoShare => "without a share",
        }
    }
}

impl Run {
    /// Reveals the dealing and seals everybody's sub-share. In a reshare it also proves that the
    /// ephemeral key is its own.
    fn reveal(
        self,
        board: &Board,
        prepared: Prepared,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step, Error> {
        let Prepared { dealer, dealing, ephemeral } = prepared;
        let opening = dealing.opening(&self.parameters, self.me);
        let mut sealed = BTreeMap::new();
        for (recipient, committed) in board.commits().iter().filter(|(id, _)| **id != self.me) {
            let envelope = Envelope {
                purpose: Purpose::SUB_SHARE,
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
        let round = Round::second(&self.parameters);
        let view = board.view(round).ok_or(Error::Bug)?;
        let possession = self.parameters.old().is_some().then(|| {
            let statement = dealing.possession(&self.parameters, &view, self.me);
            possession::prove(&ephemeral, statement, rng)
        });
        let message = Reveal { view, dealing, possession, sealed }.encode(&self.parameters);
        Ok(self.send(round, message))
    }

    /// Adds the sub-shares up and approves, or finds the dealers to complain about.
    ///
    /// Only the (in a reshare weighted) sum s = Σ f_ℓ(me) is checked, as s·G against the verifying
    /// share that the board computed from the summed commitments. That is enough, because only s is
    /// kept: if s is right, it does not matter whether two dealers' errors cancelled out. If s is
    /// wrong, so is at least one f_ℓ(me), and checking each against its dealer's commitments finds
    /// exactly the wrong ones, because the sum of equations that all hold would hold too.
    ///
    /// If somebody's share would be zero there is no sum to check, because there will be no key:
    /// then each dealer is checked, to name those whose sub-shares are wrong.
    fn judge(
        mut self,
        board: &Board,
        own: Option<SecretScalar>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step, Error> {
        let algebra = self.parameters.suite().algebra();
        let mut terms = Vec::new();
        if board.reveals().contains_key(&self.me) {
            // Without it, this run has not dealt what the board shows.
            terms.push((self.me, own.ok_or(Error::Impersonated)?));
        }
        for dealer in self.others(board) {
            terms.extend(self.open(board, dealer)?.map(|sub_share| (dealer, sub_share)));
        }
        let mut approved = None;
        if let Some(candidate) = board.candidate() {
            let expected = candidate.verifying_share(self.me).ok_or(Error::Bug)?.as_bytes();
            approved = (terms.len() == board.reveals().len())
                .then(|| algebra.sum(&terms, board.weights()))
                .flatten()
                .filter(|share| algebra.public_key(share).as_deref() == Some(expected))
                .map(|share| State::Approved { share, public: candidate.clone() });
        }

        let view = board.view(Round::Verdict).ok_or(Error::Bug)?;
        let mut verdict = Verdict { view, complaints: Complaints::new() };
        if let Some(approved) = approved {
            self.state.state = approved;
        } else {
            for dealer in self.others(board) {
                let right = self
                    .open(board, dealer)?
                    .is_some_and(|sub_share| board.dealings().matches(dealer, self.me, &sub_share));
                if !right {
                    verdict.complaints.insert(dealer, self.complain(board, dealer, rng)?);
                }
            }
            // If the share is zero although all its parts are right, somebody knew what nobody can
            // know: the other dealers' sub-shares to this participant. Even then this participant
            // does not approve.
            let others_are_zero =
                !board.zero_shares().is_empty() && !board.zero_shares().contains(&self.me);
            if verdict.complaints.is_empty() && !others_are_zero {
                return Err(Error::Bug);
            }
        }
        Ok(self.send(Round::Verdict, verdict.encode(Round::Verdict)))
    }

    /// Decrypts a dealer's sub-share. `None` if it was not sealed under the right key.
    fn open(&self, board: &Board, dealer: Identifier) -> Result<Option<SecretScalar>, Error> {
        let (envelope, sealed) = board.envelope(dealer, self.me).ok_or(Error::Bug)?;
        let shared = self.state.decryption.agree(ephemeral(board, dealer)?);
        Ok(envelope.open(&shared, sealed))
    }

    /// Publishes what opens a dealer's sub-share.
    ///
    /// This is only ever done for a dealing that counts: the board accepted it, so its ephemeral
    /// key belongs to no other dealer. In a reshare, a proof showed that when the dealing was
    /// posted. Without a valid proof the session is over, and [`advance`](Self::advance) returns
    /// that error and nothing else, so there is no such dealing to complain about.
    fn complain(
        &self,
        board: &Board,
        dealer: Identifier,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Complaint, Error> {
        let ephemeral = ephemeral(board, dealer)?;
        let shared = *self.state.decryption.agree(ephemeral).bytes();
        let claim = board.claim(self.me, dealer, &shared).ok_or(Error::Bug)?;
        let proof = claim.prove(&self.state.decryption, rng);
        Ok(Complaint { shared, proof })
    }

    /// The dealers whose sub-shares are sealed to this participant.
    fn others<'a>(&self, board: &'a Board) -> impl Iterator<Item = Identifier> + use<'a> {
        let me = self.me;
        board.dealers().filter(move |id| *id != me)
    }
}

fn ephemeral(board: &Board, dealer: Identifier) -> Result<&PublicKey, Error> {
    Ok(&board.reveals().get(&dealer).ok_or(Error::Bug)?.ephemeral)
}
