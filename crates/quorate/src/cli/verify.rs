//! `quorate verify`: checks a signature, and says whose it is.

use std::path::{Path, PathBuf};

use clap::Args;
use quorate_documents::{Format, Namespace, Output, SignatureFile, VerifyError, keys};
use serde::Serialize;

use super::context::Context;
use super::file;
use super::terminal::{Page, Tone};
use super::{Failure, Run};
use crate::control::{Exit, Problem};

/// Check a signature: one verdict, then the checks
///
/// With --key: whether that key signed this file. Without: whether a group of your home's IVN did. Exit code 0 if the
/// signature is valid, 3 if it is not, 9 if it was made by a key that you did not say you trust.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate verify contract.pdf
  quorate verify contract.pdf --signature contract.pdf.sig --key board.pem
  quorate verify app.tgz --signature app.tgz.ed25519 --key board.pem --json")]
pub(super) struct Verify {
    /// The file that was signed; - reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The signature [FILE.sig or FILE.ed25519 if not given]
    #[arg(long, short, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The public key that you trust: a file with PEM, an ssh-ed25519 line, JWK or 64 hex digits
    #[arg(long, short, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What the signature must be for, in the ssh format
    #[arg(long, short, value_name = "NAME", default_value_t)]
    namespace: Namespace,
}

/// Says what is true of a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// By a trusted key, over this file.
    Valid,
    /// Not a signature over this file by the key that it should be by.
    Invalid,
    /// Over this file, or maybe so, by a key that nobody said to trust.
    UntrustedKey,
}

impl Verdict {
    fn exit(self) -> Option<Exit> {
        match self {
            Self::Valid => None,
            Self::Invalid => Some(Exit::Verification),
            Self::UntrustedKey => Some(Exit::UntrustedKey),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Passed,
    Failed,
    /// A check before it failed.
    NotDone,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    outcome: Outcome,
    detail: String,
}

#[derive(Debug, Serialize)]
struct VerificationView {
    verdict: Verdict,
    sentence: String,
    file: PathBuf,
    signature_file: PathBuf,
    format: Format,
    namespace: Option<String>,
    /// Who signed, in hex, where that is known.
    verifying_key: Option<String>,
    /// The group of this home with that key.
    group: Option<String>,
    checks: Vec<Check>,
}

/// A key that may have signed, and why it would be trusted.
struct Candidate {
    key: [u8; 32],
    group: Option<String>,
}

impl Run for Verify {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let path = self.signature_path()?;
        let bytes = file::read(&path, SIGNATURE_LIMIT)?;
        let signature = SignatureFile::read(&bytes).map_err(|error| {
            let message = format!("{}: {}", path.display(), crate::errors::chain(&error));
            Problem::new(Exit::Verification, message)
        })?;
        let document = file::read(&self.file, u64::MAX - 1)?;
        let trusted = self.trusted(context, &signature)?;
        let view = self.judge(&document, &bytes, &signature, trusted, path);
        context.terminal.show("verification", &view, |page| view.write(page))?;
        match view.verdict.exit() {
            None => Ok(()),
            Some(exit) => Err(Failure::Shown(exit)),
        }
    }
}

impl Verify {
    fn signature_path(&self) -> Result<PathBuf, Problem> {
        if let Some(path) = &self.signature {
            return Ok(path.clone());
        }
        let usage = |message: String| {
            Problem::new(Exit::Usage, message).hint("say which it is with --signature FILE")
        };
        if file::is_dash(&self.file) {
            return Err(usage("a file from stdin has no signature next to it".to_owned()));
        }
        let [ssh, raw] = ["sig", "ed25519"].map(|ending| file::with_ending(&self.file, ending));
        match (ssh.exists(), raw.exists()) {
            (true, false) => Ok(ssh),
            (false, true) => Ok(raw),
            (true, true) => Err(usage(format!(
                "there are two signatures, {} and {}",
                ssh.display(),
                raw.display()
            ))),
            (false, false) => {
                Err(usage(format!("there is neither {} nor {}", ssh.display(), raw.display())))
            }
        }
    }

