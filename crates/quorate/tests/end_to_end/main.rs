//! Users of a whole system: a coordinator and three nodes as processes, over real sockets, through
//! the command line.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod accounts;
mod backup;
mod coordinator;
mod decisions;
mod documents;
mod foreign;
mod git;
mod invitations;
mod limits;
mod openpgp;
mod repair;
mod replacement;
mod ssh_agent;
mod waiting;

use std::fs;

use quorate_testkit::cluster::{COORDINATOR, Cluster, Plan, until};

use self::foreign::foreign;

/// Starts nodes for these accounts.
fn start(names: &[&str]) -> Cluster {
    Cluster::start(Plan::new(env!("CARGO_BIN_EXE_quorate"), names))
}

/// Starts a system with the group `board`, 2 of ada, ben and carol.
fn with_board() -> Cluster {
    let system = start(&["ada", "ben", "carol"]);
    system
        .run(
            "ada",
            "group create board --members ada,ben,carol --min-signers 2 --format ssh,raw,minisign",
        )
        .succeeds();
    system.write("contract", b"a contract");
    system
}

#[test]
fn three_members_sign_a_file_that_other_peoples_tools_accept() {
    let system = with_board();
    let directory = system.path("");
    for (format, ending) in [("ssh", "sig"), ("raw", "ed25519"), ("minisign", "minisig")] {
        let (signing, id) =
            system.sign("ada", &format!("sign contract --group board --as {format} --wait"), "ben");
        let shown = system.run("carol", &format!("request show {}", &id[..6])).succeeds().stdout;
        assert!(shown.contains("Waiting for 1 approval by ben or carol"), "{shown}");
        let warns = shown.contains("valid wherever this key is trusted");
        assert_eq!(warns, format == "raw", "{shown}");
        system.run("ben", &format!("approve {id} --yes")).succeeds();
        let signed = signing.end().succeeds();
        assert!(signed.stdout.contains(&format!("contract.{ending}")), "{}", signed.stdout);
        let valid =
            system.run("carol", &format!("verify contract -s contract.{ending}")).succeeds().stdout;
        assert!(valid.contains("signed by group board"), "{valid}");
    }

    let unserved = [
        "\"board\" does not sign in format ssh:git; it signs in minisign, raw, ssh:file",
        "quorate group change board --format minisign,raw,ssh:file,ssh:git",
    ];
    system.run("ada", "sign contract --group board --namespace git").fails(6, &unserved);

    for (format, file) in
        [("pem", "board.pem"), ("allowed-signers", "board.signers"), ("minisign", "board.pub")]
    {
        system
            .run("carol", &format!("key export --group board --format {format} --out {file}"))
            .succeeds();
    }
    let ssh = "ssh-keygen -Y verify -f board.signers -I board -n file -s contract.sig";
    assert_ne!(foreign(&directory, ssh, b"a contract"), Some(false));
    assert_ne!(foreign(&directory, ssh, b"a contracT"), Some(true));
    let raw =
        "openssl pkeyutl -verify -pubin -inkey board.pem -rawin -sigfile contract.ed25519 -in";
    system.write("changed", b"a contracT");
    assert_ne!(foreign(&directory, &format!("{raw} contract"), b""), Some(false));
    assert_ne!(foreign(&directory, &format!("{raw} changed"), b""), Some(true));
    let minisign = "minisign -V -p board.pub -x contract.minisig -m";
    assert_ne!(foreign(&directory, &format!("{minisign} contract"), b""), Some(false));
    assert_ne!(foreign(&directory, &format!("{minisign} changed"), b""), Some(true));
    assert_eq!(system.run("carol", "verify changed -s contract.minisig").exit, 3);
    assert_eq!(system.run("carol", "verify changed -s contract.sig").exit, 3);
    assert_eq!(system.run("carol", "verify changed -s contract.ed25519").exit, 3);
}

