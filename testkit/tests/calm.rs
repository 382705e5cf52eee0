//! Runs without faults, counted: a round or a message too many shows here.

use std::collections::BTreeMap;

use quorate_testkit::{Outcome, Scenario, Simulation};

fn run(min_signers: u16, members: u16) -> Outcome {
    let scenario = Scenario::calm(min_signers, members);
    let (outcome, _) = Simulation::new(scenario, 0).unwrap().run().unwrap();
    outcome
}

#[test]
fn two_of_three_need_this_many_messages() {
    let outcome = run(2, 3);
    assert_eq!((outcome.crashes, outcome.connections, outcome.sessions), (0, 3, 1));
    // Genesis; for each other account an invitation and an admission; for each account a start, an acceptance, three
    // DKG messages and a certification; the group, the session and the epoch; request, one more approval, signature.
    assert_eq!(outcome.entries, 1 + 2 * 2 + 3 * 6 + 3 + 3);
    assert_eq!(outcome.from_nodes, BTreeMap::new());
    assert_eq!(outcome.from_coordinator, BTreeMap::new());
}

#[test]
fn three_of_five_need_this_many_messages() {
    let outcome = run(3, 5);
    assert_eq!((outcome.crashes, outcome.connections, outcome.sessions), (0, 5, 1));
    assert_eq!(outcome.entries, 1 + 4 * 2 + 5 * 6 + 3 + 4);
    assert_eq!(outcome.from_nodes, BTreeMap::new());
    assert_eq!(outcome.from_coordinator, BTreeMap::new());
}
