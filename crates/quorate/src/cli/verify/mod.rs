//! `quorate verify`.

mod verdict;

use std::path::PathBuf;

use clap::Args;
use quorate_documents::{Format, Namespace, Output, SignatureFile, keys};

use self::verdict::{Candidate, Finding, VerificationView};
use super::context::Context;
use super::file;
use super::{Failure, Run};
use crate::api::{Code, Problem};

/// Check a signature: one verdict, then the checks
///
/// With --key: whether that key signed this file. Without: whether a group of your home's IVN did.
/// Exit code 0 if the signature is valid, 3 if it is not, 9 if it was made by a key that is not
/// trusted.
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
    /// The signature [default: FILE.sig or FILE.ed25519]
    #[arg(long, short, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// A file with the public key that you trust: PEM, an ssh-ed25519 line, JWK or 64 hex digits
    #[arg(long, short, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The purpose that the signature must have, in the ssh format
    #[arg(long, short, value_name = "NAME", default_value_t)]
    namespace: Namespace,
}

impl Run for Verify {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let path = self.signature_path()?;
        let bytes = file::read(&path, SIGNATURE_LIMIT)?;
        let signature = SignatureFile::read(&bytes).map_err(|error| {
            let message = format!("{}: {}", path.display(), crate::error_chain::chain(&error));
            Problem::new(Code::Verification, message)
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
            Problem::new(Code::Usage, message).hint("give it with --signature FILE")
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

    /// Returns the keys to trust: the given one, or those of the home's groups that may have made
    /// this signature.
    fn trusted(
        &self,
        context: &Context,
        signature: &SignatureFile,
    ) -> Result<Vec<Candidate>, Problem> {
        if let Some(path) = &self.key {
            let key = keys::read(&file::read_text(path)?).map_err(|error| {
                let message = format!("{}: {}", path.display(), crate::error_chain::chain(&error));
                Problem::new(Code::Failed, message).hint("`quorate key export` writes such a file")
            })?;
            return Ok(vec![Candidate { key, group: None }]);
        }
        if context.node_config().is_err() {
            let message = "the signer cannot be judged: there is no --key, and no home whose groups are known";
            return Err(Problem::new(Code::UntrustedKey, message)
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

/// In bytes; larger than any signature file.
const SIGNATURE_LIMIT: u64 = 64 << 10;
