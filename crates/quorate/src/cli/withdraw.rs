//! `quorate request withdraw`.

use clap::Args;

use super::confirm::{Question, Yes, confirm_id};
use super::context::{Context, now};
use super::session::Session;
use super::sign::decided;
use super::{Failure, Run};
use crate::api::{Code, Command, Problem, RequestStage, RequestView};
use crate::render::{Tone, json, request_details, request_sentence};

/// Withdraw a request that you made, before it is signed
///
/// The log records the withdrawal, and no node signs the request any more. If the request was
/// approved before, a signature may already exist; the answer says so. To ask again: quorate sign.
/// Without a terminal, give the whole id and --yes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate request withdraw 8f2091aa4c07d1e25b63")]
pub(super) struct Withdraw {
    /// The requests' ids, or the beginnings of them (at least 4 digits)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    yes: Yes,
}

impl Run for Withdraw {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        // A mistake in one id must not be found when others are withdrawn already.
        let requests: Result<Vec<_>, Problem> =
            self.ids.iter().map(|id| Ok((id, session.request(id)?))).collect();
        for (given, request) in requests? {
            self.withdraw(context, &session, given, request)?;
        }
        Ok(())
    }
}

impl Withdraw {
    fn withdraw(
        &self,
        context: &Context,
        session: &Session,
        given: &str,
        request: RequestView,
    ) -> Result<(), Failure> {
        let id = request.id;
        if request.state == RequestStage::Withdrawn {
            return show(context, &request, "withdrawn already");
        }
        let request = decided(request)?;
        if request.state == RequestStage::Signed {
            let message =
                format!("request {} is signed; a signature cannot be revoked", id.short());
            return Err(Problem::new(Code::Rejected, message)
                .hint(format!("quorate request show {}", id.short()))
                .into());
        }
        let question =
            Question { text: "Withdraw it?", no: "not withdrawn", instead: None, look: None };
        confirm_id(context, self.yes, (given, id), &question, |page| {
            page.sentence("This is what you would withdraw:");
            request_details(page, &request, now());
        })?;
        session.order(Command::WithdrawRequest(id))?;
        show(context, &session.request(&id.to_string())?, "withdrawn")
    }
}

fn show(context: &Context, request: &RequestView, done: &str) -> Result<(), Failure> {
    context.terminal.show("request", &json::request(request), |page| {
        page.verdict(Tone::Good, format!("{done}: request {}", request.id.short()));
        page.note(request_sentence(request));
    })?;
    Ok(())
}
