//! Where secret keys are kept.
//!
//! A node's keys are in `keys.sealed`, sealed under a random key that a [`KeyProtector`] protects; only the account's
//! holder can start the node. That random key also seals the node's key packages before they reach the database, so
//! whoever deletes `keys.sealed` has destroyed them all, wherever a disk keeps old blocks of the database.
//!
//! A coordinator's keys are in `coordinator.keys`, which is *not* sealed: a coordinator restarts without anybody being
//! there. It is readable by its owner only. Whoever reads it can sign checkpoints, the coordinator's own entries, and
//! certificates in its name, which gives them what owning the coordinator's host gives (nodes believe none of it); they
//! can sign no document.
//!
//! A backup of a node is a [`BackupFile`]: its `keys.sealed` as it is, and the rest sealed under that random key, so that a
//! running node, which does not know the passphrase, can make one.
//!
//! All of these end in a SHA-256 of what comes before, so that a damaged file is told from a wrong passphrase. Key files are
//! written once and never overwritten; but a node's account can get other keys, and then a second file, `keys.next`, takes
//! the place of the first, with the same random key in it.

mod backup;
mod coordinator;
mod error;
mod format;
mod node;
mod package;
mod passphrase;
mod protector;

pub use backup::{BackupFile, BackupParts};
pub use coordinator::CoordinatorKeys;
pub use error::{KeystoreError, PassphraseError, ProtectorError};
pub use node::NodeKeys;
pub use package::{PackageSealer, Unsealable};
pub use passphrase::{PASSPHRASE_VARIABLE, Passphrase, Purpose};
pub use protector::{Cost, InvalidCost, KeyEncryptionKey, KeyProtector, PassphraseProtector};
