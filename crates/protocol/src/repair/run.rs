//! The secret half of a repair.

use std::collections::BTreeMap;

use rand_core::CryptoRngCore;

use super::board::{Board, Repair};
use super::message::{Deal, Dealing, Round, Sum};
use super::parameters::Parameters;
use crate::Identifier;
use crate::algebra::Weights;
use crate::keys::KeyPackage;
use crate::secret::SecretScalar;
use crate::session::complaint::{Complaint, Complaints};
use crate::session::message::{Announce, Verdict};
use crate::session::sealing::SecretKey;
use crate::session::{self, Error, Parameters as _, Phase, first_view, possession};
use crate::transcript::Transcript;

/// One participant's secrets in a repair.
pub type Run = session::Run<Secrets>;

/// The result of [`Run::advance`].
pub type Step<R = Run> = session::Step<R>;

/// What a participant keeps to itself.
pub struct Secrets(State);

enum State {
    /// May help. Splits its share once the helpers are known, if it is one of them.
    Offered { share: SecretScalar, decryption: SecretKey },
    /// Has dealt, and kept one summand. Adds up when all have dealt.
    Dealt { own: SecretScalar, ephemeral: SecretKey, decryption: SecretKey },
    /// Has sealed its sum, and keeps no more secrets.
    Summed,
    /// Has lost its share. Adds up when all sums are known.
    Lost { decryption: SecretKey },
    /// Has its share, and has approved.
    Repaired { share: SecretScalar },
    /// Has complained. The complaint, when posted, ends the session.
    Complained,
}

impl Run {
    /// Starts a repair as `me`, one of the candidates; returns the first message to post.
    ///
    /// `package` is this participant's key package. Its share stays as it is, and stays good.
    ///
    /// Never start the same session twice, not even after a crash: the second first message would
    /// be [equivocation](session::Fault::Equivocation). Make durable that the session was started
    /// before the message leaves.
    ///
    /// # Errors
    ///
    /// [`Error::Stranger`] if `me` is not one of the candidates. [`Error::OtherShare`] if `package`
    /// is not its share of the key that the parameters describe, for instance of an earlier epoch.
    pub fn help(
        parameters: &Parameters,
        me: Identifier,
        package: &KeyPackage,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, Vec<u8>), Error> {
        if !parameters.candidates().contains(&me) {
            return Err(Error::Stranger(me));
        }
        if package.identifier() != me || package.check(parameters.public()).is_err() {
            return Err(Error::OtherShare);
        }
        let share = SecretScalar::copy_of(package.signing_share().expose());
        let decryption = SecretKey::random(rng);
        let view = first_view::<Repair>(parameters);
        let announce =
            Announce { view, encryption_key: decryption.public() }.encode(Round::Announce);
        let state = State::Offered { share, decryption };
        Ok(Self::new(parameters, me, Secrets(state)).sent(Round::Announce, announce))
    }

    /// Starts a repair as `me`, the participant that lost its share; returns the first message to
    /// post.
    ///
    /// As for [`help`](Self::help), never start the same session twice.
    ///
    /// # Errors
    ///
    /// [`Error::Stranger`] if the share that is to be repaired is not that of `me`.
    pub fn recover(
        parameters: &Parameters,
        me: Identifier,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, Vec<u8>), Error> {
        if parameters.recipient() != me {
            return Err(Error::Stranger(me));
        }
        let decryption = SecretKey::random(rng);
        let view = first_view::<Repair>(parameters);
        let announce =
            Announce { view, encryption_key: decryption.public() }.encode(Round::Announce);
        Ok(Self::new(parameters, me, Secrets(State::Lost { decryption }))
            .sent(Round::Announce, announce))
    }
}

impl session::Secrets for Secrets {
    type Phases = Repair;

