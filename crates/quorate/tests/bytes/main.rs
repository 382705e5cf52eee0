//! What today's code makes of bytes: of those that are kept for ever, and of those that a fuzzer
//! thinks of.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod fuzz;
mod kept;
#[path = "../../../../fuzz/src/lib.rs"]
pub mod targets;
mod written;
