//! The directories of homes: created, opened, and used by one process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quorate_ceremony::names::IvnId;

use super::config::{self, Config, CoordinatorConfig, NodeConfig};
use super::error::HomeError;
use super::lock::Lock;
use crate::store::durable;

/// A home that only this process uses.
#[derive(Debug)]
pub struct Home<C> {
    path: PathBuf,
    config: Option<C>,
    _lock: Lock,
}

/// The home of one account's node.
pub type NodeHome = Home<NodeConfig>;

/// The home of a coordinator, with all its IVNs.
pub type CoordinatorHome = Home<CoordinatorConfig>;

impl<C: Config> Home<C> {
    /// Starts a new home in a directory that does not exist, is empty, or is an unfinished home.
    ///
    /// It becomes a home with [`Self::save`].
    ///
    /// # Errors
    ///
    /// When the directory contains something else, or another process uses it.
    pub fn create(path: &Path) -> Result<Self, HomeError> {
        durable::create_directories(path).map_err(|error| HomeError::write(path, error))?;
        if fs::exists(path.join(FILE)).map_err(|error| HomeError::read(path, error))? {
            return Err(HomeError::Exists(path.to_owned()));
        }
        let lock = path.join(LOCK);
        if !fs::exists(&lock).map_err(|error| HomeError::read(path, error))? {
            let mut entries = fs::read_dir(path).map_err(|error| HomeError::read(path, error))?;
            if entries.next().is_some() {
                return Err(HomeError::NotEmpty(path.to_owned()));
            }
        }
        let lock = Lock::acquire(path, &lock)?;
        // Another process may have finished it before we had the lock.
        match config::read::<C>(&path.join(FILE))? {
            Some(_) => Err(HomeError::Exists(path.to_owned())),
            None => Ok(Self { path: path.to_owned(), config: None, _lock: lock }),
        }
    }

    /// Opens a home for this process alone.
    ///
    /// # Errors
    ///
    /// When there is none, it is of another kind, damaged, or another process uses it.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        // Before the lock, so that no lock file is left in a directory that is not ours.
        Self::read(path)?;
        let lock = Lock::acquire(path, &path.join(LOCK))?;
        let config = Self::read(path)?;
        Ok(Self { path: path.to_owned(), config: Some(config), _lock: lock })
    }

    /// Reads the settings of the home at `path`, whether another process uses it or not.
    ///
    /// # Errors
    ///
    /// When there is none, it is of another kind, or damaged.
    pub fn read(path: &Path) -> Result<C, HomeError> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(HomeError::NotAHome { path: path.to_owned(), kind: C::KIND }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(HomeError::Missing { path: path.to_owned(), kind: C::KIND });
            }
            Err(error) => return Err(HomeError::read(path, error)),
        }
        let config = config::read(&path.join(FILE))?;
        config.ok_or_else(|| HomeError::NotAHome { path: path.to_owned(), kind: C::KIND })
    }

    /// Writes `home.json` completely, or not at all.
    ///
    /// # Errors
    ///
    /// When the disk fails; then it is unchanged.
    pub fn save(&mut self, config: C) -> Result<(), HomeError> {
        config::write(&self.path.join(FILE), &config)?;
        self.config = Some(config);
        Ok(())
    }

    /// Returns the settings; `None` until a new home is [saved](Self::save).
    pub fn config(&self) -> Option<&C> {
        self.config.as_ref()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<C: Config> Home<C> {
    /// Starts a home beside `path` for [`Self::put_in_place`], under a name that nobody mistakes
    /// for a home. Removes the result of an earlier attempt.
    ///
    /// # Errors
    ///
    /// When there is something at `path`, or another process is creating a home for it.
    pub fn stage(path: &Path) -> Result<Self, HomeError> {
        check_free(path)?;
        let staged = staged(path);
        let lock = staged.join(LOCK);
        durable::create_directories(&staged).map_err(|error| HomeError::write(&staged, error))?;
        let held = Lock::acquire(&staged, &lock)?;
        let entries = fs::read_dir(&staged).map_err(|error| HomeError::read(&staged, error))?;
        for entry in entries {
            let found = entry.map_err(|error| HomeError::read(&staged, error))?.path();
            if found != lock {
                let removed = match found.is_dir() {
                    true => fs::remove_dir_all(&found),
                    false => fs::remove_file(&found),
                };
                removed.map_err(|error| HomeError::write(&found, error))?;
            }
        }
        Ok(Self { path: staged, config: None, _lock: held })
    }

    /// Moves a finished home that was [staged](Self::stage) to `path`, completely or not at all.
    ///
    /// # Errors
    ///
    /// When something is there by now, or the disk fails.
    pub fn put_in_place(mut self, path: &Path) -> Result<Self, HomeError> {
        check_free(path)?;
        let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let write = |error| HomeError::write(path, error);
        durable::sync_directory(&self.path).map_err(write)?;
        fs::rename(&self.path, path).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => HomeError::NotEmpty(path.to_owned()),
            _ => HomeError::write(path, error),
        })?;
        durable::sync_directory(durable::directory_of(path)).map_err(write)?;
        self.path = path.to_owned();
        Ok(self)
    }
}

