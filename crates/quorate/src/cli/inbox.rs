//! `quorate inbox`.

use clap::Args;
use serde::Serialize;

use super::context::{Context, now};
use super::{Failure, Run};
use crate::api::{ChangeView, Query, RequestView};
use crate::render::{self, Tone, json, request_in_list};

/// List the requests, and proposed changes of groups, that wait for your decision
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate inbox
  quorate inbox --json")]
pub(super) struct Inbox {}

#[derive(Serialize)]
struct InboxView {
    #[serde(serialize_with = "requests")]
    requests: Vec<RequestView>,
    #[serde(serialize_with = "changes")]
    changes: Vec<ChangeView>,
}

fn requests<S: serde::Serializer>(views: &[RequestView], to: S) -> Result<S::Ok, S::Error> {
    json::each(views, json::request).serialize(to)
}

fn changes<S: serde::Serializer>(views: &[ChangeView], to: S) -> Result<S::Ok, S::Error> {
    json::each(views, json::change).serialize(to)
}

impl Run for Inbox {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let pending = session.groups()?.into_iter().filter_map(|group| group.change);
        let waits = |change: &ChangeView| change.decides || change.accepts;
        let view = InboxView {
            requests: session.requests(Query::Inbox)?,
            changes: pending.map(|change| *change).filter(waits).collect(),
        };
        let first = view.requests.first().map(|request| request.id.short());
        context.terminal.show("inbox", &view, |page| {
            if view.requests.is_empty() && view.changes.is_empty() {
                page.verdict(Tone::Good, "nothing waits for you");
            }
            for request in &view.requests {
                request_in_list(page, request, now());
            }
            for change in &view.changes {
                render::change(page, change, now());
            }
        })?;
        if let Some(change) = view.changes.first() {
            let (id, group) = (change.id.short(), &change.group);
            context.terminal.note(|page| {
                page.blank();
                page.sentence("Look at the group, and decide on its change:");
                page.copyable(context.command(&format!("quorate group show {group}")));
                if change.accepts {
                    page.copyable(context.command(&format!("quorate group accept {group}")));
                } else {
                    page.copyable(context.command(&format!("quorate approve {id}")));
                }
                page.copyable(context.command(&format!("quorate reject {id} --reason TEXT")));
            });
        }
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
