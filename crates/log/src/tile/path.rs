//! Paths of tiles and entry bundles.

use std::fmt;
use std::str::FromStr;

use super::TILE_WIDTH;
use crate::decimal;

/// The content of a file below `tile/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Entries of the log.
    Entries,
    /// Hashes of complete subtrees of `256^level` entries; `level` is at most 63.
    Hashes {
        /// The level: 0 for leaf hashes.
        level: u8,
    },
}

/// The name of a tile or entry bundle. Displays as a relative path with `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    pub(super) kind: TileKind,
    pub(super) index: u64,
    /// The number of items, 1 to 256.
    pub(super) width: u16,
}

impl TilePath {
    /// Names the file with this index among those of its kind, and how full it is (1 to 256).
    ///
    /// # Errors
    ///
    /// When the width or the level is out of range.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, InvalidTilePath> {
        let level_fits = !matches!(kind, TileKind::Hashes { level: 64.. });
        if level_fits && (1..=TILE_WIDTH).contains(&width) {
            Ok(Self { kind, index, width })
        } else {
            Err(InvalidTilePath)
        }
    }

    /// Names the file that holds item `index` of `kind` in the log of `size` entries. `None` if
    /// it does not exist.
    pub(super) fn holding(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let level = match kind {
            TileKind::Entries => 0,
            TileKind::Hashes { level } => u32::from(level),
        };
        let items = size.checked_shr(8 * level).unwrap_or(0);
        if index >= items {
            return None;
        }
        let tile = index / u64::from(TILE_WIDTH);
        let width = (items - tile * u64::from(TILE_WIDTH)).min(u64::from(TILE_WIDTH));
        Some(Self { kind, index: tile, width: width.try_into().ok()? })
    }

    /// The content of the file.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its index among those of its kind.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes or entries in it, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it has less than 256 hashes or entries.
    pub fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// The same file when it is full.
    pub fn full(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }

    /// The directory of the partial files that the full file replaces.
    pub(super) fn partials(self) -> String {
        format!("{}.p", self.full())
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Entries => f.write_str("tile/entries/")?,
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
        }
        // 20 digits are the most that 64 bits have: seven groups.
        let groups = (1..7).rev().map(|group| 1000u64.pow(group));
        for unit in groups.filter(|unit| self.index >= *unit) {
            write!(f, "x{:03}/", self.index / unit % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_partial() { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = InvalidTilePath;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let rest = path.strip_prefix("tile/").ok_or(InvalidTilePath)?;
        let (kind, rest) = rest.split_once('/').ok_or(InvalidTilePath)?;
        let kind = if kind == "entries" {
            TileKind::Entries
        } else {
            let level = decimal::parse(kind).and_then(|level| level.try_into().ok());
            TileKind::Hashes { level: level.ok_or(InvalidTilePath)? }
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => {
                let width = decimal::parse(width).and_then(|width| width.try_into().ok());
                (index, width.ok_or(InvalidTilePath)?)
            }
            None => (rest, TILE_WIDTH),
        };
        let digits: String = index.chars().filter(char::is_ascii_digit).collect();
        let digits = match digits.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        };
        let index = decimal::parse(digits).ok_or(InvalidTilePath)?;
        let parsed = Self::new(kind, index, width)?;
        // Each file has one path; anything else that reads like it is rejected.
        if parsed.to_string() == path { Ok(parsed) } else { Err(InvalidTilePath) }
    }
}

/// A text is not the path of a tile or bundle, or there is no such tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile, such as tile/0/x001/234 or tile/entries/000.p/7")]
pub struct InvalidTilePath;
