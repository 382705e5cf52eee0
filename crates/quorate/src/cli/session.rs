//! How commands ask a node and wait for its answers.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use quorate_ceremony::names::{AccountName, EntryId, GroupName};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::suggest;
use crate::api::{
    Answer, Ask, Code, Exit, GroupView, Named, Problem, Query, RequestView, StatusView,
};
use crate::launch::{Client, unexpected};
use crate::render::change_end;

/// A connection to the node of one home.
pub(super) struct Session {
    /// Present until the session is dropped.
    client: Option<Client>,
    runtime: Arc<Runtime>,
}

#[derive(Debug)]
pub(super) enum Watched<T> {
    Done(T),
    TimedOut,
    /// By Ctrl-C.
    Interrupted,
}

impl Session {
    pub(super) fn new(client: Client, runtime: Arc<Runtime>) -> Self {
        Self { client: Some(client), runtime }
    }

    /// Whether the node runs in a separate process.
    pub(super) fn is_running_node(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_running_node)
    }

    pub(super) fn ask(&self, ask: impl Into<Ask>) -> Result<Answer, Problem> {
        let client = self.client.as_ref().ok_or_else(stopped)?;
        self.runtime.block_on(client.ask(ask))
    }

    /// Passes every answer to `each` until it breaks or the time is over.
    pub(super) fn watch<T>(
        &self,
        ask: impl Into<Ask>,
        timeout: Option<Duration>,
        mut each: impl FnMut(Answer) -> ControlFlow<T>,
    ) -> Result<Watched<T>, Problem> {
        let client = self.client.as_ref().ok_or_else(stopped)?;
        let mut done = None;
        let watching = client.watch(ask, |answer| match each(answer) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(value) => {
                done = Some(value);
                ControlFlow::Break(())
            }
        });
        let mut interrupts = None;
        let ended = self.runtime.block_on(async {
            // If signals cannot be handled, Ctrl-C ends the process as usual.
            interrupts = signal(SignalKind::interrupt()).ok();
            tokio::select! {
                ended = watching => Some(ended),
                () = after(timeout) => None,
                () = next(interrupts.as_mut()) => return Err(Watched::Interrupted),
            }
            .ok_or(Watched::TimedOut)
        });
        self.end_at_the_next(interrupts);
        match ended {
            Err(early) => Ok(early),
            Ok(Err(problem)) => Err(problem),
            Ok(Ok(())) => done.map(Watched::Done).ok_or_else(stopped),
        }
    }

    /// Ends the process at the next Ctrl-C. After the first one was handled, the system no longer
    /// does that.
    fn end_at_the_next(&self, interrupts: Option<Signal>) {
        if let Some(mut interrupts) = interrupts {
            self.runtime.spawn(async move {
                next(Some(&mut interrupts)).await;
                std::process::exit(i32::from(Exit::Interrupted as u8));
            });
        }
    }

    /// Explains what happens when a person stops a command that waits for `what`. `sentence` is the
    /// state of `what`, and `look` explains how to look at it later.
    pub(super) fn interrupted(&self, what: &str, sentence: &str, look: &str) -> Problem {
        let sentence = match sentence.trim_end_matches('.') {
            "" => String::new(),
            sentence => format!(". {sentence}"),
        };
        let message = format!(
            "stopped waiting; nothing is lost: {what} continues without this command{sentence}"
        );
        let problem = Problem::new(Code::Interrupted, message);
        match self.is_running_node() {
            true => problem.hint(look),
            false => problem.hint(format!(
                "{look}; this account's node ran only within this command; to take part, start it: quorate node run"
            )),
        }
    }

    pub(super) fn status(&self) -> Result<StatusView, Problem> {
        match self.ask(Query::Status)? {
            Answer::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn groups(&self) -> Result<Vec<GroupView>, Problem> {
        match self.ask(Query::Groups)? {
            Answer::Groups { groups } => Ok(groups),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn group(&self, name: &GroupName) -> Result<GroupView, Problem> {
        match self.ask(Query::Group { name: name.clone(), watch: false }) {
            Ok(Answer::Group(group)) => Ok(*group),
            Ok(other) => Err(unexpected(&other)),
            Err(problem) => Err(self.about_group(name, problem)),
        }
    }

    /// Finds what an id, or the beginning of one, names.
    pub(super) fn find(&self, id: &str) -> Result<Named, Problem> {
        match self.ask(Query::Find { id: id.to_owned() }) {
            Ok(Answer::Named(named)) => Ok(named),
            Ok(other) => Err(unexpected(&other)),
            Err(problem) => Err(self.about_id(id, problem)),
        }
    }

    pub(super) fn requests(&self, query: Query) -> Result<Vec<RequestView>, Problem> {
        match self.ask(query)? {
            Answer::Requests { requests } => Ok(requests),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn request(&self, id: &str) -> Result<RequestView, Problem> {
        match self.ask(Query::Request { id: id.to_owned(), watch: false }) {
            Ok(Answer::Request(request)) => Ok(*request),
            Ok(other) => Err(unexpected(&other)),
            Err(problem) => Err(self.about_request(id, problem)),
        }
    }

    /// Returns the requests that these ids select, each once, with the ids. Fails if any of them
    /// selects none: a mistake in one id must not be found when the others are decided already.
    pub(super) fn selected<'a>(
        &self,
        ids: &'a [String],
    ) -> Result<Vec<(&'a str, RequestView)>, Problem> {
        let mut selected: Vec<(&str, RequestView)> = Vec::new();
        for id in ids {
            let request = self.request(id)?;
            if selected.iter().all(|(_, other)| other.id != request.id) {
                selected.push((id, request));
            }
        }
        Ok(selected)
    }

    /// Returns the name and the bytes of a request's document.
    pub(super) fn document(&self, id: EntryId) -> Result<(String, Vec<u8>), Problem> {
        match self.ask(Query::Document { id: id.to_string() })? {
            Answer::Document { name, document } => Ok((name, document)),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives a command that becomes an entry of the log; returns its id and index.
    pub(super) fn order(&self, ask: impl Into<Ask>) -> Result<(EntryId, u64), Problem> {
        let client = self.client.as_ref().ok_or_else(stopped)?;
        self.runtime.block_on(client.order(ask))
    }

    /// Explains `problem` better if there is no such group.
    pub(super) fn about_group(&self, name: &GroupName, problem: Problem) -> Problem {
        let Ok(groups) = self.groups() else { return problem };
        if groups.iter().any(|group| group.name == *name) {
            return problem;
        }
        let known = groups.iter().map(|group| group.name.as_str());
        let unknown = Problem::new(Code::Failed, format!("there is no group \"{name}\""));
        match suggest::nearest(name.as_str(), known) {
            Some(near) => unknown.hint(format!("did you mean \"{near}\"?")),
            None if groups.is_empty() => unknown
                .hint("there are no groups yet; an admin makes one with `quorate group create`"),
            None => unknown.hint("`quorate group list` shows them all"),
        }
    }

    /// Explains `problem` better if there is no such account.
    pub(super) fn about_accounts(&self, names: &[AccountName], problem: Problem) -> Problem {
        let Ok(status) = self.status() else { return problem };
        let Some(unknown) = names.iter().find(|name| !status.accounts.contains_key(*name)) else {
            return problem;
        };
        let is_invited = match self.ask(Query::Accounts) {
            Ok(Answer::Accounts { invitations, .. }) => {
                invitations.iter().any(|open| open.account == *unknown)
            }
            _ => false,
        };
        if is_invited {
            let message = format!("{unknown} is invited, and has not joined yet");
            return Problem::new(Code::Failed, message).hint(format!(
                "{unknown} joins with `quorate join URL`; if the URL is lost: quorate invite {unknown}"
            ));
        }
        let known = status.accounts.keys().map(AccountName::as_str);
        let better = Problem::new(Code::Failed, format!("there is no account \"{unknown}\""));
        match suggest::nearest(unknown.as_str(), known) {
            Some(near) => better.hint(format!("did you mean \"{near}\"?")),
            None => better.hint(format!("invite them first: quorate invite {unknown}")),
        }
    }

    /// Explains `problem` better if the id names a change, or nothing.
    fn about_request(&self, id: &str, problem: Problem) -> Problem {
        if problem.code != Code::OtherKind {
            return self.about_id(id, problem);
        }
        match self.find(id) {
            Ok(Named::PastChange(past)) => {
                let (id, group) = (past.id.short(), &past.proposal.definition.name);
                let message =
                    format!("{id} is a change of {group}, and over: {}", change_end(&past));
                Problem::new(Code::Rejected, message).hint(format!("quorate group show {group}"))
            }
            Ok(Named::Change { id, group } | Named::Definition { id, group }) => {
                let id = id.short();
                problem.hint(format!(
                    "look at it: quorate group show {group}; to decide on it: quorate group approve {id}"
                ))
            }
            Ok(Named::Request { .. }) | Err(_) => problem,
        }
    }

    /// Explains `problem` better if nothing has this id.
    fn about_id(&self, id: &str, problem: Problem) -> Problem {
        if problem.code != Code::NoSuchId {
            return problem;
        }
        let Ok(requests) = self.requests(Query::Requests) else { return problem };
        let ids: Vec<String> = requests.iter().map(|request| request.id.to_string()).collect();
        let beginnings = ids.iter().filter_map(|known| known.get(..id.len()));
        match suggest::nearest(id, beginnings) {
            Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
            None => problem.hint(
                "`quorate request list` shows all requests, `quorate inbox` what waits for you",
            ),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // All answers are durable, so a disk that fails now loses nothing of them.
            drop(self.runtime.block_on(client.close()));
        }
    }
}

/// Waits until the timeout, or forever without one.
async fn after(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

async fn next(interrupts: Option<&mut Signal>) {
    match interrupts {
        Some(interrupts) => drop(interrupts.recv().await),
        None => std::future::pending().await,
    }
}

fn stopped() -> Problem {
    Problem::new(Code::Failed, "the node stopped while this command waited")
        .hint("start it again with `quorate node run`; nothing is lost")
}
