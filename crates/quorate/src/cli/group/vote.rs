//! `quorate group approve` and `group reject`: decisions on what a group is to become.
//!
//! ```text
//! what waits              a member                       an account that would join
//! a proposed change       approves or rejects it         accepts or declines membership
//! a first definition      accepts it, or leaves it       –
//! ```

use clap::Args;
use quorate_ceremony::names::AccountName;

use crate::api::{ChangeView, Code, Command, Exit, GroupView, Motion, Named, Problem};
use crate::cli::confirm::{Question, Yes, confirm_id};
use crate::cli::context::{Context, now};
use crate::cli::reject::reason;
use crate::cli::session::Session;
use crate::cli::{Failure, Run};
use crate::render::{self, Tone, change_end, change_sentence, group_sentence, is_done, json};

/// Approve a proposed change of a group, or accept membership of a group
///
/// A member approves a change or a repair that was proposed. An account that would become a member,
/// by a change or by the first definition of a group, accepts membership; that is only needed if it
/// joined with --ask-before-groups. Displays what would change and asks for confirmation. Without a
/// terminal, give the whole id and --yes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate inbox
  quorate group approve 7c1d0b52e6a94f3810d7
  quorate group approve \"$(quorate inbox --json | jq -r '.changes[0].id')\" --yes")]
pub(super) struct Approve {
    /// The id of the change or definition, or the beginning of it (at least 4 digits)
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    yes: Yes,
}

/// Reject a proposed change of a group, or decline to join by it, with a reason
///
/// Everybody can read the reason. A change ends when so many members have rejected it that the rest
/// cannot give enough approvals, or immediately if an account that would join declines. A rejection
/// is final. Without a terminal, give the whole id and --yes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group reject 7c1d0b52e6a94f3810d7 --reason 'carol stays'")]
pub(super) struct Reject {
    /// The id of the change, or the beginning of it (at least 4 digits)
    #[arg(value_name = "ID")]
    id: String,
    /// Why, in 1 to 500 bytes on one line; it goes into the log
    #[arg(long, short, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    yes: Yes,
}

/// What a group's members decide on.
enum Pending {
    Change(Box<ChangeView>),
    Definition(Box<GroupView>),
}

impl Run for Approve {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        match pending(&session, &self.id, "approve")? {
            Pending::Change(change) => self.approve(context, &session, &change),
            Pending::Definition(group) => self.accept(context, &session, &group),
        }
    }
}

impl Approve {
    fn approve(
        &self,
        context: &Context,
        session: &Session,
        change: &ChangeView,
    ) -> Result<(), Failure> {
        let account = context.node_config()?.account;
        let id = change.id.short();
        if let Some(reason) = change.refusals.get(&account) {
            let message = format!("you rejected change {id} already ({reason}), and that is final");
            return Err(Problem::new(Code::Failed, message).hint(decide_again(change)).into());
        }
        if change.approvals.contains(&account) {
            return show(context, session, change, "approved already");
        }
        let joins = change.added.contains(&account);
        if joins && !change.not_accepted.contains(&account) {
            return show(context, session, change, "accepted already");
        }
        let question = Question {
            text: if joins { "Accept membership?" } else { "Approve?" },
            no: if joins { "not accepted" } else { "not approved" },
            instead: Some(format!(
                "to reject it: {}",
                context.command(&format!("quorate group reject {id} --reason TEXT"))
            )),
            look: None,
        };
        confirm_id(context, self.yes, (&self.id, change.id), &question, |page| {
            page.sentence("This is what would change:");
            render::change(page, change, now());
        })?;
        session.order(Command::Approve(Motion::Change(change.id)))?;
        show(context, session, change, if joins { "accepted" } else { "approved" })
    }

    fn accept(
        &self,
        context: &Context,
        session: &Session,
        group: &GroupView,
    ) -> Result<(), Failure> {
        let account = context.node_config()?.account;
        let accepted =
            |group: &GroupView| group.members.iter().any(|it| it.account == account && it.accepted);
        let done = match accepted(group) {
            true => "accepted already",
            false => {
                let question = Question {
                    text: "Accept membership?",
                    no: "not accepted",
                    instead: Some(format!(
                        "the group gets no key until you accept; an admin can change its definition: quorate group create {} …",
                        group.name
                    )),
                    look: None,
                };
                confirm_id(context, self.yes, (&self.id, group.defined), &question, |page| {
                    page.sentence("This is the group that you would be a member of:");
                    render::group(page, group, now());
                })?;
                session.order(Command::Approve(Motion::Definition(group.defined)))?;
                "accepted"
            }
        };
        let group = session.group(&group.name)?;
        context.terminal.show("group", &json::group(&group, now()), |page| {
            page.verdict(Tone::Good, format!("{done}: {}", group.name));
            page.note(group_sentence(&group));
        })?;
        Ok(())
    }
}

