//! A node as a task: the deterministic machine, its disk, its connection, and its account holder's
//! questions.
//!
//! As in the coordinator, all waiting inputs are one batch: everything that must be durable is
//! written in one commit, and only then is anything sent.

mod alarms;
mod document_facts;
mod inbox;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use quorate_ceremony::effect::{
    CommandError, CommandId, Done, NodeChange, NodeDeadline, NodeEffect,
};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{Digest, EntryId, Timestamp};
use quorate_ceremony::node::{Input, Node};
use quorate_ceremony::state::refusal::Accounts;
use quorate_ceremony::state::{Refusal, Refused, RequestState};
use rand_core::OsRng;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::alarms::Alarms;
use super::event::{Event, Outgoing};
use super::hub::Hub;
use super::{answer, backup, documents, ids, view};
use crate::api::{Answer, Ask, Code, Command, Problem, Query, SignAsk};
use crate::documents::{Retention, Shelf, delete_viewed};
use crate::store::StoreError;
use crate::store::entries::IN_A_MESSAGE;
use crate::store::node::NodeStore;
use crate::timers::{Deadlines, now};
use crate::{entry_log, fail_points, proof_files};

/// The most inputs in one batch.
const BATCH: usize = 512;
/// How many documents are in memory at the same time until the machine has looked at them.
const DOCUMENTS_AT_ONCE: usize = 8;

/// A caller that receives a new answer at every change.
struct Watcher {
    query: Query,
    /// The coordinator's latest checkpoint, if the answer takes one.
    checkpoint: Option<String>,
    last: Option<String>,
    reply: mpsc::Sender<Answer>,
}

impl Watcher {
    /// Whether it has had an answer, and waits for another inbox.
    fn waits_for_inbox(&self) -> bool {
        self.last.is_some() && matches!(self.query, Query::Inbox { .. })
    }
}

pub(crate) struct Task {
    machine: Node,
    store: NodeStore,
    shelf: Shelf,
    hub: Arc<Hub>,
    /// Exchanges with the coordinator that events wait for, so that signing continues meanwhile.
    background: JoinSet<Event>,
    room: Arc<Semaphore>,
    link: Option<Outgoing>,
    /// Whether the coordinator has not sent the whole log on this link yet.
    is_new_link: bool,
    deadlines: Deadlines<NodeDeadline>,
    /// The coordinator's clock at a moment of this process.
    clock: Option<(Timestamp, Instant)>,
    orders: BTreeMap<CommandId, mpsc::Sender<Answer>>,
    next_order: u64,
    /// Answered when the changes of the machine are on disk.
    watchers: Vec<Watcher>,
    alarms: Alarms,
    /// Orders that came before the first connection was up or had failed.
    early: Vec<(Box<Ask>, mpsc::Sender<Answer>)>,
    facts: BTreeMap<Digest, view::FileFacts>,
    retention: Retention,
    tell: Tell,
    home: PathBuf,
}

/// State that other tasks of this process wait for.
pub(crate) struct Tell {
    /// Whether the node has received the whole log since it started.
    pub(crate) caught_up: watch::Sender<bool>,
    /// The entry with the account's present keys.
    pub(crate) admission: watch::Sender<Option<Vec<u8>>>,
    /// That the log contains the removal of this account.
    pub(crate) removed: watch::Sender<Option<Refusal>>,
    /// Addresses at which the coordinator is to be dialled from now on.
    pub(crate) moves: mpsc::Sender<Move>,
}

/// An address to dial, and the receiver of the answer when the home has it.
pub(crate) struct Move {
    pub(crate) hub: String,
    pub(crate) reply: Option<mpsc::Sender<Answer>>,
}

/// Why this node may never connect again, if its log contains the removal of its account.
pub(crate) fn removal(machine: &Node) -> Option<Refusal> {
    machine.dismissal().filter(|why| matches!(why, Refusal::Accounts(Accounts::Removed { .. })))
}

impl Task {
    pub(crate) fn new(
        machine: Node,
        store: NodeStore,
        shelf: Shelf,
        hub: Arc<Hub>,
        tell: Tell,
        home: PathBuf,
    ) -> Self {
        Self {
            machine,
            store,
            shelf,
            hub,
            background: JoinSet::new(),
            room: Arc::new(Semaphore::new(DOCUMENTS_AT_ONCE)),
            link: None,
            is_new_link: false,
            deadlines: Deadlines::new(),
            clock: None,
            orders: BTreeMap::new(),
            next_order: 0,
            watchers: Vec::new(),
            alarms: Alarms::new(),
            early: Vec::new(),
            facts: BTreeMap::new(),
            retention: Retention::default(),
            tell,
            home,
        }
    }

