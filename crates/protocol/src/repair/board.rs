//! The public half of a repair: what the log's messages mean, the same for everybody.

use std::collections::{BTreeMap, BTreeSet};

use super::Parameters;
use super::message::{Announce, Deal, Round, Sum, Verdict, message_hash};
use super::summands::{Quorum, Table};
use crate::Identifier;
use crate::keys::{PublicKeyPackage, SecretScalar};
use crate::keyshare::complaint::{Complaint, Complaints};
use crate::keyshare::discrete_log::Claim;
use crate::keyshare::sealing::{Envelope, PublicKey, Purpose, SEALED_LENGTH};
use crate::keyshare::{Error, Fault, Phase, Posted, possession};
use crate::transcript::Transcript;

/// What a repair's messages have led to: a fold over the log that needs no secret.
///
/// Give it the messages in log order. Boards that got the same messages in the same order are in the same state.
#[derive(Clone, Debug)]
pub struct Board {
    parameters: Parameters,
    /// The hashes of the messages that count, by round and sender.
    recorded: BTreeMap<(Round, Identifier), [u8; 32]>,
    /// What the messages of the rounds so far must answer: the transcript of all before.
    views: BTreeMap<Round, [u8; 32]>,
    /// The message that ended the session, when it is not one of those.
    offence: Option<(Identifier, [u8; 32])>,
    /// The recipient's and the helpers' encryption keys.
    keys: BTreeMap<Identifier, PublicKey>,
    helpers: BTreeSet<Identifier>,
    dealt: BTreeMap<Identifier, Dealt>,
    sums: BTreeMap<Identifier, [u8; SEALED_LENGTH]>,
    state: State,
}

/// What is left of a [`Deal`]; the commitments are in the [`Table`].
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
    Failed(BTreeMap<Identifier, Fault>),
}

/// Who is at fault with a message, and how.
type Faults = BTreeMap<Identifier, Fault>;

impl Purpose {
    /// What helpers seal to each other.
    const SUMMAND: &'static Self = &Self {
        seal: "quorate/repair/v1/summand/seal",
        complaint: "quorate/repair/v1/summand/complaint",
        nonce: "quorate/repair/v1/summand/complaint/nonce",
    };

    /// What helpers seal to the recipient.
    const SUM: &'static Self = &Self {
        seal: "quorate/repair/v1/sum/seal",
        complaint: "quorate/repair/v1/sum/complaint",
        nonce: "quorate/repair/v1/sum/complaint/nonce",
    };
}

impl Board {
    /// The board of a session in which nobody has said anything yet.
    pub fn new(parameters: Parameters) -> Self {
        Self {
            parameters,
            recorded: BTreeMap::new(),
            views: BTreeMap::new(),
            offence: None,
            keys: BTreeMap::new(),
            helpers: BTreeSet::new(),
            dealt: BTreeMap::new(),
            sums: BTreeMap::new(),
            state: State::Announce,
        }
    }

