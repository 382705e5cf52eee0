//! Backups after a lost disk, and two nodes of one account.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use quorate_testkit::cluster::{COORDINATOR, Cluster, until};

use super::accounts::{copy_home, is_audited_without_faults, is_hindered, is_well};
use super::{start, with_board};

/// Ends ben's node and deletes its disk.
fn lose_ben(system: &Cluster) {
    system.stop("ben");
    fs::remove_dir_all(system.path("ben")).unwrap();
}

/// Lets carol request and `ben` approve. Both must sign because ada's node is off.
fn carol_signs_with(system: &Cluster, ben: &str) {
    let line = "sign contract --group board --wait --force";
    let (signing, id) = system.sign("carol", line, ben);
    until("the approval", || {
        (system.run(ben, &format!("approve {id} --yes")).exit == 0).then_some(())
    });
    signing.end().succeeds();
}

/// Lists everything next to the homes.
fn beside(system: &Cluster) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(system.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_node_that_lost_its_disk_signs_after_a_restore() {
    let system = with_board();
    // A backup of a running node without its passphrase, one of a stopped node, and one under a
    // different passphrase.
    let made = system.run("ben", "node backup --out ben.backup --json").succeeds().json();
    assert_eq!(made["shares"][0]["group"], "board", "{made}");
    assert_eq!(made["shares"][0]["epoch"], 1, "{made}");
    let backup = system.path("ben.backup");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read(&backup).unwrap();
    system.run("ben", "node backup --out ben.backup").fails(1, &["exists already", "--force"]);
    assert!(fs::read(&backup).unwrap() == first);
    system.stop("ben");
    system.run("ben", "node backup --out ben.backup --force").succeeds();
    assert!(fs::read(&backup).unwrap() != first);
    system.write("other", b"battery staple horse\n");
    fs::set_permissions(system.path("other"), fs::Permissions::from_mode(0o600)).unwrap();
    let line = "node backup --out other.backup --other-passphrase-file other";
    system.run("ben", line).succeeds();
    system.start_process("ben");
    carol_signs_with(&system, "ben");
    lose_ben(&system);
    system.stop("ada");

    // A failed restore leaves nothing behind.
    let before = beside(&system);
    let mut damaged = first.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    system.write("x.backup", &damaged);
    for (line, texts) in [
        ("node restore x.backup", ["is damaged or cut off", "nothing was restored"]),
        ("node restore contract", ["not a backup of a node", "quorate node backup"]),
        ("node restore nothing", ["there is no file", ""]),
        ("node restore other.backup", ["a different passphrase", "--other-passphrase"]),
    ] {
        system.run("ben", line).fails(1, &texts);
    }
    system.run("carol", "node restore ben.backup").fails(1, &["is a home already"]);
    system.stop(COORDINATOR);
    system.run("ben", "node restore ben.backup").fails(7, &["cannot be reached"]);
    system.start_process(COORDINATOR);
    fs::remove_file(system.path("x.backup")).unwrap();
    assert_eq!(beside(&system), before);
    let shown = system.run("ben", "node restore ben.backup --show").succeeds().stdout;
    assert!(shown.contains("a backup of the node of ben"), "{shown}");
    assert!(shown.contains("board, epoch 1"), "{shown}");

    let restored = system.run("ben", "node restore ben.backup").succeeds();
    assert!(restored.stdout.contains("the node of ben is restored"), "{}", restored.stdout);
    assert!(restored.stderr.contains("quorate node run"), "{}", restored.stderr);
    system.start_process("ben");
    is_well(&system, "carol");
    carol_signs_with(&system, "ben");
    lose_ben(&system);
    system.run("ben", "node restore other.backup --passphrase-file other").succeeds();
    // The home has the passphrase of its backup.
    assert!(system.try_start_process("ben", &[]).unwrap_err().contains("wrong passphrase"));
    let other = system.path("other").display().to_string();
    system.try_start_process("ben", &[("QUORATE_PASSPHRASE_FILE", &other)]).unwrap();
    carol_signs_with(&system, "ben");
    is_audited_without_faults(&system);
}

#[test]
fn a_backup_of_an_old_epoch_is_refused_with_a_working_hint() {
    let system = with_board();
    system.run("ben", "node backup --out ben.backup").succeeds();
    system.run("ada", "group refresh board --wait").succeeds();
    lose_ben(&system);
    let before = beside(&system);
    system.run("ben", "node restore ben.backup").fails(
        1,
        &[
            "this backup is too old, and nothing was restored",
            "the backup contains the share of epoch 1, but board is now in epoch 2",
            "is there a newer backup?",
            "quorate node restore ben.backup --even-if-older",
            "quorate group repair board ben",
            "quorate group refresh board",
        ],
    );
    assert_eq!(beside(&system), before);

    let line = "node restore ben.backup --even-if-older --json";
    let restored = system.run("ben", line).succeeds().json();
    assert_eq!(restored["shares"], serde_json::json!([]), "{restored}");
    assert_eq!(restored["lost"][0]["backup_epoch"], 1, "{restored}");
    assert_eq!(restored["lost"][0]["epoch"], 2, "{restored}");
    system.start_process("ben");
    is_well(&system, "ben");
    // Ben is the same account and has a vote, but no share. The other members give it back.
    let doctor = system.run("ben", "doctor");
    assert_eq!(doctor.exit, 1);
    assert!(doctor.stdout.contains("this node has no share of board"), "{}", doctor.stdout);
    let status = system.run("ben", "status").succeeds().stdout;
    for text in ["! Connected", "this node has no share of board", "group repair board ben"] {
        assert!(status.contains(text), "{status}");
    }
    let shown = system.run("ben", "group show board").succeeds().stdout;
    assert!(shown.contains("2 needed; ben has no share on this node"), "{shown}");
    let made = system.run("ben", "node backup --out poor.backup").succeeds();
    assert!(made.stderr.contains("no share of board is in the backup"), "{}", made.stderr);
    let asked = system.run("carol", "sign contract --group board --json").succeeds().json();
    let asked = asked["id"].as_str().unwrap().to_owned();
    let approved = until("ben's approval", || {
        let ran = system.run("ben", &format!("approve {asked} --yes"));
        (ran.exit == 0).then_some(ran)
    });
    assert!(approved.stdout.contains("an approval by ada would help, too"), "{}", approved.stdout);
    assert!(approved.stderr.contains("this node has no share of board"), "{}", approved.stderr);
    let proposed = system.run("ada", "group repair board ben").succeeds();
    // Ben's node proved its share when it was made, a moment ago.
    assert!(proposed.stderr.contains("a repair is for one that is lost"), "{}", proposed.stderr);
    let id = until("the repair in carol's inbox", || {
        let inbox = system.run("carol", "inbox --json").succeeds().json();
        inbox["changes"][0]["id"].as_str().map(str::to_owned)
    });
    system.run("carol", &format!("group approve {id} --yes")).succeeds();
    until("the share to be given back", || {
        let shown = system.run("ben", "group show board --json").succeeds().json();
        (shown["lacks_share"] == false).then_some(())
    });
    system.run("ben", "node backup --out ben.backup --force").succeeds();
    system.stop("ada");
    carol_signs_with(&system, "ben");
    is_audited_without_faults(&system);
}

#[test]
fn a_refused_restore_does_not_disconnect_the_running_node() {
    let system = with_board();
    system.run("ben", "node backup --out ben.backup").succeeds();
    system.run("ada", "group refresh board --wait").succeeds();
    carol_signs_with(&system, "ben");
    let connections = || system.said("ben").matches("connected to the coordinator").count();
    assert_eq!(connections(), 1);
    for _ in 0..2 {
        system.run("ben2", "node restore ben.backup").fails(1, &["this backup is too old"]);
    }
    // If the node had lost its connection, this would need a new one.
    system.stop("ada");
    carol_signs_with(&system, "ben");
    assert_eq!(connections(), 1, "{}", system.said("ben"));
}

#[test]
fn a_group_that_is_younger_than_the_backup_is_named() {
    let system = start(&["ada", "ben", "carol"]);
    let made = system.run("ben", "node backup --out ben.backup --json").succeeds().json();
    assert_eq!(made["shares"], serde_json::json!([]), "{made}");
    system.run("ada", "group create board --members ada,ben,carol --min-signers 2").succeeds();
    lose_ben(&system);
    let texts = [
        "the backup contains none, and board gave this account one",
        "quorate group repair board ben",
    ];
    system.run("ben", "node restore ben.backup").fails(1, &texts);
    assert!(!system.path("ben").exists());
}

#[test]
fn a_backup_from_before_new_keys_is_of_no_use() {
    let system = with_board();
    system.run("ben", "node backup --out ben.backup").succeeds();
    system.stop("ben");
    system.run("ben", "node rotate-keys --yes").succeeds();
    system.start_process("ben");
    is_well(&system, "ben");
    let texts = ["keys", "nothing was restored; take a backup from after the keys were changed"];
    system.run("ben2", "node restore ben.backup").fails(6, &texts);
    assert!(!system.path("ben2").exists());
    // The node that holds the new shares never noticed.
    carol_signs_with(&system, "ben");
}

#[test]
fn two_live_copies_stop_until_one_of_them_restarts_alone() {
    let system = with_board();
    system.run("ben", "node backup --out ben.backup").succeeds();
    system.run("ben2", "node restore ben.backup").succeeds();
    system.stop("ada");
    system.start_process("ben2");
    for copy in ["ben", "ben2"] {
        is_hindered(&system, copy, "Two copies of this node run");
        let doctor = system.run(copy, "doctor");
        assert_eq!(doctor.exit, 1);
        assert!(doctor.stdout.contains("Two copies of this node run"), "{}", doctor.stdout);
    }
    let shown = system.run("carol", "log show --all").succeeds().stdout;
    assert!(shown.contains("reports that two copies of its node run"), "{shown}");
    let asked = system.run("carol", "sign contract --group board --json").succeeds().json();
    let id = asked["id"].as_str().unwrap().to_owned();
    until("one of the copies to state the approval", || {
        (system.run("ben2", &format!("approve {id} --yes")).exit == 0).then_some(())
    });
    let state = || {
        let shown = system.run("carol", &format!("request show {id} --json")).succeeds().json();
        shown["state"].as_str().unwrap().to_owned()
    };
    until("the request to be approved", || (state() == "approved").then_some(()));

    // The remaining copy has to restart. The log then shows that it is the only one.
    system.stop("ben");
    system.stop("ben2");
    assert_eq!(state(), "approved");
    system.start_process("ben2");
    until("the request to be signed", || (state() == "signed").then_some(()));
    is_well(&system, "ben2");

    // The same holds for the copy of a directory, or a snapshot of a disk.
    system.stop("ben2");
    copy_home(&system, "ben2", "ben3");
    system.start_process("ben2");
    is_well(&system, "ben2");
    system.start_process("ben3");
    is_hindered(&system, "ben2", "Two copies of this node run");
    is_hindered(&system, "ben3", "Two copies of this node run");
    system.stop("ben3");
    system.stop("ben2");
    system.start_process("ben3");
    carol_signs_with(&system, "ben3");
    system.stop("ben3");
    is_audited_without_faults(&system);
}

#[test]
fn a_coordinator_from_an_old_copy_takes_the_rest_from_the_nodes() {
    let system = with_board();
    let restarts = || {
        system.start_process(COORDINATOR);
        ["ada", "ben", "carol"].iter().for_each(|home| is_well(&system, home));
    };
    system.stop(COORDINATOR);
    copy_home(&system, COORDINATOR, "old");
    restarts();
    carol_signs_with(&system, "ben");
    let size = || system.run("ada", "status --json").json()["log_size"].as_u64();
    let before = size();
    system.stop(COORDINATOR);
    fs::remove_dir_all(system.path(COORDINATOR)).unwrap();
    fs::rename(system.path("old"), system.path(COORDINATOR)).unwrap();
    restarts();
    carol_signs_with(&system, "ada");
    assert!(size() > before, "{before:?}");
    assert!(system.said(COORDINATOR).contains("and appending nothing before"));
    is_audited_without_faults(&system);
}

#[test]
fn a_rolled_back_log_is_refused_and_proved_once_long_enough() {
    let system = with_board();
    let everybody = [COORDINATOR, "ada", "ben", "carol"];
    let size = system.run("ada", "status --json").json()["log_size"].as_u64().unwrap();
    everybody.iter().for_each(|home| system.stop(home));
    for home in [COORDINATOR, "ada"] {
        copy_home(&system, home, &format!("{home}.old"));
    }
    everybody.iter().for_each(|home| system.start_process(home));
    carol_signs_with(&system, "ben");
    system.run("ben", "node backup --out ben.backup").succeeds();
    everybody.iter().for_each(|home| system.stop(home));
    for home in [COORDINATOR, "ada"] {
        fs::remove_dir_all(system.path(home)).unwrap();
        fs::rename(system.path(&format!("{home}.old")), system.path(home)).unwrap();
    }
    // It would wait for ben or carol, because it is a copy.
    system.try_serve(COORDINATOR, &format!("--go-on-from {size}")).unwrap();
    system.run("new", "node restore ben.backup").fails(
        3,
        &["the coordinator shows a log of", "restored from an old copy, or hides the rest"],
    );
    // With its old log, the coordinator continues as if the rest never happened, because its
    // operator gave the rest up. That is a second history.
    system.start_process("ada");
    let proof = until("the log to be as long as the one that ben cosigned", || {
        drop(system.run("ada", "invite somebody"));
        let ran = system.run("new", "node restore ben.backup");
        ran.stderr.contains("is proved to break the rules").then_some(ran)
    });
    proof.fails(3, &["nothing was restored", "log verify --misbehaviour"]);
    assert!(!system.path("new").exists());
    assert!(beside(&system).iter().any(|name| name.starts_with("misbehaviour-")));
}