impl NodeHome {
    pub fn database(&self) -> PathBuf {
        Self::database_in(&self.path)
    }

    /// Returns the path of the database in the home at `home`.
    pub fn database_in(home: &Path) -> PathBuf {
        home.join("node.sqlite")
    }

    pub fn keys(&self) -> PathBuf {
        Self::keys_at(&self.path)
    }

    pub fn next_keys(&self) -> PathBuf {
        Self::next_keys_at(&self.path)
    }

    /// Returns the path of the keys of the home at `path`, which another process may use.
    pub(crate) fn keys_at(path: &Path) -> PathBuf {
        path.join("keys.sealed")
    }

    /// As [`Self::keys_at`], for the next keys.
    pub(crate) fn next_keys_at(path: &Path) -> PathBuf {
        path.join("keys.next")
    }

    /// Returns the path of the description of the coordinator that the account has voted for, which
    /// is there until the node follows it.
    pub fn vote(&self) -> PathBuf {
        self.path.join("voted.json")
    }

    /// Returns the path of the public statement about the new keys.
    pub fn rotation(&self) -> PathBuf {
        self.path.join("rotation.json")
    }
}

impl CoordinatorHome {
    /// Returns the directory of an IVN, whether it exists or not.
    pub fn ivn(&self, ivn: IvnId) -> IvnDirectory {
        IvnDirectory { path: self.path.join(IVNS).join(ivn.to_string()) }
    }

    /// Lists the IVNs that have a directory, sorted.
    ///
    /// # Errors
    ///
    /// When the directories cannot be listed.
    pub fn ivns(&self) -> Result<Vec<IvnId>, HomeError> {
        Ok(Self::directories(&self.path)?.into_iter().map(|(ivn, _)| ivn).collect())
    }

    /// Lists the IVNs of the home at `path` with their directories, whether another process uses
    /// the home or not.
    ///
    /// # Errors
    ///
    /// When the directories cannot be listed.
    pub fn directories(path: &Path) -> Result<Vec<(IvnId, IvnDirectory)>, HomeError> {
        let path = path.join(IVNS);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(HomeError::read(&path, error)),
        };
        let mut ivns = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| HomeError::read(&path, error))?.file_name();
            ivns.extend(name.to_str().and_then(|name| name.parse::<IvnId>().ok()));
        }
        ivns.sort();
        let directory = |ivn: IvnId| (ivn, IvnDirectory { path: path.join(ivn.to_string()) });
        Ok(ivns.into_iter().map(directory).collect())
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IvnDirectory {
    path: PathBuf,
}

impl IvnDirectory {
    /// Creates the directory, unless it exists.
    ///
    /// # Errors
    ///
    /// When it cannot be created.
    pub fn create(&self) -> Result<(), HomeError> {
        durable::create_directories(&self.path).map_err(|error| HomeError::write(&self.path, error))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("log.sqlite")
    }

    pub fn keys(&self) -> PathBuf {
        self.path.join("coordinator.keys")
    }

    pub fn ca_certificate(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// Returns the path of the description of a coordinator that replaces another one. It is there
    /// only if this one does.
    pub fn replacement(&self) -> PathBuf {
        self.path.join("replacement.json")
    }

    pub fn documents(&self) -> PathBuf {
        self.path.join("documents")
    }

    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }
}

/// Returns where a home for `path` is made: beside it, so that one step moves it there.
fn staged(path: &Path) -> PathBuf {
    // Without this, the parent of `.` would be empty.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".restoring");
    durable::directory_of(&path).join(name)
}

/// Checks that nothing is at `path`, or an empty directory.
///
/// # Errors
///
/// When there is a home or something else, or the directory cannot be read.
pub(crate) fn check_free(path: &Path) -> Result<(), HomeError> {
    if fs::exists(path.join(FILE)).map_err(|error| HomeError::read(path, error))? {
        return Err(HomeError::Exists(path.to_owned()));
    }
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(HomeError::NotEmpty(path.to_owned())),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(HomeError::read(path, error)),
    }
}

const FILE: &str = "home.json";
const LOCK: &str = "lock";
const IVNS: &str = "ivns";

#[cfg(test)]
mod tests;
