//! `quorate coordinator`.

mod backup;
mod restore;

use clap::{Args, Subcommand};

use super::context::Context;
use super::{Failure, Run};

/// Back up the coordinator's keys, and rebuild its home when its disk is lost
#[derive(Args, Debug)]
pub(super) struct Coordinator {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Backup(backup::Backup),
    Restore(restore::Restore),
}

impl Run for Coordinator {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Backup(backup) => backup.run(context),
            Action::Restore(restore) => restore.run(context),
        }
    }
}