    /// What the session is about.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Takes the next message of the log, which the layer above authenticated as coming from `from` in this session.
    ///
    /// # Errors
    ///
    /// An error means that the board is unchanged and the message does not count: it came
    /// [from a stranger](Error::Stranger), [out of order](Error::OutOfOrder) or [after the end](Error::Ended), or answers
    /// [other messages](Error::OtherView). Whatever a candidate says when others are the helpers is out of order. A
    /// message that is somebody's fault is not an error: it counts, and ends the session ([`Posted::Failed`]).
    pub fn post(&mut self, from: Identifier, message: &[u8]) -> Result<Posted, Error> {
        let round = Round::of(message);
        if !self.may_speak(from, round) {
            return Err(Error::Stranger(from));
        }
        let hash = message_hash(message);
        let previous = round.and_then(|round| self.recorded.get(&(round, from)));
        if previous == Some(&hash) || self.offence == Some((from, hash)) {
            return Ok(Posted::Repeated);
        }
        if matches!(self.state, State::Complete | State::Failed(_)) {
            return Err(Error::Ended);
        }
        let out_of_order = Error::OutOfOrder { from, phase: self.phase() };
        // Of those who were too late to help nothing is wanted, so nothing that they say can end the session.
        let recipient = from == self.parameters.recipient();
        if self.has_all_helpers() && !recipient && !self.helpers.contains(&from) {
            return Err(out_of_order);
        }
        // Before anything is judged: what is right beside the messages that its sender saw may look like a fault beside
        // these.
        if let Some(round) = round
            && let Some(named) = round.named_view(message)
            && self.views.get(&round).is_some_and(|view| *view != named)
        {
            return Err(Error::OtherView { from });
        }
        let own = |fault| Faults::from([(from, fault)]);
        let (round, taken) = match round {
            None => return Ok(self.fail(from, hash, own(Fault::Malformed))),
            Some(_) if previous.is_some() => {
                return Ok(self.fail(from, hash, own(Fault::Equivocation)));
            }
            Some(round) if self.round() != Some(round) => return Err(out_of_order),
            Some(round @ Round::Announce) => (round, self.announce(from, message).map_err(own)),
            Some(round @ Round::Deal) => (round, self.deal(from, message).map_err(own)),
            Some(round @ Round::Sum) => (round, self.sum(from, message)),
            Some(round @ Round::Verdict) => (round, self.verdict(from, message)),
        };
        if let Err(faults) = taken {
            return Ok(self.fail(from, hash, faults));
        }
        self.recorded.insert((round, from), hash);
        if self.missing().is_empty() {
            self.finish_phase();
        }
        let failed = matches!(self.state, State::Failed(_));
        Ok(if failed { Posted::Failed } else { Posted::Recorded })
    }

    /// Whether somebody has something to say in a round, or ever.
    fn may_speak(&self, from: Identifier, round: Option<Round>) -> bool {
        let recipient = from == self.parameters.recipient();
        let candidate = self.parameters.candidates().contains(&from);
        match round {
            None | Some(Round::Announce) => recipient || candidate,
            Some(Round::Deal | Round::Sum) => candidate,
            Some(Round::Verdict) => recipient,
        }
    }

    fn fail(&mut self, from: Identifier, hash: [u8; 32], faults: Faults) -> Posted {
        self.offence = Some((from, hash));
        self.state = State::Failed(faults);
        Posted::Failed
    }

    fn announce(&mut self, from: Identifier, message: &[u8]) -> Result<(), Fault> {
        let Announce { encryption_key } = Announce::decode(message)?;
        let key = PublicKey::from_bytes(encryption_key).ok_or(Fault::InvalidKey)?;
        self.keys.insert(from, key);
        if from != self.parameters.recipient() {
            self.helpers.insert(from);
        }
        Ok(())
    }

    fn deal(&mut self, from: Identifier, message: &[u8]) -> Result<(), Fault> {
        // Always so: the caller asked for the round.
        let State::Deal(table) = &mut self.state else { return Err(Fault::Malformed) };
        let Deal { view, dealing, proof, sealed } =
            Deal::decode(message, from, &self.helpers, &self.parameters)?;
        let ephemeral = PublicKey::from_bytes(dealing.ephemeral).ok_or(Fault::InvalidKey)?;
        let statement = dealing.statement(&self.parameters, &view, from);
        possession::verify(&ephemeral, statement, &proof).ok_or(Fault::WrongProof)?;
        table.add(from, &dealing.commitments)?;
        let digest = dealing.digest(&self.parameters, &view, from);
        self.dealt.insert(from, Dealt { digest, ephemeral, sealed });
        Ok(())
    }

    fn sum(&mut self, from: Identifier, message: &[u8]) -> Result<(), Faults> {
        let Sum { answer, view: _ } = Sum::decode(message, from, &self.helpers)
            .map_err(|fault| Faults::from([(from, fault)]))?;
        let sealed = answer.map_err(|complaints| self.judge(from, complaints))?;
        self.sums.insert(from, sealed);
        Ok(())
    }

