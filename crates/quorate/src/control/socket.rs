//! Where a home's sockets are, and who may use them.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::net::{UnixListener, UnixStream};

use crate::api::{Code, Problem};

/// The longest path that a Unix socket can be bound to on all systems, with some room.
const LONGEST_PATH: usize = 100;

/// The name of a node's control socket.
pub(crate) const NODE: &str = "node.sock";
/// The name of a coordinator's admin socket.
pub(crate) const ADMIN: &str = "admin.sock";

/// Returns the path of a home's socket: in the home, or, if that is too long for a socket, in a
/// directory of its own below the system's temporary one.
pub(crate) fn path(home: &Path, socket: &str) -> PathBuf {
    let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
    let inside = home.join(socket);
    if inside.as_os_str().len() <= LONGEST_PATH {
        return inside;
    }
    let hash = Sha256::digest(home.as_os_str().as_bytes());
    let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    std::env::temp_dir().join(format!("quorate-{name}")).join(socket)
}

/// Returns the path for a client, unless somebody else could have put the socket there.
pub(crate) fn trusted_path(home: &Path, socket: &str) -> Result<PathBuf, Problem> {
    let path = path(home, socket);
    match path.parent() {
        Some(directory) if directory.exists() => check_owner(directory).map(|()| path),
        _ => Ok(path),
    }
}

/// Checks that nobody else can put a socket into this directory.
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
    Err(Problem::new(Code::Failed, message).hint("remove it, or make it private: chmod 700"))
}

/// Binds the socket. The caller holds the home's lock, so an existing socket is unused.
pub(crate) fn bind(home: &Path, socket: &str) -> Result<UnixListener, Problem> {
    bind_at(&path(home, socket))
}

/// Binds a socket that no lock protects, unless something answers there.
pub(crate) async fn bind_unused(path: &Path) -> Result<UnixListener, Problem> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let used = |what| {
        Problem::new(Code::Failed, format!("{} {what}", path.display()))
            .hint("choose another path with --socket")
    };
    if UnixStream::connect(&path).await.is_ok() {
        return Err(used("belongs to a program that runs already"));
    }
    match path.symlink_metadata() {
        Ok(metadata) if !metadata.file_type().is_socket() => Err(used("exists and is no socket")),
        _ => bind_at(&path),
    }
}

fn bind_at(path: &Path) -> Result<UnixListener, Problem> {
    let failed = |error: std::io::Error| {
        Problem::new(Code::Failed, format!("the socket {} cannot be made: {error}", path.display()))
    };
    if let Some(directory) = path.parent()
        && !directory.exists()
    {
        std::fs::DirBuilder::new().mode(0o700).create(directory).map_err(failed)?;
    }
    path.parent().map(check_owner).transpose()?;
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

pub(crate) fn unbind(home: &Path, socket: &str) {
    let _ = std::fs::remove_file(path(home, socket));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_nobody_serves_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.sock");
        let listener = bind_unused(&path).await.unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let taken = bind_unused(&path).await.unwrap_err();
        assert!(taken.message.contains("belongs to a program that runs already"), "{taken}");
        drop(listener);
        bind_unused(&path).await.unwrap();

        let file = directory.path().join("file");
        std::fs::write(&file, "mine").unwrap();
        let taken = bind_unused(&file).await.unwrap_err();
        assert!(taken.message.contains("exists and is no socket"), "{taken}");
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");

        let open = directory.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused = bind_unused(&open.join("agent.sock")).await.unwrap_err();
        assert!(refused.message.contains("not only this account's"), "{refused}");
    }
}
