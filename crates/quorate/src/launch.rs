//! The node of a home: the running one, or one that is started for a command.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quorate_ceremony::names::EntryId;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::api::{Answer, Ask, Code, Command, Problem};
use crate::control::{client, server, socket};
use crate::error_chain::chain;
use crate::home::{HomeError, NodeHome};
use crate::keystore::Passphrase;
use crate::node::{self, Running};

/// How long a node in this process may take to get the whole log before it is asked anyway.
const CATCH_UP: Duration = Duration::from_secs(15);

/// How long to wait for a home that is in use: longer than a command with a node of its own usually
/// takes.
const MAY_LET_GO: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A node to ask.
pub(crate) struct Client(Way);

enum Way {
    /// A running node.
    Socket(PathBuf),
    /// A node in this process, for as long as the client lives.
    Here(Box<Running>),
}

impl Client {
    /// Finds the node of a home: the running one, or else starts one in this process, for which the
    /// passphrase is needed.
    ///
    /// # Errors
    ///
    /// If there is no such home, its passphrase is another, or its data is damaged.
    pub(crate) async fn open(
        home: &Path,
        passphrase: impl FnOnce() -> Result<Passphrase, Problem>,
    ) -> Result<Self, Problem> {
        let home = match find(home).await? {
            Found::Running(path) => return Ok(Self(Way::Socket(path))),
            Found::AtRest(home) => home,
        };
        let mut running = node::start(home, passphrase()?).await?;
        let mut outage = running.outage.clone();
        let mut caught_up = running.caught_up.clone();
        // Whichever comes first: with no connection, questions about what is known are answered all
        // the same.
        tokio::select! {
            _ = caught_up.wait_for(|caught_up| *caught_up) => {}
            _ = outage.wait_for(Option::is_some) => {}
            () = tokio::time::sleep(CATCH_UP) => {}
        }
        running.caught_up = caught_up;
        Ok(Self(Way::Here(Box::new(running))))
    }

    /// Whether the node runs in a process of its own.
    pub(crate) fn is_running_node(&self) -> bool {
        matches!(self.0, Way::Socket(_))
    }

    /// Asks a question that has one answer.
    ///
    /// # Errors
    ///
    /// The node's [`Answer::Problem`], or that it went away.
    pub(crate) async fn ask(&self, ask: impl Into<Ask>) -> Result<Answer, Problem> {
        let mut answer = None;
        self.watch(ask, |first| {
            answer = Some(first);
            ControlFlow::Break(())
        })
        .await?;
        answer.ok_or_else(client::gone)
    }

    /// Has the node state something in the log; returns the entry and its index.
    ///
    /// # Errors
    ///
    /// Why the log does not have it, or that the node went away.
    pub(crate) async fn order(&self, command: Command) -> Result<(EntryId, u64), Problem> {
        match self.ask(Ask::Command(command)).await? {
            Answer::Logged { entry, index } => Ok((entry, index)),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks a question, and passes every answer to `each` until there are no more or `each` breaks.
    ///
    /// # Errors
    ///
    /// The node's [`Answer::Problem`], or that it went away.
    pub(crate) async fn watch(
        &self,
        ask: impl Into<Ask>,
        mut each: impl FnMut(Answer) -> ControlFlow<()>,
    ) -> Result<(), Problem> {
        let mut take = |answer| match answer {
            Answer::Problem(problem) => Err(problem),
            answer => Ok(each(answer)),
        };
        match &self.0 {
            Way::Here(running) => {
                let mut answers = running.asker().ask(ask).await?;
                while let Some(answer) = answers.recv().await {
                    if take(answer)?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Way::Socket(path) => client::watch(path, ask.into(), take).await,
        }
    }

    /// Lets go of the node; one in this process ends.
    ///
    /// # Errors
    ///
    /// If that node's disk failed.
    pub(crate) async fn close(self) -> Result<(), Problem> {
        match self.0 {
            Way::Socket(_) => Ok(()),
            Way::Here(running) => running.stop().await,
        }
    }
}

/// The node answered another question than the one asked.
pub(crate) fn unexpected(_: &Answer) -> Problem {
    Problem::new(Code::Failed, "the node answered another question than the one asked")
        .hint("is it of another version than this command? `quorate doctor` checks")
}

/// The node of a home.
#[derive(Debug)]
pub(crate) enum Found {
    /// It runs, and answers at this socket.
    Running(PathBuf),
    /// It does not run: the home is the caller's now.
    AtRest(NodeHome),
}

/// Finds the node of a home.
///
/// A home that is in use while no node answers belongs to a node that is just starting or stopping,
/// or to a command that found no node and lets go again. That is waited for, but not for long.
pub(crate) async fn find(home: &Path) -> Result<Found, Problem> {
    let path = socket::trusted_path(home)?;
    let began = Instant::now();
    loop {
        if UnixStream::connect(&path).await.is_ok() {
            return Ok(Found::Running(path));
        }
        match NodeHome::open(home) {
            Ok(home) => return Ok(Found::AtRest(home)),
            Err(HomeError::InUse { .. }) if began.elapsed() < MAY_LET_GO => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) => return Err(Problem::new(Code::Failed, chain(&error))),
        }
    }
}

/// Runs the node of a home until `stop`, and answers on its control socket.
///
/// `ready` is called once, when the socket answers. There may be no connection by then, since the
/// node keeps trying.
///
/// # Errors
///
/// If the home is in use, as for a start, or if the disk fails.
pub(crate) async fn run(
    home: &Path,
    passphrase: Passphrase,
    stop: CancellationToken,
    ready: impl FnOnce(),
) -> Result<(), Problem> {
    let own = match find(home).await? {
        Found::AtRest(own) => own,
        // Fails, and says which process has it.
        Found::Running(_) => {
            NodeHome::open(home).map_err(|error| Problem::new(Code::Failed, chain(&error)))?
        }
    };
    let mut running = node::start(own, passphrase).await?;
    let listener = socket::bind(home)?;
    ready();
    let asker = running.asker();
    let ask = move |question| {
        let asker = asker.clone();
        async move { asker.ask(question).await }
    };
    let serving = tokio::spawn(server::serve(listener, ask, stop.clone()));
    let ended = tokio::select! {
        () = stop.cancelled() => None,
        ended = running.ended() => Some(ended),
    };
    stop.cancel();
    let _ = serving.await;
    // While the home is still this process's.
    socket::unbind(home);
    match ended {
        None => running.stop().await,
        Some(ended) => ended,
    }
}
