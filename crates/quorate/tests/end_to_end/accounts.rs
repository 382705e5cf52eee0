//! Accounts that are suspended, resumed, removed or get new keys, and what an admin may not do to
//! an account.

use std::fs;
use std::path::Path;

use quorate_testkit::cluster::{COORDINATOR, Cluster, until};

use super::{start, with_board};

/// Waits until a node reports in these words that it may not act, with exit code 6.
pub(super) fn is_hindered(system: &Cluster, home: &str, words: &str) {
    until(&format!("{home} to be told: {words}"), || {
        let status = system.run(home, "status --json");
        let sentence = status.json()["hindrance"]["sentence"].as_str()?.to_owned();
        (status.exit == 6 && sentence.contains(words)).then_some(())
    });
}

pub(super) fn is_well(system: &Cluster, home: &str) {
    until(&format!("{home} to be connected"), || {
        (system.run(home, "status").exit == 0).then_some(())
    });
}

/// Waits until ada's node reports this about an account.
fn is_known(system: &Cluster, account: &str, what: impl Fn(&serde_json::Value) -> bool) {
    until(&format!("what is to be known of {account}"), || {
        let shown = system.run("ada", &format!("account show {account} --json")).succeeds().json();
        what(&shown).then_some(())
    });
}

/// Signs a document that ada requests, which counts as her approval, and another member approves.
fn ada_signs_with(system: &Cluster, other: &str) {
    let line = "sign contract --group board --wait --force";
    let (signing, id) = system.sign("ada", line, other);
    system.run(other, &format!("approve {id} --yes")).succeeds();
    signing.end().succeeds();
}

pub(super) fn is_audited_without_faults(system: &Cluster) {
    let report = system.audit().unwrap();
    assert_eq!(report["faults"].as_array().unwrap().len(), 0, "{report}");
}

/// Copies everything in a home except its socket.
pub(super) fn copy_home(system: &Cluster, from: &str, to: &str) {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                copy(&path, &to);
            } else if kind.is_file() {
                fs::copy(&path, &to).unwrap();
            }
        }
    }
    copy(&system.path(from), &system.path(to));
}

#[test]
fn a_removed_accounts_node_is_disconnected_and_learns_why() {
    let system = with_board();
    let removed = system.run("ada", "account remove carol --yes").succeeds();
    assert!(removed.stdout.contains("carol is removed"), "{}", removed.stdout);
    for text in
        ["2 healthy would be left; it could not lose another", "group change board --remove carol"]
    {
        assert!(removed.stderr.contains(text), "{}", removed.stderr);
    }
    until("carol's node to end, because its log has the removal", || {
        system.has_ended("carol").then_some(())
    });
    assert!(system.said("carol").contains("account \"carol\" was removed"));
    // Without a running node, commands read the log with the passphrase.
    let status = system.run("carol", "status --passphrase-file pass");
    assert!(status.stdout.contains("account \"carol\" was removed"), "{}", status.stdout);
    assert_eq!(status.exit, 6);
    let shown = system.run("ada", "group show board").succeeds().stdout;
    assert!(shown.contains("it takes 2 of 3 members to sign, 2 can"), "{shown}");
    assert!(shown.contains("✗ carol: removed from the roster"), "{shown}");
    system
        .run("ada", "group change board --min-signers 3 --dry-run")
        .fails(1, &["carol is removed, and cannot receive a share of board", "--remove carol"]);
    until("carol's node to be gone", || {
        let online = system.run("ada", "status --json").succeeds().json()["online"].clone();
        (online == serde_json::json!(["ada", "ben"])).then_some(())
    });
    system.kill("carol");
    let refused = system.try_start_process("carol", &[]).unwrap_err();
    assert!(refused.contains("was removed; its name is not used again"), "{refused}");
    let doctor = system.run("carol", "doctor").stdout;
    assert!(doctor.contains("the node of carol is not running"), "{doctor}");
    system
        .run("carol", "sign contract --group board --passphrase-file pass")
        .fails(6, &["account \"carol\" was removed"]);
    system.run("ada", "invite carol").fails(1, &["was removed; its name is not used again"]);
    system.run("ada", "account resume carol").fails(1, &["removed already, permanently"]);
    is_known(&system, "carol", |shown| {
        shown["standing"] == "removed" && shown["groups"][0]["share"] == "unable"
    });
    ada_signs_with(&system, "ben");
    is_audited_without_faults(&system);
}

