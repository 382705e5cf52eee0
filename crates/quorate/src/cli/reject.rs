//! `quorate reject`: refuses a request, or a proposed change of a group.

use clap::Args;

use super::context::Context;
use super::sign::decided;
use super::terminal::Tone;
use super::{Failure, Run};
use crate::control::{Ask, Exit, Problem};

/// Refuse a request, or a proposed change of a group, with a reason that everybody can read
///
/// A request is rejected when so many members refuse that it can not get its approvals any more. An approval that was
/// given is not taken back by this.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate reject 8f2k91aa --reason 'the amount on page 2 is wrong'")]
pub(super) struct Reject {
    /// The request's id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    /// Why, in 1 to 500 characters; it goes into the log
    #[arg(long, short, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

impl Run for Reject {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let account = context.node_config()?.account;
        if let Some(change) = session.change(&self.id)? {
            session.order(Ask::Reject { id: change.id.to_string(), reason: self.reason })?;
            let group = session.group(&change.group)?;
            context.terminal.show("group", &group, |page| {
                let id = change.id.short();
                page.verdict(Tone::Good, format!("refused: change {id} of {}", group.name));
                page.note(group.change.as_ref().map_or(&group.sentence, |left| &left.sentence));
            })?;
            return Ok(());
        }
        let before = session.request(&self.id)?;
        let id = before.id.to_string();
        let done = match before.refusals.contains_key(&account) {
            true => "refused already",
            false => {
                decided(before)?;
                session.order(Ask::Reject { id: id.clone(), reason: self.reason })?;
                "refused"
            }
        };
        let request = session.request(&id)?;
        context.terminal.show("request", &request, |page| {
            page.verdict(Tone::Good, format!("{done}: request {}", request.id.short()));
            page.note(&request.sentence);
        })?;
        Ok(())
    }
}

fn reason(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    match (1..=500).contains(&text.chars().count()) {
        true => Ok(text.to_owned()),
        false => Err(Problem::new(Exit::Usage, "a reason has 1 to 500 characters")),
    }
}
