//! Python packages of others accept our DSSE envelopes, TUF metadata and JSON Web Signatures, and
//! reject what we reject: securesystemslib, python-tuf, jwcrypto.
//!
//! Without the environment that `cargo xtask tools` makes, the tests are reported as skipped.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ed25519_dalek::Signer as _;
use quorate_documents::{Output, Signature, VerifyingKey, keys, prepare, verify};
use tempfile::TempDir;

/// A signer of each kind of key, as a group stands for one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Signer {
    Ed25519(u8),
    P256(u8),
}

impl Signer {
    fn public(self) -> VerifyingKey {
        match self {
            Self::Ed25519(seed) => {
                let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
                VerifyingKey::Ed25519(key.verifying_key().to_bytes())
            }
            Self::P256(seed) => {
                let key = p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap();
                let point = key.verifying_key().to_encoded_point(true);
                VerifyingKey::from_bytes(point.as_bytes()).unwrap()
            }
        }
    }

    fn sign(self, document: &[u8], asked: &str) -> Vec<u8> {
        let (output, key) = (asked.parse::<Output>().unwrap(), self.public());
        let prepared = prepare(document, &output, &key).unwrap();
        let message = prepared.to_be_signed(&[]).unwrap();
        let signature = match self {
            Self::Ed25519(seed) => {
                let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
                Signature::Ed25519(key.sign(&message).to_bytes())
            }
            Self::P256(seed) => {
                let key = p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap();
                let signature: p256::ecdsa::Signature = key.sign(&message);
                Signature::EcdsaP256(signature.to_bytes().into())
            }
        };
        prepared.finish(&[signature]).unwrap()
    }
}

const SIGNERS: [Signer; 2] = [Signer::Ed25519(1), Signer::P256(1)];
const OTHERS: [Signer; 2] = [Signer::Ed25519(2), Signer::P256(2)];

/// The environment's Python with our script, and a directory.
struct Python {
    program: PathBuf,
    directory: TempDir,
}

impl Python {
    /// `None`, with a line on stderr, without the environment.
    fn start() -> Option<Self> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let program = target.join("verifiers/bin/python");
        if !program.exists() || !target.join("verifiers/verifiers.txt").exists() {
            eprintln!("skipped: Python verifiers not installed; `cargo xtask tools` does");
            return None;
        }
        Some(Self { program, directory: TempDir::new().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs our script in the directory. `None`: the library rejects.
    fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Option<Vec<u8>> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/verify.py");
        let output = Command::new(&self.program)
            .arg(script)
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
        (code == Some(0)).then_some(output.stdout)
    }
}

#[test]
fn securesystemslib_accepts_our_envelopes() {
    let Some(python) = Python::start() else { return };
    let statement = br#"{"_type":"https://in-toto.io/Statement/v1","subject":[]}"#;
    let accepts = |kind: &str, document: &[u8], file: &[u8], by: Signer| {
        python.write("key.pem", keys::to_pem(&by.public()));
        python.write("document", document);
        python.write("file", file);
        python.run(&["dsse", "key.pem", "file", kind, "document"]).is_some()
    };
    for (by, other) in SIGNERS.into_iter().zip(OTHERS) {
        for (asked, kind, document) in [
            ("dsse", "application/vnd.in-toto+json", statement.as_slice()),
            ("dsse:text/plain", "text/plain", b""),
        ] {
            let file = by.sign(document, asked);
            assert!(accepts(kind, document, &file, by), "{by:?} {kind}");
            assert!(!accepts(kind, document, &file, other));
            let file = String::from_utf8(file).unwrap();
            let changed = file.replace(kind, "text/html");
            assert!(!accepts("text/html", document, changed.as_bytes(), by));
        }
    }
}

#[test]
fn python_tuf_accepts_metadata_and_updates_from_it() {
    let Some(python) = Python::start() else { return };
    let (by, other) = (Signer::Ed25519(1), Signer::Ed25519(2));
    for (by, other) in [(by, other), (Signer::P256(1), Signer::P256(2))] {
        python.write("key.pem", keys::to_pem(&by.public()));
        python.run(&["metadata", ".", "key.pem", "1"]).unwrap();
        let place = python.directory.path().to_str().unwrap();
        assert_eq!(python.run(&["delegates", "."]), None, "nothing is signed yet");
        for role in ["root", "targets", "snapshot", "timestamp"] {
            let name = format!("{role}.json");
            let unsigned = std::fs::read(python.path(&name)).unwrap();
            // A signature by a key that does not count stays there and does not matter.
            let file = by.sign(&other.sign(&unsigned, "tuf"), "tuf");
            verify(&unsigned, &file, &by.public(), &"tuf".parse().unwrap()).unwrap();
            python.write(&name, file);
        }
        assert!(python.run(&["delegates", "."]).is_some(), "{by:?}");
        let update = ["update", place, "root.json", "app.tgz"];
        assert_eq!(python.run(&update).as_deref(), Some(b"an update\n".as_slice()));

        python.write("app.tgz", "an attack\n");
        assert_eq!(python.run(&update), None);
        let targets = std::fs::read_to_string(python.path("targets.json")).unwrap();
        python.write("targets.json", targets.replace("\"length\": 10", "\"length\": 11"));
        assert_eq!(python.run(&["delegates", "."]), None);
    }
}

#[test]
fn jwcrypto_accepts_our_files() {
    let Some(python) = Python::start() else { return };
    for (by, other) in SIGNERS.into_iter().zip(OTHERS) {
        for document in [&b"a contract\n"[..], br#"{"sub":"ada"}"#, &[0xff; 1000]] {
            python.write("document", document);
            python.write("changed", [document, b"!"].concat());
            let run = |arguments: &[&str], file: &[u8], key: Signer| {
                python.write("jwk", keys::to_jwk(&key.public()));
                python.write("file", file);
                python.run(arguments)
            };
            let file = by.sign(document, "jws");
            let compact = ["jws", "jwk", "file"];
            assert_eq!(run(&compact, &file, by).as_deref(), Some(document), "{by:?}");
            assert_eq!(run(&compact, &file, other), None);
            let file = by.sign(document, "jws-detached");
            let detached = |name| ["jws-detached", "jwk", "file", name];
            assert!(run(&detached("document"), &file, by).is_some());
            assert_eq!(run(&detached("changed"), &file, by), None);
        }
    }
}
