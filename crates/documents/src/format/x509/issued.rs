//! `x509`, `x509-ca` and `x509-self`: certificates that a group signs.

use der::Decode as _;
use der::Encode as _;
use x509_cert::TbsCertificate;
use x509_cert::certificate::Certificate as Written;
use x509_cert::request::CertReq;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use super::request::{request_in, verified};
use super::subject::{Subject, check_name};
use super::unwritable;
use super::write::{self, Contents, KeyId};
use crate::certificate::{self, CertificateChain, from_pem, shown, to_pem};
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{OutputError, ReadError, Unsignable, VerifyError, X509Error};
use crate::key::{Signature, VerifyingKey, from_ecdsa_der};
use crate::kind::KeyKind;
use crate::options::{self, Pairs};
use crate::preview::Preview;
use crate::spki::from_spki;

/// A kind of certificate.
pub(crate) struct Issue {
    name: &'static str,
    purpose: &'static str,
    kind: Kind,
    /// How long it is valid unless the request says something else.
    days: u32,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Issued,
    Authority,
    Itself,
}

pub(crate) const ISSUED: Issue = Issue {
    name: "x509",
    purpose: "a certificate for the key in a request, by an authority",
    kind: Kind::Issued,
    days: 2 * 365,
};
pub(crate) const AUTHORITY: Issue = Issue {
    name: "x509-ca",
    purpose: "the certificate of a group that is an authority",
    kind: Kind::Authority,
    days: 10 * 365,
};
pub(crate) const SELF: Issue = Issue {
    name: "x509-self",
    purpose: "a certificate that the group signs for its own key",
    kind: Kind::Itself,
    days: 2 * 365,
};

/// `issuer=CERTIFICATE` for those that an authority issues, then `from=SECONDS&until=SECONDS`.
#[derive(Default)]
struct Options {
    issuer: Option<Vec<u8>>,
    validity: Option<(u32, u32)>,
}

impl Options {
    fn read(text: Option<&str>) -> Result<Self, OutputError> {
        let Some(text) = text else { return Ok(Self::default()) };
        let mut pairs = Pairs::of(text);
        let issuer = pairs.bytes(options::ISSUER)?;
        let (from, until) = (pairs.seconds("from")?, pairs.seconds("until")?);
        pairs.end()?;
        let validity = match (from, until) {
            (Some(from), Some(until)) if from < until => Some((from, until)),
            (None, None) => None,
            _ => return Err(OutputError::Options),
        };
        Ok(Self { issuer, validity })
    }
}

