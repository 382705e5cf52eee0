//! OpenPGP for groups: their certificates, and the times that signatures cover.

use quorate_ceremony::names::GroupName;
use quorate_documents::{Certificate, Moment, Output, Signature, VerifyingKey};

use super::session::Session;
use crate::api::{Code, Problem, Query, RequestStage, RequestView};
use crate::documents::signatures;
use crate::error_chain::chain;
use crate::timers::now;

/// The latest certificate that a group has signed, and its request.
pub(super) fn certified(
    session: &Session,
    group: &GroupName,
) -> Result<Option<(RequestView, Certificate)>, Problem> {
    let requests = session.requests(Query::Requests)?.into_iter();
    let signed = requests
        .filter(|request| request.group == *group && request.state == RequestStage::Signed)
        .filter_map(|request| {
            let certificate = request.output.parse::<Output>().ok()?.to_certificate()?;
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
pub(super) fn seconds() -> Result<Moment, Problem> {
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

fn signatures_of(request: &RequestView) -> Result<(VerifyingKey, Vec<Signature>), Problem> {
    let made = request.signatures.iter().map(String::as_str);
    signatures(request.verifying_key.as_deref(), made).ok_or_else(damaged)
}

fn damaged() -> Problem {
    Problem::new(Code::Failed, "the node's answer about the signatures cannot be read")
}
