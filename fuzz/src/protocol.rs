//! The encodings of the protocol crate, and signing with values from others.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use quorate_protocol::keys::{KeyPackage, PublicKeyPackage, VerifyingKey, VerifyingShare};
use quorate_protocol::keyshare::SessionId;
use quorate_protocol::signing::{self, Board, Messages, Opening, Run, Signature, Step};
use quorate_protocol::{Identifier, Suite};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::keyshare;
use super::script::Script;

const SUITE: Suite = Suite::FrostEd25519Sha512;

/// Reads bytes as each of the encoded values.
pub fn run(bytes: &[u8]) -> bool {
    let mut accepted = false;
    let mut same = |written: &[u8]| {
        assert_eq!(written, bytes, "read, and written differently");
        accepted = true;
    };
    let _ = KeyPackage::from_bytes(bytes).map(|value| same(&value.to_bytes()));
    let _ = PublicKeyPackage::from_bytes(bytes).map(|value| same(&value.to_bytes()));
    let _ = VerifyingKey::from_bytes(SUITE, bytes).map(|value| same(value.as_bytes()));
    let _ = VerifyingShare::from_bytes(SUITE, bytes).map(|value| same(value.as_bytes()));
    let mut board = Board::new(SUITE, None).unwrap();
    for round in [1, 2] {
        if round == 2 {
            board = committed(&Session::of(&[1, 2]).commitments);
        }
        let from = id(1);
        match board.post(round, from, bytes) {
            Ok(()) => same(&board.rounds()[usize::from(round) - 1][&from]),
            Err(error) => assert_eq!(error.culprits(), [from].into()),
        }
    }
    let _ = Signature::from_bytes(SUITE, bytes).map(|value| same(value.as_bytes()));
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(suite) = text.parse::<Suite>()
    {
        same(suite.name().as_bytes());
    }
    accepted
}

/// Returns the inputs with which a fuzzer begins.
pub fn seeds() -> Vec<Vec<u8>> {
    let key = key();
    let rng = &mut ChaCha20Rng::seed_from_u64(3);
    let (_, commitments) = commit(1, rng);
    let session = Session::of(&[1, 2]);
    let mut board = committed(&session.commitments);
    let shares = session.shares();
    shares.iter().for_each(|(from, share)| board.post(2, *from, share).unwrap());
    let signature = board.combine(&key.public, b"message").unwrap();
    vec![
        key.packages[0].clone(),
        key.public.to_bytes(),
        key.public.verifying_key().as_bytes().to_vec(),
        commitments,
        shares.values().next().unwrap().clone(),
        signature.as_bytes().to_vec(),
        SUITE.name().as_bytes().to_vec(),
    ]
}

/// A key of three participants, two of which sign.
struct Key {
    public: PublicKeyPackage,
    packages: Vec<Vec<u8>>,
}

impl Key {
    fn package(&self, of: u16) -> KeyPackage {
        KeyPackage::from_bytes(&self.packages[usize::from(of) - 1]).unwrap()
    }
}

fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let (public, packages) = keyshare::generate();
        Key { public, packages }
    })
}

fn id(number: u16) -> Identifier {
    Identifier::try_from(number).unwrap()
}

fn commit(signer: u16, rng: &mut ChaCha20Rng) -> (Run, Vec<u8>) {
    let opening = Opening { session: SessionId([1; 32]), signers: None, message: None };
    let (run, message) = Run::start(&key().package(signer), &opening, rng).unwrap();
    (run, message.posted().0)
}

/// The board of a session with these commitments.
fn committed(commitments: &Messages) -> Board {
    let mut board = Board::new(SUITE, None).unwrap();
    commitments.iter().for_each(|(from, sent)| board.post(1, *from, sent).unwrap());
    board.fix_signers();
    board
}

/// Whether the board takes this message, if it was authenticated.
fn is_well_formed(mut board: Board, round: u8, from: Identifier, message: &[u8]) -> bool {
    board.post(round, from, message).is_ok()
}

