//! Tools of others accept our files, and reject what we reject: openssl, ssh-keygen,
//! minisign.
//!
//! A tool that is not installed is reported as skipped, never as passed.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

use ed25519_dalek::{Signer, SigningKey};
use quorate_documents::{
    Meaning, Namespace, Output, Signature, VerifyingKey, keys, other_meaning, prepare, verify,
};
use tempfile::TempDir;

const IDENTITY: &str = "board@example.com";

fn public(seed: u8) -> VerifyingKey {
    VerifyingKey::Ed25519(SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
}

fn ssh(namespace: &str) -> Output {
    Output::new("ssh".parse().unwrap(), Some(namespace)).unwrap()
}

fn sign(document: &[u8], output: &Output, seed: u8) -> Vec<u8> {
    let key = public(seed);
    let prepared = prepare(document, output, &key).unwrap();
    let mut made = Vec::new();
    for _ in 0..prepared.signatures() {
        let message = prepared.to_be_signed(&made).unwrap();
        let signature = SigningKey::from_bytes(&[seed; 32]).sign(&message);
        made.push(Signature::Ed25519(signature.to_bytes()));
    }
    prepared.finish(&made).unwrap()
}

/// Whether `tool` can be started; prints to stderr if not.
fn installed(tool: &str) -> bool {
    let found = Command::new(tool)
        .arg("-?")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

fn openssl_accepts(document: &[u8], signature: &[u8], key: &VerifyingKey) -> bool {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let output = Command::new("openssl")
        .args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"])
        .arg(file("key.pem", keys::to_pem(key).as_bytes()))
        .arg("-sigfile")
        .arg(file("document.sig", signature))
        .arg("-in")
        .arg(file("document", document))
        .output()
        .unwrap();
    output.status.success()
}

fn ssh_keygen_accepts(
    document: &[u8],
    signature: &[u8],
    key: &VerifyingKey,
    namespace: &str,
) -> bool {
    let dir = TempDir::new().unwrap();
    let allowed =
        keys::allowed_signers_line(key, IDENTITY, &[Namespace::new(namespace).unwrap()]).unwrap();
    std::fs::write(dir.path().join("allowed_signers"), allowed + "\n").unwrap();
    std::fs::write(dir.path().join("document.sig"), signature).unwrap();
    std::fs::write(dir.path().join("document"), document).unwrap();
    let output = Command::new("ssh-keygen")
        .current_dir(dir.path())
        .args(["-Y", "verify", "-f", "allowed_signers", "-I", IDENTITY, "-n", namespace])
        .args(["-s", "document.sig"])
        .stdin(std::fs::File::open(dir.path().join("document")).unwrap())
        .output()
        .unwrap();
    output.status.success()
}

#[test]
fn openssl_accepts_raw_signatures_and_notices_changes() {
    if !installed("openssl") {
        return;
    }
    // OpenSSL 3.0's `-rawin` cannot read an empty file, so that case is not here.
    for document in [&b"a contract\n"[..], &[0; 100_000]] {
        let file = sign(document, &"raw".parse().unwrap(), 1);
        assert!(openssl_accepts(document, &file, &public(1)));
        assert!(!openssl_accepts(document, &file, &public(2)));
        assert!(!openssl_accepts(&[document, b"!"].concat(), &file, &public(1)));
        let mut flipped = file;
        flipped[40] ^= 1;
        assert!(!openssl_accepts(document, &flipped, &public(1)));
    }
}

#[test]
fn ssh_keygen_accepts_ssh_signatures_and_notices_changes() {
    if !installed("ssh-keygen") {
        return;
    }
    for document in [&b""[..], b"a contract\n", &[0; 100_000]] {
        for namespace in ["file", "contract@example.com"] {
            let file = sign(document, &ssh(namespace), 1);
            assert!(ssh_keygen_accepts(document, &file, &public(1), namespace));
            assert!(!ssh_keygen_accepts(document, &file, &public(2), namespace));
            assert!(!ssh_keygen_accepts(document, &file, &public(1), "git"));
            assert!(!ssh_keygen_accepts(&[document, b"!"].concat(), &file, &public(1), namespace));
        }
    }
}

#[test]
fn our_verifier_accepts_what_ssh_keygen_signs() {
    if !installed("ssh-keygen") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let output =
            Command::new("ssh-keygen").current_dir(dir.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", "key"]);
    std::fs::write(dir.path().join("document"), b"a contract\n").unwrap();
    let key = keys::read(&read_text(dir.path(), "key.pub")).unwrap();
    for hash in ["sha512", "sha256"] {
        let option = format!("hashalg={hash}");
        run(&["-q", "-Y", "sign", "-f", "key", "-n", "file", "-O", &option, "document"]);
        let file = std::fs::read(dir.path().join("document.sig")).unwrap();
        verify(b"a contract\n", &file, &key, &ssh("file")).unwrap();
        assert!(verify(b"a contract!", &file, &key, &ssh("file")).is_err());
        std::fs::remove_file(dir.path().join("document.sig")).unwrap();
    }
}

#[test]
fn our_files_equal_those_of_ssh_keygen_byte_for_byte() {
    if !installed("ssh-keygen") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let secret = SigningKey::from_bytes(&[1; 32]);
    std::fs::write(dir.path().join("document"), b"a contract\n").unwrap();
    write_private_key(dir.path(), &secret);
    let output = Command::new("ssh-keygen")
        .current_dir(dir.path())
        .args(["-q", "-Y", "sign", "-f", "key", "-n", "file", "document"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        read_text(dir.path(), "document.sig"),
        String::from_utf8(sign(b"a contract\n", &ssh("file"), 1)).unwrap()
    );
}

#[test]
fn minisign_accepts_our_files_and_notices_changes() {
    if !installed("minisign") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let accepts = |document: &[u8], file: &[u8], seed: u8| {
        std::fs::write(dir.path().join("document"), document).unwrap();
        std::fs::write(dir.path().join("document.minisig"), file).unwrap();
        std::fs::write(dir.path().join("key.pub"), keys::to_minisign(&public(seed)).unwrap())
            .unwrap();
        let output = Command::new("minisign")
            .current_dir(dir.path())
            .args(["-VHm", "document", "-p", "key.pub"])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    for (asked, comment) in [
        ("minisign", "Trusted comment: hashed\n"),
        ("minisign?at=1767225600", "Trusted comment: timestamp:1767225600\thashed\n"),
    ] {
        for document in [&b""[..], b"a release\n", &[0; 100_000]] {
            let file = sign(document, &asked.parse().unwrap(), 1);
            let (accepted, shown) = accepts(document, &file, 1);
            assert!(accepted && shown.ends_with(comment), "{shown}");
            assert!(!accepts(document, &file, 2).0);
            assert!(!accepts(&[document, b"!"].concat(), &file, 1).0);
            let text = String::from_utf8(file).unwrap();
            let changed = text.replace("hashed", "hasheD");
            assert!(!accepts(document, changed.as_bytes(), 1).0);
        }
    }
}

#[test]
fn openssl_and_ssh_keygen_read_our_keys() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("key.pem"), keys::to_pem(&public(1))).unwrap();
    std::fs::write(dir.path().join("key.pub"), keys::to_ssh(&public(1), "board").unwrap()).unwrap();
    if installed("openssl") {
        let output = Command::new("openssl")
            .current_dir(dir.path())
            .args(["pkey", "-pubin", "-in", "key.pem", "-pubout"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), keys::to_pem(&public(1)));
    }
    if installed("ssh-keygen") {
        let output = Command::new("ssh-keygen")
            .current_dir(dir.path())
            .args(["-l", "-f", "key.pub"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("board (ED25519)"));
    }
}

fn read_text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

/// Writes `key` in OpenSSH's format, readable by its owner only, as ssh-keygen demands.
fn write_private_key(dir: &Path, secret: &SigningKey) {
    use std::os::unix::fs::PermissionsExt;

    let pair = ssh_key::private::Ed25519Keypair::from_bytes(&secret.to_keypair_bytes()).unwrap();
    let key = ssh_key::PrivateKey::new(pair.into(), "board").unwrap();
    let path = dir.join("key");
    std::fs::write(&path, key.to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs a tool in `directory` and returns what it writes to stdout.
fn output_of(directory: &TempDir, command: &str) -> Vec<u8> {
    let words: Vec<&str> = command.split(' ').collect();
    let mut tool = Command::new(words[0]);
    let output = tool.current_dir(directory.path()).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The first value inside a DER SEQUENCE whose length takes two bytes, as in what openssl signs.
fn to_be_signed_of(der: &[u8]) -> &[u8] {
    let header = if der[1] == 0x82 { 4 } else { 3 };
    let inner = &der[header..];
    let length = match inner[1] {
        0x82 => 4 + (usize::from(inner[2]) << 8) + usize::from(inner[3]),
        0x81 => 3 + usize::from(inner[2]),
        length => 2 + usize::from(length),
    };
    &inner[..length]
}

#[test]
fn what_openssl_signs_for_a_certificate_is_recognised() {
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let request = "openssl req -newkey ed25519 -nodes -keyout key -subj /CN=board -outform DER";
    let certificate = output_of(&directory, &format!("{request} -x509"));
    assert_eq!(other_meaning(to_be_signed_of(&certificate)), Some(Meaning::Certificate));
    let request = output_of(&directory, request);
    assert_eq!(other_meaning(to_be_signed_of(&request)), Some(Meaning::CertificateRequest));
    // A key or a whole certificate is signed by nobody in this form.
    assert_eq!(other_meaning(&certificate), None);
}

#[test]
fn what_ssh_keygen_signs_for_a_certificate_is_recognised() {
    if !installed("ssh-keygen") {
        return;
    }
    let directory = TempDir::new().unwrap();
    for name in ["ca", "user"] {
        output_of(&directory, &format!("ssh-keygen -q -t ed25519 -N  -C me -f {name}"));
    }
    output_of(&directory, "ssh-keygen -q -s ca -I me -n root user.pub");
    let line = std::fs::read_to_string(directory.path().join("user-cert.pub")).unwrap();
    let blob = line.split(' ').nth(1).unwrap();
    let blob = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, blob).unwrap();
    assert_eq!(other_meaning(&blob), Some(Meaning::SshCertificate));
}
