//! The rounds of a repair, and the results of their messages.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{Deal, Round, Sum};
use super::parameters::Parameters;
use crate::Identifier;
use crate::algebra::{Quorum, Table};
use crate::keys::{PublicKeyPackage, VerifyingShare};
use crate::secret::SecretScalar;
use crate::session::complaint::{Complaint, Complaints};
use crate::session::discrete_log::Claim;
use crate::session::message::{Announce, Verdict};
use crate::session::sealing::{Envelope, PublicKey, Purpose, SEALED_LENGTH};
use crate::session::{self, Fault, Faults, Parameters as _, Phase, Phases, possession};

/// The board of a repair.
pub type Board = session::Board<Repair>;

/// A repair, as a kind of [session]: what it keeps of the messages.
#[derive(Clone, Debug)]
pub struct Repair {
    /// The recipient's and the helpers' encryption keys.
    keys: BTreeMap<Identifier, PublicKey>,
    helpers: BTreeSet<Identifier>,
    dealt: BTreeMap<Identifier, Dealt>,
    sums: BTreeMap<Identifier, [u8; SEALED_LENGTH]>,
    state: State,
}

/// The kept part of a [`Deal`]; the commitments are in the [`Table`].
#[derive(Clone, Debug)]
struct Dealt {
    digest: [u8; 32],
    ephemeral: PublicKey,
    sealed: BTreeMap<Identifier, [u8; SEALED_LENGTH]>,
}

#[derive(Clone, Debug)]
enum State {
    Announce,
    Deal(Box<dyn Table>),
    Sum(Box<dyn Table>),
    Verdict(Box<dyn Table>),
    Complete,
}

impl Purpose {
    /// For the summands that helpers seal to each other.
    const SUMMAND: &'static Self = &Self {
        seal: "quorate/repair/v1/summand/seal",
        complaint: "quorate/repair/v1/summand/complaint",
        nonce: "quorate/repair/v1/summand/complaint/nonce",
    };

    /// For the sums that helpers seal to the recipient.
    const SUM: &'static Self = &Self {
        seal: "quorate/repair/v1/sum/seal",
        complaint: "quorate/repair/v1/sum/complaint",
        nonce: "quorate/repair/v1/sum/complaint/nonce",
    };
}

impl Phases for Repair {
    type Parameters = Parameters;
    type Round = Round;

    const MESSAGE: &'static str = "quorate/repair/v1/message";
    const TRANSCRIPT: &'static str = "quorate/repair/v1/transcript";

    fn new(_: &Parameters) -> Self {
        Self {
            keys: BTreeMap::new(),
            helpers: BTreeSet::new(),
            dealt: BTreeMap::new(),
            sums: BTreeMap::new(),
            state: State::Announce,
        }
    }

    fn has_round(_: &Parameters, _: Round) -> bool {
        true
    }

    fn may_speak(board: &Board, from: Identifier, round: Option<Round>) -> bool {
        let recipient = from == board.parameters().recipient();
        let candidate = board.parameters().candidates().contains(&from);
        match round {
            None | Some(Round::Announce) => recipient || candidate,
            Some(Round::Deal | Round::Sum) => candidate,
            Some(Round::Verdict) => recipient,
        }
    }

    fn is_too_late(board: &Board, from: Identifier) -> bool {
        let recipient = from == board.parameters().recipient();
        board.has_all_helpers() && !recipient && !board.helpers().contains(&from)
    }

    fn round(board: &Board) -> Option<Round> {
        match &board.phases.state {
            State::Announce => Some(Round::Announce),
            State::Deal(_) => Some(Round::Deal),
            State::Sum(_) => Some(Round::Sum),
            State::Verdict(_) => Some(Round::Verdict),
            State::Complete => None,
        }
    }

    fn awaited(board: &Board) -> BTreeSet<Identifier> {
        let recipient = BTreeSet::from([board.parameters().recipient()]);
        match &board.phases.state {
            State::Announce if board.has_all_helpers() => recipient,
            State::Announce => &recipient | board.parameters().candidates(),
            State::Deal(_) | State::Sum(_) => board.helpers().clone(),
            State::Verdict(_) => recipient,
            State::Complete => BTreeSet::new(),
        }
    }

