//! The certificate authority of one IVN, and the certificates that it issues.
//!
//! A node's certificate names its account and, as a serial number in the subject, the account's
//! identity key at that time. So an account with new keys is distinguished from a holder of its
//! earlier keys. This crate does not know what the key is for.
//!
//! Each IVN has its own authority, so a certificate of one IVN means nothing in another: there is
//! no shared root. Keys are ECDSA P-256, because TPMs and PKCS#11 tokens support it. A node makes
//! its own key and sends a certificate request.

use std::fmt;
use std::time::{Duration, SystemTime};

use rand_core::{OsRng, RngCore};
use rcgen::string::PrintableString;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm, SigningKey,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use sha2::{Digest, Sha256};
use x509_parser::oid_registry::OID_X509_SERIALNUMBER;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::{Zeroize, Zeroizing};

use crate::ivn::{AccountName, IvnId};

/// The validity of certificates of hubs and nodes.
pub const VALIDITY: Duration = Duration::from_secs(30 * DAY);

/// Signs the certificates of one IVN's hub and nodes.
pub struct CertificateAuthority {
    ivn: IvnId,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, Key>,
}

/// An authority that has no IVN yet: an IVN's id is the hash of its genesis, which pins the
/// authority's certificate.
pub struct NewAuthority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, Key>,
}

impl NewAuthority {
    /// Makes a new key and a self-signed certificate without an end: an IVN whose authority expired
    /// would have to be founded again.
    ///
    /// # Errors
    ///
    /// [`CaError::Crypto`], when the system has no randomness.
    pub fn generate() -> Result<Self, CaError> {
        let key = Key::generate()?;
        // Authorities of the same name would be distinguished only by a failed signature, which
        // looks like an attack.
        let key_id = hex::encode(Sha256::digest(key.subject_public_key_info()));
        let name = format!("Quorate IVN authority {key_id:.16}");
        let mut params = params("Quorate", &name, SystemTime::UNIX_EPOCH + NO_END);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(CaError::Crypto)?.der().clone();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// The fingerprint that the genesis, join tokens and nodes pin.
    pub fn fingerprint(&self) -> CaFingerprint {
        CaFingerprint::of(&self.certificate)
    }

    /// The authority of the IVN whose genesis pins it.
    pub fn for_ivn(self, ivn: IvnId) -> CertificateAuthority {
        CertificateAuthority { ivn, certificate: self.certificate, issuer: self.issuer }
    }
}

impl fmt::Debug for NewAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAuthority").finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// Loads the texts of [`certificate_pem`](Self::certificate_pem) and
    /// [`key_pem`](Self::key_pem).
    ///
    /// # Errors
    ///
    /// [`CaError::Unreadable`] for any other text, [`CaError::Mismatch`] when key and certificate
    /// do not belong together. The caller checks whether it is the authority that the genesis of
    /// `ivn` pins.
    pub fn load(ivn: IvnId, certificate_pem: &str, key_pem: &str) -> Result<Self, CaError> {
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| CaError::Unreadable)?;
        let key = Key::from_pem(key_pem)?;
        let parsed = parse(&certificate).ok_or(CaError::Unreadable)?;
        if !parsed.is_ca() {
            return Err(CaError::Unreadable);
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(CaError::Mismatch);
        }
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(|_| CaError::Unreadable)?;
        Ok(Self { ivn, certificate, issuer })
    }

    /// The IVN that this authority is for.
    pub fn ivn(&self) -> IvnId {
        self.ivn
    }

    /// The certificate, public.
    pub fn certificate_pem(&self) -> String {
        pem_of(&self.certificate)
    }

    /// The private key (PKCS#8). The caller stores it where only it can read it.
    pub fn key_pem(&self) -> Zeroizing<String> {
        self.issuer.key().to_pem()
    }

    /// The fingerprint that join tokens and nodes pin.
    pub fn fingerprint(&self) -> CaFingerprint {
        CaFingerprint::of(&self.certificate)
    }

    /// Issues a certificate for the node of `account`, valid for [`VALIDITY`], to the key of
    /// `request` (PKCS#10 DER, from [`NodeKey::certificate_request`]). The other content of the
    /// request is ignored. `identity` is the account's identity key, for
    /// [`Peer::identity`](crate::Peer::identity).
    ///
    /// The caller checks whether the account may have a certificate, and has that key.
    ///
    /// # Errors
    ///
    /// [`CaError::Request`], for a request that cannot be read or was not signed with its key.
    pub fn issue_node_certificate(
        &self,
        account: &AccountName,
        identity: &[u8; 32],
        request: &[u8],
        now: SystemTime,
    ) -> Result<NodeCertificate, CaError> {
        let request = CertificateSigningRequestDer::from(request);
        let request =
            CertificateSigningRequestParams::from_der(&request).map_err(CaError::Request)?;
        let mut params = params(&self.ivn.to_string(), account.as_str(), now + VALIDITY);
        let identity = PrintableString::try_from(hex::encode(identity)).map_err(CaError::Crypto)?;
        params
            .distinguished_name
            .push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), DnValue::PrintableString(identity));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate =
            params.signed_by(&request.public_key, &self.issuer).map_err(CaError::Crypto)?;
        Ok(NodeCertificate(certificate.der().clone()))
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A new key and certificate for the hub, followed by this authority's certificate: dialers
    /// know only the fingerprint of the latter.
    pub(crate) fn issue_hub_certificate(
        &self,
        now: SystemTime,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CaError> {
        let key = Key::generate()?;
        let mut params = params(&self.ivn.to_string(), "hub", now + VALIDITY);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(
            self.ivn.server_name().try_into().map_err(CaError::Crypto)?,
        )];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(CaError::Crypto)?;
        Ok((vec![certificate.der().clone(), self.certificate.clone()], key.to_rustls()))
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").field("ivn", &self.ivn).finish_non_exhaustive()
    }
}

