//! `dsse`: DSSE envelopes, version 1, as in-toto attestations use them.
//!
//! The file is the envelope in JSON, with the document in it. The signature covers the document and
//! its payload type, which is the namespace of the output.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;
use serde_json::Value;

use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{Namespace, OutputError, ReadError, Unsignable, VerifyError};
use crate::json;
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::meaning::DSSE;
use crate::preview::Preview;
use crate::tuf_key;

pub(crate) struct Dsse;

/// The payload type of in-toto statements.
const IN_TOTO: &str = "application/vnd.in-toto+json";

impl Definition for Dsse {
    fn name(&self) -> &'static str {
        "dsse"
    }

    fn purpose(&self) -> &'static str {
        "an envelope, for in-toto"
    }

    /// Not `intoto.jsonl`: payloads of other types have the same envelope, and such files are lists
    /// of envelopes.
    fn ending(&self) -> &'static str {
        "dsse.json"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        KeyKind::ALL
    }

    fn namespace(&self, given: Option<&str>) -> Result<Option<String>, OutputError> {
        let payload_type = Namespace::new(given.unwrap_or(IN_TOTO))?;
        Ok(Some(payload_type.into()))
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        asked: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let payload_type = asked.namespace.as_deref().unwrap_or(IN_TOTO);
        Ok(Box::new(Unsigned { document, payload_type, key }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        let has_type = || file.windows(FIELD.len()).any(|bytes| bytes == FIELD.as_bytes());
        if !file.trim_ascii_start().starts_with(b"{") || !has_type() {
            return None;
        }
        let Ok(value) = json::read(file) else {
            return Some(Err(damaged("it is not JSON, or a name stands in it twice")));
        };
        // Other files can have the name further inside.
        value.get("payloadType")?;
        Some(read(value).map(|found| Box::new(found) as Box<dyn Found>))
    }
}

const FIELD: &str = "\"payloadType\"";

fn damaged(reason: &str) -> ReadError {
    ReadError::File("DSSE", reason.to_owned())
}

struct Unsigned<'a> {
    document: &'a [u8],
    payload_type: &'a str,
    key: &'a VerifyingKey,
}

impl Preparation for Unsigned<'_> {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        let (kind, document) = (self.payload_type, self.document);
        let mut bytes = DSSE.to_vec();
        bytes.extend(format!("{} {kind} {} ", kind.len(), document.len()).as_bytes());
        bytes.extend(document);
        bytes
    }

    /// A namespace has no characters that JSON escapes.
    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let signature = signatures.first().map(tuf_key::signature_bytes).unwrap_or_default();
        let (payload, signature) = (STANDARD.encode(self.document), STANDARD.encode(signature));
        let (kind, id) = (self.payload_type, tuf_key::id(self.key));
        format!(
            r#"{{"payload":"{payload}","payloadType":"{kind}","signatures":[{{"keyid":"{id}","sig":"{signature}"}}]}}{}"#,
            "\n"
        )
        .into_bytes()
    }

    fn preview(&self) -> Option<Preview> {
        let plain = || Preview::of("DSSE payload").field("payload type", self.payload_type);
        if self.payload_type != IN_TOTO {
            return Some(plain());
        }
        let warning =
            "this claims to be an in-toto statement and is not one; look at the file itself";
        Some(statement(self.document).unwrap_or_else(|| plain().warn(warning)))
    }
}

/// Shows an in-toto statement, if the document is one.
fn statement(document: &[u8]) -> Option<Preview> {
    let value = json::read(document).ok()?;
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    if !text(&value, "_type")?.starts_with("https://in-toto.io/Statement/") {
        return None;
    }
    let mut preview = Preview::of("in-toto statement");
    preview = preview.field("predicate type", text(&value, "predicateType")?);
    let subjects = value.get("subject")?.as_array()?;
    if subjects.is_empty() {
        return None;
    }
    for (number, subject) in subjects.iter().enumerate() {
        let name = text(subject, "name").unwrap_or_else(|| "(without a name)".to_owned());
        let digests = subject.get("digest")?.as_object().filter(|digests| !digests.is_empty())?;
        let digests =
            digests.iter().map(|(name, value)| Some(format!("{name}:{}", value.as_str()?)));
        let digests = digests.collect::<Option<Vec<_>>>()?;
        if number < SUBJECTS {
            preview = preview.field("subject", format!("{name} {}", digests.join(" ")));
        }
    }
    match subjects.len().saturating_sub(SUBJECTS) {
        0 => Some(preview),
        more => Some(preview.warn(format!("{more} more subjects are not listed here"))),
    }
}

