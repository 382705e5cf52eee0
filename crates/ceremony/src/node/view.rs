//! What every part of a node may look at, and what a call carries.

use super::process::Process;
use crate::effect::{self, NodeEffect};
use crate::state::IvnState;

/// One call of the node.
pub(super) type Call<'a> = effect::Call<'a, NodeEffect>;

/// The log's state as this node verified it, and who the node is.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) state: &'a IvnState,
    pub(super) me: &'a Process,
}
