//! A node's process: opens a home, keeps the link to the hub, and answers its account holder.

mod answer;
pub(crate) mod backup;
mod documents;
mod event;
pub(crate) mod follow;
mod hub;
mod ids;
mod opening;
mod renewal;
mod report;
mod task;
pub(crate) mod view;

use std::sync::Arc;

use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::node::{Config, Node};
use quorate_ceremony::state::Refusal;
use quorate_network::ca::NodeKey;
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::event::Event;
use self::opening::{authority, damaged, dialler, load, problem};
use self::renewal::Renewal;
use crate::api::{Answer, Code, Problem, Query};
use crate::documents::Shelf;
use crate::home::NodeHome;
use crate::keystore::{Cost, NodeKeys, Passphrase, PassphraseProtector};
use crate::proof_files;
use crate::render::account_advice;
use crate::setup::rotate;
use crate::store::StoreError;
use crate::store::documents::Documents;
use crate::store::node::NodeStore;

/// How long [`log_shows`] waits for the whole log before it decides by the part that it has.
const CATCH_UP: std::time::Duration = std::time::Duration::from_secs(30);
/// How many new addresses of the coordinator can wait.
const MOVES: usize = 8;
/// How many inputs can wait before the connection is slowed down.
const QUEUE: usize = 4096;

/// A node that runs in this process. It holds the home's lock.
pub(crate) struct Running {
    events: mpsc::Sender<Event>,
    /// Why there is no connection; `None` while there is one.
    pub(crate) outage: watch::Receiver<Option<Problem>>,
    /// Whether the node has received the whole log since it started.
    pub(crate) caught_up: watch::Receiver<bool>,
    removed: watch::Receiver<Option<Refusal>>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), StoreError>>,
    linking: JoinHandle<()>,
    /// Holds the home's lock.
    renewing: JoinHandle<NodeHome>,
}

/// Starts the node of a home.
///
/// # Errors
///
/// If the passphrase is wrong, or its data is damaged.
pub(crate) async fn start(home: NodeHome, passphrase: Passphrase) -> Result<Running, Problem> {
    if rotate::is_begun(&home) {
        let message = "this account is receiving new keys, and that is not finished";
        return Err(Problem::new(Code::Failed, message).hint("quorate node rotate-keys"));
    }
    // Argon2id is slow on purpose, so it must not run on a thread that serves other tasks.
    let path = home.keys();
    let keys = tokio::task::spawn_blocking(move || {
        NodeKeys::open(&path, &PassphraseProtector::new(passphrase, Cost::RECOMMENDED))
    })
    .await
    .map_err(|error| problem(&error))?
    .map_err(|error| problem(&error))?;
    start_with(home, keys).await
}

/// Whether the log contains these keys as the account's. Starts a node with them to read the log,
/// and releases the home.
///
/// # Errors
///
/// If there is no connection, or the home's data is damaged.
pub(crate) async fn log_shows(home: NodeHome, keys: NodeKeys) -> Result<bool, Problem> {
    let account = home.config().map(|config| config.account.clone());
    let identity = keys.account().identity.public();
    let mut running = start_with(home, keys).await?;
    let mut outage = running.outage.clone();
    let problem = tokio::select! {
        _ = running.caught_up.wait_for(|caught_up| *caught_up) => None,
        outage = outage.wait_for(Option::is_some) => outage.ok().and_then(|outage| outage.clone()),
        () = tokio::time::sleep(CATCH_UP) => None,
    };
    let answer = running.asker().ask(Query::Accounts).await?.recv().await;
    running.stop().await?;
    match (problem, answer) {
        (Some(problem), _) => Err(problem),
        (None, Some(Answer::Accounts { accounts, .. })) => Ok(accounts
            .iter()
            .any(|it| Some(&it.account) == account.as_ref() && it.identity == Some(identity))),
        (None, _) => Ok(false),
    }
}

