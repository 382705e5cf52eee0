//! `quorate verify`.

mod evidence;
mod verdict;

use std::path::{Path, PathBuf};

use clap::Args;
use quorate_ceremony::names::IvnId;
use quorate_documents::{
    Format, Namespace, ReadError, SignatureFile, VerifyError, VerifyingKey, keys,
};

use self::verdict::{Candidate, Finding, VerificationView};
use super::context::Context;
use super::file;
use super::{Failure, Run};
use crate::api::{Code, Problem};

/// Check a signature: one verdict, then the checks
///
/// With --key: whether that key signed this file. Without: whether a group of your home's IVN did.
/// With --evidence: who approved it, when, and by which rule, from a file that `quorate request
/// evidence` wrote. Exit code 0 if everything is valid, 3 if it is not, 9 if it was made by a key,
/// or is in a log, that is not trusted.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate verify contract.pdf
  quorate verify contract.pdf --signature contract.pdf.sig --key board.pem
  quorate verify app.tgz --signature app.tgz.ed25519 --key board.pem --json
  quorate verify provenance.json.dsse.json --key board.pem
  quorate verify contract.pdf --evidence contract.evidence --ivn ID --page contract.html")]
pub(super) struct Verify {
    /// The file that was signed, or the signature if it contains that file; - reads stdin
    #[arg(value_name = "FILE", required_unless_present = "evidence")]
    file: Option<PathBuf>,
    /// The signature [default: FILE.sig, FILE.minisig, or FILE with the
    /// ending of another format]
    #[arg(long, short, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// A file with the public key that you trust: PEM, a line of SSH, JWK or hex digits;
    /// of several lines, any may be the signer's
    #[arg(long, short, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The purpose that the signature must have, in the ssh format [default: file], or the type of
    /// the payload, in the dsse format [default: application/vnd.in-toto+json]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<Namespace>,
    /// Check this evidence file instead of a signature. FILE can be left out if it contains the
    /// document
    #[arg(long, value_name = "FILE", conflicts_with_all = ["signature", "key", "namespace"])]
    evidence: Option<PathBuf>,
    /// The id of the IVN whose log the evidence must be from [default: your home's IVN]
    #[arg(long, value_name = "ID", requires = "evidence")]
    ivn: Option<IvnId>,
    /// The key of the log that the evidence must be from, or a file with it
    #[arg(long, value_name = "KEY|FILE", requires = "evidence")]
    log_key: Option<String>,
    /// Write a page for printing to this file (HTML)
    #[arg(long, value_name = "FILE", requires = "evidence")]
    page: Option<PathBuf>,
    /// Replace the page if it exists
    #[arg(long, requires = "page")]
    force: bool,
}

impl Run for Verify {
    fn run(self, context: &Context) -> Result<(), Failure> {
        if let Some(evidence) = &self.evidence {
            let check = evidence::Check {
                file: self.file.as_deref(),
                evidence,
                ivn: self.ivn,
                log_key: self.log_key.as_deref(),
                page: self.page.clone(),
                force: self.force,
            };
            return check.run(context);
        }
        match &self.file {
            Some(file) => self.check_signature(context, file),
            None => Err(Problem::new(Code::Usage, "there is no file to verify").into()),
        }
    }
}

impl Verify {
    fn check_signature(&self, context: &Context, file: &Path) -> Result<(), Failure> {
        let path = self.signature_path(file)?;
        let bytes = file::read(&path, SIGNATURE_LIMIT)?;
        let signature = SignatureFile::read(&bytes);
        let document = if self.signature.is_none() && path == file {
            // A file that contains its signature, or one whose signature is elsewhere.
            match &signature {
                Err(ReadError::Unrecognised { .. }) => return Err(no_signature(file).into()),
                Err(_) => Vec::new(),
                Ok(signature) => signature.document().ok_or_else(|| no_signature(file))?.to_vec(),
            }
        } else {
            file::read(file, u64::MAX - 1)?
        };
        let signature = signature.map_err(|error| {
            let message = format!("{}: {}", path.display(), crate::error_chain::chain(&error));
            Problem::new(Code::Verification, message)
        })?;
        let trusted = self.trusted(context, &signature)?;
        let view = self.judge(file, &document, &signature, trusted, path);
        context.terminal.show("verification", &view, |page| view.write(page))?;
        match view.verdict.exit() {
            None => Ok(()),
            Some(exit) => Err(Failure::Shown(exit)),
        }
    }

