//! The distributed system as deterministic state machines: [`node::Node`] and [`coordinator::Coordinator`], and what
//! they exchange.
//!
//! No sockets, clocks, threads or randomness of its own: a shell gives it those, and the simulator in `quorate-testkit`
//! gives it faulty ones. The truth is the log ([`entry`]); all state is a fold over it ([`state`]) that
//! node, coordinator and auditor share, so that nobody has to take the coordinator's word for anything.

pub mod audit;
pub mod coordinator;
pub mod document;
pub mod dsse;
pub mod effect;
pub mod encoding;
pub mod entry;
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
