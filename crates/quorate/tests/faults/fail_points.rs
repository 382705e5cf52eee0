//! A process dies at each of its fail points and is started again, and everything continues.

use std::fs;
use std::process::Command;

use quorate_testkit::cluster::{COORDINATOR, until};

use crate::board::{Board, Insistence};

/// Points that a node reaches only with a lying coordinator. The simulator has one, and dies there.
const OF_A_FORK: [&str; 3] =
    ["node.persist.misbehaviour", "node.persist.unexplained", "node.disconnect"];

/// Points that need a coordinator that sends a correct checkpoint with wrong entries. No real
/// process does; the simulator's does.
const OF_A_LIE: &str = "node.persist.explained";

/// Points that are reached only when the coordinator's home is an old copy; they have a test below.
const OF_AN_OLD_COPY: [&str; 2] = ["coordinator.send.want", "node.send.entries"];

/// Points that only the key of a group for documents reaches.
const OF_ECDSA: &str = ".send.sealed";

/// Returns every N-th fail point with this prefix, from the list that the program prints.
fn names(board: &Board, process: &str, part: usize) -> Vec<String> {
    let list = board.cluster.run("ada", "fail-points").succeeds().stdout;
    let ours = list.lines().filter(|name| name.starts_with(process));
    let ours = ours.filter(|name| !OF_A_FORK.iter().any(|point| name.starts_with(point)));
    let ours = ours.filter(|name| !OF_AN_OLD_COPY.iter().any(|point| name.starts_with(point)));
    let ours = ours.filter(|name| !name.starts_with(OF_A_LIE));
    let names: Vec<String> = ours.map(str::to_owned).collect();
    assert!(names.len() >= 20, "{names:?}");
    names.into_iter().skip(part).step_by(PARTS).collect()
}

/// The points are spread over this many tests, which run at the same time.
const PARTS: usize = 2;

#[test]
fn a_node_that_dies_at_any_point_recovers_and_signs_part_1() {
    nodes_die(0);
}

#[test]
fn a_node_that_dies_at_any_point_recovers_and_signs_part_2() {
    nodes_die(1);
}

/// Ben's node dies while one key is generated, another is refreshed, and a request that needs his
/// share is approved and signed.
fn nodes_die(part: usize) {
    let board = Board::new(|_| {});
    board.group("all", 3);
    let names = names(&board, "node.", part);
    for (number, name) in names.iter().enumerate() {
        board.cluster.kill("ben");
        let armed = [("QUORATE_CRASH_AT", name.as_str())];
        // The process may die before it is ready.
        drop(board.cluster.try_start_process("ben", &armed));
        let group = format!("group-{number}");
        if name.contains(OF_ECDSA) {
            // All three sign, so ben does.
            board.define_for("documents", &group, 3);
        } else {
            board.define(&group, 2);
        }
        let epoch = board.refresh("board");
        let id = board.ask("ada");
        if name.starts_with("node.send.declined") {
            decline(&board);
        }
        if name.starts_with("node.persist.refused") {
            let other = board.ask("ada");
            drop(board.cluster.run("ben", &format!("reject {other} --yes --reason no")));
        }
        until(&format!("ben to die at {name}"), || {
            // The command fails when ben's node dies.
            drop(board.cluster.run("ben", &format!("approve {id} --yes")));
            board.cluster.has_ended("ben").then_some(())
        });
        board.cluster.set_clock_error("ben", 0);
        board.cluster.start_process("ben");
        board.approve("ben", &id);
        board.is_signed("ada", &id);
        board.has_key(&group);
        board.is_refreshed("board", epoch);
    }
    board.audits_clean(names.len());
}

#[test]
fn lost_entries_are_taken_over_even_if_a_process_dies_meanwhile() {
    let board = Board::new(|_| {});
    let cluster = &board.cluster;
    let (home, copy) = (cluster.path(COORDINATOR), cluster.path("copy"));
    let sign = || {
        let id = board.ask("ada");
        board.approve("ben", &id);
        board.is_signed("ada", &id);
    };
    let points =
        OF_AN_OLD_COPY.map(|point| ["before", "after"].map(|end| format!("{point}.{end}")));
    for point in points.as_flattened() {
        cluster.stop(COORDINATOR);
        let copied = Command::new("cp").arg("-a").args([&home, &copy]).status().unwrap();
        assert!(copied.success());
        cluster.start_process(COORDINATOR);
        sign();
        for name in [COORDINATOR, "ada", "ben", "carol"] {
            cluster.kill(name);
        }
        fs::remove_dir_all(&home).unwrap();
        fs::rename(&copy, &home).unwrap();
        // Only ben can give the entries.
        let (dies, lives) =
            if point.starts_with("node") { ("ben", COORDINATOR) } else { (COORDINATOR, "ben") };
        cluster.start_process(lives);
        drop(cluster.try_start_process(dies, &[("QUORATE_CRASH_AT", point.as_str())]));
        until(&format!("{dies} to die at {point}"), || cluster.has_ended(dies).then_some(()));
        for name in [dies, "ada", "carol"] {
            cluster.start_process(name);
        }
        sign();
    }
    board.audits_clean(points.as_flattened().len());
}

/// Moves ben's clock, so that a request that he approved has lapsed for him.
fn decline(board: &Board) {
    let id = board.ask_group("all", "ada");
    board.approve("ben", &id);
    board.cluster.set_clock_error("ben", 8 * 24 * 3_600_000);
    board.approve("carol", &id);
}

#[test]
fn a_coordinator_that_dies_anywhere_recovers_and_signs_part_1() {
    coordinators_die(0);
}

#[test]
fn a_coordinator_that_dies_anywhere_recovers_and_signs_part_2() {
    coordinators_die(1);
}

