//! `quorate reject`.

use clap::Args;
use quorate_ceremony::state::is_reason;

use super::confirm::{Question, Yes, confirm_id};
use super::context::{Context, now};
use super::run::each;
use super::session::Session;
use super::sign::{decided, show_done};
use super::{Failure, Run};
use crate::api::{Code, Command, Motion, Problem, RequestStage, RequestView};
use crate::render::request_details;

/// Reject a request, with a reason that everybody can read
///
/// A request ends when so many members have rejected it that the rest cannot give enough approvals.
/// A rejection is final. If you have approved the request, it voids your approval, unless the
/// request is signed already. To withdraw a request of your own: quorate request withdraw. Without
/// a terminal, give the whole id and --yes. Changes of groups are rejected with `quorate group
/// reject`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate reject 8f2091aa4c07d1e25b63 --reason 'the amount on page 2 is wrong'")]
pub(super) struct Reject {
    /// The requests' ids, or the beginnings of them (at least 4 digits)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Why, in 1 to 500 bytes on one line; it goes into the log
    #[arg(long, short, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    yes: Yes,
}

impl Run for Reject {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        each(context, session.selected(&self.ids)?, |(given, request)| {
            self.reject(context, &session, given, request)
        })
    }
}

impl Reject {
    fn reject(
        &self,
        context: &Context,
        session: &Session,
        given: &str,
        request: RequestView,
    ) -> Result<(), Failure> {
        let account = context.node_config()?.account;
        let id = request.id;
        let done = match request.refusals.contains_key(&account) {
            true => "rejected already",
            false => {
                let request = still_open(decided(request)?)?;
                let question =
                    Question { text: "Reject?", no: "not rejected", instead: None, look: None };
                confirm_id(context, self.yes, (given, id), &question, |page| {
                    page.sentence("This is what you would reject, permanently:");
                    request_details(page, &request, now());
                })?;
                let reason = self.reason.clone();
                let order = Command::Reject { motion: Motion::Request(id), reason };
                session.order(order).map_err(|problem| match request.requester == account {
                    true => problem.hint(format!(
                        "to withdraw it as its requester: quorate request withdraw {}",
                        id.short()
                    )),
                    false => problem,
                })?;
                "rejected"
            }
        };
        let request = session.request(&id.to_string())?;
        show_done(context, &request, done)?;
        if request.requester == account && !request.state.is_final() {
            context.terminal.note(|page| {
                page.blank();
                page.sentence(
                    "The other members can still approve it. To withdraw it as its requester:",
                );
                page.copyable(context.command(&format!("quorate request withdraw {}", id.short())));
            });
        }
        Ok(())
    }
}

/// Fails if the request is signed.
fn still_open(request: RequestView) -> Result<RequestView, Problem> {
    if request.state != RequestStage::Signed {
        return Ok(request);
    }
    let message = format!("request {} is signed; it can no longer be rejected", request.id.short());
    Err(Problem::new(Code::Rejected, message)
        .hint(format!("for the details: quorate request show {}", request.id.short())))
}

pub(super) fn reason(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    match is_reason(text) {
        true => Ok(text.to_owned()),
        false => Err(Problem::new(Code::Usage, "a reason has 1 to 500 bytes, all on one line")),
    }
}
