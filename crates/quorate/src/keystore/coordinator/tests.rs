//! A coordinator's key file: readable only by its owner, and complete or refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::file_problem::FileProblem;

static_assertions::assert_not_impl_any!(CoordinatorKeys: Clone, serde::Serialize);

fn keys() -> CoordinatorKeys {
    let log = SecretKey::from_seed(&[1; 32]);
    let identity = SecretKey::from_seed(&[2; 32]);
    let ca = Zeroizing::new(b"ca key".to_vec());
    CoordinatorKeys { secrets: CoordinatorSecrets { log, identity }, ca }
}

#[test]
fn keys_come_back_and_are_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coordinator.keys");
    keys().create(&path).unwrap();
    let opened = CoordinatorKeys::open(&path).unwrap();
    assert_eq!(*opened.secrets.log.seed(), [1; 32]);
    assert_eq!(*opened.secrets.identity.seed(), [2; 32]);
    assert_eq!(*opened.ca, b"ca key");
    let error = keys().create(&path).unwrap_err();
    assert!(matches!(error, KeystoreError::Exists(_)), "{error}");
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coordinator.keys");
    keys().create(&path).unwrap();
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = CoordinatorKeys::open(&path).unwrap_err();
        assert!(matches!(error, KeystoreError::TooOpen(_)), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(CoordinatorKeys::open(&path).is_ok());
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coordinator.keys");
    keys().create(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for position in KIND.magic.len()..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x80;
        fs::write(&path, &damaged).unwrap();
        let error = CoordinatorKeys::open(&path).unwrap_err();
        assert!(
            matches!(error, KeystoreError::File(FileProblem::Damaged { .. })),
            "{position}: {error}"
        );
        assert!(fs::read(&path).unwrap() == damaged);
    }
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = CoordinatorKeys::open(&path).unwrap_err();
        assert!(
            matches!(error, KeystoreError::File(FileProblem::Damaged { .. })),
            "{length}: {error}"
        );
    }
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", keys());
    assert!(!shown.contains("ca key") && !shown.contains("99, 97, 32"), "{shown}");
}
