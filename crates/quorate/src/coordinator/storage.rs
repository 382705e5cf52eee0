//! How much of the coordinator's disk the documents of an IVN take.
//!
//! - Upon an upload: reserve its bytes, for the account, for the IVN, and on the disk.
//! - Upon a request that the log opens: the document belongs to it from now on.
//! - Upon the end of a request without a signature, and upon a request that is refused: delete the
//!   document.
//! - Upon a document that no request claims within [`UNCLAIMED_FOR`]: delete it.
//! - Upon the end of the time for which a group's policy keeps the documents of signed requests:
//!   delete them.
//!
//! A document that waits for a signature counts for its requester, a stored one for the IVN. The
//! log's share of the disk is never given to documents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_ceremony::names::{AccountName, Digest, Timestamp};
use quorate_ceremony::state::{IvnState, RequestState, Status};

use crate::documents::Retention;
use crate::home::StorageLimits;

/// How long a document may be stored before a request claims it, in milliseconds. The time starts
/// again with the process, because nodes may have been unable to state the request.
const UNCLAIMED_FOR: u64 = 15 * 60 * 1000;
/// How many of the largest documents an account may have stored without a request.
const UNCLAIMED_DOCUMENTS: u64 = 4;

/// The ledger of one IVN. Cheap to clone.
#[derive(Clone)]
pub(super) struct Storage {
    limits: StorageLimits,
    document_bytes: u64,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Default)]
struct Ledger {
    /// Documents without a signature.
    pending: BTreeMap<Digest, Stored>,
    signed: BTreeMap<Digest, u64>,
    /// The bytes of all documents, and those that are being uploaded.
    total: u64,
    incoming: u64,
    accounts: BTreeMap<AccountName, Use>,
    rejected: u64,
    /// When signed documents that are no longer kept are due.
    retention: Retention,
}

/// The bytes of an account's documents that are not signed.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
struct Use {
    /// Without a request, or being uploaded.
    unclaimed: u64,
    waiting: u64,
}

#[derive(Clone)]
struct Stored {
    bytes: u64,
    owner: Option<AccountName>,
    claim: Claim,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Claim {
    /// No open request names it, since this time.
    Unclaimed(Timestamp),
    /// Its request is not decided yet, or not signed.
    Waiting,
    Signed,
}

/// The figures of one IVN, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct StorageCounts {
    /// The stored documents.
    pub(super) documents: usize,
    /// Their bytes, and those that are being uploaded.
    pub(super) bytes: u64,
    /// The bytes that no open request names.
    pub(super) unclaimed_bytes: u64,
    /// The uploads that were rejected because of a limit, since the start.
    pub(super) rejected: u64,
}

/// The limit that an upload would exceed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Full {
    #[error(
        "this account has {waiting} bytes of documents at the coordinator that are not signed yet, and its limit is {limit} (config.storage.account_bytes in home.json of the coordinator); wait until they are signed, or reject requests"
    )]
    Account { waiting: u64, limit: u64 },
    #[error(
        "this account has {unclaimed} bytes of documents at the coordinator without a request, and its limit is {limit}; they are deleted after 15 minutes"
    )]
    Unclaimed { unclaimed: u64, limit: u64 },
    #[error(
        "the documents of this IVN take {stored} bytes, and its limit is {limit} (config.storage.ivn_bytes in home.json of the coordinator)"
    )]
    Ivn { stored: u64, limit: u64 },
    #[error(
        "the coordinator's disk is full except for {reserve} bytes that are reserved for the log (config.storage.reserve_bytes in its home.json); the document was not stored; make space and try again"
    )]
    Disk { reserve: u64 },
}

/// The bytes of one upload; dropping it releases them.
pub(super) struct Reservation {
    storage: Storage,
    account: AccountName,
    bytes: u64,
}

