//! A coordinator's keys for one IVN: `coordinator.keys`.

use std::path::Path;

use quorate_ceremony::coordinator::CoordinatorSecrets;
use quorate_ceremony::identity::SecretKey;
use zeroize::Zeroizing;

use super::error::KeystoreError;
use super::format::{Kind, take};

/// The coordinator's secret keys of one IVN. [Not sealed](super), because a coordinator restarts
/// unattended.
///
/// The body of the [file](super):
///
/// ```text
/// log key's seed (32 bytes) ‖ identity seed (32) ‖ the CA's private key
/// ```
#[derive(Debug)]
pub struct CoordinatorKeys {
    /// The secrets with which the coordinator signs checkpoints and entries.
    pub secrets: CoordinatorSecrets,
    /// The private key of the IVN's CA, in an encoding that the caller chooses.
    pub ca: Zeroizing<Vec<u8>>,
}

impl CoordinatorKeys {
    /// Writes the keys to a new file at `path`, readable by its owner only.
    ///
    /// # Errors
    ///
    /// [`KeystoreError::Exists`] when there is a file, whatever its content.
    pub fn create(&self, path: &Path) -> Result<(), KeystoreError> {
        KIND.create(path, &self.to_bytes())
    }

    /// Returns the body of the file, for a backup.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut body = Zeroizing::new(Vec::with_capacity(64 + self.ca.len()));
        body.extend_from_slice(self.secrets.log.seed());
        body.extend_from_slice(self.secrets.identity.seed());
        body.extend_from_slice(&self.ca);
        body
    }

    /// Reads the result of [`Self::to_bytes`].
    pub(crate) fn from_bytes(body: &[u8]) -> Option<Self> {
        parse(body)
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// Also when users other than its owner can read it.
    pub fn open(path: &Path) -> Result<Self, KeystoreError> {
        let body = KIND.read(path)?;
        parse(&body).ok_or_else(|| KeystoreError::damaged(path))
    }
}

fn parse(mut body: &[u8]) -> Option<CoordinatorKeys> {
    let log = SecretKey::from_seed(take(&mut body)?);
    let identity = SecretKey::from_seed(take(&mut body)?);
    let ca = Zeroizing::new(body.to_vec());
    Some(CoordinatorKeys { secrets: CoordinatorSecrets { log, identity }, ca })
}

const KIND: Kind = Kind {
    name: "a coordinator's keys",
    magic: b"quorate coordinator keys\n",
    format: 1,
    secret: true,
};

#[cfg(test)]
mod tests;
