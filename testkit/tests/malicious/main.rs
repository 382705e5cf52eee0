//! The catalogue of attacks by malicious members: a test for each row of the table.
//!
//! Each test runs whole IVNs with fewer than `min_signers` doubles. It checks all invariants after
//! every step, and audits the log offline at the end. In every attack, the requests that the
//! members approved are signed, the last of them after all sessions have ended.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod combined;
mod expected;
mod key;
mod page;
mod repair;
mod reshare;
mod setting;
mod table;
