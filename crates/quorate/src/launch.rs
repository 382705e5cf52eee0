//! The client of a home's node: a running node, or one that is started for the command.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_ceremony::names::EntryId;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::announce;
use crate::api::{Answer, Ask, Code, Problem};
use crate::control::{client, server, socket};
use crate::error_chain::chain;
use crate::home::{HomeError, NodeHome};
use crate::keystore::Passphrase;
use crate::node::{self, NodeReporter, Running};
use crate::setup::replacement::marked;
use crate::{admin, service_manager};

/// How long a node in this process may take to receive the whole log before it is asked anyway.
const CATCH_UP: Duration = Duration::from_secs(15);

/// How long to wait for a home that is in use: longer than a command with its own node usually
/// takes.
const MAY_LET_GO: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(crate) struct Client(Way);

enum Way {
    Socket(PathBuf),
    /// A node in this process. It ends with the client.
    Here(Box<Running>),
}

impl Client {
    /// Finds the running node of a home, or starts one in this process, which needs the passphrase.
    ///
    /// # Errors
    ///
    /// If there is no such home, the passphrase is wrong, or the data is damaged.
    pub(crate) async fn open(
        home: &Path,
        passphrase: impl FnOnce() -> Result<Passphrase, Problem>,
    ) -> Result<Self, Problem> {
        let home = match find(home).await? {
            Found::Running(path) => return Ok(Self(Way::Socket(path))),
            Found::AtRest(home) => *home,
        };
        check_vote(&home)?;
        let mut running = node::start(home, passphrase()?).await?;
        let mut outage = running.outage.clone();
        let mut caught_up = running.caught_up.clone();
        // Whichever comes first: without a connection, questions about known facts are still
        // answered.
        tokio::select! {
            _ = caught_up.wait_for(|caught_up| *caught_up) => {}
            _ = outage.wait_for(Option::is_some) => {}
            () = tokio::time::sleep(CATCH_UP) => {}
        }
        running.caught_up = caught_up;
        Ok(Self(Way::Here(Box::new(running))))
    }

    /// Whether the node runs in its own process.
    pub(crate) fn is_running_node(&self) -> bool {
        matches!(self.0, Way::Socket(_))
    }

    /// Asks a question that has one answer.
    ///
    /// # Errors
    ///
    /// The node's [`Answer::Problem`], or that the node ended.
    pub(crate) async fn ask(&self, ask: impl Into<Ask>) -> Result<Answer, Problem> {
        let mut answer = None;
        self.watch(ask, |first| {
            answer = Some(first);
            ControlFlow::Break(())
        })
        .await?;
        answer.ok_or_else(client::gone)
    }

