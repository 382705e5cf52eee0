//! A group with an OpenPGP certificate: what it signs is verified by gpg, gpgv and git.

use std::fs;
use std::process::Command;

use quorate_testkit::cluster::Cluster;

use super::git::{QUORATE, approve, are_installed, command, ends_well, succeeds, text};
use super::start;

const USER: &str = "Example Releases <releases@example.com>";

/// gpg, with a home of its own.
fn gpg(system: &Cluster, line: &str) -> Command {
    let arguments = ["--batch", "--no-tty", "--no-autostart"];
    let arguments = arguments.into_iter().chain(line.split_whitespace());
    with_keyring(command(system, "gpg", &arguments.collect::<Vec<_>>()), system)
}

fn with_keyring(mut command: Command, system: &Cluster) -> Command {
    command.env("GNUPGHOME", system.path("gnupg"));
    command
}

fn git(system: &Cluster, line: &str) -> Command {
    with_keyring(command(system, "git", &line.split_whitespace().collect::<Vec<_>>()), system)
}

fn quorate(system: &Cluster, arguments: &[&str]) -> Command {
    command(system, QUORATE, arguments)
}

#[test]
fn a_group_signs_a_release_that_gpg_and_git_verify() {
    if !are_installed(&["gpg", "gpgv", "git"]) {
        return;
    }
    let system = start(&["ada", "ben"]);
    system
        .run(
            "ada",
            "group create release --members ada,ben --min-signers 2 \
             --format pgp,pgp-text,pgp-certificate",
        )
        .succeeds();
    fs::create_dir(system.path("gnupg")).unwrap();
    fs::write(system.path("app.tgz"), "a release").unwrap();
    fs::write(system.path("Release"), "Origin: Example\nSuite: stable\n").unwrap();

    // Without a certificate there is no OpenPGP key.
    let early = system.run("ada", "sign app.tgz --group release --as pgp --wait");
    early.fails(1, &["has no OpenPGP certificate", "quorate key certify --group release"]);

    // One approval makes the certificate and its revocation.
    let certify = ["key", "certify", "--group", "release", "--user-id", USER, "--wait"];
    let certifying = quorate(&system, &certify).spawn().unwrap();
    let shown = approve(&system);
    assert!(shown.contains(USER) && shown.contains("can revoke the key"), "{shown}");
    ends_well(certifying);
    let imported = succeeds(gpg(&system, "--import release.asc"));
    assert!(imported.contains(USER), "{imported}");
    let export = "key export --group release --format";
    let exported = system.run("ada", &format!("{export} pgp")).succeeds().stdout;
    assert_eq!(exported, fs::read_to_string(system.path("release.asc")).unwrap());
    let revocation = system.run("ben", &format!("{export} pgp-revocation")).succeeds().stdout;
    assert!(revocation.contains("BEGIN PGP PUBLIC KEY BLOCK"), "{revocation}");

    let line = "sign app.tgz --group release --as pgp --wait";
    let signing = quorate(&system, &line.split(' ').collect::<Vec<_>>()).spawn().unwrap();
    approve(&system);
    ends_well(signing);
    succeeds(gpg(&system, "--verify app.tgz.asc app.tgz"));
    system.run("ada", "verify app.tgz --signature app.tgz.asc").succeeds();

    // As git, rpmsign and debsign call it.
    let program = system.path("quorate-gpg");
    std::os::unix::fs::symlink(QUORATE, &program).unwrap();
    succeeds(git(&system, "init -q"));
    for setting in ["user.name ada", "user.email ada@example.com", "user.signingkey release"] {
        succeeds(git(&system, &format!("config {setting}")));
    }
    succeeds(git(&system, &format!("config gpg.program {}", program.display())));
    succeeds(git(&system, "commit -q --allow-empty -m start"));
    let tagging = git(&system, "tag -s v1.0 -m release-1.0").spawn().unwrap();
    let shown = approve(&system);
    assert!(shown.contains("git tag") && shown.contains("v1.0"), "{shown}");
    ends_well(tagging);
    let verified = succeeds(git(&system, "verify-tag v1.0"));
    assert!(verified.contains("Good signature"), "{verified}");

    let clear = ["gpg", "--local-user", USER, "--clearsign", "-o", "InRelease", "Release"];
    let signing = quorate(&system, &clear).spawn().unwrap();
    approve(&system);
    ends_well(signing);
    succeeds(gpg(&system, "--output ring.gpg --dearmor release.asc"));
    let ring = ["--keyring", "./ring.gpg"];
    succeeds(command(&system, "gpgv", &[&ring[..], &["InRelease"]].concat()));

    // The same file again is the same signature, and needs no approval.
    let again = ["gpg", "-u", "release", "-sbo", "app.sig", "app.tgz"];
    succeeds(quorate(&system, &again));
    succeeds(command(&system, "gpgv", &[&ring[..], &["app.sig", "app.tgz"]].concat()));

    let foreign = ["gpg", "-u", "0123456789ABCDEF", "-bsao", "foreign", "app.tgz"];
    let refused = quorate(&system, &foreign).output().unwrap();
    assert!(!refused.status.success());
    assert!(text(&refused).contains("no group has the OpenPGP key"), "{}", text(&refused));
}
