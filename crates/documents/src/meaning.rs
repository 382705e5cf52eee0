//! What else the bytes of a document can mean, if a raw signature covers them as they are.
//!
//! A warning for people who approve, never a defence: there are more meanings than these, and the
//! next protocol that signs without a context adds one. The defence is that a group signs raw only
//! if its definition says so.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The beginning of everything that a group signs with its key about itself, for instance that new
/// shares are in use.
pub const OWN: &[u8] = b"quorate/own/";
/// The beginning of what an SSH signature covers (OpenSSH `PROTOCOL.sshsig`).
pub(crate) const SSH: &[u8] = b"SSHSIG";
/// The beginning of what the signature of a DSSE envelope covers.
pub(crate) const DSSE: &[u8] = b"DSSEv1 ";

/// A thing that a document is as well, for programs which trust the signer's key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Meaning {
    /// TBSCertificate of RFC 5280 §4.1.
    Certificate,
    /// TBSCertList of RFC 5280 §5.1.
    RevocationList,
    /// CertificationRequestInfo of RFC 2986 §4.1.
    CertificateRequest,
    /// ResponseData of RFC 6960 §4.2.1.
    CertificateStatus,
    /// SignedAttributes of RFC 5652 §5.3.
    CmsSignature,
    /// OpenSSH `PROTOCOL.certkeys`.
    SshCertificate,
    /// OpenSSH `PROTOCOL.krl`.
    SshRevocationList,
    /// RFC 4252 §7.
    SshLogin,
    /// RFC 7515 §5.1.
    JsonWebToken,
    /// `signed` of the TUF specification, §4.2.
    TufMetadata,
    /// CertificateVerify of RFC 8446 §4.4.3, or the same construction in another context.
    Tls13Handshake,
    /// ServerKeyExchange of RFC 8422 §5.4.
    Tls12Handshake,
    /// As long as a common hash, which is all that several protocols sign.
    Hash,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the contents of an X.509 certificate",
            Self::RevocationList => "the contents of a certificate revocation list",
            Self::CertificateRequest => "the contents of a certificate request",
            Self::CertificateStatus => "the contents of an OCSP response",
            Self::CmsSignature => "what a CMS signature over a different document covers",
            Self::SshCertificate => "the contents of an SSH certificate",
            Self::SshRevocationList => "an SSH key revocation list",
            Self::SshLogin => "what an SSH client signs to log in",
            Self::JsonWebToken => "what the signature of a JSON Web Token covers",
            Self::TufMetadata => "what a signature of TUF metadata covers",
            Self::Tls13Handshake => "what a TLS 1.3 server or client signs to prove its identity",
            Self::Tls12Handshake => "what a TLS 1.2 server signs to prove its identity",
            Self::Hash => "as long as a hash, and a hash is all that several protocols sign",
        })
    }
}

/// Returns what these bytes mean besides being a document, if that is recognised.
pub fn other_meaning(document: &[u8]) -> Option<Meaning> {
    let is = [
        (Meaning::Certificate, is_certificate as fn(&[u8]) -> Option<()>),
        (Meaning::RevocationList, is_revocation_list),
        (Meaning::CertificateRequest, is_certificate_request),
        (Meaning::CertificateStatus, is_certificate_status),
        (Meaning::CmsSignature, is_cms_attributes),
        (Meaning::SshCertificate, is_ssh_certificate),
        (Meaning::SshRevocationList, |bytes| bytes.starts_with(b"SSHKRL\n\0").then_some(())),
        (Meaning::SshLogin, is_ssh_login),
        (Meaning::JsonWebToken, is_token),
        (Meaning::TufMetadata, is_tuf_metadata),
        (Meaning::Tls13Handshake, |bytes| bytes.starts_with(&[0x20; 64]).then_some(())),
        (Meaning::Tls12Handshake, is_tls12),
        (Meaning::Hash, |bytes| matches!(bytes.len(), 20 | 28 | 32 | 48 | 64).then_some(())),
    ];
    is.into_iter().find(|(_, is)| is(document).is_some()).map(|(meaning, _)| meaning)
}

fn is_certificate(bytes: &[u8]) -> Option<()> {
    let mut fields = Der::only(bytes, SEQUENCE)?;
    fields.skip(0xa0);
    fields.take(INTEGER)?;
    fields.take(SEQUENCE)?;
    fields.take(SEQUENCE)?;
    let mut validity = fields.take(SEQUENCE)?;
    validity.time()?;
    validity.time()?;
    fields.take(SEQUENCE)?;
    fields.public_key()
}

