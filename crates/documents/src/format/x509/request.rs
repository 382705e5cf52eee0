//! `csr`: requests for a certificate of the group's key (RFC 2986), for an authority.

use x509_cert::request::CertReqInfo;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::subject::Subject;
use super::{unwritable, write};
use crate::certificate::{from_pem, to_pem};
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{ReadError, Unsignable, VerifyError};
use crate::key::{Signature, VerifyingKey, from_ecdsa_der};
use crate::kind::KeyKind;
use crate::preview::Preview;
use crate::spki::from_spki;

pub(crate) struct Csr;

impl Definition for Csr {
    fn name(&self) -> &'static str {
        NAME
    }

    fn purpose(&self) -> &'static str {
        "a request for a certificate, for an authority"
    }

    fn ending(&self) -> &'static str {
        "csr"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        &[KeyKind::EcdsaP256]
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        _: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let refused = |reason| Unsignable::Content { format: NAME, reason };
        let subject = Subject::read(document).map_err(refused)?;
        let name = subject.written().map_err(unwritable(NAME))?;
        let info = write::request(name, key).map_err(unwritable(NAME))?;
        let covered = der::Encode::to_der(&info).map_err(unwritable(NAME))?;
        Ok(Box::new(Unsigned { subject, info, covered }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        let text = str::from_utf8(file).ok()?;
        let is_one = text.trim_start().starts_with(&format!("-----BEGIN {LABEL}-----"));
        is_one.then(|| Ok(Box::new(Request(request_in(text)?)) as Box<dyn Found>))
    }
}

/// The only request in a text, in DER.
pub(super) fn request_in(text: &str) -> Result<Vec<u8>, ReadError> {
    let damaged = || ReadError::File(NAME, "its armor is damaged".to_owned());
    match from_pem(text, LABEL).ok_or_else(damaged)?.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(ReadError::File(NAME, "there are several requests in it".to_owned())),
    }
}

struct Unsigned {
    subject: Subject,
    info: CertReqInfo,
    covered: Vec<u8>,
}

impl Preparation for Unsigned {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        self.covered.clone()
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let signature = signatures.first();
        let der = signature.map(|signature| write::signed_request(&self.info, signature));
        der.and_then(Result::ok).map(|der| to_pem(LABEL, &der).into_bytes()).unwrap_or_default()
    }

    fn preview(&self) -> Option<Preview> {
        let preview = Preview::of("request for a certificate of the group's key");
        Some(preview.field("subject", self.subject.shown()))
    }
}

/// In DER.
#[derive(Debug)]
struct Request(Vec<u8>);

/// Reads a request and verifies its signature, which shows that the requester has the key.
pub(super) fn verified(
    der: &[u8],
) -> Result<(X509CertificationRequest<'_>, VerifyingKey), VerifyError> {
    let unreadable = |why: &str| ReadError::File(NAME, why.to_owned());
    let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
        return Err(unreadable("it is damaged").into());
    };
    let info = &request.certification_request_info;
    let key = from_spki(info.subject_pki.raw)
        .ok_or_else(|| unreadable("its key is not of the curve P-256"))?;
    if request.signature_algorithm.algorithm.to_id_string() != "1.2.840.10045.4.3.2" {
        return Err(unreadable("it is not signed with ECDSA and SHA-256").into());
    }
    let signature = from_ecdsa_der(&request.signature_value.data).ok_or(VerifyError::Mismatch)?;
    key.verifies(info.raw, &signature)?;
    Ok((request, key))
}

impl Found for Request {
    fn verifying_key(&self) -> Option<VerifyingKey> {
        verified(&self.0).ok().map(|(_, key)| key)
    }

    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        let (request, found) = verified(&self.0)?;
        if found != *key {
            return Err(VerifyError::OtherKey {
                expected: key.to_string(),
                found: found.to_string(),
            });
        }
        let info = &request.certification_request_info;
        let subject = Subject::read(document).map_err(VerifyError::Content)?;
        let is_plain = info.attributes().is_empty();
        (is_plain && subject.is(&info.subject)).then_some(()).ok_or(VerifyError::Mismatch)
    }
}

pub(super) const LABEL: &str = "CERTIFICATE REQUEST";
const NAME: &str = "csr";