    fn advance(run: Run, board: &Board, rng: &mut dyn CryptoRngCore) -> Result<Step, Error> {
        let me = run.me;
        let helps = board.helpers().contains(&me);
        let full = board.helpers().len() == usize::from(board.parameters().min_signers());
        let (run, Self(state)) = run.split();
        let run = |state| run(Self(state));
        match (state, board.phase()) {
            (State::Offered { .. }, _) if full && !helps => Ok(Step::Left),
            (State::Offered { share, decryption }, Phase::Reveal) => {
                run(State::Complained).deal(board, &share, decryption, rng)
            }
            (State::Dealt { own, ephemeral, decryption }, Phase::Sum) => {
                run(State::Complained).sum(board, own, &ephemeral, &decryption, rng)
            }
            (State::Lost { decryption }, Phase::Verdict) => {
                run(State::Complained).judge(board, &decryption, rng)
            }
            (State::Summed, Phase::Complete) => Ok(Step::Left),
            // Its approval counts, so this is the board on which it got the share, which was
            // checked against the key.
            (State::Repaired { share }, Phase::Complete) => {
                let package = KeyPackage::of_valid_share(me, share, board.parameters().public());
                Ok(Step::Done(package.ok_or(Error::Bug)?))
            }
            (state @ State::Offered { .. }, Phase::Commit)
            | (state @ State::Dealt { .. }, Phase::Reveal)
            | (state @ State::Summed, Phase::Sum | Phase::Verdict)
            | (state @ State::Lost { .. }, Phase::Commit | Phase::Reveal | Phase::Sum)
            | (state @ State::Repaired { .. }, Phase::Verdict)
            | (state @ State::Complained, Phase::Sum | Phase::Verdict) => {
                Ok(Step::Wait(run(state)))
            }
            // The board lacks messages that this run has already seen, or has different ones.
            (State::Dealt { .. } | State::Summed | State::Complained, Phase::Commit)
            | (State::Summed | State::Complained, Phase::Reveal)
            | (State::Repaired { .. }, Phase::Commit | Phase::Reveal | Phase::Sum) => {
                Err(Error::OtherBoard)
            }
            // It would take messages in this participant's name that this run did not send.
            (State::Offered { .. }, Phase::Sum | Phase::Verdict | Phase::Complete)
            | (State::Dealt { .. }, Phase::Verdict | Phase::Complete)
            | (State::Lost { .. } | State::Complained, Phase::Complete) => Err(Error::Impersonated),
            (_, Phase::Failed) => Err(Error::Bug),
        }
    }

    fn name(&self) -> &'static str {
        match &self.0 {
            State::Offered { .. } => "offered",
            State::Dealt { .. } => "dealt",
            State::Summed => "summed",
            State::Lost { .. } => "lost",
            State::Repaired { .. } => "repaired",
            State::Complained => "complained",
        }
    }
}

