//! Hubs and nodes over real sockets on the loopback interface.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod harness;
mod hostile;
mod isolation;
mod links;
mod requests;