/// Subjects in a preview.
const SUBJECTS: usize = 20;

/// As the reader sees it. Readers ignore fields that they do not know, and key ids are hints.
#[derive(Deserialize)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Debug)]
struct DsseSignature {
    payload: Vec<u8>,
    payload_type: String,
    signatures: Vec<Vec<u8>>,
}

fn read(value: Value) -> Result<DsseSignature, ReadError> {
    let envelope = Envelope::deserialize(value);
    let envelope = envelope.map_err(|_| damaged("it is not an envelope"))?;
    if !(1..=SIGNATURES).contains(&envelope.signatures.len()) {
        return Err(damaged("it has no signature, or more than 64"));
    }
    let decode = |text: &str| STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    let encoded = |_| damaged("its base64 is damaged");
    let signatures = envelope.signatures.iter().map(|one| decode(&one.sig).map_err(encoded));
    Ok(DsseSignature {
        payload: decode(&envelope.payload).map_err(encoded)?,
        payload_type: envelope.payload_type,
        signatures: signatures.collect::<Result<_, _>>()?,
    })
}

/// The most signatures that are tried.
const SIGNATURES: usize = 64;

impl Found for DsseSignature {
    fn namespace(&self) -> Option<&str> {
        Some(&self.payload_type)
    }

    fn document(&self) -> Option<&[u8]> {
        Some(&self.payload)
    }

    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        namespace: Option<&str>,
    ) -> Result<(), VerifyError> {
        let expected = namespace.unwrap_or(IN_TOTO);
        if self.payload_type != expected {
            let (expected, found) = (expected.to_owned(), self.payload_type.clone());
            return Err(VerifyError::OtherNamespace { expected, found });
        }
        if self.payload != document {
            return Err(VerifyError::Mismatch);
        }
        let lengths = [self.payload_type.len(), self.payload.len()].map(|it| it.to_string());
        let [of_type, of_payload] = lengths.each_ref().map(String::as_bytes);
        let kind = self.payload_type.as_bytes();
        let covered = [b"DSSEv1".as_slice(), of_type, kind, of_payload, &self.payload].join(&b' ');
        let mut tried =
            self.signatures.iter().map(|signature| tuf_key::verifies(key, &covered, signature));
        tried.find(Result::is_ok).unwrap_or(Err(VerifyError::Mismatch))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::*;
    use crate::{Output, SignatureFile, prepare, verify};

    const STATEMENT: &str = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"app.tgz","digest":{"sha256":"ab12"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}"#;

    fn key() -> VerifyingKey {
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
        VerifyingKey::Ed25519(key.to_bytes())
    }

    fn output(text: &str) -> Output {
        text.parse().unwrap()
    }

    fn sign(document: &[u8], output: &Output) -> Vec<u8> {
        let key = key();
        let prepared = prepare(document, output, &key).unwrap();
        let message = prepared.to_be_signed(&[]).unwrap();
        let signature = SigningKey::from_bytes(&[1; 32]).sign(&message).to_bytes();
        prepared.finish(&[Signature::Ed25519(signature)]).unwrap()
    }

    fn preview(document: &str, output: &Output) -> Preview {
        prepare(document.as_bytes(), output, &key()).unwrap().preview().unwrap()
    }

    /// The example of the specification.
    #[test]
    fn the_signed_bytes_are_those_of_the_specification() {
        let (output, key) = (output("dsse:http://example.com/HelloWorld"), key());
        let prepared = prepare(b"hello world", &output, &key).unwrap();
        assert_eq!(
            prepared.to_be_signed(&[]).unwrap(),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn the_type_of_the_payload_is_signed_and_in_toto_by_default() {
        assert_eq!(output("dsse").to_string(), "dsse:application/vnd.in-toto+json");
        let file = sign(STATEMENT.as_bytes(), &output("dsse"));
        assert!(matches!(
            verify(STATEMENT.as_bytes(), &file, &key(), &output("dsse:text/plain")),
            Err(VerifyError::OtherNamespace { .. })
        ));
        let text = String::from_utf8(file).unwrap().replace(IN_TOTO, "text/plain");
        assert!(matches!(
            verify(STATEMENT.as_bytes(), text.as_bytes(), &key(), &output("dsse:text/plain")),
            Err(VerifyError::Mismatch)
        ));
    }

    #[test]
    fn a_statement_is_shown_with_its_subjects() {
        let shown = preview(STATEMENT, &output("dsse"));
        assert_eq!((shown.kind.as_str(), shown.warning), ("in-toto statement", None));
        let values: Vec<_> = shown.fields.into_iter().map(|field| field.value).collect();
        assert_eq!(values, ["https://slsa.dev/provenance/v1", "app.tgz sha256:ab12"]);
        let many = vec![r#"{"digest":{"sha256":"ab"}}"#; 23].join(",");
        let many = STATEMENT.replace(r#"{"name":"app.tgz","digest":{"sha256":"ab12"}}"#, &many);
        let shown = preview(&many, &output("dsse"));
        assert_eq!(shown.fields.len(), 1 + SUBJECTS);
        assert!(shown.warning.unwrap().starts_with("3 more"));
    }

    #[test]
    fn what_is_no_statement_is_called_that() {
        let twice = STATEMENT.replace(r#""predicate":{}"#, r#""subject":[]"#);
        let empty = STATEMENT.replace(r#"{"sha256":"ab12"}"#, "{}");
        for document in ["a contract", "{}", &twice, &empty] {
            assert!(preview(document, &output("dsse")).warning.is_some(), "{document}");
        }
        assert_eq!(preview("a contract", &output("dsse:text/plain")).warning, None);
    }

    #[test]
    fn an_envelope_that_says_two_things_is_refused() {
        let file = String::from_utf8(sign(b"a", &output("dsse"))).unwrap();
        let doubled = file.replacen('{', r#"{"payload":"Yg==","#, 1);
        assert!(matches!(SignatureFile::read(doubled.as_bytes()), Err(ReadError::File("DSSE", _))));
        let more = file.replacen('{', r#"{"more":1,"#, 1);
        verify(b"a", more.as_bytes(), &key(), &output("dsse")).unwrap();
    }

    #[test]
    fn raw_does_not_sign_what_an_envelope_covers() {
        let (dsse, raw, key) = (output("dsse"), output("raw"), key());
        let covered = prepare(b"a", &dsse, &key).unwrap().to_be_signed(&[]).unwrap();
        assert_eq!(prepare(&covered, &raw, &key).map(drop).err(), Some(Unsignable::Dsse));
    }

    proptest! {
        #[test]
        fn a_changed_file_is_refused_or_means_the_same(at: prop::sample::Index, with: u8) {
            let mut changed = sign(b"a release", &output("dsse"));
            let at = at.index(changed.len());
            changed[at] = with;
            if let Ok(file) = SignatureFile::read(&changed)
                && let Some(document) = file.document()
                && file.verify(document, &key(), Some(IN_TOTO)).is_ok()
            {
                prop_assert_eq!(document, b"a release");
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes: Vec<u8>, text in "([\\[\\]{}:,\"]|\"payload\":|\"signatures\":|\"sig\"|[a-z=]){0,20}",
        ) {
            for rest in [bytes.as_slice(), text.as_bytes()] {
                let file = [b"{\"payloadType\":\"a\",", rest].concat();
                if let Ok(file) = SignatureFile::read(&file) {
                    prop_assert!(file.verify(b"", &key(), None).is_err());
                }
                let _ = statement(rest);
            }
        }
    }
}
