//! `quorate group`.

mod change;
mod create;
mod format;
mod watch;

use clap::{Args, Subcommand};
use quorate_ceremony::names::{AccountName, GroupName};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;
use serde::Serialize;

use super::context::{Context, now};
use super::{Failure, Run};
use crate::api::{Code, Command, Exit, GroupStage, GroupView, Problem};
use crate::render::{self, Page, Tone, commas, group_sentence, group_tone, json, unused};

/// Make, show and change signing groups
#[derive(Args, Debug)]
pub(super) struct Group {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(create::Create),
    Show(Show),
    List(List),
    Accept(Accept),
    Change(change::Change),
    Refresh(change::Refresh),
    Repair(change::Repair),
    Cancel(Cancel),
}

/// Show one group: where it stands, who is missing, its rules and its key
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group show board
  quorate group show board --json")]
struct Show {
    /// The group
    #[arg(value_name = "GROUP")]
    name: GroupName,
}

/// List all groups
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group list
  quorate group list --json | jq -r '.groups[].name'")]
struct List {}

/// Accept membership of a group, as an admin defined it or as a change proposes
///
/// Only needed if this account joined with --ask-before-groups. The key or the new shares are made
/// once all members have accepted. Look at the group first, with `quorate group show`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group show board
  quorate group accept board")]
struct Accept {
    /// The group
    #[arg(value_name = "GROUP")]
    name: GroupName,
}

/// Cancel a group's running key generation, or withdraw a proposed change
///
/// Admins can do this, and the account that proposed the change. A group without a key can then be
/// defined again under the same name. A group with a key keeps it, and stays as it is. Some members
/// may already hold new shares from the cancelled change; `group cancel` lists those that are
/// known. Enough of them together could still sign, so run `group refresh` afterwards.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group cancel board")]
struct Cancel {
    /// The group
    #[arg(value_name = "GROUP")]
    name: GroupName,
}

#[derive(Serialize)]
struct GroupsView {
    groups: Vec<serde_json::Value>,
}

impl Run for Group {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Create(create) => create.run(context),
            Action::Show(show) => show.run(context),
            Action::List(list) => list.run(context),
            Action::Accept(accept) => accept.run(context),
            Action::Change(change) => change.run(context),
            Action::Refresh(refresh) => refresh.run(context),
            Action::Repair(repair) => repair.run(context),
            Action::Cancel(cancel) => cancel.run(context),
        }
    }
}

impl Run for Show {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let group = context.session()?.group(&self.name)?;
        let data = json::group(&group, now());
        context.terminal.show("group", &data, |page| render::group(page, &group, now()))?;
        Ok(())
    }
}

impl Run for List {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let groups = context.session()?.groups()?;
        let view = GroupsView { groups: json::each(&groups, |group| json::group(group, now())) };
        context.terminal.show("groups", &view, |page| {
            if groups.is_empty() {
                page.sentence(
                    "There are no groups yet; an admin makes one with `quorate group create`.",
                );
            }
            for group in &groups {
                page.verdict(group_tone(group), group_sentence(group));
                let members = commas(group.members.iter().map(|member| &member.account));
                page.note(format!("{} of {}: {members}", group.min_signers, group.max_signers));
            }
        })?;
        Ok(())
    }
}

impl Run for Accept {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let nothing = |group: &GroupView, account: &AccountName| {
            let accepted = group.members.iter().any(|it| it.account == *account && it.accepted);
            match &group.change {
                Some(change) if change.accepts => None,
                Some(_) => {
                    Some(format!("the change of {} does not wait for you to accept", group.name))
                }
                None if group.epoch.is_some() => {
                    Some(format!("{} has its key, and nothing waits for you to accept", group.name))
                }
                None if accepted => Some(format!("you have accepted {} already", group.name)),
                None => None,
            }
        };
        let command = Command::AcceptGroup(self.name.clone());
        order(context, &self.name, "accepted", command, nothing, |_, _| {})
    }
}

impl Run for Cancel {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let nothing = |group: &GroupView, _: &AccountName| match (&group.change, group.state) {
            (Some(_), _)
            | (None, GroupStage::Generating | GroupStage::Certifying | GroupStage::Activating) => {
                None
            }
            (None, _) => Some(format!(
                "{} has no proposed change and no key generation to cancel",
                group.name
            )),
        };
        let command = Command::CancelCeremony(self.name.clone());
        // Displays members that hold new shares, because those still exist after the withdrawal.
        order(context, &self.name, "cancelled", command, nothing, |page, group| {
            if let Some(unused) = unused(group) {
                page.item(Tone::Warn, unused);
            }
        })
    }
}

/// Gives the node an order about a group, and displays the group afterwards, with `rest`.
///
/// `nothing` returns a message if the order has no object. The log's own message is then about
/// sessions and entries, which people do not know.
fn order(
    context: &Context,
    name: &GroupName,
    done: &str,
    command: Command,
    nothing: impl Fn(&GroupView, &AccountName) -> Option<String>,
    rest: impl Fn(&mut Page, &GroupView),
) -> Result<(), Failure> {
    let session = context.session()?;
    let account = context.node_config()?.account;
    session.order(command).map_err(|problem| match session.group(name) {
        Err(unknown) => unknown,
        Ok(group) => refused(&group, nothing(&group, &account), problem),
    })?;
    let group = session.group(name)?;
    let data = json::group(&group, now());
    context.terminal.show("group", &data, |page| {
        page.verdict(Tone::Good, format!("{done}: {name}"));
        page.note(group_sentence(&group));
        rest(page, &group);
    })?;
    Ok(())
}

/// Explains `problem` better where possible.
fn refused(group: &GroupView, nothing: Option<String>, problem: Problem) -> Problem {
    let show = format!("quorate group show {}", group.name);
    match (nothing, &group.change) {
        (Some(nothing), _) if problem.exit() == Exit::Error => {
            Problem::new(Code::Failed, nothing).hint(show)
        }
        (_, Some(change))
            if matches!(
                problem.code,
                Code::Refused(Refusal::Accounts(Accounts::NotAdmin { .. }))
            ) =>
        {
            let message = format!("{}, and did not propose this change", problem.message);
            Problem::new(problem.code, message).hint(format!(
                "{}, who proposed it, and any admin can withdraw it; to reject it: quorate reject {} --reason TEXT",
                change.proposer,
                change.id.short()
            ))
        }
        _ => problem,
    }
}