fn is_revocation_list(bytes: &[u8]) -> Option<()> {
    let mut fields = Der::only(bytes, SEQUENCE)?;
    fields.skip(INTEGER);
    fields.take(SEQUENCE)?;
    fields.take(SEQUENCE)?;
    fields.time()
}

fn is_certificate_request(bytes: &[u8]) -> Option<()> {
    let mut fields = Der::only(bytes, SEQUENCE)?;
    fields.take(INTEGER)?;
    fields.take(SEQUENCE)?;
    fields.public_key()
}

fn is_certificate_status(bytes: &[u8]) -> Option<()> {
    let mut fields = Der::only(bytes, SEQUENCE)?;
    fields.skip(0xa0);
    fields.take(0xa1).or_else(|| fields.take(0xa2))?;
    fields.time()?;
    fields.take(SEQUENCE).map(drop)
}

fn is_cms_attributes(bytes: &[u8]) -> Option<()> {
    const MESSAGE_DIGEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
    let mut attributes = Der::only(bytes, SET)?;
    while let Some(mut attribute) = attributes.take(SEQUENCE) {
        if attribute.take(OBJECT_IDENTIFIER)?.0 == MESSAGE_DIGEST {
            return Some(());
        }
    }
    None
}

fn is_ssh_certificate(bytes: &[u8]) -> Option<()> {
    let (kind, _) = ssh_string(bytes)?;
    let is_kind = |version: &str| kind.ends_with(format!("-cert-{version}@openssh.com").as_bytes());
    (is_kind("v00") || is_kind("v01")).then_some(())
}

fn is_ssh_login(bytes: &[u8]) -> Option<()> {
    let (_session, rest) = ssh_string(bytes)?;
    let (_user, rest) = ssh_string(rest.strip_prefix(&[SSH_MSG_USERAUTH_REQUEST])?)?;
    let (_service, rest) = ssh_string(rest)?;
    let (method, _) = ssh_string(rest)?;
    (method.starts_with(b"publickey") || method.starts_with(b"hostbased")).then_some(())
}

/// A `string` of RFC 4251 §5, and what follows it.
fn ssh_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn is_token(bytes: &[u8]) -> Option<()> {
    const LONGEST_HEADER: usize = 64 << 10;
    let end = bytes.iter().take(LONGEST_HEADER).position(|byte| *byte == b'.')?;
    let header = URL_SAFE_NO_PAD.decode(bytes.get(..end)?).ok()?;
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&header).ok()?;
    header.contains_key("alg").then_some(())
}

fn is_tuf_metadata(bytes: &[u8]) -> Option<()> {
    // Canonical JSON, in which `_type` comes first unless another name begins with `A` to `Z`.
    let text = bytes.strip_prefix(b"{")?;
    let has = |field: &[u8]| text.windows(field.len()).any(|found| found == field);
    (has(b"\"_type\":\"") && has(b"\"spec_version\":\"")).then_some(())
}

/// The randoms of client and server, then the parameters of a named curve.
fn is_tls12(bytes: &[u8]) -> Option<()> {
    let (named_curve, rest) = bytes.get(64..)?.split_first()?;
    let (_curve, rest) = rest.split_first_chunk::<2>()?;
    let (length, point) = rest.split_first()?;
    (*named_curve == 3 && usize::from(*length) == point.len() && point.len() >= 32).then_some(())
}

