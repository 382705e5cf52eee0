//! Git commits that a group signs, by the recipe of the documentation.

use std::process::{Command, Stdio};

use quorate_testkit::cluster::{Cluster, until};

use super::start;

/// Makes a git command in ada's repository.
fn git(system: &Cluster, line: &str) -> Command {
    let mut command = Command::new("git");
    command
        .args(line.split_whitespace())
        .current_dir(system.path(""))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("QUORATE", env!("CARGO_BIN_EXE_quorate"))
        .env("QUORATE_HOME", system.path("ada"))
        .env("QUORATE_GROUP", "release")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

#[test]
fn a_group_signs_a_commit_that_git_verifies() {
    for tool in ["git", "ssh-keygen"] {
        if Command::new(tool)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            return eprintln!("skipped: {tool} is not installed");
        }
    }
    let system = start(&["ada", "ben"]);
    system
        .run("ada", "group create release --members ada,ben --min-signers 2 --format ssh:git")
        .succeeds();
    for (format, file) in [("ssh", "release.pub"), ("allowed-signers", "release.signers")] {
        let line = format!("key export --group release --format {format} --out {file}");
        system.run("ada", &line).succeeds();
    }
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/git/quorate-git");
    let signers = system.path("release.signers");
    let key = system.path("release.pub");
    for line in [
        "init -q".to_owned(),
        "config user.name ada".to_owned(),
        "config user.email ada@example.com".to_owned(),
        "config gpg.format ssh".to_owned(),
        format!("config gpg.ssh.program {program}"),
        format!("config gpg.ssh.allowedSignersFile {}", signers.display()),
        format!("config user.signingkey {}", key.display()),
    ] {
        assert!(git(&system, &line).status().unwrap().success(), "{line}");
    }
    let mut signing = git(&system, "commit -S --allow-empty -m release-1.0").spawn().unwrap();
    let id = until("the commit to wait for ben", || {
        let inbox = system.run("ben", "inbox --json").succeeds().json();
        inbox["requests"][0]["id"].as_str().map(str::to_owned)
    });
    system.run("ben", &format!("approve {id} --yes")).succeeds();
    assert!(signing.wait().unwrap().success());
    assert!(git(&system, "verify-commit HEAD").status().unwrap().success());
    // A commit without the signature does not verify.
    let unsigned = "commit --allow-empty -m release-1.1";
    assert!(git(&system, unsigned).status().unwrap().success());
    assert!(!git(&system, "verify-commit HEAD").status().unwrap().success());
}
