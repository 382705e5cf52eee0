//! For tests: a session with all honest participants in one place.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Board, Error, Fault, Phase, Phases, Posted, Run, Secrets, Step};
use crate::algebra::Weights;
use crate::curve::Curve;
use crate::curve::edwards25519::Edwards25519;
use crate::curve::weierstrass::{P256, Secp256k1};
use crate::keys::{KeyPackage, PublicKeyPackage, VerifyingKey, VerifyingShare};
use crate::secret::{SCALAR_LENGTH, SecretScalar};
use crate::{Identifier, Suite};

pub(crate) const ED25519: Suite = Suite::FrostEd25519Sha512;

pub(crate) fn id(value: u16) -> Identifier {
    Identifier::try_from(value).unwrap()
}

pub(crate) fn ids(values: impl IntoIterator<Item = u16>) -> BTreeSet<Identifier> {
    values.into_iter().map(id).collect()
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) struct Key {
    pub(crate) public: PublicKeyPackage,
    pub(crate) shares: BTreeMap<Identifier, KeyPackage>,
}

impl Key {
    /// Deals a key in one place, as a trusted dealer would.
    pub(crate) fn dealt(suite: Suite, min_signers: u16, members: &[u16], seed: u64) -> Self {
        let algebra = suite.algebra();
        let dealer = algebra.deal(min_signers, &mut rng(seed));
        let constant = dealer.coefficients()[..algebra.point_length()].to_vec();
        let share_of = |member: &u16| {
            let point = algebra.public_key(&dealer.sub_share(id(*member))).unwrap();
            (id(*member), VerifyingShare::of_valid_point(suite, point))
        };
        let public = PublicKeyPackage::of_valid_points(
            min_signers,
            VerifyingKey::of_valid_point(suite, constant),
            members.iter().map(share_of).collect(),
        );
        let package = |member: &u16| {
            let share = dealer.sub_share(id(*member));
            (id(*member), KeyPackage::of_valid_share(id(*member), share, &public).unwrap())
        };
        let shares = members.iter().map(package).collect();
        Self { public, shares }
    }

    pub(crate) fn share(&self, of: u16) -> SecretScalar {
        SecretScalar::copy_of(self.shares[&id(of)].signing_share().expose())
    }
}

/// Honest participants with their boards' common state.
pub(crate) struct Session<S: Secrets> {
    pub(crate) board: Board<S::Phases>,
    pub(crate) runs: BTreeMap<Identifier, Run<S>>,
    pub(crate) packages: BTreeMap<Identifier, KeyPackage>,
    pub(crate) left: BTreeSet<Identifier>,
    pub(crate) errors: BTreeMap<Identifier, Error>,
    pub(crate) rng: ChaCha20Rng,
}

pub(crate) type Messages = BTreeMap<Identifier, Vec<u8>>;

impl<P: Phases> Board<P> {
    /// Posts a message that must count.
    pub(crate) fn takes(&mut self, from: Identifier, message: &[u8]) {
        assert_eq!(self.post(from, message), Ok(Posted::Recorded), "from {from}");
    }
}

impl<S: Secrets> Session<S> {
    pub(crate) fn new(
        board: Board<S::Phases>,
        runs: BTreeMap<Identifier, Run<S>>,
        rng: ChaCha20Rng,
    ) -> Self {
        let (packages, left, errors) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { board, runs, packages, left, errors, rng }
    }

    /// A copy of the board without any runs.
    pub(crate) fn without_runs(&self) -> Self {
        Self::without_runs_of(&self.board)
    }

    pub(crate) fn without_runs_of(board: &Board<S::Phases>) -> Self {
        Self::new(board.clone(), BTreeMap::new(), rng(0))
    }

    pub(crate) fn post(&mut self, messages: Messages) {
        messages.iter().for_each(|(from, message)| self.board.takes(*from, message));
    }

    /// Lets every run take one step, and posts the messages that they send.
    pub(crate) fn step(&mut self) {
        let messages = self.advance();
        self.post(messages);
    }

