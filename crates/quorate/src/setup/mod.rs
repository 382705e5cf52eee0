//! How an IVN begins, and how accounts get into it.
//!
//! [`create_ivn`] makes an IVN: its genesis, its certificate authority, the coordinator's home and the first admin's.
//! [`invitation`] makes a join URL; [`join`] uses one, and speaks [`wire`] with the hub; so does [`rotate`], for an account
//! that gets other keys.
//! [`restore`] makes a node's home again, from a backup.
//!
//! Nothing here asks a person or prints. What fails leaves nothing behind that was not there before, except where a
//! lost answer may have admitted an account: then its keys stay, so that the same join can be tried again.

pub mod create_ivn;
mod error;
pub mod invitation;
pub mod join;
mod keys;
pub mod link;
pub mod restore;
pub mod rotate;
mod undo;
pub mod wire;

pub use error::SetupError;
