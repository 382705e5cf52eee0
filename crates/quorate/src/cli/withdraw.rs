//! `quorate request withdraw`.

use clap::Args;

use super::confirm::{Question, Yes, confirm_id};
use super::context::{Context, now};
use super::run::each;
use super::session::Session;
use super::sign::{decided, show_done};
use super::{Failure, Run};
use crate::api::{Code, Command, Problem, RequestStage, RequestView};
use crate::render::request_details;

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
        each(context, session.selected(&self.ids)?, |(given, request)| {
            self.withdraw(context, &session, given, request)
        })
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
            return show_done(context, &request, "withdrawn already");
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
        show_done(context, &session.request(&id.to_string())?, "withdrawn")
    }
}
