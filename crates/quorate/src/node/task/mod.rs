//! A node as a task: the deterministic machine, its disk, its connection, and its account holder's
//! questions.
//!
//! As in the coordinator, all waiting inputs are one batch: everything that must be durable is
//! written in one commit, and only then is anything sent.

mod document_facts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use quorate_ceremony::effect::{
    CommandError, CommandId, Done, NodeChange, NodeDeadline, NodeEffect,
};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{Digest, EntryId};
use quorate_ceremony::node::{Input, Node};
use quorate_ceremony::state::RequestState;
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::event::{Event, Outgoing, Then};
use super::hub::Hub;
use super::{answer, backup, documents, view};
use crate::api::{Answer, Ask, Code, Command, Problem, Query, SignAsk};
use crate::documents::Shelf;
use crate::store::StoreError;
use crate::store::documents::DocumentPackage;
use crate::store::node::NodeStore;
use crate::timers::{Deadlines, now};
use crate::{fail_points, proof_files};

/// The most inputs in one batch.
const BATCH: usize = 512;

/// A caller that receives a new answer at every change.
struct Watcher {
    query: Query,
    last: Option<String>,
    reply: mpsc::Sender<Answer>,
}

pub(crate) struct Task {
    machine: Node,
    store: NodeStore,
    shelf: Shelf,
    hub: Arc<Hub>,
    events: mpsc::Sender<Event>,
    link: Option<Outgoing>,
    deadlines: Deadlines<NodeDeadline>,
    orders: BTreeMap<CommandId, (Then, mpsc::Sender<Answer>)>,
    next_order: u64,
    watchers: Vec<Watcher>,
    /// Orders that came before the first connection was up or had failed.
    early: Vec<(Box<Ask>, mpsc::Sender<Answer>)>,
    /// Callers that wait for a backup, which is made when the machine's changes are on disk.
    backups: Vec<mpsc::Sender<Answer>>,
    facts: BTreeMap<Digest, view::FileFacts>,
    tell: Tell,
    home: PathBuf,
}

/// State that other tasks of this process wait for.
pub(crate) struct Tell {
    /// Whether the node has received the whole log since it started.
    pub(crate) caught_up: watch::Sender<bool>,
    /// The entry with the account's present keys.
    pub(crate) admission: watch::Sender<Option<Vec<u8>>>,
}

impl Task {
    pub(crate) fn new(
        machine: Node,
        store: NodeStore,
        shelf: Shelf,
        hub: Arc<Hub>,
        events: mpsc::Sender<Event>,
        tell: Tell,
        home: PathBuf,
    ) -> Self {
        Self {
            machine,
            store,
            shelf,
            hub,
            events,
            link: None,
            deadlines: Deadlines::new(),
            orders: BTreeMap::new(),
            next_order: 0,
            watchers: Vec::new(),
            early: Vec::new(),
            backups: Vec::new(),
            facts: BTreeMap::new(),
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
                () = self.deadlines.next() => {}
                _ = outage.changed() => {}
            }
            while batch.len() < BATCH
                && let Ok(event) = events.try_recv()
            {
                batch.push(event);
            }
            let mut effects = Vec::new();
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
            for reply in std::mem::take(&mut self.backups) {
                let made = backup::answer(&self.machine, &mut self.store, &self.home).await;
                let _ = reply.send(made.unwrap_or_else(Answer::Problem)).await;
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
                Input::Connected
            }
            Event::Disconnected => {
                self.link = None;
                Input::Disconnected
            }
            Event::Received(message) => {
                let whole = matches!(&*message, FromCoordinator::Log { checkpoint: Some(_), .. });
                let input = Input::Received(*message);
                effects.extend(self.machine.handle(input, now(), &mut OsRng));
                if whole {
                    self.tell.caught_up.send_replace(true);
                }
                return;
            }
            Event::Document { request, document } => Input::Document { request, document },
            Event::Ask { ask, reply } => return self.ask(*ask, reply, effects).await,
            Event::Query { query, reply } => return self.query(query, reply).await,
            Event::Order { command, then, reply } => {
                return self.order(command, then, reply, effects);
            }
            Event::Prove { index, checkpoint, reply } => {
                let stored = self.store.entries(0, self.machine.state().size()).await;
                let answer = match stored {
                    Ok(stored) => answer::prove(self.machine.state(), &stored, index, checkpoint),
                    Err(error) => Err(Problem::new(Code::Failed, error.to_string())),
                };
                let _ = reply.send(answer.unwrap_or_else(Answer::Problem)).await;
                return;
            }
        };
        effects.extend(self.machine.handle(input, now(), &mut OsRng));
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
                NodeEffect::Disconnect => {
                    if let Some(link) = &self.link {
                        link.close.cancel();
                    }
                }
                NodeEffect::SetDeadline(deadline, at) => self.deadlines.set(deadline, at, now()),
                NodeEffect::FetchDocument(request) => self.fetch(request),
                NodeEffect::Respond(command, result) => self.respond(command, result).await,
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

