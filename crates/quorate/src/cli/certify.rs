//! `quorate key certify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorate_ceremony::names::GroupName;
use quorate_documents::{Certificate, CertificateError, Moment, Output, VerifyingKey};
use rand_core::{OsRng, RngCore as _};
use serde::Serialize;

use super::context::Context;
use super::openpgp::{certificate_file, certified, seconds};
use super::output::Target;
use super::session::Session;
use super::sign::{decided, wait};
use super::{Failure, Run, duration};
use crate::api::{Code, Problem, SignAsk};
use crate::render::Tone;

/// Have the group certify its key as an OpenPGP key
///
/// The members approve the user id and the expiry, as any request. The group must sign in the
/// format pgp-certificate. The same request signs a certificate that revokes the key: members that
/// keep the document of the request can write it with `quorate key export --format pgp-revocation`.
/// To renew the certificate or to change its user id, run the command again: the key stays the
/// same.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate key certify --group release --user-id 'Releases <release@example.com>' --expires 730d
  quorate key export --group release --format pgp > release.asc
  gpg --import release.asc")]
pub(super) struct Certify {
    /// The group
    #[arg(long, short, value_name = "GROUP", env = "QUORATE_GROUP", hide_env_values = true)]
    group: GroupName,
    /// Whose key it is, as gpg shows it, usually a name and an address in angle brackets
    #[arg(long, value_name = "ID")]
    user_id: String,
    /// How long the certificate is valid from now: 730d [default: without end]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    expires: Option<Duration>,
    /// Wait for the approvals and write the certificate
    #[arg(long, short)]
    wait: bool,
    /// Stop waiting after this time; the request continues
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "wait")]
    timeout: Option<Duration>,
    /// Write the certificate to this file; - writes it to stdout [default: GROUP.asc]
    #[arg(long, short, value_name = "FILE", requires = "wait")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "wait")]
    force: bool,
}

#[derive(Serialize)]
struct CertifiedView<'a> {
    group: &'a GroupName,
    user_id: &'a str,
    fingerprint: String,
    expires: Option<Moment>,
    file: PathBuf,
}

impl Run for Certify {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.asc", self.group)));
        let target = self.wait.then(|| Target::new(out, self.force)).transpose()?;
        let session = context.session()?;
        let key = key_of(&session, &self.group)?;
        let at = seconds()?;
        let earlier = certified(&session, &self.group)?;
        let created = earlier.as_ref().map_or(at, |(_, certificate)| certificate.created());
        let expires = self.expires.map(|time| {
            let seconds = Moment::try_from(time.as_secs()).unwrap_or(Moment::MAX);
            at.saturating_add(seconds)
        });
        let usage = |error: CertificateError| Problem::new(Code::Usage, error.to_string());
        let certificate = Certificate::new(&self.user_id, created, at, expires).map_err(usage)?;
        let output = Output::certificate(&certificate)
            .map_err(|error| Problem::new(Code::Usage, error.to_string()))?;
        let mut salt = [0; 32];
        OsRng.fill_bytes(&mut salt);
        let ask = SignAsk {
            group: self.group.clone(),
            document_type: None,
            output: output.to_string(),
            name: format!("OpenPGP certificate of {}.txt", self.group),
            note: None,
            document: certificate.document(&key, &salt).into_bytes(),
            expires_in: None,
        };
        let (id, _) =
            session.order(ask).map_err(|problem| session.about_group(&self.group, problem))?;
        let request = decided(session.request(&id.to_string())?)?;
        context.terminal.note(|page| {
            let (id, group) = (request.id.short(), &request.group);
            page.sentence(format!("Request {id} sent to {group}. Its members approve it with:"));
            page.copyable(format!("quorate approve {id}"));
            if target.is_none() {
                page.sentence("Then the certificate can be written with:");
                page.copyable(
                    context.command(&format!("quorate key export --group {group} --format pgp")),
                );
            }
        });
        let Some(target) = target else { return Ok(()) };
        let request = wait(context, &session, request, self.timeout)?;
        let file = certificate_file(&request, &certificate)?;
        if target.is_stdout() {
            return Ok(context.terminal.bytes(&file)?);
        }
        target.write(&file)?;
        let view = CertifiedView {
            group: &self.group,
            user_id: certificate.user_id(),
            fingerprint: certificate.fingerprint(&key),
            expires,
            file: target.path().to_owned(),
        };
        context.terminal.show("certificate", &view, |page| {
            page.verdict(Tone::Good, format!("the OpenPGP certificate of {}", view.group));
            page.field("fingerprint", &view.fingerprint);
            page.field("file", view.file.display());
        })?;
        Ok(())
    }
}

/// The group's key.
fn key_of(session: &Session, group: &GroupName) -> Result<VerifyingKey, Problem> {
    let view = session.group(group)?;
    view.verifying_key.as_deref().and_then(VerifyingKey::from_hex).ok_or_else(|| {
        Problem::new(Code::Failed, format!("group \"{group}\" has no key yet"))
            .hint(format!("to see the progress: quorate group show {group}"))
    })
}
