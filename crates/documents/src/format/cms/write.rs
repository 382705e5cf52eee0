//! Writes CMS signatures with the crate `cms`.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec};
use der::{Decode as _, Encode, Sequence};
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::oid::{
    CONTENT_TYPE, DATA, MESSAGE_DIGEST, SHA256, SIGNED_DATA, SIGNING_CERTIFICATE, SIGNING_TIME,
};
use crate::certificate::CertificateChain;
use crate::format::x509::write::{ecdsa_with_sha256, oid, time};
use crate::key::Signature;

/// A CMS signature without its signature value.
pub(crate) struct Unsigned {
    certificates: Vec<Certificate>,
    attributes: Attributes,
    /// What the signature covers.
    covered: Vec<u8>,
}

/// SigningCertificateV2 of RFC 5035 §3. The hash is SHA-256, the default, so it is not named.
#[derive(Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
}

#[derive(Sequence)]
struct EssCertIdV2 {
    cert_hash: OctetString,
}

impl Unsigned {
    /// Over content with this SHA-256. PAdES has the time of the signature outside of CMS.
    pub(crate) fn new(
        chain: &CertificateChain,
        digest: [u8; 32],
        seconds: Option<u32>,
    ) -> der::Result<Self> {
        let all = std::iter::once(chain.leaf()).chain(chain.issuers().iter().map(Vec::as_slice));
        let certificates = all.map(same).collect::<der::Result<Vec<_>>>()?;
        let id =
            EssCertIdV2 { cert_hash: OctetString::new(Sha256::digest(chain.leaf()).to_vec())? };
        let mut attributes = vec![
            attribute(CONTENT_TYPE, &oid(DATA))?,
            attribute(MESSAGE_DIGEST, &OctetString::new(digest)?)?,
            attribute(SIGNING_CERTIFICATE, &SigningCertificateV2 { certs: vec![id] })?,
        ];
        if let Some(seconds) = seconds {
            attributes.push(attribute(SIGNING_TIME, &time(seconds)?)?);
        }
        let attributes: Attributes = SetOfVec::try_from(attributes)?;
        let covered = attributes.to_der()?;
        Ok(Self { certificates, attributes, covered })
    }

    /// The attributes, as a SET (RFC 5652 §5.4).
    pub(crate) fn covered(&self) -> &[u8] {
        &self.covered
    }

    /// The file.
    pub(crate) fn finish(&self, signature: &Signature) -> der::Result<Vec<u8>> {
        let leaf = self.certificates.first().map(|certificate| &certificate.tbs_certificate);
        let leaf = leaf.ok_or_else(|| der::Error::from(der::ErrorKind::Failed))?;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: leaf.issuer.clone(),
                serial_number: leaf.serial_number.clone(),
            }),
            digest_alg: sha256(),
            signed_attrs: Some(self.attributes.clone()),
            signature_algorithm: ecdsa_with_sha256(),
            signature: OctetString::new(signature.to_der())?,
            unsigned_attrs: None,
        };
        let choices = self.certificates.iter().cloned().map(CertificateChoices::Certificate);
        let data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![sha256()])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: oid(DATA),
                econtent: None,
            },
            certificates: Some(CertificateSet(SetOfVec::try_from(choices.collect::<Vec<_>>())?)),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        ContentInfo { content_type: oid(SIGNED_DATA), content: Any::encode_from(&data)? }.to_der()
    }
}

/// Reads a certificate that is written again with the same bytes.
fn same(der: &[u8]) -> der::Result<Certificate> {
    let certificate = Certificate::from_der(der)?;
    match certificate.to_der()? == der {
        true => Ok(certificate),
        false => Err(der::ErrorKind::Noncanonical { tag: der::Tag::Sequence }.into()),
    }
}

fn sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: oid(SHA256), parameters: None }
}

fn attribute<T: Encode + der::Tagged>(id: &str, value: &T) -> der::Result<Attribute> {
    let oid: ObjectIdentifier = oid(id);
    let value = Any::from_der(&value.to_der()?)?;
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}