    /// Whom to trust: the given key, or else the groups of this home that may have made this signature.
    fn trusted(
        &self,
        context: &Context,
        signature: &SignatureFile,
    ) -> Result<Vec<Candidate>, Problem> {
        if let Some(path) = &self.key {
            let key = keys::read(&file::read_text(path)?).map_err(|error| {
                let message = format!("{}: {}", path.display(), crate::errors::chain(&error));
                Problem::new(Exit::Error, message).hint("`quorate key export` writes such a file")
            })?;
            return Ok(vec![Candidate { key, group: None }]);
        }
        if context.node_config().is_err() {
            let message = "whether to trust the signer can not be told: there is no --key, and no home whose groups could be asked";
            return Err(Problem::new(Exit::UntrustedKey, message)
                .hint("give the signer's public key: --key FILE"));
        }
        let groups = context.session()?.groups()?;
        let candidates = groups.into_iter().filter_map(|group| {
            let mut key = [0; 32];
            hex::decode_to_slice(group.verifying_key?, &mut key).ok()?;
            let may_be = signature.verifying_key().is_none_or(|signer| *signer == key);
            may_be.then(|| Candidate { key, group: Some(group.name.to_string()) })
        });
        Ok(candidates.collect())
    }

    fn judge(
        &self,
        document: &[u8],
        bytes: &[u8],
        signature: &SignatureFile,
        trusted: Vec<Candidate>,
        path: PathBuf,
    ) -> VerificationView {
        let output = match signature.format() {
            Format::Ssh => Output::Ssh { namespace: self.namespace.clone() },
            _ => Output::Raw,
        };
        let named = signature.verifying_key().copied();
        let mut failure = None;
        let mut signer = None;
        for candidate in trusted {
            match quorate_documents::verify(document, bytes, &candidate.key, &output) {
                Ok(()) => {
                    signer = Some(candidate);
                    failure = None;
                    break;
                }
                Err(error) => failure = Some((candidate, error)),
            }
        }
        let finding = Finding { signature, named, signer, failure, by_key: self.key.is_some() };
        finding.view(&self.file, path, &self.namespace, document, bytes, &output)
    }
}

/// What trying the trusted keys has shown.
struct Finding<'a> {
    signature: &'a SignatureFile,
    /// The key that the file names.
    named: Option<[u8; 32]>,
    signer: Option<Candidate>,
    failure: Option<(Candidate, VerifyError)>,
    /// Whether the person said which key.
    by_key: bool,
}

