//! Changes the passphrase of a node's home.
//!
//! ```text
//! keys.sealed    is replaced in one step by a file with the same keys, sealed under the same
//!                random key, which the new passphrase protects; shares and database stay
//! ```
//!
//! A crash leaves either file, so either the earlier passphrase opens the home or the new one does.
//! A running node has read its keys already, and is not disturbed. Earlier copies of the file,
//! backups among them, still open with the earlier passphrase.

use std::path::Path;

use rand_core::CryptoRngCore;

use super::error::SetupError;
use crate::fail_points;
use crate::home::NodeHome;
use crate::keystore::{KeyProtector, NodeKeys};
use crate::store::durable;

/// Opens the keys of the home at `path`, whether its node runs or not.
///
/// # Errors
///
/// When `present` does not open them, or new keys are about to replace them.
pub fn open(path: &Path, present: &dyn KeyProtector) -> Result<NodeKeys, SetupError> {
    let next = NodeHome::next_keys_at(path);
    // A file that cannot be examined may be one.
    if std::fs::exists(&next).unwrap_or(true) {
        return Err(SetupError::RotationBegun);
    }
    Ok(NodeKeys::open(&NodeHome::keys_at(path), present)?)
}

/// Replaces the protection of the keys of the home at `path`.
///
/// # Errors
///
/// When the protector or the disk fails. Then the present passphrase still opens them.
pub fn change(
    path: &Path,
    keys: &NodeKeys,
    new: &dyn KeyProtector,
    rng: &mut dyn CryptoRngCore,
) -> Result<(), SetupError> {
    let path = NodeHome::keys_at(path);
    let file = keys.protected_by(&path, new, rng)?;
    // Whatever could be wrong with the new file, it must show before the present one is gone.
    if !NodeKeys::open_file(&path, &file, new)?.seals_like(keys) {
        return Err(SetupError::OtherKeys { path });
    }
    let reached = fail_points::before(["passphrase.replace"]);
    durable::replace(&path, &file).map_err(|source| SetupError::NotWritten { path, source })?;
    fail_points::after(reached);
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_ceremony::identity::AccountSecrets;
    use rand_core::OsRng;

    use super::*;
    use crate::keystore::{Cost, KeystoreError, Passphrase, PassphraseProtector, ProtectorError};

    fn protector(passphrase: &str) -> PassphraseProtector {
        let passphrase = Passphrase::new(passphrase.as_bytes().to_vec().into()).unwrap();
        PassphraseProtector::new(passphrase, Cost::INSECURE)
    }

    fn is_wrong(result: Result<NodeKeys, SetupError>) -> bool {
        matches!(
            result,
            Err(SetupError::Keystore(KeystoreError::Protector {
                source: ProtectorError::WrongPassphrase,
                ..
            }))
        )
    }

    #[test]
    fn only_the_new_passphrase_opens_the_keys_which_stay_the_same() {
        let home = tempfile::tempdir().unwrap();
        let path = NodeHome::keys_at(home.path());
        let (old, new) = (protector("earlier"), protector("later"));
        let secrets = AccountSecrets::generate(&mut OsRng);
        let tls = b"key".to_vec().into();
        let made = NodeKeys::create(&path, secrets, tls, &old, &mut OsRng).unwrap();
        assert!(is_wrong(open(home.path(), &new)));

        change(home.path(), &open(home.path(), &old).unwrap(), &new, &mut OsRng).unwrap();
        assert!(is_wrong(open(home.path(), &old)));
        let opened = open(home.path(), &new).unwrap();
        assert!(opened.seals_like(&made));
        assert_eq!(opened.account().public(), made.account().public());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn keys_that_are_being_replaced_keep_their_passphrase() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(NodeHome::next_keys_at(home.path()), b"").unwrap();
        let opened = open(home.path(), &protector("earlier"));
        assert!(matches!(opened, Err(SetupError::RotationBegun)));
    }
}