    /// Lets every run take one step; returns the messages that they send.
    pub(crate) fn advance(&mut self) -> Messages {
        let mut messages = BTreeMap::new();
        for (me, run) in std::mem::take(&mut self.runs) {
            match run.advance(&self.board, &mut self.rng) {
                Ok(Step::Wait(run)) => drop(self.runs.insert(me, run)),
                Ok(Step::Send(run, message)) => {
                    self.runs.insert(me, run);
                    messages.insert(me, message);
                }
                Ok(Step::Done(package)) => drop(self.packages.insert(me, package)),
                Ok(Step::Left) => drop(self.left.insert(me)),
                Err(error) => drop(self.errors.insert(me, error)),
            }
        }
        messages
    }

    /// Plays on with the present runs until nothing more happens.
    pub(crate) fn play(&mut self, mut messages: Messages) {
        loop {
            for (from, message) in &messages {
                let too_late = S::Phases::is_too_late(&self.board, *from);
                match self.board.post(*from, message) {
                    Ok(_) | Err(Error::Ended) => {}
                    Err(Error::OutOfOrder { .. }) if too_late => {}
                    Err(error) => panic!("{from}: {error}"),
                }
            }
            messages = self.advance();
            if messages.is_empty() {
                return;
            }
        }
    }

    /// Asserts that posting this message ends the session with exactly these faults, and that all
    /// honest runs learn the culprits.
    pub(crate) fn fails(mut self, from: Identifier, message: &[u8], faults: &[(u16, Fault)]) {
        assert_eq!(self.board.post(from, message), Ok(Posted::Failed));
        self.failed(faults);
    }

    pub(crate) fn failed(&mut self, faults: &[(u16, Fault)]) {
        let faults: BTreeMap<_, _> = faults.iter().map(|(who, fault)| (id(*who), *fault)).collect();
        assert_eq!(self.board.faults(), &faults);
        assert_eq!(self.board.phase(), Phase::Failed);
        assert_eq!(self.board.outcome(), None);
        assert!(self.board.missing().is_empty());
        let culprits: BTreeSet<_> = faults.keys().copied().collect();
        assert_eq!(self.board.culprits(), culprits);
        assert!(self.advance().is_empty());
        assert!(self.packages.is_empty());
        for error in self.errors.values() {
            assert_eq!(error, &Error::Failed { culprits: culprits.clone() });
            assert_eq!(error.culprits(), culprits);
        }
    }
}

/// Posts a message that must not count, and must leave the board as it was.
pub(crate) fn is_of_another_view<P: Phases>(board: &mut Board<P>, from: u16, message: &[u8]) {
    let before = (format!("{board:?}"), board.transcript(), board.phase(), board.missing());
    let error = board.post(id(from), message).unwrap_err();
    assert_eq!(error, Error::OtherView { from: id(from) });
    assert!(error.culprits().is_empty());
    let after = (format!("{board:?}"), board.transcript(), board.phase(), board.missing());
    assert_eq!(after, before);
    assert!(board.culprits().is_empty());
}

pub(crate) fn add(suite: Suite, a: &SecretScalar, b: &SecretScalar) -> SecretScalar {
    let [a, b] = [a, b].map(|scalar| SecretScalar::copy_of(scalar.expose()));
    suite.algebra().sum(&[(id(1), a), (id(2), b)], Weights::Equal).unwrap()
}

pub(crate) fn off_by_one(suite: Suite, scalar: &SecretScalar) -> SecretScalar {
    add(suite, scalar, &SecretScalar::copy_of(&encode_scalar(suite, 1)))
}

pub(crate) fn encode_scalar(suite: Suite, value: u64) -> [u8; SCALAR_LENGTH] {
    match suite {
        Suite::FrostEd25519Sha512 => Edwards25519::encode_scalar(&value.into()),
        Suite::EcdsaP256Sha256 | Suite::TestP256 => P256::encode_scalar(&value.into()),
        Suite::EcdsaSecp256k1Sha256 => Secp256k1::encode_scalar(&value.into()),
    }
}
