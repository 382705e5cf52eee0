//! Exports verifying keys for other tools, and reads them back.
//!
//! Keys are compressed: 32 bytes for Ed25519 (RFC 8032 §5.1.2), 33 for P-256 (SEC 1 §2.3.3). The
//! exporters take any bytes of that length; [`read`] rejects keys with which no signature can be
//! verified.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use ssh_key::public::{EcdsaPublicKey, KeyData};

use crate::error::Namespace;
use crate::format::{minisign_key_file, ssh_key_blob, ssh_key_type};
use crate::jwk;
use crate::key::VerifyingKey;
use crate::kind::KeyKind;
use crate::spki::{PEM_BEGIN, PEM_END, from_spki, pem};

/// The key as SubjectPublicKeyInfo in PEM (RFC 8410 §4, RFC 5480 §2), for openssl. Ends with a
/// newline.
pub fn to_pem(verifying_key: &VerifyingKey) -> String {
    pem(verifying_key)
}

/// The key as one line of `authorized_keys` (and of a `.pub` file), without a newline.
///
/// # Errors
///
/// [`ExportError::Comment`], for a comment that has control characters, which could begin another
/// line.
pub fn to_ssh(verifying_key: &VerifyingKey, comment: &str) -> Result<String, ExportError> {
    if comment.chars().any(char::is_control) {
        return Err(ExportError::Comment);
    }
    let line = format!("{} {comment}", ssh_key_words(verifying_key));
    Ok(line.trim_end().to_owned())
}

/// The key in SSH's own form (RFC 8709 §4, RFC 5656 §3.1), as the agent protocol has it.
pub fn to_ssh_blob(verifying_key: &VerifyingKey) -> Vec<u8> {
    ssh_key_blob(verifying_key)
}

/// The key as minisign's public key file, for `minisign -V -p`. Ends with a newline.
///
/// The key's id is the beginning of its SHA-256: minisign chooses ids at random, and a group's key
/// must have the same for everybody.
///
/// # Errors
///
/// [`ExportError::KeyKind`], for keys of other kinds than Ed25519.
pub fn to_minisign(verifying_key: &VerifyingKey) -> Result<String, ExportError> {
    match verifying_key.kind() {
        KeyKind::Ed25519 => Ok(minisign_key_file(verifying_key)),
        kind @ KeyKind::EcdsaP256 => Err(ExportError::KeyKind { tool: "minisign", kind }),
    }
}

/// The key as a JSON Web Key (RFC 8037 §2, RFC 7518 §6.2), without a newline.
pub fn to_jwk(verifying_key: &VerifyingKey) -> String {
    jwk::of(verifying_key)
}

/// A line of the file that `ssh-keygen -Y verify -f` takes: `verifying_key` may sign as `identity`,
/// for `namespaces` only. Without a newline; no namespaces means any.
///
/// # Errors
///
/// [`ExportError::Identity`], for an identity that is empty, has spaces or control characters, or
/// would be read as a pattern, list or comment.
pub fn allowed_signers_line(
    verifying_key: &VerifyingKey,
    identity: &str,
    namespaces: &[Namespace],
) -> Result<String, ExportError> {
    let refused = |c: char| c.is_whitespace() || c.is_control() || "\"\\,*?!#".contains(c);
    if identity.is_empty() || identity.contains(refused) {
        return Err(ExportError::Identity);
    }
    let names: Vec<_> = namespaces.iter().map(Namespace::as_str).collect();
    let option = match names.as_slice() {
        [] => String::new(),
        names => format!("namespaces=\"{}\" ", names.join(",")),
    };
    Ok(format!("{identity} {option}{}", ssh_key_words(verifying_key)))
}

/// A text that cannot stand in the file it was meant for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ExportError {
    #[error("the comment of a key is one line without control characters")]
    Comment,
    #[error("{tool} has no {kind} keys; export this one as pem, jwk or ssh")]
    KeyKind { tool: &'static str, kind: KeyKind },
    #[error("an identity in allowed_signers is one word without any of \" \\ , * ? ! #")]
    Identity,
}

