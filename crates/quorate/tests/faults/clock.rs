//! Clocks that jump.

use quorate_testkit::cluster::COORDINATOR;

use crate::board::Board;

const HOUR: i64 = 3_600_000;

fn doctor_says(board: &Board, expected: &str) {
    let doctor = board.cluster.run("ben", "doctor");
    assert_eq!(doctor.exit, 1, "{}", doctor.stdout);
    assert!(doctor.stdout.contains(expected), "{}", doctor.stdout);
}

#[test]
fn a_clock_may_jump_back_and_a_fast_clock_is_reported() {
    let board = Board::new(|_| {});
    board.cluster.set_clock_error("ben", -HOUR);
    board.signs("ada", "ben");
    doctor_says(&board, "60 minutes behind the coordinator's");
    let id = board.ask("ada");
    board.cluster.set_clock_error("ben", HOUR);
    board.cluster.run("ben", &format!("approve {id} --yes")).fails(1, &["clock"]);
    doctor_says(&board, "60 minutes ahead of the coordinator's");
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
    board.cluster.run("ben", &format!("approve {id} --yes")).fails(1, &["clock"]);
    board.cluster.set_clock_error(COORDINATOR, 0);
    board.approve("ben", &id);
    board.is_signed("ben", &id);
    board.audits_clean(2);
}

/// The quickstart has the coordinator and a node on one machine, and machines of one host may share
/// a wrong clock. Here as many members are wrong as can sign.
#[test]
fn two_clocks_that_were_ahead_leave_nothing_behind() {
    let board = Board::new(|_| {});
    let id = board.ask("carol");
    let wrong = [COORDINATOR, "ada", "ben"];
    let all_ahead_by = |milliseconds| {
        for home in wrong {
            board.cluster.kill(home);
            board.cluster.set_clock_error(home, milliseconds);
        }
        wrong.iter().for_each(|home| board.cluster.start_process(home));
    };
    all_ahead_by(20 * 24 * HOUR);
    let dated_ahead = board.ask("ada");
    // Both certificates are renewed under the wrong clock, and the starts are in the log.
    board.is_online("ben", true);
    board
        .cluster
        .run("carol", &format!("approve {dated_ahead} --yes"))
        .fails(1, &["this machine's clock"]);
    all_ahead_by(0);
    board.approve("ben", &id);
    board.is_signed("carol", &id);
    board.signs("ben", "ada");
    let epoch = board.refresh("board");
    board.is_refreshed("board", epoch);
    board.audits_clean(2);
}