    fn take(
        board: &mut Board,
        round: Round,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), Faults> {
        let own = |fault| Faults::from([(from, fault)]);
        match round {
            Round::Announce => board.announce(from, message).map_err(own),
            Round::Deal => board.deal(from, message).map_err(own),
            Round::Sum => board.sum(from, message),
            Round::Verdict => board.verdict(from, message),
        }
    }

    fn finish_round(board: &mut Board) -> Result<(), Faults> {
        board.phases.state = match std::mem::replace(&mut board.phases.state, State::Complete) {
            State::Announce => {
                let public = board.parameters().public();
                let share = |id| public.verifying_share(id).map(VerifyingShare::as_bytes);
                let table = public.suite().algebra().table(board.quorum(), &share);
                State::Deal(table.ok_or_else(Faults::new)?)
            }
            State::Deal(table) => State::Sum(table),
            State::Sum(table) => State::Verdict(table),
            State::Verdict(_) | State::Complete => State::Complete,
        };
        Ok(())
    }

    fn key(board: &Board) -> Option<&PublicKeyPackage> {
        Some(board.parameters().public())
    }
}

impl Board {
    fn announce(&mut self, from: Identifier, message: &[u8]) -> Result<(), Fault> {
        let Announce { view: _, encryption_key } = Announce::decode(message, Round::Announce)?;
        let key = PublicKey::from_bytes(encryption_key).ok_or(Fault::InvalidKey)?;
        self.phases.keys.insert(from, key);
        if from != self.parameters.recipient() {
            self.phases.helpers.insert(from);
        }
        Ok(())
    }

    fn deal(&mut self, from: Identifier, message: &[u8]) -> Result<(), Fault> {
        // Always true: the caller asked for the round.
        let State::Deal(table) = &mut self.phases.state else { return Err(Fault::Malformed) };
        let Deal { view, dealing, proof, sealed } =
            Deal::decode(message, from, &self.phases.helpers, &self.parameters)?;
        let ephemeral = PublicKey::from_bytes(dealing.ephemeral).ok_or(Fault::InvalidKey)?;
        let statement = dealing.statement(&self.parameters, &view, from);
        possession::verify(&ephemeral, statement, &proof).ok_or(Fault::WrongProof)?;
        table.add(from, &dealing.commitments)?;
        let digest = dealing.digest(&self.parameters, &view, from);
        self.phases.dealt.insert(from, Dealt { digest, ephemeral, sealed });
        Ok(())
    }

    fn sum(&mut self, from: Identifier, message: &[u8]) -> Result<(), Faults> {
        let Sum { answer, view: _ } = Sum::decode(message, from, &self.phases.helpers)
            .map_err(|fault| Faults::from([(from, fault)]))?;
        let sealed = answer.map_err(|complaints| self.judge(from, complaints))?;
        self.phases.sums.insert(from, sealed);
        Ok(())
    }

    fn verdict(&self, from: Identifier, message: &[u8]) -> Result<(), Faults> {
        let helps = |id| self.phases.helpers.contains(&id);
        let Verdict { complaints, view: _ } = Verdict::decode(message, Round::Verdict, helps)
            .map_err(|fault| Faults::from([(from, fault)]))?;
        let faults = self.judge(from, complaints);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Judges each complaint: either the helper that it is about is at fault or the complainer is.
    fn judge(&self, from: Identifier, complaints: Complaints) -> Faults {
        let mut faults = Faults::new();
        for (helper, complaint) in complaints {
            let wrong = (from, Fault::WrongComplaint { dealer: helper });
            let (culprit, fault) = self.open(from, helper, &complaint).unwrap_or(wrong);
            faults.entry(culprit).or_insert(fault);
        }
        faults
    }

    /// Opens the value that a complaint is about. `None` if the complaint's proof is wrong, so that
    /// the value cannot be opened.
    fn open(
        &self,
        complainer: Identifier,
        helper: Identifier,
        complaint: &Complaint,
    ) -> Option<(Identifier, Fault)> {
        let shared = self.claim(complainer, helper, &complaint.shared)?.verify(&complaint.proof)?;
        let (envelope, sealed) = self.envelope(helper, complainer)?;
        // The proof fixes the shared point and with it the key, so opening has one result, and the
        // helper is responsible for it, whatever it encrypted.
        let right = envelope
            .open(&shared, sealed)
            .is_some_and(|value| self.is_right(helper, complainer, &value));
        Some(if right {
            (complainer, Fault::FalseComplaint { dealer: helper })
        } else if complainer == self.parameters.recipient() {
            (helper, Fault::WrongSum { recipient: complainer })
        } else {
            (helper, Fault::WrongSummand { helper: complainer })
        })
    }

    fn has_all_helpers(&self) -> bool {
        self.phases.helpers.len() == usize::from(self.parameters.min_signers())
    }

    /// The helpers: the candidates that announced first, as many as the key's min_signers. Complete
    /// from [`Phase::Reveal`] on, and earlier if only the recipient is missing.
    pub fn helpers(&self) -> &BTreeSet<Identifier> {
        &self.phases.helpers
    }

    pub(super) fn quorum(&self) -> Quorum<'_> {
        Quorum { helpers: &self.phases.helpers, recipient: self.parameters.recipient() }
    }