/// Reads a verifying key from PEM, an SSH public key line, a JWK, or 64 hex digits (66 for
/// P-256); surrounding white space is ignored.
///
/// # Errors
///
/// [`KeyError`], which states what the text is instead if that is recognisable.
pub fn read(text: &str) -> Result<VerifyingKey, KeyError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    let key = if text.starts_with("-----BEGIN ") {
        read_pem(text)
    } else if text.starts_with('{') {
        read_jwk(text)
    } else if text.contains('\n') {
        return Err(KeyError::Several);
    } else if text.contains(char::is_whitespace) {
        read_ssh(text)
    } else {
        read_hex(text)
    }?;
    if key.is_usable() { Ok(key) } else { Err(KeyError::NotAPoint) }
}

/// Reads all verifying keys of a text: one in any notation of [`read`], or several lines with one
/// each, such as `https://github.com/USER.keys`. Returns each with the number of its line.
///
/// Empty lines, lines that begin with `#`, and keys of other types are
/// skipped.
///
/// # Errors
///
/// [`KeyError`]; of several lines, the first that cannot be read, with its number.
pub fn read_all(text: &str) -> Result<Vec<(usize, VerifyingKey)>, KeyError> {
    let numbered = (1..).zip(text.lines());
    let lines: Vec<(usize, &str)> = numbered
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .collect();
    let is_list = !text.trim_start().starts_with(['-', '{']) && lines.len() > 1;
    if !is_list {
        let (line, only) = match lines.as_slice() {
            [(line, only)] => (*line, *only),
            _ => (1, text),
        };
        return Ok(vec![(line, read(only)?)]);
    }
    let mut keys = Vec::new();
    let mut other = None;
    for (line, text) in lines {
        match read(text) {
            Ok(key) => keys.push((line, key)),
            Err(error @ KeyError::OtherType(_)) => other = Some(error),
            Err(error) => return Err(KeyError::Line { line, source: Box::new(error) }),
        }
    }
    match (keys.is_empty(), other) {
        (true, Some(error)) => Err(error),
        _ => Ok(keys),
    }
}

/// Why a text is not a verifying key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    #[error("the key is empty")]
    Empty,
    #[error("there are several lines where one key is expected")]
    Several,
    #[error("line {line} is not a key")]
    Line { line: usize, source: Box<Self> },
    #[error(
        "not a key: expected a PEM public key, an ssh-ed25519 or ecdsa-sha2-nistp256 line, a JWK, or 64 or 66 hex digits (found {length} characters)"
    )]
    Unrecognised { length: usize },
    #[error(
        "this is a private key; a signature is verified with the public key, and the private one belongs nowhere near"
    )]
    PrivateKey,
    #[error(
        "the PEM is no public key of Ed25519 or P-256 (expected one SubjectPublicKeyInfo, as of `openssl pkey -pubout`)"
    )]
    Pem,
    #[error("the SSH public key cannot be read")]
    Ssh(#[source] ssh_key::Error),
    #[error("the key is of type {0}, only Ed25519 and P-256 are supported")]
    OtherType(String),
    /// JSON that is not a JWK with coordinates of 32 bytes.
    #[error(
        "the JWK is no public key of Ed25519 or P-256 (expected \"kty\":\"OKP\", \"crv\":\"Ed25519\" and a 32-byte \"x\"; or \"EC\", \"P-256\", \"x\" and \"y\")"
    )]
    Jwk,
    /// The right notation, but not a point of the curve, or one of small order, or one in a second
    /// encoding.
    #[error("the key has the right form but is no usable key; was it copied completely?")]
    NotAPoint,
}

fn read_pem(text: &str) -> Result<VerifyingKey, KeyError> {
    if text.lines().next().is_some_and(|line| line.contains("PRIVATE KEY")) {
        return Err(KeyError::PrivateKey);
    }
    let base64: String = text
        .strip_prefix(PEM_BEGIN)
        .and_then(|rest| rest.strip_suffix(PEM_END))
        .ok_or(KeyError::Pem)?
        .split_ascii_whitespace()
        .collect();
    let der = STANDARD.decode(base64).map_err(|_| KeyError::Pem)?;
    from_spki(&der).ok_or(KeyError::Pem)
}

