//! The shell around the deterministic core: disk, sockets, clock and people.
//!
//! Decides nothing that a test would want to replay; that is in `quorate-ceremony`.

pub mod backup;
pub mod cli;
pub mod control;
pub mod coordinator;
mod deadlines;
mod demo;
mod documents;
mod drill;
mod errors;
mod handed_on;
pub mod home;
pub mod keystore;
pub mod log_audit;
pub mod node;
pub mod setup;
pub mod store;