    /// The key that `to` announced, to which values for it are sealed.
    pub(super) fn key(&self, to: Identifier) -> Option<&PublicKey> {
        self.phases.keys.get(&to)
    }

    /// The ephemeral key of a helper that has dealt.
    pub(super) fn ephemeral(&self, of: Identifier) -> Option<&PublicKey> {
        Some(&self.phases.dealt.get(&of)?.ephemeral)
    }

    /// Whether a helper's value for another helper, or its sum for the recipient, is the one that
    /// was committed to. False before all have dealt.
    pub(super) fn is_right(&self, from: Identifier, to: Identifier, value: &SecretScalar) -> bool {
        match &self.phases.state {
            _ if self.phase() == Phase::Failed => false,
            State::Sum(table) | State::Verdict(table) if to == self.parameters.recipient() => {
                table.matches_sum(from, value)
            }
            State::Sum(table) | State::Verdict(table) => table.matches(from, to, value),
            State::Announce | State::Deal(_) | State::Complete => false,
        }
    }

    /// The envelope of a helper's summand for another helper.
    pub(super) fn summand_envelope<'a>(
        &'a self,
        from: Identifier,
        to: Identifier,
        ephemeral: &'a [u8; 32],
        digest: &'a [u8; 32],
    ) -> Option<Envelope<'a>> {
        Some(Envelope {
            purpose: Purpose::SUMMAND,
            binding: self.parameters.binding(),
            dealer: from,
            recipient: to,
            ephemeral,
            recipient_key: self.key(to)?.bytes(),
            opening: digest,
        })
    }

    /// The envelope of a helper's sum for the recipient. The view stands for all dealings, which
    /// the sum must match.
    pub(super) fn sum_envelope(&self, from: Identifier) -> Option<Envelope<'_>> {
        let recipient = self.parameters.recipient();
        Some(Envelope {
            purpose: Purpose::SUM,
            binding: self.parameters.binding(),
            dealer: from,
            recipient,
            ephemeral: self.ephemeral(from)?.bytes(),
            recipient_key: self.key(recipient)?.bytes(),
            opening: self.views.get(&Round::Sum)?,
        })
    }

    /// The value that a helper has sealed for another helper, or for the recipient, and the
    /// envelope that opens it.
    pub(super) fn envelope(
        &self,
        from: Identifier,
        to: Identifier,
    ) -> Option<(Envelope<'_>, &[u8; SEALED_LENGTH])> {
        if to == self.parameters.recipient() {
            return Some((self.sum_envelope(from)?, self.phases.sums.get(&from)?));
        }
        let Dealt { digest, ephemeral, sealed } = self.phases.dealt.get(&from)?;
        let envelope = self.summand_envelope(from, to, ephemeral.bytes(), digest)?;
        Some((envelope, sealed.get(&to)?))
    }

    /// The claim that a complaint of `complainer` about a helper proves.
    pub(super) fn claim<'a>(
        &'a self,
        complainer: Identifier,
        helper: Identifier,
        shared: &'a [u8; 32],
    ) -> Option<Claim<'a>> {
        let recipient = complainer == self.parameters.recipient();
        Some(Claim {
            purpose: if recipient { Purpose::SUM } else { Purpose::SUMMAND },
            binding: self.parameters.binding(),
            complainer,
            dealer: helper,
            key: self.key(complainer)?,
            ephemeral: self.ephemeral(helper)?,
            shared,
        })
    }
}