    /// Gets a document from this node's own copies or from the coordinator.
    fn fetch(&self, request: EntryId) {
        let Ok(state) = self.machine.state().request(request) else { return };
        let wanted = state.request.clone();
        let (shelf, hub, events) = (self.shelf.clone(), self.hub.clone(), self.events.clone());
        tokio::spawn(async move {
            let document = documents::fetch(&shelf, &hub, &wanted).await;
            let _ = events.send(Event::Document { request, document }).await;
        });
    }

    async fn ask(&mut self, ask: Ask, reply: mpsc::Sender<Answer>, effects: &mut Vec<NodeEffect>) {
        match ask {
            Ask::Query(query) => match self.absent(&query).await {
                absent if absent.is_empty() => self.query(query, reply).await,
                absent => self.fetch_then_ask(absent, query, reply),
            },
            ask if self.is_starting() => self.early.push((Box::new(ask), reply)),
            Ask::Command(command) => self.order(command, Then::Logged, reply, effects),
            Ask::Judge(command) => {
                let answer = match self.machine.judge(command, now()) {
                    Ok(()) => Answer::Admissible,
                    Err(error) => Answer::Problem(answer::told(&error, &self.machine, &self.hub)),
                };
                let _ = reply.send(answer).await;
            }
            Ask::Sign(ask) => self.sign(ask, reply),
        }
    }

    async fn query(&mut self, query: Query, reply: mpsc::Sender<Answer>) {
        let answer = match query {
            Query::Prove { index } => {
                let (hub, events) = (self.hub.clone(), self.events.clone());
                tokio::spawn(async move {
                    let checkpoint = hub.checkpoint().await.ok();
                    let _ = events.send(Event::Prove { index, checkpoint, reply }).await;
                });
                return;
            }
            Query::Backup => return self.backups.push(reply),
            Query::Document { id } => self.document(&id).await,
            Query::Entries { first, limit } => self.entries(first, limit).await,
            query => {
                let mut watcher = Watcher { query, last: None, reply };
                if self.tell(&mut watcher).await {
                    self.watchers.push(watcher);
                }
                return;
            }
        };
        let _ = reply.send(answer.unwrap_or_else(Answer::Problem)).await;
    }

    fn order(
        &mut self,
        command: Command,
        then: Then,
        reply: mpsc::Sender<Answer>,
        effects: &mut Vec<NodeEffect>,
    ) {
        let id = CommandId(self.next_order);
        self.next_order += 1;
        self.orders.insert(id, (then, reply));
        effects.extend(self.machine.handle(Input::Command(id, command), now(), &mut OsRng));
    }

    async fn respond(&mut self, command: CommandId, result: Result<Done, CommandError>) {
        let Some((then, reply)) = self.orders.remove(&command) else { return };
        let answer = match (result, then) {
            (Ok(Done { entry, index }), Then::Logged) => Answer::Logged { entry, index },
            (Ok(Done { entry, .. }), Then::ShowRequest) => {
                match self.machine.state().request(entry) {
                    Ok(state) => Answer::Request(Box::new(self.request_view(state))),
                    Err(invalid) => Answer::Problem(answer::problem(&invalid.into())),
                }
            }
            (Err(error), _) => Answer::Problem(answer::told(&error, &self.machine, &self.hub)),
        };
        let _ = reply.send(answer).await;
    }

    /// Stores the document where the other members' nodes find it, then states the request.
    fn sign(&mut self, ask: SignAsk, reply: mpsc::Sender<Answer>) {
        if self.link.is_none() {
            let problem = answer::told(&CommandError::Unreachable, &self.machine, &self.hub);
            tokio::spawn(async move { reply.send(Answer::Problem(problem)).await });
            return;
        }
        if let Err(invalid) = self.machine.state().group(&ask.group) {
            let problem = answer::problem(&invalid.into());
            tokio::spawn(async move { reply.send(Answer::Problem(problem)).await });
            return;
        }
        let (shelf, hub, events) = (self.shelf.clone(), self.hub.clone(), self.events.clone());
        tokio::spawn(async move {
            let answer = match documents::place(&shelf, &hub, ask).await {
                Ok(command) => {
                    let then = Then::ShowRequest;
                    let _ = events.send(Event::Order { command, then, reply }).await;
                    return;
                }
                Err(problem) => Answer::Problem(problem),
            };
            let _ = reply.send(answer).await;
        });
    }

