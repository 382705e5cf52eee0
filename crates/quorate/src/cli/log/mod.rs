//! `quorate log`.

mod document;
mod prove;
mod show;
mod verify;

pub(super) use self::document::shown_name;
pub(super) use self::verify::{key_of_home, read_key};

use clap::{Args, Subcommand};

use super::context::Context;
use super::{Failure, Run};

/// Show the log, prove what it contains, and check other logs
#[derive(Args, Debug)]
pub(super) struct Log {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(show::Show),
    Prove(prove::Prove),
    Verify(verify::Verify),
}

impl Run for Log {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Show(show) => show.run(context),
            Action::Prove(prove) => prove.run(context),
            Action::Verify(verify) => verify.run(context),
        }
    }
}
