//! The events of a node's task.

use quorate_ceremony::document::Document;
use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::names::EntryId;
use quorate_network::link::LinkSender;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{Answer, Ask, Command, Query};

/// What reaches the task.
pub(crate) enum Event {
    /// The connection is up.
    Connected(Outgoing),
    /// It is gone.
    Disconnected,
    /// The coordinator says something.
    Received(Box<FromCoordinator>),
    /// A document that the machine asked for.
    Document { request: EntryId, document: Option<Document> },
    /// What the account holder asks; answers go to `reply` until it is closed.
    Ask { ask: Box<Ask>, reply: mpsc::Sender<Answer> },
    /// A question whose documents were fetched, as far as they can be had.
    Query { query: Query, reply: mpsc::Sender<Answer> },
    /// An order whose document is in place.
    Order { command: Command, then: Then, reply: mpsc::Sender<Answer> },
    /// A checkpoint with everybody's cosignatures came for a proof.
    Prove { index: u64, checkpoint: Option<String>, reply: mpsc::Sender<Answer> },
}

/// What to answer when an order was carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// That it is in the log.
    Logged,
    /// The request that it made.
    ShowRequest,
}

/// The way to the coordinator while a link is up.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(super) link: LinkSender,
    pub(super) close: CancellationToken,
}
