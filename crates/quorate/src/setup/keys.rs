//! The keys of a new account.

use std::path::Path;

use quorate_ceremony::identity::AccountSecrets;
use quorate_network::ca::NodeKey;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::error::SetupError;
use crate::keystore::{KeyProtector, KeystoreError, NodeKeys};

/// Creates keys in a new file at `path`, or opens those of an earlier attempt. The TLS key is
/// stored as PEM.
pub(super) fn make_or_open(
    path: &Path,
    protector: &dyn KeyProtector,
    rng: &mut dyn CryptoRngCore,
) -> Result<(NodeKeys, NodeKey), SetupError> {
    match NodeKeys::open(path, protector) {
        Ok(keys) => {
            let pem = std::str::from_utf8(keys.tls()).map_err(|_| SetupError::TlsKey)?;
            let tls = NodeKey::from_pem(pem)?;
            Ok((keys, tls))
        }
        Err(KeystoreError::Missing(_)) => {
            let (tls, pem) = new_tls_key()?;
            let keys = NodeKeys::create(path, AccountSecrets::generate(rng), pem, protector, rng)?;
            Ok((keys, tls))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns a new key for certificates, and its stored form.
pub(super) fn new_tls_key() -> Result<(NodeKey, Zeroizing<Vec<u8>>), SetupError> {
    let tls = NodeKey::generate()?;
    let pem = Zeroizing::new(tls.to_pem().as_bytes().to_vec());
    Ok((tls, pem))
}
