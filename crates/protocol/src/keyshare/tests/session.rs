//! A session with all participants in one place, some of whom may be forged.

use std::collections::BTreeMap;

use crate::algebra::Dealer;
use crate::curve::Curve;
use crate::curve::edwards25519::Edwards25519;
use crate::curve::weierstrass::{P256, Secp256k1};
use crate::keys::KeyPackage;
use crate::keyshare::board::Keyshare;
use crate::keyshare::message::{Commit, Dealing, Reveal, Round};
use crate::keyshare::{Board, Fault, Parameters, Phase, Run, SessionId};
use crate::secret::SecretScalar;
use crate::session::complaint::Complaint;
use crate::session::message::Verdict;
use crate::session::sealing::{Envelope, PublicKey, Purpose, SecretKey};
use crate::session::{Parameters as _, first_view, possession, test_session};
use crate::{Identifier, Suite};

pub(super) use crate::session::test_session::{
    ED25519, Key, Messages, add, encode_scalar, id, ids, is_of_another_view, off_by_one, rng,
};

impl Key {
    pub(crate) fn generated(suite: Suite, min_signers: u16, members: &[u16], seed: u64) -> Self {
        let session = Session::complete(&parameters(suite, min_signers, members), seed);
        Self { public: session.board.outcome().unwrap().clone(), shares: session.packages }
    }
}

pub(super) fn parameters(suite: Suite, min_signers: u16, members: &[u16]) -> Parameters {
    let participants = members.iter().copied().map(id);
    Parameters::new(suite, SessionId([1; 32]), [2; 32], min_signers, participants).unwrap()
}

/// A key generation or reshare among honest participants.
pub(super) type Session = test_session::Session<crate::keyshare::Secrets>;

impl Session {
    /// Starts the runs of all participants; returns their first messages.
    pub(super) fn start(parameters: &Parameters, seed: u64) -> (Self, Messages) {
        let mut rng = rng(seed);
        let mut runs = BTreeMap::new();
        let mut messages = BTreeMap::new();
        for me in parameters.participants() {
            let (run, message) = Run::start(parameters, *me, &mut rng).unwrap();
            runs.insert(*me, run);
            messages.insert(*me, message);
        }
        let board = Board::new(parameters.clone());
        (Self::new(board, runs, rng), messages)
    }

    pub(super) fn complete(parameters: &Parameters, seed: u64) -> Self {
        let (mut session, messages) = Self::start(parameters, seed);
        session.play(messages);
        assert_eq!(session.board.phase(), Phase::Complete);
        session
    }

    /// Posts the forger's reveal: it ends the session, and names the forger alone.
    pub(super) fn rejects(self, forger: &Forger, fault: Fault) {
        let message = forger.honest_reveal(&self.board);
        self.fails(forger.me, &message, &[(forger.me.get(), fault)]);
    }
}

/// A participant that does what a test wants.
pub(super) struct Forger {
    pub(super) me: Identifier,
    pub(super) parameters: Parameters,
    pub(super) dealer: Box<dyn Dealer>,
    pub(super) ephemeral: SecretKey,
    pub(super) decryption: SecretKey,
    pub(super) dealing: Dealing,
    /// The number of proofs made so far: each has a nonce of its own.
    proofs: u64,
}

impl Forger {
    /// Prepares what an honest participant would prepare.
    pub(super) fn honest(parameters: &Parameters, me: u16, seed: u64) -> Self {
        let dealer = parameters.suite().algebra().deal(parameters.min_signers(), &mut rng(seed));
        Self::with_dealer(parameters, me, seed, dealer)
    }

    pub(super) fn with_dealer(
        parameters: &Parameters,
        me: u16,
        seed: u64,
        dealer: Box<dyn Dealer>,
    ) -> Self {
        let mut rng = rng(seed + 1000);
        let ephemeral = SecretKey::random(&mut rng);
        let dealing = Dealing {
            ephemeral: ephemeral.public(),
            coefficients: dealer.coefficients(),
            proof: Vec::new(),
        };
        let decryption = SecretKey::random(&mut rng);
        let parameters = parameters.clone();
        let me = id(me);
        let mut forger = Self { me, parameters, dealer, ephemeral, decryption, dealing, proofs: 0 };
        forger.prove_for(&forger.parameters.clone(), forger.me);
        forger
    }

    /// Makes the proof of knowledge that would be right in another session or name.
    pub(super) fn prove_for(&mut self, parameters: &Parameters, me: Identifier) {
        let Dealing { ephemeral, coefficients, .. } = &self.dealing;
        let statement = Dealing::statement(parameters, me, ephemeral, coefficients);
        self.proofs += 1;
        self.dealing.proof = self.dealer.prove(statement, &mut rng(self.proofs));
    }

    pub(super) fn commit(&self) -> Vec<u8> {
        let opening = self.dealing.opening(&self.parameters, self.me);
        let view = first_view::<Keyshare>(&self.parameters);
        Commit { view, opening, encryption_key: self.decryption.public() }.encode()
    }

