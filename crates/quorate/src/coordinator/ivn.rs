//! One IVN's coordinator as a task: the deterministic machine, its disk, and the connections to its
//! nodes.
//!
//! The task handles all inputs that have arrived as one batch: the machine handles each input, one
//! commit makes everything that it appended durable, and only then is anything sent. The batches
//! give throughput and keep the machine's order (persist, append, send), because nothing is sent
//! earlier than it asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_ceremony::coordinator::{
    Config, Coordinator, CoordinatorSecrets, Input, RestoreError, Waiting,
};
use quorate_ceremony::document::Document;
use quorate_ceremony::effect::{CoordinatorChange, CoordinatorDeadline, CoordinatorEffect, JoinId};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Body;
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, Digest, EntryId};
use quorate_ceremony::state::{IvnState, Refusal};
use quorate_network::hub::Hub;
use rand_core::OsRng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::access::{Member, Part};
use super::comparison::{IvnError, Opened, Progress, open, sentence};
use super::links::{Links, Outgoing, Stretch};
use super::recent::Recent;
use super::storage::Storage;
use crate::admin::Report;
use crate::documents::{Shelf, prepared};
use crate::home::IvnDirectory;
use crate::store::StoreError;
use crate::store::coordinator::{CoordinatorStore, CoordinatorWrite};
use crate::store::entries::IN_A_MESSAGE;
use crate::store::place::Place;
use crate::store::publish::{CHECKPOINT, Publisher};
use crate::store::published::published_size;
use crate::timers::{Deadlines, now};
use crate::{entry_log, fail_points};

const BATCH: usize = 512;
/// How many inputs wait before connections are slowed down.
pub(super) const QUEUE: usize = 4096;
/// How long a link stays open for the entry that ends its account's right to connect.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often documents that no request needs are deleted.
const COLLECT_EVERY: Duration = Duration::from_secs(30);
/// How often the published log directory is updated.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);

/// An input of the task.
pub(super) enum Event {
    /// A node's stream is open.
    Connected { peer: Member, link: u64, out: Outgoing },
    /// A node's stream has ended.
    Disconnected { account: AccountName, link: u64 },
    /// A message from a node.
    Received { account: AccountName, link: u64, message: Box<FromNode> },
    /// Whether an invitation can be used.
    CheckInvitation {
        account: AccountName,
        key: PublicKey,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// A request to join.
    Join { entry: Vec<u8>, reply: oneshot::Sender<Result<u64, Refusal>> },
    /// A request for the latest checkpoint, with its cosignatures.
    Checkpoint { reply: oneshot::Sender<Option<String>> },
    /// A request for the log from this entry on, independent of a running node of the account.
    Read { first: u64, reply: oneshot::Sender<Vec<u8>> },
    /// Whether an account may read a document.
    MayRead { account: AccountName, commitment: Digest, part: Part, reply: oneshot::Sender<bool> },
    /// A request for the log's first entry, by an account that joined, and for the log key of the
    /// present coordinator, if it replaced the first.
    Genesis { reply: oneshot::Sender<(Vec<u8>, Option<PublicKey>)> },
    /// A request for the IVN's part of health and metrics.
    Report { reply: oneshot::Sender<Report> },
    /// Whether this account may connect.
    MayConnect { peer: Member, reply: oneshot::Sender<Result<(), Refusal>> },
}

/// The resources of the task, which live as long as the process.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) config: Config,
    pub(super) shelf: Shelf,
    pub(super) storage: Storage,
    pub(super) hub: Arc<Hub>,
    /// The size of the log from which the operator wants to go on, whatever is missing.
    pub(super) go_on_from: Option<u64>,
    /// What the comparison with the nodes' logs waits for; `None` when it is over.
    pub(super) waiting: watch::Sender<Option<String>>,
}