/// SHA-256 of the DER certificate of an IVN's authority.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct CaFingerprint([u8; 32]);

impl CaFingerprint {
    /// Takes the 32 bytes as they are.
    pub const fn new(fingerprint: [u8; 32]) -> Self {
        Self(fingerprint)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for CaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for CaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaFingerprint({self})")
    }
}

/// The TLS key of a node. It never leaves the node.
pub struct NodeKey(Key);

impl NodeKey {
    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`CaError::Crypto`], when the system has no randomness.
    pub fn generate() -> Result<Self, CaError> {
        Key::generate().map(Self)
    }

    /// Loads the text of [`to_pem`](Self::to_pem).
    ///
    /// # Errors
    ///
    /// [`CaError::Unreadable`].
    pub fn from_pem(pem: &str) -> Result<Self, CaError> {
        Key::from_pem(pem).map(Self)
    }

    /// The private key (PKCS#8). The caller stores it where only it can read it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.0.to_pem()
    }

    /// The request for a certificate, PKCS#10 DER: it proves possession of the key and names
    /// nobody.
    ///
    /// # Errors
    ///
    /// [`CaError::Crypto`].
    pub fn certificate_request(&self) -> Result<Vec<u8>, CaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.0).map_err(CaError::Crypto)?;
        Ok(request.der().to_vec())
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        self.0.to_rustls()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey([REDACTED])")
    }
}

/// The certificate of a node, public.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeCertificate(CertificateDer<'static>);

impl NodeCertificate {
    /// Loads the text of [`to_pem`](Self::to_pem).
    ///
    /// # Errors
    ///
    /// [`CaError::Unreadable`].
    pub fn from_pem(pem: &str) -> Result<Self, CaError> {
        CertificateDer::from_pem_slice(pem.as_bytes())
            .ok()
            .filter(|certificate| parse(certificate).is_some())
            .map(Self)
            .ok_or(CaError::Unreadable)
    }

    /// The certificate as PEM.
    pub fn to_pem(&self) -> String {
        pem_of(&self.0)
    }

    /// The end of its validity, for its renewal.
    ///
    /// # Errors
    ///
    /// [`CaError::Unreadable`].
    pub fn not_after(&self) -> Result<SystemTime, CaError> {
        end_of(&self.0).ok_or(CaError::Unreadable)
    }

