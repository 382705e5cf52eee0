//! `prepare`, sign, `finish`, `verify`: what must hold and what must be rejected.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use quorate_documents::{
    Format, Output, ReadError, Signature, SignatureFile, Unsignable, VerifyError, VerifyingKey,
    prepare, verify,
};

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(signer: &SigningKey) -> VerifyingKey {
    VerifyingKey::Ed25519(signer.verifying_key().to_bytes())
}

fn format(name: &str) -> Format {
    name.parse().unwrap()
}

fn raw() -> Output {
    "raw".parse().unwrap()
}

fn ssh(namespace: &str) -> Output {
    Output::new(format("ssh"), Some(namespace)).unwrap()
}

fn outputs() -> [Output; 7] {
    let minisign = ["minisign", "minisign?at=1767225600"].map(|text| text.parse().unwrap());
    let [plain, dated] = minisign;
    let [dsse, jws] = ["dsse", "jws-detached"].map(|text| text.parse().unwrap());
    [raw(), ssh("file"), ssh("contract@example.com"), plain, dated, dsse, jws]
}

/// The signatures that a file takes, one after the other.
fn signatures(document: &[u8], output: &Output, signer: &SigningKey) -> Vec<Signature> {
    let key = public(signer);
    let prepared = prepare(document, output, &key).unwrap();
    let mut made = Vec::new();
    for _ in 0..prepared.signatures() {
        let message = prepared.to_be_signed(&made).unwrap();
        made.push(Signature::Ed25519(signer.sign(&message).to_bytes()));
    }
    assert!(prepared.to_be_signed(&made).is_err());
    made
}

fn sign(document: &[u8], output: &Output, signer: &SigningKey) -> Vec<u8> {
    let made = signatures(document, output, signer);
    prepare(document, output, &public(signer)).unwrap().finish(&made).unwrap()
}

#[test]
fn an_empty_document_can_be_signed() {
    for output in outputs() {
        let file = sign(b"", &output, &signer(1));
        verify(b"", &file, &public(&signer(1)), &output).unwrap();
    }
}

#[test]
fn a_signature_over_other_bytes_is_never_released() {
    for output in outputs() {
        let made = signatures(b"one", &output, &signer(1));
        let finish = |document: &[u8], by: u8, made: &[Signature]| {
            let key = public(&signer(by));
            prepare(document, &output, &key).unwrap().finish(made).map(drop)
        };
        assert!(finish(b"one", 1, &made).is_ok());
        assert!(finish(b"two", 1, &made).is_err());
        assert!(finish(b"one", 2, &made).is_err());
        assert!(finish(b"one", 1, &[]).is_err());
        assert!(finish(b"one", 1, &[made.clone(), made.clone()].concat()).is_err());
    }
}

#[test]
fn a_file_by_another_key_names_both_keys() {
    let file = sign(b"contract", &ssh("file"), &signer(1));
    match verify(b"contract", &file, &public(&signer(2)), &ssh("file")) {
        Err(VerifyError::OtherKey { expected, found }) => {
            assert_eq!(expected, public(&signer(2)).to_string());
            assert_eq!(found, public(&signer(1)).to_string());
        }
        result => panic!("{result:?}"),
    }
    let file = sign(b"contract", &raw(), &signer(1));
    assert!(matches!(
        verify(b"contract", &file, &public(&signer(2)), &raw()),
        Err(VerifyError::Mismatch)
    ));
}

#[test]
fn a_file_for_another_namespace_or_format_is_refused() {
    let key = public(&signer(1));
    let file = sign(b"contract", &ssh("git"), &signer(1));
    assert!(matches!(
        verify(b"contract", &file, &key, &ssh("file")),
        Err(VerifyError::OtherNamespace { expected, found }) if expected == "file" && found == "git"
    ));
    assert!(matches!(
        verify(b"contract", &file, &key, &raw()),
        Err(VerifyError::OtherFormat { expected, found }) if expected == "raw" && found == "ssh"
    ));
    let file = sign(b"contract", &raw(), &signer(1));
    assert!(matches!(
        verify(b"contract", &file, &key, &ssh("file")),
        Err(VerifyError::OtherFormat { expected, found }) if expected == "ssh" && found == "raw"
    ));
}