#[test]
fn a_log_without_a_lost_member_is_final_only_if_agreed() {
    let system = start(&["ada", "ben", "carol", "dan"]);
    system.run("ada", "group create board --members ada,ben,carol --min-signers 2").succeeds();
    system.stop("carol");
    let change = "group change board --remove carol --add dan --json";
    let shown = system.run("ada", change).succeeds().json();
    let id = shown["change"]["id"].as_str().unwrap();
    until("ben to approve", || {
        (system.run("ben", &format!("group approve {id} --yes")).exit == 0).then_some(())
    });
    let log = system.ivn_directory().join("log");
    let verify = |more: &str| system.run("ada", &format!("log verify {} {more}", log.display()));
    until("dan and the others to have cosigned the change", || {
        let report = verify("--json");
        let group = || report.json()["groups"][0].clone();
        let all = serde_json::json!(["ada", "ben", "dan"]);
        (report.exit == 0 && group()["epoch"] == 2 && group()["cosigned_by"] == all).then_some(())
    });
    let known = system.path("checkpoint");
    fs::copy(log.join("checkpoint"), &known).unwrap();
    let since = format!("--require-final --since {}", known.display());
    for line in ["--require-final", &since] {
        let refused = verify(line);
        let said = refused.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in ["ada and ben (2 of 3 needed)", "--require-final asks for that"] {
            assert!(refused.exit == 3 && said.contains(text), "{said}");
        }
    }
    let final_again = verify(&format!("{since} --agreed")).succeeds().stdout;
    let final_again = final_again.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "and it is final",
        "It was agreed by other means that enough previous members saw the change to epoch 2",
    ] {
        assert!(final_again.contains(text), "{final_again}");
    }
    verify("--agreed").fails(2, &["--since"]);
}

#[test]
fn a_suspended_account_is_inert_until_it_is_resumed() {
    let system = with_board();
    let line = "sign contract --group board --json";
    let id = system.run("ada", line).succeeds().json()["id"].as_str().unwrap().to_owned();
    system.run("ada", "account suspend ben --yes").succeeds();
    is_hindered(&system, "ben", "account \"ben\" is suspended");
    system
        .run("ben", &format!("approve {id} --yes"))
        .fails(6, &["suspended", "account resume ben"]);
    let listed = system.run("ada", "account list").succeeds().stdout;
    assert!(listed.contains("✗ ben: suspended (member); board"), "{listed}");
    system.run("carol", &format!("reject {id} --yes --reason no")).succeeds();

    system.run("ada", "account resume ben").succeeds();
    is_well(&system, "ben");
    ada_signs_with(&system, "ben");
    is_audited_without_faults(&system);
}

#[test]
fn replaced_keys_are_refused_and_new_keys_have_no_vote_yet() {
    let system = with_board();
    let replaced = system.run("ada", "account replace-keys ben --yes").succeeds();
    for text in
        ["quorate join 'URL'", "Until then the present keys are valid", "group repair board ben"]
    {
        assert!(replaced.stderr.contains(text), "{}", replaced.stderr);
    }
    let listed = system.run("ada", "account list").succeeds().stdout;
    assert!(listed.contains("ben: may join with new keys until"), "{listed}");
    // Nothing changes until the URL is used.
    ada_signs_with(&system, "ben");

    let url = replaced.stdout;
    system.run_with("ben2", "join -", url.as_bytes()).succeeds();
    is_hindered(&system, "ben", "the keys of account \"ben\" were replaced");
    system.kill("ben");
    system.start_process("ben");
    is_hindered(&system, "ben", "the keys of account \"ben\" were replaced");
    system.run_with("ben3", "join -", url.as_bytes()).fails(6, &["used already", "ben"]);

    system.start_process("ben2");
    is_well(&system, "ben2");
    let (signing, id) = system.sign("ada", "sign contract --group board --wait --force", "carol");
    let wanted = ["no usable share of the key of group \"board\"", "group repair board ben"];
    until("the request to be known to ben's new node", || {
        (system.run("ben2", &format!("request show {id}")).exit == 0).then_some(())
    });
    system.run("ben2", &format!("approve {id} --yes")).fails(6, &wanted);
    is_known(&system, "ben", |shown| shown["groups"][0]["share"] == "unable");
    system.run("carol", &format!("approve {id} --yes")).succeeds();
    signing.end().succeeds();
    system.run("ben2", "sign contract --group board").fails(6, &wanted);
    system.kill("ben2");
    is_audited_without_faults(&system);
}

