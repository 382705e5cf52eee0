//! `quorate approve`.

use clap::Args;

use super::confirm::{Question, Yes, confirm_id};
use super::context::{Context, now};
use super::look::Look;
use super::run::each;
use super::session::Session;
use super::sign::{decided, show_done, show_done_and};
use super::{Failure, Run};
use crate::api::{Code, Command, Motion, Problem, RequestStage, RequestView};
use crate::render::{group_advice, plural, request_details, request_warnings};

/// Approve a request
///
/// Displays what is to be signed, with the document, and asks for confirmation. Your node then
/// signs an approval of exactly this document. The signature is made when enough members have
/// approved and enough nodes are online, whether you wait or not. Without a terminal, give the
/// whole id and --yes. Changes of groups are approved with `quorate group approve`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate approve 8f2091aa4c07d1e25b63
  quorate approve 8f2091aa4c07d1e25b63 0c41d7ee93b85f26a014
  quorate approve 8f2091aa4c07d1e25b63 --sha256 $(sha256sum < contract.pdf | cut -c -64)
  quorate approve \"$(quorate inbox --json | jq -r '.requests[0].id')\" --yes")]
pub(super) struct Approve {
    /// The requests' ids, or the beginnings of them (at least 4 digits)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    yes: Yes,
    /// Approve only if the file has this SHA-256
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: Option<String>,
}

impl Run for Approve {
    fn run(self, context: &Context) -> Result<(), Failure> {
        if self.sha256.is_some() && self.ids.len() > 1 {
            return Err(Problem::new(Code::Usage, "--sha256 takes a single ID").into());
        }
        let session = context.session()?;
        each(context, session.selected(&self.ids)?, |(given, request)| {
            self.approve(context, &session, given, request)
        })
    }
}

impl Approve {
    fn approve(
        &self,
        context: &Context,
        session: &Session,
        given: &str,
        request: RequestView,
    ) -> Result<(), Failure> {
        let account = context.node_config()?.account;
        let request = decided(request)?;
        if request.approvals.contains(&account) || request.state == RequestStage::Signed {
            return show_done(context, &request, "approved already");
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
        let id = request.id;
        let look = match self.yes.is_given() {
            true => None,
            false => Some(look(context, session, &request)?),
        };
        let question = Question {
            text: "Approve?",
            no: "not approved",
            instead: Some(format!(
                "to reject it: {}",
                context.command(&format!("quorate reject {} --reason TEXT", id.short()))
            )),
            look: look.as_ref(),
        };
        confirm_id(context, self.yes, (given, id), &question, |page| {
            page.sentence("This is what would be signed:");
            request_details(page, &request, now());
            if let Some(look) = &look {
                look.show(page);
            }
            page.blank();
            page.sentence(consequence(&request));
        })?;
        if self.yes.is_given() {
            request_warnings(&request).iter().for_each(|warning| context.terminal.warn(warning));
        }
        session.order(Command::Approve(Motion::Request(id)))?;
        let request = session.request(&id.to_string())?;
        if session.is_running_node() || request.state.is_final() {
            show_done(context, &request, "approved")?;
        } else {
            show_done_and(context, &request, "approved", |page| {
                page.note(
                    "Your node ran only during this command, and it can only help to sign while it runs. Start it:",
                );
                page.copyable(context.command("quorate node run"));
            })?;
        }
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

    fn check_hash(&self, request: &RequestView) -> Result<(), Problem> {
        let Some(expected) = &self.sha256 else { return Ok(()) };
        match &request.file_sha256 {
            Some(found) if found == expected => Ok(()),
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

/// Gets the document, to be looked at.
fn look(context: &Context, session: &Session, request: &RequestView) -> Result<Look, Problem> {
    let (name, document) = session.document(request.id)?;
    Ok(Look::new(request, (&name, document), &context.node_home()?))
}

/// Says what an approval leads to.
fn consequence(request: &RequestView) -> String {
    let group = &request.group;
    let missing = usize::from(request.approvals_required).saturating_sub(request.approvals.len());
    match missing {
        0 => format!("{group} has enough approvals; yours adds a member that can help to sign."),
        1 => format!(
            "Yours is the last approval that is missing: {group} then signs, and nobody can revoke the signature."
        ),
        more => format!(
            "It needs {} more after yours. Until it is signed, you can still reject it.",
            plural(more - 1, "approval", "approvals")
        ),
    }
}

fn sha256(text: &str) -> Result<String, Problem> {
    let text = text.trim().to_ascii_lowercase();
    match text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err(Problem::new(Code::Usage, "a SHA-256 has 64 hexadecimal digits")),
    }
}