#[test]
fn a_signature_is_fetched_later_and_never_written_over_a_file() {
    let system = with_board();
    let id = system.run("ada", "sign contract --group board --json").succeeds().json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    system
        .run("ada", &format!("request download {id}"))
        .fails(4, &["not signed yet", "ben or carol"]);
    system
        .run("ada", "sign contract --group board --wait --timeout 1s")
        .fails(4, &["request download"]);

    let sha256 = system.run("ben", &format!("request show {id} --json")).json()["file_sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    system
        .run("ben", &format!("approve {id} --yes --sha256 {}", "00".repeat(32)))
        .fails(3, &["a different document"]);
    system.run("ben", &format!("request download {id} --document --out copy")).succeeds();
    assert_eq!(fs::read(system.path("copy")).unwrap(), b"a contract");
    system.run("ben", &format!("approve {id} --yes --sha256 {sha256}")).succeeds();
    let again = system.run("ben", &format!("approve {id} --yes")).succeeds();
    assert!(again.stdout.contains("approved already"), "{}", again.stdout);

    system.write("contract.sig", b"mine");
    system
        .run("ada", &format!("request download {id} --wait"))
        .fails(1, &["exists already", "--force"]);
    assert_eq!(fs::read(system.path("contract.sig")).unwrap(), b"mine");
    system.run("ada", &format!("request download {id} --wait --force")).succeeds();
    system.run("ada", "verify contract").succeeds();
}

#[test]
fn a_changed_group_signs_under_its_exported_key() {
    let system = start(&["ada", "ben", "carol", "dan", "eve"]);
    system
        .run("ada", "group create board --members ada,ben,carol --min-signers 2 --format ssh,raw")
        .succeeds();
    system.write("contract", b"a contract");
    system.run("ada", "key export --group board --format pem --out board.pem").succeeds();
    let pending = system.run("carol", "sign contract --group board --json").succeeds().json()["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let change = "group change board --add dan,eve --remove carol --min-signers 3";
    let shown = system.run("ada", &format!("{change} --dry-run --json")).succeeds().json();
    assert_eq!(
        (&shown["now"]["may_be_lost"], &shown["after"]["may_be_lost"]),
        (&1.into(), &1.into())
    );
    assert_eq!(shown["after"]["must_collude"], 3);
    for (line, exit, texts) in [
        ("group change board --min-signers 1", 1, ["a quorum of one is an ordinary key", ""]),
        ("group change board --min-signers 4", 1, ["4 members sign needs at least 4 members", ""]),
        ("group change board --remove ben,carol", 1, ["that would leave 1 member", "at least 2"]),
        ("group change board --approvals 4", 1, ["approvals_required must be 2", "to 3"]),
        ("group change board --refresh-every 1s", 1, ["every hour at most", ""]),
        ("group change board --add ada", 2, ["ada is a member of board already", ""]),
        ("group change board --remove dan", 2, ["dan is not a member of board", ""]),
        ("group change board --add dan,dan", 2, ["dan is named twice", ""]),
        ("group change board --remove ben,ben", 2, ["ben is named twice", ""]),
        ("group change board --remove ben --add ben", 2, ["ben cannot both leave and join", ""]),
        ("group change board --add zoe", 1, ["there is no account \"zoe\"", "quorate invite zoe"]),
        (
            "group change board --remove ada",
            6,
            ["cannot propose to remove itself", "another admin"],
        ),
        ("group change board", 2, ["would change nothing", "group refresh board"]),
    ] {
        system.run("ada", line).fails(exit, &texts);
        system.run("ada", &format!("{line} --dry-run")).fails(exit, &texts);
    }
    let told = format!("{change} --dry-run");
    let no_member = ["not authorized", "not a member of group \"board\""];
    until("dan's node to know the group", || {
        let shown = system.run("dan", "group show board --json");
        (shown.exit == 0 && shown.json()["epoch"] == 1).then_some(())
    });
    system.run("dan", &told).fails(6, &no_member);
    system.run("ada", change).succeeds();
    for dry_run in ["", " --dry-run"] {
        system
            .run("ben", &format!("group change board --add dan{dry_run}"))
            .fails(1, &["is already being changed", "quorate group cancel board"]);
    }
    let id = until("the change in ben's inbox", || {
        let inbox = system.run("ben", "inbox --json").succeeds().json();
        inbox["changes"][0]["id"].as_str().map(str::to_owned)
    });
    until("carol's node to know of the change, and of what it waits for", || {
        let shown = system.run("carol", "group show board").succeeds().stdout;
        let proposed = shown.contains("any 3 of 4 members sign, ada proposes");
        (proposed && shown.contains("Waiting for 1 approval by ben or carol")).then_some(())
    });
    system.run("carol", &format!("group reject {id} --yes --reason no")).succeeds();
    system
        .run("carol", &format!("group approve {id} --yes"))
        .fails(1, &["you rejected change", "(no), and that is final", "group cancel board"]);
    let again = system.run("ada", &format!("group approve {id} --yes")).succeeds().stdout;
    assert!(again.contains("approved already: change"), "{again}");
    system
        .run("ben", &format!("request show {id}"))
        .fails(1, &["a proposed change of board", "quorate group approve"]);
    system.run("ben", &format!("group approve {id} --yes")).succeeds();
    until("the change in force", || {
        let shown = system.run("eve", "group show board --json").succeeds().json();
        (shown["epoch"] == 2).then_some(())
    });

    let over = ["is a change of board, and over: in force since epoch 2", "group show board"];
    system.run("eve", &format!("group approve {id} --yes")).fails(5, &over);
    system.run("carol", "sign contract --group board").fails(6, &["not authorized", "carol"]);
    let asked = system.run("eve", "sign contract --group board --as raw --json").succeeds().json();
    let id = asked["id"].as_str().unwrap();
    for approver in ["ben", "dan"] {
        until("a member to hear of the request", || {
            (system.run(approver, &format!("approve {id} --yes")).exit == 0).then_some(())
        });
    }
    system.run("eve", &format!("request download {id} --wait")).succeeds();
    let line = "openssl pkeyutl -verify -pubin -inkey board.pem -rawin -sigfile contract.ed25519 -in contract";
    assert_ne!(foreign(&system.path(""), line, b""), Some(false));

    // Carol's request from before she left needs three of the current members.
    for approver in ["ada", "ben", "dan"] {
        system.run(approver, &format!("approve {pending} --yes")).succeeds();
    }
    until("the old request to be signed", || {
        let shown = system.run("carol", &format!("request show {pending} --json")).json();
        (shown["state"] == "signed").then_some(())
    });
    system.run("dan", "group refresh board --wait").succeeds();
    let report = system.audit().unwrap();
    assert_eq!(report["faults"].as_array().unwrap().len(), 0, "{report}");
    assert_eq!(report["groups"][0]["epoch"], 3, "{report}");
}

#[test]
fn a_joiner_can_decline_and_the_members_learn_why() {
    let system = with_board();
    let url = system.run("ada", "invite dan").succeeds().stdout;
    system.run_with("dan", "join - --ask-before-groups", url.as_bytes()).succeeds();
    system.start_process("dan");
    let shown = system.run("ada", "group change board --add dan --json").succeeds().json();
    let id = shown["change"]["id"].as_str().unwrap();
    system.run("ben", &format!("group reject {id} --yes --reason no")).succeeds();
    until("dan to be asked", || {
        let inbox = system.run("dan", "inbox");
        let asked = ["quorate group approve", "quorate group reject", "--reason TEXT"];
        let said = inbox.stdout + &inbox.stderr;
        asked.iter().all(|text| said.contains(text)).then_some(())
    });
    let line = format!("group reject {id} --yes --reason busy");
    let declined = system.run("dan", &line).succeeds().stdout;
    assert!(declined.contains("dan does not want to join (busy)"), "{declined}");
    until("carol's node to know of it", || {
        let shown = system.run("carol", "group show board").succeeds().stdout;
        shown.contains("failed: dan does not want to join (busy)").then_some(())
    });
    system
        .run("carol", &format!("group approve {id} --yes"))
        .fails(5, &["dan does not want to join"]);
}

#[test]
fn a_rejected_or_withdrawn_change_leaves_the_group_as_it_was() {
    let system = with_board();
    let line = "group change board --remove carol --json";
    let shown = system.run("ada", line).succeeds().json();
    let id = shown["change"]["id"].as_str().unwrap().to_owned();
    let rejects = |member: &str| {
        until("the change to be known", || {
            let ran = system.run(member, &format!("group reject {id} --yes --reason no"));
            (ran.exit == 0).then_some(ran.stdout)
        })
    };
    assert!(rejects("ben").contains("Waiting for 1 approval by carol"));
    let ended = rejects("carol");
    for text in ["rejected: change", "The change has ended", "rejected by ben (no) and carol (no)"]
    {
        assert!(ended.contains(text), "{ended}");
    }
    let over =
        ["is a change of board, and over: rejected by ben (no) and carol (no)", "group show"];
    system.run("carol", &format!("group approve {id} --yes")).fails(5, &over);
    let shown = system.run("carol", "group show board").succeeds().stdout;
    assert!(shown.contains("failed: rejected by ben (no) and carol (no)"), "{shown}");
    system
        .run("carol", "group cancel board --yes")
        .fails(1, &["no proposed change and no key generation", "group show board"]);
    let defined = system.run("carol", "group show board --json").succeeds().json();
    let defined = defined["defined"].as_str().unwrap();
    system
        .run("carol", &format!("group approve {defined} --yes"))
        .fails(1, &["nothing waits for you to accept", "group show board"]);

    until("ada's node to know that too many refused", || {
        let shown = system.run("ada", "group show board --json").succeeds().json();
        shown["change"].is_null().then_some(())
    });
    // A user who stops waiting is shown what continues without the command.
    let waited = system.run("ada", "group change board --remove carol --wait --timeout 1s");
    let decide = ["Proposed, as", "quorate group approve", "the proposal stands; members decide"];
    waited.fails(4, &decide);
    until("the change to be known to ben", || {
        let inbox = system.run("ben", "inbox --json").succeeds().json();
        inbox["changes"][0]["id"].as_str().map(str::to_owned)
    });
    system
        .run("ben", "group cancel board --yes")
        .fails(6, &["not an admin, and did not propose this change", "quorate group reject"]);
    system.run("ada", "group cancel board --yes").succeeds();
    let shown = system.run("ada", "group show board --json").succeeds().json();
    assert_eq!((&shown["epoch"], &shown["change"]), (&1.into(), &serde_json::Value::Null));
    let (signing, id) = system.sign("ada", "sign contract --group board --wait", "carol");
    system.run("carol", &format!("approve {id} --yes")).succeeds();
    signing.end().succeeds();
}

#[test]
fn a_request_that_too_many_refuse_ends_with_exit_5() {
    let system = with_board();
    let (signing, id) = system.sign("ada", "sign contract --group board --wait", "ben");
    system.run("ben", &format!("reject {id} --yes --reason no")).succeeds();
    let again = system.run("ben", &format!("reject {id} --yes --reason no")).succeeds();
    assert!(again.stdout.contains("rejected already"), "{}", again.stdout);
    system.run("carol", &format!("reject {id} --yes --reason never")).succeeds();
    signing.end().fails(5, &["Rejected by ben (no) and carol (never)"]);
    system.run("ben", &format!("approve {id} --yes")).fails(5, &["Rejected"]);
    assert!(!system.path("contract.sig").exists());
}

#[test]
fn only_members_ask_and_only_for_what_the_group_signs() {
    let system = with_board();
    let url = system.invite("dan");
    system.run_with("dan", "join -", url.as_bytes()).succeeds();
    system
        .run("dan", "sign contract --group board --passphrase-file pass")
        .fails(6, &["user account not authorized", "dan"]);
    system
        .run("ada", "sign contract --group board --type invoice")
        .fails(6, &["invoice", "leave out --type: board signs files without one"]);
    system.run("ben", "invite eve").fails(6, &["only admins can do that"]);
    system
        .run("ben", "group create mine --members ada,ben --min-signers 2")
        .fails(6, &["only admins can do that"]);
    let log = system.run("ada", "request list --json").succeeds().json();
    let states: Vec<&str> = log["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|request| request["state"].as_str().unwrap())
        .collect();
    // The node knows which types the group signs, so it does not ask for others.
    assert_eq!(states, ["refused"]);
}

#[test]
fn unknown_names_get_the_nearest_known_one() {
    let system = with_board();
    let did_you_mean = ["there is no", "did you mean \"board\"?"];
    system.run("ada", "sign contract --group baord").fails(1, &did_you_mean);
    system.run("ada", "group show bord").fails(1, &did_you_mean);
    system.run("ada", "key export --group boards").fails(1, &did_you_mean);
    system
        .run("ada", "group create legal --members ada,bne,carol --min-signers 2")
        .fails(1, &["there is no account \"bne\"", "did you mean \"ben\"?"]);
    system
        .run("ada", "group create legal --members ada,zebedee --min-signers 2")
        .fails(1, &["quorate invite zebedee"]);
    system.invite("fred");
    system
        .run("ada", "group create legal --members ada,fred --min-signers 2")
        .fails(1, &["fred is invited, and has not joined yet", "quorate join URL"]);
    let id = system.run("ada", "sign contract --group board --json").succeeds().json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let wrong = if id.starts_with('0') { "1" } else { "0" };
    system
        .run("ben", &format!("approve {wrong}{}", &id[1..8]))
        .fails(1, &["no request and no change", &format!("did you mean \"{}\"?", &id[..8])]);
    system.run("ada", "sign nothing --group board").fails(1, &["there is no file nothing"]);
}

#[test]
fn an_invitation_is_for_one_account_of_one_ivn_at_one_hub() {
    let system = start(&["ada"]);
    let url = system.invite("ben");
    let longer = url.replacen("/join/", "/join/00", 1);
    system.run_with("ben", "join -", longer.as_bytes()).fails(2, &["damaged IVN id"]);
    let start = url.find("/join/").unwrap() + 6;
    let other_ivn = format!("{}{}{}", &url[..start], "00".repeat(32), &url[start + 64..]);
    system.run_with("ben", "join -", other_ivn.as_bytes()).fails(6, &["does not serve this IVN"]);
    let end = url.trim_end().len();
    let other_authority = format!("{}AAAA", &url[..end - 4]);
    system
        .run_with("ben", "join -", other_authority.as_bytes())
        .fails(9, &["not the hub of the IVN"]);
    system
        .run_with("ben", "join -", url.replace("/ben#", "/eve#").as_bytes())
        .fails(6, &["not valid here"]);
    assert!(!system.path("ben").exists());

    let newer = system.invite("ben");
    system
        .run_with("ben", "join -", url.as_bytes())
        .fails(6, &["not valid here", "quorate invite"]);
    system.run_with("ben", "join -", newer.as_bytes()).succeeds();
    // Before it needs a passphrase, so that nobody chooses one in vain.
    system
        .run_with("ben2", "join - --passphrase-file no/such", newer.as_bytes())
        .fails(6, &["used already", "ben"]);
    system.run_with("ben", "join -", newer.as_bytes()).fails(1, &["is a home already"]);
    assert!(!system.path("ben2").exists());
}

#[test]
fn a_join_whose_answer_was_lost_is_finished_by_the_same_command() {
    let system = start(&["ada"]);
    let url = system.invite("ben");
    system.run_with("ben", "join -", url.as_bytes()).succeeds();
    // As if the process had died before it could store the hub's answer.
    fs::remove_file(system.path("ben/home.json")).unwrap();
    system.run("ben", "status").fails(1, &["not a node home"]);
    system.run_with("ben", "join -", url.as_bytes()).succeeds();
    system.start_process("ben");
    until("the roles on the node's own roster", || {
        (system.run("ben", "status --json").json()["roles"] == serde_json::json!(["member"]))
            .then_some(())
    });
}

#[test]
fn a_home_is_used_by_one_node_and_survives_every_kill() {
    let system = with_board();
    system.run("ben", "node run").fails(1, &["already in use by process"]);
    system.run("coordinator", "serve").fails(1, &["already in use by process"]);

    system.kill(COORDINATOR);
    until("the node to notice that the coordinator is gone", || {
        (system.run("ada", "status").exit == 7).then_some(())
    });
    system.run("ada", "sign contract --group board").fails(7, &["cannot be reached"]);
    let doctor = system.run("ada", "doctor");
    assert_eq!(doctor.exit, 1);
    assert!(doctor.stdout.contains("✗ connection"), "{}", doctor.stdout);

    system.start_process(COORDINATOR);
    system.kill("carol");
    until("a connection again", || (system.run("ada", "status").exit == 0).then_some(()));
    let (signing, id) = system.sign("ada", "sign contract --group board --wait --force", "ben");
    system.run("ben", &format!("approve {id} --yes")).succeeds();
    signing.end().succeeds();

    system.kill("ben");
    let signing = system.begin("ada", "sign contract --group board --wait --force");
    until("a second request", || {
        (system.run("ada", "request list --json").json()["requests"].as_array().unwrap().len() == 2)
            .then_some(())
    });
    system.start_process("carol");
    let id = until("the request in carol's inbox", || {
        let inbox = system.run("carol", "inbox --json").succeeds().json();
        inbox["requests"][0]["id"].as_str().map(str::to_owned)
    });
    system.run("carol", &format!("approve {id} --yes")).succeeds();
    let signed = signing.end().succeeds();
    assert!(signed.stdout.contains("the shares of ada, carol"), "{}", signed.stdout);
}

#[test]
fn the_log_proves_what_happened_and_shows_every_change() {
    let system = with_board();
    let (signing, id) = system.sign("ada", "sign contract --group board --wait", "ben");
    system.run("ben", &format!("approve {id} --yes")).succeeds();
    signing.end().succeeds();

    until("cosignatures for a proof", || {
        (system.run("ada", &format!("log prove {id} --out proof --force")).exit == 0).then_some(())
    });
    system.run("carol", "log verify --proof proof").succeeds();
    // A member that did not take part makes evidence, and a stranger checks it.
    let made = system.run("carol", &format!("request evidence {id} --out evidence"));
    assert!(made.succeeds().stdout.contains("contract was approved by ada ("));
    let ivn = system.ivn_directory();
    let ivn = ivn.file_name().unwrap().to_str().unwrap();
    let check = format!("verify contract --evidence evidence --ivn {ivn}");
    let shown = system.run("stranger", &check).succeeds().stdout;
    assert!(shown.contains(" and ben (") && shown.contains("rejected by nobody"), "{shown}");
    let mut entry = fs::read(system.path("proof.entry")).unwrap();
    entry[100] ^= 1;
    system.write("proof.entry", &entry);
    assert_eq!(system.run("carol", "log verify --proof proof").exit, 3);

    let shown = system.run("carol", "log show --all").succeeds().stdout;
    assert!(shown.contains("logs the signature of request"), "{shown}");
    // The coordinator publishes the whole log before it ends.
    let log = system.ivn_directory().join("log");
    let verify = format!(
        "log verify {} --documents {}",
        log.display(),
        system.ivn_directory().join("documents").display()
    );
    until("a published log with the signature", || {
        let ran = system.run("ada", &format!("{verify} --json"));
        let report = ran.succeeds().json();
        (report["signatures"].as_array().unwrap().len() == 1).then_some(())
    });
    system.kill(COORDINATOR);
    // Shorter bundles belong to earlier checkpoints, and nothing reads them any longer.
    let bundles = walk(&log.join("tile/entries"));
    let bundle = bundles.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(bundle, bytes).unwrap();
    assert_eq!(system.run("ada", &verify).exit, 3);
}

/// Lists all files below a directory.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