    fn verdict(&self, from: Identifier, message: &[u8]) -> Result<(), Faults> {
        let Verdict { complaints, view: _ } = Verdict::decode(message, &self.helpers)
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

    /// Opens what a complaint is about. `None` if the complaint's proof is wrong, so that it can't be opened.
    fn open(
        &self,
        complainer: Identifier,
        helper: Identifier,
        complaint: &Complaint,
    ) -> Option<(Identifier, Fault)> {
        let shared = self.claim(complainer, helper, &complaint.shared)?.verify(&complaint.proof)?;
        let (envelope, sealed) = self.envelope(helper, complainer)?;
        // The proof fixes the shared point and with it the key, so there is one result of opening, and the helper answers
        // for it, whatever it encrypted.
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
        self.helpers.len() == usize::from(self.parameters.min_signers())
    }

    fn finish_phase(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Complete) {
            State::Announce => {
                let quorum = self.quorum();
                let public = self.parameters.public();
                let table = self.parameters.suite().algebra().table(quorum, public);
                table.map_or_else(|| State::Failed(Faults::new()), State::Deal)
            }
            State::Deal(table) => State::Sum(table),
            State::Sum(table) => State::Verdict(table),
            State::Verdict(_) | State::Complete => State::Complete,
            failed @ State::Failed(_) => failed,
        };
        if let Some(round) = self.round() {
            self.views.insert(round, self.transcript());
        }
    }