/// The rest of the values in a constructed DER value.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The contents of the only value in `bytes`, if it has this tag.
    fn only(bytes: &'a [u8], tag: u8) -> Option<Self> {
        let mut all = Self(bytes);
        let contents = all.take(tag)?;
        all.0.is_empty().then_some(contents)
    }

    /// The contents of the next value, if it has this tag. Longer encodings of a length than DER
    /// permits count as well, because some readers accept them.
    fn take(&mut self, tag: u8) -> Option<Self> {
        let (first, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match length {
            0..0x80 => (usize::from(*length), rest),
            _ => {
                let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                let mut length = 0_usize;
                for digit in digits {
                    length = length.checked_mul(256)?.checked_add(usize::from(*digit))?;
                }
                (length, rest)
            }
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        if *first != tag {
            return None;
        }
        self.0 = rest;
        Some(Self(contents))
    }

    fn skip(&mut self, tag: u8) {
        self.take(tag);
    }

    fn time(&mut self) -> Option<()> {
        self.take(UTC_TIME).or_else(|| self.take(GENERALIZED_TIME)).map(drop)
    }

    /// Takes a `SubjectPublicKeyInfo` (RFC 5280 §4.1).
    fn public_key(&mut self) -> Option<()> {
        let mut key = self.take(SEQUENCE)?;
        key.take(SEQUENCE)?;
        key.take(BIT_STRING).map(drop)
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const SSH_MSG_USERAUTH_REQUEST: u8 = 50;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
        let contents = contents.concat();
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], length.as_slice(), &contents].concat()
    }

    fn string(bytes: &[u8]) -> Vec<u8> {
        [u32::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
    }

    #[test]
    fn documents_with_another_meaning_are_recognised() {
        let (algorithm, name) = (der(SEQUENCE, &[b"\x06\x03\x2b\x65\x70"]), der(SEQUENCE, &[]));
        let time = der(UTC_TIME, &[b"250101000000Z"]);
        let key = der(SEQUENCE, &[&algorithm, &der(BIT_STRING, &[&[0; 33]])]);
        let one = der(INTEGER, &[&[1]]);
        let digest = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
        let tls12 = [[9; 64].as_slice(), &[3, 0, 0x1d, 32], &[7; 32]].concat();
        let tls13 = [[0x20; 64].as_slice(), b"TLS 1.3, server CertificateVerify\0", &[7; 32]];
        let login = [
            string(&[7; 32]),
            vec![50],
            string(b"root"),
            string(b"ssh-connection"),
            string(b"publickey"),
            vec![1],
        ];
        for (document, meaning) in [
            (der(SEQUENCE, &[&one, &algorithm, &name, &time]), Meaning::RevocationList),
            (der(SEQUENCE, &[&algorithm, &name, &time]), Meaning::RevocationList),
            (der(SEQUENCE, &[&one, &name, &key, &der(0xa0, &[])]), Meaning::CertificateRequest),
            (der(SEQUENCE, &[&der(0xa2, &[]), &time, &name]), Meaning::CertificateStatus),
            (der(SET, &[&der(SEQUENCE, &[digest, &der(SET, &[])])]), Meaning::CmsSignature),
            (string(b"ssh-ed25519-cert-v01@openssh.com"), Meaning::SshCertificate),
            (b"SSHKRL\n\0\0\0\0\x01".to_vec(), Meaning::SshRevocationList),
            (login.concat(), Meaning::SshLogin),
            (b"eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZG1pbiJ9".to_vec(), Meaning::JsonWebToken),
            (br#"{"_type":"root","spec_version":"1.0"}"#.to_vec(), Meaning::TufMetadata),
            (tls13.concat(), Meaning::Tls13Handshake),
            (tls12, Meaning::Tls12Handshake),
            (vec![7; 32], Meaning::Hash),
        ] {
            assert_eq!(other_meaning(&document), Some(meaning), "{}", hex::encode(document));
        }
        let validity = der(SEQUENCE, &[&time, &time]);
        let version = der(0xa0, &[&one]);
        for fields in [
            vec![&version, &one, &algorithm, &name, &validity, &name, &key],
            vec![&one, &algorithm, &name, &validity, &name, &key],
        ] {
            let fields: Vec<&[u8]> = fields.into_iter().map(Vec::as_slice).collect();
            assert_eq!(other_meaning(&der(SEQUENCE, &fields)), Some(Meaning::Certificate));
        }
    }

    #[test]
    fn ordinary_documents_have_no_other_meaning() {
        let cargo = include_bytes!("../Cargo.toml");
        for document in [
            b"".as_slice(),
            b"We agree.\n",
            b"%PDF-1.7\n",
            b"{\"alg\":\"EdDSA\"}",
            b"hello.world",
            b"eyJ0eXAiOiJKV1QifQ.e30",
            cargo,
            &der(SEQUENCE, &[&der(INTEGER, &[&[1]])]),
        ] {
            assert_eq!(other_meaning(document), None, "{}", hex::encode(document));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_search_panic(bytes: Vec<u8>, tag in 0x30_u8..0x32) {
            let _ = other_meaning(&bytes);
            let _ = other_meaning(&der(tag, &[&bytes]));
            let _ = other_meaning(&der(tag, &[&der(0x30, &[&bytes])]));
        }
    }
}
