//! `quorate reject`.

use clap::Args;
use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::is_reason;

use super::approve::{decide_again, show_change};
use super::context::Context;
use super::sign::decided;
use super::{Failure, Run};
use crate::api::{ChangeView, Code, Command, Exit, Problem};
use crate::render::{Tone, json, request_sentence};

/// Reject a request, or a proposed change of a group, with a reason that everybody can read
///
/// A request ends when so many members have rejected it that the rest cannot give enough approvals.
/// A change ends immediately if an account that would join by it rejects it. Rejecting does not
/// withdraw an approval that is in the log already.
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
            if change.refusals.contains_key(&account) {
                return show_change(context, &session, &change, "rejected already");
            }
            // Sent even after consent, because the node then takes no part in carrying the change
            // out.
            let consented = change.approvals.contains(&account) || has_accepted(&change, &account);
            let command = Command::Reject { request: change.id, reason: self.reason };
            session.order(command).map_err(|problem| match problem.exit() {
                Exit::Error | Exit::Rejected if consented => {
                    too_late(&change, &account, problem.code)
                }
                _ => problem,
            })?;
            return show_change(context, &session, &change, "rejected");
        }
        let before = session.request(&self.id)?;
        let id = before.id;
        let done = match before.refusals.contains_key(&account) {
            true => "rejected already",
            false => {
                decided(before)?;
                session.order(Command::Reject { request: id, reason: self.reason })?;
                "rejected"
            }
        };
        let request = session.request(&id.to_string())?;
        context.terminal.show("request", &json::request(&request), |page| {
            page.verdict(Tone::Good, format!("{done}: request {}", request.id.short()));
            page.note(request_sentence(&request));
        })?;
        Ok(())
    }
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

fn reason(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    match is_reason(text) {
        true => Ok(text.to_owned()),
        false => Err(Problem::new(Code::Usage, "a reason has 1 to 500 bytes, all on one line")),
    }
}
