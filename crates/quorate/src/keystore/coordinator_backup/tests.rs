//! A backup of a coordinator: it distinguishes a wrong passphrase from damage, and detects changes.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::file_problem::FileProblem;
use crate::keystore::{Cost, Passphrase, PassphraseProtector};

static_assertions::assert_not_impl_any!(CoordinatorBackupFile: Clone, serde::Serialize);

fn protector(passphrase: &str) -> PassphraseProtector {
    let passphrase = Passphrase::new(Zeroizing::new(passphrase.as_bytes().to_vec())).unwrap();
    PassphraseProtector::new(passphrase, Cost::INSECURE)
}

fn backup() -> Vec<u8> {
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    let path = Path::new("acme.backup");
    CoordinatorBackupFile::seal(path, b"the label", b"the keys", &protector("sesame"), rng).unwrap()
}

fn open(bytes: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    CoordinatorBackupFile::read(Path::new("acme.backup"), bytes)?.open(&protector(passphrase))
}

#[test]
fn a_backup_opens_with_its_passphrase_only() {
    let bytes = backup();
    let file = CoordinatorBackupFile::read(Path::new("acme.backup"), &bytes).unwrap();
    assert_eq!(file.label(), b"the label");
    assert_eq!(open(&bytes, "sesame").unwrap().as_slice(), b"the keys");
    let wrong = open(&bytes, "other").unwrap_err();
    assert!(matches!(
        wrong,
        KeystoreError::Protector { source: ProtectorError::WrongPassphrase, .. }
    ));
    let contains = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(contains(b"the label") && !contains(b"the keys"));
}

#[test]
fn every_changed_byte_and_every_cut_is_found() {
    let whole = backup();
    let magic = KIND.magic.len();
    for index in 0..whole.len() {
        let mut changed = whole.clone();
        changed[index] ^= 1;
        let error = open(&changed, "sesame").unwrap_err();
        let is_right = match index < magic {
            true => matches!(error, KeystoreError::OtherKind { .. }),
            false => matches!(error, KeystoreError::File(FileProblem::Damaged { .. })),
        };
        assert!(is_right, "byte {index}: {error}");
        let error = open(&whole[..index], "sesame").unwrap_err();
        assert!(matches!(error, KeystoreError::File(FileProblem::Damaged { .. })), "{error}");
    }
}

#[test]
fn a_changed_label_with_a_new_digest_is_found() {
    let mut body = KIND.body(Path::new("x"), &backup()).unwrap().to_vec();
    let position = body.windows(5).position(|part| part == b"label").unwrap();
    body[position] ^= 1;
    let error = open(&KIND.file(&body), "sesame").unwrap_err();
    assert!(matches!(error, KeystoreError::File(FileProblem::Damaged { .. })), "{error}");
}
