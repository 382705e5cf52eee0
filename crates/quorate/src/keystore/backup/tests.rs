//! A backup: it opens with the passphrase, distinguishes a wrong one from damage, and detects every
//! change.

use quorate_ceremony::identity::AccountSecrets;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::file_problem::FileProblem;
use crate::keystore::{Cost, Passphrase, PassphraseProtector};

static_assertions::assert_not_impl_any!(BackupFile: Clone, serde::Serialize);
static_assertions::assert_not_impl_any!(BackupParts: Clone, serde::Serialize);

const IVN: IvnId = IvnId::new([7; 32]);
const SESSION: SessionId = SessionId::new([1; 32]);
const LABEL: &[u8] = b"the label";

fn ben() -> AccountName {
    "ben".parse().unwrap()
}

fn protector(passphrase: &str) -> PassphraseProtector {
    let passphrase = Passphrase::new(Zeroizing::new(passphrase.as_bytes().to_vec())).unwrap();
    PassphraseProtector::new(passphrase, Cost::INSECURE)
}

/// A node's key file, and the sealer of its packages.
fn node(directory: &Path, name: &str, seed: u64) -> (Vec<u8>, PackageSealer) {
    let path = directory.join(name);
    let rng = &mut ChaCha20Rng::seed_from_u64(seed);
    let (account, tls) = (AccountSecrets::generate(rng), Zeroizing::new(b"tls key".to_vec()));
    let keys = NodeKeys::create(&path, account, tls, &protector("sesame"), rng).unwrap();
    (std::fs::read(&path).unwrap(), keys.sealer(IVN, ben()))
}

fn parts(sealer: &PackageSealer) -> BackupParts {
    BackupParts {
        packages: vec![(SESSION, sealer.seal(SESSION, b"the share").unwrap())],
        sessions: vec![(SESSION, true), (SessionId::new([2; 32]), false)],
        rest: b"everything else".to_vec(),
    }
}

/// A backup and its content.
fn backup() -> (Vec<u8>, BackupParts) {
    let directory = tempfile::tempdir().unwrap();
    let (keys, sealer) = node(directory.path(), "keys", 1);
    let parts = parts(&sealer);
    let file = BackupFile::seal(&sealer, Path::new("keys"), &keys, LABEL, &parts).unwrap();
    (file, parts)
}

fn read(bytes: &[u8]) -> Result<BackupFile, KeystoreError> {
    BackupFile::read(Path::new("ben.backup"), bytes)
}

fn open(bytes: &[u8], passphrase: &str) -> Result<(NodeKeys, BackupParts), KeystoreError> {
    read(bytes)?.open(IVN, &ben(), &protector(passphrase))
}

/// Changes the file deliberately, with a valid digest.
fn with_new_digest(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    let digest = Sha256::digest(&bytes);
    [bytes.as_slice(), &digest].concat()
}

#[test]
fn a_backup_returns_keys_and_parts_and_reveals_only_its_label() {
    let (bytes, parts) = backup();
    assert_eq!(read(&bytes).unwrap().label(), LABEL);
    let (keys, opened) = open(&bytes, "sesame").unwrap();
    assert!(opened == parts);
    let unsealed = keys.sealer(IVN, ben()).unseal(SESSION, &opened.packages[0].1).unwrap();
    assert_eq!(*unsealed, b"the share");
    assert_eq!(keys.tls(), b"tls key");
    let identity = keys.account().identity.seed();
    for hidden in [b"the share".as_slice(), b"everything else", b"tls key", &identity[..16]] {
        assert!(!bytes.windows(hidden.len()).any(|window| window == hidden));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_reported_as_damage() {
    let (bytes, _) = backup();
    let error = open(&bytes, "Sesame").unwrap_err();
    let source = ProtectorError::WrongPassphrase;
    assert!(matches!(error, KeystoreError::Protector { source: s, .. } if s == source), "{error}");
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            let error = open(&damaged, "sesame").unwrap_err();
            let as_expected = match error {
                KeystoreError::OtherKind { .. } => position < KIND.magic.len(),
                KeystoreError::File(FileProblem::Damaged { .. }) => position >= KIND.magic.len(),
                _ => false,
            };
            assert!(as_expected, "{position}: {error}");
        }
    }
    for length in 0..bytes.len() {
        let error = open(&bytes[..length], "sesame").unwrap_err();
        assert!(
            matches!(error, KeystoreError::File(FileProblem::Damaged { .. })),
            "{length}: {error}"
        );
    }
}

