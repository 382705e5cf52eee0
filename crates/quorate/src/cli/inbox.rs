//! `quorate inbox`: what waits for this account's decision.

use clap::Args;
use serde::Serialize;

use super::context::{Context, now};
use super::terminal::Tone;
use super::{Failure, Run, page};
use crate::control::{Ask, RequestView};

/// List the requests that wait for your decision
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate inbox
  quorate inbox --json")]
pub(super) struct Inbox {}

#[derive(Serialize)]
struct RequestsView {
    requests: Vec<RequestView>,
}

impl Run for Inbox {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let requests = context.session()?.requests(Ask::Inbox)?;
        let first = requests.first().map(|request| request.id.short());
        context.terminal.show("inbox", &RequestsView { requests: requests.clone() }, |page| {
            if requests.is_empty() {
                page.verdict(Tone::Good, "nothing waits for you");
            }
            for request in &requests {
                page::request_in_list(page, request, now());
            }
        })?;
        if let Some(id) = first {
            context.terminal.note(|page| {
                page.blank();
                page.sentence("Look at one, look at its document, and decide:");
                page.copyable(context.command(&format!("quorate request show {id}")));
                page.copyable(
                    context.command(&format!("quorate request download {id} --document")),
                );
                page.copyable(context.command(&format!("quorate approve {id}")));
                page.copyable(context.command(&format!("quorate reject {id} --reason TEXT")));
            });
        }
        Ok(())
    }
}
