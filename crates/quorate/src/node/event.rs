//! The events of a node's task.

use quorate_ceremony::document::Document;
use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::names::{Digest, EntryId};
use quorate_network::link::LinkSender;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::api::{Answer, Ask, Command, Problem, Query};
use crate::store::document_title::DocumentTitle;

pub(crate) enum Event {
    /// The link is up.
    Connected(Outgoing),
    /// The link has ended.
    Disconnected,
    /// A message of the coordinator.
    Received(Box<FromCoordinator>),
    /// A document that the machine asked for, and its room in memory.
    Document { request: EntryId, document: Option<Document>, room: OwnedSemaphorePermit },
    /// Answers are sent to `reply` until it is closed.
    Ask { ask: Box<Ask>, reply: mpsc::Sender<Answer> },
    /// A question whose documents and checkpoint were fetched, as far as they are available.
    Query {
        query: Query,
        checkpoint: Option<String>,
        titles: Vec<(Digest, DocumentTitle)>,
        reply: mpsc::Sender<Answer>,
    },
    /// A request whose document is stored, or the reason why it is not.
    Request { request: Result<Command, Problem>, reply: mpsc::Sender<Answer> },
}

/// Sends to the coordinator while a link is up.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(super) link: LinkSender,
    pub(super) close: CancellationToken,
}
