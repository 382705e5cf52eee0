//! OpenPGP: what we write is accepted by gpg, gpgv and sqv, and what was changed is refused.
//!
//! A tool that is not installed is reported as skipped, never as passed.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Output as Outcome, Stdio};

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use quorate_documents::{
    Certificate, CertificateError, Output, Signature, SignatureFile, Unsignable, VerifyError,
    VerifyingKey, binary_signature, prepare, verify,
};
use tempfile::TempDir;

const CREATED: u32 = 1_767_225_600;
const AT: u32 = CREATED + 3_600;
const SALT: [u8; 32] = [7; 32];
const USER: &str = "Example Releases <releases@example.com>";

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn key(seed: u8) -> VerifyingKey {
    VerifyingKey::Ed25519(signer(seed).verifying_key().to_bytes())
}

fn output(format: &str) -> Output {
    format.parse::<Output>().unwrap().with_times(CREATED, AT).unwrap()
}

fn signatures(document: &[u8], output: &Output, seed: u8) -> Vec<Signature> {
    let key = key(seed);
    let prepared = prepare(document, output, &key).unwrap();
    let mut made = Vec::new();
    for _ in 0..prepared.signatures() {
        let covered = prepared.to_be_signed(&made).unwrap();
        assert_eq!(covered.len(), 64, "a hash");
        made.push(Signature::Ed25519(signer(seed).sign(&covered).to_bytes()));
    }
    made
}

fn sign(document: &[u8], output: &Output, seed: u8) -> Vec<u8> {
    let made = signatures(document, output, seed);
    prepare(document, output, &key(seed)).unwrap().finish(&made).unwrap()
}

fn certificate(expires: Option<u32>) -> Certificate {
    Certificate::new(USER, CREATED, CREATED, expires).unwrap()
}

/// The certificate of a key, and the certificate that revokes it.
fn certified(certificate: &Certificate, seed: u8) -> (Vec<u8>, Vec<u8>) {
    let key = key(seed);
    let document = certificate.document(&key, &SALT);
    let output = Output::certificate(certificate).unwrap();
    assert_eq!(output.to_certificate().as_ref(), Some(certificate));
    let made = signatures(document.as_bytes(), &output, seed);
    let file = sign(document.as_bytes(), &output, seed);
    assert_eq!(certificate.file(&key, &made[0]).unwrap(), file, "from the log alone");
    let revocation = certificate.revocation(&key, document.as_bytes(), &made[1]).unwrap();
    (file, revocation)
}

