//! `quorate approve`.

use std::io::{BufRead as _, Write as _};

use clap::Args;
use quorate_ceremony::names::AccountName;

use super::context::{Context, now};
use super::session::Session;
use super::sign::decided;
use super::{Failure, Run};
use crate::api::{ChangeView, Code, Command, Problem, RequestStage, RequestView};
use crate::render::{
    self, Page, Tone, change_end, change_sentence, group_advice, group_sentence, is_done, json,
    request_details, request_sentence,
};

/// Approve a request, or a proposed change of a group
///
/// On a terminal, displays what is to be signed and asks for confirmation. Elsewhere, or with --yes
/// or --no-input, the id alone is the decision. Your node signs an approval of exactly this
/// document. The signature is made when enough members have approved and enough nodes are online,
/// whether you wait or not.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate approve 8f2k91aa
  quorate approve 8f2k91aa --yes
  quorate approve 8f2k91aa --sha256 $(sha256sum < contract.pdf | cut -c -64)")]
pub(super) struct Approve {
    /// The request's id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
    /// Approve only if the file has this SHA-256
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
}

impl Run for Approve {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let account = context.node_config()?.account;
        let session = context.session()?;
        if let Some(change) = session.change(&self.id)? {
            return self.approve_change(context, &session, &change, &account);
        }
        let request = decided(session.request(&self.id)?)?;
        if request.approvals.contains(&account) || request.state == RequestStage::Signed {
            return show(context, &request, "approved already");
        }
        if let Some(reason) = request.refusals.get(&account) {
            let message = format!(
                "you rejected request {} already ({reason}), and that is final",
                request.id.short()
            );
            return Err(Problem::new(Code::Failed, message)
                .hint(
                    "to approve it after all, the document has to be submitted again: quorate sign",
                )
                .into());
        }
        self.check_hash(&request)?;
        self.confirm(context, &request.id.short(), |page| {
            page.sentence("This is what would be signed:");
            request_details(page, &request, now());
        })?;
        session.order(Command::Approve(request.id))?;
        let request = session.request(&request.id.to_string())?;
        show(context, &request, "approved")?;
        let group = session.group(&request.group)?;
        if group.lacks_share {
            let advice =
                group_advice(&group).map(|advice| format!(": {advice}")).unwrap_or_default();
            context.terminal.warn(&format!(
                "the approval counts, but this node has no share of {}, so it cannot help to sign{advice}",
                group.name
            ));
        }
        Ok(())
    }
}

impl Approve {
    fn approve_change(
        &self,
        context: &Context,
        session: &Session,
        change: &ChangeView,
        account: &AccountName,
    ) -> Result<(), Failure> {
        let id = change.id.short();
        if let Some(reason) = change.refusals.get(account) {
            let message = format!("you rejected change {id} already ({reason}), and that is final");
            return Err(Problem::new(Code::Failed, message).hint(decide_again(change)).into());
        }
        if self.sha256.is_some() {
            let message = format!("{id} is a change of a group, which has no file");
            return Err(Problem::new(Code::Usage, message).into());
        }
        if change.approvals.contains(account) {
            return show_change(context, session, change, "approved already");
        }
        self.confirm(context, &id, |page| {
            page.sentence("This is what would change:");
            render::change(page, change, now());
        })?;
        session.order(Command::Approve(change.id))?;
        show_change(context, session, change, "approved")
    }

    /// Asks for confirmation on a terminal, except with `--yes`.
    fn confirm(
        &self,
        context: &Context,
        id: &str,
        what: impl FnOnce(&mut Page),
    ) -> Result<(), Problem> {
        if self.yes || !context.may_ask() {
            return Ok(());
        }
        context.terminal.note(what);
        if confirms("Approve? [y/N] ")? {
            return Ok(());
        }
        Err(Problem::new(Code::Failed, "not approved: nothing was changed")
            .hint(format!("to reject it: quorate reject {id} --reason TEXT")))
    }

    fn check_hash(&self, request: &RequestView) -> Result<(), Problem> {
        let Some(expected) = &self.sha256 else { return Ok(()) };
        match &request.file_sha256 {
            Some(found) if found.eq_ignore_ascii_case(expected.trim()) => Ok(()),
            Some(found) => Err(Problem::new(
                Code::Verification,
                format!(
                    "not approved: this is a different document: expected {expected}, got {found}"
                ),
            )),
            None => Err(Problem::new(
                Code::Failed,
                "not approved: this node does not have the document yet",
            )
            .hint("try again when the coordinator can be reached")),
        }
    }
}

fn show(context: &Context, request: &RequestView, done: &str) -> Result<(), Failure> {
    context.terminal.show("request", &json::request(request), |page| {
        page.verdict(Tone::Good, format!("{done}: request {}", request.id.short()));
        page.note(request_sentence(request));
    })?;
    Ok(())
}

/// Displays `done`, the vote on a change, and where the change stands.
pub(super) fn show_change(
    context: &Context,
    session: &Session,
    change: &ChangeView,
    said: &str,
) -> Result<(), Failure> {
    let group = session.group(&change.group)?;
    context.terminal.show("group", &json::group(&group, now()), |page| {
        page.verdict(Tone::Good, format!("{said}: change {} of {}", change.id.short(), group.name));
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
pub(super) fn decide_again(change: &ChangeView) -> String {
    format!(
        "{} or an admin can withdraw the change, to propose it again: quorate group cancel {}",
        change.proposer, change.group
    )
}

pub(super) fn confirms(question: &str) -> Result<bool, Problem> {
    let failed =
        |error| Problem::new(Code::Failed, format!("the terminal cannot be used: {error}"));
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