impl Definition for Issue {
    fn name(&self) -> &'static str {
        self.name
    }

    fn purpose(&self) -> &'static str {
        self.purpose
    }

    fn ending(&self) -> &'static str {
        "crt"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        &[KeyKind::EcdsaP256]
    }

    fn check_options(&self, given: &str) -> Result<(), OutputError> {
        let options = Options::read(Some(given))?;
        let has_use = self.kind == Kind::Issued || options.issuer.is_none();
        has_use.then_some(()).ok_or(OutputError::Options)
    }

    fn dated(&self, given: Option<&str>, seconds: u64) -> Option<String> {
        let options = Options::read(given).ok()?;
        if options.validity.is_some() {
            return None;
        }
        // Clocks differ, so the certificate is valid a little earlier.
        let from = u32::try_from(seconds).ok()?.saturating_sub(300);
        let until = from.checked_add(self.days.checked_mul(24 * 60 * 60)?)?;
        let validity = format!("from={from}&until={until}");
        Some(given.map_or_else(|| validity.clone(), |given| format!("{given}&{validity}")))
    }

    /// The issuer, for certificates that an authority issues.
    fn certified(&self, given: Option<&str>, chain: &CertificateChain) -> Option<String> {
        let options = Options::read(given).ok()?;
        let pair = options::of_chain(chain).into_iter().next()?;
        let issuer = pair.split_once('=').map(|(_, value)| format!("issuer={value}"))?;
        let validity = options.validity.map(|(from, until)| format!("&from={from}&until={until}"));
        (self.kind == Kind::Issued).then(|| issuer + validity.as_deref().unwrap_or_default())
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        asked: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let options = Options::read(asked.options.as_deref()).unwrap_or_default();
        let (from, until) = options.validity.ok_or(Unsignable::NoCertificate(self.name))?;
        let refused = |reason| Unsignable::Content { format: self.name, reason };
        let own = write::public_key(key).map_err(unwritable(self.name))?;
        let contents = match self.kind {
            Kind::Issued => {
                let issuer = options.issuer.ok_or(Unsignable::NoCertificate(self.name))?;
                check_authority(&issuer, key, from, until)?;
                let issuer = Written::from_der(&issuer).map_err(unwritable(self.name))?;
                let request = asking(document).map_err(refused)?;
                Contents {
                    issuer: issuer.tbs_certificate.subject.clone(),
                    issuer_key: key_id(&issuer).unwrap_or_else(|| KeyId::of(&own)),
                    subject: request.info.subject,
                    public_key: request.info.public_key,
                    from,
                    until,
                    is_authority: false,
                }
            }
            kind => {
                let subject = Subject::read(document).map_err(refused)?;
                let subject = subject.written().map_err(unwritable(self.name))?;
                Contents {
                    issuer: subject.clone(),
                    issuer_key: KeyId::of(&own),
                    subject,
                    public_key: own,
                    from,
                    until,
                    is_authority: kind == Kind::Authority,
                }
            }
        };
        let contents = write::certificate(contents, document).map_err(unwritable(self.name))?;
        let covered = contents.to_der().map_err(unwritable(self.name))?;
        Ok(Box::new(Unsigned { kind: self.kind, contents, covered, from, until }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        let text = str::from_utf8(file).ok()?;
        if !text.trim_start().starts_with("-----BEGIN CERTIFICATE-----") {
            return None;
        }
        let all = from_pem(text, LABEL)?;
        let [der] = all.as_slice() else { return None };
        let certificate = certificate::read(der).ok()?;
        let is_own = certificate.subject().as_raw() == certificate.issuer().as_raw();
        let kind = match (certificate.is_ca(), is_own) {
            (true, _) => Kind::Authority,
            (false, true) => Kind::Itself,
            (false, false) => Kind::Issued,
        };
        (kind == self.kind).then(|| Ok(Box::new(Certificate { kind, der: der.clone() }) as _))
    }
}

/// Reads a request that may be from anybody.
fn asking(document: &[u8]) -> Result<CertReq, String> {
    let text = str::from_utf8(document).map_err(|_| "expected a request in PEM".to_owned())?;
    let der = request_in(text).map_err(|error| error.to_string())?;
    let (request, _) = verified(&der).map_err(|error| error.to_string())?;
    check_name(&request.certification_request_info.subject)?;
    CertReq::from_der(&der).map_err(|error| error.to_string())
}

/// Whether this is the certificate of an authority with this key, valid long enough.
fn check_authority(der: &[u8], key: &VerifyingKey, from: u32, until: u32) -> Result<(), X509Error> {
    let certificate = certificate::read(der)?;
    let found = from_spki(certificate.public_key().raw);
    if found != Some(*key) {
        let found = found.map_or_else(|| "of another kind".to_owned(), |key| key.to_string());
        return Err(X509Error::OtherKey { expected: key.to_string(), found });
    }
    let usage = certificate.key_usage().map_err(|_| X509Error::Unreadable)?;
    if !certificate.is_ca() || usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(X509Error::IssuerUsage);
    }
    let validity = certificate.validity();
    let [begin, end] = [validity.not_before, validity.not_after].map(|at| at.timestamp());
    if i64::from(from) < begin {
        return Err(X509Error::NotYetValid { from: shown(begin), at: shown(from.into()) });
    }
    if i64::from(until) > end {
        return Err(X509Error::Expired { until: shown(end), at: shown(until.into()) });
    }
    Ok(())
}

/// The subject key identifier of a certificate.
fn key_id(certificate: &Written) -> Option<KeyId> {
    use x509_cert::ext::pkix::SubjectKeyIdentifier;
    let (_, id) = certificate.tbs_certificate.get::<SubjectKeyIdentifier>().ok()??;
    Some(KeyId(id.0.as_bytes().to_vec()))
}

struct Unsigned {
    kind: Kind,
    contents: TbsCertificate,
    covered: Vec<u8>,
    from: u32,
    until: u32,
}

