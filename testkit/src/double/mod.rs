//! Test doubles: participants that break the rules.

mod attack_world;
mod attacker_knowledge;
pub mod coordinator;
mod expected;
mod founding;
pub(crate) mod member;
mod premises;

pub use attack_world::{Stage, Trouble};
pub use coordinator::{Liar, ViewId};
pub use quorate_ceremony::test_world::{board, name};
