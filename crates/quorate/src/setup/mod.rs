//! How an IVN is founded, and how accounts join it.
//!
//! [`create_ivn`] founds an IVN: its genesis, its certificate authority, the coordinator's home and
//! the first admin's. [`invitation`] creates a join URL, and [`join`] uses one; [`rotate`] replaces
//! an account's keys. The last two exchange the messages of [`wire`] with the hub. [`restore`]
//! creates a node's home from a backup, [`passphrase`] changes the passphrase of one, and
//! [`rebuild`] creates a coordinator's, with the [copies](log_copy) of its logs that there are.
//! [`replacement`] replaces the coordinator.
//!
//! No function here asks a person or prints. A failure leaves nothing new behind, except where a
//! lost answer may have admitted an account: then its keys stay, so that the same join can be tried
//! again.

pub mod create_ivn;
mod error;
pub mod invitation;
pub mod join;
mod keys;
pub mod link;
pub mod log_copy;
pub mod passphrase;
pub mod rebuild;
pub mod replacement;
pub mod restore;
pub mod rotate;
mod undo;
mod web_log;
pub mod wire;

pub use error::SetupError;
