//! A group with an OpenPGP certificate signs a release by the README's commands: gpg, gpgv, git,
//! apt and rpm verify it.

use std::fs;
use std::path::Path;
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

/// The commands of the README's section on releases, without comments, in the order of the page.
fn readme() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("## Sign your releases\n").nth(1).unwrap();
    let console = section.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let command = |line: &str| line.strip_prefix("$ ").unwrap().split("  #").next().unwrap().into();
    console.lines().map(command).collect()
}

/// A line of the README in a shell, with `quorate` and `quorate-gpg` on the PATH.
fn shell(system: &Cluster, line: &str) -> Command {
    let mut path = std::ffi::OsString::from(system.path("bin"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = with_keyring(command(system, "sh", &["-c", line]), system);
    command.env("PATH", path).env("HOME", system.path(""));
    command
}

/// Runs the next line of the README, which waits until ben approves. Returns what ben was shown.
fn approved(system: &Cluster, line: &str) -> String {
    let waiting = shell(system, line).spawn().unwrap();
    let shown = approve(system);
    ends_well(waiting);
    shown
}

#[test]
fn a_group_signs_a_release_that_gpg_and_git_verify() {
    if !are_installed(&["gpg", "gpgv", "git"]) {
        return;
    }
    let lines = readme();
    let [create, certify, sign, program, tag, in_release, rpm] = lines.as_slice() else {
        panic!("the README has other lines: {lines:#?}")
    };
    let system = start(&["ada", "ben", "carol"]);
    fs::create_dir(system.path("bin")).unwrap();
    for name in ["quorate", "quorate-gpg"] {
        std::os::unix::fs::symlink(QUORATE, system.path("bin").join(name)).unwrap();
    }
    succeeds(shell(&system, create));
    fs::create_dir(system.path("gnupg")).unwrap();
    fs::write(system.path("app.tgz"), "a release").unwrap();

    // Without a certificate there is no OpenPGP key.
    let early = system.run("ada", "sign app.tgz --group release --as pgp --wait");
    early.fails(1, &["has no OpenPGP certificate", "quorate key certify --group release"]);

    // One approval makes the certificate and its revocation.
    let shown = approved(&system, certify);
    assert!(shown.contains(USER) && shown.contains("can revoke the key"), "{shown}");
    let imported = succeeds(gpg(&system, "--import release.asc"));
    assert!(imported.contains(USER), "{imported}");
    let export = "key export --group release --format";
    let exported = system.run("ada", &format!("{export} pgp")).succeeds().stdout;
    assert_eq!(exported, fs::read_to_string(system.path("release.asc")).unwrap());
    let revocation = system.run("ben", &format!("{export} pgp-revocation")).succeeds().stdout;
    assert!(revocation.contains("BEGIN PGP PUBLIC KEY BLOCK"), "{revocation}");

    approved(&system, sign);
    succeeds(gpg(&system, "--verify app.tgz.asc app.tgz"));
    system.run("ada", "verify app.tgz --signature app.tgz.asc").succeeds();

    // As git, rpmsign and debsign call it.
    succeeds(git(&system, "init -q"));
    for setting in ["user.name ada", "user.email ada@example.com"] {
        succeeds(git(&system, &format!("config {setting}")));
    }
    succeeds(git(&system, "commit -q --allow-empty -m start"));
    succeeds(shell(&system, program));
    let shown = approved(&system, tag);
    assert!(shown.contains("git tag") && shown.contains("v1.0"), "{shown}");
    let verified = succeeds(shell(&system, "git verify-tag v1.0"));
    assert!(verified.contains("Good signature"), "{verified}");

    let repository = write_repository(&system);
    approved(&system, in_release);
    succeeds(gpg(&system, "--output ring.gpg --dearmor release.asc"));
    let ring = ["--keyring", "./ring.gpg"];
    succeeds(command(&system, "gpgv", &[&ring[..], &["InRelease"]].concat()));
    if repository {
        apt_accepts_only_what_was_signed(&system);
    }

    if are_installed(&["rpmbuild", "rpmsign", "rpmkeys"]) {
        rpm_accepts_only_what_was_signed(&system, rpm);
    }

    // The same file again is the same signature, and needs no approval.
    let again = ["gpg", "-u", "release", "-sbo", "app.sig", "app.tgz"];
    succeeds(quorate(&system, &again));
    succeeds(command(&system, "gpgv", &[&ring[..], &["app.sig", "app.tgz"]].concat()));

    let foreign = ["gpg", "-u", "0123456789ABCDEF", "-bsao", "foreign", "app.tgz"];
    let refused = quorate(&system, &foreign).output().unwrap();
    assert!(!refused.status.success());
    assert!(text(&refused).contains("no group has the OpenPGP key"), "{}", text(&refused));
}

const PACKAGE: &str = "\
Package: app
Version: 1
Architecture: all
Maintainer: Example <releases@example.com>
Filename: app.deb
Size: 1
SHA256: 5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
Description: an application
";

/// Writes the index of an apt repository. Returns whether apt is there to read it.
fn write_repository(system: &Cluster) -> bool {
    let repository = system.path("apt");
    fs::create_dir(&repository).unwrap();
    fs::write(repository.join("Packages"), PACKAGE).unwrap();
    let has_apt = are_installed(&["apt-get", "apt-ftparchive"]);
    let release = match has_apt {
        true => {
            let index = command(system, "apt-ftparchive", &["release", "apt"]).output().unwrap();
            assert!(index.status.success(), "{}", text(&index));
            index.stdout
        }
        false => b"Origin: Example\nSuite: stable\n".to_vec(),
    };
    fs::write(system.path("Release"), release).unwrap();
    has_apt
}

/// What `apt-get update` prints about the repository; `None` if it rejects it.
fn apt_update(system: &Cluster) -> Option<String> {
    let root = system.path("apt-root");
    // Without what an earlier update found.
    let _ = fs::remove_dir_all(&root);
    for directory in ["lists/partial", "cache/archives/partial", "parts"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let (key, repository) = (system.path("release.asc"), system.path("apt"));
    let source = format!("deb [signed-by={}] file:{} ./\n", key.display(), repository.display());
    fs::write(root.join("sources.list"), source).unwrap();
    fs::write(root.join("status"), "").unwrap();
    let mut apt = command(system, "apt-get", &["update", "-o", "APT::Update::Error-Mode=any"]);
    for (setting, place) in [
        ("Dir::Etc::SourceList", "sources.list"),
        ("Dir::Etc::SourceParts", "parts"),
        ("Dir::Etc::Parts", "parts"),
        ("Dir::Etc::Trusted", "none"),
        ("Dir::Etc::TrustedParts", "parts"),
        ("Dir::State::Lists", "lists"),
        ("Dir::State::Status", "status"),
        ("Dir::Cache", "cache"),
    ] {
        apt.arg("-o").arg(format!("{setting}={}", root.join(place).display()));
    }
    // It would change to a user that may not read this directory.
    let output = apt.args(["-o", "APT::Sandbox::User="]).env("LC_ALL", "C").output().unwrap();
    let text = text(&output);
    let accepted = output.status.success();
    assert!(accepted || text.contains("signatures were invalid"), "{text}");
    accepted.then_some(text)
}

fn apt_accepts_only_what_was_signed(system: &Cluster) {
    let signed = fs::read_to_string(system.path("InRelease")).unwrap();
    let published = system.path("apt/InRelease");
    fs::write(&published, &signed).unwrap();
    let shown = apt_update(system).unwrap();
    assert!(shown.contains("InRelease") && shown.contains("Packages"), "{shown}");
    let changed = signed.replacen("Date: ", "Label: attack\nDate: ", 1);
    assert_ne!(changed, signed);
    fs::write(&published, changed).unwrap();
    assert_eq!(apt_update(system), None);
}

fn rpm_accepts_only_what_was_signed(system: &Cluster, sign: &str) {
    let specification = "Name: app\nVersion: 1\nRelease: 1\nSummary: an application\n\
                         License: MIT\nBuildArch: noarch\n%description\nIt applies.\n%files\n";
    fs::write(system.path("app.spec"), specification).unwrap();
    let top = system.path("rpm");
    let top = top.to_str().unwrap();
    let define = format!("_topdir {top}");
    succeeds(command(system, "rpmbuild", &["-bb", "--define", &define, "app.spec"]));
    let built = system.path("rpm/RPMS/noarch/app-1-1.noarch.rpm");
    let package = system.path("app.rpm");
    fs::copy(built, &package).unwrap();

    let keys = system.path("rpm-keys");
    fs::create_dir(&keys).unwrap();
    let keys = ["--dbpath", keys.to_str().unwrap()];
    let rpm_keys = |rest: &[&str]| command(system, "rpmkeys", &[&keys[..], rest].concat());
    let check = || text(&rpm_keys(&["-K", "app.rpm"]).env("LC_ALL", "C").output().unwrap());
    succeeds(rpm_keys(&["--import", "release.asc"]));
    assert!(!check().contains("signatures"), "it is not signed yet: {}", check());
    approved(system, sign);
    assert_eq!(check().trim(), "app.rpm: digests signatures OK");

    let signed = fs::read(&package).unwrap();
    let place = signed.windows(11).rposition(|it| it == b"It applies.").unwrap();
    let mut changed = signed;
    changed[place] ^= 1;
    fs::write(&package, changed).unwrap();
    let checked = check();
    assert!(checked.contains("SIGNATURES NOT OK"), "{checked}");
}
