//! The rounds of a key generation or reshare, and the results of their messages.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{Commit, Dealing, Reveal, Round};
use super::parameters::Parameters;
use crate::Identifier;
use crate::algebra::{Combined, Dealings, Rejection, Weights};
use crate::keys::{PublicKeyPackage, VerifyingKey, VerifyingShare};
use crate::session::complaint::Complaint;
use crate::session::discrete_log::Claim;
use crate::session::message::{Announce, Verdict};
use crate::session::sealing::{Envelope, PublicKey, Purpose, SEALED_LENGTH};
use crate::session::{self, Fault, Faults, Parameters as _, Phase, Phases, possession};

/// The board of a key generation or reshare.
pub type Board = session::Board<Keyshare>;

/// A key generation or reshare, as a kind of [session]: what it keeps of the
/// messages.
#[derive(Clone, Debug)]
pub struct Keyshare {
    commits: BTreeMap<Identifier, Committed>,
    reveals: BTreeMap<Identifier, Revealed>,
    dealings: Box<dyn Dealings>,
    state: State,
}

/// The kept part of a [`Commit`] or an [`Announce`].
#[derive(Clone, Debug)]
pub(super) struct Committed {
    /// Absent in a reshare.
    opening: Option<[u8; 32]>,
    pub(super) key: PublicKey,
}

/// The kept part of a [`Reveal`] that is right; the coefficients are in [`Dealings`].
#[derive(Clone, Debug)]
pub(super) struct Revealed {
    opening: [u8; 32],
    /// Belongs to no other participant: it was fixed before the others' keys were known, or it came
    /// with a proof of [possession].
    pub(super) ephemeral: PublicKey,
    pub(super) sealed: BTreeMap<Identifier, [u8; SEALED_LENGTH]>,
}

#[derive(Clone, Debug)]
enum State {
    Commit,
    Reveal,
    /// All dealings are known, so this would be the key.
    Verdict(PublicKeyPackage),
    /// All dealings of a reshare are known, and these participants' shares would be zero. There
    /// will be no key: somebody caused that, and the verdicts show who, see [`Board::verdict`].
    ZeroShares(BTreeSet<Identifier>),
    Complete(PublicKeyPackage),
}

impl Phases for Keyshare {
    type Parameters = Parameters;
    type Round = Round;

    const MESSAGE: &'static str = "quorate/keyshare/v1/message";
    const TRANSCRIPT: &'static str = "quorate/keyshare/v1/transcript";

    fn new(parameters: &Parameters) -> Self {
        Self {
            dealings: parameters.suite().algebra().dealings(),
            commits: BTreeMap::new(),
            reveals: BTreeMap::new(),
            state: State::Commit,
        }
    }

    fn has_round(parameters: &Parameters, round: Round) -> bool {
        [Round::first(parameters), Round::second(parameters), Round::Verdict].contains(&round)
    }

    fn may_speak(board: &Board, from: Identifier, round: Option<Round>) -> bool {
        let parameters = board.parameters();
        match round {
            None => {
                parameters.participants().contains(&from) || parameters.dealers().contains(&from)
            }
            Some(Round::Reveal | Round::Deal) => parameters.dealers().contains(&from),
            Some(Round::Commit | Round::Announce | Round::Verdict) => {
                parameters.participants().contains(&from)
            }
        }
    }

    fn is_too_late(_: &Board, _: Identifier) -> bool {
        false
    }

    fn round(board: &Board) -> Option<Round> {
        match &board.phases.state {
            State::Commit => Some(Round::first(board.parameters())),
            State::Reveal => Some(Round::second(board.parameters())),
            State::Verdict(_) | State::ZeroShares(_) => Some(Round::Verdict),
            State::Complete(_) => None,
        }
    }

    fn awaited(board: &Board) -> BTreeSet<Identifier> {
        let parameters = board.parameters();
        match &board.phases.state {
            State::Reveal if board.phases.reveals.len() == parameters.dealings_needed() => {
                BTreeSet::new()
            }
            State::Reveal => parameters.dealers().clone(),
            State::Commit | State::Verdict(_) | State::ZeroShares(_) => {
                parameters.participants().clone()
            }
            State::Complete(_) => BTreeSet::new(),
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
            Round::Commit | Round::Announce => board.commit(from, message).map_err(own),
            Round::Reveal | Round::Deal => board.reveal(from, message).map_err(own),
            Round::Verdict => board.verdict(from, message),
        }
    }

