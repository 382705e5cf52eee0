//! The shell around the deterministic core: disk, sockets, clock and people.
//!
//! Decisions that a test would want to replay are made in `quorate-ceremony`.
#![expect(missing_docs, reason = "only this program and its tests use the library")]

mod admin;
mod announce;
pub mod api;
pub mod backup;
pub mod cli;
mod control;
pub mod coordinator;
mod demo;
mod documents;
mod entry_log;
mod error_chain;
mod fail_points;
pub mod file_problem;
pub mod home;
pub mod keystore;
mod launch;
pub mod log_audit;
pub mod node;
mod process_limits;
mod proof_files;
mod proxy;
pub mod render;
mod service_manager;
pub mod setup;
mod shell_quote;
mod ssh_agent;
pub mod store;
mod timers;
