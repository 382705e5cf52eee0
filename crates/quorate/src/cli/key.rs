//! `quorate key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use quorate_ceremony::names::GroupName;
use quorate_documents::{VerifyingKey, keys};
use serde::Serialize;

use super::certify::Certify;
use super::context::Context;
use super::openpgp::{certificate_file, certificate_of, revocation_file};
use super::output::Target;
use super::session::Session;
use super::{Failure, Run};
use crate::api::{Code, Problem};
use crate::render::Tone;

/// Export a group's public key, and certify it for OpenPGP
#[derive(Args, Debug)]
pub(super) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Export(Export),
    Certify(Certify),
}

/// Print a group's public key, for tools that verify its signatures
///
/// The key is public: give it to everybody who has to check signatures, over a channel that they
/// trust.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate key export --group board --format pem > board.pem
  openssl pkeyutl -verify -pubin -inkey board.pem -rawin -in FILE -sigfile FILE.ed25519

  quorate key export --group board --format allowed-signers > board.signers
  ssh-keygen -Y verify -f board.signers -I board -n file -s FILE.sig < FILE")]
struct Export {
    /// The group
    #[arg(long, short, value_name = "GROUP", env = "QUORATE_GROUP", hide_env_values = true)]
    group: GroupName,
    /// The format of the key
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    format: KeyFormat,
    /// Write it to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum KeyFormat {
    /// SubjectPublicKeyInfo, for openssl
    #[default]
    Pem,
    /// A line for authorized_keys
    Ssh,
    /// A line for the file that ssh-keygen -Y verify reads; the identity is the group's name
    AllowedSigners,
    /// The OpenPGP certificate, for gpg, apt and rpm; `quorate key certify` makes it
    Pgp,
    /// The certificate that revokes the OpenPGP key. To import it somewhere ends the key there
    PgpRevocation,
    /// A public key file of minisign
    Minisign,
    /// A JSON Web Key
    Jwk,
    /// 64 hex digits; 66 for P-256
    Hex,
}

#[derive(Serialize)]
struct KeyView {
    group: GroupName,
    verifying_key: String,
    format: KeyFormat,
    key: String,
    file: Option<PathBuf>,
}

impl Run for Key {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Export(export) => export.run(context),
            Action::Certify(certify) => certify.run(context),
        }
    }
}

impl Run for Export {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let target = self.out.map(|path| Target::new(path, self.force)).transpose()?;
        let session = context.session()?;
        let group = session.group(&self.group)?;
        let Some(verifying_key) = group.verifying_key else {
            return Err(Problem::new(
                Code::Failed,
                format!("group \"{}\" has no key yet", self.group),
            )
            .hint(format!("to see the progress: quorate group show {}", self.group))
            .into());
        };
        let key = match self.format {
            KeyFormat::Pgp | KeyFormat::PgpRevocation => {
                openpgp_file(&session, &self.group, self.format)?
            }
            format => written(&verifying_key, self.group.as_str(), format)?,
        };
        if context.terminal.is_json() || target.as_ref().is_some_and(|target| !target.is_stdout()) {
            if let Some(target) = &target {
                target.write(key.as_bytes())?;
            }
            let file = target.map(|target| target.path().to_owned());
            let view = KeyView { group: self.group, verifying_key, format: self.format, key, file };
            context.terminal.show("key", &view, |page| {
                page.verdict(Tone::Good, format!("the public key of {}", view.group));
                if let Some(file) = &view.file {
                    page.field("file", file.display());
                }
            })?;
        } else {
            context.terminal.bytes(key.as_bytes())?;
        }
        Ok(())
    }
}

/// Returns the OpenPGP certificate, or the one that revokes it.
fn openpgp_file(
    session: &Session,
    group: &GroupName,
    format: KeyFormat,
) -> Result<String, Problem> {
    let (request, certificate) = certificate_of(session, group)?;
    let file = match format {
        KeyFormat::PgpRevocation => {
            let (_, document) = session.document(request.id)?;
            revocation_file(&request, &certificate, &document)?
        }
        _ => certificate_file(&request, &certificate)?,
    };
    Ok(String::from_utf8_lossy(&file).into_owned())
}

/// Returns the key with a line end.
fn written(verifying_key: &str, group: &str, format: KeyFormat) -> Result<String, Problem> {
    let failed =
        |error: String| Problem::new(Code::Failed, format!("the key cannot be written: {error}"));
    let key = VerifyingKey::from_hex(verifying_key)
        .ok_or_else(|| failed("it is of a kind that this version does not know".to_owned()))?;
    let mut text = match format {
        KeyFormat::Pem => keys::to_pem(&key),
        KeyFormat::Ssh => keys::to_ssh(&key, group).map_err(|error| failed(error.to_string()))?,
        KeyFormat::AllowedSigners => keys::allowed_signers_line(&key, group, &[])
            .map_err(|error| failed(error.to_string()))?,
        KeyFormat::Minisign => {
            keys::to_minisign(&key).map_err(|error| failed(error.to_string()))?
        }
        KeyFormat::Jwk => keys::to_jwk(&key),
        KeyFormat::Hex | KeyFormat::Pgp | KeyFormat::PgpRevocation => verifying_key.to_owned(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
