//! Where secret keys are kept.
//!
//! A node's keys are in `keys.sealed`, sealed under a random key that a [`KeyProtector`] protects;
//! only the account's holder can start the node. That random key also seals the node's key packages
//! before they reach the database, so that deleting `keys.sealed` destroys them all, wherever a
//! disk keeps old blocks of the database.
//!
//! A coordinator's keys are in `coordinator.keys`, which is *not* sealed, because a coordinator
//! restarts unattended. Only its owner can read it. Anyone who reads it can sign checkpoints, the
//! coordinator's own entries, and certificates in its name. That is what owning the coordinator's
//! host gives, and nodes trust none of it. The keys can sign no document.
//!
//! A backup of a node is a [`BackupFile`]: its `keys.sealed` unchanged, and the rest sealed under
//! that random key, so that a running node, which does not know the passphrase, can make one.
//!
//! A backup of a coordinator is a [`CoordinatorBackupFile`]: its keys and what belongs to them,
//! sealed under a passphrase of its own.
//!
//! All of these end in a SHA-256 of what comes before, which distinguishes a damaged file from a
//! wrong passphrase. Key files are never written in place: when an account gets new keys, a second
//! file, `keys.next`, replaces the first, with the same random key in it. A new passphrase protects
//! that random key again, in a file that replaces the present one in one step.

mod backup;
mod coordinator;
mod coordinator_backup;
mod error;
mod format;
mod node;
mod package;
mod passphrase;
mod protector;

pub use backup::{BackupFile, BackupParts};
pub use coordinator::CoordinatorKeys;
pub use coordinator_backup::CoordinatorBackupFile;
pub use error::{KeystoreError, PassphraseError, ProtectorError};
pub(crate) use format::{put_counted, take_counted};
pub use node::NodeKeys;
pub use package::{PackageSealer, Unsealable};
pub use passphrase::{
    PASSPHRASE_COMMAND_VARIABLE, PASSPHRASE_VARIABLE, Passphrase, Purpose, SHORTEST, Source,
    Weakness,
};
pub use protector::{Cost, InvalidCost, KeyEncryptionKey, KeyProtector, PassphraseProtector};
