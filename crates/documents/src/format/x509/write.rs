//! Writes requests and certificates (RFC 2986, RFC 5280) with `x509-cert`.

use std::time::Duration;

use der::asn1::{BitString, GeneralizedTime, ObjectIdentifier, OctetString, UtcTime};
use der::{Decode as _, Encode};
use sha2::{Digest as _, Sha256};
use x509_cert::TbsCertificate;
use x509_cert::certificate::{Certificate, Version};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::request::{self, CertReq, CertReqInfo};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use crate::key::{Signature, VerifyingKey};
use crate::spki::to_spki;

/// ecdsa-with-SHA256 (RFC 5758 §3.2), without parameters.
pub(crate) fn ecdsa_with_sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: oid("1.2.840.10045.4.3.2"), parameters: None }
}

/// An object identifier that is written in this crate.
pub(crate) fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// A time, in the form that its year demands (RFC 5280 §4.1.2.5).
pub(crate) fn time(seconds: u32) -> der::Result<Time> {
    let since = Duration::from_secs(seconds.into());
    match UtcTime::from_unix_duration(since) {
        Ok(time) => Ok(Time::UtcTime(time)),
        Err(_) => Ok(Time::GeneralTime(GeneralizedTime::from_unix_duration(since)?)),
    }
}

pub(super) fn public_key(key: &VerifyingKey) -> der::Result<SubjectPublicKeyInfoOwned> {
    SubjectPublicKeyInfoOwned::from_der(&to_spki(key))
}

/// A request for a certificate, without its signature.
pub(super) fn request(subject: Name, key: &VerifyingKey) -> der::Result<CertReqInfo> {
    Ok(CertReqInfo {
        version: request::Version::V1,
        subject,
        public_key: public_key(key)?,
        attributes: der::asn1::SetOfVec::new(),
    })
}

pub(super) fn signed_request(info: &CertReqInfo, signature: &Signature) -> der::Result<Vec<u8>> {
    let signature = BitString::from_bytes(&signature.to_der())?;
    CertReq { info: info.clone(), algorithm: ecdsa_with_sha256(), signature }.to_der()
}

/// What a certificate says besides its serial number.
pub(super) struct Contents {
    pub(super) issuer: Name,
    pub(super) issuer_key: KeyId,
    pub(super) subject: Name,
    pub(super) public_key: SubjectPublicKeyInfoOwned,
    pub(super) from: u32,
    pub(super) until: u32,
    pub(super) is_authority: bool,
}

/// A number by which programs find the certificate of an issuer.
pub(super) struct KeyId(pub(super) Vec<u8>);

impl KeyId {
    /// The beginning of the SHA-256 of the key (RFC 7093 §2).
    pub(super) fn of(key: &SubjectPublicKeyInfoOwned) -> Self {
        let digest = Sha256::digest(key.subject_public_key.raw_bytes());
        Self(digest.iter().copied().take(20).collect())
    }
}

/// A certificate without its signature. Its serial number is the beginning of a hash of everything
/// else, so that every member writes the same and no two certificates of an issuer have the same.
pub(super) fn certificate(contents: Contents, salt: &[u8]) -> der::Result<TbsCertificate> {
    let usages = match contents.is_authority {
        true => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        false => KeyUsages::DigitalSignature | KeyUsages::NonRepudiation,
    };
    let own = KeyId::of(&contents.public_key);
    let constraints = BasicConstraints {
        ca: contents.is_authority,
        // What an authority certifies certifies nothing.
        path_len_constraint: contents.is_authority.then_some(0),
    };
    let authority = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(contents.issuer_key.0)?),
        ..AuthorityKeyIdentifier::default()
    };
    let extensions = vec![
        extension("2.5.29.19", true, &constraints)?,
        extension("2.5.29.15", true, &KeyUsage(usages))?,
        extension("2.5.29.14", false, &SubjectKeyIdentifier(OctetString::new(own.0)?))?,
        extension("2.5.29.35", false, &authority)?,
    ];
    let mut certificate = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&[1])?,
        signature: ecdsa_with_sha256(),
        issuer: contents.issuer,
        validity: Validity { not_before: time(contents.from)?, not_after: time(contents.until)? },
        subject: contents.subject,
        subject_public_key_info: contents.public_key,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    };
    let digest = Sha256::new().chain_update(certificate.to_der()?).chain_update(salt).finalize();
    let mut serial: Vec<u8> = digest.iter().copied().take(16).collect();
    if let Some(first) = serial.first_mut() {
        // Positive, and never shorter.
        *first = (*first & 0x7f) | 0x40;
    }
    certificate.serial_number = SerialNumber::new(&serial)?;
    Ok(certificate)
}

fn extension(id: &str, critical: bool, value: &impl Encode) -> der::Result<Extension> {
    let extn_value = OctetString::new(value.to_der()?)?;
    Ok(Extension { extn_id: oid(id), critical, extn_value })
}

pub(super) fn signed_certificate(
    contents: &TbsCertificate,
    signature: &Signature,
) -> der::Result<Vec<u8>> {
    Certificate {
        tbs_certificate: contents.clone(),
        signature_algorithm: ecdsa_with_sha256(),
        signature: BitString::from_bytes(&signature.to_der())?,
    }
    .to_der()
}
