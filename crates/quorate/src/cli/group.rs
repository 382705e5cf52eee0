//! `quorate group`: signing groups.

mod change;
mod create;

use std::ops::ControlFlow;
use std::time::Duration;

use clap::{Args, Subcommand};
use quorate_ceremony::names::{AccountName, GroupName};
use serde::Serialize;

use super::context::Context;
use super::progress::Progress;
use super::session::{Session, Watched, unexpected};
use super::terminal::Tone;
use super::{Failure, Run, page};
use crate::control::{Answer, Ask, Exit, GroupView, Problem};

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
            Action::Repair(repair) => repair.run(context),
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

/// Shows how a group comes along until it is settled.
fn watch(
    context: &Context,
    session: &Session,
    name: &GroupName,
    timeout: Option<Duration>,
    settled: impl Fn(&GroupView) -> bool,
) -> Result<GroupView, Problem> {
    let mut latest: Option<GroupView> = None;
    let mut progress = Progress::new(&context.terminal);
    let ask = Ask::Group { name: name.clone(), watch: true };
    let watched = session.watch(ask, timeout, |answer| {
        let Answer::Group(view) = answer else {
            return ControlFlow::Break(Err(unexpected(&answer)));
        };
        if let Err(problem) = progress.group(&view) {
            return ControlFlow::Break(Err(problem));
        }
        let settled = settled(&view);
        latest = Some(*view);
        if settled { ControlFlow::Break(Ok(())) } else { ControlFlow::Continue(()) }
    });
    drop(progress);
    let show = format!("it goes on by itself; see how: quorate group show {name}");
    match (watched?, latest) {
        (Watched::Done(done), Some(group)) => done.map(|()| group),
        (Watched::Done(Err(problem)), None) => Err(problem),
        (Watched::TimedOut, Some(group)) => {
            let online = session.status().map(|status| status.online).unwrap_or_default();
            let members: Vec<AccountName> = match &group.change {
                Some(change) => change.after.members.clone(),
                None => group.members.iter().map(|member| member.account.clone()).collect(),
            };
            let exit = match members.iter().all(|member| online.contains(member)) {
                true => Exit::Waiting,
                false => Exit::TooFewNodes,
            };
            let sentence = group.change.map_or(group.sentence, |change| change.sentence);
            Err(Problem::new(exit, sentence.trim_end_matches('.').to_owned()).hint(show))
        }
        (_, None) => {
            Err(Problem::new(Exit::Waiting, "the node did not say how the group is").hint(show))
        }
    }
}
