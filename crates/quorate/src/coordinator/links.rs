//! The links to the nodes of an IVN, and what waits for each.
//!
//! - Upon a message: send it, unless others wait or the link has no room; then it waits.
//! - Upon stored entries for a node: read and send as many as fit one message, and continue when
//!   the link has sent nearly everything before.
//! - Upon too much that waits: end the link. Its node asks again for what it lacks.
//!
//! Thus a node that reads slowly, or not at all, takes little memory, and the others do not wait
//! for it. An account has one link, so it catches up only once at a time.

use std::collections::{BTreeMap, VecDeque};

use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::AccountName;
use quorate_network::link::{LinkSender, SendError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many messages of a link are on their way when the next stored entries are read.
const AHEAD: usize = 8;
/// How many messages may wait for one link.
const MOST_WAITING: usize = 1024;
/// How many bytes of messages may wait for one link.
const MOST_BYTES: usize = 8 << 20;

/// The way to one node: whole messages, in order.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) link: LinkSender,
    pub(super) close: CancellationToken,
}

/// Stored entries for a node, in as many messages as necessary, the last with the checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) checkpoint: String,
}

enum Waiting {
    Message(Vec<u8>),
    Log(Stretch),
}

struct Link {
    number: u64,
    out: Outgoing,
    /// The identity key in the certificate of the connection.
    identity: PublicKey,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Whether a task waits until the link has room.
    is_watched: bool,
}

pub(super) struct Links {
    by_account: BTreeMap<AccountName, Link>,
    ready: (mpsc::UnboundedSender<Ready>, mpsc::UnboundedReceiver<Ready>),
}

/// A link that has room again.
type Ready = (AccountName, u64);

impl Links {
    pub(super) fn new() -> Self {
        Self { by_account: BTreeMap::new(), ready: mpsc::unbounded_channel() }
    }

    /// Adds a link. Returns the earlier one of the account.
    pub(super) fn insert(
        &mut self,
        account: AccountName,
        number: u64,
        out: Outgoing,
        identity: PublicKey,
    ) -> Option<Outgoing> {
        let link =
            Link { number, out, identity, waiting: VecDeque::new(), bytes: 0, is_watched: false };
        self.by_account.insert(account, link).map(|earlier| earlier.out)
    }

    pub(super) fn remove(&mut self, account: &AccountName) -> Option<Outgoing> {
        self.by_account.remove(account).map(|link| link.out)
    }

    pub(super) fn identities(&self) -> impl Iterator<Item = (&AccountName, PublicKey)> {
        self.by_account.iter().map(|(account, link)| (account, link.identity))
    }

    pub(super) fn is_current(&self, account: &AccountName, number: u64) -> bool {
        self.by_account.get(account).is_some_and(|link| link.number == number)
    }

    pub(super) fn close_all(&mut self) {
        for link in std::mem::take(&mut self.by_account).into_values() {
            link.out.close.cancel();
        }
    }

    /// Sends a message after everything that waits.
    pub(super) fn send(&mut self, account: &AccountName, message: Vec<u8>) {
        if let Some(link) = self.by_account.get_mut(account) {
            link.push(Waiting::Message(message));
            self.advance(account);
        }
    }

    /// Adds stored entries to what waits. The caller then sends them with [`Self::next_stretch`].
    pub(super) fn send_log(&mut self, account: &AccountName, stretch: Stretch) {
        if let Some(link) = self.by_account.get_mut(account) {
            link.push(Waiting::Log(stretch));
            self.advance(account);
        }
    }

    /// Waits until a link has room again. Returns its account.
    pub(super) async fn ready(&mut self) -> AccountName {
        loop {
            // The sender is in this value, so that the channel never ends.
            let Some(ready) = self.ready.1.recv().await else { std::future::pending().await };
            if let Some(account) = self.noticed(ready) {
                return account;
            }
        }
    }

    /// The account of a link that has room again, if there is one.
    pub(super) fn next_ready(&mut self) -> Option<AccountName> {
        while let Ok(ready) = self.ready.1.try_recv() {
            if let Some(account) = self.noticed(ready) {
                return Some(account);
            }
        }
        None
    }

    fn noticed(&mut self, (account, number): Ready) -> Option<AccountName> {
        let link = self.by_account.get_mut(&account).filter(|link| link.number == number)?;
        link.is_watched = false;
        Some(account)
    }

    /// The stored entries that a link can take now.
    pub(super) fn next_stretch(&mut self, account: &AccountName) -> Option<Stretch> {
        self.advance(account);
        let link = self.by_account.get(account)?;
        match link.waiting.front() {
            Some(Waiting::Log(stretch)) if link.has_room() => Some(stretch.clone()),
            _ => None,
        }
    }

    /// Sends a message with entries of the first stretch that waits, up to entry `after`.
    pub(super) fn sent(&mut self, account: &AccountName, after: u64, message: Vec<u8>) {
        let Some(link) = self.by_account.get_mut(account) else { return };
        let Some(Waiting::Log(stretch)) = link.waiting.front_mut() else { return };
        // A part without entries ends the stretch: nothing more is stored.
        if after >= stretch.end || after <= stretch.first {
            link.waiting.pop_front();
        } else {
            stretch.first = after;
        }
        let _ = link.try_send(message);
    }

    /// Sends messages as long as the link has room, and looks at it again when it has room.
    fn advance(&mut self, account: &AccountName) {
        let Some(link) = self.by_account.get_mut(account) else { return };
        while let Some(Waiting::Message(message)) = link.waiting.front_mut() {
            let message = std::mem::take(message);
            let length = message.len();
            if let Err(unsent) = link.try_send(message) {
                if let Some(Waiting::Message(message)) = link.waiting.front_mut() {
                    *message = unsent;
                }
                break;
            }
            link.bytes -= length;
            link.waiting.pop_front();
        }
        if link.waiting.len() > MOST_WAITING || link.bytes > MOST_BYTES {
            tracing::info!(%account, "a node reads too slowly; its link is closed");
            link.out.close.cancel();
        }
        let is_blocked = !link.waiting.is_empty() && !link.has_room();
        if is_blocked && !std::mem::replace(&mut link.is_watched, true) {
            let (sender, ready) = (link.out.link.clone(), self.ready.0.clone());
            let (account, number) = (account.clone(), link.number);
            tokio::spawn(async move {
                sender.drained(AHEAD).await;
                let _ = ready.send((account, number));
            });
        }
    }
}

impl Link {
    fn push(&mut self, waiting: Waiting) {
        if let Waiting::Message(message) = &waiting {
            self.bytes += message.len();
        }
        self.waiting.push_back(waiting);
    }

    fn has_room(&self) -> bool {
        self.out.link.queued() <= AHEAD
    }

    /// Returns the message if the link has no room.
    fn try_send(&self, message: Vec<u8>) -> Result<(), Vec<u8>> {
        if self.out.link.queued() >= self.out.link.queue() {
            return Err(message);
        }
        match self.out.link.try_send(message) {
            // Not the receiver's fault, so it keeps its link.
            Err(SendError::TooLarge(length)) => {
                tracing::error!(length, "a message is too large for a frame and was not sent");
            }
            Err(_) => self.out.close.cancel(),
            Ok(()) => {}
        }
        Ok(())
    }
}
