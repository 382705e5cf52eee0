//! The public half of a session: what the log's messages mean, the same for everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::discrete_log::Claim;
use super::feldman::{Combined, Dealings, Rejection, Weights};
use super::message::{Announce, Commit, Dealing, Reveal, Round, Verdict, message_hash};
use super::sealing::{Envelope, PublicKey, Purpose, SEALED_LENGTH};
use super::{Error, Fault, Parameters, possession};
use crate::Identifier;
use crate::keys::{PublicKeyPackage, VerifyingKey, VerifyingShare};
use crate::transcript::Transcript;

/// What a session's messages have led to: a fold over the log that needs no secret.
///
/// Give it the messages in log order. Boards that got the same messages in the same order
/// are in the same state.
#[derive(Debug)]
pub struct Board {
    parameters: Parameters,
    /// The hashes of the messages that count, by round and sender.
    recorded: BTreeMap<(Round, Identifier), [u8; 32]>,
    /// What the messages of the rounds so far must answer: the transcript of all before.
    views: BTreeMap<Round, [u8; 32]>,
    /// The message that ended the session, when it is not one of those.
    offence: Option<(Identifier, [u8; 32])>,
    commits: BTreeMap<Identifier, Committed>,
    reveals: BTreeMap<Identifier, Revealed>,
    dealings: Box<dyn Dealings>,
    state: State,
}

/// What is left of a [`Commit`] or an [`Announce`].
#[derive(Clone, Debug)]
pub(super) struct Committed {
    /// Absent in a reshare.
    opening: Option<[u8; 32]>,
    pub(super) key: PublicKey,
}

/// What is left of a [`Reveal`] that was found to be right; the coefficients are in [`Dealings`].
#[derive(Clone, Debug)]
pub(super) struct Revealed {
    opening: [u8; 32],
    /// Nobody else's: fixed before others' were known, or with a proof of [possession].
    pub(super) ephemeral: PublicKey,
    pub(super) sealed: BTreeMap<Identifier, [u8; SEALED_LENGTH]>,
}

#[derive(Clone, Debug)]
enum State {
    Commit,
    Reveal,
    /// All dealings are known, so this would be the key.
    Verdict(PublicKeyPackage),
    /// All dealings of a reshare are known, and these participants' shares would be zero. There will be no key: somebody
    /// brought that about, and the verdicts show who, see [`Board::verdict`].
    ZeroShares(BTreeSet<Identifier>),
    Complete(PublicKeyPackage),
    Failed(BTreeMap<Identifier, Fault>),
}

/// Where a session is: which messages it waits for, or how it ended.
///
/// Also of a [repair](crate::repair), which has one round more.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
    /// Waits for everybody's encryption key, and in a key generation hash of a dealing. In a repair for the keys of the
    /// recipient and of as many helpers as the key's min_signers.
    Commit,
    /// Waits for everybody's dealing; in a reshare, for those of as many as the old key's min_signers; in
    /// a repair, for those of the helpers.
    Reveal,
    /// Only in a repair: waits for the sums of what the helpers got from each other.
    Sum,
    /// Waits for everybody to approve, or somebody to complain; in a repair, for the recipient.
    Verdict,
    /// There is a key, or the share is repaired. Final.
    Complete,
    /// There will be no key, or no repaired share: see [`Board::faults`]. Final.
    Failed,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Commit => "commit",
            Self::Reveal => "reveal",
            Self::Sum => "sum",
            Self::Verdict => "verdict",
            Self::Complete => "complete",
            Self::Failed => "failed",
        })
    }
}

/// What became of a message that the board took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Posted {
    /// It counts.
    Recorded,
    /// It had been posted before; nothing changed.
    Repeated,
    /// It showed that somebody, often its sender, broke the protocol: the session is over.
    Failed,
}

