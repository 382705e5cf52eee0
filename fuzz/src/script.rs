//! Reads instructions out of bytes: what a fuzzer varies becomes what happens next.

/// The rest of an input. What is missing reads as zeros, so every input means something.
#[derive(Debug)]
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// Reads from the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything was read.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.byte().is_multiple_of(2)
    }

    /// A number, big-endian.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// An index into so many things. 0 if there are none.
    pub fn index(&mut self, count: usize) -> usize {
        usize::from(self.number()).checked_rem(count).unwrap_or(0)
    }

    /// As many bytes as the next number says, or as there are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.number());
        self.take(length)
    }

    /// At most so many bytes.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// `bytes` with a few changes: at a place each, some bytes replaced by others.
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