/// Whether `tool` can be started; prints to stderr if not.
fn installed(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// A directory with files, and with an empty home of gpg.
struct Place(TempDir);

impl Place {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let place = Self(TempDir::new().unwrap());
        for (name, bytes) in files {
            std::fs::write(place.0.path().join(name), bytes).unwrap();
        }
        place
    }

    fn run(&self, tool: &str, arguments: &[&str]) -> (bool, String) {
        let outcome = command(tool, arguments, self.0.path());
        let text = [outcome.stdout, outcome.stderr].concat();
        (outcome.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn gpg(&self, arguments: &[&str]) -> (bool, String) {
        let options = ["--homedir", ".", "--batch", "--no-tty", "--no-autostart"];
        self.run("gpg", &[&options, arguments].concat())
    }
}

fn command(tool: &str, arguments: &[&str], directory: &Path) -> Outcome {
    Command::new(tool).args(arguments).current_dir(directory).env("LC_ALL", "C").output().unwrap()
}

const RELEASE: &[u8] =
    b"Origin: Example\nSuite: stable\n- a dash\nFrom here\nends in space \t\n\nlast\n";

#[test]
fn gpg_accepts_signatures_and_the_certificate() {
    if !installed("gpg") {
        return;
    }
    let (file, _) = certified(&certificate(Some(AT + 1_000_000_000)), 1);
    let place = Place::new(&[
        ("certificate.asc", &file),
        ("release", RELEASE),
        ("other", b"other"),
        ("release.asc", &sign(RELEASE, &output("pgp"), 1)),
        ("text.asc", &sign(RELEASE, &output("pgp-text"), 1)),
        ("foreign.asc", &sign(RELEASE, &output("pgp"), 2)),
    ]);
    let (imported, text) = place.gpg(&["--import", "certificate.asc"]);
    assert!(imported && text.contains(USER), "{text}");
    let (listed, text) = place.gpg(&["--list-keys", "--with-colons"]);
    let fingerprint = certificate(None).fingerprint(&key(1));
    assert!(listed && text.contains(&format!("fpr:::::::::{fingerprint}:")), "{text}");
    assert!(text.contains(&format!(":{}:", AT + 1_000_000_000)), "{text}");
    for (arguments, accepted) in [
        (&["--verify", "release.asc", "release"][..], true),
        (&["--verify", "text.asc"], true),
        (&["--verify", "release.asc", "other"], false),
        (&["--verify", "foreign.asc", "release"], false),
    ] {
        let (good, text) = place.gpg(arguments);
        assert_eq!(good, accepted, "{arguments:?}: {text}");
        assert_eq!(text.contains("Good signature"), accepted, "{text}");
    }
}

#[test]
fn gpg_reads_the_signed_text_back() {
    if !installed("gpg") {
        return;
    }
    let (file, _) = certified(&certificate(None), 1);
    let signed = sign(RELEASE, &output("pgp-text"), 1);
    let found = SignatureFile::read(&signed).unwrap();
    assert_eq!(found.document(), Some(RELEASE));
    let place = Place::new(&[("certificate.asc", &file), ("text.asc", &signed)]);
    place.gpg(&["--import", "certificate.asc"]);
    let (good, text) = place.gpg(&["--output", "plain", "--decrypt", "text.asc"]);
    assert!(good, "{text}");
    let plain = std::fs::read_to_string(place.0.path().join("plain")).unwrap();
    let trimmed =
        |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&plain), trimmed(std::str::from_utf8(RELEASE).unwrap()));
}

#[test]
fn an_imported_revocation_ends_the_key() {
    if !installed("gpg") {
        return;
    }
    let (file, revocation) = certified(&certificate(None), 1);
    let place = Place::new(&[
        ("certificate.asc", &file),
        ("revocation.asc", &revocation),
        ("release", RELEASE),
        ("release.asc", &sign(RELEASE, &output("pgp"), 1)),
    ]);
    place.gpg(&["--import", "certificate.asc"]);
    let (imported, text) = place.gpg(&["--import", "revocation.asc"]);
    assert!(imported && text.contains("revocation certificate imported"), "{text}");
    let (_, text) = place.gpg(&["--verify", "release.asc", "release"]);
    assert!(text.contains("This key has been revoked"), "{text}");
}

#[test]
fn a_renewed_certificate_is_of_the_same_key() {
    if !installed("gpg") {
        return;
    }
    let first = certificate(Some(AT + 100));
    let renewed = Certificate::new(USER, CREATED, AT, Some(AT + 1_000_000_000)).unwrap();
    assert_eq!(first.fingerprint(&key(1)), renewed.fingerprint(&key(1)));
    let place = Place::new(&[
        ("first.asc", &certified(&first, 1).0),
        ("renewed.asc", &certified(&renewed, 1).0),
    ]);
    place.gpg(&["--import", "first.asc"]);
    let (imported, text) = place.gpg(&["--import", "renewed.asc"]);
    assert!(imported && text.contains("1 new signature"), "{text}");
    let (_, text) = place.gpg(&["--list-keys", "--with-colons"]);
    assert_eq!(text.matches("pub:").count(), 1, "{text}");
    assert!(text.contains(&format!(":{}:", AT + 1_000_000_000)), "{text}");
}

