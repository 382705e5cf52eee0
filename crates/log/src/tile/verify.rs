//! Checks the files of a whole log: everything is recomputed from the entries.

use super::read::{read_entries, read_file};
use super::{
    EntryTooLong, TILE_WIDTH, TileError, TileFile, TileKind, TilePath, TileReader, TileWriter,
};
use crate::tree::TreeHead;

/// Recomputes every tile and the root from the entry bundles.
///
/// Afterwards the entries are those that `head` commits to, and everything that is read through the
/// tiles is true. Reads every file that a log of this size needs once, and holds one bundle.
///
/// # Errors
///
/// When a file is missing, damaged or unreadable, a tile has other hashes, or the root is another.
pub fn verify_tiles<R: TileReader>(
    reader: &R,
    head: TreeHead,
) -> Result<(), VerifyTilesError<R::Error>> {
    let mut writer = TileWriter::default();
    for index in (0..head.size).step_by(usize::from(TILE_WIDTH)) {
        let path =
            TilePath::holding(TileKind::Entries, index, head.size).ok_or(TileError::OutOfRange)?;
        let mut full = Vec::new();
        for entry in read_entries(reader, path)? {
            writer
                .push(&entry, &mut full)
                .map_err(|EntryTooLong { .. }| TileError::Malformed(path))?;
        }
        full.iter().try_for_each(|file| check(reader, file))?;
    }
    writer.partial_files(0).iter().try_for_each(|file| check(reader, file))?;
    if writer.head() == head { Ok(()) } else { Err(VerifyTilesError::OtherRoot) }
}

fn check<R: TileReader>(reader: &R, file: &TileFile) -> Result<(), VerifyTilesError<R::Error>> {
    if file.path.kind() == TileKind::Entries {
        return Ok(());
    }
    let (found, bytes) = read_file(reader, file.path)?;
    if bytes.len() != usize::from(found.width()) * crate::Hash::LEN {
        return Err(TileError::Malformed(found).into());
    }
    if bytes.starts_with(&file.bytes) { Ok(()) } else { Err(VerifyTilesError::OtherHashes(found)) }
}

/// What is wrong with the files of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum VerifyTilesError<E: std::error::Error + 'static> {
    #[error("{0} does not hold the hashes of the entries")]
    OtherHashes(TilePath),
    #[error("the entries do not lead to the root of the checkpoint")]
    OtherRoot,
    #[error(transparent)]
    Tile(#[from] TileError<E>),
}
