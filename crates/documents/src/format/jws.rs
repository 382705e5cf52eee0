//! `jws` and `jws-detached`: JSON Web Signatures (RFC 7515) in the compact form, with the document
//! in the file or beside it (appendix F).
//!
//! The header names the algorithm and the key (RFC 7638), and says that this is a signature and not
//! a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{ReadError, Unsignable, VerifyError};
use crate::json;
use crate::jwk;
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::preview::Preview;

pub(crate) struct Compact;
pub(crate) struct Detached;

impl Definition for Compact {
    fn name(&self) -> &'static str {
        "jws"
    }

    fn purpose(&self) -> &'static str {
        "a JSON Web Signature that contains the file"
    }

    fn ending(&self) -> &'static str {
        "jws"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        KeyKind::ALL
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        _: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        if document.is_empty() {
            let reason = "it is empty, as in a detached signature; sign it as jws-detached";
            return Err(Unsignable::Content { format: "jws", reason: reason.to_owned() });
        }
        Ok(Box::new(Unsigned { document, header: header(key), is_detached: false }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        read(file, false)
    }
}

impl Definition for Detached {
    fn name(&self) -> &'static str {
        "jws-detached"
    }

    fn purpose(&self) -> &'static str {
        "a JSON Web Signature beside the file"
    }

    fn ending(&self) -> &'static str {
        "jws"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        KeyKind::ALL
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        _: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        Ok(Box::new(Unsigned { document, header: header(key), is_detached: true }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        read(file, true)
    }
}

fn header(key: &VerifyingKey) -> String {
    let algorithm = match key.kind() {
        KeyKind::Ed25519 => "EdDSA",
        KeyKind::EcdsaP256 => "ES256",
    };
    format!(r#"{{"alg":"{algorithm}","kid":"{}","typ":"JOSE"}}"#, thumbprint(key))
}

/// The thumbprint of the key's JWK (RFC 7638).
fn thumbprint(key: &VerifyingKey) -> String {
    let jwk = json::read(jwk::of(key).as_bytes()).ok();
    let text = jwk.and_then(|jwk| json::canonical(&jwk)).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

struct Unsigned<'a> {
    document: &'a [u8],
    header: String,
    is_detached: bool,
}

impl Preparation for Unsigned<'_> {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        let [header, document] = [self.header.as_bytes(), self.document];
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(document)).into()
    }

    /// Without a line end, which some readers reject.
    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let document: &[u8] = if self.is_detached { b"" } else { self.document };
        let signature = signatures.first().map(Signature::as_bytes).unwrap_or_default();
        let parts = [self.header.as_bytes(), document, signature];
        parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".").into()
    }

    fn preview(&self) -> Option<Preview> {
        let document = json::read(self.document).ok()?;
        let claims: Vec<_> = CLAIMS.iter().filter(|it| document.get(**it).is_some()).collect();
        let mut preview = Preview::of("JSON Web Token");
        for claim in &claims {
            preview = preview.field(claim, document.get(**claim)?.to_string());
        }
        let warning = "programs that trust the group's key can take this as a token, with which \
                       somebody logs in";
        (!claims.is_empty()).then(|| preview.warn(warning))
    }
}

/// The registered claims of tokens (RFC 7519 §4.1).
const CLAIMS: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

#[derive(Debug)]
struct JwsSignature {
    header: String,
    kind: KeyKind,
    /// `None`: it is beside the file.
    document: Option<Vec<u8>>,
    signature: Vec<u8>,
}

/// Reads three parts between two dots. `None` for files that are something else, or of the other
/// format.
fn read(file: &[u8], detached: bool) -> Option<Result<Box<dyn Found>, ReadError>> {
    let text = str::from_utf8(file.trim_ascii_end()).ok()?;
    let mut parts = text.split('.');
    let [header, document, signature] = [parts.next()?, parts.next()?, parts.next()?];
    if parts.next().is_some() || document.is_empty() != detached || header.is_empty() {
        return None;
    }
    let fields = json::read(&URL_SAFE_NO_PAD.decode(header).ok()?);
    let is_object = fields.as_ref().map_or(true, Value::is_object);
    let damaged = |reason: &str| ReadError::File("JWS", reason.to_owned());
    let found = || {
        let fields = fields.map_err(|_| damaged("its header is not JSON, or is ambiguous"))?;
        let decode =
            |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| damaged("a part is not in base64url"));
        Ok(JwsSignature {
            header: header.to_owned(),
            kind: algorithm(&fields).map_err(damaged)?,
            document: if detached { None } else { Some(decode(document)?) },
            signature: decode(signature)?,
        })
    };
    is_object.then(|| found().map(|found| Box::new(found) as Box<dyn Found>))
}

fn algorithm(header: &Value) -> Result<KeyKind, &'static str> {
    // Readers must reject what they do not implement (RFC 7515 §4.1.11), and this is nothing here.
    for extension in ["crit", "b64", "enc", "zip"] {
        if header.get(extension).is_some() {
            return Err("its header has an extension that is not supported");
        }
    }
    match header.get("alg").and_then(Value::as_str) {
        // RFC 8037, and its successor RFC 9864.
        Some("EdDSA" | "Ed25519") => Ok(KeyKind::Ed25519),
        Some("ES256") => Ok(KeyKind::EcdsaP256),
        Some("none") => Err("it is not signed: its algorithm is \"none\""),
        _ => Err("its algorithm is not EdDSA, Ed25519 or ES256"),
    }
}