#[test]
fn the_packet_is_the_same_signature_as_the_armored_file() {
    let armored = sign(RELEASE, &output("pgp"), 1);
    let binary = binary_signature(&armored).unwrap();
    verify(RELEASE, &binary, &key(1), &output("pgp")).unwrap();
    assert!(verify(b"other", &binary, &key(1), &output("pgp")).is_err());
    assert_eq!(binary_signature(b"other"), None);
    if installed("gpg") {
        let (file, _) = certified(&certificate(None), 1);
        let files = [("c.asc", &file[..]), ("release", RELEASE), ("release.sig", &binary)];
        let place = Place::new(&files);
        place.gpg(&["--import", "c.asc"]);
        let (good, text) = place.gpg(&["--verify", "release.sig", "release"]);
        assert!(good && text.contains("Good signature"), "{text}");
    }
}

#[test]
fn gpgv_and_sqv_accept_signatures() {
    let (file, _) = certified(&certificate(None), 1);
    let place = Place::new(&[
        ("certificate.asc", &file),
        ("release", RELEASE),
        ("other", b"other"),
        ("release.asc", &sign(RELEASE, &output("pgp"), 1)),
        ("text.asc", &sign(RELEASE, &output("pgp-text"), 1)),
    ]);
    if installed("sqv") {
        let ring = ["--keyring", "certificate.asc", "release.asc"];
        let (good, text) = place.run("sqv", &[&ring[..], &["release"]].concat());
        assert!(good, "{text}");
        assert!(!place.run("sqv", &[&ring[..], &["other"]].concat()).0);
    }
    if installed("gpgv") && installed("gpg") {
        let (dearmored, text) =
            place.gpg(&["--output", "ring.gpg", "--dearmor", "certificate.asc"]);
        assert!(dearmored, "{text}");
        for (arguments, accepted) in [
            (&["release.asc", "release"][..], true),
            (&["text.asc"], true),
            (&["release.asc", "other"], false),
        ] {
            let ring = ["--keyring", "./ring.gpg"];
            let (good, text) = place.run("gpgv", &[&ring[..], arguments].concat());
            assert_eq!(good, accepted, "{text}");
        }
    }
}

/// A signature and a certificate that gpg made are read.
#[test]
fn what_gpg_signs_with_another_key_is_refused() {
    if !installed("gpg") {
        return;
    }
    let place = Place::new(&[("release", RELEASE)]);
    let gpg = |arguments: &[&str]| {
        let options = ["--homedir", ".", "--batch", "--no-tty", "--passphrase", ""];
        let (good, text) = place.run("gpg", &[&options, arguments].concat());
        assert!(good, "{text}");
    };
    gpg(&["--pinentry-mode", "loopback", "--quick-gen-key", "a@b.example", "ed25519", "sign"]);
    gpg(&["--armor", "--output", "armored", "--detach-sign", "release"]);
    gpg(&["--output", "binary", "--detach-sign", "release"]);
    gpg(&["--output", "text", "--clear-sign", "release"]);
    for (name, format) in [("armored", "pgp"), ("binary", "pgp"), ("text", "pgp-text")] {
        let file = std::fs::read(place.0.path().join(name)).unwrap();
        let verified = verify(RELEASE, &file, &key(1), &output(format));
        assert!(matches!(verified, Err(VerifyError::Mismatch)), "{name}: {verified:?}");
    }
    command("gpgconf", &["--homedir", ".", "--kill", "all"], place.0.path());
}

#[test]
fn an_incomplete_output_is_not_signed() {
    for format in ["pgp", "pgp-text", "pgp-certificate"] {
        let key = key(1);
        let incomplete: Output = format.parse().unwrap();
        let refused = prepare(b"a", &incomplete, &key).map(drop).err();
        assert_eq!(refused, Some(Unsignable::Incomplete(format)));
    }
    assert!("pgp".parse::<Output>().unwrap().with_times(AT, CREATED).is_err(), "before the key");
    for options in [
        "created=1",
        "at=1&created=1",
        "created=01&at=1",
        "created=1&at=1&x=1",
        "created=1&at=4294967296",
    ] {
        assert!(format!("pgp?{options}").parse::<Output>().is_err(), "{options}");
    }
}

#[test]
fn a_text_that_readers_treat_differently_is_refused() {
    let (key, output) = (key(1), output("pgp-text"));
    for document in [&b"a\r\n"[..], b"\xff", b"a\0", b"\x1b[31m"] {
        let refused = prepare(document, &output, &key).map(drop).err();
        assert!(matches!(refused, Some(Unsignable::Content { .. })), "{document:?}");
    }
}

