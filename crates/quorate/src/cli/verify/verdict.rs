//! The result of checking a signature: one verdict, and the checks behind it.

use std::path::{Path, PathBuf};

use quorate_documents::{SignatureFile, VerifyError, VerifyingKey};
use serde::Serialize;

use crate::api::Exit;
use crate::render::{Page, Tone};

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// A signature over this file by a trusted key.
    Valid,
    /// Not a signature over this file by a trusted key.
    Refusal,
    /// A signature, possibly over this file, by a key that is not trusted.
    UntrustedKey,
}

impl Verdict {
    pub(super) fn exit(self) -> Option<Exit> {
        match self {
            Self::Valid => None,
            Self::Refusal => Some(Exit::Verification),
            Self::UntrustedKey => Some(Exit::UntrustedKey),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// Because an earlier check failed.
    NotDone,
}

#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    outcome: Outcome,
    detail: String,
}

impl Check {
    fn passed(name: &'static str, detail: String) -> Self {
        Self { name, outcome: Outcome::Passed, detail }
    }

    fn failed(name: &'static str, detail: String) -> Self {
        Self { name, outcome: Outcome::Failed, detail }
    }

    fn not_done(name: &'static str, detail: String) -> Self {
        Self { name, outcome: Outcome::NotDone, detail }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct VerificationView {
    pub(super) verdict: Verdict,
    sentence: String,
    file: PathBuf,
    signature_file: PathBuf,
    format: String,
    namespace: Option<String>,
    /// The key that signed, in hex, if known.
    verifying_key: Option<String>,
    /// The group of this home that has this key.
    group: Option<String>,
    checks: Vec<Check>,
}

/// A trusted key that may have signed, with its group if it is from this home.
pub(super) struct Candidate {
    pub(super) key: VerifyingKey,
    pub(super) group: Option<String>,
    /// The line of the key's file, if the file has several.
    pub(super) line: Option<usize>,
}

impl Candidate {
    fn name(&self) -> String {
        match (&self.group, self.line) {
            (Some(group), _) => format!("group {group}"),
            (None, None) => "the key that you gave".to_owned(),
            (None, Some(line)) => format!("the key in line {line} of those that you gave"),
        }
    }
}

/// The result of trying the trusted keys.
pub(super) struct Finding<'a> {
    pub(super) signature: &'a SignatureFile,
    /// The key that the signature file contains.
    pub(super) named: Option<VerifyingKey>,
    pub(super) signer: Option<Candidate>,
    pub(super) failure: Option<(Candidate, VerifyError)>,
    /// Whether `--key` was given.
    pub(super) by_key: bool,
}

impl Finding<'_> {
    pub(super) fn view(
        self,
        file: &Path,
        path: PathBuf,
        namespace: Option<&str>,
        document: &[u8],
    ) -> VerificationView {
        // Whether the file is intact, by the key that the signature itself contains. That is worth
        // reporting, but no reason for trust.
        let intact = self.named.map(|key| self.signature.verify(document, &key, namespace));
        let (verdict, sentence) = self.sentence(&file.display().to_string(), intact.as_ref());
        let checks = self.checks(namespace, intact.as_ref());
        let signer_key = self.signer.as_ref().map(|signer| signer.key).or(self.named);
        VerificationView {
            verdict,
            sentence,
            file: file.to_owned(),
            signature_file: path,
            format: self.signature.format().to_string(),
            namespace: self.signature.namespace().map(str::to_owned),
            verifying_key: signer_key.map(|key| key.to_string()),
            group: self.signer.and_then(|signer| signer.group),
            checks,
        }
    }