impl Finding<'_> {
    fn view(
        self,
        file: &Path,
        path: PathBuf,
        namespace: &Namespace,
        document: &[u8],
        bytes: &[u8],
        output: &Output,
    ) -> VerificationView {
        let name = file.display();
        // Whether the file is intact, by the key that the signature itself names: worth saying, and no reason to trust.
        let intact = self.named.map(|key| quorate_documents::verify(document, bytes, &key, output));
        let (verdict, sentence) = match (&self.signer, &self.failure, &intact) {
            (Some(Candidate { group: Some(group), .. }), ..) => (
                Verdict::Valid,
                format!("{name} was signed by group {group}, and not changed since"),
            ),
            (Some(_), ..) => (
                Verdict::Valid,
                format!("{name} was signed by the key that you gave, and not changed since"),
            ),
            (None, Some((_, VerifyError::OtherKey { .. })), Some(Err(_))) => (
                Verdict::Invalid,
                format!("{name} does not match the signature, which is by another key, too"),
            ),
            (None, Some((_, VerifyError::OtherKey { .. })), _) => (
                Verdict::UntrustedKey,
                format!("{name} was signed by another key than the one that you gave"),
            ),
            (None, Some((_, VerifyError::OtherNamespace { .. })), _) => {
                (Verdict::Invalid, "the signature was made for another purpose".to_owned())
            }
            (None, Some(_), _) => (
                Verdict::Invalid,
                format!(
                    "not a valid signature of {name}: it was changed, or another key signed it"
                ),
            ),
            (None, None, Some(Ok(()))) => (
                Verdict::UntrustedKey,
                format!(
                    "{name} was signed by a key that is of no group of this home; nobody said to trust it"
                ),
            ),
            (None, None, Some(Err(_))) => (
                Verdict::Invalid,
                format!(
                    "not a valid signature of {name}, by a key that is of no group of this home"
                ),
            ),
            (None, None, None) => (
                Verdict::UntrustedKey,
                "this home has no group with a key to compare with".to_owned(),
            ),
        };
        let checks = self.checks(namespace, intact.as_ref());
        let signer_key = self.signer.as_ref().map(|signer| signer.key).or(self.named);
        VerificationView {
            verdict,
            sentence,
            file: file.to_owned(),
            signature_file: path,
            format: self.signature.format(),
            namespace: self.signature.namespace().map(str::to_owned),
            verifying_key: signer_key.map(hex::encode),
            group: self.signer.and_then(|signer| signer.group),
            checks,
        }
    }

    fn checks(
        &self,
        namespace: &Namespace,
        intact: Option<&Result<(), VerifyError>>,
    ) -> Vec<Check> {
        let check = |name, passed, detail| {
            let outcome = if passed { Outcome::Passed } else { Outcome::Failed };
            Check { name, outcome, detail }
        };
        let mut checks =
            vec![check("format", true, format!("{}, read completely", self.signature.format()))];
        if let Some(found) = self.signature.namespace() {
            let passed = found == namespace.as_str();
            checks.push(check(
                "namespace",
                passed,
                match passed {
                    true => found.to_owned(),
                    false => format!("expected {namespace}, got {found}"),
                },
            ));
        }
        let origin = if self.by_key { "the key that you gave" } else { "of this home's groups" };
        checks.push(match (&self.signer, &self.failure, self.named) {
            (Some(signer), ..) => {
                let of = signer
                    .group
                    .as_ref()
                    .map_or(origin.to_owned(), |group| format!("group {group}"));
                check("key", true, format!("{} ({of})", hex::encode(signer.key)))
            }
            (None, Some((_, VerifyError::OtherKey { expected, found })), _) => {
                check("key", false, format!("expected {expected}, got {found}"))
            }
            (None, Some((candidate, _)), _) => {
                check("key", true, format!("{} ({origin})", hex::encode(candidate.key)))
            }
            (None, None, Some(key)) => {
                check("key", false, format!("expected one {origin}, got {}", hex::encode(key)))
            }
            (None, None, None) => {
                check("key", false, format!("expected one {origin}, and there is none"))
            }
        });
        checks.push(match (&self.signer, intact, &self.failure) {
            (Some(_), ..) | (None, Some(Ok(())), _) => {
                check("signature", true, "over exactly these bytes, strict Ed25519".to_owned())
            }
            (None, Some(Err(VerifyError::OtherNamespace { .. })), _) | (None, None, None) => {
                Check {
                    name: "signature",
                    outcome: Outcome::NotDone,
                    detail: "not checked".to_owned(),
                }
            }
            (None, Some(Err(error)), _) | (None, None, Some((_, error))) => {
                check("signature", false, crate::errors::chain(error))
            }
        });
        checks
    }
}

impl VerificationView {
    fn write(&self, page: &mut Page) {
        let (tone, word) = match self.verdict {
            Verdict::Valid => (Tone::Good, "valid"),
            Verdict::Invalid => (Tone::Bad, "NOT VALID"),
            Verdict::UntrustedKey => (Tone::Bad, "UNTRUSTED KEY"),
        };
        page.verdict(tone, format!("{word}: {}", self.sentence));
        for check in &self.checks {
            let tone = match check.outcome {
                Outcome::Passed => Tone::Good,
                Outcome::Failed => Tone::Bad,
                Outcome::NotDone => Tone::Faint,
            };
            page.item(tone, format!("{}: {}", check.name, check.detail));
        }
    }
}

/// Far more than any signature file has, in bytes.
const SIGNATURE_LIMIT: u64 = 64 << 10;
