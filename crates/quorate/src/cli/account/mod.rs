//! `quorate account`: who belongs to the IVN, and what an admin decides about it.

mod commands;
mod replace_keys;
mod share_loss_check;
mod show;
mod withdraw;

use clap::{Args, Subcommand};

use super::context::Context;
use super::{Failure, Run, invite};

/// List accounts, and invite, suspend, resume and remove them
#[derive(Args, Debug)]
pub(super) struct Account {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(show::List),
    Show(show::Show),
    #[command(after_help = "\
Examples:
  quorate account add ben               the same as: quorate invite ben
  quorate account add ben --expires 7d --role member,admin")]
    Add(invite::Invite),
    Roles(commands::Roles),
    Suspend(commands::Suspend),
    Resume(commands::Resume),
    Remove(commands::Remove),
    ReplaceKeys(replace_keys::ReplaceKeys),
    WithdrawInvitation(withdraw::WithdrawInvitation),
}

impl Run for Account {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::List(list) => list.run(context),
            Action::Show(show) => show.run(context),
            Action::Add(invite) => invite.run(context),
            Action::Roles(roles) => roles.run(context),
            Action::Suspend(suspend) => suspend.run(context),
            Action::Resume(resume) => resume.run(context),
            Action::Remove(remove) => remove.run(context),
            Action::ReplaceKeys(replace) => replace.run(context),
            Action::WithdrawInvitation(withdraw) => withdraw.run(context),
        }
    }
}