#[test]
fn files_say_what_they_are() {
    let file = SignatureFile::read(&sign(b"x", &raw(), &signer(1))).unwrap();
    assert_eq!(
        (file.format(), file.verifying_key(), file.namespace()),
        (format("raw"), None, None)
    );
    let ssh = SignatureFile::read(&sign(b"x", &ssh("git"), &signer(1))).unwrap();
    assert_eq!(ssh.format(), format("ssh"));
    assert_eq!(ssh.verifying_key(), Some(public(&signer(1))));
    assert_eq!(ssh.namespace(), Some("git"));
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(matches!(
        verify(b"anything", &signature, &VerifyingKey::Ed25519(identity), &raw()),
        Err(VerifyError::UnusableKey)
    ));
}

#[test]
fn other_files_are_not_taken_for_signatures() {
    for file in [&b""[..], &[0; 63], &[0; 65], b"-----BEGIN PGP MESSAGE-----\n", &[0xFF; 1000]] {
        assert!(matches!(
            SignatureFile::read(file),
            Err(ReadError::Unrecognised { length }) if length == file.len()
        ));
    }
    assert!(matches!(
        SignatureFile::read(b"-----BEGIN PGP SIGNATURE-----\n"),
        Err(ReadError::Pgp(_))
    ));
    assert!(matches!(
        SignatureFile::read(b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"),
        Err(ReadError::Ssh(_))
    ));
}

#[test]
fn windows_line_endings_and_leading_white_space_do_not_matter() {
    let file = sign(b"contract", &ssh("file"), &signer(1));
    let text = format!("\r\n{}", String::from_utf8(file).unwrap().replace('\n', "\r\n"));
    verify(b"contract", text.as_bytes(), &public(&signer(1)), &ssh("file")).unwrap();
}

#[test]
fn lines_of_any_length_are_read() {
    let file = String::from_utf8(sign(b"contract", &ssh("file"), &signer(1))).unwrap();
    let body: String = file.lines().filter(|line| !line.starts_with("-----")).collect();
    for width in [1, 64, 69, 70, 71, 76, body.len()] {
        let lines: Vec<_> =
            body.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let file = format!(
            "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
            lines.join("\n")
        );
        verify(b"contract", file.as_bytes(), &public(&signer(1)), &ssh("file")).unwrap();
    }
}

#[test]
fn text_after_a_signature_is_not_part_of_it() {
    let mut file = sign(b"contract", &ssh("file"), &signer(1));
    file.extend(b"-- \nsent from a phone\n");
    verify(b"contract", &file, &public(&signer(1)), &ssh("file")).unwrap();
    let within = String::from_utf8(file).unwrap().replacen('\n', "\nsent from a phone\n", 1);
    assert!(verify(b"contract", within.as_bytes(), &public(&signer(1)), &ssh("file")).is_err());
}

#[test]
fn a_version_that_was_never_defined_is_refused() {
    let file = String::from_utf8(sign(b"contract", &ssh("file"), &signer(1))).unwrap();
    for (version, other) in [("AAAAAQ", "AAAAAA"), ("AAAAAQ", "AAAAAg")] {
        let changed = file.replacen(version, other, 1);
        assert!(SignatureFile::read(changed.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn wrong_inner_lengths_are_refused_as_ssh_keygen_does() {
    let file = String::from_utf8(sign(b"contract", &ssh("file"), &signer(1))).unwrap();
    // The length of the signature, 00 00 00 53 after "sha512", becomes 00 0f 80 53.
    let changed: String =
        file.split_whitespace().collect::<String>().replace("NTEyAAAAUw", "NTEyAA+AUw");
    assert_ne!(changed, file.split_whitespace().collect::<String>());
    let body = changed.split("-----").nth(2).unwrap();
    let lines: Vec<_> =
        body.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let changed = format!(
        "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
        lines.join("\n")
    );
    assert!(matches!(SignatureFile::read(changed.as_bytes()), Err(ReadError::Ssh(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_verifies(document: Vec<u8>, seed: u8, which in 0_usize..7) {
        // 64 bytes are not signed raw.
        prop_assume!(document.len() != 64);
        let output = &outputs()[which];
        let file = sign(&document, output, &signer(seed));
        verify(&document, &file, &public(&signer(seed)), output).unwrap();
    }

    #[test]
    fn preparing_again_gives_the_same_bytes(document: Vec<u8>, which in 0_usize..7) {
        // 64 bytes are not signed raw.
        prop_assume!(document.len() != 64);
        let output = &outputs()[which];
        let key = public(&signer(1));
        let bytes = || prepare(&document, output, &key).unwrap().to_be_signed(&[]).unwrap();
        prop_assert_eq!(bytes(), bytes());
    }

    #[test]
    fn a_flipped_bit_of_the_document_is_noticed(
        document in proptest::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, bit in 0_u32..8, which in 0_usize..7,
    ) {
        // 64 bytes are not signed raw.
        prop_assume!(document.len() != 64);
        let output = &outputs()[which];
        let file = sign(&document, output, &signer(1));
        let mut changed = document;
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        prop_assert!(matches!(
            verify(&changed, &file, &public(&signer(1)), output),
            Err(VerifyError::Mismatch)
        ));
    }

    #[test]
    fn a_flipped_bit_of_a_raw_signature_is_noticed(at in 0_usize..64, bit in 0_u32..8) {
        let mut file = sign(b"contract", &raw(), &signer(1));
        file[at] ^= 1 << bit;
        prop_assert!(verify(b"contract", &file, &public(&signer(1)), &raw()).is_err());
    }

    #[test]
    fn a_changed_ssh_file_is_refused_or_means_the_same(at: prop::sample::Index, with: u8) {
        let file = sign(b"contract", &ssh("file"), &signer(1));
        let mut changed = file.clone();
        let at = at.index(changed.len());
        changed[at] = with;
        if verify(b"contract", &changed, &public(&signer(1)), &ssh("file")).is_ok() {
            // In a file that still verifies, only white space of the armor can differ, and what
            // follows the armor.
            let armor = |file: &[u8]| -> String {
                let text: String = String::from_utf8_lossy(file).split_ascii_whitespace().collect();
                text.split_inclusive("-----ENDSSHSIGNATURE-----").next().unwrap().to_owned()
            };
            prop_assert_eq!(armor(&changed), armor(&file));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(file: Vec<u8>) {
        let _ = SignatureFile::read(&file);
        let armored = [b"-----BEGIN SSH SIGNATURE-----\n", &file[..], b"\n-----END SSH SIGNATURE-----\n"].concat();
        let _ = SignatureFile::read(&armored);
    }
}

#[test]
fn a_raw_document_that_means_something_else_is_refused() {
    let key = public(&signer(1));
    let refused =
        |document: &[u8], output: &Output| prepare(document, output, &key).map(drop).err();
    let output = ssh("file");
    let blob = prepare(b"a contract that nobody was shown", &output, &key).unwrap();
    let disguised = blob.to_be_signed(&[]).unwrap();
    assert_eq!(refused(&disguised, &raw()), Some(Unsignable::Ssh));
    assert_eq!(refused(&disguised, &ssh("file")), None, "an SSH signature covers its hash");
    let own = [b"quorate/own/activation/v1\0".as_slice(), &[7; 32]].concat();
    assert_eq!(refused(&own, &raw()), Some(Unsignable::Own));
    assert_eq!(refused(&own, &ssh("file")), None);
    assert_eq!(refused(&[7; 64], &raw()), Some(Unsignable::Hash));
    assert_eq!(refused(b"a contract", &raw()), None);
}