impl Board {
    /// The board of a session in which nobody has said anything yet.
    pub fn new(parameters: Parameters) -> Self {
        Self {
            dealings: parameters.suite().algebra().dealings(),
            parameters,
            recorded: BTreeMap::new(),
            views: BTreeMap::new(),
            offence: None,
            commits: BTreeMap::new(),
            reveals: BTreeMap::new(),
            state: State::Commit,
        }
    }

    /// What the session is about.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Takes the next message of the log, which the layer above authenticated as coming
    /// from `from` in this session.
    ///
    /// # Errors
    ///
    /// An error means that the board is unchanged and the message does not count: it came
    /// [from a stranger](Error::Stranger), [out of order](Error::OutOfOrder) or
    /// [after the end](Error::Ended), or answers [other messages](Error::OtherView). A
    /// message that is somebody's fault is not an error: it counts, and ends the session
    /// ([`Posted::Failed`]).
    pub fn post(&mut self, from: Identifier, message: &[u8]) -> Result<Posted, Error> {
        let takes_part = |id| {
            self.parameters.participants().contains(id) || self.parameters.dealers().contains(id)
        };
        if !takes_part(&from) {
            return Err(Error::Stranger(from));
        }
        let hash = message_hash(message);
        let round = Round::of(message, &self.parameters);
        if round.is_some_and(|round| !self.speakers(round).contains(&from)) {
            return Err(Error::Stranger(from));
        }
        let previous = round.and_then(|round| self.recorded.get(&(round, from)));
        if previous == Some(&hash) || self.offence == Some((from, hash)) {
            return Ok(Posted::Repeated);
        }
        if matches!(self.state, State::Complete(_) | State::Failed(_)) {
            return Err(Error::Ended);
        }
        // Before anything is judged: what is right beside the messages that its sender saw
        // may look like a fault beside these.
        if let Some(round) = round
            && let Some(named) = round.named_view(message)
            && self.views.get(&round).is_some_and(|view| *view != named)
        {
            return Err(Error::OtherView { from });
        }
        let taken = match round {
            None => Err(BTreeMap::from([(from, Fault::Malformed)])),
            Some(_) if previous.is_some() => Err(BTreeMap::from([(from, Fault::Equivocation)])),
            Some(Round::Commit | Round::Announce) if matches!(self.state, State::Commit) => {
                self.commit(from, message).map_err(|fault| BTreeMap::from([(from, fault)]))
            }
            Some(Round::Reveal | Round::Deal) if matches!(self.state, State::Reveal) => {
                self.reveal(from, message).map_err(|fault| BTreeMap::from([(from, fault)]))
            }
            Some(Round::Verdict) if self.phase() == Phase::Verdict => self.verdict(from, message),
            Some(_) => return Err(Error::OutOfOrder { from, phase: self.phase() }),
        };
        match (taken, round) {
            (Ok(()), Some(round)) => {
                self.recorded.insert((round, from), hash);
                if self.has_all(round) {
                    self.finish_phase();
                }
            }
            (Ok(()), None) => return Err(Error::Bug),
            (Err(faults), _) => {
                self.offence = Some((from, hash));
                self.state = State::Failed(faults);
            }
        }
        let failed = matches!(self.state, State::Failed(_));
        Ok(if failed { Posted::Failed } else { Posted::Recorded })
    }

    fn commit(&mut self, from: Identifier, message: &[u8]) -> Result<(), Fault> {
        let (opening, encryption_key) = if self.parameters.old().is_some() {
            (None, Announce::decode(message)?.encryption_key)
        } else {
            let Commit { opening, encryption_key } = Commit::decode(message)?;
            (Some(opening), encryption_key)
        };
        let key = PublicKey::from_bytes(encryption_key).ok_or(Fault::InvalidKey)?;
        self.commits.insert(from, Committed { opening, key });
        Ok(())
    }

