//! `quorate group`: signing groups.

mod change;
mod create;

use clap::{Args, Subcommand};
use quorate_ceremony::names::GroupName;
use serde::Serialize;

use super::context::Context;
use super::terminal::Tone;
use super::{Failure, Run, page};
use crate::control::{Ask, GroupView};

/// Make signing groups, look at them, and change them
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

/// Accept to belong to a group, as an admin defined it or as a change proposes
///
/// Only needed if this account joined with --ask-before-groups. The key is made, or shared anew, once all have accepted.
/// Look at the group first, with `quorate group show`.
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

/// Call off a group's running key generation, or take back a proposed change
///
/// Needs the admin role, or to have proposed the change. A group without a key can then be defined again under the same
/// name; a group that has its key keeps it, and stays as it is. Those who were to get shares by the change may have them already,
/// unused: as many of them as were to sign could sign, so that `group refresh` afterwards is wise.
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
    groups: Vec<GroupView>,
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
            Action::Cancel(cancel) => cancel.run(context),
        }
    }
}

impl Run for Show {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let group = context.session()?.group(&self.name)?;
        context.terminal.show("group", &group, |page| page::group(page, &group))?;
        Ok(())
    }
}

impl Run for List {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let view = GroupsView { groups: context.session()?.groups()? };
        context.terminal.show("groups", &view, |page| {
            if view.groups.is_empty() {
                page.sentence(
                    "There are no groups yet; an admin makes one with `quorate group create`.",
                );
            }
            for group in &view.groups {
                page.verdict(page::group_tone(group.state), &group.sentence);
                let members = page::list(group.members.iter().map(|member| &member.account));
                page.note(format!("{} of {}: {members}", group.min_signers, group.max_signers));
            }
        })?;
        Ok(())
    }
}

impl Run for Accept {
    fn run(self, context: &Context) -> Result<(), Failure> {
        order(context, &self.name, "accepted", Ask::AcceptGroup { name: self.name.clone() })
    }
}

impl Run for Cancel {
    fn run(self, context: &Context) -> Result<(), Failure> {
        order(context, &self.name, "cancelled", Ask::CancelCeremony { name: self.name.clone() })
    }
}

/// Gives an order about a group, and shows what became of it.
fn order(context: &Context, name: &GroupName, done: &str, ask: Ask) -> Result<(), Failure> {
    let session = context.session()?;
    session.order(ask).map_err(|problem| session.about_group(name, problem))?;
    let group = session.group(name)?;
    context.terminal.show("group", &group, |page| {
        page.verdict(Tone::Good, format!("{done}: {name}"));
        page.note(&group.sentence);
    })?;
    Ok(())
}