impl Preparation for Unsigned {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        self.covered.clone()
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let signature = signatures.first();
        let der = signature.map(|signature| write::signed_certificate(&self.contents, signature));
        der.and_then(Result::ok).map(|der| to_pem(LABEL, &der).into_bytes()).unwrap_or_default()
    }

    fn preview(&self) -> Option<Preview> {
        let what = match self.kind {
            Kind::Issued => "certificate for the key in a request",
            Kind::Authority => "certificate that makes the group an authority",
            Kind::Itself => "certificate that the group signs for its own key",
        };
        let name = |name: &x509_cert::name::Name| certificate::visible(&name.to_string());
        let key = &self.contents.subject_public_key_info;
        let valid = [self.from, self.until].map(|at| shown(at.into()));
        let preview = Preview::of(what)
            .field("subject", name(&self.contents.subject))
            .field("issued by", name(&self.contents.issuer))
            .field("public key", hex::encode(key.subject_public_key.raw_bytes()))
            .field("serial", hex::encode(self.contents.serial_number.as_bytes()))
            .field("valid", format!("{} to {} UTC", valid[0], valid[1]));
        Some(match self.kind {
            Kind::Issued => preview.warn(
                "programs that trust this group will believe that the key is the subject's: approve only if you know that it is",
            ),
            Kind::Authority => preview.warn(
                "programs with this certificate will believe what the group certifies",
            ),
            Kind::Itself => preview,
        })
    }
}

struct Certificate {
    kind: Kind,
    der: Vec<u8>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.der))
    }
}

impl Certificate {
    fn is_for(&self, document: &[u8], found: &X509Certificate<'_>) -> Result<bool, VerifyError> {
        let key = found.public_key().raw;
        if self.kind != Kind::Issued {
            let subject = Subject::read(document).map_err(VerifyError::Content)?;
            let is_own = subject.is(found.issuer()) && subject.is(found.subject());
            return Ok(is_own);
        }
        let text = str::from_utf8(document).map_err(|_| VerifyError::Mismatch)?;
        let der = request_in(text)?;
        let (request, _) = verified(&der)?;
        let info = &request.certification_request_info;
        Ok(info.subject.as_raw() == found.subject().as_raw() && info.subject_pki.raw == key)
    }
}

impl Found for Certificate {
    /// The key that a certificate contains signed it, unless an authority issued it.
    fn verifying_key(&self) -> Option<VerifyingKey> {
        let certificate = certificate::read(&self.der).ok()?;
        let key = from_spki(certificate.public_key().raw);
        key.filter(|_| self.kind != Kind::Issued)
    }

    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        let found = certificate::read(&self.der)?;
        if let Some(named) = self.verifying_key().filter(|named| named != key) {
            return Err(VerifyError::OtherKey {
                expected: key.to_string(),
                found: named.to_string(),
            });
        }
        let again = Written::from_der(&self.der).and_then(|certificate| certificate.to_der());
        let algorithms = [&found.signature_algorithm, &found.tbs_certificate.signature];
        let is_ecdsa = algorithms.iter().all(|it| {
            it.algorithm.to_id_string() == "1.2.840.10045.4.3.2" && it.parameters.is_none()
        });
        if !is_ecdsa || again.ok().as_ref() != Some(&self.der) {
            return Err(VerifyError::Mismatch);
        }
        let signature = from_ecdsa_der(&found.signature_value.data).ok_or(VerifyError::Mismatch)?;
        key.verifies(found.tbs_certificate.as_ref(), &signature)?;
        let usage = found.key_usage().ok().flatten().ok_or(X509Error::Usage)?;
        let is_right = match self.kind {
            Kind::Authority => usage.value.key_cert_sign() && !usage.value.digital_signature(),
            _ => usage.value.digital_signature() && !usage.value.key_cert_sign(),
        };
        let is_known = found.extensions().iter().all(|extension| {
            matches!(
                extension.parsed_extension(),
                ParsedExtension::KeyUsage(_)
                    | ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::SubjectKeyIdentifier(_)
                    | ParsedExtension::AuthorityKeyIdentifier(_)
            )
        });
        let is_for = self.is_for(document, &found)?;
        (is_right && is_known && is_for).then_some(()).ok_or(VerifyError::Mismatch)
    }
}

const LABEL: &str = "CERTIFICATE";