impl Found for JwsSignature {
    fn document(&self) -> Option<&[u8]> {
        self.document.as_deref()
    }

    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        if key.kind() != self.kind {
            let name = |kind: KeyKind| format!("{kind} key");
            let (expected, found) = (name(key.kind()), name(self.kind));
            return Err(VerifyError::OtherKey { expected, found });
        }
        if self.document.as_ref().is_some_and(|inside| inside != document) {
            return Err(VerifyError::Mismatch);
        }
        let mut covered = self.header.clone();
        covered.push('.');
        URL_SAFE_NO_PAD.encode_string(document, &mut covered);
        key.verifies(covered.as_bytes(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::*;
    use crate::{Output, SignatureFile, prepare, verify};

    fn key() -> VerifyingKey {
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
        VerifyingKey::Ed25519(key.to_bytes())
    }

    fn output(text: &str) -> Output {
        text.parse().unwrap()
    }

    fn sign(document: &[u8], asked: &str) -> String {
        let (output, key) = (output(asked), key());
        let prepared = prepare(document, &output, &key).unwrap();
        let message = prepared.to_be_signed(&[]).unwrap();
        let signature = SigningKey::from_bytes(&[1; 32]).sign(&message).to_bytes();
        let file = prepared.finish(&[Signature::Ed25519(signature)]).unwrap();
        String::from_utf8(file).unwrap()
    }

    /// A file with this header, correctly signed.
    fn with_header(header: &str) -> String {
        let covered = format!("{}.YQ", URL_SAFE_NO_PAD.encode(header));
        let signature = SigningKey::from_bytes(&[1; 32]).sign(covered.as_bytes()).to_bytes();
        format!("{covered}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// RFC 8037 appendix A.2 and A.3.
    #[test]
    fn the_key_id_is_the_thumbprint_of_the_rfc() {
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let key = VerifyingKey::from_hex(key).unwrap();
        assert_eq!(thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_detached_file_verifies_with_its_document_only() {
        let compact = sign(b"a release", "jws");
        let (beginning, rest) = compact.split_once('.').unwrap();
        let detached = format!("{beginning}..{}", rest.split_once('.').unwrap().1);
        assert_eq!(sign(b"a release", "jws-detached"), detached);
        for (file, asked) in [(&compact, "jws"), (&detached, "jws-detached")] {
            for end in ["", "\n"] {
                let file = format!("{file}{end}");
                verify(b"a release", file.as_bytes(), &key(), &output(asked)).unwrap();
                let changed = verify(b"a releasf", file.as_bytes(), &key(), &output(asked));
                assert!(matches!(changed, Err(VerifyError::Mismatch)));
            }
        }
        let empty = prepare(b"", &output("jws"), &key()).map(drop);
        assert!(matches!(empty, Err(Unsignable::Content { format: "jws", .. })));
        let file = sign(b"", "jws-detached");
        verify(b"", file.as_bytes(), &key(), &output("jws-detached")).unwrap();
    }

    #[test]
    fn a_header_that_asks_for_something_else_is_refused() {
        let good = with_header(r#"{"alg":"Ed25519","typ":"JWT","x":1}"#);
        verify(b"a", good.as_bytes(), &key(), &output("jws")).unwrap();
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"EdDSA","alg":"none"}"#,
            r#"{"alg":["EdDSA"]}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#,
            r#"{"alg":"EdDSA","crit":[]}"#,
            r#"{"alg":"EdDSA","b64":true}"#,
        ] {
            let file = with_header(header);
            assert!(
                matches!(SignatureFile::read(file.as_bytes()), Err(ReadError::File("JWS", _))),
                "{header}"
            );
        }
        let file = with_header(r#"{"alg":"ES256"}"#);
        let result = verify(b"a", file.as_bytes(), &key(), &output("jws"));
        assert!(matches!(result, Err(VerifyError::OtherKey { .. })));
    }

    #[test]
    fn what_readers_take_as_a_token_is_pointed_out() {
        let preview =
            |document: &[u8]| prepare(document, &output("jws"), &key()).unwrap().preview();
        let shown = preview(br#"{"sub":"admin","exp":4000000000,"more":1}"#).unwrap();
        let values: Vec<_> = shown.fields.iter().map(|field| field.value.as_str()).collect();
        assert_eq!(values, ["\"admin\"", "4000000000"]);
        assert!(shown.warning.is_some());
        assert_eq!((preview(b"{\"name\":1}"), preview(b"a contract")), (None, None));
    }

    proptest! {
        #[test]
        fn a_changed_file_is_refused_or_means_the_same(at: prop::sample::Index, with: u8) {
            let file = sign(b"a release", "jws").into_bytes();
            let mut changed = file.clone();
            let at = at.index(changed.len());
            changed[at] = with;
            if let Ok(found) = SignatureFile::read(&changed)
                && let Some(document) = found.document()
                && found.verify(document, &key(), None).is_ok()
            {
                prop_assert_eq!(changed, file);
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(text in "(eyJhbGciOiJFZERTQSJ9|[A-Za-z0-9_=-]{0,20}|\\.){0,9}") {
            if let Ok(file) = SignatureFile::read(text.as_bytes()) {
                prop_assert!(file.verify(b"", &key(), None).is_err());
            }
        }
    }
}
