//! `quorate coordinator`.

mod approve;
mod backup;
mod finish;
mod follow;
mod replace;
mod replacement;
mod restore;

use clap::{Args, Subcommand};

use super::context::Context;
use super::{Failure, Run};

pub(super) use replacement::read_file;

/// Back up the coordinator's keys, rebuild its home, or replace a coordinator
#[derive(Args, Debug)]
#[command(after_help = "\
With a backup of the coordinator's keys, `quorate coordinator restore` rebuilds its home.

Without one, or after it has signed two histories, more than half of the members replace it:
  quorate coordinator replace --from ./ada --hub sign.example.com:7420 --reason 'disk lost' --home ./new
  quorate coordinator approve replacement.json --home ./ben       each member; writes ben.vote
  quorate coordinator finish *.vote --home ./new
  quorate coordinator follow replacement.json --home ./ben        each member")]
pub(super) struct Coordinator {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Backup(backup::Backup),
    Restore(restore::Restore),
    Replace(replace::Replace),
    Approve(approve::ApproveReplacement),
    Finish(finish::Finish),
    Follow(follow::Follow),
}

impl Run for Coordinator {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Backup(backup) => backup.run(context),
            Action::Restore(restore) => restore.run(context),
            Action::Replace(replace) => replace.run(context),
            Action::Approve(approve) => approve.run(context),
            Action::Finish(finish) => finish.run(context),
            Action::Follow(follow) => follow.run(context),
        }
    }
}
