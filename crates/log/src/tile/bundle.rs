//! Entry bundles: up to 256 entries, each after its length in 16 bits, big-endian.

/// Most bytes of an entry.
pub const MAX_ENTRY_LEN: usize = 65_535;

/// Splits a bundle of `width` entries.
///
/// # Errors
///
/// When it has another number of entries, or bytes that belong to no entry.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, InvalidBundle> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    for _ in 0..width {
        let (len, after) = rest.split_first_chunk().ok_or(InvalidBundle)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (entry, after) = after.split_at_checked(len).ok_or(InvalidBundle)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(InvalidBundle) }
}

/// Returns the big-endian length that precedes the entry.
pub(super) fn length_prefix(entry: &[u8]) -> Result<[u8; 2], EntryTooLong> {
    let len = u16::try_from(entry.len()).map_err(|_| EntryTooLong { len: entry.len() })?;
    Ok(len.to_be_bytes())
}

/// A bundle is cut off, has extra bytes, or does not have the number of entries in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry bundle does not hold the entries that its path promises")]
pub struct InvalidBundle;

/// An entry is above [`MAX_ENTRY_LEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry of {len} bytes is too long for the log, which takes up to {MAX_ENTRY_LEN}")]
pub struct EntryTooLong {
    /// Length of the entry in bytes.
    pub len: usize,
}
