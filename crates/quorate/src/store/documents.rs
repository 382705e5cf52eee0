//! Documents on the coordinator's disk, by the commitment that log entries have of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use quorate_ceremony::names::Digest;
use tokio::task::spawn_blocking;

use super::durable;

/// A directory of documents. Cheap to clone, and usable concurrently.
///
/// Contents are opaque: the caller of [`put`](Self::put) has [checked](DocumentPackage::matches)
/// that a package matches its commitment.
#[derive(Clone, Debug)]
pub struct Documents {
    directory: PathBuf,
}

impl Documents {
    /// Uses the documents in this directory, which the first [`put`](Self::put) creates.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Stores a document's package durably. Storing the same bytes again succeeds.
    ///
    /// # Errors
    ///
    /// When it has more than `limit` bytes, different bytes are stored under this commitment, or
    /// the disk fails.
    pub async fn put(
        &self,
        commitment: Digest,
        package: impl AsRef<[u8]> + Send + 'static,
        limit: u64,
    ) -> Result<(), DocumentError> {
        let length = package.as_ref().len() as u64;
        if length > limit {
            return Err(DocumentError::TooLarge { length, limit });
        }
        let path = self.path(commitment);
        in_background(move || put(&path, package.as_ref())).await
    }

    /// Returns the bytes of a stored package, or `None`.
    ///
    /// # Errors
    ///
    /// When the package cannot be read, or has more than `limit` bytes.
    pub async fn get(
        &self,
        commitment: Digest,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, DocumentError> {
        let path = self.path(commitment);
        in_background(move || get(&path, limit)).await
    }

    /// Whether a package is stored under this commitment.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub async fn has(&self, commitment: Digest) -> Result<bool, DocumentError> {
        let path = self.path(commitment);
        in_background(move || fs::exists(path).map_err(DocumentError::Unreadable)).await
    }

    /// Returns the commitments and lengths of all stored packages, and deletes what interrupted
    /// uploads left.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub async fn list(&self) -> Result<Vec<(Digest, u64)>, DocumentError> {
        let directory = self.directory.clone();
        in_background(move || list(&directory).map_err(DocumentError::Unreadable)).await
    }

    /// Deletes the packages of these documents that are stored. Repeating it is harmless. Returns
    /// how many there were.
    ///
    /// # Errors
    ///
    /// When the disk fails; then some may be left.
    pub async fn delete(&self, commitments: BTreeSet<Digest>) -> Result<usize, DocumentError> {
        let directory = self.directory.clone();
        in_background(move || delete(&directory, &commitments)).await
    }

    /// Returns the size of the disk, and the bytes of it that are free.
    pub fn disk(&self) -> Option<(u64, u64)> {
        // Before the first upload, the directory does not exist.
        let here = [Some(self.directory.as_path()), self.directory.parent()];
        let disk = here.into_iter().flatten().find_map(|path| rustix::fs::statvfs(path).ok())?;
        let of = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some((of(disk.f_blocks), of(disk.f_bavail)))
    }

    pub(crate) fn path(&self, commitment: Digest) -> PathBuf {
        self.directory.join(commitment.to_string())
    }
}

pub(super) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DocumentError> + Send + 'static,
) -> Result<T, DocumentError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        // Only when the runtime shuts down.
        Err(error) => Err(DocumentError::NotWritten(io::Error::other(error))),
    }
}

fn list(directory: &Path) -> io::Result<Vec<(Digest, u64)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if durable::is_unfinished(&entry.path()) {
            drop(fs::remove_file(entry.path()));
        } else if let Some(name) = entry.file_name().to_str()
            && let Ok(commitment) = name.parse()
        {
            found.push((commitment, entry.metadata()?.len()));
        }
    }
    Ok(found)
}

fn put(path: &Path, package: &[u8]) -> Result<(), DocumentError> {
    durable::create_directories(durable::directory_of(path)).map_err(DocumentError::from_write)?;
    match durable::create(path, package) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let stored = fs::read(path).map_err(DocumentError::Unreadable)?;
            if stored == package { Ok(()) } else { Err(DocumentError::Taken) }
        }
        Err(error) => Err(DocumentError::from_write(error)),
    }
}

fn get(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, DocumentError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DocumentError::Unreadable(error)),
    };
    let mut bytes = Vec::new();
    let mut limited = file.take(limit.saturating_add(1));
    limited.read_to_end(&mut bytes).map_err(DocumentError::Unreadable)?;
    let length = bytes.len() as u64;
    if length > limit { Err(DocumentError::TooLarge { length, limit }) } else { Ok(Some(bytes)) }
}

