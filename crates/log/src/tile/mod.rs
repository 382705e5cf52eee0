//! The log as files, <https://c2sp.org/tlog-tiles>: entry bundles and tiles of 256 hashes.
//!
//! ```text
//! tile/entries/000        entries 0…255, each with a big-endian 16-bit length before it
//! tile/entries/001.p/44   entries 256…299
//! tile/0/000              leaf hashes 0…255
//! tile/0/001.p/44         leaf hashes 256…299
//! tile/1/000.p/1          the root of tile/0/000
//! ```
//!
//! Partial files (`.p/<width>`) belong to one tree size; the full file replaces them. The
//! checkpoint is a separate file, written after the files that it commits to.

mod bundle;
mod path;
mod read;
mod verify;
mod write;

pub use bundle::{EntryTooLong, InvalidBundle, MAX_ENTRY_LEN, parse_bundle};
pub use path::{InvalidTilePath, TileKind, TilePath};
pub use read::{Entries, TileError, TileHashes, TileReader};
pub use verify::{VerifyTilesError, verify_tiles};
pub use write::{Append, OpenError, TileFile, TileWriter};

/// Hashes of a full tile, entries of a full bundle.
pub const TILE_WIDTH: u16 = 256;
