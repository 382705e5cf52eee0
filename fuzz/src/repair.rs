//! Repair: see [`sessions`](super::sessions).

use std::collections::BTreeSet;
use std::sync::OnceLock;

use quorate_protocol::Identifier;
use quorate_protocol::keys::KeyPackage;
use quorate_protocol::keyshare::{Phase, SessionId};
use quorate_protocol::repair::{Parameters, Run, Secrets};

use super::keyshare;
use super::sessions::{Play, id};

/// Two of three participants sign. The first lost its share, and the others help.
static REPAIR: Play<Secrets> = Play {
    parameters: || {
        let (key, _) = keyshare::generate();
        Parameters::new(SessionId([8; 32]), [9; 32], &key, [2, 3].map(id), id(1)).unwrap()
    },
    honest: &[1, 2],
    stranger: 4,
    start: |me, rng| {
        let parameters = (REPAIR.parameters)();
        let started = if me == id(1) {
            Run::recover(&parameters, me, rng)
        } else {
            Run::help(&parameters, me, &package(me), rng)
        };
        let (run, message) = started.unwrap();
        (run, Some(message))
    },
    gets_share: |parameters, me| me == parameters.recipient(),
    check: |_, repaired| assert_eq!(repaired.to_bytes(), package(id(1)).to_bytes()),
    holds: |board| assert!(board.helpers().is_subset(&BTreeSet::from([2, 3].map(id)))),
    wrong_in: Phase::Sum,
    genuine: OnceLock::new(),
};

fn package(of: Identifier) -> KeyPackage {
    let (_, packages) = keyshare::generate();
    KeyPackage::from_bytes(&packages[usize::from(of.get()) - 1]).unwrap()
}

/// Returns two sessions as lines of identifier and message in hex: a complete one, and one in which
/// the first participant complains about a wrong sum of the third.
pub fn sessions() -> (Vec<u8>, Vec<u8>) {
    (REPAIR.genuine().lines.clone(), REPAIR.complaint())
}

pub fn run(bytes: &[u8]) -> bool {
    REPAIR.run(bytes)
}

/// Returns the inputs with which a fuzzer begins.
pub fn seeds() -> Vec<Vec<u8>> {
    // Three times: the two honest participants' messages and the third's genuine message of the
    // round. Then the recipient's verdict.
    let round = |number: u8| vec![0, 0, 2, 0, number];
    let genuine = [round(0), round(1), round(2), vec![0, 0]].concat();
    // A wrong summand or a wrong sum: the third's dealing or sum with the last byte changed.
    let summand = [&[0, 0, 2, 0, 0, 0, 0][..], &REPAIR.harm(1, true), &[0, 0, 0, 0]].concat();
    let sum = [round(0), round(1), vec![0, 0], REPAIR.harm(2, true), vec![0, 0, 0]].concat();
    vec![genuine, summand, sum, vec![0, 0, 2, 0, 0, 5, 0, 1, 6, 7, 0, 0, 6, 0, 0, 6, 0, 1]]
}