async fn start_with(home: NodeHome, keys: NodeKeys) -> Result<Running, Problem> {
    let config = home.config().cloned().ok_or_else(|| {
        Problem::new(Code::Failed, format!("{} is not finished", home.path().display()))
            .hint("quorate join URL")
    })?;
    let sealer = keys.sealer(config.ivn, config.account.clone());
    config.limits.check().map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
    let mut store =
        NodeStore::open(&home.database(), sealer).await.map_err(|error| problem(&error))?;
    let saved = load(&mut store, &config).await.map_err(|error| problem(&error))?;
    let (secrets, tls_key) = keys.into_parts();
    let key = std::str::from_utf8(&tls_key)
        .ok()
        .and_then(|pem| NodeKey::from_pem(pem).ok())
        .ok_or_else(|| damaged("the TLS key"))?;
    let authority = authority(&config)?;
    let identity = SecretKey::from_seed(secrets.identity.seed());
    let first = dialler(&config, authority, Some(&key))?;
    let node_config = Config {
        auto_accept: config.auto_accept,
        auto_approve: config.auto_approve,
        log_key: config.log_key,
    };
    let machine =
        Node::restore(config.account.clone(), secrets, node_config, config.ivn, saved, &mut OsRng)
            .map_err(|error| {
                Problem::new(Code::Failed, format!("{}: {error}", home.database().display()))
                    .hint("nothing was changed; restore the file from where it was moved or copied")
            })?;
    let shelf =
        Shelf::new(Documents::new(home.path().join("documents")), config.limits.document_bytes);
    let (events, receiver) = mpsc::channel(QUEUE);
    let stop = CancellationToken::new();
    let (set_dialler, diallers) = watch::channel(first);
    let hub = Arc::new(hub::Hub::new(diallers.clone(), config.limits.document_bytes));
    let outage = hub.outage.subscribe();
    let (set_caught_up, caught_up) = watch::channel(false);
    let (set_admission, admission) = watch::channel(None);
    let (moves, moved) = mpsc::channel(MOVES);
    let (set_removed, removed) = watch::channel(task::removal(&machine));
    let tell = task::Tell {
        caught_up: set_caught_up,
        admission: set_admission,
        removed: set_removed,
        moves,
    };
    if let Some(proof) = machine.misbehaviour() {
        proof_files::hand_on(home.path(), proof);
    }
    let place = home.path().to_owned();
    let task = task::Task::new(machine, store, shelf, hub.clone(), tell, place);
    let task = tokio::spawn(task.run(receiver, stop.clone()));
    let renewal = Renewal { identity, key, authority, admission };
    let renewing = tokio::spawn(renewal.keep(home, set_dialler, moved, stop.clone()));
    let linking = tokio::spawn(hub::keep_linked(diallers, hub, events.clone(), stop.clone()));
    Ok(Running { events, outage, caught_up, removed, stop, task, linking, renewing })
}

impl Running {
    pub(crate) fn asker(&self) -> Asker {
        Asker::new(self.events.clone())
    }

    /// Waits until the log that this node verified contains that its account was removed, which is
    /// permanent. The coordinator's word alone is not enough.
    pub(crate) fn removed(&self) -> impl Future<Output = Problem> + use<> {
        let mut receiver = self.removed.clone();
        async move {
            let removed = match receiver.wait_for(Option::is_some).await {
                Ok(removed) => removed.clone(),
                // The task has ended, which `ended` reports.
                Err(_) => None,
            };
            match removed {
                Some(removed) => {
                    let message = removed.to_string();
                    let advice = account_advice(&removed);
                    Problem::new(Code::Blocked(removed), message).hint(advice)
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Whether [`removed`](Self::removed) returns immediately.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.borrow().is_some()
    }

    /// Waits until the node ends unexpectedly. [`Self::stop`] must not be called afterwards.
    ///
    /// # Errors
    ///
    /// If its disk failed.
    pub(crate) async fn ended(&mut self) -> Result<(), Problem> {
        ended((&mut self.task).await)
    }

    /// Ends the node.
    ///
    /// # Errors
    ///
    /// If its disk failed.
    pub(crate) async fn stop(self) -> Result<(), Problem> {
        self.stop.cancel();
        let _ = self.linking.await;
        let _ = self.renewing.await;
        ended(self.task.await)
    }
}

pub(crate) use report::NodeReporter;
pub(crate) use task::Asker;

fn ended(task: Result<Result<(), StoreError>, tokio::task::JoinError>) -> Result<(), Problem> {
    match task {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(problem(&error)),
        Err(error) => Err(problem(&error)),
    }
}