fn delete(directory: &Path, commitments: &BTreeSet<Digest>) -> Result<usize, DocumentError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(DocumentError::NotDeleted(error)),
    };
    let mut deleted = 0;
    for entry in entries {
        let entry = entry.map_err(DocumentError::NotDeleted)?;
        let named = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if named.is_some_and(|commitment| commitments.contains(&commitment)) {
            fs::remove_file(entry.path()).map_err(DocumentError::NotDeleted)?;
            deleted += 1;
        }
    }
    if deleted > 0 {
        durable::sync_directory(directory).map_err(DocumentError::NotDeleted)?;
    }
    Ok(deleted)
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    #[error(
        "the document is larger than the limit of {limit} bytes; raise the limit of the coordinator, or sign a smaller document"
    )]
    TooLarge {
        /// Its length in bytes, name and salt included, as far as it was read.
        length: u64,
        limit: u64,
    },
    #[error(
        "a different document is stored under this commitment; submit the document again, with a new salt"
    )]
    Taken,
    #[error("the disk is full; the document was not stored; make space and try again")]
    DiskFull,
    #[error(
        "the document cannot be stored; check the disk and permissions of the documents directory"
    )]
    NotWritten(#[source] io::Error),
    #[error(
        "the stored document cannot be read; check the disk and permissions of the documents directory"
    )]
    Unreadable(#[source] io::Error),
    #[error(
        "documents that are no longer kept cannot be deleted; check the disk and permissions of the documents directory"
    )]
    NotDeleted(#[source] io::Error),
}

impl DocumentError {
    pub(super) fn from_write(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::NotWritten(error),
        }
    }
}

/// A document with the data that members need to recognise it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentPackage {
    /// 32 random bytes, for this document alone: see [`quorate_documents::commitment`].
    pub salt: [u8; 32],
    /// The file's name, for people. The commitment covers it.
    pub name: DocumentName,
    /// What the requester writes to the approvers. The commitment covers it.
    pub note: Option<DocumentNote>,
    pub document: Vec<u8>,
}

/// Returns the name and the note in the title of a package.
pub(super) fn parse_title(
    title: &str,
) -> Result<(DocumentName, Option<DocumentNote>), InvalidPackage> {
    let (name, note) = match title.split_once('\0') {
        Some((name, note)) => (name, Some(note.parse()?)),
        None => (title, None),
    };
    Ok((name.parse()?, note))
}

/// The name and the note, in a form that no other name and note have: neither contains a zero byte.
pub(super) fn title(name: &DocumentName, note: Option<&DocumentNote>) -> String {
    match note {
        None => name.as_str().to_owned(),
        Some(note) => format!("{}\0{}", name.as_str(), note.as_str()),
    }
}

impl DocumentPackage {
    /// Encodes salt (32 bytes), length of the title (2 bytes, big-endian), title (UTF-8), document
    /// (the rest). The title is the name, and if there is a note, a zero byte and the note.
    pub fn to_bytes(&self) -> Vec<u8> {
        let title = self.title();
        // A name has at most 255 bytes, and a note at most `DocumentNote::LONGEST`.
        let length = u16::try_from(title.len()).unwrap_or_default().to_be_bytes();
        [self.salt.as_slice(), &length, title.as_bytes(), &self.document].concat()
    }

    /// Returns how many bytes [`to_bytes`](Self::to_bytes) adds to a document with this name and
    /// note.
    pub fn overhead(name: &str, note: Option<&str>) -> u64 {
        let title = name.len() + note.map_or(0, |note| 1 + note.len());
        (32 + 2 + title) as u64
    }

    fn title(&self) -> String {
        title(&self.name, self.note.as_ref())
    }

    /// Decodes [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// When the bytes are cut off, or the name is not valid.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPackage> {
        let (start, document) = Self::split(bytes)?;
        Ok(Self { document: document.to_vec(), ..start })
    }

    /// Decodes [`to_bytes`](Self::to_bytes) without copying the document. The returned package has
    /// an empty one.
    pub(super) fn split(bytes: &[u8]) -> Result<(Self, &[u8]), InvalidPackage> {
        let (salt, rest) = bytes.split_first_chunk().ok_or(InvalidPackage::CutOff)?;
        let (length, rest) = rest.split_first_chunk().ok_or(InvalidPackage::CutOff)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (title, document) = rest.split_at_checked(length).ok_or(InvalidPackage::CutOff)?;
        let title = std::str::from_utf8(title).map_err(|_| InvalidName)?;
        let (name, note) = parse_title(title)?;
        Ok((Self { salt: *salt, name, note, document: Vec::new() }, document))
    }

    /// Returns the commitment to this document under this name with this salt.
    pub fn commitment(&self) -> Digest {
        Digest::new(quorate_documents::commitment(&self.salt, &self.title(), &self.document))
    }

    /// Whether this is the document that an entry commits to.
    pub fn matches(&self, commitment: Digest) -> bool {
        self.commitment() == commitment
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidPackage {
    #[error("the document package is cut off")]
    CutOff,
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Note(#[from] InvalidNote),
}

/// The name of a document's file: 1 to 255 bytes of UTF-8 that lead to no other directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentName(String);

impl DocumentName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for DocumentName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let fits = (1..=255).contains(&name.len()) && name != "." && name != "..";
        if fits && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control()) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a document's name must be 1 to 255 bytes without slashes and control characters; rename the file"
)]
pub struct InvalidName;

/// What a requester writes to the approvers: 1 to 500 bytes of UTF-8 without control characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentNote(String);

