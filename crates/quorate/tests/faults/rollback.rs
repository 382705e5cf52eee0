//! A coordinator whose disk was restored from an old copy and that goes on from there: nodes that saw more stop signing, and
//! keep the proof through every crash.

use std::process::Command;

use quorate_testkit::cluster::{COORDINATOR, until};

use crate::board::Board;
use crate::fail_points::OF_A_FORK;

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_node_that_dies_while_it_writes_down_a_fork_has_the_proof_afterwards_and_signs_nothing() {
    let board = Board::new(|_| {});
    let cluster = &board.cluster;
    let [frozen, disconnect] = OF_A_FORK;

    cluster.stop(COORDINATOR);
    let (home, old) = (cluster.path(COORDINATOR), cluster.path("old"));
    copy(&home, &old);
    cluster.start_process(COORDINATOR);
    board.signs("ada", "ben");
    for name in ["ada", "ben", "carol"] {
        let size = |who| cluster.run(who, "status --json").json()["log_size"].as_u64().unwrap();
        until("the whole log at every node", || (size(name) == size("ada")).then_some(()));
    }
    for process in [COORDINATOR, "ada", "ben", "carol"] {
        cluster.stop(process);
    }
    std::fs::rename(&home, cluster.path("newer")).unwrap();
    std::fs::rename(&old, &home).unwrap();
    cluster.start_process(COORDINATOR);

    // Each start is an entry, so the log gets another history, until it is as long as the one that carol knows.
    let die = |name: &str, point: &str, moment: &str| {
        let armed = format!("{point}.{moment}");
        until(&format!("{name} to die at {armed}"), || {
            cluster.kill(name);
            let ready = cluster.try_start_process(name, &[("QUORATE_CRASH_AT", &armed)]);
            // What the coordinator shows first is less than this node knows, or something else.
            let greeted = || {
                let status = cluster.run(name, "status --json");
                !status.stdout.is_empty() && !status.json()["trouble"].is_null()
            };
            until("an answer of the coordinator, or the end", || {
                (cluster.has_ended(name) || greeted()).then_some(())
            });
            (ready.is_err() || cluster.has_ended(name)).then_some(())
        });
    };
    die("carol", frozen, "before");
    die("carol", frozen, "after");
    cluster.start_process("carol");
    let doctor = cluster.run("carol", "doctor");
    assert_eq!(doctor.exit, 1, "{}", doctor.stdout);
    cluster.run("carol", "sign contract --group board").fails(1, &["proof"]);

    die("ben", disconnect, "before");
    die("ben", disconnect, "after");
}
