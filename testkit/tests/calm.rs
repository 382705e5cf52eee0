//! Counts the messages of runs without faults, so that a superfluous round or message is found.

use quorate_testkit::{Failure, Outcome, Scenario, Simulation};

fn run(min_signers: u16, members: u16) -> Result<Outcome, Failure> {
    let (outcome, _) = Simulation::new(Scenario::calm(min_signers, members), 0)?.run()?;
    Ok(outcome)
}

/// Returns the number of entries, then of messages of each kind in both directions.
fn counted(outcome: &Outcome) -> String {
    format!("{} entries; {:?}; {:?}", outcome.entries, outcome.from_nodes, outcome.from_coordinator)
}

#[test]
fn two_of_three_need_this_many_messages() {
    let outcome = run(2, 3).unwrap();
    assert_eq!((outcome.crashes, outcome.connections, outcome.sessions), (0, 3, 1));
    // Genesis; for each other account an invitation and an admission; for each account a start, an
    // acceptance, three DKG messages and a certification; the group, the session and the epoch;
    // request, one more approval, signature.
    assert_eq!(outcome.entries, 1 + 2 * 2 + 3 * 6 + 3 + 3);
    let expected = "29 entries; \
        {\"cosign\": 68, \"hello\": 3, \"part\": 4, \"share\": 4, \"submit\": 23}; \
        {\"invite\": 4, \"log\": 70, \"package\": 4, \"presence\": 6}";
    assert_eq!(counted(&outcome), expected);
}

#[test]
fn three_of_five_need_this_many_messages() {
    let outcome = run(3, 5).unwrap();
    assert_eq!((outcome.crashes, outcome.connections, outcome.sessions), (0, 5, 1));
    assert_eq!(outcome.entries, 1 + 4 * 2 + 5 * 6 + 3 + 4);
    let expected = "46 entries; \
        {\"cosign\": 190, \"hello\": 5, \"part\": 6, \"share\": 6, \"submit\": 38}; \
        {\"invite\": 6, \"log\": 199, \"package\": 6, \"presence\": 15}";
    assert_eq!(counted(&outcome), expected);
}