impl DocumentNote {
    /// The most bytes of a note.
    pub const LONGEST: usize = 500;

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for DocumentNote {
    type Err = InvalidNote;

    fn from_str(note: &str) -> Result<Self, InvalidNote> {
        let fits = (1..=Self::LONGEST).contains(&note.len());
        match fits && !note.contains(char::is_control) {
            true => Ok(Self(note.to_owned())),
            false => Err(InvalidNote),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a message has 1 to {} bytes without line breaks and control characters",
    DocumentNote::LONGEST
)]
pub struct InvalidNote;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn package() -> DocumentPackage {
        DocumentPackage {
            salt: [7; 32],
            name: "contract.txt".parse().unwrap(),
            note: None,
            document: b"contract".to_vec(),
        }
    }

    #[test]
    fn a_package_has_the_documented_bytes() {
        let bytes = package().to_bytes();
        assert_eq!(bytes, [&[7; 32], b"\x00\x0ccontract.txtcontract".as_slice()].concat());
        assert_eq!(DocumentPackage::from_bytes(&bytes), Ok(package()));
    }

    #[test]
    fn a_note_follows_the_name() {
        let note = "please sign until Friday".parse().ok();
        let package = DocumentPackage { note, ..package() };
        let bytes = package.to_bytes();
        let title = b"\x00\x25contract.txt\0please sign until Friday".as_slice();
        assert_eq!(bytes, [&[7; 32], title, b"contract"].concat());
        let overhead = DocumentPackage::overhead("contract.txt", Some("please sign until Friday"));
        assert_eq!(bytes.len() as u64, overhead + 8);
        assert_eq!(DocumentPackage::from_bytes(&bytes), Ok(package));
        for bad in ["", "a\nb", "a\0b", "\u{1b}[2J", &"x".repeat(501)] {
            assert_eq!(bad.parse::<DocumentNote>(), Err(InvalidNote), "{bad:?}");
        }
    }

    #[test]
    fn document_name_and_salt_make_the_commitment() {
        let package = package();
        let renamed = DocumentPackage { name: "x".parse().unwrap(), ..package.clone() };
        assert!(!renamed.matches(package.commitment()));
        let noted = DocumentPackage { note: "hurry".parse().ok(), ..package.clone() };
        assert!(!noted.matches(package.commitment()));
        let changed = DocumentPackage { document: b"contracT".to_vec(), ..package.clone() };
        assert!(!changed.matches(package.commitment()));
        let salted = DocumentPackage { salt: [8; 32], ..package.clone() };
        assert!(!salted.matches(package.commitment()));
    }

    #[test]
    fn a_name_never_leads_out_of_a_directory() {
        for bad in ["", ".", "..", "a/b", "../a", "a\\b", "a\0", "a\nb", &"x".repeat(256)] {
            assert_eq!(bad.parse::<DocumentName>(), Err(InvalidName), "{bad:?}");
        }
        for good in ["a", "Vertrag Müller.pdf", "...", &"x".repeat(255)] {
            assert!(good.parse::<DocumentName>().is_ok(), "{good:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_that_decode_are_the_only_ones_that_do(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(package) = DocumentPackage::from_bytes(&bytes) {
                prop_assert_eq!(package.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_package_cut_within_salt_or_name_is_refused(length in 0usize..46) {
            let bytes = package().to_bytes();
            prop_assert_eq!(DocumentPackage::from_bytes(&bytes[..length]), Err(InvalidPackage::CutOff));
        }
    }

    #[tokio::test]
    async fn a_document_is_read_back_and_a_missing_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let documents = Documents::new(directory.path().join("documents"));
        let id = package().commitment();
        assert_eq!(documents.get(id, 1000).await.unwrap(), None);
        documents.put(id, package().to_bytes(), 1000).await.unwrap();
        documents.put(id, package().to_bytes(), 1000).await.unwrap();
        assert_eq!(documents.get(id, 1000).await.unwrap(), Some(package().to_bytes()));
    }

    #[tokio::test]
    async fn a_stored_document_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let documents = Documents::new(directory.path().to_owned());
        let id = package().commitment();
        documents.put(id, b"one".to_vec(), 10).await.unwrap();
        let refused = documents.put(id, b"two".to_vec(), 10).await;
        assert!(matches!(refused, Err(DocumentError::Taken)));
        assert_eq!(documents.get(id, 10).await.unwrap(), Some(b"one".to_vec()));
    }

    #[tokio::test]
    async fn a_document_over_the_limit_is_neither_stored_nor_read() {
        let directory = tempfile::tempdir().unwrap();
        let documents = Documents::new(directory.path().to_owned());
        let id = package().commitment();
        let refused = documents.put(id, b"long".to_vec(), 3).await;
        assert!(matches!(refused, Err(DocumentError::TooLarge { length: 4, limit: 3 })));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        documents.put(id, b"long".to_vec(), 4).await.unwrap();
        assert!(matches!(documents.get(id, 3).await, Err(DocumentError::TooLarge { .. })));
    }
}
