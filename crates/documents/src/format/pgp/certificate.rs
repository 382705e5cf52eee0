//! `pgp-certificate`: a group's OpenPGP certificate, and the certificate that revokes it.
//!
//! The document is a text that states what is certified, and the log's output states it too, so
//! that the certificate can be written from the log alone. It takes two signatures of one request:
//! over the user id, and over the revocation. The log contains both signatures, and the log may be
//! public. So that nobody can revoke the key with it, the revocation's hash covers 32 random bytes
//! which only the document contains: members that keep the document can revoke the key.

use super::options::{Fields, Moment, Times};
use super::packet::{Key, Kind, Statement, armor, packet, subpacket};
use super::read;
use crate::date::to_the_second;
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{OutputError, ReadError, Unsignable, VerifyError};
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::preview::Preview;

pub(crate) struct PgpCertificate;

impl Definition for PgpCertificate {
    fn name(&self) -> &'static str {
        "pgp-certificate"
    }

    fn purpose(&self) -> &'static str {
        "the group's own OpenPGP certificate; quorate key certify asks for it"
    }

    fn ending(&self) -> &'static str {
        "asc"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        &[KeyKind::Ed25519]
    }

    fn signatures(&self) -> u8 {
        2
    }

    fn check_options(&self, given: &str) -> Result<(), OutputError> {
        Certificate::from_options(given).map(drop)
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        asked: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let certificate =
            asked.options.as_deref().and_then(|options| Certificate::from_options(options).ok());
        let certificate = certificate.ok_or(Unsignable::Incomplete("pgp-certificate"))?;
        let salt =
            salt_in(document).filter(|salt| certificate.document(key, salt).as_bytes() == document);
        let salt = salt.ok_or_else(|| Unsignable::Content {
            format: "pgp-certificate",
            reason: "it does not state what its output states; quorate key certify writes it"
                .to_owned(),
        })?;
        Ok(Box::new(Unsigned { certificate, key, salt }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        file.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----").then(|| {
            let (key, users) = read::certificate(file)?;
            Ok(Box::new(Read { key, users }) as Box<dyn Found>)
        })
    }
}

struct Unsigned<'a> {
    certificate: Certificate,
    key: &'a VerifyingKey,
    salt: [u8; 32],
}

impl Preparation for Unsigned<'_> {
    fn to_be_signed(&self, earlier: &[Signature]) -> Vec<u8> {
        match earlier {
            [] => self.certificate.certification(self.key).1.to_vec(),
            _ => self.certificate.revocation_statement(self.key, &self.salt).1.to_vec(),
        }
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let signature = signatures.first().map(Signature::as_bytes).unwrap_or_default();
        self.certificate.written(self.key, signature)
    }

    fn preview(&self) -> Option<Preview> {
        let preview = Preview::of("OpenPGP certificate of this group's key")
            .field("user id", &self.certificate.user_id)
            .field("expires", self.certificate.expiry())
            .warn("anyone who keeps this document can revoke the key: the request signs a revocation as well");
        Some(preview)
    }
}

#[derive(Debug)]
struct Read {
    key: VerifyingKey,
    users: Vec<String>,
}

impl Found for Read {
    fn verifying_key(&self) -> Option<VerifyingKey> {
        Some(self.key)
    }

    /// The signatures were verified when the file was read.
    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        if self.key != *key {
            let (expected, found) = (key.to_string(), self.key.to_string());
            return Err(VerifyError::OtherKey { expected, found });
        }
        let stated = String::from_utf8_lossy(document);
        let states = |user: &String| stated.lines().any(|line| line == format!("User ID: {user}"));
        match self.users.as_slice() {
            [user] if states(user) => Ok(()),
            _ => Err(VerifyError::Mismatch),
        }
    }
}

/// What a group's OpenPGP certificate says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    user_id: String,
    created: Moment,
    at: Moment,
    expires: Option<Moment>,
}

