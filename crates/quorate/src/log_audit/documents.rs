//! Documents for an audit, from a directory like a coordinator's.

use std::path::{Path, PathBuf};
use std::{fs, io};

use quorate_ceremony::document::{Documents, NotChecked, ToSign};
use quorate_ceremony::names::EntryId;

use super::unreadable;
use crate::api::{Code, Problem};
use crate::documents::{output, to_be_signed};
use crate::store::documents::DocumentPackage;

/// A directory of document packages, each in a file whose name is its commitment.
pub(super) struct Stored {
    directory: PathBuf,
    unreadable: Option<Problem>,
}

impl Stored {
    pub(super) fn open(directory: &Path) -> Result<Self, Problem> {
        match fs::metadata(directory) {
            Ok(metadata) if metadata.is_dir() => {
                Ok(Self { directory: directory.to_owned(), unreadable: None })
            }
            Ok(_) => Err(Problem::new(
                Code::Failed,
                format!("{} is not a directory", directory.display()),
            )
            .hint("give the directory \"documents\" of the coordinator, or a copy")),
            Err(error) => Err(unreadable(directory, &error)),
        }
    }

    /// Returns the first file that exists but cannot be read.
    pub(super) fn unreadable(self) -> Option<Problem> {
        self.unreadable
    }
}

impl Documents for Stored {
    fn to_be_signed(&mut self, _: EntryId, wanted: &ToSign) -> Result<Vec<u8>, NotChecked> {
        if output(&wanted.request).is_none() {
            return Err(NotChecked::UnknownFormat);
        }
        let path = self.directory.join(wanted.request.document.to_string());
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(NotChecked::NoDocument);
            }
            Err(error) => {
                self.unreadable.get_or_insert_with(|| unreadable(&path, &error));
                return Err(NotChecked::UnreadableDocument);
            }
        };
        let package = DocumentPackage::from_bytes(&bytes);
        let package = package.ok().filter(|package| package.matches(wanted.request.document));
        let package = package.ok_or(NotChecked::OtherDocument)?;
        // A document that must not be signed like this was not signed by honest members.
        let prepared = to_be_signed(&package.document, wanted);
        prepared.map(|(_, bytes)| bytes).ok_or(NotChecked::OtherDocument)
    }
}
