//! `quorate node`.

mod backup;
mod passphrase;
mod restore;
mod rotate;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorate_ceremony::names::AccountName;
use serde::Serialize;

use super::context::Context;
use super::daemon::{Daemon, until_stopped};
use super::{Failure, Run};
use crate::launch::run;
use crate::process_limits::forbid_dumps;
use crate::render::Tone;

/// Run this account's node, back it up, restore it, and change its keys or passphrase
#[derive(Args, Debug)]
pub(super) struct Node {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Run(RunNode),
    Backup(backup::Backup),
    Restore(restore::Restore),
    RotateKeys(rotate::RotateKeys),
    Passphrase(passphrase::ChangePassphrase),
}

/// Run the node until Ctrl-C: it holds this account's shares and acts for it
///
/// Keeps trying when the coordinator cannot be reached. Other commands with the same home use the
/// running node, so they need no passphrase. Prints a line when something waits for your decision.
/// It can be killed and restarted at any time; interrupted work is resumed or tried again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate node run
  quorate node run --home ./ben --passphrase-file ./pass
  quorate node run --on-request 'notify-send \"$QUORATE_BY asks $QUORATE_GROUP\" $QUORATE_ID'
  QUORATE_LOG=debug quorate node run")]
struct RunNode {
    #[command(flatten)]
    daemon: Daemon,
    /// Run this command when a request or change waits for your decision
    ///
    /// sh runs it once for each, with QUORATE_KIND (request, change or definition), QUORATE_ID,
    /// QUORATE_GROUP, QUORATE_BY and QUORATE_ACCOUNT in its environment. At most 4 run at a time,
    /// each for at most 60 seconds.
    #[arg(long, value_name = "COMMAND", env = "QUORATE_ON_REQUEST", hide_env_values = true)]
    on_request: Option<String>,
}

#[derive(Serialize)]
struct RunningView {
    account: AccountName,
    home: PathBuf,
}

impl Run for Node {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Run(run) => run.run(context),
            Action::Backup(backup) => backup.run(context),
            Action::Restore(restore) => restore.run(context),
            Action::RotateKeys(rotate) => rotate.run(context),
            Action::Passphrase(passphrase) => passphrase.run(context),
        }
    }
}

impl Run for RunNode {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let view =
            RunningView { account: context.node_config()?.account, home: context.node_home()? };
        self.daemon.log_to_stderr(context);
        forbid_dumps();
        let passphrase = context.home_passphrase()?;
        context.wait_for(async {
            let stop = until_stopped()?;
            run(&view.home, passphrase, self.daemon.admin_listen, stop, self.on_request, || {
                // The node continues if nobody reads stdout.
                let _ = context.terminal.show("running", &view, |page| {
                    page.verdict(
                        Tone::Good,
                        format!("the node of {} is running; Ctrl-C stops", view.account),
                    );
                });
            })
            .await
        })?;
        Ok(())
    }
}