    fn reveal(&mut self, from: Identifier, message: &[u8]) -> Result<(), Fault> {
        let Reveal { view, dealing, possession, sealed } =
            Reveal::decode(message, from, &self.parameters)?;
        // First, because it is cheap and makes all that follows independent of others.
        let opening = dealing.opening(&self.parameters, from);
        let committed = || self.commits.get(&from)?.opening;
        if self.parameters.old().is_none() && committed() != Some(opening) {
            return Err(Fault::WrongOpening);
        }
        let about = dealing.possession(&self.parameters, &view, from);
        let Dealing { ephemeral, coefficients, proof } = dealing;
        let statement = Dealing::statement(&self.parameters, from, &ephemeral, &coefficients);
        let ephemeral = PublicKey::from_bytes(ephemeral).ok_or(Fault::InvalidKey)?;
        // Nobody can prove to know another constant that has this commitment, so a dealer that has the right one deals
        // its share, whatever it is.
        if let Some(old) = self.parameters.old() {
            let share = old.public.verifying_share(from).map(VerifyingShare::as_bytes);
            if coefficients.get(..self.parameters.suite().algebra().point_length()) != share {
                return Err(Fault::WrongConstant);
            }
            // Before anybody can complain: a complaint opens what is sealed to the complainer under this key, so it must
            // not be another dealer's. A dealing that is refused here ends the session, and no complaint is ever made.
            let possession = possession.ok_or(Fault::Malformed)?;
            possession::verify(&ephemeral, about, &possession).ok_or(Fault::WrongProof)?;
        }
        self.dealings.add(from, &coefficients, &proof, statement)?;
        self.reveals.insert(from, Revealed { opening, ephemeral, sealed });
        Ok(())
    }

