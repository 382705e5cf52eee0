//! OpenPGP for groups: their certificates, and the times that signatures cover.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorate_ceremony::names::GroupName;
use quorate_documents::{Certificate, CertificateError, Moment, Output, VerifyingKey};
use rand_core::{OsRng, RngCore as _};
use serde::Serialize;

use super::context::Context;
use super::output::Target;
use super::session::Session;
use super::sign::{decided, output_of, wait};
use super::{Failure, Run, duration};
use crate::api::{Code, Problem, Query, RequestStage, RequestView, SignAsk};
use crate::error_chain::chain;
use crate::render::Tone;
use crate::timers::now;

/// Have the group certify its key as an OpenPGP key
///
/// The members approve the user id and the expiry, as any request. The group must sign in the
/// format pgp-certificate. The same request signs a certificate that revokes the key: members that
/// keep the document of the request can write it with `quorate key export --format pgp-revocation`.
/// To renew the certificate or to change its user id, run the command again: the key stays the same.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate key certify --group release --user-id 'Example Releases <releases@example.com>' --expires 730d
  quorate key export --group release --format pgp > release.asc
  gpg --import release.asc")]
pub(super) struct Certify {
    /// The group
    #[arg(long, short, value_name = "GROUP", env = "QUORATE_GROUP", hide_env_values = true)]
    group: GroupName,
    /// Whose key it is, as gpg shows it: NAME <ADDRESS>
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

/// The latest certificate that a group has signed, and its request.
pub(super) fn certified(
    session: &Session,
    group: &GroupName,
) -> Result<Option<(RequestView, Certificate)>, Problem> {
    let requests = session.requests(Query::Requests)?.into_iter();
    let signed = requests
        .filter(|request| request.group == *group && request.state == RequestStage::Signed)
        .filter_map(|request| {
            let certificate = output_of(&request).ok()?.to_certificate()?;
            Some((request, certificate))
        });
    Ok(signed.max_by_key(|(request, _)| request.index))
}

/// The same, for a group that must have one.
pub(super) fn certificate_of(
    session: &Session,
    group: &GroupName,
) -> Result<(RequestView, Certificate), Problem> {
    certified(session, group)?.ok_or_else(|| {
        Problem::new(Code::Failed, format!("group \"{group}\" has no OpenPGP certificate"))
            .hint(format!("quorate key certify --group {group} --user-id 'NAME <ADDRESS>' --wait"))
    })
}

/// Adds the times to the output of an OpenPGP signature. Others stay as they are.
pub(super) fn completed(
    session: &Session,
    group: &GroupName,
    output: &Output,
) -> Result<Output, Problem> {
    if !output.needs_times() {
        return Ok(output.clone());
    }
    let (_, certificate) = certificate_of(session, group)?;
    let at = seconds()?;
    if certificate.expires().is_some_and(|expires| expires <= at) {
        let message = format!("the OpenPGP certificate of \"{group}\" has expired");
        return Err(Problem::new(Code::Failed, message).hint(format!(
            "renew it, the key stays the same: quorate key certify --group {group} --user-id '{}' --wait",
            certificate.user_id()
        )));
    }
    output.with_times(certificate.created(), at).map_err(|_| {
        let message = "by this machine's clock, the group's OpenPGP key is not made yet";
        Problem::new(Code::Failed, message).hint("set this machine's clock")
    })
}

/// Now, as OpenPGP counts time.
fn seconds() -> Result<Moment, Problem> {
    Moment::try_from(now().seconds())
        .map_err(|_| Problem::new(Code::Failed, "OpenPGP has no times after the year 2106"))
}

/// Writes the certificate from its signed request.
pub(super) fn certificate_file(
    request: &RequestView,
    certificate: &Certificate,
) -> Result<Vec<u8>, Problem> {
    let (key, signatures) = signatures_of(request)?;
    let first = signatures.first().ok_or_else(damaged)?;
    certificate.file(&key, first).map_err(|error| Problem::new(Code::Verification, chain(&error)))
}

/// Writes the certificate that revokes the key, from the document of the request.
pub(super) fn revocation_file(
    request: &RequestView,
    certificate: &Certificate,
    document: &[u8],
) -> Result<Vec<u8>, Problem> {
    let (key, signatures) = signatures_of(request)?;
    let second = signatures.get(1).ok_or_else(damaged)?;
    certificate
        .revocation(&key, document, second)
        .map_err(|error| Problem::new(Code::Verification, chain(&error)))
}

fn signatures_of(
    request: &RequestView,
) -> Result<(VerifyingKey, Vec<quorate_documents::Signature>), Problem> {
    let key = request.verifying_key.as_deref().and_then(VerifyingKey::from_hex);
    let key = key.ok_or_else(damaged)?;
    let signatures = request.signatures.iter().map(|text| key.signature(&hex::decode(text).ok()?));
    Ok((key, signatures.collect::<Option<Vec<_>>>().ok_or_else(damaged)?))
}

fn damaged() -> Problem {
    Problem::new(Code::Failed, "the node's answer about the signatures cannot be read")
}
