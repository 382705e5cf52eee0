//! Reads canonical messages: exact lengths, big-endian numbers, nothing left over.

use crate::Identifier;

/// The rest of a message.
///
/// Every method takes bytes from the front, or returns `None` and the message is malformed. Numbers
/// are big-endian.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn identifier(&mut self) -> Option<Identifier> {
        Identifier::try_from(self.number()?).ok()
    }

    /// The number of bytes that are left.
    pub(crate) fn remaining(&self) -> usize {
        self.0.len()
    }

    /// Rejects trailing bytes: they would be a second encoding of the same message.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