    fn finish_round(board: &mut Board) -> Result<(), Faults> {
        board.phases.state = match &board.phases.state {
            State::Commit => State::Reveal,
            State::Reveal => board.combine()?,
            State::Verdict(package) | State::Complete(package) => State::Complete(package.clone()),
            // Not reached: any verdict of a participant whose share would be zero shows a fault.
            State::ZeroShares(_) => return Err(Faults::new()),
        };
        Ok(())
    }

    fn key(board: &Board) -> Option<&PublicKeyPackage> {
        match &board.phases.state {
            State::Complete(package) => Some(package),
            State::Commit | State::Reveal | State::Verdict(_) | State::ZeroShares(_) => None,
        }
    }
}

impl Board {
    fn commit(&mut self, from: Identifier, message: &[u8]) -> Result<(), Fault> {
        let (opening, encryption_key) = if self.parameters.old().is_some() {
            (None, Announce::decode(message, Round::Announce)?.encryption_key)
        } else {
            let Commit { view: _, opening, encryption_key } = Commit::decode(message)?;
            (Some(opening), encryption_key)
        };
        let key = PublicKey::from_bytes(encryption_key).ok_or(Fault::InvalidKey)?;
        self.phases.commits.insert(from, Committed { opening, key });
        Ok(())
    }

    fn reveal(&mut self, from: Identifier, message: &[u8]) -> Result<(), Fault> {
        let Reveal { view, dealing, possession, sealed } =
            Reveal::decode(message, from, &self.parameters)?;
        // This check is first, because it is cheap and makes all that follows independent of
        // others.
        let opening = dealing.opening(&self.parameters, from);
        let committed = || self.phases.commits.get(&from)?.opening;
        if self.parameters.old().is_none() && committed() != Some(opening) {
            return Err(Fault::WrongOpening);
        }
        let about = dealing.possession(&self.parameters, &view, from);
        let Dealing { ephemeral, coefficients, proof } = dealing;
        let statement = Dealing::statement(&self.parameters, from, &ephemeral, &coefficients);
        let ephemeral = PublicKey::from_bytes(ephemeral).ok_or(Fault::InvalidKey)?;
        // Nobody can prove to know another constant that has this commitment, so a dealer that has
        // the right one deals its share, whatever it is.
        if let Some(old) = self.parameters.old() {
            let share = old.public.verifying_share(from).map(VerifyingShare::as_bytes);
            if coefficients.get(..self.parameters.suite().algebra().point_length()) != share {
                return Err(Fault::WrongConstant);
            }
            // Checked before anybody can complain: a complaint opens what is sealed to the
            // complainer under this key, so it must not be another dealer's key. A dealing that is
            // rejected here ends the session, and no complaint is ever made.
            let possession = possession.ok_or(Fault::Malformed)?;
            possession::verify(&ephemeral, about, &possession).ok_or(Fault::WrongProof)?;
        }
        self.phases.dealings.add(from, &coefficients, &proof, statement)?;
        self.phases.reveals.insert(from, Revealed { opening, ephemeral, sealed });
        Ok(())
    }

