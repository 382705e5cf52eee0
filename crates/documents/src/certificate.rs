//! X.509 certificates of group keys (RFC 5280): reads and checks them, with `x509-parser`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use crate::date::to_the_second;
use crate::error::X509Error;
use crate::key::VerifyingKey;
use crate::preview::Preview;
use crate::spki::from_spki;

/// The certificate of a group's key, and those of its issuers that files are to contain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateChain {
    leaf: Vec<u8>,
    issuers: Vec<Vec<u8>>,
}

impl CertificateChain {
    /// The most certificates that a chain has.
    pub const MAX: usize = 5;

    /// Takes certificates in DER, the key's own first.
    ///
    /// # Errors
    ///
    /// [`X509Error`], if there are too many, one cannot be read, or each was not issued by
    /// the next.
    pub fn new(leaf: Vec<u8>, issuers: Vec<Vec<u8>>) -> Result<Self, X509Error> {
        if issuers.len() >= Self::MAX {
            return Err(X509Error::TooMany);
        }
        let mut issuer = read(&leaf)?.issuer().as_raw().to_vec();
        for der in &issuers {
            let certificate = read(der)?;
            if certificate.subject().as_raw() != issuer {
                return Err(X509Error::Chain { expected: name(certificate.subject()) });
            }
            if !certificate.is_ca() {
                return Err(X509Error::IssuerUsage);
            }
            is_strong(&certificate)?;
            issuer = certificate.issuer().as_raw().to_vec();
        }
        Ok(Self { leaf, issuers })
    }

    /// Reads certificates in PEM (RFC 7468), the key's own first. Text between them is ignored.
    ///
    /// # Errors
    ///
    /// As [`CertificateChain::new`].
    pub fn from_pem(text: &str) -> Result<Self, X509Error> {
        let mut all = from_pem(text, "CERTIFICATE").ok_or(X509Error::Unreadable)?.into_iter();
        let leaf = all.next().ok_or(X509Error::Unreadable)?;
        Self::new(leaf, all.collect())
    }

    /// The certificate of the key, in DER.
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// The certificates of its issuers, in DER.
    pub fn issuers(&self) -> &[Vec<u8>] {
        &self.issuers
    }

    /// Checks that signatures by `key` as of this time can be verified with this certificate.
    ///
    /// # Errors
    ///
    /// [`X509Error`], which states what is wrong.
    pub fn check(&self, key: &VerifyingKey, seconds: i64) -> Result<(), X509Error> {
        Leaf::checked(&self.leaf, key, seconds).map(drop)
    }
}

/// Everything that the armor blocks with this label contain. `None` if there are none, or a damaged
/// one.
pub(crate) fn from_pem(text: &str, label: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&begin) {
        let (body, after) = after.split_once(&end)?;
        all.push(STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()?);
        rest = after;
    }
    (!all.is_empty()).then_some(all)
}

/// Armor with lines of 64 characters (RFC 7468).
pub(crate) fn to_pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Reads a certificate with nothing after it.
pub(crate) fn read(der: &[u8]) -> Result<X509Certificate<'_>, X509Error> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(X509Error::Unreadable),
    }
}

/// The certificate of a group's key, checked.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    subject: String,
    issuer: String,
    serial: String,
    from: String,
    until: String,
    is_for_contracts: bool,
    /// In DER.
    pub(crate) raw_issuer: Vec<u8>,
    /// The contents of the INTEGER.
    pub(crate) raw_serial: Vec<u8>,
}

