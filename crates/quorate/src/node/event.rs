//! The events of a node's task.

use quorate_ceremony::document::Document;
use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::names::EntryId;
use quorate_network::link::LinkSender;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{Answer, Ask, Command, Query};

pub(crate) enum Event {
    /// The link is up.
    Connected(Outgoing),
    /// The link has ended.
    Disconnected,
    /// A message of the coordinator.
    Received(Box<FromCoordinator>),
    /// A document that the machine asked for.
    Document { request: EntryId, document: Option<Document> },
    /// Answers are sent to `reply` until it is closed.
    Ask { ask: Box<Ask>, reply: mpsc::Sender<Answer> },
    /// A question whose documents were fetched, as far as they are available.
    Query { query: Query, reply: mpsc::Sender<Answer> },
    /// An order whose document is stored.
    Order { command: Command, then: Then, reply: mpsc::Sender<Answer> },
    /// A checkpoint with all cosignatures, for a proof.
    Prove { index: u64, checkpoint: Option<String>, reply: mpsc::Sender<Answer> },
}

/// The answer to an order that was carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    Logged,
    /// With the request that it made.
    ShowRequest,
}

/// Sends to the coordinator while a link is up.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(super) link: LinkSender,
    pub(super) close: CancellationToken,
}