#[test]
fn a_certificate_is_what_its_document_states() {
    let (certificate, key) = (certificate(None), key(1));
    let output = Output::certificate(&certificate).unwrap();
    let document = certificate.document(&key, &SALT);
    assert!(prepare(document.as_bytes(), &output, &key).is_ok());
    for (from, to) in
        [("Example", "Evil"), ("never", "2030-01-01 00:00:00 UTC"), ("07", "0g"), ("\n\n", "\n")]
    {
        let changed = document.replacen(from, to, 1);
        assert_ne!(changed, document);
        assert!(prepare(changed.as_bytes(), &output, &key).is_err(), "{to}");
    }
    let made = signatures(document.as_bytes(), &output, 1);
    let other = certificate.document(&key, &[8; 32]);
    let revocation = |document: &str| certificate.revocation(&key, document.as_bytes(), &made[1]);
    assert!(revocation(&document).is_ok());
    assert!(revocation(&other).is_err(), "nobody revokes without the document");
}

#[test]
fn user_ids_are_one_line_and_times_are_in_order() {
    let new = |user: &str, at, expires| Certificate::new(user, CREATED, at, expires).map(drop);
    assert_eq!(new("", AT, None), Err(CertificateError::Length));
    assert_eq!(new(" a", AT, None), Err(CertificateError::Length));
    assert_eq!(new(&"a".repeat(201), AT, None), Err(CertificateError::Length));
    assert_eq!(new("a\nExpires: never", AT, None), Err(CertificateError::Characters));
    assert_eq!(new("a", CREATED - 1, None), Err(CertificateError::Times));
    assert_eq!(new("a", AT, Some(AT)), Err(CertificateError::Times));
}

proptest! {
    #[test]
    fn any_user_id_survives_an_entry(user in "\\PC{1,40}", expires: Option<u32>) {
        if let Ok(certificate) = Certificate::new(user.trim(), CREATED, AT, expires) {
            let output = Output::certificate(&certificate).unwrap();
            let read: Output = output.to_string().parse().unwrap();
            prop_assert_eq!(read.to_certificate(), Some(certificate));
        }
    }

    #[test]
    fn any_document_is_signed_and_verified(document: Vec<u8>, text in "[ -~\n\t]{0,80}") {
        let (detached, enclosed) = (output("pgp"), output("pgp-text"));
        let file = sign(&document, &detached, 1);
        verify(&document, &file, &key(1), &detached).unwrap();
        let file = sign(text.as_bytes(), &enclosed, 1);
        verify(text.as_bytes(), &file, &key(1), &enclosed).unwrap();
        prop_assert!(verify(text.as_bytes(), &file, &key(2), &enclosed).is_err());
    }

    #[test]
    fn a_changed_text_is_refused_or_means_the_same(at: prop::sample::Index, with in 0x20_u8..0x7f) {
        let file = sign(RELEASE, &output("pgp-text"), 1);
        let mut changed = file.clone();
        let at = at.index(changed.len());
        changed[at] = with;
        let Ok(found) = SignatureFile::read(&changed) else { return Ok(()) };
        let Some(document) = found.document() else { return Ok(()) };
        if found.verify(document, &key(1), None).is_ok() {
            let lines = |text: &[u8]| -> Vec<String> {
                String::from_utf8_lossy(text).lines().map(|it| it.trim_end().to_owned()).collect()
            };
            prop_assert_eq!(lines(document), lines(RELEASE));
        }
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes: Vec<u8>, first in prop::sample::select(vec![0xc2, 0x88, 0x89, 0x8b])) {
        let _ = SignatureFile::read(&[&[first], &bytes[..]].concat());
        for kind in ["SIGNATURE", "SIGNED MESSAGE", "PUBLIC KEY BLOCK"] {
            let armored = [format!("-----BEGIN PGP {kind}-----\n").as_bytes(), &bytes].concat();
            let _ = SignatureFile::read(&armored);
        }
    }
}