/// The coordinator dies while an account joins, a key is generated, and a request is approved and
/// signed.
fn coordinators_die(part: usize) {
    let board = Board::new(|_| {});
    let cluster = &board.cluster;
    let names = names(&board, "coordinator.", part);
    // A member whose connections keep ending.
    let url = cluster.invite("lodger");
    cluster.run_with("lodger", "join -", url.as_bytes()).succeeds();
    for (number, name) in names.iter().enumerate() {
        let (group, guest) = (format!("group-{number}"), format!("guest-{number}"));
        // The coordinator was just restarted, and ada's node may not be connected yet.
        let url = until("an invitation", || {
            let ran = cluster.run("ada", &format!("invite {guest}"));
            (ran.exit == 0).then_some(ran.stdout)
        });
        let join = || cluster.run_with(&guest, "join -", url.as_bytes()).exit;
        let pending = board.ask("ada");
        cluster.kill(COORDINATOR);
        let armed = [("QUORATE_CRASH_AT", name.as_str())];
        // The process may die before it is ready.
        drop(cluster.try_start_process(COORDINATOR, &armed));
        let purpose = if name.contains(OF_ECDSA) { "documents" } else { "releases" };
        let create = "group create --members ada,ben,carol --min-signers 2 --for";
        let people = [
            ("ada", format!("{create} {purpose} {group}")),
            ("ben", format!("approve {pending} --yes")),
            ("ben", "invite stranger".to_owned()),
            ("ada", "account suspend lodger --yes".to_owned()),
            ("ada", "account resume lodger".to_owned()),
        ];
        let mut insistence = Insistence::new(cluster);
        until(&format!("the coordinator to die at {name}"), || {
            people.iter().for_each(|(who, line)| insistence.says(who, line));
            join();
            cluster.has_ended(COORDINATOR).then_some(())
        });
        drop(insistence);
        cluster.start_process(COORDINATOR);
        board.define(&group, 2);
        board.approve("ben", &pending);
        board.is_signed("ada", &pending);
        board.has_key(&group);
        until("the guest to be let in", || {
            (cluster.path(&guest).join("home.json").exists() || join() == 0).then_some(())
        });
    }
    // The last process may have had nothing to do, and it publishes the log only after it has
    // compared it with the nodes.
    board.signs("ada", "ben");
    board.audits_clean(names.len() + 1);
}

#[test]
fn an_account_gets_its_new_keys_wherever_the_command_dies() {
    let board = Board::new(|_| {});
    let cluster = &board.cluster;
    let list = cluster.run("ada", "fail-points").succeeds().stdout;
    let names: Vec<&str> = list.lines().filter(|name| name.starts_with("rotation.")).collect();
    assert!(names.len() >= 10, "{names:?}");
    let identity = || {
        let shown = cluster.run("ada", "account show ben --json").succeeds().json();
        shown["identity"].as_str().unwrap().to_owned()
    };
    for name in &names {
        let before = identity();
        cluster.stop("ben");
        assert_eq!(cluster.run_to_death("ben", "node rotate-keys --yes", name).exit, -1, "{name}");
        if cluster.path("ben/keys.next").exists() {
            let refused = cluster.try_start_process("ben", &[]).unwrap_err();
            assert!(refused.contains("node rotate-keys"), "{name}: {refused}");
            let doctor = cluster.run("ben", "doctor").stdout;
            assert!(doctor.contains("✗ new keys"), "{name}: {doctor}");
            let finished = cluster.run("ben", "node rotate-keys --yes --json").succeeds().json();
            assert_eq!(finished["resumed"], true, "{name}");
        } else if *name == "rotation.keys.before" {
            cluster.run("ben", "node rotate-keys --yes").succeeds();
        }
        cluster.start_process("ben");
        let id = board.ask("ada");
        board.approve("ben", &id);
        board.is_signed("ada", &id);
        until("the new keys to be known", || (identity() != before).then_some(()));
    }
    board.audits_clean(names.len());
}

#[test]
fn a_backup_or_restored_home_is_complete_or_absent() {
    let board = Board::new(|_| {});
    let cluster = &board.cluster;
    let list = cluster.run("ada", "fail-points").succeeds().stdout;
    let points = |of: &'static str| list.lines().filter(move |name| name.starts_with(of));
    let backup = cluster.path("ben.backup");
    for name in points("backup.") {
        let ran = cluster.run_to_death("ben", "node backup --out ben.backup", name);
        assert_eq!((ran.exit, backup.exists()), (-1, name.ends_with("after")), "{name}");
        cluster.run("ben", "node backup --out ben.backup --force").succeeds();
        cluster.run("new", "node restore ben.backup --show").succeeds();
        fs::remove_file(&backup).unwrap();
    }
    cluster.run("ben", "node backup --out ben.backup").succeeds();
    cluster.stop("ben");
    let names: Vec<&str> = points("restore.").collect();
    assert!(names.len() >= 8, "{names:?}");
    let home = cluster.path("ben");
    for name in &names {
        fs::remove_dir_all(&home).unwrap();
        assert_eq!(cluster.run_to_death("ben", "node restore ben.backup", name).exit, -1, "{name}");
        assert_eq!(home.exists(), *name == "restore.swap.after", "{name}");
        if !home.exists() {
            cluster.run("ben", "node restore ben.backup").succeeds();
        }
        assert!(!cluster.path(".ben.restoring").exists(), "{name}");
        cluster.start_process("ben");
        let id = board.ask("ada");
        board.approve("ben", &id);
        board.is_signed("ada", &id);
        cluster.stop("ben");
    }
    cluster.start_process("ben");
    board.audits_clean(names.len());
}
