//! Key generation and reshare: see [`sessions`](super::sessions).

use std::sync::OnceLock;

use quorate_protocol::Suite;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::{Parameters, Phase, Run, Secrets, SessionId};

use super::sessions::{Play, id};

/// Three participants generate a key; two are needed to sign.
static GENERATION: Play<Secrets> = Play {
    parameters: || {
        let (suite, session) = (Suite::FrostEd25519Sha512, SessionId([7; 32]));
        Parameters::new(suite, session, [9; 32], 2, [1, 2, 3].map(id)).unwrap()
    },
    honest: &[1, 2],
    stranger: 5,
    start: |me, rng| {
        let (run, message) = Run::start(&(GENERATION.parameters)(), me, rng).unwrap();
        (run, Some(message))
    },
    gets_share: |parameters, me| parameters.participants().contains(&me),
    check: |_, _| {},
    holds: |_| {},
    wrong_in: Phase::Reveal,
    genuine: OnceLock::new(),
};

/// The second and third holder of that key reshare it to the first, the third, and a fourth.
static RESHARE: Play<Secrets> = Play {
    parameters: || {
        let (key, _) = generate();
        let (members, dealers) = ([1, 3, 4].map(id), [2, 3].map(id));
        Parameters::reshare(SessionId([6; 32]), [9; 32], 2, members, &key, dealers).unwrap()
    },
    honest: &[1, 2, 4],
    stranger: 5,
    start: |me, rng| {
        let (_, packages) = generate();
        let old = packages.get(usize::from(me.get()) - 1);
        let old = old.map(|package| KeyPackage::from_bytes(package).unwrap());
        Run::reshare(&(RESHARE.parameters)(), me, old.as_ref(), rng).unwrap()
    },
    gets_share: |parameters, me| parameters.participants().contains(&me),
    check: |_, _| {},
    holds: |board| {
        let is_same = |key: &PublicKeyPackage| key.verifying_key() == generate().0.verifying_key();
        assert!(board.outcome().is_none_or(is_same), "another key");
    },
    wrong_in: Phase::Reveal,
    genuine: OnceLock::new(),
};

/// Returns the key of an honest session, and the encoded package of each participant.
pub fn generate() -> (PublicKeyPackage, Vec<Vec<u8>>) {
    let genuine = GENERATION.genuine();
    (genuine.public.clone(), genuine.packages.clone())
}

/// Returns two key generations as lines of identifier and message in hex: a complete one, and one
/// in which the second participant complains about a wrong sub-share of the third.
pub fn sessions() -> (Vec<u8>, Vec<u8>) {
    (GENERATION.genuine().lines.clone(), GENERATION.complaint())
}

/// Returns two reshares in the same way. In the second, the fourth participant complains.
pub fn reshares() -> (Vec<u8>, Vec<u8>) {
    (RESHARE.genuine().lines.clone(), RESHARE.complaint())
}

pub fn run(bytes: &[u8]) -> bool {
    GENERATION.run(bytes)
}

pub fn reshare(bytes: &[u8]) -> bool {
    RESHARE.run(bytes)
}

/// Returns the inputs with which a fuzzer begins.
pub fn seeds() -> Vec<Vec<u8>> {
    // Three times: the two honest participants' messages and the third's genuine message of the
    // round.
    let round = |number: u8| vec![0, 0, 2, 0, number];
    let genuine = [round(0), round(1), round(2)].concat();
    let harm = GENERATION.harm(1, false);
    let harmed = [&[0, 0, 2, 0, 0, 0, 0][..], &harm, &[0, 0, 0]].concat();
    vec![genuine, harmed, vec![0, 0, 2, 0, 0, 5, 0, 1, 2, 7, 0, 0, 6, 0, 0, 6, 0, 1]]
}

/// Returns the inputs with which a fuzzer of reshares begins.
pub fn reshare_seeds() -> Vec<Vec<u8>> {
    // The three honest participants announce themselves, then the third; the second deals, then
    // the third; then all judge.
    let announced = [0, 0, 0, 2, 0, 0, 0];
    let genuine = [&announced[..], &[2, 0, 1, 0, 0, 0, 2, 0, 2]].concat();
    let harmed = [&announced[..], &RESHARE.harm(1, false), &[0, 0, 0]].concat();
    vec![genuine, harmed, [&announced[..], &[6, 0, 1, 5, 0, 1, 2, 7, 0, 0, 6, 0, 0]].concat()]
}