impl Storage {
    pub(super) fn new(limits: StorageLimits, document_bytes: u64) -> Self {
        Self { limits, document_bytes, ledger: Arc::default() }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the disk has when the process starts.
    pub(super) fn found(&self, documents: impl IntoIterator<Item = (Digest, u64)>, now: Timestamp) {
        let mut ledger = self.ledger();
        for (commitment, bytes) in documents {
            ledger.put(commitment, Stored { bytes, owner: None, claim: Claim::Unclaimed(now) });
        }
        drop(ledger);
    }

    /// Reserves room for an upload. `disk` has the bytes of the whole disk, and those that are
    /// free.
    pub(super) fn reserve(
        &self,
        account: &AccountName,
        bytes: u64,
        disk: Option<(u64, u64)>,
    ) -> Result<Reservation, Full> {
        let mut ledger = self.ledger();
        if let Err(full) = self.check(&ledger, account, bytes, disk) {
            ledger.rejected = ledger.rejected.saturating_add(1);
            return Err(full);
        }
        ledger.incoming += bytes;
        ledger.total += bytes;
        ledger.accounts.entry(account.clone()).or_default().unclaimed += bytes;
        Ok(Reservation { storage: self.clone(), account: account.clone(), bytes })
    }

    fn check(
        &self,
        ledger: &Ledger,
        account: &AccountName,
        bytes: u64,
        disk: Option<(u64, u64)>,
    ) -> Result<(), Full> {
        if let Some((size, free)) = disk {
            // A small disk must not consist of the reserve alone.
            let reserve = self.limits.reserve_bytes.min(size / 10);
            if free < reserve.saturating_add(ledger.incoming).saturating_add(bytes) {
                return Err(Full::Disk { reserve });
            }
        }
        let (stored, limit) = (ledger.total, self.limits.ivn_bytes);
        if stored.saturating_add(bytes) > limit {
            return Err(Full::Ivn { stored, limit });
        }
        let Use { unclaimed, waiting } = ledger.accounts.get(account).copied().unwrap_or_default();
        let limit = self.document_bytes.saturating_mul(UNCLAIMED_DOCUMENTS);
        if unclaimed.saturating_add(bytes) > limit {
            return Err(Full::Unclaimed { unclaimed, limit });
        }
        let (waiting, limit) = (waiting.saturating_add(unclaimed), self.limits.account_bytes);
        if waiting.saturating_add(bytes) > limit {
            return Err(Full::Account { waiting, limit });
        }
        Ok(())
    }

    /// Compares the documents with the log. Returns those to delete, and forgets them.
    pub(super) fn collect(&self, state: &IvnState, now: Timestamp) -> Vec<Digest> {
        let mut ledger = self.ledger();
        let mut over = Vec::new();
        let pending: Vec<_> =
            ledger.pending.iter().map(|(commitment, stored)| (*commitment, stored.claim)).collect();
        for (commitment, claim) in pending {
            let is_over = match (state.request_of_document(commitment), claim) {
                (Some(request), _) => !ledger.claim(commitment, request, state),
                (None, Claim::Unclaimed(since)) => now.0 >= since.0.saturating_add(UNCLAIMED_FOR),
                (None, Claim::Waiting | Claim::Signed) => false,
            };
            if is_over {
                ledger.take(commitment);
                over.push(commitment);
            }
        }
        let due = ledger.retention.due(state, now);
        over.extend(due.into_iter().filter(|commitment| ledger.take_signed(*commitment)));
        over
    }

    /// Notes a request that the log has just admitted. Returns its document if it must be deleted.
    pub(super) fn requested(&self, state: &IvnState, request: &RequestState) -> Option<Digest> {
        let commitment = request.request.document;
        let mut ledger = self.ledger();
        if let Some(first) = state.request_of_document(commitment) {
            ledger.claim(commitment, first, state);
            return None;
        }
        // The request was refused. Others can copy a commitment from the log, so only the account
        // that uploaded the document gives it up.
        let owner = ledger.pending.get(&commitment)?.owner.as_ref();
        if owner != Some(&request.requester) {
            return None;
        }
        ledger.take(commitment);
        Some(commitment)
    }

    pub(super) fn limits(&self) -> StorageLimits {
        self.limits
    }

    pub(super) fn counts(&self) -> StorageCounts {
        let ledger = self.ledger();
        StorageCounts {
            documents: ledger.pending.len() + ledger.signed.len(),
            bytes: ledger.total,
            unclaimed_bytes: ledger.accounts.values().map(|held| held.unclaimed).sum(),
            rejected: ledger.rejected,
        }
    }
}

impl Ledger {
    fn put(&mut self, commitment: Digest, stored: Stored) {
        self.take(commitment);
        self.total += stored.bytes;
        if stored.claim == Claim::Signed {
            self.signed.insert(commitment, stored.bytes);
            return;
        }
        if let Some(owner) = &stored.owner {
            let held = self.accounts.entry(owner.clone()).or_default();
            *held.of(stored.claim) += stored.bytes;
        }
        self.pending.insert(commitment, stored);
    }

    fn take(&mut self, commitment: Digest) -> Option<Stored> {
        let stored = self.pending.remove(&commitment)?;
        self.total -= stored.bytes;
        if let Some(owner) = &stored.owner {
            self.release(owner, stored.claim, stored.bytes);
        }
        Some(stored)
    }

    /// Forgets a signed document. Returns whether it was stored.
    fn take_signed(&mut self, commitment: Digest) -> bool {
        let bytes = self.signed.remove(&commitment);
        self.total -= bytes.unwrap_or(0);
        bytes.is_some()
    }

