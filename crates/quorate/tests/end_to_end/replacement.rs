//! A coordinator whose keys are lost, or that signed two histories, is replaced by the members.

use std::fs;

use quorate_testkit::cluster::{COORDINATOR, Cluster, until};

use super::accounts::{copy_home, is_audited_without_faults, is_well};
use super::with_board;

const EVERYBODY: [&str; 4] = [COORDINATOR, "ada", "ben", "carol"];

/// Lets carol request and `ben` approve, and returns the request's id.
fn carol_signs_with(system: &Cluster, ben: &str) -> String {
    let line = "sign contract --group board --wait --force";
    let (signing, id) = system.sign("carol", line, ben);
    until("the approval", || {
        (system.run(ben, &format!("approve {id} --yes")).exit == 0).then_some(())
    });
    signing.end().succeeds();
    id
}

/// The address at which the coordinator serves.
fn hub(system: &Cluster) -> String {
    let home = fs::read(system.path(COORDINATOR).join("home.json")).unwrap();
    let home: serde_json::Value = serde_json::from_slice(&home).unwrap();
    home["config"]["hub"].as_str().unwrap().to_owned()
}

/// Proposes a coordinator with the log of `from`, in the place of the present one.
fn propose(system: &Cluster, from: &str, hub: &str, reason: &str) {
    fs::remove_dir_all(system.path(COORDINATOR)).unwrap();
    system.write("reason", reason.as_bytes());
    let line = format!(
        "coordinator replace --from {from} --hub {hub} --listen {hub} --reason {reason} --force"
    );
    system.run(COORDINATOR, &line).succeeds();
}

#[test]
fn a_coordinator_whose_keys_are_lost_is_replaced_by_a_majority() {
    let system = with_board();
    carol_signs_with(&system, "ben");
    let before = system.run("ada", "status --json").succeeds().json();
    system.run("ben", "node backup --out ben.backup").succeeds();
    EVERYBODY.iter().for_each(|home| system.stop(home));
    let hub = hub(&system);
    propose(&system, "ada", &hub, "disk-lost");

    // It cannot serve before the members have voted.
    system.start_process(COORDINATOR);
    until("it to end", || system.has_ended(COORDINATOR).then_some(()));
    let said = system.said(COORDINATOR);
    assert!(said.contains("waits for the members' votes"), "{said}");
    system.stop(COORDINATOR);
    system.run("ben", "coordinator approve replacement.json").fails(2, &["--yes"]);
    let voted = system.run("ben", "coordinator approve replacement.json --yes").succeeds();
    assert!(voted.stderr.contains("everything that this node verified"), "{}", voted.stderr);
    system.run("ben", "coordinator follow replacement.json --yes").fails(4, &["only 0 of the 2"]);
    system
        .run(COORDINATOR, "coordinator finish ben.vote")
        .fails(4, &["only 1 of the 2 votes", "ada and carol can still vote"]);
    system.run("carol", "coordinator approve replacement.json --yes").succeeds();
    // Its vote names what the node cosigned last.
    let running = system.try_start_process("ben", &[]).unwrap_err();
    assert!(running.contains("has voted for a new coordinator"), "{running}");
    let finished = system.run(COORDINATOR, "coordinator finish carol.vote").succeeds();
    assert!(finished.stdout.contains("ben and carol"), "{}", finished.stdout);
    system.run(COORDINATOR, "coordinator finish carol.vote").succeeds();

    for home in ["ada", "ben", "carol"] {
        let config = fs::read(system.path(home).join("home.json")).unwrap();
        system.run(home, "coordinator follow replacement.json --yes").succeeds();
        // As if the process had died before its last step.
        fs::write(system.path(home).join("home.json"), config).unwrap();
        system.run(home, "coordinator follow replacement.json --yes").succeeds();
        system.run(home, "coordinator follow replacement.json").succeeds();
    }
    EVERYBODY.iter().for_each(|home| system.start_process(home));
    ["ada", "ben", "carol"].iter().for_each(|home| is_well(&system, home));
    carol_signs_with(&system, "ada");
    let after = system.run("ada", "status --json").succeeds().json();
    assert_ne!(before["log_key"], after["log_key"]);
    assert!(after["log_size"].as_u64() > before["log_size"].as_u64());

    // Backups from before and after it restore the same node.
    let restore = "node restore ben.backup";
    let lines = [format!("{restore} --replacement replacement.json"), restore.to_owned()];
    for line in lines {
        system.stop("ben");
        fs::remove_dir_all(system.path("ben")).unwrap();
        system.run("ben", &line).succeeds();
        system.start_process("ben");
        is_well(&system, "ben");
        carol_signs_with(&system, "ben");
        system.run("ben", "node backup --out ben.backup --force").succeeds();
    }

    // An account that joins later trusts the new coordinator, because the log names it.
    let url = system.invite("dan");
    system.write("url", url.as_bytes());
    system.run_with("dan", "join -", url.as_bytes()).succeeds();
    system.start_process("dan");
    is_well(&system, "dan");
    is_audited_without_faults(&system);
    let audited = system.run("ada", &format!("log verify {}", log(&system))).stdout;
    assert!(audited.contains("replaced the coordinator"), "{audited}");
    assert!(audited.contains("disk-lost"), "{audited}");
}

