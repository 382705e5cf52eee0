//! `quorate fail-points`.

use clap::Args;

use super::context::Context;
use super::{Failure, Run};
use crate::fail_points;

/// List the points at which tests can end a node or coordinator of this build; a release has none
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate fail-points
  QUORATE_CRASH_AT=node.persist.released.after:2 quorate node run")]
pub(super) struct FailPoints {}

impl Run for FailPoints {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let mut list = fail_points::names().join("\n");
        list.push('\n');
        context.terminal.bytes(list.as_bytes())?;
        Ok(())
    }
}