    /// Judges each complaint: either its dealer is at fault or the complainer is.
    ///
    /// A participant that approves of a share of zero is at fault, too. A dealer that deals last
    /// can choose its polynomial by what the others dealt, such that somebody's share is zero. It
    /// then cannot send a right sub-share to an honest recipient, because it would have to know
    /// what the others sent to that recipient. So an honest recipient always has a dealer to
    /// complain about. A recipient that approves has made its own share zero, with the last dealer
    /// or as the last dealer.
    fn verdict(&self, from: Identifier, message: &[u8]) -> Result<(), Faults> {
        let deals = |id| id != from && self.parameters.dealers().contains(&id);
        // Complaints about oneself, or about somebody who does not deal, are malformed.
        let verdict = Verdict::decode(message, Round::Verdict, deals)
            .map_err(|fault| Faults::from([(from, fault)]))?;
        let mut faults = Faults::new();
        for (dealer, complaint) in verdict.complaints {
            let wrong = (from, Fault::WrongComplaint { dealer });
            let (culprit, fault) = self.judge(from, dealer, &complaint).unwrap_or(wrong);
            faults.entry(culprit).or_insert(fault);
        }
        if faults.is_empty() && self.zero_shares().contains(&from) {
            faults.insert(from, Fault::ZeroShare);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Opens the sub-share that a complaint is about. `None` if the complaint's proof is wrong, so
    /// that the sub-share cannot be opened.
    fn judge(
        &self,
        complainer: Identifier,
        dealer: Identifier,
        complaint: &Complaint,
    ) -> Option<(Identifier, Fault)> {
        let shared = self.claim(complainer, dealer, &complaint.shared)?.verify(&complaint.proof)?;
        let (envelope, sealed) = self.envelope(dealer, complainer)?;
        // The proof fixes the shared point and with it the key, so opening has one result, and the
        // dealer is responsible for it, whatever it encrypted.
        let right = envelope
            .open(&shared, sealed)
            .is_some_and(|sub_share| self.phases.dealings.matches(dealer, complainer, &sub_share));
        Some(if right {
            (complainer, Fault::FalseComplaint { dealer })
        } else {
            (dealer, Fault::WrongSubShare { recipient: complainer })
        })
    }

    /// How dealings add up to the key.
    pub(super) fn weights(&self) -> Weights {
        if self.parameters.old().is_some() { Weights::Lagrange } else { Weights::Equal }
    }

    /// Makes the key of all dealings. In a reshare, interpolating the old shares gives the old key.
    /// The session is worthless unless it does, so this is checked and not left to arithmetic
    /// alone.
    fn combine(&self) -> Result<State, Faults> {
        let old = self.parameters.old();
        match self.dealings().combine(self.parameters.participants(), self.weights()) {
            Ok(combined) if !combined.zero_shares.is_empty() => match old {
                Some(_) => Ok(State::ZeroShares(combined.zero_shares)),
                // All of them together caused this, or chance: there is nobody to name, and nobody
                // to be fair to.
                None => Err(Faults::new()),
            },
            Ok(combined) => {
                let package = self.package(combined);
                let kept =
                    old.is_none_or(|old| old.public.verifying_key() == package.verifying_key());
                if kept { Ok(State::Verdict(package)) } else { Err(Faults::new()) }
            }
            Err(Rejection::Torsion(dealers)) => {
                Err(dealers.into_iter().map(|dealer| (dealer, Fault::Torsion)).collect())
            }
            Err(Rejection::Identity) => Err(Faults::new()),
        }
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

    /// The participants whose dealings make the key: all of them, or in a reshare the dealers that
    /// came first. Complete from the [verdict phase](Phase::Verdict) on.
    pub fn dealers(&self) -> impl Iterator<Item = Identifier> {
        self.phases.reveals.keys().copied()
    }

    pub(super) fn commits(&self) -> &BTreeMap<Identifier, Committed> {
        &self.phases.commits
    }

    pub(super) fn reveals(&self) -> &BTreeMap<Identifier, Revealed> {
        &self.phases.reveals
    }

    pub(super) fn dealings(&self) -> &dyn Dealings {
        &*self.phases.dealings
    }

    /// The key that results if nobody complains. `None` also if [a share of it would be
    /// zero](Self::zero_shares).
    pub(super) fn candidate(&self) -> Option<&PublicKeyPackage> {
        match &self.phases.state {
            _ if self.phase() == Phase::Failed => None,
            State::Verdict(package) | State::Complete(package) => Some(package),
            State::Commit | State::Reveal | State::ZeroShares(_) => None,
        }
    }

    /// The participants whose shares would be zero, in a reshare that can therefore only show who
    /// caused that.
    pub(super) fn zero_shares(&self) -> &BTreeSet<Identifier> {
        static NONE: BTreeSet<Identifier> = BTreeSet::new();
        match &self.phases.state {
            State::ZeroShares(owners) => owners,
            State::Verdict(_) | State::Commit | State::Reveal | State::Complete(_) => &NONE,
        }
    }

    /// A dealer's sealed sub-share for a recipient, and the envelope that opens it.
    pub(super) fn envelope(
        &self,
        dealer: Identifier,
        recipient: Identifier,
    ) -> Option<(Envelope<'_>, &[u8; SEALED_LENGTH])> {
        let revealed = self.phases.reveals.get(&dealer)?;
        let envelope = Envelope {
            purpose: Purpose::SUB_SHARE,
            binding: self.parameters.binding(),
            dealer,
            recipient,
            ephemeral: revealed.ephemeral.bytes(),
            recipient_key: self.phases.commits.get(&recipient)?.key.bytes(),
            opening: &revealed.opening,
        };
        Some((envelope, revealed.sealed.get(&recipient)?))
    }

    /// The claim that a complaint of `complainer` about a dealer proves.
    pub(super) fn claim<'a>(
        &'a self,
        complainer: Identifier,
        dealer: Identifier,
        shared: &'a [u8; 32],
    ) -> Option<Claim<'a>> {
        Some(Claim {
            purpose: Purpose::SUB_SHARE,
            binding: self.parameters.binding(),
            complainer,
            dealer,
            key: &self.commits().get(&complainer)?.key,
            ephemeral: &self.reveals().get(&dealer)?.ephemeral,
            shared,
        })
    }
}
