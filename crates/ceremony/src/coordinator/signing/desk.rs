//! The documents of the requests that are being signed, and the shares that wait for them.
//!
//! - Upon the first session for a request, and upon a share whose document is not held: ask for the
//!   document.
//! - Upon a document: check the shares that waited for it. A short one is held for the next shares.
//! - Upon a document that is unavailable: ask again after a pause.
//!
//! Nothing is asked for before enough approvers are connected, so a coordinator with many approved
//! requests starts without reading any document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::coordinator::input::Call;
use crate::document::Document;
use crate::effect::CoordinatorEffect;
use crate::held::{HELD_BY_COORDINATOR, Held};
use crate::names::{AccountName, EntryId, SessionId};
use crate::signing::SignedPart;

/// Shares whose document is being read.
pub(super) type Unchecked = BTreeMap<(SessionId, AccountName), SignedPart>;

#[derive(Debug)]
pub(super) struct Desk {
    /// Requests whose documents were read, so that a session for them can be finished.
    found: BTreeSet<EntryId>,
    asked: BTreeSet<EntryId>,
    /// Unavailable documents, until they are tried again.
    missing: BTreeSet<EntryId>,
    unchecked: BTreeMap<EntryId, Unchecked>,
    held: Held,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            found: BTreeSet::new(),
            asked: BTreeSet::new(),
            missing: BTreeSet::new(),
            unchecked: BTreeMap::new(),
            held: Held::new(HELD_BY_COORDINATOR),
        }
    }

    /// Whether a session for this request can be opened. If not, its document is asked for.
    pub(super) fn has_found(&mut self, request: EntryId, call: &mut Call<'_>) -> bool {
        let found = self.found.contains(&request);
        if !found {
            self.ask(request, call);
        }
        found
    }

    /// Asks for a document again if shares wait for it.
    pub(super) fn ask_again(&mut self, request: EntryId, call: &mut Call<'_>) {
        if self.unchecked.contains_key(&request) {
            self.ask(request, call);
        }
    }

    fn ask(&mut self, request: EntryId, call: &mut Call<'_>) {
        if !self.missing.contains(&request) && self.asked.insert(request) {
            call.push(CoordinatorEffect::PrepareDocument(request));
        }
    }

    pub(super) fn held(&self, request: EntryId, number: u8) -> Option<Arc<[u8]>> {
        self.held.get(request, number)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Keeps a share until the document is here.
    pub(super) fn wait(
        &mut self,
        request: EntryId,
        session: SessionId,
        account: AccountName,
        share: SignedPart,
        call: &mut Call<'_>,
    ) {
        self.unchecked.entry(request).or_default().insert((session, account), share);
        self.ask(request, call);
    }

    /// Notes that a document was read. Returns the shares that waited for it.
    pub(super) fn came(&mut self, request: EntryId) -> Unchecked {
        self.asked.remove(&request);
        self.missing.remove(&request);
        self.found.insert(request);
        self.unchecked.remove(&request).unwrap_or_default()
    }

    pub(super) fn hold(&mut self, request: EntryId, document: Document) {
        self.held.insert(request, document.number, document.to_be_signed);
    }

    pub(super) fn is_missing(&mut self, request: EntryId) {
        self.asked.remove(&request);
        self.missing.insert(request);
    }

    /// The pause after unavailable documents is over.
    pub(super) fn resume(&mut self) {
        self.missing.clear();
    }

    pub(super) fn drop_request(&mut self, request: EntryId) {
        self.found.remove(&request);
        self.asked.remove(&request);
        self.missing.remove(&request);
        self.unchecked.remove(&request);
        self.held.remove(request);
    }

    /// Drops the waiting shares of sessions that have ended.
    pub(super) fn retain(&mut self, is_open: impl Fn(SessionId) -> bool) {
        self.unchecked.retain(|_, shares| {
            shares.retain(|(session, _), _| is_open(*session));
            !shares.is_empty()
        });
    }
}
