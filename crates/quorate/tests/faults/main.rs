//! Real processes and real faults: whatever dies, stops, is cut off, fills up or has the wrong time, signing goes on
//! once it is over, without anybody doing anything (L1, L2), and the log audits clean.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod board;
mod changes;
mod clock;
mod disk;
mod fail_points;
mod lab;
mod network;
mod processes;
