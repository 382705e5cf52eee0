//! Doubles: participants that do not keep to the protocol.

pub mod coordinator;
mod stage;
mod truth;

pub use coordinator::{Liar, ViewId};
pub use stage::{Stage, board, name};