/// The published log.
fn log(system: &Cluster) -> String {
    system.ivn_directory().join("log").display().to_string()
}

#[test]
fn members_leave_a_fork_by_mistake_and_sign_with_the_same_key() {
    let system = with_board();
    let size = |home: &str| system.run(home, "status --json").json()["log_size"].as_u64().unwrap();
    let old = size("ada");
    EVERYBODY.iter().for_each(|home| system.stop(home));
    for home in [COORDINATOR, "ada"] {
        copy_home(&system, home, &format!("{home}.old"));
    }
    EVERYBODY.iter().for_each(|home| system.start_process(home));
    ["ada", "ben", "carol"].iter().for_each(|home| is_well(&system, home));
    let signed = carol_signs_with(&system, "ben");
    let key = system.run("ada", "group show board --json").json()["verifying_key"].clone();
    EVERYBODY.iter().for_each(|home| system.stop(home));
    // Old copies of the coordinator and of the only node that connects first, and an operator who
    // does not wait for the others: a second history.
    for home in [COORDINATOR, "ada"] {
        fs::remove_dir_all(system.path(home)).unwrap();
        fs::rename(system.path(&format!("{home}.old")), system.path(home)).unwrap();
    }
    system.try_serve(COORDINATOR, &format!("--go-on-from {old}")).unwrap();
    system.start_process("ada");
    until("the second history to begin", || {
        drop(system.run("ada", "invite somebody"));
        (size("ada") > old + 1).then_some(())
    });
    system.start_process("ben");
    until("ben's node to prove two histories", || {
        drop(system.run("ada", "invite somebody"));
        system.run("ben", "status").stdout.contains("is proved to break the rules").then_some(())
    });
    // If the second history is longer than what carol's node has, her node cannot prove it.
    system.start_process("carol");
    until("carol's node to see the other history", || {
        let said = system.run("carol", "status").stdout;
        let texts = ["does not fit the log", "is proved to break the rules"];
        texts.iter().any(|text| said.contains(text)).then_some(())
    });
    EVERYBODY.iter().for_each(|home| system.stop(home));

    let hub = hub(&system);
    propose(&system, "ben", &hub, "old-copy");
    for home in ["ben", "carol"] {
        system.run(home, "coordinator approve replacement.json --yes").succeeds();
    }
    system.run(COORDINATOR, "coordinator finish ben.vote carol.vote").succeeds();
    for home in ["ben", "carol"] {
        system.run(home, "coordinator follow replacement.json --yes").succeeds();
        assert!(
            system.path(home).read_dir().unwrap().any(|file| {
                file.unwrap().file_name().to_string_lossy().starts_with("abandoned-")
            })
        );
    }
    // Ada's node verified the other history, and gives it up only when told to.
    let follow = "coordinator follow replacement.json --yes";
    system.run("ada", follow).fails(1, &["does not contain the history", "--from"]);
    let follow = format!("{follow} --from ben");
    let refused = system.run("ada", &follow);
    assert!(refused.stderr.contains("invites somebody"), "{}", refused.stderr);
    refused.fails(1, &["that this node verified", "--abandon"]);
    system.run("ada", &format!("{follow} --abandon")).succeeds();

    EVERYBODY.iter().for_each(|home| system.start_process(home));
    ["ada", "ben", "carol"].iter().for_each(|home| is_well(&system, home));
    carol_signs_with(&system, "ada");
    assert_eq!(system.run("ada", "group show board --json").json()["verifying_key"], key);
    let shown = system.run("ada", &format!("request show {signed}")).succeeds().stdout;
    assert!(shown.contains("Signed"), "{shown}");
    is_audited_without_faults(&system);
}
