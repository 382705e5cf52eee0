//! A node's key file: it opens with the passphrase, distinguishes a wrong one from damage, and is
//! never overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use sha2::{Digest, Sha256};

use super::*;
use crate::file_problem::FileProblem;
use crate::keystore::{Cost, Passphrase, PassphraseProtector};

static_assertions::assert_not_impl_any!(NodeKeys: Clone, serde::Serialize);
static_assertions::assert_not_impl_any!(KeyEncryptionKey: Clone, Copy, PartialEq, serde::Serialize);
static_assertions::assert_not_impl_any!(Passphrase: Clone, Copy, PartialEq, serde::Serialize);
static_assertions::assert_not_impl_any!(PackageSealer: Clone, serde::Serialize);

fn protector(passphrase: &str) -> PassphraseProtector {
    let passphrase = Passphrase::new(Zeroizing::new(passphrase.as_bytes().to_vec())).unwrap();
    PassphraseProtector::new(passphrase, Cost::INSECURE)
}

fn create(path: &Path, protector: &dyn KeyProtector) -> Result<NodeKeys, KeystoreError> {
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    let account = AccountSecrets::generate(rng);
    NodeKeys::create(path, account, Zeroizing::new(b"tls key".to_vec()), protector, rng)
}

fn new_file() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.sealed");
    create(&path, &protector("sesame")).unwrap();
    let bytes = fs::read(&path).unwrap();
    (directory, path, bytes)
}

fn open(path: &Path, passphrase: &str) -> Result<NodeKeys, KeystoreError> {
    NodeKeys::open(path, &protector(passphrase))
}

/// Changes the file deliberately, with a valid digest.
fn with_new_digest(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    let digest = Sha256::digest(&bytes);
    [bytes.as_slice(), &digest].concat()
}

#[test]
fn keys_come_back_with_the_passphrase() {
    let (_directory, path, bytes) = new_file();
    let (made, opened) = (
        create(&path.with_file_name("again"), &protector("x")).unwrap(),
        open(&path, "sesame").unwrap(),
    );
    assert_eq!(opened.account().public(), made.account().public());
    assert_eq!(opened.tls(), b"tls key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for secret in [made.account().identity.seed(), made.account().cosigner.seed()] {
        assert!(!bytes.windows(16).any(|window| window == &secret[..16]));
    }
    assert!(!bytes.windows(7).any(|window| window == b"tls key"));
}

#[test]
fn the_recommended_cost_works_and_opening_does_not_need_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.sealed");
    let passphrase = Passphrase::new(Zeroizing::new(b"sesame".to_vec())).unwrap();
    create(&path, &PassphraseProtector::new(passphrase, Cost::RECOMMENDED)).unwrap();
    assert!(open(&path, "sesame").is_ok());
}

#[test]
fn a_wrong_passphrase_differs_from_a_damaged_file() {
    let (_directory, path, bytes) = new_file();
    let error = open(&path, "Sesame").unwrap_err();
    let source = ProtectorError::WrongPassphrase;
    assert!(matches!(error, KeystoreError::Protector { source: s, .. } if s == source), "{error}");
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let error = open(&path, "sesame").unwrap_err();
        let in_magic = position < KIND.magic.len();
        let as_expected = match error {
            KeystoreError::OtherKind { .. } => in_magic,
            KeystoreError::File(FileProblem::Damaged { .. }) => !in_magic,
            _ => false,
        };
        assert!(as_expected, "{position}: {error}");
        assert!(fs::read(&path).unwrap() == damaged);
    }
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = open(&path, "sesame").unwrap_err();
        assert!(
            matches!(error, KeystoreError::File(FileProblem::Damaged { .. })),
            "{length}: {error}"
        );
    }
}

#[test]
fn what_was_changed_on_purpose_does_not_open() {
    let (_directory, path, bytes) = new_file();
    let start = KIND.magic.len() + 1;
    for position in start..bytes.len() - 32 {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        fs::write(&path, with_new_digest(changed)).unwrap();
        assert!(open(&path, "sesame").is_err(), "{position}");
    }
    // There was never a format 0, and a newer format is not reported as damaged.
    let mut newer = bytes;
    newer[start - 1] = 0;
    fs::write(&path, with_new_digest(newer.clone())).unwrap();
    let error = open(&path, "sesame").unwrap_err();
    assert!(matches!(error, KeystoreError::File(FileProblem::Damaged { .. })), "{error}");
    newer[start - 1] = 2;
    fs::write(&path, with_new_digest(newer)).unwrap();
    let error = open(&path, "sesame").unwrap_err();
    assert!(
        matches!(error, KeystoreError::File(FileProblem::Newer { found: 2, known: 1, .. })),
        "{error}"
    );
}