impl Leaf {
    pub(crate) fn checked(der: &[u8], key: &VerifyingKey, seconds: i64) -> Result<Self, X509Error> {
        let certificate = read(der)?;
        let found = from_spki(certificate.public_key().raw);
        if found != Some(*key) {
            let found = found.map_or_else(|| "of another kind".to_owned(), |key| key.to_string());
            return Err(X509Error::OtherKey { expected: key.to_string(), found });
        }
        is_strong(&certificate)?;
        let validity = certificate.validity();
        let [from, until] = [validity.not_before, validity.not_after].map(|at| at.timestamp());
        let at = shown(seconds);
        if seconds < from {
            return Err(X509Error::NotYetValid { from: shown(from), at });
        }
        if seconds > until {
            return Err(X509Error::Expired { until: shown(until), at });
        }
        if certificate.is_ca() {
            return Err(X509Error::Authority);
        }
        let usage = certificate.key_usage().map_err(|_| X509Error::Unreadable)?;
        let is_for_signatures = usage.as_ref().is_none_or(|it| it.value.digital_signature());
        let is_for_contracts = usage.as_ref().is_some_and(|it| it.value.non_repudiation());
        if !is_for_signatures {
            return Err(X509Error::Usage);
        }
        known(&certificate)?;
        Ok(Self {
            subject: name(certificate.subject()),
            issuer: name(certificate.issuer()),
            serial: hex::encode(certificate.raw_serial()),
            from: shown(from),
            until: shown(until),
            is_for_contracts,
            raw_issuer: certificate.issuer().as_raw().to_vec(),
            raw_serial: certificate.raw_serial().to_vec(),
        })
    }

    /// Adds the certificate to what approvers see.
    pub(crate) fn describe(&self, preview: Preview) -> Preview {
        let preview = preview
            .field("certificate of", &self.subject)
            .field("issued by", &self.issuer)
            .field("serial", &self.serial)
            .field("valid", format!("{} to {} UTC", self.from, self.until));
        match self.is_for_contracts {
            true => preview,
            false => preview.warn(
                "the certificate has no usage nonRepudiation, so some programs do not trust its signatures on documents",
            ),
        }
    }
}

/// The digests of the signature on a certificate that nobody can forge today.
fn is_strong(certificate: &X509Certificate<'_>) -> Result<(), X509Error> {
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    match STRONG.contains(&algorithm.as_str()) {
        true => Ok(()),
        false => Err(X509Error::WeakDigest(algorithm)),
    }
}

/// ECDSA and RSA with SHA-256, SHA-384 and SHA-512; RSASSA-PSS; Ed25519.
const STRONG: [&str; 8] = [
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.113549.1.1.10",
    "1.3.101.112",
];

/// RFC 5280 §4.2: a certificate with a critical extension that is not understood must be rejected.
fn known(certificate: &X509Certificate<'_>) -> Result<(), X509Error> {
    let unknown = certificate.extensions().iter().find(|extension| {
        let parsed = extension.parsed_extension();
        let is_known = matches!(
            parsed,
            ParsedExtension::KeyUsage(_)
                | ParsedExtension::BasicConstraints(_)
                | ParsedExtension::ExtendedKeyUsage(_)
                | ParsedExtension::SubjectAlternativeName(_)
                | ParsedExtension::CertificatePolicies(_)
        );
        extension.critical && !is_known
    });
    match unknown {
        None => Ok(()),
        Some(extension) => Err(X509Error::Extension(extension.oid.to_id_string())),
    }
}

/// A name as people read it, in the order of the certificate.
pub(crate) fn name(name: &X509Name<'_>) -> String {
    let parts = name.iter_attributes().map(|part| {
        let value = part
            .as_str()
            .map_or_else(|_| format!("#{}", hex::encode(part.attr_value().data)), visible);
        format!("{}={value}", short(part.attr_type()))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn short(oid: &Oid<'_>) -> String {
    let oid = oid.to_id_string();
    let names = [
        ("2.5.4.3", "CN"),
        ("2.5.4.5", "serialNumber"),
        ("2.5.4.6", "C"),
        ("2.5.4.7", "L"),
        ("2.5.4.8", "ST"),
        ("2.5.4.10", "O"),
        ("2.5.4.11", "OU"),
        ("1.2.840.113549.1.9.1", "email"),
    ];
    names.iter().find(|(one, _)| *one == oid).map_or(oid, |(_, name)| (*name).to_owned())
}

/// A text in which nothing is invisible or changes the order of what follows.
pub(crate) fn visible(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut shown = String::new();
    for char in text.chars() {
        match is_hidden(char) {
            true => shown.extend(char.escape_unicode()),
            false => shown.push(char),
        }
    }
    shown
}

pub(crate) fn shown(seconds: i64) -> String {
    to_the_second(seconds).unwrap_or_else(|| format!("{seconds} s after 1970"))
}