/// Runs until `stop`. After a disk failure it starts again from the stored data, so that it
/// continues automatically once there is room again.
pub(super) async fn run(
    directory: IvnDirectory,
    secrets: impl Fn() -> CoordinatorSecrets,
    means: Means,
    mut events: mpsc::Receiver<Event>,
    stop: CancellationToken,
) -> Result<(), IvnError> {
    let mut has_run = false;
    loop {
        match Task::start(&directory, &secrets, means.clone()).await {
            Ok(mut task) => match task.run(&mut events, &stop).await {
                Ok(()) => return Ok(()),
                Err(IvnError::Twin) => {
                    task.links.close_all();
                    return Err(IvnError::Twin);
                }
                Err(error) => {
                    tracing::error!(%error, "the log cannot be written; going on from what is on disk");
                    task.links.close_all();
                }
            },
            // A disk that was full on writing the log may still be full when it is opened again.
            Err(IvnError::Store(error)) if has_run => {
                tracing::error!(%error, "the log cannot be opened; trying again");
            }
            Err(error) => return Err(error),
        }
        has_run = true;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
    }
}

struct Task {
    machine: Coordinator,
    genesis: Vec<u8>,
    store: CoordinatorStore,
    publisher: Publisher,
    shelf: Shelf,
    storage: Storage,
    hub: Arc<Hub>,
    links: Links,
    joins: BTreeMap<JoinId, oneshot::Sender<Result<u64, Refusal>>>,
    next_join: u64,
    /// Pending requests for the log from an entry on.
    readers: Vec<(u64, oneshot::Sender<Vec<u8>>)>,
    deadlines: Deadlines<CoordinatorDeadline>,
    recent: Recent,
    /// Latest cosignatures. They need no write of their own, because the next one includes them.
    cosignatures: BTreeMap<AccountName, CoordinatorChange>,
    progress: Progress,
    waiting: watch::Sender<Option<String>>,
    directory: IvnDirectory,
}

impl Task {
    async fn start(
        directory: &IvnDirectory,
        secrets: impl Fn() -> CoordinatorSecrets,
        means: Means,
    ) -> Result<Self, IvnError> {
        let Means { config, shelf, storage, hub, go_on_from, waiting } = means;
        let Opened { store, machine, genesis } =
            open(directory, secrets, config, go_on_from).await.map_err(|error| match error {
                IvnError::Restore(RestoreError::Keys) if directory.replacement().exists() => {
                    IvnError::WaitsForVotes
                }
                error => error,
            })?;
        let publisher = Publisher::open(directory).await?;
        let mut task = Self {
            machine,
            genesis,
            store,
            publisher,
            shelf,
            storage,
            hub,
            links: Links::new(),
            joins: BTreeMap::new(),
            next_join: 0,
            readers: Vec::new(),
            deadlines: Deadlines::new(),
            recent: Recent::default(),
            cosignatures: BTreeMap::new(),
            progress: Progress::default(),
            waiting,
            directory: directory.clone(),
        };
        match task.shelf.stored().list().await {
            Ok(stored) => task.storage.found(stored, now()),
            Err(error) => tracing::warn!(%error, "the stored documents cannot be counted"),
        }
        task.shelf.delete_soon(task.storage.collect(task.machine.state(), now()));
        let effects = task.machine.start(now(), &mut OsRng);
        task.finish(effects).await?;
        Ok(task)
    }

