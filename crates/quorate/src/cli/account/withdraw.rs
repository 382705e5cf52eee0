//! `quorate account withdraw-invitation`.

use clap::Args;
use quorate_ceremony::names::AccountName;
use serde::Serialize;

use super::share_loss_check;
use super::show::accounts;
use crate::api::{Code, Command, InvitedView, Problem, Standing};
use crate::cli::context::Context;
use crate::cli::session::Session;
use crate::cli::{Failure, Run};
use crate::render::Tone;

/// Withdraw an invitation that was not used yet: its URL stops working
///
/// Works for an invitation to join (`quorate invite`) and for one to replace keys (`quorate account
/// replace-keys`), whichever admin made it. The withdrawal is in the log, so the coordinator cannot
/// undo it. Needs the admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account list                     which invitations are open
  quorate account withdraw-invitation ben")]
pub(super) struct WithdrawInvitation {
    /// The account that was invited
    #[arg(value_name = "NAME")]
    name: AccountName,
}

#[derive(Serialize)]
struct WithdrawalView {
    account: AccountName,
    /// Whether the invitation was to give an account on the roster new keys.
    replaces_keys: bool,
    index: u64,
}

impl Run for WithdrawInvitation {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let Some(open) = open(&session, &self.name)? else {
            return Err(not_open(&session, &self.name).into());
        };
        share_loss_check::check_admin(&session)?;
        let command = Command::WithdrawInvitation(self.name.clone());
        let (_, index) =
            session.order(command).map_err(|problem| too_late(&session, &open, problem))?;
        let replaces_keys = open.replaces_keys;
        let view = WithdrawalView { account: self.name, replaces_keys, index };
        context.terminal.show("withdrawal", &view, |page| {
            let name = &view.account;
            page.verdict(Tone::Good, format!("the invitation of {name} is withdrawn"));
            page.note(match view.replaces_keys {
                true => format!("Its URL no longer works; {name} keeps its present keys."),
                false => format!(
                    "Its URL no longer works. To invite {name} after all: quorate invite {name}"
                ),
            });
        })?;
        Ok(())
    }
}

fn open(session: &Session, name: &AccountName) -> Result<Option<InvitedView>, Problem> {
    let mut all = accounts(session)?.invitations.into_iter();
    Ok(all.find(|open| open.account == *name))
}

fn not_open(session: &Session, name: &AccountName) -> Problem {
    let all = accounts(session).map(|view| view.accounts).unwrap_or_default();
    let is_there = |standing| {
        move |it: &&crate::api::AccountView| it.account == *name && it.standing != standing
    };
    match all.iter().find(is_there(Standing::Removed)) {
        Some(_) => Problem::new(
            Code::Failed,
            format!("{name} is on the roster, and no invitation to replace its keys is open"),
        )
        .hint(format!(
            "quorate account show {name}; to cut it off: quorate account suspend {name}"
        )),
        None => Problem::new(Code::Failed, format!("no invitation of {name} is open"))
            .hint("`quorate account list` shows the open invitations"),
    }
}

/// Explains `problem` better if somebody has used the URL meanwhile.
fn too_late(session: &Session, before: &InvitedView, problem: Problem) -> Problem {
    let name = &before.account;
    match open(session, name) {
        Ok(None) => Problem::new(
            Code::Failed,
            format!("too late: the invitation of {name} has been used or has ended meanwhile"),
        )
        .hint(format!(
            "quorate account show {name}; if it was not {name}: quorate account suspend {name}"
        )),
        _ => problem,
    }
}