#[test]
fn rotated_keys_still_sign_and_the_old_home_is_refused() {
    let system = with_board();
    system.run("ben", "node rotate-keys --yes").fails(1, &["is running", "stop it first"]);
    system.stop("ben");
    copy_home(&system, "ben", "copy");
    let rotated = system.run("ben", "node rotate-keys --yes --json").succeeds().json();
    assert_eq!(rotated["schema"], "quorate.rotation/v1");
    is_known(&system, "ben", |shown| {
        shown["identity"] == rotated["identity"]
            && shown["keyed"] == rotated["index"]
            && shown["groups"][0]["share"] == "healthy"
    });
    system.start_process("ben");
    is_well(&system, "ben");
    ada_signs_with(&system, "ben");

    system.start_process("copy");
    is_hindered(&system, "copy", "the keys of account \"ben\" were replaced");
    system.kill("copy");
    let texts = ["the keys of account \"ben\" were replaced", "use the home that has the new keys"];
    system.run("copy", "node rotate-keys --yes").fails(6, &texts);
    // The certificate for the new keys is valid for no others.
    system.stop("ben");
    let again = system.run("ben", "node rotate-keys --yes --json").succeeds().json();
    assert_ne!(again["identity"], rotated["identity"]);
    system.start_process("ben");
    ada_signs_with(&system, "ben");
    is_audited_without_faults(&system);
}

#[test]
fn a_copy_that_runs_while_the_keys_change_is_cut_off() {
    let system = with_board();
    system.stop("ben");
    copy_home(&system, "ben", "copy");
    system.start_process("copy");
    is_well(&system, "copy");
    system.run("ben", "node rotate-keys --yes").succeeds();
    is_hindered(&system, "copy", "the keys of account \"ben\" were replaced");
}

#[test]
fn keys_that_can_not_be_stated_stay_as_they_are() {
    let system = with_board();
    system.stop("ben");
    system.kill(COORDINATOR);
    let before = fs::read(system.path("ben/keys.sealed")).unwrap();
    system.run("ben", "node rotate-keys --yes").fails(7, &["cannot be reached"]);
    assert_eq!(fs::read(system.path("ben/keys.sealed")).unwrap(), before);
    assert!(!system.path("ben/keys.next").exists());

    // Statements that were signed with the current keys are submitted first.
    system.start_process(COORDINATOR);
    is_well(&system, "ada");
    let line = "sign contract --group board --json";
    let id = system.run("ada", line).succeeds().json()["id"].as_str().unwrap().to_owned();
    system.start_process("ben");
    until("the request to be known to ben", || {
        (system.run("ben", &format!("request show {id}")).exit == 0).then_some(())
    });
    system.freeze(COORDINATOR);
    let approving = system.begin("ben", &format!("approve {id} --yes"));
    until("an approval that is not in the log", || {
        (system.run("ben", "status --json").json()["unsent"] == 1).then_some(())
    });
    system.stop("ben");
    drop(approving);
    system
        .run("ben", "node rotate-keys --yes")
        .fails(1, &["not in the log yet", "quorate node run"]);
    assert!(!system.path("ben/keys.next").exists());

    system.thaw(COORDINATOR);
    system.start_process("ben");
    until("the approval in the log", || {
        let status = system.run("ben", "status --json");
        (status.exit == 0 && status.json()["unsent"] == 0).then_some(())
    });
    system.stop("ben");
    system.run("ben", "node rotate-keys --yes").succeeds();
    is_audited_without_faults(&system);
}

#[test]
fn losing_too_many_shares_of_a_group_requires_force() {
    let system = with_board();
    let just = system.run("ada", "account suspend ben --yes").succeeds();
    assert!(just.stderr.contains("board: 2 of 3 sign, 2 healthy would be left"), "{}", just.stderr);
    for (line, instead) in [
        ("account suspend carol --yes", "group change board"),
        ("account remove carol --yes", "group change board"),
        ("account replace-keys carol --yes", "quorate node restore"),
    ] {
        let figures = "board: 2 of 3 sign, 1 healthy would be left";
        system.run("ada", line).fails(6, &[figures, instead, "--force"]);
    }
    let refused = system.run("ada", "account suspend carol --yes --json");
    assert_eq!((refused.exit, &refused.json()["exit"]), (6, &"not-allowed".into()));
    // `--quiet` and `--json` do not suppress the warning.
    for line in [
        "account suspend carol --yes --force --quiet",
        "account suspend carol --yes --force --json",
    ] {
        let forced = system.run("ada", line).succeeds();
        assert!(forced.stderr.contains("it could not sign"), "{}", forced.stderr);
        let shown = system.run("ada", "group show board").succeeds().stdout;
        let short = "✗ board cannot sign now: it takes 2 of 3 members, and only 1 can use their shares; ben and \
                     carol are suspended";
        assert!(shown.contains(short), "{shown}");
        assert!(shown.contains("quorate account resume ben"), "{shown}");
        if line.ends_with("json") {
            assert_eq!(forced.json()["judged"][0]["healthy"], 1);
            continue;
        }
        let resumed = system.run("ada", "account resume carol").succeeds();
        assert_eq!(resumed.stderr, "");
        is_well(&system, "carol");
    }
    system.run("ada", "account resume carol").succeeds();
    system.run("ada", "account resume ben").succeeds();
    is_well(&system, "carol");
    ada_signs_with(&system, "carol");

    // An approved change waits for a member that is suspended in the meantime.
    system.stop("ben");
    let line = "group change board --approvals 3 --json";
    let proposed = system.run("ada", line).succeeds().json();
    let id = proposed["change"]["id"].as_str().unwrap().to_owned();
    until("carol's approval", || {
        (system.run("carol", &format!("group approve {id} --yes")).exit == 0).then_some(())
    });
    system.run("ada", "account suspend ben --yes").succeeds();
    let shown = system.run("ada", "group show board").succeeds().stdout;
    for text in ["Approved, but ben is suspended", "account resume ben", "group cancel board"] {
        assert!(shown.contains(text), "{shown}");
    }
}

