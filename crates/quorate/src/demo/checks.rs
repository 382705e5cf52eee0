//! The demonstration's checks, with foreign tools, and the files that these read.

use std::path::{Path, PathBuf};
use std::process::{Output as Outcome, Stdio};

use quorate_documents::{
    Namespace, Output, OutputError, Signature, VerifyingKey, keys, prepare, verify,
};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::stage::{Check, NAMESPACE, unwritable, write};
use crate::api::{Code, Problem, RequestView};
use crate::documents::signatures;
use crate::error_chain::chain;
use crate::log_audit::{Options, verify_directory, verify_proof};

pub(super) const IDENTITY: &str = "board@demo.example";

/// A foreign tool's verdict on a signature.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Accepted,
    /// The signature is refused, with the tool's output.
    Refused(String),
    /// The tool is not on this machine.
    NotInstalled(&'static str),
    /// The tool cannot judge this document.
    Unable(&'static str),
}

/// The files that stay.
pub(super) struct Files {
    directory: PathBuf,
    pub(super) document: PathBuf,
    pub(super) public_key: PathBuf,
    pub(super) allowed_signers: PathBuf,
    pub(super) ssh_signature: PathBuf,
    pub(super) raw_signature: PathBuf,
    pub(super) verifying_key: String,
    key: VerifyingKey,
}

/// A group's key, and the signatures of one request.
pub(super) struct Signed {
    key: VerifyingKey,
    signatures: Vec<Signature>,
}

impl Signed {
    pub(super) fn new(key: &str, view: &RequestView) -> Result<Self, Problem> {
        let bug = || Problem::new(Code::Failed, "the node gave no key or signature");
        let made = view.signatures.iter().map(String::as_str);
        let (key, signatures) = signatures(Some(key), made).ok_or_else(bug)?;
        Ok(Self { key, signatures })
    }

    fn file(&self, document: &[u8], output: &Output) -> Result<Vec<u8>, Problem> {
        let failed = |error: &dyn std::error::Error| Problem::new(Code::Verification, chain(error));
        let prepared = prepare(document, output, &self.key).map_err(|error| failed(&error))?;
        prepared.finish(&self.signatures).map_err(|error| failed(&error))
    }

    pub(super) fn is_of(&self, document: &[u8]) -> bool {
        raw_output().is_ok_and(|output| self.file(document, &output).is_ok())
    }
}

fn ssh_output() -> Result<Output, Problem> {
    output(&format!("ssh:{NAMESPACE}"))
}

fn raw_output() -> Result<Output, Problem> {
    output("raw")
}

fn output(text: &str) -> Result<Output, Problem> {
    text.parse().map_err(|error: OutputError| Problem::new(Code::Failed, error.to_string()))
}

impl Files {
    /// Writes document, keys and signatures. Code other than the signing code verifies each
    /// signature before it is written.
    pub(super) fn write(
        directory: &Path,
        (name, document): &(String, Vec<u8>),
        verifying_key: &str,
        ssh: &RequestView,
        raw: &RequestView,
    ) -> Result<Self, Problem> {
        let ssh = Signed::new(verifying_key, ssh)?;
        let raw = Signed::new(verifying_key, raw)?;
        let ssh_file = ssh.file(document, &ssh_output()?)?;
        let raw_file = raw.file(document, &raw_output()?)?;
        let namespaces = [Namespace::new(NAMESPACE)
            .map_err(|error| Problem::new(Code::Failed, error.to_string()))?];
        let line = keys::allowed_signers_line(&ssh.key, IDENTITY, &namespaces)
            .map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
        let files = Self {
            directory: directory.to_owned(),
            document: directory.join(name),
            public_key: directory.join("board.pem"),
            allowed_signers: directory.join("allowed_signers"),
            ssh_signature: directory.join(format!("{name}.sig")),
            raw_signature: directory.join(format!("{name}.ed25519")),
            verifying_key: verifying_key.to_owned(),
            key: ssh.key,
        };
        write(&files.document, document)?;
        write(&files.public_key, keys::to_pem(&ssh.key).as_bytes())?;
        write(&files.allowed_signers, format!("{line}\n").as_bytes())?;
        write(&files.ssh_signature, &ssh_file)?;
        write(&files.raw_signature, &raw_file)?;
        Ok(files)
    }

    /// Runs `ssh-keygen -Y verify` on a document and the SSH signature.
    pub(super) async fn ssh_keygen(&self, document: &Path) -> Result<Verdict, Problem> {
        let bytes = std::fs::read(document).map_err(|error| unwritable(document, &error))?;
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-Y", "verify", "-I", IDENTITY, "-n", NAMESPACE, "-f"])
            .arg(&self.allowed_signers)
            .arg("-s")
            .arg(&self.ssh_signature);
        run("ssh-keygen", command, &bytes).await
    }

    /// Runs `openssl pkeyutl -verify -rawin` on a document and the raw signature.
    pub(super) async fn openssl(&self, document: &Path) -> Result<Verdict, Problem> {
        let empty = std::fs::metadata(document).is_ok_and(|metadata| metadata.len() == 0);
        if empty {
            // OpenSSL 3.0's pkeyutl refuses every empty input, whatever the signature.
            return Ok(Verdict::Unable("openssl pkeyutl cannot verify an empty file"));
        }
        let mut command = Command::new("openssl");
        command
            .args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"])
            .arg(&self.public_key)
            .arg("-in")
            .arg(document)
            .arg("-sigfile")
            .arg(&self.raw_signature);
        run("openssl", command, &[]).await
    }

    /// Whether this program accepts either signature for a document.
    pub(super) fn verifies(&self, document: &Path) -> Result<bool, Problem> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| unwritable(path, &error));
        let bytes = read(document)?;
        let ssh = verify(&bytes, &read(&self.ssh_signature)?, &self.key, &ssh_output()?).is_ok();
        let raw = verify(&bytes, &read(&self.raw_signature)?, &self.key, &raw_output()?).is_ok();
        Ok(ssh || raw)
    }

    /// Writes a copy of the document with one bit flipped (or one byte added, if it is empty).
    pub(super) fn tampered_copy(&self) -> Result<PathBuf, Problem> {
        let path = self.directory.join("tampered-copy");
        let mut bytes =
            std::fs::read(&self.document).map_err(|error| unwritable(&self.document, &error))?;
        let middle = bytes.len() / 2;
        match bytes.get_mut(middle) {
            Some(byte) => *byte ^= 1,
            None => bytes.push(b'!'),
        }
        write(&path, &bytes)?;
        Ok(path)
    }
}

