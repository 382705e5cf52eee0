//! Signature files, public keys, names of formats, and stored documents.

use quorate::store::documents::{DocumentName, DocumentPackage};
use quorate_documents::keys::{self, to_jwk, to_pem, to_ssh};
use quorate_documents::{Format, Namespace, Output, Signature, SignatureFile, prepare, verify};

use super::story::{self, DOCUMENT, NAME, SALT};

/// Reads bytes as each of these.
pub fn run(bytes: &[u8]) -> bool {
    let mut accepted = false;
    if let Ok(file) = SignatureFile::read(bytes) {
        let _ = (file.format(), file.verifying_key(), file.namespace());
        accepted = true;
        let story = super::story();
        for output in ["raw".parse().unwrap(), story::output()] {
            if verify(DOCUMENT, bytes, &story.verifying_key, &output).is_ok() {
                // The group signed only what an SSH signature covers.
                assert_eq!(output, story::output());
            }
        }
    }
    if let Ok(package) = DocumentPackage::from_bytes(bytes) {
        assert_eq!(package.to_bytes(), bytes);
        assert_eq!(package.matches(story::document().commitment), bytes == self::package());
        accepted = true;
    }
    let agent: Output = "ssh-agent".parse().unwrap();
    if let Ok(prepared) = prepare(bytes, &agent, &super::story().verifying_key) {
        assert!(prepared.preview().is_some());
        accepted = true;
    }
    let Ok(text) = str::from_utf8(bytes) else { return accepted };
    if let Ok(key) = keys::read(text) {
        for written in
            [to_pem(&key), to_jwk(&key), to_ssh(&key, "someone").unwrap(), key.to_string()]
        {
            assert_eq!(keys::read(&written).unwrap(), key);
        }
        accepted = true;
    }
    accepted |= text.parse::<Format>().is_ok_and(|format| format.name() == text);
    accepted |= text.parse::<Namespace>().is_ok_and(|namespace| namespace.as_str() == text);
    accepted |= text.parse::<DocumentName>().is_ok_and(|name| name.as_str() == text);
    if let Ok(output) = serde_json::from_str::<Output>(text) {
        let written = serde_json::to_string(&output).unwrap();
        assert_eq!(serde_json::from_str::<Output>(&written).unwrap(), output);
    }
    accepted
}

pub fn package() -> Vec<u8> {
    let document = DOCUMENT.to_vec();
    DocumentPackage { salt: SALT, name: NAME.parse().unwrap(), note: None, document }.to_bytes()
}

pub fn signature_file() -> Vec<u8> {
    let story = super::story();
    let output = story::output();
    let prepared = prepare(DOCUMENT, &output, &story.verifying_key).unwrap();
    prepared.finish(&[Signature::Ed25519(story.signature)]).unwrap()
}

/// What an SSH signature covers, and what a client of an agent sends.
fn signed_blob() -> Vec<u8> {
    let output = story::output();
    let prepared = prepare(DOCUMENT, &output, &super::story().verifying_key).unwrap();
    prepared.to_be_signed(&[]).unwrap()
}

/// Returns the inputs with which a fuzzer begins.
pub fn seeds() -> Vec<Vec<u8>> {
    let key = super::story().verifying_key;
    vec![
        signature_file(),
        signed_blob(),
        super::story().signature.to_vec(),
        package(),
        to_pem(&key).into_bytes(),
        to_jwk(&key).into_bytes(),
        to_ssh(&key, "board").unwrap().into_bytes(),
        key.to_string().into_bytes(),
        br#""ssh:file""#.to_vec(),
        b"raw".to_vec(),
    ]
}