impl Run for Reject {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let account = context.node_config()?.account;
        let change = match pending(&session, &self.id, "reject")? {
            Pending::Change(change) => change,
            Pending::Definition(group) => return Err(needs_no_rejection(&group).into()),
        };
        if change.refusals.contains_key(&account) {
            return show(context, &session, &change, "rejected already");
        }
        let question = Question { text: "Reject?", no: "not rejected", instead: None, look: None };
        confirm_id(context, self.yes, (&self.id, change.id), &question, |page| {
            page.sentence("This is what you would reject, permanently:");
            render::change(page, &change, now());
        })?;
        // Sent even after consent, because the node then takes no part in carrying the change out.
        let consented = change.approvals.contains(&account) || has_accepted(&change, &account);
        let command = Command::Reject { motion: Motion::Change(change.id), reason: self.reason };
        session.order(command).map_err(|problem| match problem.exit() {
            Exit::Error | Exit::Rejected if consented => too_late(&change, &account, problem.code),
            _ => problem,
        })?;
        show(context, &session, &change, "rejected")
    }
}

/// Finds what the members of a group decide on.
fn pending(session: &Session, id: &str, verb: &str) -> Result<Pending, Problem> {
    match session.find(id)? {
        Named::Request { id } => {
            let id = id.short();
            Err(Problem::new(
                Code::OtherKind,
                format!("{id} is a request, not a change of a group"),
            )
            .hint(format!("look at it: quorate request show {id}; then: quorate {verb} {id}")))
        }
        Named::PastChange(past) => {
            let (id, group) = (past.id.short(), &past.proposal.definition.name);
            let message = format!("{id} is a change of {group}, and over: {}", change_end(&past));
            Err(Problem::new(Code::Rejected, message).hint(format!("quorate group show {group}")))
        }
        Named::Change { id, group } => {
            let change = session.group(&group)?.change.filter(|change| change.id == id);
            change.map(Pending::Change).ok_or_else(|| {
                let message = format!("{} is a change of {group}, and has expired", id.short());
                Problem::new(Code::Rejected, message).hint(format!("quorate group show {group}"))
            })
        }
        Named::Definition { group, .. } => {
            let group = session.group(&group)?;
            match group.epoch {
                None => Ok(Pending::Definition(Box::new(group))),
                Some(_) => {
                    let message =
                        format!("{} has its key, and nothing waits for you to accept", group.name);
                    Err(Problem::new(Code::Failed, message)
                        .hint(format!("quorate group show {}", group.name)))
                }
            }
        }
    }
}

/// Displays `done`, the vote on a change, and where the change stands.
fn show(
    context: &Context,
    session: &Session,
    change: &ChangeView,
    done: &str,
) -> Result<(), Failure> {
    let group = session.group(&change.group)?;
    context.terminal.show("group", &json::group(&group, now()), |page| {
        page.verdict(Tone::Good, format!("{done}: change {} of {}", change.id.short(), group.name));
        match (&group.change, &group.past_change) {
            (Some(pending), _) if pending.id == change.id => page.note(change_sentence(pending)),
            (_, Some(past)) if past.id == change.id && is_done(past) => {
                page.note(group_sentence(&group))
            }
            (_, Some(past)) if past.id == change.id => page.note(format!(
                "The change has ended, and {} stays as it is: {}.",
                group.name,
                change_end(past)
            )),
            _ => page.note(group_sentence(&group)),
        }
    })?;
    Ok(())
}

/// Explains how to correct a vote on a change that was cast by mistake.
fn decide_again(change: &ChangeView) -> String {
    format!(
        "{} or an admin can withdraw the change, to propose it again: quorate group cancel {}",
        change.proposer, change.group
    )
}

/// Whether this account would join by the change and has accepted.
fn has_accepted(change: &ChangeView, account: &AccountName) -> bool {
    change.added.contains(account) && !change.not_accepted.contains(account)
}

/// Explains that the log already contains this account's consent.
fn too_late(change: &ChangeView, account: &AccountName, code: Code) -> Problem {
    let did = if has_accepted(change, account) { "accepted to join by" } else { "approved" };
    let message = format!(
        "you {did} change {} already, which is final; but from now on this node takes no part in it",
        change.id.short()
    );
    Problem::new(code, message).hint(decide_again(change))
}

fn needs_no_rejection(group: &GroupView) -> Problem {
    let name = &group.name;
    Problem::new(
        Code::Failed,
        format!(
            "the definition of {name} cannot be rejected: until you accept it, {name} gets no key"
        ),
    )
    .hint(format!("tell the admin, who can define it again: quorate group create {name} …"))
}
