//! Commands that wait, and users who interrupt them.

use quorate_testkit::cluster::until;

use super::{start, with_board};

/// The exit code after Ctrl-C: 128 plus the number of the signal.
const INTERRUPTED: i32 = 130;

#[test]
fn an_interrupted_wait_for_a_change_leaves_the_change_pending() {
    let system = with_board();
    let mut waiting = system.begin("ada", "group change board --remove carol --wait");
    waiting.until_it_says("Waiting for 1 approval");
    let change = || {
        let group = system.run("ben", "group show board --json").succeeds().json();
        group["change"]["id"].as_str().map(str::to_owned)
    };
    let id = until("the change at ben's node", change);
    let short = id[..20].to_owned();
    let stands = format!("change {short} of board continues without this command");
    let approve = format!("quorate group approve {short}");
    let texts = ["nothing is lost", &stands, &approve, "quorate group show board --home ada"];
    waiting.interrupt().fails(INTERRUPTED, &texts);
    assert_eq!(change(), Some(id.clone()));
    system.run("ben", &format!("group approve {id} --yes")).succeeds();
    until("the change to be in force", || {
        let group = system.run("ada", "group show board --json").succeeds().json();
        (group["max_signers"] == 2).then_some(())
    });
}

#[test]
fn an_interrupted_wait_for_a_signature_can_be_resumed() {
    let system = with_board();
    let mut waiting = system.begin("ada", "sign contract --group board --wait --json");
    waiting.until_it_prints("Waiting for 1 approval");
    let ran = waiting.interrupt();
    assert_eq!(ran.exit, INTERRUPTED, "{}", ran.stderr);
    let objects: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (problem, requests) = objects.split_last().unwrap();
    assert!(requests.iter().all(|object| object["schema"] == "quorate.request/v1"), "{objects:?}");
    assert_eq!(problem["schema"], "quorate.problem/v1");
    assert_eq!(problem["exit"], "interrupted");
    let id = requests[0]["id"].as_str().unwrap().to_owned();
    let again = format!("quorate request download {} --wait --home ada", &id[..20]);
    assert!(ran.stderr.contains(&again), "{}", ran.stderr);

    let mut waiting = system.begin("ada", &format!("request download {id} --wait"));
    waiting.until_it_says("Waiting for 1 approval");
    waiting.interrupt().fails(INTERRUPTED, &[&again]);
    until("the request at ben's node", || {
        (system.run("ben", &format!("approve {id} --yes")).exit == 0).then_some(())
    });
    system.run("ada", &format!("request download {id} --wait")).succeeds();
    system.run("ada", "verify contract").succeeds();
}

#[test]
fn a_key_is_made_although_nobody_waits_for_it_any_more() {
    let system = start(&["ada", "ben"]);
    system.stop("ben");
    let mut waiting = system.begin("ada", "group create board --members ada,ben --min-signers 2");
    waiting.until_it_says("board waits for ben");
    let texts = ["the key generation of board continues without this command", "group show board"];
    waiting.interrupt().fails(INTERRUPTED, &texts);
    system.start_process("ben");
    until("the key", || {
        let group = system.run("ada", "group show board --json").succeeds().json();
        (group["state"] == "ready").then_some(())
    });
}
