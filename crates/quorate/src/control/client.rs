//! The client of a running node's control socket.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;

use super::frame::{self, FrameError, GREETING};
use crate::api::{Answer, Ask, Code, Problem};

/// How long a node's process may take to greet. A process that is stopped, or that waits for its
/// disk, does not greet.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a question, and passes every answer to `each` until there are no more or `each` breaks.
///
/// # Errors
///
/// When the node ends or does not answer, or its answer is not valid.
pub(crate) async fn watch(
    path: &Path,
    ask: Ask,
    mut each: impl FnMut(Answer) -> Result<ControlFlow<()>, Problem>,
) -> Result<(), Problem> {
    let stream = UnixStream::connect(path).await.map_err(|_| gone())?;
    let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    greeting(&mut reader, process, PATIENCE).await?;
    match frame::write(&mut write, ask).await {
        // A node that refused the question before it was complete has sent the reason.
        Ok(()) | Err(FrameError::Io(_)) => {}
        Err(error) => {
            let message = format!("the question cannot be sent to the node: {error}");
            return Err(Problem::new(Code::Failed, message));
        }
    }
    let mut heard = false;
    loop {
        match frame::read(&mut reader).await {
            Ok(Some(answer)) => {
                heard = true;
                if each(answer)?.is_break() {
                    return Ok(());
                }
            }
            Ok(None) if heard => return Ok(()),
            Ok(None) | Err(FrameError::Io(_)) => return Err(gone()),
            Err(error) => {
                let message = format!("the node's answer cannot be understood: {error}");
                return Err(Problem::new(Code::Version, message));
            }
        }
    }
}

/// Waits for the greeting of the node, whose process this is.
async fn greeting(
    reader: &mut BufReader<OwnedReadHalf>,
    process: Option<i32>,
    patience: Duration,
) -> Result<(), Problem> {
    let mut greeting = [0; GREETING.len()];
    match tokio::time::timeout(patience, reader.read_exact(&mut greeting)).await {
        Ok(Ok(_)) if greeting == *GREETING => Ok(()),
        Ok(Ok(_)) => {
            let message = "the node greets in a way that this command does not know";
            Err(Problem::new(Code::Version, message))
        }
        Ok(Err(_)) => Err(gone()),
        Err(_) => {
            let process = process.map(|id| format!(" (process {id})")).unwrap_or_default();
            let seconds = patience.as_secs();
            let message = format!("the node{process} has not answered for {seconds} seconds");
            Err(Problem::new(Code::NodeSilent, message)
                .hint("is it stopped, for example by a debugger, or does its disk not respond?"))
        }
    }
}

pub(crate) fn gone() -> Problem {
    Problem::new(Code::NodeStopped, "the node has stopped")
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_frozen_node_does_not_make_commands_hang() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        // The system accepts connections for a process that does not run.
        let _listener = UnixListener::bind(&path).unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        let process = stream.peer_cred().unwrap().pid();
        let mut reader = BufReader::new(stream.into_split().0);
        let patience = Duration::from_millis(1);
        let problem = greeting(&mut reader, process, patience).await.unwrap_err();
        assert_eq!(problem.code, Code::NodeSilent);
        let named = format!("(process {})", std::process::id());
        assert!(problem.message.contains(&named), "{}", problem.message);
    }
}
