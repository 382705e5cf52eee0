//! Repairs of lost shares by real processes: with new keys, with the other members' approval, and
//! usable immediately.

use quorate_testkit::cluster::{Cluster, until};

use super::foreign::foreign;
use super::with_board;

/// Loses ben's machine. He gets new keys and a new node, `ben2`, but no share.
fn without_ben() -> Cluster {
    let system = with_board();
    system.run("ada", "key export --group board --format pem --out board.pem").succeeds();
    system.stop("ben");
    let url = system.run("ada", "account replace-keys ben --yes").succeeds().stdout;
    system.run_with("ben2", "join -", url.as_bytes()).succeeds();
    system.start_process("ben2");
    for who in ["ada", "carol", "ben2"] {
        until(&format!("the node of {who} to see that ben has new keys"), || {
            let shown = system.run(who, "group show board --json");
            let is_lost =
                |shown: serde_json::Value| shown["members"][1]["share"]["state"] == "lost";
            (shown.exit == 0 && is_lost(shown.json())).then_some(())
        });
    }
    system
}

/// Returns the pending change in the inbox of `who`.
fn change_of(system: &Cluster, who: &str) -> String {
    until("the change in the inbox", || {
        let inbox = system.run(who, "inbox --json").succeeds().json();
        inbox["changes"][0]["id"].as_str().map(str::to_owned)
    })
}

/// Waits until the node of `who` reports ben's share as healthy.
fn is_healthy(system: &Cluster, who: &str) {
    until(&format!("ben's share to be healthy, says the node of {who}"), || {
        let shown = system.run(who, "group show board --json").succeeds().json();
        (shown["members"][1]["share"]["state"] == "healthy").then_some(())
    });
}

/// Lets ben's new node and carol's node sign under the same key as before, while ada's node is off.
fn signs_without_ada(system: &Cluster) {
    system.stop("ada");
    let (signing, id) = system.sign("ben2", "sign contract --group board --as raw --wait", "carol");
    system.run("carol", &format!("approve {id} --yes")).succeeds();
    signing.end().succeeds();
    let verify = "openssl pkeyutl -verify -pubin -inkey board.pem -rawin \
                  -sigfile contract.ed25519 -in contract";
    assert_ne!(foreign(&system.path(""), verify, b""), Some(false));
}

#[test]
fn a_member_that_lost_its_machine_gets_its_share_back() {
    let system = without_ben();
    let shown = system.run("carol", "group show board").succeeds().stdout;
    assert!(shown.contains("2 of 3 shares healthy, 2 needed; ben lost its share"), "{shown}");
    system.run("ada", "group repair board zoe").fails(2, &["zoe is not a member of board"]);

    let proposed = system.run("ada", "group repair board ben").succeeds();
    assert!(proposed.stdout.contains("restore the lost share of ben"), "{}", proposed.stdout);
    let id = change_of(&system, "carol");
    until("ben's new node to know of the change", || {
        let shown = system.run("ben2", "group show board --json").succeeds().json();
        (shown["change"]["id"] == id.as_str()).then_some(())
    });
    system
        .run("ben2", &format!("group approve {id} --yes"))
        .fails(6, &["no usable share of the key"]);
    system
        .run("carol", "group refresh board")
        .fails(1, &["is already being changed", "group show board"]);
    system.run("carol", &format!("group approve {id} --yes")).succeeds();
    is_healthy(&system, "carol");
    is_healthy(&system, "ben2");
    let shown = system.run("ben2", "group show board --json").succeeds().json();
    assert_eq!((&shown["epoch"], &shown["healthy"]), (&1.into(), &3.into()), "no other epoch");
    signs_without_ada(&system);
}

#[test]
fn a_stolen_share_is_replaced_by_an_approved_refresh() {
    let system = without_ben();
    system.run("ada", "group refresh board").succeeds();
    let id = change_of(&system, "carol");
    let shown = system.run("carol", "inbox").succeeds().stdout;
    for text in ["new shares for the same members", "Waiting for 1 approval by carol", "new keys"] {
        assert!(shown.contains(text), "{shown}");
    }
    system.run("carol", &format!("group approve {id} --yes")).succeeds();
    until("the new shares in use", || {
        let shown = system.run("ben2", "group show board --json").succeeds().json();
        (shown["epoch"] == 2).then_some(())
    });
    is_healthy(&system, "carol");
    signs_without_ada(&system);
}

#[test]
fn repairing_an_existing_share_changes_nothing() {
    let system = with_board();
    system.run("ada", "key export --group board --format pem --out board.pem").succeeds();
    for _ in 0..2 {
        system.run("ada", "group repair board ben").succeeds();
        let id = change_of(&system, "carol");
        system.run("carol", &format!("group approve {id} --yes")).succeeds();
        until("the repair to be done", || {
            let shown = system.run("ada", "group show board --json").succeeds().json();
            let done = shown["past_change"]["id"] == id.as_str() && shown["change"].is_null();
            done.then(|| assert_eq!(shown["past_change"]["done"], true, "{shown}"))
        });
        is_healthy(&system, "carol");
    }
    assert!(!system.has_ended("ben"));
    system.stop("ada");
    let (signing, id) = system.sign("ben", "sign contract --group board --as raw --wait", "carol");
    system.run("carol", &format!("approve {id} --yes")).succeeds();
    signing.end().succeeds();
}
