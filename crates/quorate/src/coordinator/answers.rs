//! How many bytes of documents are in memory because an account has not read them yet.
//!
//! An account that asks for more waits until it has read earlier answers, or until they are
//! abandoned because it takes no bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use quorate_ceremony::names::AccountName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of what is counted.
const UNIT: u64 = 1024;
/// How many of the longest documents an account may have in memory.
const DOCUMENTS: u64 = 2;

#[derive(Clone)]
pub(super) struct Answers {
    units: usize,
    accounts: Arc<Mutex<HashMap<AccountName, Arc<Semaphore>>>>,
}

/// Room in memory for one answer.
pub(super) struct Room {
    _permit: OwnedSemaphorePermit,
}

impl Answers {
    /// For documents up to this length.
    pub(super) fn new(document_bytes: u64) -> Self {
        let units = document_bytes.div_ceil(UNIT).saturating_mul(DOCUMENTS);
        let units = usize::try_from(units).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self { units, accounts: Arc::default() }
    }

    /// Waits until there is room for a document of this length.
    pub(super) async fn room(&self, account: &AccountName, length: u64) -> Option<Room> {
        let permits = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(self.units));
            accounts.entry(account.clone()).or_insert_with(new).clone()
        };
        let units = usize::try_from(length.div_ceil(UNIT)).unwrap_or(usize::MAX).min(self.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = permits.acquire_many_owned(units).await.ok()?;
        Some(Room { _permit: permit })
    }
}

impl Room {
    /// The bytes of a document, which keep this room until they are sent.
    pub(super) fn hold(self, package: Arc<[u8]>) -> Bytes {
        Bytes::from_owner(Held { package, _room: self })
    }
}

struct Held {
    package: Arc<[u8]>,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.package
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use quorate_ceremony::test_world::name;

    use super::*;

    #[tokio::test]
    async fn an_account_waits_for_its_own_answers_only() {
        let answers = Answers::new(4096);
        let mut held = Vec::new();
        for _ in 0..2 {
            let room = answers.room(&name("ada"), 4096).await.unwrap();
            held.push(room.hold(vec![1; 4096].into()));
        }
        let ada = name("ada");
        let mut more = pin!(answers.room(&ada, 1));
        let waits = poll_fn(|context| Poll::Ready(more.as_mut().poll(context).is_pending())).await;
        assert!(waits);
        assert!(answers.room(&name("ben"), 4096).await.is_some());
        held.pop();
        assert!(more.await.is_some());
    }
}
