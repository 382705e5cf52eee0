//! The upload of a document's package to the disk, with little memory.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use quorate_ceremony::names::Digest;
use sha2::Digest as _;

use super::documents::{DocumentError, Documents, in_background, parse_title};
use super::durable;

/// Salt, and length of the title.
const HEAD: usize = 32 + 2;

/// An unfinished file; dropping it deletes the file.
pub(crate) struct Upload {
    unfinished: Unfinished,
    target: PathBuf,
    file: File,
    hash: PackageHash,
    length: u64,
}

struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

impl Upload {
    /// # Errors
    ///
    /// When the disk fails.
    pub(crate) async fn begin(
        documents: &Documents,
        commitment: Digest,
    ) -> Result<Self, DocumentError> {
        let target = documents.path(commitment);
        in_background(move || {
            durable::create_directories(durable::directory_of(&target))
                .map_err(DocumentError::from_write)?;
            let unfinished = Unfinished(durable::unfinished_name(&target));
            let file = durable::create_empty(&unfinished.0).map_err(DocumentError::from_write)?;
            Ok(Self { unfinished, target, file, hash: PackageHash::default(), length: 0 })
        })
        .await
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// # Errors
    ///
    /// When the disk fails.
    pub(crate) async fn write(
        mut self,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<Self, DocumentError> {
        in_background(move || {
            let bytes = bytes.as_ref();
            self.file.write_all(bytes).map_err(DocumentError::from_write)?;
            self.hash.update(bytes);
            self.length += bytes.len() as u64;
            Ok(self)
        })
        .await
    }

    /// Makes the package durable. Returns whether it is the one of this commitment; another is
    /// deleted.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub(crate) async fn finish(self, commitment: Digest) -> Result<bool, DocumentError> {
        in_background(move || {
            let Self { unfinished, target, file, hash, .. } = self;
            if hash.commitment() != Some(commitment) {
                return Ok(false);
            }
            file.sync_all().map_err(DocumentError::from_write)?;
            match fs::hard_link(&unfinished.0, &target) {
                // The commitment makes sure that it is the same document.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(DocumentError::from_write(error));
                }
                _ => {}
            }
            durable::sync_directory(durable::directory_of(&target))
                .map_err(DocumentError::from_write)?;
            Ok(true)
        })
        .await
    }
}

/// Computes the commitment of a package whose bytes come in pieces.
#[derive(Default)]
struct PackageHash {
    /// The bytes up to the end of the title, which has the name and the note.
    head: Vec<u8>,
    document: sha2::Sha256,
}

impl PackageHash {
    fn update(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first()
            && self.head.len() < self.head_length()
        {
            self.head.push(*first);
            bytes = rest;
        }
        self.document.update(bytes);
    }

    fn head_length(&self) -> usize {
        match self.head.get(32..HEAD) {
            Some(&[high, low]) => HEAD + usize::from(u16::from_be_bytes([high, low])),
            _ => HEAD,
        }
    }

    /// `None` for bytes that are no package.
    fn commitment(self) -> Option<Digest> {
        if self.head.len() != self.head_length() {
            return None;
        }
        let (salt, rest) = self.head.split_first_chunk()?;
        let title = std::str::from_utf8(rest.get(2..)?).ok()?;
        parse_title(title).ok()?;
        let document = self.document.finalize().into();
        Some(Digest::new(quorate_documents::commitment_to_hash(salt, title, &document)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::documents::DocumentPackage;

    proptest! {
        #[test]
        fn pieces_have_the_commitment_of_the_whole(
            name in "[a-z]{1,40}",
            note in proptest::option::of("[a-z]{1,40}"),
            document in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0usize..300,
            piece in 1usize..90,
        ) {
            let note = note.map(|note| note.parse().unwrap());
            let package =
                DocumentPackage { salt: [7; 32], name: name.parse().unwrap(), note, document };
            let bytes = package.to_bytes();
            let sent = &bytes[..bytes.len().saturating_sub(cut)];
            let mut hash = PackageHash::default();
            sent.chunks(piece).for_each(|piece| hash.update(piece));
            let whole = DocumentPackage::from_bytes(sent).ok().map(|package| package.commitment());
            prop_assert_eq!(hash.commitment(), whole);
        }
    }

    #[tokio::test]
    async fn only_a_finished_and_genuine_upload_leaves_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let documents = Documents::new(directory.path().join("documents"));
        let package = DocumentPackage {
            salt: [7; 32],
            name: "contract".parse().unwrap(),
            note: Some("please sign".parse().unwrap()),
            document: vec![1; 100_000],
        };
        let (id, bytes) = (package.commitment(), package.to_bytes());
        let begin = async || {
            let upload = Upload::begin(&documents, id).await.unwrap();
            upload.write(bytes.clone()).await.unwrap()
        };
        drop(begin().await);
        assert!(!begin().await.write(b"more".to_vec()).await.unwrap().finish(id).await.unwrap());
        assert_eq!(documents.list().await.unwrap(), []);
        let upload = begin().await;
        assert_eq!(upload.length(), bytes.len() as u64);
        assert!(upload.finish(id).await.unwrap());
        assert!(begin().await.finish(id).await.unwrap(), "again");
        assert_eq!(documents.list().await.unwrap(), [(id, bytes.len() as u64)]);
        let files = fs::read_dir(directory.path().join("documents")).unwrap();
        assert_eq!(files.count(), 1);
        assert_eq!(documents.get(id, 1 << 20).await.unwrap(), Some(bytes));
        assert_eq!(documents.delete([id].into()).await.unwrap(), 1);
        assert_eq!(documents.delete([id].into()).await.unwrap(), 0);
        assert_eq!(documents.list().await.unwrap(), []);
    }
}
