//! Copies of a log, from which a coordinator's home is rebuilt: a node's, or a published one in a
//! directory or on a web server.

use std::path::{Path, PathBuf};

use quorate_ceremony::coordinator::{Config, Coordinator, CoordinatorSecrets, RestoreError};
use quorate_ceremony::identity::SecretKey;
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::leaf_hash;
use quorate_log::tile::Entries;
use quorate_log::tree::Frontier;

use super::web_log::WebLog;
use crate::backup::coordinator::IvnParts;
use crate::home::{HomeError, NodeHome};
use crate::store::StoreError;
use crate::store::node::read_log_beside_writer;
use crate::store::published::{published_checkpoint, published_entries};

/// The entries of a log, and a checkpoint of all of them. Not verified.
#[derive(Debug)]
pub struct LogCopy {
    path: PathBuf,
    entries: Vec<Vec<u8>>,
    checkpoint: String,
}

/// A copy whose entries are those of a checkpoint that the log's key signed, and that the rules of
/// the log admit.
#[derive(Debug)]
pub struct VerifiedCopy {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) checkpoint: String,
}

#[derive(Debug, thiserror::Error)]
pub enum LogCopyError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{} is neither a node's home nor a published log with a checkpoint and tiles", .0.display())]
    Neither(PathBuf),
    #[error("{} is not complete: entries of its checkpoint are missing or damaged", .0.display())]
    Incomplete(PathBuf),
    #[error("{} cannot be read", url.display())]
    Unreachable { url: PathBuf, source: std::io::Error },
    #[error("the node of {} has verified no log yet", .0.display())]
    Empty(PathBuf),
    #[error("the log in {} belongs to none of the IVNs in this backup", .0.display())]
    OtherIvn(PathBuf),
    #[error("the log in {} does not hold: {source}", path.display())]
    Invalid { path: PathBuf, source: RestoreError },
    #[error("the log in {} is another history than the one in the backup's checkpoint of {size} entries; the log's key signed both", path.display())]
    OtherHistory { path: PathBuf, size: u64 },
}

impl LogCopy {
    /// Reads the copy of a node from its home, whether the node runs or not, or a published log
    /// from its directory.
    ///
    /// # Errors
    ///
    /// When it is neither, or cannot be read completely.
    pub async fn read(path: &Path) -> Result<Self, LogCopyError> {
        match NodeHome::read(path) {
            Ok(_) => Self::of_node(path).await,
            Err(HomeError::NotAHome { .. }) => Self::published(path),
            Err(error) => Err(error.into()),
        }
    }

    async fn of_node(home: &Path) -> Result<Self, LogCopyError> {
        let (mut entries, cosigned) = read_log_beside_writer(&NodeHome::database_in(home)).await?;
        let checkpoint = cosigned.ok_or_else(|| LogCopyError::Empty(home.to_owned()))?;
        let size = size_of(&checkpoint);
        if (entries.len() as u64) < size {
            return Err(LogCopyError::Incomplete(home.to_owned()));
        }
        // No stored checkpoint covers the others; the node gives them to the running coordinator.
        entries.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(Self { path: home.to_owned(), entries, checkpoint })
    }

    fn published(log: &Path) -> Result<Self, LogCopyError> {
        let signed = published_checkpoint(log)?;
        let checkpoint = signed.ok_or_else(|| LogCopyError::Neither(log.to_owned()))?.to_string();
        let entries = published_entries(log, 0, size_of(&checkpoint));
        let entries = entries.ok_or_else(|| LogCopyError::Incomplete(log.to_owned()))?;
        Ok(Self { path: log.to_owned(), entries, checkpoint })
    }

    /// Reads a published log from the URL of the directory with its checkpoint. Blocks.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be read completely.
    pub fn on_the_web(url: &str) -> Result<Self, LogCopyError> {
        let path = PathBuf::from(url);
        let unreachable = |source| LogCopyError::Unreachable { url: url.into(), source };
        let log = WebLog::new(url);
        let signed = log.checkpoint().map_err(unreachable)?;
        let checkpoint = signed.ok_or_else(|| LogCopyError::Neither(path.clone()))?.to_string();
        let size = size_of(&checkpoint);
        let entries = Entries::new(log, size, 0..size).map(|entry| entry.map(|(_, bytes)| bytes));
        let entries = entries.collect::<Result<_, _>>();
        let entries = entries.map_err(|_| LogCopyError::Incomplete(path.clone()))?;
        Ok(Self { path, entries, checkpoint })
    }

    /// Returns the position among `ivns` of the one whose log this is.
    ///
    /// # Errors
    ///
    /// When it belongs to none of them.
    pub fn position(&self, ivns: &[IvnParts]) -> Result<usize, LogCopyError> {
        let position = ivns.iter().position(|parts| self.entries.first() == Some(&parts.genesis));
        position.ok_or_else(|| LogCopyError::OtherIvn(self.path.clone()))
    }

    /// Applies every entry, and compares the tree with the copy's checkpoint, which the log's key
    /// has to have signed, and with the one in `parts`.
    ///
    /// # Errors
    ///
    /// When anything does not fit.
    pub fn verify(self, parts: &IvnParts) -> Result<VerifiedCopy, LogCopyError> {
        let Self { path, entries, checkpoint } = self;
        let secrets = CoordinatorSecrets {
            log: SecretKey::from_seed(parts.keys.secrets.log.seed()),
            identity: SecretKey::from_seed(parts.keys.secrets.identity.seed()),
        };
        let all = entries.iter().cloned();
        if let Err(source) =
            Coordinator::restore(secrets, Config::default(), all, Some(&checkpoint))
        {
            return Err(LogCopyError::Invalid { path, source });
        }
        let required = parts.checkpoint.as_deref().and_then(|note| note.parse().ok());
        if let Some(head) = required.map(|signed: SignedCheckpoint| signed.unverified().head()) {
            let mut frontier = Frontier::default();
            let count = usize::try_from(head.size).unwrap_or(usize::MAX);
            entries.iter().take(count).for_each(|entry| frontier.append(leaf_hash(entry)));
            if frontier.size() == head.size && frontier.head() != head {
                return Err(LogCopyError::OtherHistory { path, size: head.size });
            }
        }
        Ok(VerifiedCopy { entries, checkpoint })
    }
}

impl VerifiedCopy {
    pub fn size(&self) -> u64 {
        self.entries.len() as u64
    }
}

fn size_of(checkpoint: &str) -> u64 {
    crate::backup::coordinator::size_of(checkpoint)
}