impl Run {
    /// Splits the share, and seals to every other helper its summand.
    fn deal(
        mut self,
        board: &Board,
        share: &SecretScalar,
        decryption: SecretKey,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step, Error> {
        let algebra = self.parameters.suite().algebra();
        let view = board.view(Round::Deal).ok_or(Error::Bug)?;
        // Not random alone. If the same summands were ever used with other helpers, for instance by
        // a machine that was rolled back, then two remainders would differ by a known multiple of
        // the share.
        let mut draw = |helper: Identifier| {
            Transcript::new("quorate/repair/v1/summand")
                .field(self.parameters.binding())
                .field(&view)
                .field(&self.me.to_bytes())
                .field(&helper.to_bytes())
                .nonce("quorate/repair/v1/summand/secret", share.expose(), rng)
        };
        let mut summands =
            algebra.split(share, self.me, board.quorum(), &mut draw).ok_or(Error::Bug)?;
        // A summand is zero with a probability of about 2⁻²⁵² only.
        let points = summands.values().map(|summand| algebra.public_key(summand));
        let commitments = points.collect::<Option<Vec<_>>>().ok_or(Error::Bug)?.concat();
        let own = summands.remove(&self.me).ok_or(Error::Bug)?;

        let ephemeral = SecretKey::random(rng);
        let dealing = Dealing { ephemeral: ephemeral.public(), commitments };
        let statement = dealing.statement(&self.parameters, &view, self.me);
        let proof = possession::prove(&ephemeral, statement, rng);
        let digest = dealing.digest(&self.parameters, &view, self.me);
        let mut sealed = BTreeMap::new();
        for (helper, summand) in &summands {
            let shared = ephemeral.agree(board.key(*helper).ok_or(Error::Bug)?);
            let envelope = board
                .summand_envelope(self.me, *helper, &dealing.ephemeral, &digest)
                .ok_or(Error::Bug)?;
            sealed.insert(*helper, envelope.seal(&shared, summand).ok_or(Error::Bug)?);
        }
        let message = Deal { view, dealing, proof, sealed }.encode();
        self.state.0 = State::Dealt { own, ephemeral, decryption };
        Ok(self.send(Round::Deal, message))
    }

    /// Adds up the received summands, and seals the sum to the recipient; or complains about the
    /// helpers that sent something wrong.
    fn sum(
        mut self,
        board: &Board,
        own: SecretScalar,
        ephemeral: &SecretKey,
        decryption: &SecretKey,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step, Error> {
        let view = board.view(Round::Sum).ok_or(Error::Bug)?;
        let (mut summands, complaints) = self.open(board, decryption, rng)?;
        let answer = if complaints.is_empty() {
            summands.push((self.me, own));
            let algebra = self.parameters.suite().algebra();
            let sum = algebra.sum(&summands, Weights::Equal).ok_or(Error::Bug)?;
            let key = board.key(self.parameters.recipient()).ok_or(Error::Bug)?;
            let envelope = board.sum_envelope(self.me).ok_or(Error::Bug)?;
            self.state.0 = State::Summed;
            Ok(envelope.seal(&ephemeral.agree(key), &sum).ok_or(Error::Bug)?)
        } else {
            Err(complaints)
        };
        Ok(self.send(Round::Sum, Sum { view, answer }.encode()))
    }

    /// Adds up the sums to the lost share; or complains about the helpers that sent a wrong one.
    fn judge(
        mut self,
        board: &Board,
        decryption: &SecretKey,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step, Error> {
        let view = board.view(Round::Verdict).ok_or(Error::Bug)?;
        let (sums, complaints) = self.open(board, decryption, rng)?;
        if complaints.is_empty() {
            let algebra = self.parameters.suite().algebra();
            let share = algebra.sum(&sums, Weights::Equal).ok_or(Error::Bug)?;
            // This follows from what the board checked. But everything depends on it, so it is
            // checked here, too.
            let lost = self.parameters.public().verifying_share(self.me).ok_or(Error::Bug)?;
            if algebra.public_key(&share).as_deref() != Some(lost.as_bytes()) {
                return Err(Error::Bug);
            }
            self.state.0 = State::Repaired { share };
        }
        Ok(self.send(Round::Verdict, Verdict { view, complaints }.encode(Round::Verdict)))
    }

    /// Opens what the other helpers have sealed to this participant: returns the values that are
    /// right, and complaints about the others.
    fn open(
        &self,
        board: &Board,
        decryption: &SecretKey,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Vec<(Identifier, SecretScalar)>, Complaints), Error> {
        let (mut values, mut complaints) = (Vec::new(), Complaints::new());
        for helper in board.helpers().iter().copied().filter(|helper| *helper != self.me) {
            let (envelope, sealed) = board.envelope(helper, self.me).ok_or(Error::Bug)?;
            let shared = decryption.agree(board.ephemeral(helper).ok_or(Error::Bug)?);
            let value = envelope.open(&shared, sealed);
            match value.filter(|value| board.is_right(helper, self.me, value)) {
                Some(value) => values.push((helper, value)),
                None => {
                    let shared = *shared.bytes();
                    let claim = board.claim(self.me, helper, &shared).ok_or(Error::Bug)?;
                    let proof = claim.prove(decryption, rng);
                    complaints.insert(helper, Complaint { shared, proof });
                }
            }
        }
        Ok((values, complaints))
    }
}