impl Certificate {
    /// A certificate for `user_id`, usually `NAME <ADDRESS>`, in 1 to 200 bytes. The key was
    /// created at `created`: a renewal has the time of the first certificate, because the
    /// fingerprint depends on it.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub fn new(
        user_id: &str,
        created: Moment,
        at: Moment,
        expires: Option<Moment>,
    ) -> Result<Self, CertificateError> {
        if user_id.is_empty() || user_id.len() > 200 || user_id.trim() != user_id {
            return Err(CertificateError::Length);
        }
        if user_id.chars().any(char::is_control) {
            return Err(CertificateError::Characters);
        }
        if at < created || expires.is_some_and(|expires| expires <= at) {
            return Err(CertificateError::Times);
        }
        Ok(Self { user_id: user_id.to_owned(), created, at, expires })
    }

    /// When the key was created.
    pub fn created(&self) -> Moment {
        self.created
    }

    /// When the key expires, if it does.
    pub fn expires(&self) -> Option<Moment> {
        self.expires
    }

    /// The user id.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// Reads the options of an output.
    pub(crate) fn from_options(options: &str) -> Result<Self, OutputError> {
        let mut fields = Fields::of(options);
        let (created, at) = (fields.number("created")?, fields.number("at")?);
        let expires = match fields.number("expires")? {
            0 => None,
            expires => Some(expires),
        };
        let id = fields.text("id")?;
        fields.end()?;
        let user_id = unescaped(id).ok_or(OutputError::Options)?;
        let read = Self::new(&user_id, created, at, expires).map_err(|_| OutputError::Options)?;
        (read.options() == options).then_some(read).ok_or(OutputError::Options)
    }

    /// The options of an output.
    pub(crate) fn options(&self) -> String {
        let Self { user_id, created, at, expires } = self;
        let expires = expires.unwrap_or(0);
        format!("created={created}&at={at}&expires={expires}&id={}", escaped(user_id))
    }

    /// The text that members approve. `salt` is 32 random bytes for this text alone.
    pub fn document(&self, key: &VerifyingKey, salt: &[u8; 32]) -> String {
        let fingerprint = self.fingerprint(key);
        format!(
            "OpenPGP certificate of a group's key\n\n\
             User ID: {}\n\
             Fingerprint: {fingerprint}\n\
             Key created: {}\n\
             Certified: {}\n\
             Expires: {}\n\n\
             This request also signs a certificate that revokes the key.\n\
             Members that keep this text can revoke it; without this text nobody can.\n\
             {SALT}{}\n",
            self.user_id,
            date(self.created),
            date(self.at),
            self.expiry(),
            hex::encode(salt)
        )
    }

    fn expiry(&self) -> String {
        self.expires.map_or_else(|| "never".to_owned(), date)
    }

    /// The fingerprint of the key, 40 hex digits in capitals.
    pub fn fingerprint(&self, key: &VerifyingKey) -> String {
        hex::encode_upper(self.key(key).fingerprint())
    }

    fn key<'a>(&self, key: &'a VerifyingKey) -> Key<'a> {
        Key { bytes: key.as_bytes(), created: self.created }
    }

    fn times(&self) -> Times {
        Times { created: self.created, at: self.at }
    }

    /// The certification of the user id (§5.2.1.6), and its hash.
    fn certification(&self, key: &VerifyingKey) -> (Statement, [u8; 64]) {
        let key = self.key(key);
        let mut subpackets = vec![
            // The key certifies and signs.
            subpacket(27, &[0x03]),
            // Preferred hashes: SHA-512, SHA-256. Ciphers: AES-256, AES-128.
            subpacket(21, &[10, 8]),
            subpacket(11, &[9, 7]),
            // Modification detection, for those who encrypt to no subkey.
            subpacket(30, &[0x01]),
            // The primary user id.
            subpacket(25, &[1]),
        ];
        if let Some(expires) = self.expires {
            subpackets.push(subpacket(9, &(expires - self.created).to_be_bytes()));
        }
        let statement = Statement::new(Kind::Certification, &key, self.times(), &subpackets);
        let length = u32::try_from(self.user_id.len()).unwrap_or(u32::MAX).to_be_bytes();
        let hashed = key.hashed();
        let user: [&[u8]; 4] = [&hashed, &[0xb4], &length, self.user_id.as_bytes()];
        let hash = statement.hash(user);
        (statement, hash)
    }

    /// The revocation of the key (§5.2.1.11), and its hash.
    fn revocation_statement(&self, key: &VerifyingKey, salt: &[u8; 32]) -> (Statement, [u8; 64]) {
        let key = self.key(key);
        let length = u16::try_from(NOTATION.len()).unwrap_or(u16::MAX).to_be_bytes();
        let notation: [&[u8]; 5] = [&[0; 4], &length, &[0, 32], NOTATION, salt];
        let subpackets = [
            // No reason is specified: it is decided later.
            subpacket(29, &[0]),
            subpacket(20, &notation.concat()),
        ];
        let statement = Statement::new(Kind::KeyRevocation, &key, self.times(), &subpackets);
        let hash = statement.hash([key.hashed().as_slice()]);
        (statement, hash)
    }

    /// The armored certificate.
    fn written(&self, key: &VerifyingKey, signature: &[u8]) -> Vec<u8> {
        let (statement, hash) = self.certification(key);
        let packets = [
            packet(6, &self.key(key).body()),
            packet(13, self.user_id.as_bytes()),
            statement.packet(&hash, signature),
        ];
        armor("PUBLIC KEY BLOCK", &packets.concat()).into_bytes()
    }

    /// Writes the certificate from the first signature of its request.
    ///
    /// # Errors
    ///
    /// [`VerifyError`], if rPGP does not verify what was written.
    pub fn file(&self, key: &VerifyingKey, first: &Signature) -> Result<Vec<u8>, VerifyError> {
        let file = self.written(key, first.as_bytes());
        let (found, users) = read::certificate(&file)?;
        let is_ours = found == *key && users == [self.user_id.clone()];
        is_ours.then_some(file).ok_or(VerifyError::Mismatch)
    }

    /// Writes the certificate that revokes the key, from the document and the second signature of
    /// the request. Import it only to end the use of the key.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Mismatch`], if the document or the signature is another one.
    pub fn revocation(
        &self,
        key: &VerifyingKey,
        document: &[u8],
        second: &Signature,
    ) -> Result<Vec<u8>, VerifyError> {
        let salt = salt_in(document).ok_or(VerifyError::Mismatch)?;
        let (statement, hash) = self.revocation_statement(key, &salt);
        key.verifies(&hash, second.as_bytes())?;
        let packet = statement.packet(&hash, second.as_bytes());
        Ok(armor("PUBLIC KEY BLOCK", &packet).into_bytes())
    }
}

/// Why there cannot be such a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CertificateError {
    #[error("a user id has 1 to 200 bytes and no spaces around it, such as \"Name <address>\"")]
    Length,
    #[error("a user id is one line without control characters")]
    Characters,
    #[error("a certificate must expire after it is made, and be made after its key")]
    Times,
}

const SALT: &str = "Salt of the revocation: ";
/// The notation that Sequoia uses for random bytes in signatures, which every reader ignores.
const NOTATION: &[u8] = b"salt@notations.sequoia-pgp.org";

/// The salt in the last line of a document.
fn salt_in(document: &[u8]) -> Option<[u8; 32]> {
    let text = str::from_utf8(document).ok()?;
    let salt = text.strip_suffix('\n')?.lines().last()?.strip_prefix(SALT)?;
    hex::decode(salt).ok()?.try_into().ok()
}

/// A moment as people read it.
fn date(moment: Moment) -> String {
    // Every moment has a date: the last is in 2106.
    to_the_second(i64::from(moment)).map(|date| format!("{date} UTC")).unwrap_or_default()
}

/// Percent-encoding of everything but letters, digits and a few characters of addresses.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._@<>()+".contains(&byte);
    text.bytes()
        .map(|byte| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.extend(hex::decode(digits).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}