#[test]
fn only_admins_decide_about_accounts_within_the_rules() {
    let system = start(&["ada", "ben", "carol"]);
    system.run("ada", "group create board --members ada,ben,carol --min-signers 2").succeeds();
    for (who, line, exit, texts) in [
        (
            "ada",
            "account suspend zoe --yes",
            1,
            ["there is no account \"zoe\"", "quorate account list"],
        ),
        ("ada", "account show bne", 1, ["there is no account", "did you mean \"ben\"?"]),
        ("ada", "account resume ben", 1, ["is not suspended", "quorate account show ben"]),
        ("ada", "account remove ada --yes", 6, ["is the last admin", "make another account"]),
        ("ada", "account suspend ada --yes", 6, ["is the last admin", ""]),
        ("ada", "account roles ada --role member", 6, ["is the last admin", ""]),
        ("ada", "account roles ben --role member", 1, ["has these roles already", ""]),
        ("ada", "account roles ben --role requester", 6, ["is a member of group \"board\"", ""]),
        ("ada", "account roles ben", 2, ["--role <ROLE>", ""]),
        ("ada", "account roles ben --role king", 2, ["king", ""]),
        ("ben", "account suspend carol --yes", 6, ["only admins can do that", "not an admin"]),
        ("ben", "account replace-keys carol --yes", 6, ["only admins can do that", "not an admin"]),
        ("ben", "account roles ben --role member,admin", 6, ["only admins can do that", ""]),
        ("ben", "account add dan", 6, ["only admins can do that", ""]),
    ] {
        system.run(who, line).fails(exit, &texts);
    }
    system.run("ada", "account roles ben --role member,admin").succeeds();
    system
        .run("ada", "account remove ada --yes")
        .fails(6, &["cannot suspend, resume or remove itself"]);
    system.run("ada", "account suspend carol --yes").succeeds();
    system.run("ada", "account suspend carol --yes").fails(1, &["is suspended already"]);
    let url = system.run("ben", "account add dan").succeeds().stdout;
    system.run_with("dan", "join -", url.as_bytes()).succeeds();
    let listed = until("dan on the roster", || {
        let listed = system.run("ben", "account list --json").succeeds().json();
        (listed["accounts"].as_array().unwrap().len() == 4).then_some(listed)
    });
    assert_eq!(listed["schema"], "quorate.accounts/v1");
    let accounts = listed["accounts"].as_array().unwrap().iter();
    let standings: Vec<(&str, &str)> = accounts
        .map(|it| (it["account"].as_str().unwrap(), it["standing"].as_str().unwrap()))
        .collect();
    let expected =
        [("ada", "active"), ("ben", "active"), ("carol", "suspended"), ("dan", "active")];
    assert_eq!(standings, expected);
    // Ben can suspend the admin that made him an admin.
    system.run("ben", "account suspend ada --yes --force").succeeds();
    is_hindered(&system, "ada", "account \"ada\" is suspended");
}

#[test]
fn two_copies_of_a_node_report_it_and_sign_nothing() {
    let system = with_board();
    system.stop("ben");
    copy_home(&system, "ben", "copy");
    system.start_process("ben");
    is_well(&system, "ben");
    system.start_process("copy");
    is_hindered(&system, "ben", "Two copies of this node run");
    is_known(&system, "ben", |shown| {
        shown["duplicated"] == true && shown["groups"][0]["share"] == "doubled"
    });
    system
        .run("ada", "account suspend carol --yes")
        .fails(6, &["1 healthy would be left", "--force"]);
    let shown = system.run("ada", "group show board").succeeds().stdout;
    assert!(shown.contains("2 needed; ben runs two copies of its node"), "{shown}");
    system.kill("copy");
    system.stop("ben");
    system.start_process("ben");
    is_well(&system, "ben");
    ada_signs_with(&system, "ben");
    is_audited_without_faults(&system);
}
