//! The latest entries of a log in memory, to be sent without reading the disk.

use std::collections::VecDeque;

/// How many bytes of entries stay in memory.
const RECENT: usize = 8 << 20;

/// The latest entries, without gaps.
#[derive(Default)]
pub(super) struct Recent {
    first: u64,
    bytes: usize,
    entries: VecDeque<Vec<u8>>,
}

impl Recent {
    pub(super) fn push(&mut self, index: u64, entry: Vec<u8>) {
        if index != self.first + self.entries.len() as u64 {
            self.entries.clear();
            self.bytes = 0;
            self.first = index;
        }
        self.bytes += entry.len();
        self.entries.push_back(entry);
        while self.bytes > RECENT
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.len();
            self.first += 1;
        }
    }

    /// Returns as many of the entries `first..end` as have together at most `max_bytes`, but at
    /// least one. Returns `None` if any of them is missing here.
    pub(super) fn range(&self, first: u64, end: u64, max_bytes: usize) -> Option<Vec<Vec<u8>>> {
        if first >= end {
            return Some(Vec::new());
        }
        let skip = usize::try_from(first.checked_sub(self.first)?).ok()?;
        let count = usize::try_from(end - first).ok()?;
        if skip + count > self.entries.len() {
            return None;
        }
        let mut bytes = 0;
        let mut taken = Vec::new();
        for entry in self.entries.iter().skip(skip).take(count) {
            bytes += entry.len();
            if bytes > max_bytes && !taken.is_empty() {
                break;
            }
            taken.push(entry.clone());
        }
        Some(taken)
    }
}
