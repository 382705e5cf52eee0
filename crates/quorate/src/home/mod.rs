//! Homes: the directories of a node or a coordinator.
//!
//! ```text
//! <node home>/                      <coordinator home>/
//!   home.json    public settings      home.json
//!   lock         names its user       lock
//!   keys.sealed  under a passphrase   ivns/<ivn id>/
//!   node.sqlite                         coordinator.keys  its own keys, readable by the owner
//!                                       ca.pem            the IVN's CA certificate
//!                                       log.sqlite
//!                                       documents/  log/
//! ```
//!
//! A directory is a home once it contains `home.json`, which is written last. One with a `lock` and
//! no `home.json` is an unfinished home: creating it can be tried again, with the keys that were
//! made for it.

mod config;
mod directory;
mod error;
mod location;
mod lock;

pub use config::{
    ConnectionLimits, CoordinatorConfig, DamagedConfig, Limits, LogLimits, NodeConfig,
    StorageLimits,
};
pub(crate) use config::{MOST_DOCUMENT_BYTES, REQUESTS_AT_ONCE};
pub(crate) use directory::check_free;
pub use directory::{CoordinatorHome, Home, IvnDirectory, NodeHome};
pub use error::HomeError;
pub use location::{HOME_VARIABLE, Locations};
pub use lock::Lock;
