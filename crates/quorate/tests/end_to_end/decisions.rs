//! Decisions: what they need, how they are withdrawn, and which errors come before people are
//! asked.

use std::fs;

use quorate_testkit::cluster::{Cluster, until};

use super::{start, with_board};

/// Lets ada ask, and returns the id once it is in ben's inbox.
fn asked(system: &Cluster, more: &str) -> String {
    let line = format!("sign contract --group board --json {more}");
    let id = system.run("ada", &line).succeeds().json()["id"].as_str().unwrap().to_owned();
    until("the request in ben's inbox", || {
        let inbox = system.run("ben", "inbox --json").succeeds().json();
        let requests = inbox["requests"].as_array().unwrap();
        requests.iter().any(|request| request["id"] == id.as_str()).then_some(())
    });
    id
}

fn state(system: &Cluster, who: &str, id: &str) -> serde_json::Value {
    system.run(who, &format!("request show {id} --json")).succeeds().json()
}

#[test]
fn nothing_is_decided_without_a_terminal_or_yes() {
    let system = with_board();
    let id = asked(&system, "");
    let line = "group change board --remove carol --json";
    let change = system.run("ada", line).succeeds().json()["change"]["id"].clone();
    let change = change.as_str().unwrap().to_owned();
    until("the change at ben's node", || {
        let inbox = system.run("ben", "inbox --json").succeeds().json();
        (inbox["changes"][0]["id"] == change.as_str()).then_some(())
    });
    let needs_yes = ["nobody can be asked here", "--yes"];
    for line in [
        format!("approve {id}"),
        format!("approve {id} --json"),
        format!("approve {id} --no-input"),
        format!("reject {id} --reason no"),
        format!("group approve {change}"),
        format!("group reject {change} --reason no"),
    ] {
        for answer in [b"n\n".as_slice(), b"y\n"] {
            system.run_with("ben", &line, answer).fails(2, &needs_yes);
        }
    }
    for line in [
        format!("request withdraw {id}"),
        "group cancel board".to_owned(),
        "account suspend ben".to_owned(),
        "account remove ben --force".to_owned(),
        "account replace-keys ben --force".to_owned(),
        "node rotate-keys".to_owned(),
    ] {
        system.run("ada", &line).fails(2, &needs_yes);
    }
    let begins = ["the beginning of an id is not enough", "64 digits"];
    system.run("ben", &format!("approve {} --yes", &id[..63])).fails(2, &begins);
    system.run("ben", &format!("group approve {} --yes", &change[..20])).fails(2, &begins);
    // Neither command does the other's work.
    system
        .run("ben", &format!("approve {change} --yes"))
        .fails(1, &["is not a request, but a proposed change of board", "quorate group approve"]);
    system
        .run("ben", &format!("group approve {id} --yes"))
        .fails(1, &["is a request, not a change", "quorate approve"]);
    system.run("ben", "approve 12 --yes").fails(1, &["is too short: give at least 4 digits"]);
    system
        .run("ben", &format!("approve {id} --yes --sha256 abcd"))
        .fails(2, &["a SHA-256 has 64 hexadecimal digits"]);
    assert_eq!(state(&system, "ben", &id)["approvals"], serde_json::json!(["ada"]));
    let shown = system.run("ben", "group show board --json").succeeds().json();
    assert_eq!(shown["change"]["approvals"], serde_json::json!(["ada"]));
    let listed = system.run("ada", "account list --json").succeeds().json();
    let accounts = listed["accounts"].as_array().unwrap();
    assert!(accounts.iter().all(|account| account["standing"] == "active"), "{listed}");
}

