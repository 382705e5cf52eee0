//! The distributed system as deterministic state machines ([`node::Node`] and
//! [`coordinator::Coordinator`]), and their messages.
//!
//! The crate has no sockets, clocks, threads or randomness of its own: a shell provides them, and
//! the simulator in `quorate-testkit` provides faulty ones. All state is a fold over the log's
//! entries ([`entry`]). Node, coordinator and auditor share this fold ([`state`]), so nobody has to
//! trust the coordinator.

pub mod audit;
pub mod coordinator;
pub mod document;
pub mod dsse;
pub mod effect;
pub mod encoding;
pub mod entry;
mod evidence;
pub mod held;
pub mod identity;
pub mod message;
pub mod misbehaviour;
pub mod names;
pub mod node;
pub mod policy;
pub mod signing;
pub mod state;
#[cfg(any(test, feature = "test-world"))]
pub mod test_world;
