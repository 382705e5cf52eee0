//! Checks that an IVN which reaches its limits does not affect another IVN of the same coordinator.

use std::fs;

use quorate_testkit::cluster::process::Ran;
use quorate_testkit::cluster::{COORDINATOR, Cluster};

use super::accounts::is_well;
use super::start;

/// Sets limits of the coordinator.
fn limit(system: &Cluster, limits: &serde_json::Value) {
    let path = system.path(COORDINATOR).join("home.json");
    let mut home: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (name, value) in limits.as_object().unwrap() {
        home["config"][name] = value.clone();
    }
    fs::write(path, home.to_string()).unwrap();
}

/// Makes requests until one is refused.
fn ask_until_refused(system: &Cluster, account: &str) -> Ran {
    let mut asked = (0..20).map(|_| system.run(account, "sign contract --group club"));
    asked.find(|ran| ran.exit != 0).unwrap()
}

#[test]
fn an_ivn_at_its_limits_does_not_stop_the_other() {
    let system = start(&["ada", "ben"]);
    system.write("contract", &[b'x'; 1_000]);
    system.run("ada", "group create board --members ada,ben --min-signers 2").succeeds();

    system.stop(COORDINATOR);
    let line = format!("init --admin eve --coordinator-home {COORDINATOR}");
    system.run("eve", &line).succeeds();
    system.start_process(COORDINATOR);
    system.start_process("eve");
    let url = system.run("eve", "invite mallory").succeeds().stdout;
    system.run_with("mallory", "join -", url.as_bytes()).succeeds();
    system.start_process("mallory");
    system.run("eve", "group create club --members eve,mallory --min-signers 2").succeeds();

    for (limits, named) in [
        (
            serde_json::json!({ "log": { "account_statements": 2 } }),
            "config.log.account_statements",
        ),
        (serde_json::json!({ "log": { "ivn_statements": 2 } }), "config.log.ivn_statements"),
        (
            serde_json::json!({ "log": {}, "storage": { "account_bytes": 8_000 } }),
            "config.storage.account_bytes",
        ),
        (serde_json::json!({ "storage": { "ivn_bytes": 12_000 } }), "config.storage.ivn_bytes"),
    ] {
        system.stop(COORDINATOR);
        limit(&system, &limits);
        system.start_process(COORDINATOR);
        for account in ["ada", "ben", "eve"] {
            is_well(&system, account);
        }
        let refused = ask_until_refused(&system, "eve");
        assert!(refused.stderr.contains(named), "{}", refused.stderr);

        let (signing, id) = system.sign("ada", "sign contract --group board --wait --force", "ben");
        system.run("ben", &format!("approve {id} --yes")).succeeds();
        signing.end().succeeds();
    }
}
