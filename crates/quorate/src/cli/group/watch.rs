//! Waits for a group and displays its progress.

use std::ops::ControlFlow;
use std::time::Duration;

use quorate_ceremony::names::{AccountName, GroupName};

use crate::api::{Answer, Code, GroupView, Problem, Query};
use crate::cli::context::Context;
use crate::cli::progress::Progress;
use crate::cli::session::{Session, Watched};
use crate::launch::unexpected;
use crate::render::{commas, member_names, standing};

/// Displays the progress of a group until `settled` returns a result. `what` names what the command
/// waits for.
pub(super) fn watch(
    context: &Context,
    session: &Session,
    name: &GroupName,
    what: &str,
    timeout: Option<Duration>,
    settled: impl Fn(&GroupView) -> bool,
) -> Result<GroupView, Problem> {
    let mut latest: Option<GroupView> = None;
    let mut progress = Progress::new(&context.terminal);
    let ask = Query::Group { name: name.clone(), watch: true };
    let watched = session.watch(ask, timeout, |answer| {
        let Answer::Group(view) = answer else {
            return ControlFlow::Break(Err(unexpected(&answer)));
        };
        if let Err(problem) = progress.group(&view) {
            return ControlFlow::Break(Err(problem));
        }
        let settled = settled(&view);
        latest = Some(*view);
        if settled { ControlFlow::Break(Ok(())) } else { ControlFlow::Continue(()) }
    });
    drop(progress);
    let show = context.command(&format!("quorate group show {name}"));
    let show = match latest.as_ref().and_then(|group| group.change.as_ref()) {
        Some(change) if !change.undecided.is_empty() => format!(
            "the proposal stands; members decide with `quorate group approve {}` on their own nodes; see: {show}",
            change.id.short()
        ),
        Some(change) if !change.not_accepted.is_empty() => {
            format!("it continues when {} accepted; see: {show}", commas(&change.not_accepted))
        }
        _ => format!("it continues automatically; see: {show}"),
    };
    match (watched?, latest) {
        (Watched::Interrupted, latest) => {
            let sentence = latest.as_ref().map(standing).unwrap_or_default();
            Err(session.interrupted(what, &sentence, &show))
        }
        (Watched::Done(done), Some(group)) => done.map(|()| group),
        (Watched::Done(Err(problem)), None) => Err(problem),
        (Watched::TimedOut, Some(group)) => {
            let online = session.status().map(|status| status.online).unwrap_or_default();
            let members: Vec<AccountName> = match &group.change {
                Some(change) => change.after.members.clone(),
                None => member_names(&group),
            };
            let code = match members.iter().all(|member| online.contains(member)) {
                true => Code::Waiting,
                false => Code::TooFewNodes,
            };
            Err(Problem::new(code, standing(&group)).hint(show))
        }
        (_, None) => {
            Err(Problem::new(Code::Waiting, "the node did not report the state of the group")
                .hint(show))
        }
    }
}