    fn sentence(&self, name: &str, intact: Option<&Result<(), VerifyError>>) -> (Verdict, String) {
        use Verdict::{Refusal, UntrustedKey, Valid};
        if let Some(signer) = &self.signer {
            return (
                Valid,
                format!("{name} was signed by {}, and not changed since", signer.name()),
            );
        }
        match (&self.failure, intact) {
            (Some((_, VerifyError::OtherKey { .. })), Some(Err(_))) => (
                Refusal,
                format!(
                    "{name} does not match the signature, and the signature was made by a different key"
                ),
            ),
            (Some((_, VerifyError::OtherKey { .. })), _) if !self.by_key => (
                UntrustedKey,
                format!(
                    "{name} was signed by a key that belongs to no group of this home; give --key to trust it"
                ),
            ),
            (Some((_, VerifyError::OtherKey { .. })), _) => (
                UntrustedKey,
                format!("{name} was signed by a different key than the one that you gave"),
            ),
            (Some((_, VerifyError::OtherNamespace { .. })), _) => {
                (Refusal, "the signature was made for a different purpose".to_owned())
            }
            (Some((signer, _)), Some(Err(_))) => (
                Refusal,
                format!("{name} is not the file that {} signed: it was changed", signer.name()),
            ),
            (Some(_), _) => (
                Refusal,
                format!("{name} was changed after it was signed, or a different key signed it"),
            ),
            (None, Some(Ok(()))) => (
                UntrustedKey,
                format!(
                    "{name} was signed by a key that belongs to no group of this home; give --key to trust it"
                ),
            ),
            (None, Some(Err(_))) => (
                Refusal,
                format!(
                    "{name} does not match the signature, and no group of this home has the key that made it"
                ),
            ),
            (None, None) => {
                (UntrustedKey, "this home has no group with a key to compare with".to_owned())
            }
        }
    }

    fn checks(
        &self,
        namespace: Option<&str>,
        intact: Option<&Result<(), VerifyError>>,
    ) -> Vec<Check> {
        let format = format!("{}, read completely", self.signature.format());
        let mut checks = vec![Check::passed("format", format)];
        if let (Some(found), Some(expected)) = (self.signature.namespace(), namespace) {
            checks.push(match found == expected {
                true => Check::passed("namespace", found.to_owned()),
                false => Check::failed("namespace", format!("expected {expected}, got {found}")),
            });
        }
        checks.push(self.key_check());
        if let (Some((name, text)), Some(_)) = (self.signature.signed_note(), &self.signer) {
            checks.push(Check::passed(name, text.to_owned()));
        }
        checks.push(match (&self.signer, intact, &self.failure) {
            (Some(_), ..) | (None, Some(Ok(())), _) => {
                Check::passed("signature", "over exactly these bytes, strict Ed25519".to_owned())
            }
            (None, Some(Err(VerifyError::OtherNamespace { .. })), _) | (None, None, None) => {
                Check::not_done("signature", "not checked".to_owned())
            }
            (None, Some(Err(error)), _) | (None, None, Some((_, error))) => {
                Check::failed("signature", crate::error_chain::chain(error))
            }
        });
        checks
    }

    fn key_check(&self) -> Check {
        let shown = |candidate: &Candidate| format!("{} ({})", candidate.key, candidate.name());
        match (&self.signer, &self.failure, self.named) {
            (Some(signer), ..) => Check::passed("key", shown(signer)),
            (None, Some((_, VerifyError::OtherKey { expected, found })), _) => {
                Check::failed("key", format!("expected {expected}, got {found}"))
            }
            (None, Some((candidate, _)), Some(_)) => Check::passed("key", shown(candidate)),
            (None, Some((candidate, _)), None) if self.by_key => Check::not_done(
                "key",
                format!("the signature does not say whose it is; tried {}", shown(candidate)),
            ),
            (None, Some(_), None) => Check::not_done(
                "key",
                "the signature does not say whose it is; tried the groups of this home".to_owned(),
            ),
            (None, None, Some(key)) => {
                Check::failed("key", format!("expected one of this home's groups, got {key}"))
            }
            (None, None, None) => {
                Check::failed("key", "this home has no group with a key".to_owned())
            }
        }
    }
}

impl VerificationView {
    pub(super) fn write(&self, page: &mut Page) {
        let (tone, word) = match self.verdict {
            Verdict::Valid => (Tone::Good, "valid"),
            Verdict::Refusal => (Tone::Bad, "NOT VALID"),
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
