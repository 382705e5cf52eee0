//! `quorate account suspend`, `resume`, `remove` and `roles`.

use std::collections::BTreeSet;

use clap::Args;
use quorate_ceremony::entry::Role;
use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::Shortfall;
use serde::Serialize;

use super::share_loss_check::{self, Loss};
use super::show::account;
use crate::api::{AccountView, Code, Command, Problem, Standing};
use crate::cli::confirm::{Question, Yes, confirm};
use crate::cli::context::{Context, now};
use crate::cli::invite::RoleName;
use crate::cli::session::Session;
use crate::cli::{Failure, Run};
use crate::render::{Page, Tone, account_details, account_sentence, commas, json};

/// Suspend an account: its node may not connect, and its statements no longer count
///
/// Its approvals of undecided requests become void, and it has no vote in its groups until an
/// admin resumes it. It keeps its shares. Use this for a lost device that may turn up again, or
/// while you find out what happened. Asks for confirmation. Needs the admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account suspend ben
  quorate account suspend ben --yes
  quorate account suspend ben --force      even if a group can sign nothing then")]
pub(super) struct Suspend {
    /// The account
    #[arg(value_name = "NAME")]
    name: AccountName,
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    force: Force,
}

/// Resume a suspended account: its node reconnects automatically
///
/// Void approvals stay void: requests that the account had approved need its approval again. Needs
/// the admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account resume ben")]
pub(super) struct Resume {
    /// The account
    #[arg(value_name = "NAME")]
    name: AccountName,
}

/// Remove an account permanently: its name is not used again
///
/// Its node is disconnected immediately and can no longer sign, but it still has its shares. The
/// members of its groups should change the groups, so that those shares do not combine with the
/// others. To return, a person needs a new name. Asks for confirmation. Needs the admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account remove ben
  quorate account remove ben --yes
  quorate account remove ben --force       even if a group can sign nothing then")]
pub(super) struct Remove {
    /// The account
    #[arg(value_name = "NAME")]
    name: AccountName,
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    force: Force,
}

/// Set the roles of an account
///
/// Members of groups need the member role. At least one account always keeps the admin role. Needs
/// the admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account roles ben --role member,admin
  quorate account roles eve --role auditor")]
pub(super) struct Roles {
    /// The account
    #[arg(value_name = "NAME")]
    name: AccountName,
    /// All its roles: member, requester, auditor, admin
    #[arg(
        long,
        required = true,
        value_name = "ROLE",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true
    )]
    role: Vec<RoleName>,
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Force {
    /// Do it even if a group is left with too few healthy shares to sign, because the account has
    /// to be disconnected at any cost
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Serialize)]
struct DecidedView<'a> {
    #[serde(flatten)]
    account: serde_json::Value,
    index: u64,
    /// The groups that are left with too few healthy shares to sign, or with just enough.
    judged: &'a [Shortfall],
}

impl Run for Suspend {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (session, view) = find(context, &self.name)?;
        if view.standing == Standing::Suspended {
            return Err(already(&self.name, "suspended already").into());
        }
        if !is_self(&session, &self.name)? {
            share_loss_check::check(context, &view, Loss::Suspended, self.force.force)?;
            let text = format!("Suspend {}?", self.name);
            let question = Question { text: &text, no: "not suspended", instead: None, look: None };
            confirm(context, self.yes, &question, |page| {
                page.sentence(
                    "This account would be disconnected, and its approvals of undecided requests would become void, even if it is \
                     resumed:",
                );
                account_details(page, &view, now());
            })?;
        }
        let command = Command::Suspend(self.name.clone());
        decide(context, &session, &view, command, "suspended", |page, after| {
            page.sentence(format!(
                "{} can be resumed: quorate account resume {0}. If it will not return, change its groups:",
                after.account
            ));
            share_loss_check::needs(page, after, Loss::Suspended);
        })
    }
}

impl Run for Resume {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (session, view) = find(context, &self.name)?;
        if view.standing == Standing::Active {
            return Err(already(&self.name, "not suspended").into());
        }
        let command = Command::Resume(self.name.clone());
        decide(context, &session, &view, command, "resumed", |_, _| {})
    }
}

impl Run for Remove {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (session, view) = find(context, &self.name)?;
        if !is_self(&session, &self.name)? {
            share_loss_check::check(context, &view, Loss::Removed, self.force.force)?;
            let text = format!("Remove {} permanently?", self.name);
            let instead =
                format!("to disconnect it for now: quorate account suspend {}", self.name);
            let question =
                Question { text: &text, no: "not removed", instead: Some(instead), look: None };
            confirm(context, self.yes, &question, |page| {
                page.sentence(
                    "This account would be removed, and its name would never be used again:",
                );
                account_details(page, &view, now());
            })?;
        }
        let command = Command::Remove(self.name.clone());
        decide(context, &session, &view, command, "removed", |page, after| {
            page.sentence(
                "The account is still listed in its groups and still has its shares. Remove the account from its groups, so that the other members get new shares:",
            );
            share_loss_check::needs(page, after, Loss::Removed);
            page.sentence(
                "A change does not revoke copies: if the members that left hold enough shares to sign, make a \
                 group with a new key.",
            );
        })
    }
}

impl Run for Roles {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (session, view) = find(context, &self.name)?;
        let roles: BTreeSet<Role> = self.role.iter().copied().map(Role::from).collect();
        if view.roles == roles {
            let message = format!("{} has these roles already", self.name);
            return Err(Problem::new(Code::Failed, message).into());
        }
        let done = format!("now {}", commas(&roles));
        let command = Command::SetRoles(self.name.clone(), roles);
        decide(context, &session, &view, command, &done, |_, _| {})
    }
}

pub(super) fn find(
    context: &Context,
    name: &AccountName,
) -> Result<(Session, AccountView), Problem> {
    let session = context.session()?;
    let view = account(&session, name)?;
    share_loss_check::check_admin(&session)?;
    if view.standing == Standing::Removed {
        return Err(already(name, "removed already, permanently"));
    }
    Ok((session, view))
}

/// Whether the node's own account is `name`. The log's rules reject that, and their message
/// explains more than a warning about healthy shares.
fn is_self(session: &Session, name: &AccountName) -> Result<bool, Problem> {
    Ok(session.status()?.account == *name)
}

fn already(name: &AccountName, what: &str) -> Problem {
    Problem::new(Code::Failed, format!("account \"{name}\" is {what}"))
        .hint(format!("quorate account show {name}"))
}

fn decide(
    context: &Context,
    session: &Session,
    before: &AccountView,
    command: Command,
    done: &str,
    next: impl FnOnce(&mut Page, &AccountView),
) -> Result<(), Failure> {
    let name = &before.account;
    let takes_shares = matches!(command, Command::Suspend(_) | Command::Remove(_));
    let (_, index) = session.order(command)?;
    let after = account(session, name)?;
    let judged = if takes_shares { before.shortfalls.as_slice() } else { &[] };
    let view = DecidedView { account: json::account(&after), index, judged };
    context.terminal.show("account", &view, |page| {
        page.verdict(Tone::Good, format!("{name} is {done}"));
        page.note(account_sentence(&after));
    })?;
    if takes_shares && !after.groups.is_empty() {
        context.terminal.note(|page| {
            page.blank();
            next(page, &after);
        });
    }
    Ok(())
}
