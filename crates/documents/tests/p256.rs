//! Signatures by P-256 keys: which formats have them, what must be rejected, and that openssl and
//! ssh-keygen accept them.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use proptest::prelude::*;
use quorate_documents::{
    Format, KeyKind, Namespace, Output, Signature, SignatureFile, Unsignable, VerifyError,
    VerifyingKey, keys, prepare, verify,
};
use tempfile::TempDir;

const DOCUMENT: &[u8] = b"a contract\n";
/// The order of the group, big-endian (SEC 2 §2.4.2).
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> VerifyingKey {
    let point = signer(seed).verifying_key().to_encoded_point(true);
    VerifyingKey::from_bytes(point.as_bytes()).unwrap()
}

fn output(text: &str) -> Output {
    text.parse().unwrap()
}

fn numbers(message: &[u8], seed: u8) -> [u8; 64] {
    let signature: p256::ecdsa::Signature = signer(seed).sign(message);
    signature.to_bytes().into()
}

fn sign(document: &[u8], asked: &str, seed: u8) -> Vec<u8> {
    let (key, output) = (public(seed), output(asked));
    let prepared = prepare(document, &output, &key).unwrap();
    let message = prepared.to_be_signed(&[]).unwrap();
    prepared.finish(&[Signature::EcdsaP256(numbers(&message, seed))]).unwrap()
}

