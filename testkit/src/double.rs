//! Test doubles: those who belong here and do not keep to the rules.

pub mod coordinator;
mod founding;
mod judgement;
pub(crate) mod member;
mod stage;
mod truth;

pub use coordinator::{Liar, ViewId};
pub use founding::{board, name};
pub use stage::Stage;
