//! Real processes and real faults: processes die or freeze, connections break, disks fill up and
//! clocks jump. Afterwards signing continues without manual action (L1, L2), and the log audits
//! clean.
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