async fn run(tool: &'static str, mut command: Command, input: &[u8]) -> Result<Verdict, Problem> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Verdict::NotInstalled(tool));
        }
        Err(error) => return Err(Problem::new(Code::Failed, format!("{tool}: {error}"))),
    };
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A tool that has seen enough may stop reading.
            let _ = stdin.write_all(input).await;
        }
    };
    let (outcome, ()) = tokio::join!(child.wait_with_output(), feed);
    let Outcome { status, stdout, stderr } =
        outcome.map_err(|error| Problem::new(Code::Failed, format!("{tool}: {error}")))?;
    if status.success() {
        return Ok(Verdict::Accepted);
    }
    let said = [stdout, stderr].concat();
    Ok(Verdict::Refused(format!("{tool}: {}", String::from_utf8_lossy(&said).trim())))
}

/// Passes if the tool accepted.
pub(super) fn accepted(verdict: Verdict) -> Check {
    match verdict {
        Verdict::Accepted => Check::Passed,
        Verdict::Refused(why) => Check::Failed { why },
        Verdict::NotInstalled(tool) => Check::Skipped { why: format!("{tool} is not installed") },
        Verdict::Unable(why) => Check::Skipped { why: why.to_owned() },
    }
}

/// Passes if every installed tool refused, and this program too.
pub(super) fn refused(verdicts: &[Verdict], verifies: bool) -> Check {
    let accepted = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Accepted));
    if accepted || verifies {
        Check::Failed { why: "the signature was accepted for a different document".to_owned() }
    } else {
        Check::Passed
    }
}

/// Passes if the inclusion proof holds under the log's key.
pub(super) fn inclusion(entry: &[u8], proof: &str, log_key: &str) -> Check {
    match verify_proof(proof, entry, log_key) {
        Ok(_) => Check::Passed,
        Err(problem) => Check::Failed { why: problem.message },
    }
}

/// Passes if the published log audits clean and every signature fits its document.
pub(super) fn audit(log: &Path, documents: &Path) -> Check {
    let options = Options { documents: Some(documents.to_owned()), ..Options::default() };
    match verify_directory(log, &options) {
        Ok(_) => Check::Passed,
        Err(problem) => Check::Failed { why: problem.message },
    }
}
