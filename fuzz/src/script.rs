//! Reads instructions from bytes, so that a fuzzer decides what happens next.

/// The rest of an input. Missing bytes read as zeros, so every input is a script.
#[derive(Debug)]
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything was read.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub fn coin(&mut self) -> bool {
        self.byte().is_multiple_of(2)
    }

    /// Reads a big-endian number.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Reads an index below `count`, or 0 if `count` is 0.
    pub fn index(&mut self, count: usize) -> usize {
        usize::from(self.number()).checked_rem(count).unwrap_or(0)
    }

    /// Reads as many bytes as the next number says, or as remain.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.number());
        self.take(length)
    }

    /// Reads at most this many bytes.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Reads all remaining bytes.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Returns `bytes` with a few changes, each of which replaces some bytes at one place.
    pub fn harm(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut harmed = bytes.to_vec();
        for _ in 0..self.byte() % 4 {
            let at = self.index(harmed.len() + 1);
            let end = harmed.len().min(at + usize::from(self.byte() % 16));
            let by = usize::from(self.byte() % 16);
            harmed.splice(at..end, self.take(by).iter().copied());
        }
        harmed
    }
}