#[test]
fn missing_keys_are_not_damaged_and_existing_ones_stay() {
    let (directory, path, bytes) = new_file();
    let error = open(&directory.path().join("nothing"), "sesame").unwrap_err();
    assert!(matches!(error, KeystoreError::Missing(_)), "{error}");
    let error = create(&path, &protector("other")).unwrap_err();
    assert!(matches!(error, KeystoreError::Exists(_)), "{error}");
    fs::write(&path, b"").unwrap();
    let error = create(&path, &protector("other")).unwrap_err();
    assert!(matches!(error, KeystoreError::Exists(_)), "{error}");
    assert!(fs::read(&path).unwrap().is_empty() && !bytes.is_empty());
}

/// A different kind of protector.
struct Cabinet;

impl KeyProtector for Cabinet {
    fn kind(&self) -> u8 {
        200
    }

    fn protect(
        &self,
        key: &KeyEncryptionKey,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Vec<u8>, ProtectorError> {
        Ok(key.expose().to_vec())
    }

    fn unprotect(&self, protected: &[u8]) -> Result<KeyEncryptionKey, ProtectorError> {
        let mut rng = Fixed(protected.to_vec());
        Ok(KeyEncryptionKey::generate(&mut rng))
    }
}

/// Returns these bytes instead of random ones.
struct Fixed(Vec<u8>);

impl rand_core::RngCore for Fixed {
    fn next_u32(&mut self) -> u32 {
        0
    }

    fn next_u64(&mut self) -> u64 {
        0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core::CryptoRng for Fixed {}

#[test]
fn another_protector_opens_its_own_files_and_no_others() {
    let (directory, path, _) = new_file();
    let own = directory.path().join("own");
    create(&own, &Cabinet).unwrap();
    assert_eq!(NodeKeys::open(&own, &Cabinet).unwrap().tls(), b"tls key");
    for error in [NodeKeys::open(&path, &Cabinet).unwrap_err(), open(&own, "sesame").unwrap_err()] {
        let source = ProtectorError::OtherKind;
        assert!(
            matches!(error, KeystoreError::Protector { source: s, .. } if s == source),
            "{error}"
        );
    }
}

#[test]
fn debug_shows_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let keys = create(&directory.path().join("keys"), &protector("sesame")).unwrap();
    let shown = format!("{keys:?} {:?}", protector("sesame"));
    for secret in ["sesame", "tls key", &format!("{:?}", b"tls key")[1..10]] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn the_next_keys_differ_and_open_the_same_key_packages() {
    let (_directory, path, before) = new_file();
    let present = open(&path, "sesame").unwrap();
    let rng = &mut ChaCha20Rng::seed_from_u64(2);
    let next = path.with_file_name("keys.next");
    let tls = Zeroizing::new(b"another tls key".to_vec());
    let account = AccountSecrets::generate(rng);
    present.create_next(&next, account, tls, &protector("sesame"), rng).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);

    let opened = open(&next, "sesame").unwrap();
    assert_ne!(opened.account().public(), present.account().public());
    assert_eq!(opened.tls(), b"another tls key");
    let sealer = |keys: &NodeKeys| keys.sealer(IvnId::new([1; 32]), "ben".parse().unwrap());
    let session = quorate_ceremony::names::SessionId::new([2; 32]);
    let sealed = sealer(&present).seal(session, b"package").unwrap();
    assert_eq!(*sealer(&opened).unseal(session, &sealed).unwrap(), b"package");
    assert!(present.seals_like(&opened));

    let elsewhere = path.with_file_name("elsewhere");
    let account = AccountSecrets::generate(rng);
    let other =
        NodeKeys::create(&elsewhere, account, Zeroizing::default(), &protector("sesame"), rng);
    assert!(!present.seals_like(&other.unwrap()));
}
