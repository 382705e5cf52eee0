//! A key with a lost share, and a repair with all participants in one place, one of whom may be
//! forged.

use std::collections::BTreeMap;

use crate::algebra::Weights;
use crate::keys::KeyPackage;
use crate::keyshare::{Fault, Phase, SessionId};
use crate::repair::board::Repair;
use crate::repair::message::{Deal, Dealing, Round, Sum};
use crate::repair::{Board, Parameters, ParametersError, Run};
use crate::secret::SecretScalar;
use crate::session::complaint::{Complaint, Complaints};
use crate::session::message::{Announce, Verdict};
use crate::session::sealing::SecretKey;
use crate::session::{first_view, possession, test_session};
use crate::{Identifier, Suite};

pub(super) use crate::session::test_session::{
    ED25519, Key, Messages, add, encode_scalar, id, ids, is_of_another_view, off_by_one, rng,
};

impl Key {
    pub(super) fn try_repair(
        &self,
        candidates: &[u16],
        recipient: u16,
    ) -> Result<Parameters, ParametersError> {
        let candidates = candidates.iter().copied().map(id);
        Parameters::new(SessionId([1; 32]), [2; 32], &self.public, candidates, id(recipient))
    }

    pub(super) fn repair(&self, candidates: &[u16], recipient: u16) -> Parameters {
        self.try_repair(candidates, recipient).unwrap()
    }

    /// Starts the runs of the recipient and of those candidates who are online.
    pub(super) fn start_repair(
        &self,
        parameters: &Parameters,
        online: &[u16],
        seed: u64,
    ) -> (Session, Messages) {
        let mut rng = rng(seed);
        let lost = parameters.recipient();
        let (run, message) = Run::recover(parameters, lost, &mut rng).unwrap();
        let mut runs = BTreeMap::from([(lost, run)]);
        let mut messages = Messages::from([(lost, message)]);
        for me in ids(online.iter().copied()) {
            let (run, message) = Run::help(parameters, me, &self.shares[&me], &mut rng).unwrap();
            runs.insert(me, run);
            messages.insert(me, message);
        }
        let board = Board::new(parameters.clone());
        (Session::new(board, runs, rng), messages)
    }
}

/// A repair among honest participants.
pub(super) type Session = test_session::Session<crate::repair::Secrets>;

impl Session {
    /// The repaired share; asserts that nobody else gets one.
    pub(super) fn repaired(&self) -> Option<&KeyPackage> {
        let recipient = self.board.parameters().recipient();
        assert!(self.packages.keys().all(|owner| *owner == recipient));
        self.packages.get(&recipient)
    }
}

/// A helper, or the recipient, that does what a test wants.
pub(super) struct Forger {
    pub(super) me: Identifier,
    pub(super) ephemeral: SecretKey,
    pub(super) decryption: SecretKey,
}

impl Forger {
    pub(super) fn new(me: u16, seed: u64) -> Self {
        let mut rng = rng(seed);
        let (ephemeral, decryption) = (SecretKey::random(&mut rng), SecretKey::random(&mut rng));
        Self { me: id(me), ephemeral, decryption }
    }

    pub(super) fn announce(&self, parameters: &Parameters) -> Vec<u8> {
        let view = first_view::<Repair>(parameters);
        Announce { view, encryption_key: self.decryption.public() }.encode(Round::Announce)
    }

    /// What an honest helper with this share would deal.
    pub(super) fn split(&self, board: &Board, share: &SecretScalar) -> Summands {
        let mut rng = rng(77);
        let mut draw = |_| crate::transcript::Transcript::new("test").nonce("draw", b"", &mut rng);
        let algebra = board.parameters().suite().algebra();
        algebra.split(share, self.me, board.quorum(), &mut draw).unwrap()
    }

    /// Commits to these summands and seals them.
    pub(super) fn deal(&self, board: &Board, summands: &Summands) -> Deal {
        self.deal_otherwise(board, &commit(board, summands), summands)
    }

    /// Commits to these points and seals these values.
    pub(super) fn deal_otherwise(
        &self,
        board: &Board,
        commitments: &[Vec<u8>],
        values: &Summands,
    ) -> Deal {
        let parameters = board.parameters();
        let view = board.view(Round::Deal).unwrap();
        let dealing =
            Dealing { ephemeral: self.ephemeral.public(), commitments: commitments.concat() };
        let statement = dealing.statement(parameters, &view, self.me);
        let proof = possession::prove(&self.ephemeral, statement, &mut rng(78));
        let digest = dealing.digest(parameters, &view, self.me);
        let mut sealed = BTreeMap::new();
        for (to, value) in values.iter().filter(|(to, _)| **to != self.me) {
            let envelope = board.summand_envelope(self.me, *to, &dealing.ephemeral, &digest);
            let shared = self.ephemeral.agree(board.key(*to).unwrap());
            sealed.insert(*to, envelope.unwrap().seal(&shared, value).unwrap());
        }
        Deal { view, dealing, proof, sealed }
    }