    /// Judges each complaint: either its dealer is at fault or the complainer is.
    ///
    /// Who approves of a share of zero is at fault, too. A dealer that deals last can choose its polynomial by what the
    /// others dealt, such that somebody's share is zero. To an honest recipient it can't send a right sub-share then:
    /// it would have to know what the others sent there. So an honest one always has a dealer to complain about, and
    /// one that approves has made its own share zero, with the last dealer or as the last dealer.
    fn verdict(
        &mut self,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), BTreeMap<Identifier, Fault>> {
        let verdict = Verdict::decode(message, from, &self.parameters)
            .map_err(|fault| BTreeMap::from([(from, fault)]))?;
        let mut faults = BTreeMap::new();
        for (dealer, complaint) in verdict.complaints {
            let (culprit, fault) = self
                .judge(from, dealer, &complaint.shared, &complaint.proof)
                .unwrap_or((from, Fault::WrongComplaint { dealer }));
            faults.entry(culprit).or_insert(fault);
        }
        if faults.is_empty() && self.zero_shares().contains(&from) {
            faults.insert(from, Fault::ZeroShare);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Opens the sub-share that a complaint is about. `None` if the complaint's proof is
    /// wrong, so that the sub-share can't be opened.
    fn judge(
        &self,
        complainer: Identifier,
        dealer: Identifier,
        shared: &[u8; 32],
        proof: &[u8; 64],
    ) -> Option<(Identifier, Fault)> {
        let claim = Claim {
            purpose: Purpose::SUB_SHARE,
            binding: self.parameters.binding(),
            complainer,
            dealer,
            key: &self.commits.get(&complainer)?.key,
            ephemeral: &self.reveals.get(&dealer)?.ephemeral,
            shared,
        };
        let shared = claim.verify(proof)?;
        let (envelope, sealed) = self.envelope(dealer, complainer)?;
        // The proof fixes the shared point and with it the key, so there is one result of
        // opening, and the dealer answers for it, whatever it encrypted.
        let right = envelope
            .open(&shared, sealed)
            .is_some_and(|sub_share| self.dealings.matches(dealer, complainer, &sub_share));
        Some(if right {
            (complainer, Fault::FalseComplaint { dealer })
        } else {
            (dealer, Fault::WrongSubShare { recipient: complainer })
        })
    }

    /// Who has something to say in a round.
    fn speakers(&self, round: Round) -> &BTreeSet<Identifier> {
        match round {
            Round::Reveal | Round::Deal => self.parameters.dealers(),
            Round::Commit | Round::Announce | Round::Verdict => self.parameters.participants(),
        }
    }

    fn has_all(&self, round: Round) -> bool {
        if matches!(round, Round::Reveal | Round::Deal) {
            return self.reveals.len() == self.parameters.dealings_needed();
        }
        self.speakers(round).iter().all(|id| self.recorded.contains_key(&(round, *id)))
    }

    /// How dealings add up to the key.
    pub(super) fn weights(&self) -> Weights {
        if self.parameters.old().is_some() { Weights::Lagrange } else { Weights::Equal }
    }

    /// Makes the key of all dealings. In a reshare, interpolating the old shares gives the old key: that it does is
    /// what makes the session worth anything, so it is not left to arithmetic alone.
    fn combine(&self) -> State {
        match self.dealings.combine(self.parameters.participants(), self.weights()) {
            Ok(combined) if !combined.zero_shares.is_empty() => match self.parameters.old() {
                Some(_) => State::ZeroShares(combined.zero_shares),
                // All of them together, or chance: there is nobody to be named, and nobody to be fair to.
                None => State::Failed(BTreeMap::new()),
            },
            Ok(combined) => {
                let package = self.package(combined);
                let old = self.parameters.old().map(|old| old.public.verifying_key());
                let kept = old.is_none_or(|old| old == package.verifying_key());
                if kept { State::Verdict(package) } else { State::Failed(BTreeMap::new()) }
            }
            Err(Rejection::Torsion(dealers)) => {
                State::Failed(dealers.into_iter().map(|dealer| (dealer, Fault::Torsion)).collect())
            }
            Err(Rejection::Identity) => State::Failed(BTreeMap::new()),
        }
    }

    fn finish_phase(&mut self) {
        self.state = match &self.state {
            State::Commit => State::Reveal,
            State::Reveal => self.combine(),
            State::Verdict(package) => State::Complete(package.clone()),
            // Not reached: whatever the verdict of one whose share would be zero is, it shows a fault.
            State::ZeroShares(_) => State::Failed(BTreeMap::new()),
            State::Complete(_) | State::Failed(_) => return,
        };
        let next = match &self.state {
            State::Reveal => Round::second(&self.parameters),
            State::Verdict(_) | State::ZeroShares(_) => Round::Verdict,
            State::Commit | State::Complete(_) | State::Failed(_) => return,
        };
        self.views.insert(next, self.transcript());
    }

    fn package(&self, combined: Combined) -> PublicKeyPackage {
        let suite = self.parameters.suite();
        PublicKeyPackage::of_valid_points(
            self.parameters.min_signers(),
            VerifyingKey::of_valid_point(suite, combined.verifying_key),
            combined
                .verifying_shares
                .into_iter()
                .map(|(id, share)| (id, VerifyingShare::of_valid_point(suite, share)))
                .collect(),
        )
    }

    /// Where the session is.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Commit => Phase::Commit,
            State::Reveal => Phase::Reveal,
            State::Verdict(_) | State::ZeroShares(_) => Phase::Verdict,
            State::Complete(_) => Phase::Complete,
            State::Failed(_) => Phase::Failed,
        }
    }

    /// Who has not yet posted what the current phase waits for. Empty after the end. While a reshare waits for
    /// dealings, these are all who may still deal, though not all of them have to.
    ///
    /// Whoever is late is not a culprit: a message may be held back by others.
    pub fn missing(&self) -> BTreeSet<Identifier> {
        let round = match &self.state {
            State::Commit => Round::first(&self.parameters),
            State::Reveal => Round::second(&self.parameters),
            State::Verdict(_) | State::ZeroShares(_) => Round::Verdict,
            State::Complete(_) | State::Failed(_) => return BTreeSet::new(),
        };
        let missing = |id: &&Identifier| !self.recorded.contains_key(&(round, **id));
        self.speakers(round).iter().filter(missing).copied().collect()
    }