fn read_ssh(text: &str) -> Result<VerifyingKey, KeyError> {
    let key = ssh_key::PublicKey::from_openssh(text).map_err(|error| {
        match text.split_ascii_whitespace().next() {
            Some("ssh-ed25519" | "ecdsa-sha2-nistp256") => KeyError::Ssh(error),
            Some(kind) if ["ssh-", "ecdsa-", "sk-"].iter().any(|one| kind.starts_with(one)) => {
                KeyError::OtherType(kind.chars().take(40).collect())
            }
            _ => KeyError::Unrecognised { length: text.chars().count() },
        }
    })?;
    match key.key_data() {
        KeyData::Ed25519(key) => Ok(VerifyingKey::Ed25519(key.0)),
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => {
            VerifyingKey::from_p256_point(point.as_bytes()).ok_or(KeyError::NotAPoint)
        }
        other => Err(KeyError::OtherType(other.algorithm().to_string())),
    }
}

fn read_jwk(text: &str) -> Result<VerifyingKey, KeyError> {
    let jwk: Jwk = serde_json::from_str(text).map_err(|_| KeyError::Jwk)?;
    if jwk.d.is_some() {
        return Err(KeyError::PrivateKey);
    }
    let coordinate = |text: Option<String>| -> Result<[u8; 32], KeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(text.ok_or(KeyError::Jwk)?);
        bytes.ok().and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError::Jwk)
    };
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("OKP", Some("Ed25519")) => Ok(VerifyingKey::Ed25519(coordinate(jwk.x)?)),
        ("EC", Some("P-256")) => {
            let (x, y) = (coordinate(jwk.x)?, coordinate(jwk.y)?);
            let point = [[UNCOMPRESSED].as_slice(), &x, &y].concat();
            VerifyingKey::from_p256_point(&point).ok_or(KeyError::NotAPoint)
        }
        _ => {
            let name = jwk.crv.unwrap_or(jwk.kty);
            Err(KeyError::OtherType(name.chars().filter(|c| !c.is_control()).take(40).collect()))
        }
    }
}

fn read_hex(text: &str) -> Result<VerifyingKey, KeyError> {
    let unrecognised = || KeyError::Unrecognised { length: text.chars().count() };
    VerifyingKey::from_hex(text).ok_or_else(unrecognised)
}

/// The type of a key, and the key.
fn ssh_key_words(verifying_key: &VerifyingKey) -> String {
    let key_type = ssh_key_type(verifying_key.kind());
    format!("{key_type} {}", STANDARD.encode(ssh_key_blob(verifying_key)))
}

/// The members of a JWK that matter here; RFC 7517 §4 requires readers to ignore others.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

