//! The client of a running node's control socket.

use std::ops::ControlFlow;
use std::path::Path;

use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::frame::{self, FrameError};
use crate::api::{Answer, Ask, Code, Problem};

/// Asks a question, and passes every answer to `each` until there are no more or `each` breaks.
///
/// # Errors
///
/// When the node ends, or its answer is not valid.
pub(crate) async fn watch(
    path: &Path,
    ask: Ask,
    mut each: impl FnMut(Answer) -> Result<ControlFlow<()>, Problem>,
) -> Result<(), Problem> {
    let stream = UnixStream::connect(path).await.map_err(|_| gone())?;
    let (read, mut write) = stream.into_split();
    match frame::write(&mut write, ask).await {
        // A node that refused the question before it was complete has sent the reason.
        Ok(()) | Err(FrameError::Io(_)) => {}
        Err(error) => {
            let message = format!("the question cannot be sent to the node: {error}");
            return Err(Problem::new(Code::Failed, message));
        }
    }
    let mut reader = BufReader::new(read);
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

pub(crate) fn gone() -> Problem {
    Problem::new(Code::NodeStopped, "the node has stopped")
}
