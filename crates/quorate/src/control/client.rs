//! Asking a node: a running one over its socket, or else one in this process.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::{MAX_LINE, server};
use crate::api::{Answer, Ask, Exit, Problem};
use crate::error_chain::chain;
use crate::home::{HomeError, NodeHome};
use crate::keystore::Passphrase;
use crate::node::{self, Running};

/// How long a node in this process may take to get the whole log before the question is put to it anyway.
const CATCH_UP: Duration = Duration::from_secs(15);

/// How long to wait for a home that is in use: longer than a command with a node of its own usually takes.
const MAY_LET_GO: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A node to ask.
pub struct Client(Way);

enum Way {
    /// A running node.
    Socket(PathBuf),
    /// A node in this process, for as long as the client lives.
    Here(Box<Running>),
}

impl Client {
    /// Finds the node of a home: the running one, or else starts one in this process, for which the passphrase is
    /// needed.
    ///
    /// # Errors
    ///
    /// If there is no such home, its passphrase is another, or its data is damaged.
    pub async fn open(
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
        // Whichever comes first: with no connection, questions about what is known are answered all the same.
        tokio::select! {
            _ = caught_up.wait_for(|caught_up| *caught_up) => {}
            _ = outage.wait_for(Option::is_some) => {}
            () = tokio::time::sleep(CATCH_UP) => {}
        }
        running.caught_up = caught_up;
        Ok(Self(Way::Here(Box::new(running))))
    }

    /// Whether the node runs in a process of its own.
    pub fn is_running_node(&self) -> bool {
        matches!(self.0, Way::Socket(_))
    }

    /// Asks a question that has one answer.
    ///
    /// # Errors
    ///
    /// The node's [`Answer::Problem`], or that it went away.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Problem> {
        let mut answer = None;
        self.watch(ask, |first| {
            answer = Some(first);
            ControlFlow::Break(())
        })
        .await?;
        answer.ok_or_else(gone)
    }

    /// Asks a question, and hears every answer until there are no more or `each` has heard enough.
    ///
    /// # Errors
    ///
    /// The node's [`Answer::Problem`], or that it went away.
    pub async fn watch(
        &self,
        ask: Ask,
        mut each: impl FnMut(Answer) -> ControlFlow<()>,
    ) -> Result<(), Problem> {
        match &self.0 {
            Way::Here(running) => {
                let mut answers = running.ask(ask).await?;
                while let Some(answer) = answers.recv().await {
                    if take(answer, &mut each)?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Way::Socket(path) => over_socket(path, &ask, each).await,
        }
    }

    /// Lets go of the node; one in this process ends.
    ///
    /// # Errors
    ///
    /// If that node's disk failed.
    pub async fn close(self) -> Result<(), Problem> {
        match self.0 {
            Way::Socket(_) => Ok(()),
            Way::Here(running) => running.stop().await,
        }
    }
}

/// The node of a home.
#[derive(Debug)]
pub(crate) enum Found {
    /// It runs, and answers at this socket.
    Running(PathBuf),
    /// It does not: the home is the caller's now.
    AtRest(NodeHome),
}

/// Finds the node of a home. A home that is in use while no node answers belongs to a node that is just starting or
/// stopping, or to a command that found no node and lets go again: that is waited for, but not for long.
pub(crate) async fn find(home: &Path) -> Result<Found, Problem> {
    let path = server::trusted_path(home)?;
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
            Err(error) => return Err(Problem::new(Exit::Error, chain(&error))),
        }
    }
}

fn gone() -> Problem {
    Problem::new(Exit::Error, "the node has stopped").hint("quorate status")
}

fn take(
    answer: Answer,
    each: &mut impl FnMut(Answer) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Problem> {
    match answer {
        Answer::Problem(problem) => Err(problem),
        answer => Ok(each(answer)),
    }
}

async fn over_socket(
    path: &Path,
    ask: &Ask,
    mut each: impl FnMut(Answer) -> ControlFlow<()>,
) -> Result<(), Problem> {
    let stream = UnixStream::connect(path).await.map_err(|_| gone())?;
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(ask).map_err(|error| {
        Problem::new(Exit::Error, format!("the question can not be sent: {error}"))
    })?;
    line.push(b'\n');
    if line.len() > MAX_LINE {
        return Err(Problem::new(
            Exit::Error,
            "the document is too large to be handed to the node",
        ));
    }
    write.write_all(&line).await.map_err(|_| gone())?;
    let mut reader = BufReader::new(read);
    let mut heard = false;
    loop {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) if heard => return Ok(()),
            Ok(0) | Err(_) => return Err(gone()),
            Ok(_) => {}
        }
        heard = true;
        let answer = serde_json::from_slice(&line).map_err(|error| {
            let message = format!("the node's answer can not be understood: {error}");
            Problem::new(Exit::Error, message).hint("client and node may be of different versions")
        })?;
        if take(answer, &mut each)?.is_break() {
            return Ok(());
        }
    }
}
