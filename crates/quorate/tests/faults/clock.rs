//! Clocks that jump.

use quorate_testkit::cluster::COORDINATOR;

use crate::board::Board;

const HOUR: i64 = 3_600_000;

#[test]
fn a_clock_may_jump_back_and_a_fast_clock_is_reported() {
    let board = Board::new(|_| {});
    board.cluster.set_clock_error("ben", -HOUR);
    board.signs("ada", "ben");
    let id = board.ask("ada");
    board.cluster.set_clock_error("ben", HOUR);
    board.cluster.run("ben", &format!("approve {id}")).fails(1, &["clock"]);
    board.signs("ada", "carol");
    board.cluster.set_clock_error("ben", 0);
    board.approve("ben", &id);
    board.is_signed("ben", &id);
    board.audits_clean(3);
}

#[test]
fn signing_recovers_after_the_coordinators_clock_jumped() {
    let board = Board::new(|_| {});
    board.cluster.set_clock_error(COORDINATOR, HOUR / 12);
    board.signs("ada", "ben");
    board.group("ahead", 2);
    let id = board.ask("ada");
    board.cluster.set_clock_error(COORDINATOR, -HOUR);
    board.cluster.run("ben", &format!("approve {id}")).fails(1, &["clock"]);
    board.cluster.set_clock_error(COORDINATOR, 0);
    board.approve("ben", &id);
    board.is_signed("ben", &id);
    board.audits_clean(2);
}
