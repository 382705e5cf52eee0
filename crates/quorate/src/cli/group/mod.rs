//! `quorate group`.

mod change;
mod create;
mod format;
mod retire;
mod vote;
mod watch;

use clap::{Args, Subcommand};
use quorate_ceremony::names::GroupName;
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;
use serde::Serialize;

use super::confirm::{Question, Yes, confirm};
use super::context::{Context, now};
use super::{Failure, Run};
use crate::api::{Code, Command, Exit, GroupStage, GroupView, Problem};
use crate::render::{self, Tone, commas, group_sentence, group_tone, json, unused};

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
    Approve(vote::Approve),
    Reject(vote::Reject),
    Change(change::Change),
    Refresh(change::Refresh),
    Repair(change::Repair),
    Retire(retire::Retire),
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

/// Cancel a group's running key generation, or withdraw a proposed change
///
/// Admins can do this, and the account that proposed the change. A group without a key can then be
/// defined again under the same name. A group with a key keeps it, and stays as it is. Some members
/// may already hold new shares from the cancelled change; `group cancel` lists those that are
/// known. Enough of them together could still sign, so run `group refresh` afterwards.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group cancel board
  quorate group cancel board --yes")]
struct Cancel {
    /// The group
    #[arg(value_name = "GROUP")]
    name: GroupName,
    #[command(flatten)]
    yes: Yes,
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
            Action::Approve(approve) => approve.run(context),
            Action::Reject(reject) => reject.run(context),
            Action::Change(change) => change.run(context),
            Action::Refresh(refresh) => refresh.run(context),
            Action::Repair(repair) => repair.run(context),
            Action::Retire(retire) => retire.run(context),
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

impl Run for Cancel {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let group = session.group(&self.name)?;
        let Some(command) = cancellation(&group) else {
            return Err(nothing_to_cancel(&group).into());
        };
        let question =
            Question { text: "Cancel it?", no: "not cancelled", instead: None, look: None };
        confirm(context, self.yes, &question, |page| {
            page.sentence("This is what would be cancelled:");
            match &group.change {
                Some(change) => render::change(page, change, now()),
                None => page.note(group_sentence(&group)),
            }
        })?;
        session.order(command).map_err(|problem| match session.group(&self.name) {
            Ok(group) => refused(&group, problem),
            Err(unknown) => unknown,
        })?;
        let group = session.group(&self.name)?;
        context.terminal.show("group", &json::group(&group, now()), |page| {
            page.verdict(Tone::Good, format!("cancelled: {}", group.name));
            page.note(group_sentence(&group));
            // Displays members that hold new shares, because those still exist after the
            // withdrawal.
            if let Some(unused) = unused(&group) {
                page.item(Tone::Warn, unused);
            }
        })?;
        Ok(())
    }
}

/// Returns the command that cancels what the group does, as this view shows it.
fn cancellation(group: &GroupView) -> Option<Command> {
    match (&group.change, &group.session) {
        (Some(change), _) => Some(Command::WithdrawChange(change.id)),
        (None, Some(session)) => Some(Command::CancelSession(session.id)),
        (None, None) => None,
    }
}

fn nothing_to_cancel(group: &GroupView) -> Problem {
    let name = &group.name;
    let message = format!("{name} has no proposed change and no key generation to cancel");
    Problem::new(Code::Failed, message).hint(format!("quorate group show {name}"))
}

/// Explains `problem` better where possible. The log's own message is about sessions and entries,
/// which people do not know. `group` is what the node shows after the failure.
fn refused(group: &GroupView, problem: Problem) -> Problem {
    let is_generating = matches!(
        group.state,
        GroupStage::Generating | GroupStage::Certifying | GroupStage::Activating
    );
    match &group.change {
        None if !is_generating && problem.exit() == Exit::Error => nothing_to_cancel(group),
        Some(change)
            if matches!(
                problem.code,
                Code::Refused(Refusal::Accounts(Accounts::NotAdmin { .. }))
            ) =>
        {
            let message = format!("{}, and did not propose this change", problem.message);
            Problem::new(problem.code, message).hint(format!(
                "{}, who proposed it, and any admin can withdraw it; to reject it: quorate group reject {} --reason TEXT",
                change.proposer,
                change.id.short()
            ))
        }
        _ => problem,
    }
}
