//! Tests of the log through its public API, and against implementations that are not ours.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod checkpoint;
mod decoders;
mod fixture;
mod foreign;
mod json;
mod malicious;
mod proof;
mod tile;
mod tree;
