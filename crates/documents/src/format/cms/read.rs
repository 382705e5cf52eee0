//! Reads and verifies CMS signatures with `asn1-rs`.

use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::{Decode as _, Encode as _};
use sha2::{Digest as _, Sha256};
use x509_parser::asn1_rs::{Any, Class, FromDer as _, Oid, Tag};
use x509_parser::time::ASN1Time;

use super::oid::{
    CONTENT_TYPE, DATA, ECDSA, MESSAGE_DIGEST, SHA256, SIGNED_DATA, SIGNING_CERTIFICATE,
    SIGNING_TIME,
};
use crate::certificate::{self, Leaf};
use crate::error::{VerifyError, X509Error};
use crate::key::{VerifyingKey, from_ecdsa_der};
use crate::spki::from_spki;

/// A CMS signature by one key over content that is not in it.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// The certificate that the attributes name.
    leaf: Vec<u8>,
    issuer: Vec<u8>,
    serial: Vec<u8>,
    digest: Vec<u8>,
    /// The time attribute.
    pub(crate) seconds: Option<i64>,
    /// The attributes as a SET.
    covered: Vec<u8>,
    signature: [u8; 64],
}

type Why = &'static str;

/// Values in a constructed value.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The contents of the next value, if it has this tag.
    fn take(&mut self, class: Class, tag: u32) -> Option<Self> {
        self.take_raw(class, tag).map(|(contents, _)| contents)
    }

    /// The same, and the value with its header.
    fn take_raw(&mut self, class: Class, tag: u32) -> Option<(Self, &'a [u8])> {
        let before = self.0;
        let (rest, value) = Any::from_der(before).ok()?;
        if (value.class(), value.tag()) != (class, Tag(tag)) {
            return None;
        }
        self.0 = rest;
        let raw = before.get(..before.len() - rest.len())?;
        Some((Fields(value.data), raw))
    }

    fn sequence(&mut self) -> Option<Self> {
        self.take(Class::Universal, 16)
    }

    fn is(&mut self, id: &str) -> Option<()> {
        (self.oid()? == id).then_some(())
    }

    fn oid(&mut self) -> Option<String> {
        let (rest, oid) = Oid::from_der(self.0).ok()?;
        self.0 = rest;
        Some(oid.to_id_string())
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// An algorithm without parameters, or with NULL.
    fn algorithm(&mut self) -> Option<String> {
        let mut fields = self.sequence()?;
        let id = fields.oid()?;
        if !fields.0.is_empty() {
            fields.take(Class::Universal, 5)?;
        }
        fields.end()?;
        Some(id)
    }
}

/// Reads a whole file, or what stands in a PDF.
pub(crate) fn read(file: &[u8]) -> Result<Read, Why> {
    // The writer's library is as strict about DER as OpenSSL is not.
    again(file).filter(|again| again == file).ok_or("it is not CMS in DER")?;
    let mut all = Fields(file);
    let mut content = all.sequence().ok_or("it is not CMS in DER")?;
    content.is(SIGNED_DATA).ok_or("it is CMS, but no signature")?;
    let mut data = content.take(Class::ContextSpecific, 0).ok_or(DAMAGED)?;
    let mut data = data.sequence().ok_or(DAMAGED)?;
    data.take(Class::Universal, 2)
        .filter(|version| version.0 == [1])
        .ok_or("its version is unknown")?;
    let mut digests = data.take(Class::Universal, 17).ok_or(DAMAGED)?;
    let is_only = digests.algorithm().as_deref() == Some(SHA256) && digests.0.is_empty();
    is_only.then_some(()).ok_or("its digest is not SHA-256")?;
    let mut content = data.sequence().ok_or(DAMAGED)?;
    content.is(DATA).ok_or("it is over another type of content than data")?;
    content.end().ok_or("it contains its document; only detached signatures are read")?;
    let mut found = data.take(Class::ContextSpecific, 0).ok_or("it contains no certificate")?;
    let mut certificates = Vec::new();
    while !found.0.is_empty() {
        let (_, raw) = found.take_raw(Class::Universal, 16).ok_or(DAMAGED)?;
        certificates.push(raw);
    }
    let mut signers = data.take(Class::Universal, 17).ok_or("it contains revocation lists")?;
    data.end().ok_or(DAMAGED)?;
    let signer = signers.sequence().ok_or("it contains no signature")?;
    signers.end().ok_or("it contains several signatures")?;
    read_signer(signer, &certificates)
}

/// The same file as the writer's library encodes it.
fn again(file: &[u8]) -> Option<Vec<u8>> {
    let mut content = ContentInfo::from_der(file).ok()?;
    if content.content_type.to_string() == SIGNED_DATA {
        let data = content.content.decode_as::<SignedData>().ok()?;
        content.content = der::Any::encode_from(&data).ok()?;
    }
    content.to_der().ok()
}