/// Before both coordinates of a point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8410 §10.1 and RFC 8037 appendix A.2 (IETF Trust, code components BSD).
    const RFC_8410: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    const RFC_8037: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn key(seed: [u8; 32]) -> VerifyingKey {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        VerifyingKey::Ed25519(key.to_bytes())
    }

    #[test]
    fn the_keys_of_the_rfcs_read_and_write_exactly() {
        assert_eq!(to_pem(&read(RFC_8410).unwrap()), RFC_8410);
        assert_eq!(to_jwk(&read(RFC_8037).unwrap()), RFC_8037);
    }

    #[test]
    fn private_keys_are_refused_as_such() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
            r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        ] {
            assert!(matches!(read(text), Err(KeyError::PrivateKey)), "{text}");
        }
    }

    #[test]
    fn keys_of_other_types_are_named() {
        let other = |text: &str| match read(text) {
            Err(KeyError::OtherType(name)) => name,
            result => panic!("{result:?}"),
        };
        assert_eq!(other("ssh-rsa AAAAB3NzaC1yc2E= me"), "ssh-rsa");
        assert_eq!(other(r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#), "P-384");
        assert_eq!(other(r#"{"kty":"RSA","n":"AA","e":"AQAB"}"#), "RSA");
    }

    #[test]
    fn points_that_verify_anything_are_refused() {
        // The neutral element, for which some signature over any message verifies without
        // strictness.
        let identity = format!("01{}", "00".repeat(31));
        assert!(matches!(read(&identity), Err(KeyError::NotAPoint)));
        // No point has y = 2 (RFC 8032 decoding fails).
        let no_point = format!("02{}", "00".repeat(31));
        assert!(matches!(read(&no_point), Err(KeyError::NotAPoint)));
        // y = p + 3: a point written in a second way.
        let second_encoding = format!("f0{}7f", "ff".repeat(30));
        assert!(matches!(read(&second_encoding), Err(KeyError::NotAPoint)));
    }

    #[test]
    fn incomplete_and_foreign_texts_are_refused() {
        let pem = to_pem(&key([1; 32]));
        let ssh = to_ssh(&key([1; 32]), "board").unwrap();
        for text in [
            "",
            " \n",
            "hello",
            "hello world",
            &hex::encode([1; 31]),
            &pem[..pem.len() - 5],
            &pem.replace("MCow", "MCox"),
            &format!("{pem}{pem}"),
            &ssh[..40],
            "{}",
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_line_of_a_list_counts() {
        let [one, two] = [1, 2].map(|seed| key([seed; 32]));
        let [a, b] = [one, two].map(|key| to_ssh(&key, "someone").unwrap());
        let rsa = "ssh-rsa AAAAB3NzaC1yc2E= me";
        assert_eq!(read_all(&a).unwrap(), [(1, one)]);
        assert_eq!(read_all(&format!("# mine\n{a}\n")).unwrap(), [(2, one)]);
        let list = format!("{rsa}\n{a}\n\n# old\r\n{b}\r\n{}\n", one);
        assert_eq!(read_all(&list).unwrap(), [(2, one), (5, two), (6, one)]);
        assert_eq!(read_all(&to_pem(&one)).unwrap(), [(1, one)]);
        assert!(matches!(read_all(&format!("{rsa}\n{rsa}")), Err(KeyError::OtherType(_))));
        let damaged = read_all(&format!("{a}\ngarbage"));
        assert!(matches!(damaged, Err(KeyError::Line { line: 2, .. })), "{damaged:?}");
        assert!(matches!(read(&format!("{a}\n{b}")), Err(KeyError::Several)));
        assert!(read_all(&format!("{}{}", to_pem(&one), to_pem(&two))).is_err());
    }

    #[test]
    fn texts_that_would_change_the_meaning_of_a_line_are_refused() {
        let key = key([1; 32]);
        assert_eq!(to_ssh(&key, "a\nssh-rsa AAAA"), Err(ExportError::Comment));
        for identity in ["", "a b", "*", "a,b", "!a", "#a", "a\n", "\"a\""] {
            assert_eq!(allowed_signers_line(&key, identity, &[]), Err(ExportError::Identity));
        }
    }

    proptest! {
        #[test]
        fn every_notation_reads_back(seed: [u8; 32], comment in "[a-z @.]{0,20}") {
            let key = key(seed);
            prop_assert_eq!(read(&to_pem(&key)).unwrap(), key);
            prop_assert_eq!(read(&to_pem(&key).replace('\n', "\r\n")).unwrap(), key);
            prop_assert_eq!(read(&to_ssh(&key, &comment).unwrap()).unwrap(), key);
            prop_assert_eq!(read(&to_jwk(&key)).unwrap(), key);
            prop_assert_eq!(read(&key.to_string()).unwrap(), key);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn no_damaged_pem_or_line_makes_the_reader_panic(at in 0_usize..80, with: char) {
            for text in [to_pem(&key([1; 32])), to_ssh(&key([1; 32]), "board").unwrap()] {
                let damaged: String =
                    text.chars().enumerate().map(|(i, c)| if i == at { with } else { c }).collect();
                let _ = read(&damaged);
            }
        }
    }
}