#[test]
fn everybody_sees_who_rejected_or_withdrew() {
    let system = with_board();
    let id = asked(&system, "");
    // Ada rejects what she asked for, and ben what he approved.
    system.run("ada", &format!("reject {id} --yes --reason oops")).succeeds();
    system.run("ben", &format!("approve {id} --yes")).succeeds();
    let shown = system.run("ben", &format!("request show {id}")).succeeds().stdout;
    assert!(shown.contains("rejected by ada") && !shown.contains("being made"), "{shown}");
    system.run("ben", &format!("reject {id} --yes --reason wrong")).succeeds();
    until("carol's node to know who rejected", || {
        let shown = system.run("carol", &format!("request show {id}")).succeeds().stdout;
        shown.contains("Rejected by ada (oops) and ben (wrong)").then_some(())
    });
    system
        .run("ben", &format!("approve {id} --yes"))
        .fails(5, &["Rejected by ada (oops) and ben (wrong)"]);

    let (signing, id) = system.sign("ada", "sign contract --group board --wait", "ben");
    system.run("ben", &format!("request withdraw {id} --yes")).fails(6, &["only the requester"]);
    system.run("ada", &format!("request withdraw {id} --yes")).succeeds();
    signing.end().fails(5, &["Withdrawn by ada"]);
    until("ben's inbox to be empty", || {
        let inbox = system.run("ben", "inbox --json").succeeds().json();
        inbox["requests"].as_array().unwrap().is_empty().then_some(())
    });
    system.run("ben", &format!("approve {id} --yes")).fails(5, &["Withdrawn by ada"]);
    let report = system.audit().unwrap();
    assert_eq!(report["faults"].as_array().unwrap().len(), 0, "{report}");
}

#[test]
fn a_requester_asks_and_an_auditor_sees() {
    let system = with_board();
    for (name, role) in [("rex", "requester"), ("amy", "auditor")] {
        let url = system.run("ada", &format!("invite {name} --role {role}")).succeeds().stdout;
        system.run_with(name, "join -", url.as_bytes()).succeeds();
        system.start_process(name);
        until("a node to follow the log", || {
            (system.run(name, "group show board").exit == 0).then_some(())
        });
    }
    system.run("amy", "sign contract --group board").fails(6, &["not authorized", "amy"]);
    let line = "sign contract --group board --message renewal --wait";
    let (signing, id) = system.sign("rex", line, "ben");
    let shown = system.run("ben", &format!("request show {id}")).succeeds().stdout;
    assert!(shown.contains("renewal") && shown.contains("0 of 2"), "{shown}");
    for name in ["rex", "amy"] {
        system.run(name, &format!("approve {id} --yes")).fails(6, &["is not a member"]);
    }
    let line = format!("reject {id} --yes --reason mistake");
    system.run("rex", &line).fails(6, &["is not a member", "quorate request withdraw"]);
    for name in ["ben", "carol"] {
        system.run(name, &format!("approve {id} --yes")).succeeds();
    }
    let signed = signing.end().succeeds();
    assert!(signed.stdout.contains("the shares of ben, carol"), "{}", signed.stdout);
    system.run("rex", "verify contract").succeeds();
    until("an auditor to see who decided", || {
        let shown = system.run("amy", &format!("log show --request {id}")).succeeds().stdout;
        let decided = |name| shown.lines().any(|l| l.contains(name) && l.contains("approves"));
        (decided("ben") && decided("carol")).then_some(())
    });
    system
        .run("amy", &format!("request download {id} --document"))
        .fails(6, &["only the requester and the members of board"]);
    let sha256 = system.run("rex", &format!("request show {id} --json")).json();
    for line in [format!("request show {id}"), "request list".to_owned()] {
        let shown = system.run("amy", &format!("{line} --json")).succeeds().json();
        let request = shown.get("requests").map_or(&shown, |requests| &requests[0]);
        assert_eq!(request["file_name"], "contract", "{line}");
        assert_eq!(request["message"], "renewal", "{line}");
        assert_eq!(request["file_sha256"], sha256["file_sha256"], "{line}");
    }
}

#[test]
fn a_retired_group_never_signs_again() {
    let system = with_board();
    let open = asked(&system, "");
    system.run("ada", "group retire board").fails(2, &["nobody can be asked here", "--yes"]);
    let proposed = system.run("ada", "group retire board --yes --json").succeeds().json();
    let change = proposed["change"]["id"].as_str().unwrap();
    until("the proposal at ben's node, and his approval", || {
        (system.run("ben", &format!("group approve {change} --yes")).exit == 0).then_some(())
    });
    until("all nodes to destroy their shares", || {
        let shown = system.run("ada", "group show board").succeeds().stdout;
        shown.contains("its members state that they destroyed their shares").then_some(())
    });
    for line in ["sign contract --group board", "group refresh board", "group retire board --yes"] {
        system.run("ada", line).fails(1, &["is retired, and signs nothing any more", "group show"]);
    }
    let over = ["board was retired before it was signed", ""];
    system.run("ben", &format!("approve {open} --yes")).fails(5, &over);
    system.run("ada", "status").succeeds();
    let report = system.audit().unwrap();
    assert_eq!(report["faults"].as_array().unwrap().len(), 0, "{report}");
}

