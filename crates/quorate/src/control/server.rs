//! The control socket of a running node: its account holder's programs ask there.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::MAX_LINE;
use crate::api::{Answer, Exit, Problem};
use crate::node::{Event, ask};

/// The longest path that a Unix socket can be bound to on all systems, with some room.
const LONGEST_PATH: usize = 100;

/// Where the control socket of a home is: in the home, or, if that path is too long for a socket, in a directory of its
/// own below the system's temporary one.
pub(super) fn path(home: &Path) -> PathBuf {
    let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
    let inside = home.join("node.sock");
    if inside.as_os_str().len() <= LONGEST_PATH {
        return inside;
    }
    let hash = Sha256::digest(home.as_os_str().as_bytes());
    let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    std::env::temp_dir().join(format!("quorate-{name}")).join("node.sock")
}

/// Where a client may connect: not to a socket in a directory that somebody else could have put there.
pub(super) fn trusted_path(home: &Path) -> Result<PathBuf, Problem> {
    let path = path(home);
    match path.parent() {
        Some(directory) if directory.exists() => check_owner(directory).map(|()| path),
        _ => Ok(path),
    }
}

/// That nobody else can put a socket into this directory.
fn check_owner(directory: &Path) -> Result<(), Problem> {
    let ours = directory.symlink_metadata().is_ok_and(|metadata| {
        metadata.is_dir()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o022 == 0
    });
    if ours {
        return Ok(());
    }
    let message = format!("{} is not only this account's to write to", directory.display());
    Err(Problem::new(Exit::Error, message).hint("remove it, or make it private: chmod 700"))
}

/// Binds the socket. The caller holds the home's lock, so a socket that is there belongs to nobody.
pub(crate) fn bind(home: &Path) -> Result<UnixListener, Problem> {
    let path = path(home);
    let failed = |error: std::io::Error| {
        Problem::new(
            Exit::Error,
            format!("the control socket {} can not be made: {error}", path.display()),
        )
    };
    if let Some(directory) = path.parent()
        && !directory.exists()
    {
        std::fs::DirBuilder::new().mode(0o700).create(directory).map_err(failed)?;
    }
    let path = trusted_path(home)?;
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Removes the socket.
pub(crate) fn unbind(home: &Path) {
    let _ = std::fs::remove_file(path(home));
}

/// Answers until `stop`.
pub(crate) async fn serve(
    listener: UnixListener,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(client(stream, events.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket could not accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
    clients.shutdown().await;
}

async fn client(stream: UnixStream, events: mpsc::Sender<Event>) {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(read.take(MAX_LINE as u64));
    if reader.read_until(b'\n', &mut line).await.is_err() || line.is_empty() {
        return;
    }
    let answers = match serde_json::from_slice(&line) {
        Ok(question) => ask(&events, question).await,
        Err(error) => {
            let message = format!("the node does not understand the question: {error}");
            Err(Problem::new(Exit::Error, message)
                .hint("client and node may be of different versions"))
        }
    };
    let mut answers = match answers {
        Ok(answers) => answers,
        Err(problem) => {
            let _ = write.write_all(&line_of(&Answer::Problem(problem))).await;
            return;
        }
    };
    let mut rest = Vec::new();
    loop {
        tokio::select! {
            answer = answers.recv() => match answer {
                Some(answer) => {
                    if write.write_all(&line_of(&answer)).await.is_err() {
                        return;
                    }
                }
                None => return,
            },
            // Nothing more is expected: this is how the client's going away shows.
            _ = reader.read_until(b'\n', &mut rest) => return,
        }
    }
}

fn line_of(answer: &Answer) -> Vec<u8> {
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    line
}