fn read_signer(mut signer: Fields<'_>, certificates: &[&[u8]]) -> Result<Read, Why> {
    let version = signer.take(Class::Universal, 2);
    version
        .filter(|version| version.0 == [1])
        .ok_or("its signer has no issuer and serial number")?;
    let mut id = signer.sequence().ok_or(DAMAGED)?;
    let (_, issuer) = id.take_raw(Class::Universal, 16).ok_or(DAMAGED)?;
    let serial = id.take(Class::Universal, 2).ok_or(DAMAGED)?.0;
    let digest = signer.algorithm().ok_or(DAMAGED)?;
    if digest != SHA256 {
        return Err("its digest is not SHA-256");
    }
    let (attributes, raw) =
        signer.take_raw(Class::ContextSpecific, 0).ok_or("it has no signed attributes")?;
    // RFC 5652 §5.4: signed as a SET, though the file has another tag.
    let mut covered = raw.to_vec();
    *covered.first_mut().ok_or(DAMAGED)? = 0x31;
    let algorithm = signer.algorithm().ok_or(DAMAGED)?;
    if algorithm != ECDSA {
        return Err("it is not an ECDSA signature with SHA-256");
    }
    let signature = signer.take(Class::Universal, 4).ok_or(DAMAGED)?.0;
    let signature = from_ecdsa_der(signature).ok_or("its signature value is damaged")?;
    if !signer.0.is_empty() {
        signer.take(Class::ContextSpecific, 1).ok_or(DAMAGED)?;
    }
    signer.end().ok_or(DAMAGED)?;
    let (digest, hash, seconds) = read_attributes(attributes)?;
    let leaf =
        certificates.iter().find(|certificate| Sha256::digest(certificate).as_slice() == hash);
    Ok(Read {
        leaf: leaf.ok_or("the certificate that it names is not in it")?.to_vec(),
        issuer: issuer.to_vec(),
        serial: serial.to_vec(),
        digest: digest.to_vec(),
        seconds,
        covered,
        signature,
    })
}

/// The digest of the content, the hash of the certificate, and the time.
type Signed<'a> = (&'a [u8], &'a [u8], Option<i64>);

fn read_attributes(mut attributes: Fields<'_>) -> Result<Signed<'_>, Why> {
    let (mut content_type, mut digest, mut hash, mut seconds) = (None, None, None, None);
    while !attributes.0.is_empty() {
        let mut attribute = attributes.sequence().ok_or(DAMAGED)?;
        let id = attribute.oid().ok_or(DAMAGED)?;
        let mut values = attribute.take(Class::Universal, 17).ok_or(DAMAGED)?;
        attribute.end().ok_or(DAMAGED)?;
        let is_first = match id.as_str() {
            CONTENT_TYPE => {
                values.is(DATA).ok_or("its attributes are for another type of content")?;
                content_type.replace(()).is_none()
            }
            MESSAGE_DIGEST => {
                let value = values.take(Class::Universal, 4).ok_or(DAMAGED)?;
                digest.replace(value.0).is_none()
            }
            SIGNING_CERTIFICATE => {
                let value = certificate_hash(&mut values);
                let value =
                    value.ok_or("it names its certificate in another way than by SHA-256")?;
                hash.replace(value).is_none()
            }
            SIGNING_TIME => {
                let (rest, time) =
                    ASN1Time::from_der(values.0).map_err(|_| "its time is damaged")?;
                values = Fields(rest);
                seconds.replace(time.timestamp()).is_none()
            }
            _ => return Err("it has a signed attribute that is unknown here"),
        };
        values.end().filter(|()| is_first).ok_or("it has an attribute twice")?;
    }
    content_type.ok_or("it has no attribute for the type of its content")?;
    let digest = digest.ok_or("it has no digest of its content")?;
    let hash =
        hash.ok_or("it does not name its certificate, so another could be put in its place")?;
    Ok((digest, hash, seconds))
}

/// The first and only certificate of SigningCertificateV2, with SHA-256 by default.
fn certificate_hash<'a>(values: &mut Fields<'a>) -> Option<&'a [u8]> {
    let mut value = values.sequence()?;
    let mut ids = value.sequence()?;
    let mut id = ids.sequence()?;
    let hash = id.take(Class::Universal, 4)?.0;
    if !id.0.is_empty() {
        // The issuer and serial number again.
        id.sequence()?;
    }
    id.end()?;
    ids.end()?;
    value.end()?;
    Some(hash)
}

impl Read {
    /// The key in the certificate. It is a claim.
    pub(crate) fn verifying_key(&self) -> Option<VerifyingKey> {
        from_spki(certificate::read(&self.leaf).ok()?.public_key().raw)
    }

    /// Verifies everything but the time, which a PDF has outside.
    pub(crate) fn verify(
        &self,
        digest: &[u8; 32],
        key: &VerifyingKey,
        seconds: i64,
    ) -> Result<(), VerifyError> {
        let leaf = match Leaf::checked(&self.leaf, key, seconds) {
            Err(X509Error::OtherKey { expected, found }) => {
                return Err(VerifyError::OtherKey { expected, found });
            }
            other => other?,
        };
        if (&leaf.raw_issuer, &leaf.raw_serial) != (&self.issuer, &self.serial) {
            return Err(VerifyError::Mismatch);
        }
        key.verifies(&self.covered, &self.signature)?;
        (self.digest == digest).then_some(()).ok_or(VerifyError::Mismatch)
    }
}

const DAMAGED: &str = "it is damaged";