fn advance(run: Run, signer: Identifier, board: &Board) -> Result<Step, signing::Error> {
    let (package, rng) = (key().package(signer.get()), &mut ChaCha20Rng::seed_from_u64(0));
    run.advance(&package, &key().public, board, Some(b"message"), rng)
}

/// Signers with their nonces, always the same.
struct Session {
    runs: BTreeMap<Identifier, Run>,
    commitments: Messages,
}

impl Session {
    fn of(signers: &[u16]) -> Self {
        let mut session = Self { runs: BTreeMap::new(), commitments: Messages::new() };
        for signer in signers {
            let rng = &mut ChaCha20Rng::seed_from_u64(u64::from(*signer));
            let (run, commitments) = commit(*signer, rng);
            session.runs.insert(id(*signer), run);
            session.commitments.insert(id(*signer), commitments);
        }
        session
    }

    fn shares(self) -> Messages {
        let board = committed(&self.commitments);
        let sign = |(id, run)| match advance(run, id, &board).unwrap() {
            Step::Share(share) => (id, share),
            Step::Send(..) => panic!("FROST has two rounds"),
        };
        self.runs.into_iter().map(sign).collect()
    }
}

/// Signs and aggregates, with some commitments and shares changed. The input is a script.
///
/// An honest signer is never blamed. A resulting signature verifies, and without any change there
/// is one.
pub fn shares(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let genuine = Session::of(&[1, 2, 3]);
    let genuine_signer = id(1);
    let mut commitments = genuine.commitments.clone();
    let mut shares = Session::of(&[1, 2, 3]).shares();
    let honest = shares.clone();
    let mut innocent: Vec<Identifier> = commitments.keys().copied().collect();
    let mut same_commitments = true;
    while !script.is_over() {
        let Ok(id) = Identifier::try_from(u16::from(script.byte() % 5)) else { continue };
        match script.byte() % 4 {
            0 => {
                let changed = script.harm(genuine.commitments.values().next().unwrap());
                if is_well_formed(Board::new(SUITE, None).unwrap(), 1, id, &changed) {
                    same_commitments &= commitments.get(&id) == Some(&changed);
                    commitments.insert(id, changed);
                }
            }
            1 => {
                same_commitments &= commitments.remove(&id).is_none();
            }
            2 => {
                let changed = script.harm(honest.values().next().unwrap());
                let of_three = committed(&genuine.commitments);
                if is_well_formed(of_three, 2, genuine_signer, &changed) {
                    if honest.get(&id) != Some(&changed) {
                        innocent.retain(|other| *other != id);
                    }
                    shares.insert(id, changed);
                }
            }
            _ => drop(shares.remove(&id)),
        }
    }
    let mut board = committed(&commitments);
    for (id, run) in genuine.runs {
        let _ = advance(run, id, &board);
    }
    let public = &key().public;
    for (id, share) in &shares {
        let checked = board.verify_share(public, *id, share, b"message");
        if same_commitments && innocent.contains(id) {
            assert_eq!(checked, Ok(()), "a right share is refused");
        }
    }
    for (id, share) in &shares {
        let posted = board.post(2, *id, share);
        assert_eq!(posted.is_ok(), commitments.contains_key(id), "{posted:?}");
    }
    match board.combine(public, b"message") {
        Ok(signature) => {
            signing::verify(public.verifying_key(), b"message", &signature).unwrap();
            assert_eq!(board.check(public, None, signature.as_bytes()), Ok(()));
            true
        }
        Err(error) => {
            if same_commitments {
                assert!(error.culprits().iter().all(|id| !innocent.contains(id)), "{error:?}");
                assert!(innocent.len() < 3 || !board.is_complete(), "nothing is wrong: {error:?}");
            }
            assert_ne!(error, signing::Error::Bug);
            false
        }
    }
}

/// Returns the inputs with which a fuzzer begins.
pub fn shares_seeds() -> Vec<Vec<u8>> {
    vec![vec![], vec![1, 1, 1, 3], vec![2, 2, 1, 0, 3, 1, 1, 7], vec![4, 0, 0, 4, 2, 0]]
}