/// A DER INTEGER with exactly these bytes.
fn integer(bytes: &[u8]) -> Vec<u8> {
    [&[2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    let all = parts.concat();
    [&[0x30, u8::try_from(all.len()).unwrap()], all.as_slice()].concat()
}

/// The bytes of a positive DER INTEGER.
fn shortest(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let rest = &number[zeros.min(number.len() - 1)..];
    if rest[0] >= 0x80 { [&[0], rest].concat() } else { rest.to_vec() }
}

fn der(numbers: &[u8; 64]) -> Vec<u8> {
    sequence(&[&numbers[..32], &numbers[32..]].map(|number| integer(&shortest(number))))
}

/// The order minus `number`.
fn negated(number: &[u8]) -> Vec<u8> {
    let order = hex::decode(ORDER).unwrap();
    let mut borrow = false;
    let mut result = vec![0; 32];
    for at in (0..32).rev() {
        let (difference, one) = order[at].overflowing_sub(number[at]);
        let (difference, two) = difference.overflowing_sub(u8::from(borrow));
        (result[at], borrow) = (difference, one || two);
    }
    result
}

#[test]
fn the_length_of_a_key_and_of_a_signature_tells_its_kind() {
    let ed25519 = VerifyingKey::from_bytes(&[7; 32]).unwrap();
    assert_eq!((ed25519.kind(), public(1).kind()), (KeyKind::Ed25519, KeyKind::EcdsaP256));
    assert_eq!(VerifyingKey::from_hex(&public(1).to_string()), Some(public(1)));
    assert_eq!(public(1).signature(&[7; 64]), Some(Signature::EcdsaP256([7; 64])));
    assert_eq!(ed25519.signature(&[7; 64]), Some(Signature::Ed25519([7; 64])));
    for length in [0, 31, 34, 64, 65] {
        assert_eq!(VerifyingKey::from_bytes(&vec![2; length]), None);
    }
    assert_eq!((public(1).signature(&[7; 63]), public(1).signature(&[7; 65])), (None, None));
}

#[test]
fn formats_without_p256_name_those_that_have_it() {
    for format in Format::ALL.iter().copied() {
        let accepts = format.accepts(KeyKind::EcdsaP256);
        let has_none = ["minisign", "ssh-agent", "pgp", "pgp-text", "pgp-certificate"];
        assert_eq!(accepts.is_err(), has_none.contains(&format.name()), "{format}");
        let Err(error) = accepts else { continue };
        let output = Output::new(format, None).unwrap();
        match prepare(DOCUMENT, &output, &public(1)) {
            Err(Unsignable::KeyKind(found)) => assert_eq!(found, error),
            _ => panic!("{format} was prepared"),
        }
        let message = error.to_string();
        assert!(message.contains("by Ed25519 keys only"), "{message}");
        assert!(message.contains("one of the formats for ECDSA P-256: raw, ssh, cms"), "{message}");
    }
    assert!(keys::to_minisign(&public(1)).unwrap_err().to_string().contains("pem, jwk or ssh"));
}

#[test]
fn a_signature_by_the_other_kind_of_key_is_refused() {
    let (key, output) = (public(1), output("raw"));
    let made = Signature::Ed25519(numbers(DOCUMENT, 1));
    assert!(prepare(DOCUMENT, &output, &key).unwrap().finish(&[made]).is_err());
    for format in ["raw", "ssh"] {
        let file = SignatureFile::read(&sign(DOCUMENT, format, 1)).unwrap();
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key();
        let other = VerifyingKey::Ed25519(ed25519.to_bytes());
        assert!(file.verify(DOCUMENT, &other, Some("file")).is_err());
    }
    let minisign = b"untrusted comment: signature\nRUQ=\ntrusted comment: a\nAAAA\n";
    assert!(verify(DOCUMENT, minisign, &public(1), &"minisign".parse().unwrap()).is_err());
}

#[test]
fn a_file_by_another_key_or_over_another_document_is_refused() {
    for format in ["raw", "ssh", "ssh:git"] {
        let (file, output) = (sign(DOCUMENT, format, 1), output(format));
        verify(DOCUMENT, &file, &public(1), &output).unwrap();
        assert!(verify(b"a contract", &file, &public(1), &output).is_err());
        assert!(verify(DOCUMENT, &file, &public(2), &output).is_err());
    }
    let file = SignatureFile::read(&sign(DOCUMENT, "ssh", 1)).unwrap();
    assert_eq!(file.verifying_key(), Some(public(1)));
}

#[test]
fn points_that_are_none_verify_nothing() {
    let prime = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    let file = sign(DOCUMENT, "raw", 1);
    for (text, what) in [
        (format!("00{}", "00".repeat(32)), "infinity"),
        (format!("02{}", "ff".repeat(32)), "a coordinate above the prime"),
        (format!("02{prime}"), "the prime itself"),
        (format!("03{}", hex::encode([1; 32])), "no square"),
        (format!("04{}", &public(1).to_string()[2..]), "an unknown first byte"),
        (format!("05{}", &public(1).to_string()[2..]), "another unknown first byte"),
    ] {
        let key = VerifyingKey::from_hex(&text).unwrap();
        let verified = verify(DOCUMENT, &file, &key, &output("raw"));
        assert!(matches!(verified, Err(VerifyError::UnusableKey)), "{what}: {verified:?}");
        assert!(matches!(keys::read(&text), Err(keys::KeyError::NotAPoint)), "{what}");
        assert!(keys::read(&keys::to_pem(&key)).is_err(), "{what}");
        assert!(keys::read(&keys::to_jwk(&key)).is_err(), "{what}");
    }
}

#[test]
fn numbers_that_no_signature_has_are_refused() {
    let order: [u8; 32] = hex::decode(ORDER).unwrap().try_into().unwrap();
    let good = numbers(DOCUMENT, 1);
    let (r, s) = (&good[..32], &good[32..]);
    let mut above = order;
    above[31] += 1;
    for (r, s) in [
        (&[0; 32][..], s),
        (r, &[0; 32]),
        (&[0; 32], &[0; 32]),
        (&order, s),
        (r, &order),
        (&above, s),
        (r, &above),
        (&[0xff; 32], &[0xff; 32]),
        (s, r),
    ] {
        let bad: [u8; 64] = [r, s].concat().try_into().unwrap();
        let (key, output) = (public(1), output("raw"));
        let prepared = prepare(DOCUMENT, &output, &key).unwrap();
        assert!(prepared.finish(&[Signature::EcdsaP256(bad)]).is_err(), "{}", hex::encode(bad));
        assert!(verify(DOCUMENT, &der(&bad), &public(1), &output).is_err());
    }
}

#[test]
fn other_encodings_of_a_signature_are_refused() {
    let good = numbers(DOCUMENT, 1);
    let file = der(&good);
    let accepted = |file: &[u8]| verify(DOCUMENT, file, &public(1), &output("raw")).is_ok();
    assert!(accepted(&file));
    let parts = [&good[..32], &good[32..]].map(shortest);
    let [r, s] = [&parts[0], &parts[1]].map(|part| integer(part));
    let longer = integer(&[&[0], parts[0].as_slice()].concat());
    let negative = integer(&[&[0xff], parts[0].as_slice()].concat());
    let null = vec![5, 0];
    for bad in [
        sequence(&[longer, s.clone()]),
        sequence(&[negative, s.clone()]),
        sequence(&[integer(&[0]), s.clone()]),
        sequence(&[integer(&[]), s.clone()]),
        sequence(std::slice::from_ref(&r)),
        sequence(&[r.clone(), s.clone(), null.clone()]),
        [file.clone(), null].concat(),
        [file.clone(), vec![0]].concat(),
        file[..file.len() - 1].to_vec(),
        // A length in two bytes, and the indefinite one of BER.
        [&[0x30, 0x81], &file[1..]].concat(),
        [&[0x30, 0x80], &file[2..], &[0, 0]].concat(),
        [&[0x31], &file[1..]].concat(),
        good.to_vec(),
    ] {
        assert!(!accepted(&bad), "{}", hex::encode(bad));
    }
}

#[test]
fn our_files_have_the_low_s_and_others_may_have_either() {
    let half = "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8";
    for seed in 1..9 {
        let (key, asked) = (public(seed), output("raw"));
        let low = numbers(DOCUMENT, seed);
        let high = [&low[..32], &negated(&low[32..])].concat();
        let [low, high]: [[u8; 64]; 2] = if hex::encode(&low[32..]).as_str() <= half {
            [low, high.try_into().unwrap()]
        } else {
            [high.try_into().unwrap(), low]
        };
        let prepared = prepare(DOCUMENT, &asked, &key).unwrap();
        for made in [low, high] {
            assert_eq!(prepared.finish(&[Signature::EcdsaP256(made)]).unwrap(), der(&low));
        }
        verify(DOCUMENT, &der(&high), &key, &asked).unwrap();
    }
}

#[test]
fn keys_of_other_curves_and_parameters_are_refused() {
    let jwk = keys::to_jwk(&public(1));
    let pem = keys::to_pem(&public(1));
    for text in [
        jwk.replace("P-256", "P-384"),
        jwk.replace("\"kty\":\"EC\"", "\"kty\":\"OKP\""),
        jwk.replace("\"y\"", "\"z\""),
        jwk.replace("\"y\":\"", "\"y\":\"AA"),
        // The OID of secp256k1 instead.
        pem.replace("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE"),
        pem.replacen("DQgAE", "DQgAF", 1),
    ] {
        assert!(keys::read(&text).is_err(), "{text}");
    }
    let private = jwk.replace("\"kty\"", "\"d\":\"AA\",\"kty\"");
    assert!(matches!(keys::read(&private), Err(keys::KeyError::PrivateKey)));
}

proptest! {
    #[test]
    fn every_notation_of_a_p256_key_reads_back(seed in 1_u8..255, comment in "[a-z @.]{0,20}") {
        let key = public(seed);
        prop_assert_eq!(keys::read(&keys::to_pem(&key)).unwrap(), key);
        prop_assert_eq!(keys::read(&keys::to_ssh(&key, &comment).unwrap()).unwrap(), key);
        prop_assert_eq!(keys::read(&keys::to_jwk(&key)).unwrap(), key);
        prop_assert_eq!(keys::read(&key.to_string()).unwrap(), key);
    }

    #[test]
    fn a_changed_p256_file_is_refused(at: prop::sample::Index, bit in 0_u32..8, seed in 1_u8..5) {
        for format in ["raw", "ssh"] {
            let file = sign(DOCUMENT, format, seed);
            let mut changed = file.clone();
            // The last byte of armor follows the signature.
            changed[at.index(file.len() - usize::from(format == "ssh"))] ^= 1 << bit;
            let verified = verify(DOCUMENT, &changed, &public(seed), &output(format));
            // White space in armor means nothing.
            let visible = |file: &[u8]| -> Vec<u8> {
                file.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
            };
            prop_assert!(verified.is_err() || visible(&changed) == visible(&file));
        }
    }

    #[test]
    fn no_bytes_make_the_ecdsa_readers_panic(bytes: Vec<u8>, point: [u8; 33]) {
        let framed = [&[0x30, bytes.len() as u8], bytes.as_slice()].concat();
        for file in [&bytes, &framed] {
            prop_assert!(verify(DOCUMENT, file, &public(1), &output("raw")).is_err());
        }
        let key = VerifyingKey::EcdsaP256(point);
        let _ = (keys::to_pem(&key), keys::to_jwk(&key), keys::to_ssh(&key, ""));
        let _ = prepare(DOCUMENT, &output("ssh"), &key).unwrap().finish(&[]);
    }
}

/// Whether `tool` can be started; prints to stderr if not.
fn installed(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command.arg("-?").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let found = command.status().is_ok();
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

fn run(directory: &Path, command: &str) -> std::process::Output {
    let words: Vec<&str> = command.split(' ').collect();
    let mut tool = Command::new(words[0]);
    tool.current_dir(directory).args(&words[1..]).output().unwrap()
}

#[test]
fn openssl_and_we_agree_on_raw_signatures() {
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let check = "openssl dgst -sha256 -verify key.pem -signature signature document";
    let accepted = |document: &[u8], file: &[u8], seed: u8| {
        std::fs::write(path.join("document"), document).unwrap();
        std::fs::write(path.join("signature"), file).unwrap();
        std::fs::write(path.join("key.pem"), keys::to_pem(&public(seed))).unwrap();
        run(path, check).status.success()
    };
    for document in [&b""[..], DOCUMENT, &[0; 100_000]] {
        let file = sign(document, "raw", 1);
        assert!(accepted(document, &file, 1));
        assert!(!accepted(document, &file, 2));
        assert!(!accepted(&[document, b"!"].concat(), &file, 1));
    }
    // The other way round, with a key that openssl made.
    let made = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out secret.pem";
    assert!(run(path, made).status.success());
    for form in ["uncompressed", "compressed"] {
        let export = format!("openssl ec -in secret.pem -pubout -conv_form {form}");
        let key = keys::read(&String::from_utf8(run(path, &export).stdout).unwrap()).unwrap();
        let file = run(path, "openssl dgst -sha256 -sign secret.pem document").stdout;
        let document = std::fs::read(path.join("document")).unwrap();
        verify(&document, &file, &key, &output("raw")).unwrap();
    }
}

#[test]
fn ssh_keygen_and_we_agree_on_p256_signatures() {
    if !installed("ssh-keygen") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let accepted = |document: &[u8], file: &[u8], seed: u8| {
        let namespaces = [Namespace::new("git").unwrap()];
        let line = keys::allowed_signers_line(&public(seed), "board", &namespaces).unwrap();
        std::fs::write(path.join("allowed"), line + "\n").unwrap();
        std::fs::write(path.join("document.sig"), file).unwrap();
        std::fs::write(path.join("document"), document).unwrap();
        let command = "-Y verify -f allowed -I board -n git -s document.sig";
        let mut tool = Command::new("ssh-keygen");
        tool.current_dir(path).args(command.split(' '));
        tool.stdin(std::fs::File::open(path.join("document")).unwrap());
        tool.output().unwrap().status.success()
    };
    // Some of these have numbers that begin with zeros, or with a bit that looks like a sign.
    for seed in 1..20 {
        let file = sign(DOCUMENT, "ssh:git", seed);
        assert!(accepted(DOCUMENT, &file, seed));
        assert!(!accepted(DOCUMENT, &file, seed + 1));
        assert!(!accepted(b"a contract", &file, seed));
    }
    let made = "ssh-keygen -q -t ecdsa -b 256 -N  -C me -f key";
    assert!(run(path, made).status.success());
    let sign = "ssh-keygen -q -Y sign -f key -n git document";
    std::fs::remove_file(path.join("document.sig")).unwrap();
    assert!(run(path, sign).status.success());
    let key = keys::read(&std::fs::read_to_string(path.join("key.pub")).unwrap()).unwrap();
    let file = std::fs::read(path.join("document.sig")).unwrap();
    verify(b"a contract", &file, &key, &output("ssh:git")).unwrap();
    std::fs::write(path.join("our.pub"), keys::to_ssh(&public(1), "board").unwrap()).unwrap();
    let shown = String::from_utf8(run(path, "ssh-keygen -l -f our.pub").stdout).unwrap();
    assert!(shown.ends_with("board (ECDSA)\n") && shown.starts_with("256 "), "{shown}");
}