    fn release(&mut self, account: &AccountName, claim: Claim, bytes: u64) {
        if let Some(held) = self.accounts.get_mut(account) {
            let counted = held.of(claim);
            *counted = counted.saturating_sub(bytes);
            if *held == Use::default() {
                self.accounts.remove(account);
            }
        }
    }

    /// Gives a document to its request. Returns whether the request still needs it.
    fn claim(&mut self, commitment: Digest, request: &RequestState, state: &IvnState) -> bool {
        let Some(claim) = claim_of(request, state) else { return false };
        if let Some(stored) = self.take(commitment) {
            let owner = Some(request.requester.clone());
            self.put(commitment, Stored { owner, claim, ..stored });
        }
        true
    }
}

impl Use {
    fn of(&mut self, claim: Claim) -> &mut u64 {
        match claim {
            Claim::Unclaimed(_) => &mut self.unclaimed,
            Claim::Waiting | Claim::Signed => &mut self.waiting,
        }
    }
}

/// What a request means for its document, at the time of its group; `None` if the request is over
/// without a signature.
fn claim_of(request: &RequestState, state: &IvnState) -> Option<Claim> {
    let group = state.group(&request.request.group).ok()?;
    match &request.status {
        Status::Signed => Some(Claim::Signed),
        Status::Open | Status::Approved if !request.lapsed(state.time_of(group)) => {
            Some(Claim::Waiting)
        }
        _ => None,
    }
}

impl Reservation {
    /// The document is stored under this commitment.
    pub(super) fn store(self, commitment: Digest, now: Timestamp) {
        let (bytes, owner) = (self.bytes, Some(self.account.clone()));
        let mut ledger = self.storage.ledger();
        if !ledger.pending.contains_key(&commitment) && !ledger.signed.contains_key(&commitment) {
            ledger.put(commitment, Stored { bytes, owner, claim: Claim::Unclaimed(now) });
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut ledger = self.storage.ledger();
        ledger.incoming -= self.bytes;
        ledger.total -= self.bytes;
        ledger.release(&self.account, Claim::Unclaimed(Timestamp(0)), self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use quorate_ceremony::entry::{Body, Request};
    use quorate_ceremony::test_world::{HOUR, TestLog, name};

    use super::*;

    const DOCUMENT: u64 = 1000;

    fn storage() -> Storage {
        let limits = StorageLimits { account_bytes: 6000, ivn_bytes: 9000, reserve_bytes: 500 };
        Storage::new(limits, DOCUMENT)
    }

    /// Uploads a document of an account, of the largest size.
    fn upload(storage: &Storage, account: &str, id: u8, log: &TestLog) -> Result<(), Full> {
        let reserved = storage.reserve(&name(account), DOCUMENT, None)?;
        reserved.store(Digest::new([id; 32]), log.now);
        Ok(())
    }

    /// An account's request for a document, as the log admits it.
    fn request(storage: &Storage, account: &str, id: u8, log: &mut TestLog) -> Option<Digest> {
        let mut request = log.request();
        request.document = Digest::new([id; 32]);
        let id = log.requests(account, request).unwrap();
        storage.requested(&log.state, log.state.request(id).unwrap())
    }

    #[test]
    fn a_refused_requests_document_is_deleted_at_once() {
        let (storage, mut log) = (storage(), TestLog::keyed());
        for id in 0..20 {
            upload(&storage, "ada", id, &log).unwrap();
            log.wait(1);
            let document = Digest::new([id; 32]);
            // The group does not serve this format.
            let output = "raw".parse().unwrap();
            let refused = Request { document, output, ..log.request() };
            let refused = log.requests("ada", refused).unwrap();
            let over = storage.requested(&log.state, log.state.request(refused).unwrap());
            assert_eq!(over, Some(document));
        }
        assert_eq!(storage.counts(), StorageCounts::default());
    }

    #[test]
    fn a_copied_commitment_deletes_nothing_of_others() {
        let (storage, mut log) = (storage(), TestLog::keyed());
        upload(&storage, "ada", 1, &log).unwrap();
        assert_eq!(request(&storage, "out", 1, &mut log), None);
        assert_eq!(request(&storage, "ada", 1, &mut log), None);
        log.wait(1);
        assert_eq!(request(&storage, "out", 1, &mut log), None);
        assert_eq!(storage.counts().documents, 1);
        assert_eq!(storage.counts().unclaimed_bytes, 0);
    }

    #[test]
    fn documents_without_a_request_are_few_and_go_after_a_while() {
        let (storage, log) = (storage(), TestLog::keyed());
        for id in 0..4 {
            upload(&storage, "out", id, &log).unwrap();
        }
        let full = Full::Unclaimed { unclaimed: 4000, limit: 4000 };
        assert_eq!(upload(&storage, "out", 5, &log), Err(full));
        upload(&storage, "ada", 6, &log).unwrap();
        assert_eq!(storage.collect(&log.state, log.now.plus(UNCLAIMED_FOR - 1)), []);
        assert_eq!(storage.collect(&log.state, log.now.plus(UNCLAIMED_FOR)).len(), 5);
        upload(&storage, "out", 5, &log).unwrap();
        assert_eq!(storage.counts().rejected, 1);
    }

    #[test]
    fn an_account_at_its_limit_does_not_stop_another() {
        let (storage, mut log) = (storage(), TestLog::keyed());
        for id in 0..6 {
            upload(&storage, "ada", id, &log).unwrap();
            request(&storage, "ada", id, &mut log);
            log.wait(1);
        }
        let full = Full::Account { waiting: 6000, limit: 6000 };
        assert_eq!(upload(&storage, "ada", 6, &log), Err(full));
        for id in 7..10 {
            upload(&storage, "ben", id, &log).unwrap();
        }
        let full = Full::Ivn { stored: 9000, limit: 9000 };
        assert_eq!(upload(&storage, "ben", 10, &log), Err(full));
    }

    #[test]
    fn the_end_of_a_request_gives_the_room_back() {
        let (storage, mut log) = (storage(), TestLog::keyed());
        for id in 1..4 {
            upload(&storage, "ada", id, &log).unwrap();
            log.wait(1);
            request(&storage, "ada", id, &mut log);
        }
        let ids: BTreeMap<_, _> =
            log.state.requests().values().map(|it| (it.request.document, it.id)).collect();
        let of = |id: u8| ids[&Digest::new([id; 32])];
        log.approves("ben", of(1)).unwrap();
        let body = log.signature_over(of(1), &["ada", "ben"], b"document");
        log.coordinator_says(body).unwrap();
        for member in ["ben", "cyd"] {
            log.refuses(member, of(2)).unwrap();
        }
        assert_eq!(storage.collect(&log.state, log.now), [Digest::new([2; 32])]);
        log.wait(HOUR + 1);
        log.says("ben", Body::NodeStarted { incarnation: Digest::new([8; 32]) }).unwrap();
        assert_eq!(storage.collect(&log.state, log.now), [], "one member's clock does not decide");
        log.says("cyd", Body::NodeStarted { incarnation: Digest::new([9; 32]) }).unwrap();
        assert_eq!(storage.collect(&log.state, log.now), [Digest::new([3; 32])]);
        let counts = storage.counts();
        assert_eq!((counts.documents, counts.bytes), (1, DOCUMENT), "the signed one is kept");
    }

    #[test]
    fn a_deleted_document_gives_its_room_back() {
        let mut definition = TestLog::peopled().board_of_three();
        definition.policy.delete_documents_after = Some(HOUR);
        let (storage, mut log) = (storage(), TestLog::keyed_with(definition));
        upload(&storage, "ada", 1, &log).unwrap();
        assert_eq!(request(&storage, "ada", 1, &mut log), None);
        let id = *log.state.requests().keys().next().unwrap();
        log.approves("ben", id).unwrap();
        log.signs(id, &["ada", "ben"], 7).unwrap();
        assert_eq!(storage.collect(&log.state, log.now), []);
        log.wait(HOUR + 1);
        for (member, number) in [("ben", 1), ("cyd", 2)] {
            log.says(member, Body::NodeStarted { incarnation: Digest::new([number; 32]) }).unwrap();
        }
        // As after a restart, which finds the document on the disk.
        let again = self::storage();
        again.found([(Digest::new([1; 32]), DOCUMENT)], log.now);
        for storage in [storage, again] {
            assert_eq!(storage.collect(&log.state, log.now), [Digest::new([1; 32])]);
            assert_eq!(storage.counts(), StorageCounts::default());
        }
    }

    #[test]
    fn documents_leave_the_logs_share_of_the_disk() {
        let storage = storage();
        let ask = |free| storage.reserve(&name("ada"), DOCUMENT, Some((100_000, free))).map(drop);
        assert_eq!(ask(1499), Err(Full::Disk { reserve: 500 }));
        assert_eq!(ask(1500), Ok(()));
        let _uploading = storage.reserve(&name("ben"), DOCUMENT, None).unwrap();
        assert_eq!(ask(1500), Err(Full::Disk { reserve: 500 }), "what is uploaded takes room");
        let small = |free| storage.reserve(&name("ada"), 10, Some((1000, free))).map(drop);
        assert_eq!((small(1109), small(1110)), (Err(Full::Disk { reserve: 100 }), Ok(())));
    }

    #[test]
    fn an_upload_that_fails_takes_nothing() {
        let storage = storage();
        for _ in 0..100 {
            drop(storage.reserve(&name("ada"), DOCUMENT, None).unwrap());
        }
        assert_eq!(storage.counts(), StorageCounts::default());
    }
}