    async fn run(
        &mut self,
        events: &mut mpsc::Receiver<Event>,
        stop: &CancellationToken,
    ) -> Result<(), IvnError> {
        let mut publish = tokio::time::interval(PUBLISH_EVERY);
        publish.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut collect = tokio::time::interval(COLLECT_EVERY);
        collect.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.publish().await;
                    return Ok(());
                }
                event = events.recv() => match event {
                    Some(event) => batch.push(event),
                    None => return Ok(()),
                },
                () = self.deadlines.next() => {}
                account = self.links.ready() => {
                    self.send_waiting(&account).await?;
                    continue;
                }
                _ = publish.tick() => {
                    self.publish().await;
                    continue;
                }
                _ = collect.tick() => {
                    self.shelf.delete_soon(self.storage.collect(self.machine.state(), now()));
                    continue;
                }
            }
            while batch.len() < BATCH
                && let Ok(event) = events.try_recv()
            {
                batch.push(event);
            }
            let mut effects = Vec::new();
            for event in batch {
                self.take(event, &mut effects);
            }
            for deadline in self.deadlines.due() {
                effects.extend(self.machine.handle(Input::Deadline(deadline), now(), &mut OsRng));
            }
            self.finish(effects).await?;
            for (first, reply) in std::mem::take(&mut self.readers) {
                self.read(first, reply).await?;
            }
            // The task may be too busy to wait for this.
            while let Some(account) = self.links.next_ready() {
                self.send_waiting(&account).await?;
            }
        }
    }

    fn take(&mut self, event: Event, effects: &mut Vec<CoordinatorEffect>) {
        let input = match event {
            Event::Connected { peer: Member { account, identity }, link, out } => {
                // It was allowed before, but that may have changed since.
                if let Err(why) = self.machine.check_connection(&account, identity) {
                    tracing::info!(%account, %why, "a link is refused");
                    out.close.cancel();
                    return;
                }
                if let Some(old) = self.links.insert(account.clone(), link, out, identity) {
                    old.close.cancel();
                    let gone = Input::Disconnected(account.clone());
                    effects.extend(self.machine.handle(gone, now(), &mut OsRng));
                }
                Input::Connected(account)
            }
            Event::Disconnected { account, link } => {
                if !self.links.is_current(&account, link) {
                    return;
                }
                self.links.remove(&account);
                Input::Disconnected(account)
            }
            Event::Received { account, link, message } => {
                if !self.links.is_current(&account, link) {
                    return;
                }
                Input::Received(account, *message)
            }
            Event::CheckInvitation { account, key, reply } => {
                // Without an answer, the route reports that the coordinator is not ready.
                if self.machine.is_compared() {
                    let checked = self.machine.state().check_invitation(&account, key, now());
                    let _ = reply.send(checked);
                }
                return;
            }
            Event::Join { entry, reply } => {
                let id = JoinId(self.next_join);
                self.next_join += 1;
                self.joins.insert(id, reply);
                let handled = self.machine.handle(Input::Join(id, entry), now(), &mut OsRng);
                let answers = |it: &CoordinatorEffect| matches!(it, CoordinatorEffect::RespondJoin(to, _) if *to == id);
                // Without an answer, the route reports that the coordinator is not ready.
                if !handled.iter().any(answers) {
                    self.joins.remove(&id);
                }
                effects.extend(handled);
                return;
            }
            Event::Checkpoint { reply } => {
                let _ = reply.send(self.machine.published().map(ToString::to_string));
                return;
            }
            Event::Read { first, reply } => {
                self.readers.push((first, reply));
                return;
            }
            Event::MayRead { account, commitment, part, reply } => {
                let state = self.machine.state();
                let may = match part {
                    Part::Document => state.may_read(&account, commitment),
                    Part::Title => state.may_read_title(&account, commitment),
                };
                let _ = reply.send(may);
                return;
            }
            Event::Genesis { reply } => {
                let state = self.machine.state();
                let present = state.coordinator().log_key;
                let log_key = (present != state.genesis().log_key).then_some(present);
                let _ = reply.send((self.genesis.clone(), log_key));
                return;
            }
            Event::Report { reply } => {
                let _ = reply.send(super::report::of(&self.machine, &self.storage));
                return;
            }
            Event::MayConnect { peer: Member { account, identity }, reply } => {
                let _ = reply.send(self.machine.check_connection(&account, identity));
                return;
            }
        };
        effects.extend(self.machine.handle(input, now(), &mut OsRng));
    }

    /// Commits the batch and executes its effects.
    async fn finish(&mut self, mut effects: Vec<CoordinatorEffect>) -> Result<(), IvnError> {
        // Documents are read before the batch is sealed, so that the signatures that need them are
        // in the same checkpoint. Sealing can ask for others.
        let mut looked_at = 0;
        loop {
            self.prepare_documents(&mut effects, &mut looked_at).await;
            effects.extend(self.machine.seal(now(), &mut OsRng));
            if !effects.iter().skip(looked_at).any(is_preparation) {
                break;
            }
        }
        self.execute(effects).await?;
        self.compare().await
    }

    /// Gives the machine the documents that effects from `looked_at` on ask for, one at a time.
    async fn prepare_documents(
        &mut self,
        effects: &mut Vec<CoordinatorEffect>,
        looked_at: &mut usize,
    ) {
        while let Some(effect) = effects.get(*looked_at) {
            *looked_at += 1;
            let CoordinatorEffect::PrepareDocument(request) = effect else { continue };
            let request = *request;
            let reached = fail_points::before([effect.kind()]);
            let document = document(&self.shelf, self.machine.state(), request).await;
            let input = Input::Document { request, document };
            effects.extend(self.machine.handle(input, now(), &mut OsRng));
            fail_points::after(reached);
        }
    }

    /// Reports how the comparison with the nodes' logs goes on, and does what its end requires.
    async fn compare(&mut self) -> Result<(), IvnError> {
        if self.machine.has_twin() {
            // The next start must not go on without the other nodes.
            self.store.commit(vec![CoordinatorWrite::Compared(Place::unknown())]).await?;
            return Err(IvnError::Twin);
        }
        let lacked_entries = matches!(self.progress.waiting(), Some(Waiting::Entries(_)));
        let is_over = self.progress.update(&self.machine);
        let size = self.machine.state().size();
        let waiting = self.progress.waiting().map(|waiting| sentence(waiting, size));
        self.waiting.send_if_modified(|last| std::mem::replace(last, waiting.clone()) != waiting);
        if !is_over {
            return Ok(());
        }
        let place = self.store.place()?;
        self.store.commit(vec![CoordinatorWrite::Compared(place)]).await?;
        if self.store.published_beyond().is_some() {
            self.set_published_aside();
        }
        if lacked_entries {
            self.drop_replaced_keys();
        }
        Ok(())
    }

    /// Keeps a published checkpoint of entries that were given up, so that others can be published.
    fn set_published_aside(&self) {
        let path = self.directory.log().join(CHECKPOINT);
        let size = self.machine.state().size();
        let published = published_size(&self.directory.log());
        if published.is_some_and(|published| published > size)
            && let Err(error) = std::fs::rename(&path, path.with_extension("given-up"))
        {
            tracing::warn!(%error, "the published checkpoint cannot be set aside");
        }
    }

    /// Disconnects accounts that connected with keys which the entries of other nodes replaced.
    fn drop_replaced_keys(&mut self) {
        let state = self.machine.state();
        let replaced: Vec<AccountName> = self
            .links
            .identities()
            .filter(|(account, identity)| state.check_connection(account, Some(*identity)).is_err())
            .map(|(account, _)| account.clone())
            .collect();
        replaced.iter().for_each(|account| self.dismiss(account));
    }

    async fn execute(&mut self, effects: Vec<CoordinatorEffect>) -> Result<(), StoreError> {
        let durable = effects.iter().filter(|effect| {
            matches!(effect, CoordinatorEffect::Append { .. } | CoordinatorEffect::Persist(_))
        });
        let reached = fail_points::before(durable.map(CoordinatorEffect::kind));
        let mut writes = Vec::new();
        let mut rest = Vec::new();
        let mut requests = Vec::new();
        for effect in effects {
            match effect {
                CoordinatorEffect::Append { index, entry } => {
                    if matches!(entry.statement().body, Body::Request(_)) {
                        requests.push(entry.id());
                    }
                    let bytes = entry.to_bytes();
                    entry_log::describe(index, &entry);
                    self.recent.push(index, bytes.clone());
                    writes.push(CoordinatorWrite::Append { index, entry: bytes });
                }
                CoordinatorEffect::Persist(CoordinatorChange::Cosignature {
                    account,
                    size,
                    line,
                }) => {
                    let change =
                        CoordinatorChange::Cosignature { account: account.clone(), size, line };
                    self.cosignatures.insert(account, change);
                }
                CoordinatorEffect::Persist(change) => writes.push(CoordinatorWrite::Change(change)),
                CoordinatorEffect::PrepareDocument(_) => {}
                effect => rest.push(effect),
            }
        }
        if !writes.is_empty() {
            writes.extend(self.take_cosignatures());
            self.store.commit(writes).await?;
        }
        fail_points::after(reached);
        for request in requests {
            let state = self.machine.state();
            let request = state.request(request).ok();
            let over = request.and_then(|request| self.storage.requested(state, request));
            self.shelf.delete_soon(over);
        }
        for effect in rest {
            let reached = fail_points::before([effect.kind()]);
            match effect {
                CoordinatorEffect::Send(account, message) => {
                    self.links.send(&account, frame(&message));
                }
                CoordinatorEffect::SendLog { to, first, end, checkpoint } => {
                    self.links.send_log(&to, Stretch { first, end, checkpoint });
                    self.send_waiting(&to).await?;
                }
                CoordinatorEffect::Disconnect(account) => self.dismiss(&account),
                CoordinatorEffect::SetDeadline(deadline, at) => {
                    self.deadlines.set(deadline, at, now());
                }
                CoordinatorEffect::RespondJoin(id, result) => {
                    if let Some(reply) = self.joins.remove(&id) {
                        let _ = reply.send(result);
                    }
                }
                CoordinatorEffect::Append { .. }
                | CoordinatorEffect::Persist(_)
                | CoordinatorEffect::PrepareDocument(_) => {}
            }
            fail_points::after(reached);
        }
        Ok(())
    }

    /// Ends all connections of an account, including those of its requests. Its link may first
    /// deliver the pending messages, which contain the reason.
    fn dismiss(&mut self, account: &AccountName) {
        let Ok(name) = quorate_network::ivn::AccountName::new(account.as_str()) else { return };
        let ivn = quorate_network::ivn::IvnId::new(*self.machine.state().ivn().as_bytes());
        let link = self.links.remove(account).map(|out| {
            out.close.cancel();
            out.link
        });
        tracing::info!(%account, "the account may not connect any more, or not with these keys");
        self.hub.disconnect_after(ivn, &name, async move {
            if let Some(link) = link {
                let _ = tokio::time::timeout(FAREWELL, link.gone()).await;
            }
        });
    }

    /// Sends the stored entries that wait for a node, as long as its link has room.
    async fn send_waiting(&mut self, to: &AccountName) -> Result<(), StoreError> {
        while let Some(Stretch { first, end, checkpoint }) = self.links.next_stretch(to) {
            let (after, chunk) = self.chunk(first, end, &checkpoint).await?;
            self.links.sent(to, after, frame(&chunk));
        }
        Ok(())
    }

    /// Returns the index after a chunk, and the message with it: as many of the entries
    /// `first..end` as fit. The last chunk has the checkpoint.
    async fn chunk(
        &mut self,
        first: u64,
        end: u64,
        checkpoint: &str,
    ) -> Result<(u64, FromCoordinator), StoreError> {
        let entries = match self.recent.range(first, end, IN_A_MESSAGE) {
            Some(entries) => entries,
            None => self.store.entries(first, end, IN_A_MESSAGE).await?,
        };
        let after = first + entries.len() as u64;
        let last = after >= end || entries.is_empty();
        let entries = entries.into_iter().map(Base64).collect();
        let checkpoint = last.then(|| checkpoint.to_owned());
        Ok((after, FromCoordinator::Log { first, entries, checkpoint }))
    }

    /// Answers with the log from `first` on, as far as it fits one message. Before the first
    /// checkpoint there is no answer.
    async fn read(
        &mut self,
        first: u64,
        reply: oneshot::Sender<Vec<u8>>,
    ) -> Result<(), StoreError> {
        if let Some((end, checkpoint)) = self.machine.stretch(first) {
            let (_, chunk) = self.chunk(first.min(end), end, &checkpoint).await?;
            let _ = reply.send(frame(&chunk));
        }
        Ok(())
    }

    fn take_cosignatures(&mut self) -> impl Iterator<Item = CoordinatorWrite> {
        std::mem::take(&mut self.cosignatures).into_values().map(CoordinatorWrite::Change)
    }

    /// Updates the published directory. A failure only makes it stale.
    async fn publish(&mut self) {
        // The checkpoint on the disk may be older than the published one until then.
        if !self.machine.is_compared() {
            return;
        }
        let reached = fail_points::before(["coordinator.publish"]);
        let cosignatures: Vec<_> = self.take_cosignatures().collect();
        let result = match self.store.commit(cosignatures).await {
            Ok(()) => self.publisher.publish().await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            tracing::warn!(%error, "the log directory could not be published");
        }
        fail_points::after(reached);
    }
}

fn is_preparation(effect: &CoordinatorEffect) -> bool {
    matches!(effect, CoordinatorEffect::PrepareDocument(_))
}

async fn document(shelf: &Shelf, state: &IvnState, request: EntryId) -> Option<Document> {
    let wanted = state.next_to_sign(request)?;
    let package = shelf.get(wanted.request.document).await.ok()??;
    prepared(&package, &wanted)
}

fn frame(message: &FromCoordinator) -> Vec<u8> {
    // Serialising to memory cannot fail, and every node refuses an empty frame.
    serde_json::to_vec(message).unwrap_or_default()
}