#[test]
fn a_deliberately_changed_backup_does_not_open() {
    let (bytes, _) = backup();
    for position in KIND.magic.len() + 1..bytes.len() - 32 {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        assert!(open(&with_new_digest(changed), "sesame").is_err(), "{position}");
    }
}

#[test]
fn newer_backups_and_other_files_are_not_called_damaged() {
    let (bytes, _) = backup();
    let at = KIND.magic.len();
    for (format, newer) in [(0, false), (2, true)] {
        let mut other = bytes.clone();
        other[at] = format;
        let error = read(&with_new_digest(other)).unwrap_err();
        assert_eq!(
            matches!(error, KeystoreError::File(FileProblem::Newer { known: 1, .. })),
            newer,
            "{error}"
        );
        assert_eq!(
            matches!(error, KeystoreError::File(FileProblem::Damaged { .. })),
            !newer,
            "{error}"
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let (keys, _) = node(directory.path(), "keys", 1);
    for other in [keys.as_slice(), b"a contract"] {
        let error = read(other).unwrap_err();
        assert!(matches!(error, KeystoreError::OtherKind { .. }), "{error}");
    }
}

#[test]
fn a_backup_of_another_account_or_ivn_does_not_open_as_this_one() {
    let (bytes, parts) = backup();
    let file = read(&bytes).unwrap();
    let eve: AccountName = "eve".parse().unwrap();
    // The seal of the file does not name the account; the seals of its packages do.
    for (ivn, account) in [(IVN, eve), (IvnId::new([8; 32]), ben())] {
        let (keys, _) = file.open(ivn, &account, &protector("sesame")).unwrap();
        assert!(keys.sealer(ivn, account).unseal(SESSION, &parts.packages[0].1).is_err());
    }
}

#[test]
fn a_key_file_of_another_node_is_not_sealed_into_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let (_, sealer) = node(directory.path(), "ours", 1);
    let (theirs, _) = node(directory.path(), "theirs", 2);
    let sealed = BackupFile::seal(&sealer, Path::new("x"), &theirs, LABEL, &parts(&sealer));
    assert!(matches!(sealed, Err(KeystoreError::File(FileProblem::Damaged { .. }))));
}

#[test]
fn a_backup_sealed_again_opens_only_with_the_new_passphrase() {
    let (bytes, parts) = backup();
    let file = read(&bytes).unwrap();
    let (keys, opened) = open(&bytes, "sesame").unwrap();
    let rng = &mut ChaCha20Rng::seed_from_u64(3);
    let again = file.sealed_again(IVN, &ben(), (&keys, &opened), &protector("other"), rng).unwrap();
    let error = open(&again, "sesame").unwrap_err();
    assert!(matches!(error, KeystoreError::Protector { .. }), "{error}");
    let (new, opened) = open(&again, "other").unwrap();
    assert_eq!(new.account().public(), keys.account().public());
    assert_eq!((opened.sessions, opened.rest), (parts.sessions, parts.rest));
    let unseal = |keys: &NodeKeys, sealed: &[u8]| keys.sealer(IVN, ben()).unseal(SESSION, sealed);
    assert_eq!(*unseal(&new, &opened.packages[0].1).unwrap(), b"the share");
    // Sealed under a new key, so the first one opens nothing of it.
    assert!(unseal(&keys, &opened.packages[0].1).is_err());
    assert_eq!(read(&again).unwrap().label(), LABEL);
}

#[test]
fn debug_shows_no_secret() {
    let (bytes, parts) = backup();
    let shown = format!("{:?} {parts:?}", read(&bytes).unwrap());
    assert_eq!(shown, "BackupFile(ben.backup) BackupParts(1 packages)");
}