    /// Whether it names the authority with this certificate as its issuer. The hub that is shown
    /// the certificate checks the signature.
    pub fn is_issued_by(&self, authority_pem: &str) -> bool {
        let Ok(authority) = CertificateDer::from_pem_slice(authority_pem.as_bytes()) else {
            return false;
        };
        let (Some(own), Some(authority)) = (parse(&self.0), parse(&authority)) else {
            return false;
        };
        own.issuer().as_raw() == authority.subject().as_raw()
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.0
    }
}

impl CaFingerprint {
    /// The fingerprint of an authority's certificate in PEM.
    ///
    /// # Errors
    ///
    /// [`CaError::Unreadable`].
    pub fn of_pem(pem: &str) -> Result<Self, CaError> {
        CertificateDer::from_pem_slice(pem.as_bytes())
            .map(|certificate| Self::of(&certificate))
            .map_err(|_| CaError::Unreadable)
    }
}

/// A private key that is wiped when dropped.
struct Key(KeyPair);

impl Key {
    fn generate() -> Result<Self, CaError> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self).map_err(CaError::Crypto)
    }

    fn from_pem(pem: &str) -> Result<Self, CaError> {
        KeyPair::from_pem(pem).map(Self).map_err(|_| CaError::Unreadable)
    }

    fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    fn to_rustls(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der()).into()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}

/// The account that a certificate is for, and the account's identity key when it was issued. The
/// handshake has already traced the certificate back to the authority of `ivn`.
///
/// `None` when it is of another IVN or names no account or key; this IVN's authority never issues
/// such a certificate.
pub(crate) fn account_of(
    certificate: &CertificateDer<'_>,
    ivn: IvnId,
) -> Option<(AccountName, [u8; 32])> {
    let parsed = parse(certificate)?;
    if only(parsed.subject().iter_organization())? != ivn.to_string() {
        return None;
    }
    let mut identity = [0; 32];
    let text = only(parsed.subject().iter_by_oid(&OID_X509_SERIALNUMBER))?;
    hex::decode_to_slice(text, &mut identity).ok()?;
    let account = AccountName::new(only(parsed.subject().iter_common_name())?).ok()?;
    Some((account, identity))
}

/// Whether a certificate has expired at this time, or cannot be read.
pub(crate) fn is_expired(certificate: &CertificateDer<'_>, now: SystemTime) -> bool {
    end_of(certificate).is_none_or(|end| end < now)
}

/// Returns the last moment of a certificate's validity.
pub(crate) fn end_of(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let seconds = u64::try_from(parse(certificate)?.validity().not_after.timestamp()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The common part of all certificates: subject, validity, and a random serial number of 127 bits.
///
/// All are valid since 1970, because a certificate that a clock has dated ahead would lock its node
/// out until that time, and nothing depends on the beginning.
fn params(organisation: &str, name: &str, not_after: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organisation);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = SystemTime::UNIX_EPOCH.into();
    params.not_after = not_after.into();
    params.use_authority_key_identifier_extension = true;
    let mut serial = [0; 16];
    OsRng.fill_bytes(&mut serial);
    // A positive number without leading zeros, so that DER encodes it unchanged.
    serial[0] = serial[0] & 0x7F | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Some(parsed),
        _ => None,
    }
}

/// The text of an attribute that occurs exactly once.
fn only<'a>(
    mut attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
) -> Option<&'a str> {
    let first = attributes.next()?;
    if attributes.next().is_some() {
        return None;
    }
    first.as_str().ok()
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;

    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (position, character) in text.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

/// Why the authority could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CaError {
    #[error("the stored certificate or key cannot be read; restore it from a backup")]
    Unreadable,
    #[error("the stored certificate, key and IVN do not belong together")]
    Mismatch,
    #[error("the certificate request cannot be read, or is not signed with its own key")]
    Request(#[source] rcgen::Error),
    #[error("the cryptographic library failed")]
    Crypto(#[source] rcgen::Error),
}

/// id-at-serialNumber (X.520): 1 to 64 characters, so that 32 bytes in hex fit.
const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];
const DAY: u64 = 24 * 60 * 60;
/// The last second of the year 9999, which RFC 5280 (4.1.2.5) has for certificates without an end.
const NO_END: Duration = Duration::from_secs(253_402_300_799);

#[cfg(test)]
mod tests;
