//! Processes that are killed, or frozen for longer than the dead-peer time.

use quorate_testkit::cluster::COORDINATOR;

use crate::board::Board;

#[test]
fn a_total_power_failure_loses_nothing() {
    let board = Board::new(|_| {});
    let everybody = [COORDINATOR, "ada", "ben", "carol"];
    for round in 0..3 {
        let id = board.ask("ada");
        let group = format!("group-{round}");
        board.define(&group, 2);
        let approving = board.cluster.begin("ben", &format!("approve {id} --yes"));
        everybody.iter().for_each(|process| board.cluster.kill(process));
        approving.end();
        everybody.iter().for_each(|process| board.cluster.start_process(process));
        board.has_key(&group);
        board.approve("ben", &id);
        board.is_signed("carol", &id);
    }
    board.audits_clean(3);
}

#[test]
fn a_frozen_node_delays_nobody_and_recovers() {
    let board = Board::new(|_| {});
    board.group("all", 3);
    let all = board.ask_group("all", "ada");
    board.approve("ben", &all);
    board.cluster.freeze("ben");
    board.signs("ada", "carol");
    board.approve("carol", &all);
    board.is_online("ben", false);
    board.cluster.thaw("ben");
    board.is_signed("ben", &all);
    board.signs("ada", "ben");
    board.audits_clean(3);
}

#[test]
fn a_frozen_coordinator_continues_with_its_requests() {
    let board = Board::new(|_| {});
    let id = board.ask("ada");
    board.cluster.freeze(COORDINATOR);
    let approving = board.cluster.begin("ben", &format!("approve {id} --yes"));
    for name in ["ada", "ben", "carol"] {
        board.notices_the_outage(name);
    }
    board.cluster.thaw(COORDINATOR);
    approving.end();
    board.approve("ben", &id);
    board.is_signed("carol", &id);
    board.signs("carol", "ben");
    board.audits_clean(2);
}

#[test]
fn a_node_frozen_in_a_dkg_delays_but_does_not_end_it() {
    let board = Board::new(|_| {});
    board.cluster.freeze("ben");
    board.define("late", 2);
    board.is_online("ben", false);
    board.cluster.thaw("ben");
    board.has_key("late");
    board.signs("ada", "ben");
    board.audits_clean(1);
}
