//! Git commits and tags that a group signs, by the recipe of the documentation.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use quorate_testkit::cluster::{Cluster, until};

use super::start;

pub(crate) const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

/// The dates of a commit, which is signed again as long as they stay.
const DATES: [(&str, &str); 2] =
    [("GIT_AUTHOR_DATE", "@1700000000 +0100"), ("GIT_COMMITTER_DATE", "@1700000007 +0000")];

/// Whether all these tools are there; prints which are not.
pub(crate) fn are_installed(tools: &[&str]) -> bool {
    tools.iter().all(|tool| {
        let mut asking = Command::new(tool);
        asking.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        let found = asking.stdin(Stdio::null()).status().is_ok();
        if !found {
            eprintln!("skipped: {tool} is not installed");
        }
        found
    })
}

/// Makes a command in ada's repository.
pub(crate) fn command(system: &Cluster, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(system.path(""))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("XDG_DATA_HOME", system.path("data"))
        .env("QUORATE_HOME", system.path("ada"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn git(system: &Cluster, line: &str) -> Command {
    command(system, "git", &line.split_whitespace().collect::<Vec<_>>())
}

/// What git calls.
fn ssh_sign(system: &Cluster, line: &str) -> Command {
    let arguments: Vec<&str> = ["ssh-sign"].into_iter().chain(line.split_whitespace()).collect();
    command(system, QUORATE, &arguments)
}

pub(crate) fn succeeds(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    text(&output)
}

pub(crate) fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{out}{err}")
}

/// The requests that wait for ben.
pub(crate) fn inbox(system: &Cluster) -> Vec<String> {
    let inbox = system.run("ben", "inbox --json").succeeds().json();
    let requests = inbox["requests"].as_array().unwrap();
    requests.iter().map(|request| request["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits for the only request, and approves it as ben. Returns what ben was shown.
pub(crate) fn approve(system: &Cluster) -> String {
    let id = until("a request that waits for ben", || inbox(system).pop());
    let shown = system.run("ben", &format!("request show {id}")).succeeds().stdout;
    system.run("ben", &format!("approve {id} --yes")).succeeds();
    shown
}

/// Waits for what approving ends, which succeeds.
pub(crate) fn ends_well(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// Starts a system with the group `release`, and a repository whose commits the group signs.
pub(crate) fn with_repository() -> Cluster {
    let system = start(&["ada", "ben"]);
    system
        .run(
            "ada",
            "group create release --members ada,ben --min-signers 2 --format ssh:git,ssh-agent",
        )
        .succeeds();
    for (format, file) in [("ssh", "release.pub"), ("allowed-signers", "release.signers")] {
        let line = format!("key export --group release --format {format} --out {file}");
        system.run("ada", &line).succeeds();
    }
    let program = system.path("quorate-ssh-sign");
    std::os::unix::fs::symlink(QUORATE, &program).unwrap();
    succeeds(git(&system, "init -q"));
    for (name, value) in [
        ("user.name", PathBuf::from("ada")),
        ("user.email", PathBuf::from("ada@example.com")),
        ("gpg.format", PathBuf::from("ssh")),
        ("gpg.ssh.program", program),
        ("gpg.ssh.allowedSignersFile", system.path("release.signers")),
        ("user.signingkey", system.path("release.pub")),
    ] {
        succeeds(git(&system, &format!("config {name} {}", value.display())));
    }
    system
}

#[test]
fn a_group_signs_commits_and_tags_that_git_verifies() {
    if !are_installed(&["git", "ssh-keygen"]) {
        return;
    }
    let system = with_repository();
    let commit = "commit -S --allow-empty -m release-1.0";

    // A commit that nobody approves in time names who is missing, and how to wait again.
    let mut early = git(&system, commit);
    let early = early.env("QUORATE_SIGN_TIMEOUT", "1s").envs(DATES).output().unwrap();
    assert!(!early.status.success());
    let [author, committer] = DATES.map(|(name, date)| format!("{name}='{date}'"));
    for expected in ["not signed yet", "Waiting for 1 approval by ben", &author, &committer] {
        assert!(text(&early).contains(expected), "{expected}: {}", text(&early));
    }
    let waiting = inbox(&system);

    // The same command finds the request again.
    let mut signing = git(&system, commit);
    let mut signing = signing.envs(DATES).spawn().unwrap();
    assert_eq!(inbox(&system), waiting);
    let shown = approve(&system);
    for expected in ["git commit", "release-1.0", "ada <ada@example.com>"] {
        assert!(shown.contains(expected), "{shown}");
    }
    assert!(signing.wait().unwrap().success());
    let requests = system.run("ada", "request list --json").succeeds().json();
    assert_eq!(requests["requests"].as_array().unwrap().len(), 1);
    succeeds(git(&system, "verify-commit HEAD"));
    let log = succeeds(git(&system, "log --show-signature -1"));
    assert!(log.contains("Good \"git\" signature for release with ED25519 key"), "{log}");

    let tagging = git(&system, "tag -s v1.0 -m release-1.0").spawn().unwrap();
    let shown = approve(&system);
    assert!(shown.contains("git tag") && shown.contains("v1.0"), "{shown}");
    ends_well(tagging);
    succeeds(git(&system, "verify-tag v1.0"));

    // A commit without the signature does not verify.
    succeeds(git(&system, "commit --allow-empty -m release-1.1"));
    assert!(!git(&system, "verify-commit HEAD").status().unwrap().success());

    // Git keeps the stderr of what it calls, so the terminal shows who is missing.
    if are_installed(&["script"]) {
        let line = "git commit -S --allow-empty -m release-1.2";
        let on_terminal = command(&system, "script", &["-qec", line, "/dev/null"]);
        let signing = { on_terminal }.spawn().unwrap();
        approve(&system);
        let seen = ends_well(signing);
        assert!(seen.contains("sent to release. Its members approve it with:"), "{seen}");
        succeeds(git(&system, "verify-commit HEAD"));
    }
}

#[test]
fn the_key_that_git_names_has_to_be_of_a_group() {
    if !are_installed(&["ssh-keygen"]) {
        return;
    }
    let system = with_repository();
    system.write("buffer", b"tree\n");
    for kind in ["ed25519", "rsa"] {
        let file = system.path(kind).display().to_string();
        let line = ["-q", "-t", kind, "-N", "", "-f", &file];
        succeeds(command(&system, "ssh-keygen", &line));
    }
    let foreign = fs::read_to_string(system.path("ed25519.pub")).unwrap();
    let foreign: Vec<&str> = foreign.split_whitespace().take(2).collect();
    for (line, exit, messages) in [
        ("-n git -f ed25519", 1, ["ed25519 is a private key", "key export"]),
        ("-n git -f rsa.pub", 1, ["rsa.pub is a key of type ssh-rsa", "key export"]),
        ("-n git -f ed25519.pub", 1, [foreign[1], "group list"]),
        ("-n git -f buffer", 1, ["buffer is no public key", "key export"]),
        ("-n git -f missing.pub", 1, ["there is no file missing.pub", ""]),
        ("-n git", 2, ["-f KEY is missing", "quorate ssh-sign -Y sign"]),
        (
            "-n file -f release.pub",
            6,
            ["\"release\" does not sign in format ssh:file", "group change release --format"],
        ),
    ] {
        let output = ssh_sign(&system, &format!("-Y sign {line} buffer")).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{line}: {}", text(&output));
        for message in messages {
            assert!(text(&output).contains(message), "{line}: {}", text(&output));
        }
    }
    assert!(inbox(&system).is_empty());

    // Ctrl-C leaves a request, which the same command finds when it is open, and when it is signed.
    let sign = "-Y sign -n git -f release.pub buffer";
    let mut child = ssh_sign(&system, sign).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = said.map(Result::unwrap);
    said.find(|line| line.contains("Waiting for 1 approval by ben")).unwrap();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let said: String = said.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("the same command finds it again"), "{said}");
    let key = format!("key::{}", fs::read_to_string(system.path("release.pub")).unwrap());
    let literal = ["ssh-sign", "-Y", "sign", "-n", "git", "-f", &key, "buffer"];
    let signing = command(&system, QUORATE, &literal).spawn().unwrap();
    assert_eq!(inbox(&system).len(), 1);
    approve(&system);
    ends_well(signing);
    let signature = fs::read(system.path("buffer.sig")).unwrap();
    let again = ssh_sign(&system, sign).output().unwrap();
    assert!(text(&again).contains("remove buffer.sig first"), "{}", text(&again));
    fs::remove_file(system.path("buffer.sig")).unwrap();
    succeeds(ssh_sign(&system, sign));
    assert_eq!(fs::read(system.path("buffer.sig")).unwrap(), signature);

    // Everything else is done by ssh-keygen.
    let check = "-Y check-novalidate -n git -s buffer.sig";
    let mut check = ssh_sign(&system, check);
    check.stdin(fs::File::open(system.path("buffer")).unwrap());
    assert!(succeeds(check).contains("Good \"git\" signature"));
}
