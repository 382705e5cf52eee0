//! The bytes to sign of the latest documents, within a limit.
//!
//! A machine asks for a document when it signs, and holds the small ones for the next step. A
//! request can be approved long before it is signed, and a raw signature covers the whole document.
//! So the memory of a machine does not depend on how many requests wait, and how long they are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::names::EntryId;

/// How many bytes of documents the coordinator holds for an IVN. It reads a longer document again
/// for each share.
pub const HELD_BY_COORDINATOR: usize = 4 << 20;
/// How many bytes of documents a node holds. It reads a longer document again to sign it, and
/// verifies a logged signature only with a document that it holds.
pub const HELD_BY_NODE: usize = 64 << 20;

#[derive(Debug)]
pub(crate) struct Held {
    limit: usize,
    bytes: usize,
    /// The bytes, and the number of the signature that covers them.
    documents: BTreeMap<EntryId, (u8, Arc<[u8]>)>,
    /// The requests of the held documents, from the oldest to the latest.
    order: VecDeque<EntryId>,
}

impl Held {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, documents: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn get(&self, request: EntryId, number: u8) -> Option<Arc<[u8]>> {
        let (held, bytes) = self.documents.get(&request)?;
        (*held == number).then(|| bytes.clone())
    }

    /// Holds these bytes if they are within the limit, in place of the oldest ones.
    pub(crate) fn insert(&mut self, request: EntryId, number: u8, to_be_signed: Vec<u8>) {
        self.remove(request);
        if to_be_signed.len() > self.limit {
            return;
        }
        self.bytes += to_be_signed.len();
        self.documents.insert(request, (number, to_be_signed.into()));
        self.order.push_back(request);
        while self.bytes > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget(oldest);
        }
    }

    pub(crate) fn remove(&mut self, request: EntryId) {
        if self.documents.contains_key(&request) {
            self.forget(request);
            self.order.retain(|held| *held != request);
        }
    }

    fn forget(&mut self, request: EntryId) {
        if let Some((_, document)) = self.documents.remove(&request) {
            self.bytes -= document.len();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 100;

    proptest! {
        #[test]
        fn held_bytes_never_exceed_the_limit(
            steps in proptest::collection::vec((0u8..8, 0usize..150, any::<bool>()), 0..60),
        ) {
            let mut held = Held::new(LIMIT);
            for (request, length, removes) in steps {
                let request = EntryId::new([request; 32]);
                match removes {
                    true => held.remove(request),
                    false => held.insert(request, 1, vec![1; length]),
                }
                let counted: usize = held.documents.values().map(|(_, bytes)| bytes.len()).sum();
                prop_assert_eq!(held.bytes(), counted);
                prop_assert!(counted <= LIMIT);
                prop_assert_eq!(held.order.len(), held.documents.len());
                prop_assert_eq!(held.get(request, 1).is_some(), !removes && length <= LIMIT);
                prop_assert!(held.get(request, 0).is_none());
            }
        }
    }
}