    /// Runs until `stop`.
    ///
    /// # Errors
    ///
    /// If the disk fails. Everything stored before stays readable, and nothing unstored was sent.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        let effects = self.machine.start(now(), &mut OsRng);
        self.execute(effects).await?;
        let mut outage = self.hub.outage.subscribe();
        self.tell_admission().await?;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                event = events.recv() => match event {
                    Some(event) => batch.push(event),
                    None => return Ok(()),
                },
                Some(done) = self.background.join_next() => batch.extend(done),
                () = self.deadlines.next() => {}
                () = self.alarms.next() => {}
                _ = outage.changed() => {}
            }
            while batch.len() < BATCH
                && let Ok(event) = events.try_recv()
            {
                batch.push(event);
            }
            batch.extend(std::iter::from_fn(|| self.background.try_join_next()).flatten());
            let mut effects = Vec::new();
            let hub = self.machine.state().hub().map(str::to_owned);
            for event in batch {
                self.take(event, &mut effects).await;
            }
            if !self.is_starting() {
                for (ask, reply) in std::mem::take(&mut self.early) {
                    self.take(Event::Ask { ask, reply }, &mut effects).await;
                }
            }
            for deadline in self.deadlines.due() {
                effects.extend(self.machine.handle(Input::Deadline(deadline), now(), &mut OsRng));
            }
            self.execute(effects).await?;
            self.follow_hub(hub);
            let due = self.retention.apply(self.machine.state(), &self.shelf, now()).await;
            if !due.is_empty() {
                delete_viewed(&self.home, self.machine.state(), &due);
                self.facts.retain(|document, _| !due.contains(document));
            }
            if self.tell.removed.borrow().is_none()
                && let Some(removed) = removal(&self.machine)
            {
                self.tell.removed.send_replace(Some(removed));
            }
            if self.tell.admission.borrow().is_none() {
                self.tell_admission().await?;
            }
            self.tell_watchers().await;
        }
    }

    async fn take(&mut self, event: Event, effects: &mut Vec<NodeEffect>) {
        let input = match event {
            Event::Connected(link) => {
                self.link = Some(link);
                self.is_new_link = true;
                Input::Connected
            }
            Event::Disconnected => {
                self.link = None;
                self.clock = None;
                Input::Disconnected
            }
            Event::Received(message) => {
                let whole = matches!(&*message, FromCoordinator::Log { checkpoint: Some(_), .. });
                if let FromCoordinator::Presence { clock, .. } = &*message {
                    self.clock = Some((*clock, Instant::now()));
                }
                effects.extend(self.receive(*message));
                if whole {
                    self.tell.caught_up.send_replace(true);
                    if std::mem::take(&mut self.is_new_link) {
                        self.offer_documents();
                    }
                }
                return;
            }
            Event::Document { request, document, room } => {
                let input = Input::Document { request, document };
                effects.extend(self.machine.handle(input, now(), &mut OsRng));
                return drop(room);
            }
            Event::Ask { ask, reply } => return self.ask(*ask, reply, effects).await,
            Event::Query { query, checkpoint, titles, reply } => {
                self.facts.extend(titles.into_iter().map(|(of, title)| (of, title.into())));
                return self.watchers.push(Watcher { query, checkpoint, last: None, reply });
            }
            Event::Request { request: Ok(command), reply } => {
                return self.order(command, reply, effects);
            }
            Event::Request { request: Err(problem), reply } => {
                return drop(reply.try_send(Answer::Problem(problem)));
            }
        };
        effects.extend(self.machine.handle(input, now(), &mut OsRng));
    }

    /// Lets the machine take a message. A signer of a group for documents may compute for seconds
    /// then, during which its link must not fall silent.
    fn receive(&mut self, message: FromCoordinator) -> Vec<NodeEffect> {
        let is_slow = matches!(message, FromCoordinator::Package { .. });
        let take = || self.machine.handle(Input::Received(message), now(), &mut OsRng);
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread if is_slow => tokio::task::block_in_place(take),
            _ => take(),
        }
    }

    /// Whether the node has neither received the whole log nor failed to, since it started. Until
    /// then orders are kept, because there is no connection yet.
    fn is_starting(&self) -> bool {
        !*self.tell.caught_up.borrow() && self.hub.outage.borrow().is_none()
    }

    async fn execute(&mut self, effects: Vec<NodeEffect>) -> Result<(), StoreError> {
        let mut changes: Vec<NodeChange> = Vec::new();
        let mut rest = Vec::new();
        for effect in effects {
            match effect {
                NodeEffect::Persist(change) => changes.push(change),
                effect => rest.push(effect),
            }
        }
        let proof = changes.iter().find_map(|change| match change {
            NodeChange::Misbehaviour(proof) => Some(proof.clone()),
            _ => None,
        });
        for change in &changes {
            if let NodeChange::Entries { first, entries } = change {
                entry_log::describe_stored(*first, entries);
            }
        }
        if !changes.is_empty() {
            let reached = fail_points::before(changes.iter().map(NodeChange::kind));
            self.store.commit(changes).await?;
            fail_points::after(reached);
        }
        if let Some(proof) = proof {
            tracing::error!(
                "the coordinator broke the rules of the log; this node no longer signs"
            );
            proof_files::hand_on(&self.home, &proof);
        }
        for effect in rest {
            let reached = fail_points::before([effect.kind()]);
            match effect {
                NodeEffect::Persist(_) => {}
                NodeEffect::Send(message) => self.send(&message),
                NodeEffect::SendEntries { first } => self.send_entries(first).await?,
                NodeEffect::Disconnect => {
                    if let Some(link) = &self.link {
                        link.close.cancel();
                    }
                }
                NodeEffect::SetDeadline(deadline, at) => self.deadlines.set(deadline, at, now()),
                NodeEffect::FetchDocument(request) => self.fetch(request),
                NodeEffect::Respond(command, result) => self.respond(command, result),
            }
            fail_points::after(reached);
        }
        Ok(())
    }

    /// Publishes the entry with this account's present keys, if they are this node's.
    async fn tell_admission(&mut self) -> Result<(), StoreError> {
        if self.machine.dismissal().is_none()
            && let Ok(account) = self.machine.state().account(self.machine.account())
        {
            let entry = self.store.entries(account.keyed, 1).await?.into_iter().next();
            self.tell.admission.send_replace(entry);
        }
        Ok(())
    }

    fn send(&self, message: &FromNode) {
        let Some(link) = &self.link else { return };
        // Serialising to memory cannot fail, and the hub rejects an empty frame.
        if link.link.try_send(serde_json::to_vec(message).unwrap_or_default()).is_err() {
            link.close.cancel();
        }
    }

    /// Sends entries that the coordinator has lost, as many as fit one message.
    async fn send_entries(&mut self, first: u64) -> Result<(), StoreError> {
        let entries = self.store.entries_within(first, IN_A_MESSAGE).await?;
        let entries = entries.into_iter().map(Base64).collect();
        self.send(&FromNode::Entries { first, entries });
        Ok(())
    }

    /// Gets a document from this node's own copies or from the coordinator.
    fn fetch(&mut self, request: EntryId) {
        let Some(wanted) = self.machine.state().next_to_sign(request) else { return };
        let (shelf, hub, room) = (self.shelf.clone(), self.hub.clone(), self.room.clone());
        self.background.spawn(async move {
            let Ok(room) = room.acquire_owned().await else { std::future::pending().await };
            let document = documents::fetch(&shelf, &hub, &wanted).await;
            Event::Document { request, document, room }
        });
    }

    async fn ask(&mut self, ask: Ask, reply: mpsc::Sender<Answer>, effects: &mut Vec<NodeEffect>) {
        match ask {
            Ask::Query(query) => self.query(query, reply).await,
            Ask::Dial { hub } => self.dial(hub, Some(reply)),
            ask if self.is_starting() => self.early.push((Box::new(ask), reply)),
            Ask::Command(command) => self.order(command, reply, effects),
            Ask::Judge(command) => {
                let answer = match self.machine.judge(command, now()) {
                    Ok(()) => Answer::Admissible,
                    Err(error) => self.refusal(&error),
                };
                let _ = reply.try_send(answer);
            }
            Ask::Sign(ask) => self.sign(ask, reply),
        }
    }

    fn dial(&self, hub: String, reply: Option<mpsc::Sender<Answer>>) {
        if let Err(mpsc::error::TrySendError::Full(unsent)) =
            self.tell.moves.try_send(Move { hub, reply })
            && let Some(reply) = unsent.reply
        {
            let busy = Problem::new(Code::NotReady, "the node is busy with another address");
            drop(reply.try_send(Answer::Problem(busy)));
        }
    }

    /// Dials where an admin announced the coordinator, if that is new since `before`.
    fn follow_hub(&self, before: Option<String>) {
        let hub = self.machine.state().hub();
        if let Some(hub) = hub.filter(|hub| Some(*hub) != before.as_deref()) {
            tracing::info!(%hub, "an admin announced a new address of the coordinator");
            self.dial(hub.to_owned(), None);
        }
    }

    /// Fetches what the answer takes from the coordinator, if anything, and then answers.
    async fn query(&mut self, query: Query, reply: mpsc::Sender<Answer>) {
        let absent = self.absent(&query).await;
        let is_proof = matches!(query, Query::Prove { .. } | Query::Evidence { .. });
        if absent.is_empty() && !is_proof {
            let watcher = Watcher { query, checkpoint: None, last: None, reply };
            return self.watchers.push(watcher);
        }
        let (shelf, hub) = (self.shelf.clone(), self.hub.clone());
        self.background.spawn(async move {
            for commitment in absent.documents {
                documents::package(&shelf, &hub, commitment).await;
            }
            let titles = documents::titles(&hub, absent.titles).await;
            let checkpoint = if is_proof { hub.checkpoint().await.ok() } else { None };
            Event::Query { query, checkpoint, titles, reply }
        });
    }

    fn order(
        &mut self,
        command: Command,
        reply: mpsc::Sender<Answer>,
        effects: &mut Vec<NodeEffect>,
    ) {
        let id = CommandId(self.next_order);
        self.next_order += 1;
        self.orders.insert(id, reply);
        effects.extend(self.machine.handle(Input::Command(id, command), now(), &mut OsRng));
    }

    fn respond(&mut self, command: CommandId, result: Result<Done, CommandError>) {
        let Some(reply) = self.orders.remove(&command) else { return };
        let answer = match result {
            Ok(Done { entry, index }) => Answer::Logged { entry, index },
            Err(error) => self.refusal(&error),
        };
        let _ = reply.try_send(answer);
    }

    fn refusal(&self, error: &CommandError) -> Answer {
        Answer::Problem(answer::told(error, &self.machine, &self.hub))
    }

    /// Stores the document where the other members' nodes find it, then states the request.
    fn sign(&mut self, ask: SignAsk, reply: mpsc::Sender<Answer>) {
        // The node knows the rules, so neither people nor the log are bothered with a request that
        // breaks one. Only a request by an account that may not ask is logged, as refused.
        let command = match documents::request_for(&ask, Digest::new([0; 32])) {
            Ok(command) => command,
            Err(problem) => return drop(reply.try_send(Answer::Problem(problem))),
        };
        let refused = match self.machine.judge_request(command, now()) {
            _ if self.link.is_none() => Some(self.refusal(&CommandError::Unreachable)),
            Err(error) => Some(self.refusal(&error)),
            Ok(Some(Refused::NotAuthorized { .. }) | None) => None,
            Ok(Some(refused)) => {
                let state = self.machine.state();
                Some(Answer::Problem(answer::refused(state, &ask, &refused)))
            }
        };
        let unsignable = || documents::unsignable(&ask, self.machine.state()).map(Answer::Problem);
        if let Some(answer) = refused.or_else(unsignable) {
            return drop(reply.try_send(answer));
        }
        let (shelf, hub) = (self.shelf.clone(), self.hub.clone());
        self.background.spawn(async move {
            Event::Request { request: documents::place(&shelf, &hub, ask).await, reply }
        });
    }

    fn request(&self, id: &str) -> Result<&RequestState, Problem> {
        ids::find_request(self.machine.state(), id)
    }

    async fn stored(&mut self, first: u64, limit: u64) -> Result<Vec<Vec<u8>>, Problem> {
        let stored = self.store.entries(first, limit).await;
        stored.map_err(|error| Problem::new(Code::Failed, error.to_string()))
    }

    fn request_view(&self, state: &RequestState) -> crate::api::RequestView {
        let is_kept = self.machine.state().document_deleted_since(state).is_none();
        let facts = self.facts.get(&state.request.document).filter(|_| is_kept).cloned();
        view::request(&self.machine, state, facts, now())
    }

    async fn tell_watchers(&mut self) {
        let mut watchers = std::mem::take(&mut self.watchers);
        let mut kept = Vec::new();
        let waits_for_inbox = watchers.iter().any(Watcher::waits_for_inbox);
        let looks_at_inbox = waits_for_inbox
            && self.alarms.inbox(self.machine.state().size(), tokio::time::Instant::now());
        for mut watcher in watchers.drain(..) {
            if watcher.waits_for_inbox() && !looks_at_inbox && !watcher.reply.is_closed() {
                kept.push(watcher);
            } else if !watcher.reply.is_closed() && self.tell(&mut watcher).await {
                self.alarms.expect(self.machine.state(), &watcher.query);
                kept.push(watcher);
            }
        }
        self.watchers = kept;
    }

    /// Sends the answer if it is new, and returns whether to continue.
    async fn tell(&mut self, watcher: &mut Watcher) -> bool {
        self.learn_facts(&watcher.query).await;
        let looked = self.look(&watcher.query, watcher.checkpoint.as_deref()).await;
        let (answer, more) = looked.unwrap_or_else(|problem| (Answer::Problem(problem), false));
        let text = more.then(|| serde_json::to_string(&answer).unwrap_or_default());
        if text.is_some() && watcher.last == text {
            return true;
        }
        watcher.last = text;
        // The task does not wait for a watcher that does not read.
        watcher.reply.try_send(answer).is_ok() && more
    }

    /// Returns the present answer to a question, and whether another follows when it changes.
    async fn look(
        &mut self,
        query: &Query,
        checkpoint: Option<&str>,
    ) -> Result<(Answer, bool), Problem> {
        let (machine, state) = (&self.machine, self.machine.state());
        let answer = match query {
            Query::Status => {
                let outage = self.hub.outage.borrow();
                // This machine's clock may have jumped since.
                let clock = self.clock.map(|(clock, then)| {
                    clock.plus(u64::try_from(then.elapsed().as_millis()).unwrap_or(u64::MAX))
                });
                let (hub, outage) = (self.hub.address(), outage.as_ref());
                let status = view::status(machine, hub, outage, clock, now());
                Answer::Status(Box::new(status))
            }
            Query::Inbox { watch } => return Ok((self.inbox(), *watch)),
            Query::Requests => {
                let mut all: Vec<&RequestState> = state.requests().values().collect();
                all.sort_by_key(|request| std::cmp::Reverse(request.index));
                let requests = all.into_iter().map(|state| self.request_view(state)).collect();
                Answer::Requests { requests }
            }
            Query::Accounts => view::accounts(machine, now()),
            Query::Groups => {
                let groups = state.groups().values();
                let groups = groups.map(|group| view::group(machine, group, now())).collect();
                Answer::Groups { groups }
            }
            Query::Group { name, watch } => {
                let group = state.group(name).map_err(Problem::from)?;
                let view = view::group(machine, group, now());
                let more = *watch && (!view.state.is_final() || view.change.is_some());
                return Ok((Answer::Group(Box::new(view)), more));
            }
            Query::Find { id } => Answer::Named(ids::find(state, id)?),
            Query::Request { id, watch } => {
                let view = self.request_view(self.request(id)?);
                let more = *watch && !view.state.is_final();
                return Ok((Answer::Request(Box::new(view)), more));
            }
            Query::Entries { first, limit } => {
                let stored = self.stored(*first, *limit).await?;
                let state = self.machine.state();
                let entries = answer::entries(state, &stored, *first);
                Answer::Entries { entries, size: state.size() }
            }
            Query::Prove { index } => {
                let stored = self.stored(0, state.size()).await?;
                answer::prove(self.machine.state(), &stored, *index, checkpoint)?
            }
            Query::Document { id } => self.document(id).await?,
            Query::Evidence { id } => {
                let (request, commitment) = {
                    let found = self.request(id)?;
                    (found.id, found.request.document)
                };
                let package = self.package(commitment).await;
                let stored = self.stored(0, self.machine.state().size()).await?;
                answer::evidence(self.machine.state(), request, package, stored, checkpoint)?
            }
            Query::Backup => backup::answer(&self.machine, &mut self.store, &self.home).await?,
        };
        Ok((answer, false))
    }
}

#[derive(Clone)]
pub(crate) struct Asker(mpsc::Sender<Event>);

impl Asker {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self(events)
    }

    pub(crate) async fn ask(&self, ask: impl Into<Ask>) -> Result<mpsc::Receiver<Answer>, Problem> {
        let (reply, answers) = mpsc::channel(64);
        let gone = |_| Problem::new(Code::NodeStopped, "the node has stopped");
        let ask = Box::new(ask.into());
        self.0.send(Event::Ask { ask, reply }).await.map_err(gone)?;
        Ok(answers)
    }
}