    /// What others have sealed to this one.
    pub(super) fn received(&self, board: &Board) -> Vec<(Identifier, SecretScalar)> {
        let others = board.helpers().iter().filter(|id| **id != self.me);
        let open = |from: &Identifier| {
            let (envelope, sealed) = board.envelope(*from, self.me).unwrap();
            let shared = self.decryption.agree(board.ephemeral(*from).unwrap());
            (*from, envelope.open(&shared, sealed).unwrap())
        };
        others.map(open).collect()
    }

    /// The sum of the others' summands and this one's own.
    pub(super) fn add_up(&self, board: &Board, own: &SecretScalar) -> SecretScalar {
        let mut values = self.received(board);
        values.push((self.me, SecretScalar::copy_of(own.expose())));
        board.parameters().suite().algebra().sum(&values, Weights::Equal).unwrap()
    }

    /// Seals this value to the recipient.
    pub(super) fn sum(&self, board: &Board, value: &SecretScalar) -> Sum {
        let view = board.view(Round::Sum).unwrap();
        let recipient = board.key(board.parameters().recipient()).unwrap();
        let envelope = board.sum_envelope(self.me).unwrap();
        let sealed = envelope.seal(&self.ephemeral.agree(recipient), value).unwrap();
        Sum { view, answer: Ok(sealed) }
    }

    /// A complaint with a right proof.
    pub(super) fn complaint(&self, board: &Board, about: u16) -> Complaint {
        let shared = *self.decryption.agree(board.ephemeral(id(about)).unwrap()).bytes();
        let claim = board.claim(self.me, id(about), &shared).unwrap();
        let proof = claim.prove(&self.decryption, &mut rng(79));
        Complaint { shared, proof }
    }

    pub(super) fn complain(&self, board: &Board, complaints: Complaints) -> Vec<u8> {
        if self.me == board.parameters().recipient() {
            let view = board.view(Round::Verdict).unwrap();
            return Verdict { view, complaints }.encode(Round::Verdict);
        }
        let view = board.view(Round::Sum).unwrap();
        Sum { view, answer: Err(complaints) }.encode()
    }
}

pub(super) type Summands = BTreeMap<Identifier, SecretScalar>;

pub(super) fn commit(board: &Board, summands: &Summands) -> Vec<Vec<u8>> {
    let algebra = board.parameters().suite().algebra();
    summands.values().map(|summand| algebra.public_key(summand).unwrap()).collect()
}

/// A repair of 4's share among 1 to 5, min_signers 3, in which one of 1, 2, 3 or 4 is forged.
pub(super) struct Scene {
    pub(super) key: Key,
    pub(super) session: Session,
    pub(super) forger: Forger,
}

impl Scene {
    /// Until 1, 2, 3 and 4 have announced.
    pub(super) fn announced(suite: Suite, forged: u16) -> Self {
        let key = Key::dealt(suite, 3, &[1, 2, 3, 4, 5], 1);
        let parameters = key.repair(&[1, 2, 3, 5], 4);
        let forger = Forger::new(forged, 5);
        let (mut session, mut messages) = key.start_repair(&parameters, &[1, 2, 3], 6);
        session.runs.remove(&id(forged));
        messages.insert(id(forged), forger.announce(&parameters));
        session.post(messages);
        assert_eq!(session.board.phase(), Phase::Reveal);
        Self { key, session, forger }
    }

    /// Until all honest helpers have dealt.
    pub(super) fn dealt(suite: Suite, forged: u16) -> Self {
        let mut scene = Self::announced(suite, forged);
        scene.session.step();
        scene
    }

    /// The summands that the forged helper would deal if it were honest.
    pub(super) fn summands(&self) -> Summands {
        self.forger.split(&self.session.board, &self.key.share(self.forger.me.get()))
    }

    /// What the forged helper would deal if it were honest.
    pub(super) fn deal(&self) -> Deal {
        self.forger.deal(&self.session.board, &self.summands())
    }

    /// Until the forged helper has dealt as an honest one.
    pub(super) fn dealt_honestly(suite: Suite, forged: u16) -> (Self, Summands) {
        let mut scene = Self::dealt(suite, forged);
        let summands = scene.summands();
        scene.session.board.takes(id(forged), &scene.deal().encode());
        (scene, summands)
    }

    /// The forged participant's complaint about `about` fails, however `change` changes it.
    pub(super) fn complains(self, about: u16, change: impl FnOnce(&mut Complaint), fault: Fault) {
        let Self { session: Session { board, .. }, forger, .. } = &self;
        let mut complaint = forger.complaint(board, 1);
        change(&mut complaint);
        let message = forger.complain(board, Complaints::from([(id(about), complaint)]));
        self.fails(&message, fault);
    }

    /// Like [`Session::fails`], for a message of the forged participant.
    pub(super) fn fails(self, message: &[u8], fault: Fault) {
        let me = self.forger.me;
        self.session.fails(me, message, &[(me.get(), fault)]);
    }
}