    fn request(&self, id: &str) -> Result<&RequestState, Problem> {
        answer::find_request(self.machine.state(), id)
    }

    /// Reads the document from this node's own copy, because it was fetched before.
    async fn document(&self, id: &str) -> Result<Answer, Problem> {
        let commitment = self.request(id)?.request.document;
        let package = self.shelf.get(commitment).await.ok().flatten();
        let package = package
            .and_then(|bytes| DocumentPackage::from_bytes(&bytes).ok())
            .filter(|package| package.matches(commitment))
            .ok_or_else(|| answer::problem(&CommandError::NoDocument))?;
        let name = package.name.as_str().to_owned();
        Ok(Answer::Document { name, document: package.document })
    }

    async fn entries(&mut self, first: u64, limit: u64) -> Result<Answer, Problem> {
        let stored = self
            .store
            .entries(first, limit)
            .await
            .map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
        let entries = answer::entries(self.machine.state(), &stored, first);
        Ok(Answer::Entries { entries, size: self.machine.state().size() })
    }

    fn request_view(&self, state: &RequestState) -> crate::api::RequestView {
        let facts = self.facts.get(&state.request.document).cloned();
        view::request(&self.machine, state, facts, now())
    }

    async fn tell_watchers(&mut self) {
        let mut watchers = std::mem::take(&mut self.watchers);
        let mut kept = Vec::new();
        for mut watcher in watchers.drain(..) {
            if !watcher.reply.is_closed() && self.tell(&mut watcher).await {
                kept.push(watcher);
            }
        }
        self.watchers = kept;
    }

    /// Sends the answer if it is new, and returns whether to continue.
    async fn tell(&mut self, watcher: &mut Watcher) -> bool {
        self.learn_facts(&watcher.query).await;
        let (answer, more) = self.look(&watcher.query);
        let text = serde_json::to_string(&answer).unwrap_or_default();
        if watcher.last.as_ref() != Some(&text) {
            watcher.last = Some(text);
            // The task does not wait for a watcher that does not read.
            if watcher.reply.try_send(answer).is_err() {
                return false;
            }
        }
        more
    }

    /// Returns the present answer to a question, and whether it can still change.
    fn look(&self, query: &Query) -> (Answer, bool) {
        let state = self.machine.state();
        match query {
            Query::Status => (Answer::Status(Box::new(self.status())), false),
            Query::Inbox => {
                let open = self.machine.inbox(now());
                let requests = open.iter().map(|(state, _)| self.request_view(state)).collect();
                (Answer::Requests { requests }, false)
            }
            Query::Requests => {
                let mut all: Vec<&RequestState> = state.requests().values().collect();
                all.sort_by_key(|request| std::cmp::Reverse(request.index));
                let requests = all.into_iter().map(|state| self.request_view(state)).collect();
                (Answer::Requests { requests }, false)
            }
            Query::Accounts => (view::accounts(&self.machine, now()), false),
            Query::Groups => {
                let groups = state
                    .groups()
                    .values()
                    .map(|group| view::group(&self.machine, group, now()))
                    .collect();
                (Answer::Groups { groups }, false)
            }
            Query::Group { name, watch } => match state.group(name) {
                Ok(group) => {
                    let view = view::group(&self.machine, group, now());
                    let more = *watch && (!view.state.is_final() || view.change.is_some());
                    (Answer::Group(Box::new(view)), more)
                }
                Err(invalid) => (Answer::Problem(answer::problem(&invalid.into())), false),
            },
            Query::PastChange { id } => {
                let change = answer::find_past_change(state, id);
                (Answer::PastChange { change }, false)
            }
            Query::Request { id, watch } => match self.request(id) {
                Ok(state) => {
                    let view = self.request_view(state);
                    let more = *watch && !view.state.is_final();
                    (Answer::Request(Box::new(view)), more)
                }
                Err(problem) => (Answer::Problem(problem), false),
            },
            _ => {
                let bug = Problem::new(Code::Failed, "this question is not one that is looked up");
                (Answer::Problem(bug), false)
            }
        }
    }

    fn status(&self) -> crate::api::StatusView {
        view::status(&self.machine, self.hub.address(), self.hub.outage.borrow().as_ref(), now())
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
