//! `quorate inbox`.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::context::{Context, now};
use super::session::{Session, Watched};
use super::{Failure, Run, duration};
use crate::api::{Answer, Code, InboxView, Problem, Query};
use crate::launch::unexpected;
use crate::render::{self, Tone, json, request_in_list};

/// List the requests, and proposed changes of groups, that wait for your decision
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate inbox
  quorate inbox --wait --timeout 1h
  quorate inbox --json")]
pub(super) struct Inbox {
    /// Wait until something needs your decision
    #[arg(long, short)]
    wait: bool,
    /// Stop waiting after this time (exit code 4)
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "wait")]
    timeout: Option<Duration>,
}

#[derive(Serialize)]
struct InboxJson {
    requests: Vec<serde_json::Value>,
    changes: Vec<serde_json::Value>,
    groups: Vec<serde_json::Value>,
}

impl Inbox {
    /// Returns what waits; with `--wait`, as soon as anything does.
    fn look(&self, session: &Session) -> Result<InboxView, Problem> {
        let mut latest = InboxView::default();
        let watched = session.watch(Query::Inbox { watch: self.wait }, self.timeout, |answer| {
            let Answer::Inbox(view) = answer else {
                return ControlFlow::Break(Err(unexpected(&answer)));
            };
            latest = *view;
            match self.wait && latest.is_empty() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(Ok(())),
            }
        })?;
        match watched {
            Watched::Done(done) => done.map(|()| latest),
            Watched::TimedOut => Err(Problem::new(Code::Waiting, "nothing waits for you yet")),
            Watched::Interrupted => Err(Problem::new(Code::Interrupted, "stopped waiting")),
        }
    }
}

impl Run for Inbox {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let view = self.look(&session)?;
        let json = InboxJson {
            requests: json::each(&view.requests, json::request),
            changes: json::each(&view.changes, json::change),
            groups: json::each(&view.groups, |group| json::group(group, now())),
        };
        let first = view.requests.first().map(|request| request.id.short());
        context.terminal.show("inbox", &json, |page| {
            if view.is_empty() {
                page.verdict(Tone::Good, "nothing waits for you");
            }
            for request in &view.requests {
                request_in_list(page, request, now());
            }
            for change in &view.changes {
                render::change(page, change, now());
            }
            for group in &view.groups {
                page.verdict(
                    Tone::Warn,
                    format!(
                        "{}  {}: an admin asks you to be a member",
                        group.defined.short(),
                        group.name
                    ),
                );
            }
        })?;
        let change = view.changes.first().map(|change| (change.id, &change.group, true));
        let definition = view.groups.first().map(|group| (group.defined, &group.name, false));
        if let Some((id, group, can_be_rejected)) = change.or(definition) {
            let id = id.short();
            context.terminal.note(|page| {
                page.blank();
                page.sentence("Look at the group, and decide:");
                page.copyable(context.command(&format!("quorate group show {group}")));
                page.copyable(context.command(&format!("quorate group approve {id}")));
                if can_be_rejected {
                    page.copyable(
                        context.command(&format!("quorate group reject {id} --reason TEXT")),
                    );
                }
            });
        }
        if let Some(id) = first {
            context.terminal.note(|page| {
                page.blank();
                page.sentence("Look at the request and its document, and decide:");
                page.copyable(context.command(&format!("quorate approve {id}")));
                page.copyable(context.command(&format!("quorate reject {id} --reason TEXT")));
            });
        }
        Ok(())
    }
}