    /// The namespace that the signature must have, where its format has one.
    fn expected_namespace(&self, format: Format) -> Option<String> {
        let default = format.served(None).ok().flatten()?;
        Some(self.namespace.as_ref().map_or(default, ToString::to_string))
    }

    /// Returns where the signature is. It is `file` if none is next to the file.
    fn signature_path(&self, file: &Path) -> Result<PathBuf, Problem> {
        if let Some(path) = &self.signature {
            return Ok(path.clone());
        }
        if file::is_dash(file) {
            return Err(usage("a file from stdin has no signature next to it".to_owned()));
        }
        let paths = neighbours(file);
        let found: Vec<&PathBuf> = paths.iter().filter(|path| path.exists()).collect();
        match found.as_slice() {
            [only] => Ok((*only).clone()),
            [] if !file.exists() => {
                Err(Problem::new(Code::Failed, format!("there is no file {}", file.display())))
            }
            [] => Ok(file.to_owned()),
            _ => Err(usage(format!("there are several signatures: {}", listed(&found)))),
        }
    }

    /// Returns the keys to trust: the given one, or those of the home's groups that may have made
    /// this signature.
    fn trusted(
        &self,
        context: &Context,
        signature: &SignatureFile,
    ) -> Result<Vec<Candidate>, Problem> {
        if let Some(path) = &self.key {
            let keys = keys::read_all(&file::read_text(path)?).map_err(|error| {
                let message = format!("{}: {}", path.display(), crate::error_chain::chain(&error));
                Problem::new(Code::Failed, message).hint("`quorate key export` writes such a file")
            })?;
            let is_list = keys.len() > 1;
            let may_be = |key: &VerifyingKey| signature.verifying_key().is_none_or(|it| it == *key);
            // A signature that names its key is judged by that key, or else by the first.
            let named = keys.iter().position(|(_, key)| may_be(key)).unwrap_or_default();
            let tried =
                keys.into_iter().enumerate().filter(|(at, (_, key))| *at == named || may_be(key));
            let candidate =
                |(_, (line, key))| Candidate { key, group: None, line: is_list.then_some(line) };
            return Ok(tried.map(candidate).collect());
        }
        if context.node_config().is_err() {
            let message = "cannot tell whether to trust the signer: no --key was given, and no home here knows groups";
            return Err(Problem::new(Code::UntrustedKey, message)
                .hint("give the signer's public key: --key FILE"));
        }
        let groups = context.session()?.groups()?;
        let candidates = groups.into_iter().filter_map(|group| {
            let key = VerifyingKey::from_hex(&group.verifying_key?)?;
            let may_be = signature.verifying_key().is_none_or(|signer| signer == key);
            may_be.then(|| Candidate { key, group: Some(group.name.to_string()), line: None })
        });
        Ok(candidates.collect())
    }

    fn judge(
        &self,
        file: &Path,
        document: &[u8],
        signature: &SignatureFile,
        trusted: Vec<Candidate>,
        path: PathBuf,
    ) -> VerificationView {
        let namespace = self.expected_namespace(signature.format());
        let named = signature.verifying_key();
        let mut failure = None;
        let mut signer = None;
        for candidate in trusted {
            match signature.verify(document, &candidate.key, namespace.as_deref()) {
                Ok(()) => {
                    signer = Some(candidate);
                    failure = None;
                    break;
                }
                // That another key signed says less than what is wrong with the right key's.
                Err(VerifyError::OtherKey { .. }) if failure.is_some() => {}
                Err(error) => failure = Some((candidate, error)),
            }
        }
        let finding = Finding { signature, named, signer, failure, by_key: self.key.is_some() };
        finding.view(file, path, namespace.as_deref(), document)
    }
}

fn usage(message: String) -> Problem {
    Problem::new(Code::Usage, message).hint("give it with --signature FILE")
}

fn no_signature(file: &Path) -> Problem {
    let none = listed(&neighbours(file));
    usage(format!("there is no signature in the file or next to it, none of {none}"))
}

/// Where a signature of this file would be.
fn neighbours(file: &Path) -> Vec<PathBuf> {
    // Two formats can have one ending.
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in Format::ALL.iter().flat_map(|format| format.endings()) {
        let path = file::with_ending(file, path);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn listed(paths: &[impl AsRef<Path>]) -> String {
    let paths = paths.iter().map(|path| path.as_ref().display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}

/// In bytes; larger than any signature file with a document of 128 MiB in it, the largest that is
/// signed.
const SIGNATURE_LIMIT: u64 = 256 << 20;
