//! Certificates and signed documents of a group with a P-256 key: what must hold, what must be
//! rejected, and that the tools of others agree.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::panic, reason = "tests fail by panicking")]

mod board;
mod certificates;
mod cms;
