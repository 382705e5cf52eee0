//! Tests of the metadata format. python-tuf is in `tests/python_verifiers.rs`.

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::{Output, SignatureFile, prepare, verify};

const TARGETS: &str = r#"{"signatures":[{"keyid":"ab","sig":"00"}],"signed":{"_type":"targets","spec_version":"1.0.31","version":3,"expires":"2030-01-31T00:00:00Z","targets":{"app.tgz":{"length":5,"hashes":{"sha256":"ab12"}}}},"x-note":"kept"}"#;

fn key(seed: u8) -> VerifyingKey {
    VerifyingKey::Ed25519(SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
}

fn output(text: &str) -> Output {
    text.parse().unwrap()
}

fn sign(document: &str, seed: u8) -> String {
    let (output, key) = (output("tuf"), key(seed));
    let prepared = prepare(document.as_bytes(), &output, &key).unwrap();
    let message = prepared.to_be_signed(&[]).unwrap();
    let signature = SigningKey::from_bytes(&[seed; 32]).sign(&message).to_bytes();
    String::from_utf8(prepared.finish(&[Signature::Ed25519(signature)]).unwrap()).unwrap()
}

fn refusal(document: &str, asked: &str) -> String {
    match prepare(document.as_bytes(), &output(asked), &key(1)) {
        Err(Unsignable::Content { format: "tuf", reason }) => reason,
        Err(error) => panic!("{error}"),
        Ok(_) => String::new(),
    }
}

#[test]
fn a_signature_is_added_and_the_others_are_kept() {
    let once = sign(TARGETS, 1);
    let twice = sign(&once, 2);
    assert_eq!(sign(&twice, 2), twice, "a signature of the same key is replaced");
    let value = json::read(twice.as_bytes()).unwrap();
    let ids: Vec<_> = signatures_in(&value["signatures"]).unwrap();
    let ids: Vec<_> = ids.into_iter().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(ids, ["ab".to_owned(), tuf_key::id(&key(1)), tuf_key::id(&key(2))]);
    assert_eq!(value["x-note"], "kept");
    for seed in [1, 2] {
        verify(TARGETS.as_bytes(), twice.as_bytes(), &key(seed), &output("tuf")).unwrap();
    }
    assert!(verify(TARGETS.as_bytes(), twice.as_bytes(), &key(3), &output("tuf")).is_err());
}

#[test]
fn changed_metadata_is_refused_and_white_space_is_not_a_change() {
    let file = sign(TARGETS, 1);
    let check = |document: &str, file: &str| {
        verify(document.as_bytes(), file.as_bytes(), &key(1), &output("tuf")).is_ok()
    };
    assert!(check(&file, &file) && check(TARGETS, &file.replace('\n', "")));
    for (from, to) in [("ab12", "ab13"), ("app.tgz", "app.tgs"), ("2030", "2031"), ("5", "6")] {
        assert!(!check(TARGETS, &file.replace(from, to)), "{from}");
        let both = file.replace(from, to);
        assert!(!check(&both, &both), "{from}");
    }
}

#[test]
fn what_is_no_metadata_is_refused_with_the_reason() {
    for (from, to, reason) in [
        ("", "", ""),
        (TARGETS, "a release", "JSON"),
        (TARGETS, "[]", "no JSON object"),
        (TARGETS, "{}", "\"signed\" and \"signatures\""),
        ("\"version\":3", "\"version\":3,\"version\":4", "twice"),
        ("\"version\":3", "\"version\":3.0", "not an integer"),
        ("\"version\":3", "\"version\":0", "from 1 on"),
        ("\"x-note\":\"kept\"", "\"x-note\":1e9", "not an integer"),
        ("\"_type\":\"targets\",", "", "_type"),
        ("\"_type\":\"targets\",", "\"_type\":\"mirrors\",", "not one of root"),
        ("1.0.31", "2.0", "spec_version"),
        ("2030-01-31T", "2030-02-30T", "expires"),
        ("T00:00:00Z", "T00:00:00+01:00", "expires"),
        ("T00:00:00Z", "T24:00:00Z", "expires"),
        ("{\"keyid\":\"ab\",\"sig\":\"00\"}", "{\"keyid\":\"ab\"}", "signatures"),
        ("[{", "[{\"keyid\":\"ab\",\"sig\":\"01\"},{", "each key stands once"),
    ] {
        let document = if from.is_empty() { TARGETS.to_owned() } else { TARGETS.replace(from, to) };
        let found = refusal(&document, "tuf");
        assert!(found.contains(reason) && found.is_empty() == reason.is_empty(), "{to}: {found}");
    }
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let deep = TARGETS.replace("\"kept\"", &deep);
    assert!(refusal(&deep, "tuf").contains("recursion limit"));
}

#[test]
fn expired_metadata_is_refused_as_of_its_request() {
    // 2030-01-31T00:00:00Z
    let expires = 1_896_048_000_u64;
    assert_eq!(refusal(TARGETS, &format!("tuf?at={}", expires - 1)), "");
    assert!(refusal(TARGETS, &format!("tuf?at={expires}")).contains("expired at 2030-01-31"));
    assert_eq!(output("tuf").dated(expires).to_string(), format!("tuf?at={expires}"));
    for text in ["", "at=", "at=-1", "at=01", "at=253402300800"] {
        assert!(format!("tuf?{text}").parse::<Output>().is_err(), "{text}");
    }
}

#[test]
fn targets_and_delegations_are_shown() {
    let delegation = r#""delegations":{"keys":{},"roles":[{"name":"beta","keyids":["cd"],"threshold":1,"paths":["beta/*"],"terminating":true}]},"targets""#;
    let document = TARGETS.replacen("\"targets\":{", &format!("{delegation}:{{"), 1);
    let shown = prepare(document.as_bytes(), &output("tuf"), &key(1)).unwrap().preview().unwrap();
    assert_eq!((shown.kind.as_str(), shown.warning), ("TUF targets metadata", None));
    let lines: Vec<_> = shown.fields.into_iter().map(|it| (it.name, it.value)).collect();
    let wanted = [
        ("version", "3"),
        ("expires", "2030-01-31T00:00:00Z"),
        ("target", "app.tgz 5 bytes sha256:ab12"),
        ("delegates to", "beta for beta/*: 1 of 1 keys: cd"),
    ];
    assert_eq!(lines, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let many: Vec<_> = (0..30).map(|number| format!("\"{number}\":{{}}")).collect();
    let document = TARGETS.replace("\"app.tgz\":{", &format!("{},\"app.tgz\":{{", many.join(",")));
    let shown = prepare(document.as_bytes(), &output("tuf"), &key(1)).unwrap().preview().unwrap();
    assert!(shown.warning.unwrap().starts_with("11 more lines"));
}

#[test]
fn a_root_without_the_groups_key_is_pointed_out() {
    let described = tuf_key::described(&key(1));
    let root = |keys: Value| {
        json!({ "signatures": [], "signed": {
            "_type": "root", "spec_version": "1.0", "version": 1, "consistent_snapshot": true,
            "expires": "2030-01-31T00:00:00Z", "keys": keys,
            "roles": { "root": { "keyids": ["our"], "threshold": 1 } },
        }})
        .to_string()
    };
    let document = root(json!({ "our": described }));
    let warning = |document: &str| {
        let output = output("tuf");
        let preview = prepare(document.as_bytes(), &output, &key(1)).unwrap().preview();
        preview.unwrap().warning
    };
    assert_eq!(warning(&document), None);
    assert!(warning(&root(json!({}))).unwrap().contains("not among the keys"));
    // The root decides the id of a key.
    assert!(sign(&document, 1).contains("\"keyid\": \"our\""));
}

proptest! {
    #[test]
    fn a_changed_file_is_refused_or_means_the_same(at: prop::sample::Index, with: u8) {
        let file = sign(TARGETS, 1).into_bytes();
        let mut changed = file.clone();
        let at = at.index(changed.len());
        changed[at] = with;
        if let Ok(found) = SignatureFile::read(&changed)
            && let Some(document) = found.document()
            && found.verify(document, &key(1), None).is_ok()
        {
            let signed = |file: &[u8]| json::read(file).unwrap()["signed"].clone();
            prop_assert_eq!(signed(&changed), signed(&file));
        }
    }

    #[test]
    fn writer_and_reader_agree_on_the_canonical_text(text in "\\PC{0,20}[\\x00-\\x1f\"\\\\/]{0,9}", number: i64) {
        let value = json!({ "signed": { "b": text, text.clone(): [number, null, true], "a": {} } });
        prop_assert_eq!(covered(&value), json::canonical(&value["signed"]));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        text in "([\\[\\]{}:,\"]|\"signed\":|\"signatures\":|\"_type\":|\"keyid\":|[a-z0-9]){0,30}",
    ) {
        let file = format!("{{{text}}}");
        if let Ok(file) = SignatureFile::read(file.as_bytes()) {
            prop_assert!(file.verify(b"", &key(1), None).is_err());
        }
        let _ = prepare(file.as_bytes(), &output("tuf"), &key(1)).map(drop);
    }
}
