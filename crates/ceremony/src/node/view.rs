//! The data that every part of a node can read, and the context of a call.

use super::process::Process;
use crate::effect::{self, NodeEffect};
use crate::state::IvnState;

pub(super) type Call<'a> = effect::Call<'a, NodeEffect>;

/// The log's state as this node verified it, and the node's process.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) state: &'a IvnState,
    pub(super) me: &'a Process,
}