    /// Whose dealings make the key: all participants', or in a reshare those that came first. Complete from the
    /// [verdict phase](Phase::Verdict) on.
    pub fn dealers(&self) -> impl Iterator<Item = Identifier> {
        self.reveals.keys().copied()
    }

    /// Who provably broke the protocol; empty unless the session [failed](Phase::Failed).
    pub fn culprits(&self) -> BTreeSet<Identifier> {
        self.faults().keys().copied().collect()
    }

    /// What each culprit did; empty unless the session [failed](Phase::Failed).
    ///
    /// A session ends with the first message that shows a fault, so there may be culprits
    /// who are not in here.
    pub fn faults(&self) -> &BTreeMap<Identifier, Fault> {
        static NONE: BTreeMap<Identifier, Fault> = BTreeMap::new();
        match &self.state {
            State::Failed(faults) => faults,
            State::Commit
            | State::Reveal
            | State::Verdict(_)
            | State::ZeroShares(_)
            | State::Complete(_) => &NONE,
        }
    }

    /// The key, once the session is [complete](Phase::Complete).
    pub fn outcome(&self) -> Option<&PublicKeyPackage> {
        match &self.state {
            State::Complete(package) => Some(package),
            State::Commit
            | State::Reveal
            | State::Verdict(_)
            | State::ZeroShares(_)
            | State::Failed(_) => None,
        }
    }

    /// A hash of the parameters and of every message that counts, by round and sender.
    ///
    /// It is what participants certify: who signed the same transcript saw the same
    /// messages. And it is what the messages of each round but the first name as what they
    /// answer. It does not depend on the order of messages within a round.
    pub fn transcript(&self) -> [u8; 32] {
        let mut transcript =
            Transcript::new("quorate/keyshare/v1/transcript").field(self.parameters.binding());
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

    pub(super) fn commits(&self) -> &BTreeMap<Identifier, Committed> {
        &self.commits
    }

    pub(super) fn reveals(&self) -> &BTreeMap<Identifier, Revealed> {
        &self.reveals
    }

    pub(super) fn dealings(&self) -> &dyn Dealings {
        &*self.dealings
    }

    /// The key that will be if nobody complains. `None` also if [a share of it would be zero](Self::zero_shares).
    pub(super) fn candidate(&self) -> Option<&PublicKeyPackage> {
        match &self.state {
            State::Verdict(package) | State::Complete(package) => Some(package),
            State::Commit | State::Reveal | State::ZeroShares(_) | State::Failed(_) => None,
        }
    }

    /// Whose shares would be zero, in a reshare that can therefore only show who brought that about.
    pub(super) fn zero_shares(&self) -> &BTreeSet<Identifier> {
        static NONE: BTreeSet<Identifier> = BTreeSet::new();
        match &self.state {
            State::ZeroShares(owners) => owners,
            State::Verdict(_)
            | State::Commit
            | State::Reveal
            | State::Complete(_)
            | State::Failed(_) => &NONE,
        }
    }

    /// A dealer's sealed sub-share for a recipient, and what opens it.
    pub(super) fn envelope(
        &self,
        dealer: Identifier,
        recipient: Identifier,
    ) -> Option<(Envelope<'_>, &[u8; SEALED_LENGTH])> {
        let revealed = self.reveals.get(&dealer)?;
        let envelope = Envelope {
            purpose: Purpose::SUB_SHARE,
            binding: self.parameters.binding(),
            dealer,
            recipient,
            ephemeral: revealed.ephemeral.bytes(),
            recipient_key: self.commits.get(&recipient)?.key.bytes(),
            opening: &revealed.opening,
        };
        Some((envelope, revealed.sealed.get(&recipient)?))
    }
}

impl Clone for Board {
    fn clone(&self) -> Self {
        Self {
            parameters: self.parameters.clone(),
            recorded: self.recorded.clone(),
            views: self.views.clone(),
            offence: self.offence,
            commits: self.commits.clone(),
            reveals: self.reveals.clone(),
            dealings: self.dealings.clone_box(),
            state: self.state.clone(),
        }
    }
}
