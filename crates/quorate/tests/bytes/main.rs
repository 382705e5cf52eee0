//! The bytes that today's code reads: those that are kept permanently, and inputs of a fuzzer.
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
