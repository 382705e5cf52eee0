//! Doubles: participants that do not keep to the protocol.

pub mod coordinator;
mod founding;
mod judgement;
mod stage;
mod truth;

pub use coordinator::{Liar, ViewId};
pub use founding::{board, name};
pub use stage::Stage;