    /// Has the node state a command in the log. Returns the entry and its index.
    ///
    /// # Errors
    ///
    /// The node's [`Answer::Problem`], or that the node ended.
    pub(crate) async fn order(&self, ask: impl Into<Ask>) -> Result<(EntryId, u64), Problem> {
        match self.ask(ask).await? {
            Answer::Logged { entry, index } => Ok((entry, index)),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks a question, and passes every answer to `each` until there are no more or `each` breaks.
    ///
    /// # Errors
    ///
    /// The node's [`Answer::Problem`], or that the node ended.
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

    /// Releases the node. A node in this process ends.
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

pub(crate) fn unexpected(_: &Answer) -> Problem {
    Problem::new(Code::Failed, "the node's answer does not belong to the question")
        .hint("does it run a different version than this command? `quorate doctor` checks")
}

#[derive(Debug)]
pub(crate) enum Found {
    /// The node runs and answers at this socket.
    Running(PathBuf),
    /// The node does not run. The caller now holds the home.
    AtRest(Box<NodeHome>),
}

/// Finds the node of a home.
///
/// A home that is in use although no node answers belongs to a node that is starting or stopping,
/// or to a command that runs its own node. The function waits for that, but not for long.
pub(crate) async fn find(home: &Path) -> Result<Found, Problem> {
    let path = socket::trusted_path(home, socket::NODE)?;
    let began = Instant::now();
    loop {
        if UnixStream::connect(&path).await.is_ok() {
            return Ok(Found::Running(path));
        }
        match NodeHome::open(home) {
            Ok(home) => return Ok(Found::AtRest(Box::new(home))),
            Err(HomeError::InUse { .. }) if began.elapsed() < MAY_LET_GO => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) => return Err(Problem::new(Code::Failed, chain(&error))),
        }
    }
}

/// Fails if the account has voted for a coordinator that its node does not follow yet. Its vote
/// says what the node cosigned last, so that the node must not cosign more.
fn check_vote(home: &NodeHome) -> Result<(), Problem> {
    let voted = marked(home).map_err(|error| Problem::new(Code::Failed, chain(&error)))?;
    let followed = home.config().and_then(|config| config.log_key);
    if voted.is_none_or(|voted| followed == Some(voted.replacement.keys.log_key)) {
        return Ok(());
    }
    let message =
        "this account has voted for a new coordinator, and its node does not follow it yet";
    Err(Problem::new(Code::Failed, message).hint(format!(
        "quorate coordinator follow FILE; if the vote was never given to anybody, remove {}",
        home.vote().display()
    )))
}

/// Runs the node of a home until `stop`, and answers on its control socket.
///
/// What waits for the account holder is announced in the node's log, and by `on_request`, a command
/// of the account holder ([`announce`]).
///
/// `ready` is called once, when the socket answers. There may be no connection by then, because the
/// node keeps trying. `admin` is the address for health and metrics, if they are wanted.
///
/// # Errors
///
/// If the home is in use, as for a start, if the disk fails, or if the account is removed.
pub(crate) async fn run(
    home: &Path,
    passphrase: Passphrase,
    admin: Option<SocketAddr>,
    stop: CancellationToken,
    on_request: Option<String>,
    ready: impl FnOnce(),
) -> Result<(), Problem> {
    let own = match find(home).await? {
        Found::AtRest(own) => *own,
        // Fails, and names the process that uses the home.
        Found::Running(_) => {
            NodeHome::open(home).map_err(|error| Problem::new(Code::Failed, chain(&error)))?
        }
    };
    check_vote(&own)?;
    let admin = match admin {
        Some(address) => Some(admin::listen(address).await?),
        None => None,
    };
    let account = own.config().map(|config| config.account.clone());
    let mut running = node::start(own, passphrase).await?;
    if running.is_removed() {
        let removed = running.removed().await;
        running.stop().await?;
        return Err(removed);
    }
    let listener = socket::bind(home, socket::NODE)?;
    if let Some(listener) = admin {
        let reporter = Arc::new(NodeReporter::new(running.asker()));
        tokio::spawn(admin::serve(listener, reporter, stop.clone()));
    }
    ready();
    service_manager::notify(service_manager::READY);
    let asker = running.asker();
    let ask = move |question| {
        let asker = asker.clone();
        async move { asker.ask(question).await }
    };
    let serving = tokio::spawn(server::serve(listener, ask, stop.clone()));
    let announcing = account
        .map(|account| tokio::spawn(announce::announce(running.asker(), account, on_request)));
    let removal = running.removed();
    let (mut ended, mut removed) = (None, None);
    tokio::select! {
        () = stop.cancelled() => {}
        result = running.ended() => ended = Some(result),
        problem = removal => removed = Some(problem),
    }
    service_manager::notify(service_manager::STOPPING);
    stop.cancel();
    let _ = serving.await;
    if let Some(announcing) = announcing {
        announcing.abort();
    }
    // Before this process releases the home.
    socket::unbind(home, socket::NODE);
    match ended {
        None => running.stop().await?,
        Some(ended) => ended?,
    }
    removed.map_or(Ok(()), Err)
}