    /// Where the session is: as in a key generation, with [`Phase::Commit`] for announcements, [`Phase::Reveal`] for
    /// dealings, and then [`Phase::Sum`].
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Announce => Phase::Commit,
            State::Deal(_) => Phase::Reveal,
            State::Sum(_) => Phase::Sum,
            State::Verdict(_) => Phase::Verdict,
            State::Complete => Phase::Complete,
            State::Failed(_) => Phase::Failed,
        }
    }

    /// The round whose messages the session waits for.
    fn round(&self) -> Option<Round> {
        match &self.state {
            State::Announce => Some(Round::Announce),
            State::Deal(_) => Some(Round::Deal),
            State::Sum(_) => Some(Round::Sum),
            State::Verdict(_) => Some(Round::Verdict),
            State::Complete | State::Failed(_) => None,
        }
    }

    /// Who has not yet posted what the current phase waits for. Empty after the end. While the session waits for
    /// announcements, these are all who may still help, though not all of them have to, and the recipient.
    ///
    /// Whoever is late is not a culprit: a message may be held back by others.
    pub fn missing(&self) -> BTreeSet<Identifier> {
        let recipient = BTreeSet::from([self.parameters.recipient()]);
        let (round, speakers) = match &self.state {
            State::Announce if self.has_all_helpers() => (Round::Announce, recipient),
            State::Announce => (Round::Announce, &recipient | self.parameters.candidates()),
            State::Deal(_) => (Round::Deal, self.helpers.clone()),
            State::Sum(_) => (Round::Sum, self.helpers.clone()),
            State::Verdict(_) => (Round::Verdict, recipient),
            State::Complete | State::Failed(_) => return BTreeSet::new(),
        };
        speakers.into_iter().filter(|id| !self.recorded.contains_key(&(round, *id))).collect()
    }

    /// Who helps: those of the candidates who announced first, as many as the key's min_signers. Complete from
    /// [`Phase::Reveal`] on, and earlier if only the recipient is missing.
    pub fn helpers(&self) -> &BTreeSet<Identifier> {
        &self.helpers
    }

    /// Who provably broke the protocol; empty unless the session [failed](Phase::Failed).
    pub fn culprits(&self) -> BTreeSet<Identifier> {
        self.faults().keys().copied().collect()
    }

    /// What each culprit did; empty unless the session [failed](Phase::Failed).
    ///
    /// A session ends with the first message that shows a fault, so there may be culprits who are not in here. One that
    /// failed without any had a public key package whose verifying shares are not shares of one key, which no key
    /// generation makes: trying again does not help.
    pub fn faults(&self) -> &BTreeMap<Identifier, Fault> {
        static NONE: BTreeMap<Identifier, Fault> = BTreeMap::new();
        match &self.state {
            State::Failed(faults) => faults,
            State::Announce
            | State::Deal(_)
            | State::Sum(_)
            | State::Verdict(_)
            | State::Complete => &NONE,
        }
    }

    /// The key, of which the recipient has its share again, once the session is [complete](Phase::Complete). It is the
    /// one that the session began with.
    pub fn outcome(&self) -> Option<&PublicKeyPackage> {
        matches!(self.state, State::Complete).then_some(self.parameters.public())
    }

    /// A hash of the parameters and of every message that counts, by round and sender; those of the first round say who
    /// the helpers are.
    ///
    /// It is what the messages of each round but the first name as what they answer. It does not depend on the order of
    /// the messages that count within a round.
    pub fn transcript(&self) -> [u8; 32] {
        let mut transcript =
            Transcript::new("quorate/repair/v1/transcript").field(self.parameters.binding());
        for ((round, from), hash) in &self.recorded {
            transcript = transcript.field(&[round.tag()]).field(&from.to_bytes()).field(hash);
        }
        if let Some((from, hash)) = &self.offence {
            transcript = transcript.field(&[0]).field(&from.to_bytes()).field(hash);
        }
        transcript.digest()
    }

    /// What the messages of a round must answer; `None` before the round has begun.
    pub(super) fn view(&self, round: Round) -> Option<[u8; 32]> {
        self.views.get(&round).copied()
    }

    /// The hash of the message that counts as `from`'s in a round.
    pub(super) fn recorded(&self, round: Round, from: Identifier) -> Option<&[u8; 32]> {
        self.recorded.get(&(round, from))
    }

    pub(super) fn quorum(&self) -> Quorum<'_> {
        Quorum { helpers: &self.helpers, recipient: self.parameters.recipient() }
    }

    /// What was announced for sealing something to `to`.
    pub(super) fn key(&self, to: Identifier) -> Option<&PublicKey> {
        self.keys.get(&to)
    }

    /// The key with which a helper that has dealt seals.
    pub(super) fn ephemeral(&self, of: Identifier) -> Option<&PublicKey> {
        Some(&self.dealt.get(&of)?.ephemeral)
    }

    /// Whether a helper's value for another one, or its sum for the recipient, is what was committed to. False before
    /// all have dealt.
    pub(super) fn is_right(&self, from: Identifier, to: Identifier, value: &SecretScalar) -> bool {
        match &self.state {
            State::Sum(table) | State::Verdict(table) if to == self.parameters.recipient() => {
                table.matches_sum(from, value)
            }
            State::Sum(table) | State::Verdict(table) => table.matches(from, to, value),
            State::Announce | State::Deal(_) | State::Complete | State::Failed(_) => false,
        }
    }

    /// What seals a helper's summand for another one.
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

    /// What seals a helper's sum for the recipient. The view stands for all dealings, which the sum must match.
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

    /// What a helper has sealed for another one, or for the recipient, and what opens it.
    pub(super) fn envelope(
        &self,
        from: Identifier,
        to: Identifier,
    ) -> Option<(Envelope<'_>, &[u8; SEALED_LENGTH])> {
        if to == self.parameters.recipient() {
            return Some((self.sum_envelope(from)?, self.sums.get(&from)?));
        }
        let Dealt { digest, ephemeral, sealed } = self.dealt.get(&from)?;
        let envelope = self.summand_envelope(from, to, ephemeral.bytes(), digest)?;
        Some((envelope, sealed.get(&to)?))
    }

    /// What a complaint of `complainer` about a helper proves.
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