    /// Reveals the dealing, with sub-shares as `forge` makes them of the right ones.
    pub(super) fn reveal(
        &self,
        board: &Board,
        forge: impl Fn(Identifier, SecretScalar) -> SecretScalar,
    ) -> Reveal {
        let opening = self.dealing.opening(&self.parameters, self.me);
        let mut sealed = BTreeMap::new();
        for (recipient, committed) in board.commits().iter().filter(|(id, _)| **id != self.me) {
            let envelope = Envelope {
                purpose: Purpose::SUB_SHARE,
                binding: self.parameters.binding(),
                dealer: self.me,
                recipient: *recipient,
                ephemeral: &self.dealing.ephemeral,
                recipient_key: committed.key.bytes(),
                opening: &opening,
            };
            let shared = self.ephemeral.agree(&committed.key);
            let sub_share = forge(*recipient, self.dealer.sub_share(*recipient));
            sealed.insert(*recipient, envelope.seal(&shared, &sub_share).unwrap());
        }
        let view = board.view(Round::second(&self.parameters)).unwrap();
        let dealing = self.dealing.clone();
        let possession = self.parameters.old().map(|_| self.possession(&dealing, &view));
        Reveal { view, dealing, possession, sealed }
    }

    /// Proves, as a reshare requires, that it knows the secret of its ephemeral key, whichever key
    /// the dealing has.
    pub(super) fn possession(&self, dealing: &Dealing, view: &[u8; 32]) -> [u8; 64] {
        let statement = dealing.possession(&self.parameters, view, self.me);
        possession::prove(&self.ephemeral, statement, &mut rng(77))
    }

    pub(super) fn honest_reveal(&self, board: &Board) -> Vec<u8> {
        self.reveal(board, |_, sub_share| sub_share).encode(&self.parameters)
    }
}

/// A session in which `me` is forged, until all have committed and the others' reveals have been
/// posted. The forged participant's dealing can be changed before it is committed to.
pub(super) fn with_forger(
    parameters: &Parameters,
    me: u16,
    change: impl FnOnce(&mut Forger),
) -> (Session, Forger) {
    let mut forger = Forger::honest(parameters, me, 5);
    change(&mut forger);
    let session = until_revealed(parameters, &[&forger]);
    (session, forger)
}

/// Plays until all but the forgers have revealed.
pub(super) fn until_revealed(parameters: &Parameters, forgers: &[&Forger]) -> Session {
    let (mut session, mut messages) = Session::start(parameters, 6);
    for forger in forgers {
        session.runs.remove(&forger.me);
        messages.insert(forger.me, forger.commit());
    }
    session.post(messages);
    session.step();
    session
}

/// The canonical encoding of the identity.
pub(super) fn identity(suite: Suite) -> Vec<u8> {
    let mut bytes = Vec::new();
    match suite {
        Suite::FrostEd25519Sha512 => {
            Edwards25519::encode_point(&Edwards25519::identity(), &mut bytes);
        }
        Suite::EcdsaP256Sha256 | Suite::TestP256 => {
            P256::encode_point(&P256::identity(), &mut bytes);
        }
        Suite::EcdsaSecp256k1Sha256 => {
            Secp256k1::encode_point(&Secp256k1::identity(), &mut bytes);
        }
    }
    bytes
}

/// The value at 0 that the shares of these participants interpolate to, times G. The only place
/// where a key is ever put together.
pub(super) fn reconstruct<'a>(
    suite: Suite,
    packages: impl Iterator<Item = &'a KeyPackage> + Clone,
) -> Vec<u8> {
    match suite {
        Suite::FrostEd25519Sha512 => reconstruct_on::<Edwards25519>(packages, |s| s.invert()),
        Suite::EcdsaP256Sha256 | Suite::TestP256 => {
            reconstruct_on::<P256>(packages, |s| s.invert().unwrap())
        }
        Suite::EcdsaSecp256k1Sha256 => {
            reconstruct_on::<Secp256k1>(packages, |s| s.invert().unwrap())
        }
    }
}

fn reconstruct_on<'a, C: Curve>(
    packages: impl Iterator<Item = &'a KeyPackage> + Clone,
    invert: impl Fn(&C::Scalar) -> C::Scalar,
) -> Vec<u8> {
    let x = |package: &KeyPackage| C::Scalar::from(u64::from(package.identifier().get()));
    let mut secret = C::Scalar::from(0);
    for package in packages.clone() {
        let mut term = C::decode_scalar(package.signing_share().expose()).unwrap();
        for other in packages.clone().filter(|o| o.identifier() != package.identifier()) {
            term = term * x(other) * invert(&(x(other) + -x(package)));
        }
        secret = secret + term;
    }
    let mut bytes = Vec::new();
    C::encode_point(&C::mul_base(&secret), &mut bytes);
    bytes
}

pub(super) fn public_key(secret: &SecretKey) -> PublicKey {
    PublicKey::from_bytes(secret.public()).unwrap()
}

impl Board {
    pub(super) fn verdict_of(&self, complaints: BTreeMap<Identifier, Complaint>) -> Vec<u8> {
        let view = self.view(Round::Verdict).unwrap();
        Verdict { view, complaints }.encode(Round::Verdict)
    }

    pub(super) fn approval(&self) -> Vec<u8> {
        self.verdict_of(BTreeMap::new())
    }
}