#[test]
fn a_wait_ends_when_its_request_or_change_expires() {
    let system = with_board();
    system
        .run("ada", "sign contract --group board --expires 2s --wait --timeout 1h")
        .fails(5, &["Expired with 1 of 2 approvals"]);
    system
        .run("ada", "group change board --remove carol --expiry 2s --wait --timeout 1h")
        .fails(5, &["has expired, and board stays as it is"]);
}

#[test]
fn a_node_announces_requests_and_shows_messages() {
    let system = start(&["ada", "ben"]);
    system.run("ada", "group create board --members ada,ben --min-signers 2").succeeds();
    system.write("contract", b"a contract");
    system.write("annex", b"an annex");
    system.stop("ben");
    system
        .write("hook", b"echo $QUORATE_KIND $QUORATE_ID $QUORATE_BY > told.tmp; mv told.tmp told");
    system.try_start_process("ben", &[("QUORATE_ON_REQUEST", "sh hook")]).unwrap();
    let waiting = system.begin("ben", "inbox --wait --json");
    let line = "sign contract annex --group board --message renewal --json";
    let ran = system.run("ada", line).succeeds();
    let ids: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|request| {
            assert!(request["file_size"].is_u64() && request["file_sha256"].is_string());
            request["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 2);
    let inbox = waiting.end().succeeds().json();
    assert!(ids.iter().any(|id| inbox["requests"][0]["id"] == id.as_str()), "{inbox}");
    until("the command of ben's node to run", || {
        let told = fs::read_to_string(system.path("told")).ok()?;
        ids.iter().any(|id| told == format!("request {id} ada\n")).then_some(())
    });
    let shown = system.run("ben", &format!("request show {}", ids[0])).succeeds().stdout;
    assert!(shown.contains("renewal"), "{shown}");
    // One that cannot be approved any more does not stop the others.
    let over = asked(&system, "");
    system.run("ada", &format!("request withdraw {over} --yes")).succeeds();
    until("ben's node to know", || {
        let shown = system.run("ben", &format!("request show {over}"));
        shown.stdout.contains("Withdrawn").then_some(())
    });
    system
        .run("ben", &format!("approve {} {over} {} --yes", ids[0], ids[1]))
        .fails(5, &["Withdrawn by ada"]);
    for id in &ids {
        system.run("ada", &format!("request download {id} --wait")).succeeds();
    }
    system.run("ada", "verify contract").succeeds();
    system.run("ada", "verify annex").succeeds();
}

#[test]
fn sign_fails_before_anybody_is_asked() {
    let system = with_board();
    for (line, exit, texts) in [
        ("--wait --out no/such/x.sig", 1, ["there is no directory no/such", ""]),
        ("--wait --out contract --force", 2, ["the input itself", "--out"]),
        ("--expires 400d", 1, ["can wait for 7 days at most", "--expires 7d"]),
        ("--type invoice", 6, ["invoice", "leave out --type"]),
        ("annex", 1, ["there is no file annex", ""]),
        ("--as raw --message \u{7}", 2, ["a message has 1 to 500 bytes", ""]),
    ] {
        system.run("ada", &format!("sign contract --group board {line}")).fails(exit, &texts);
    }
    let requests = system.run("ada", "request list --json").succeeds().json();
    assert_eq!(requests["requests"].as_array().unwrap().len(), 0, "{requests}");
    assert_eq!(fs::read(system.path("contract")).unwrap(), b"a contract");
    let large = fs::File::create(system.path("large")).unwrap();
    large.set_len(32 << 20).unwrap();
    // Salt, the name and its length count.
    system
        .run("ada", "sign large --group board")
        .fails(1, &["larger than 33554393 bytes", "config.limits.document_bytes"]);
}
