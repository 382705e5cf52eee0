//! The coordinator's process: one hub for all its IVNs, and one task for each.
//!
//! The hub's routes only admit, relay and store; the deterministic machine
//! ([`quorate_ceremony::coordinator`]) does everything else. Each IVN has its own task, database,
//! documents and certificate authority. A route has access only to the IVN whose authority issued
//! the connection's certificate.

mod access;
mod answers;
mod comparison;
mod context;
mod ivn;
mod links;
mod recent;
mod report;
mod reporter;
mod routes;
mod storage;
#[cfg(test)]
mod tests;
mod upload;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorate_ceremony::coordinator::{Config, CoordinatorSecrets, QuotaLimits};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::names::IvnId;
use quorate_network::ca::CertificateAuthority;
use quorate_network::hub::Hub;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::answers::Answers;
use self::context::Context;
use self::reporter::CoordinatorReporter;
use self::storage::Storage;
use crate::api::{Code, Problem};
use crate::control::socket;
use crate::documents::Shelf;
use crate::error_chain::chain;
use crate::home::{CoordinatorConfig, CoordinatorHome, IvnDirectory};
use crate::keystore::CoordinatorKeys;
use crate::process_limits;
use crate::store::documents::Documents;
use crate::timers::wall_clock;
use crate::{admin, fail_points, service_manager};

/// File descriptors for the disk, and for everything else that is no connection.
const RESERVED_DESCRIPTORS: usize = 256;
/// More sockets would not help a single process.
const MOST_SOCKETS: usize = 65_536;
/// How long before its end a hub certificate is renewed. It is renewed daily, so that it survives
/// any outage shorter than this.
const RENEW_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often the age of the hub's certificate is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(600);

#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// Replaces the address in `home.json`.
    pub listen: Option<SocketAddr>,
    /// Where health and metrics are served, besides the socket in the home.
    pub admin: Option<SocketAddr>,
    pub deadlines: Config,
    /// Go on from a log of so many entries, although more are known to exist or too few nodes are
    /// connected.
    pub go_on_from: Option<u64>,
    /// Only take missing entries from the nodes, for at most so long.
    pub catch_up: Option<Duration>,
}

/// Serves all IVNs of a coordinator home until `stop`.
///
/// `ready` is called once with the bound address, when connections are accepted.
///
/// # Errors
///
/// If the home cannot be used, the address is taken, or an IVN's stored log is damaged. Then
/// nothing is served, because a coordinator that continued with a different log would fork it.
pub async fn serve(
    home: &Path,
    options: ServeOptions,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Problem> {
    let home = CoordinatorHome::open(home).map_err(problem)?;
    let config = home.config().cloned().ok_or_else(|| {
        Problem::new(Code::Failed, format!("{} is not finished", home.path().display()))
            .hint("quorate init")
    })?;
    let listen = match options.listen {
        Some(listen) => listen,
        None => config.listen.parse().map_err(|_| {
            let message =
                format!("\"{}\" in home.json is not a valid address to listen on", config.listen);
            Problem::new(Code::Failed, message).hint("an address such as 0.0.0.0:7420")
        })?,
    };
    config.limits.check().map_err(problem)?;
    config.connections.check().map_err(|(name, least)| {
        let message = format!("config.connections.{name} in home.json must be at least {least}");
        Problem::new(Code::Failed, message)
    })?;
    let ivns = home.ivns().map_err(problem)?;
    if ivns.is_empty() {
        let message = format!("{} has no IVN", home.path().display());
        return Err(Problem::new(Code::Failed, message).hint("quorate init"));
    }
    let descriptors = process_limits::raise_descriptors();
    let sockets = descriptors.saturating_sub(RESERVED_DESCRIPTORS).clamp(64, MOST_SOCKETS);
    tracing::info!(descriptors, sockets, "the limits of this process");
    let hub = Hub::new(config.connections.hub_options(sockets));
    let mut tasks = JoinSet::new();
    let (mut asked, mut comparisons) = (Vec::new(), Vec::new());
    for ivn in ivns {
        let directory = home.ivn(ivn);
        let service = Service::open(ivn, directory, &config)?;
        let (events, comparison) = service.start(&hub, &options, &mut tasks, &stop)?;
        asked.push((ivn, events));
        comparisons.push(comparison);
    }
    start_admin(
        home.path(),
        options.admin,
        CoordinatorReporter { ivns: asked, hub: hub.clone() },
        &stop,
    )
    .await?;
    let listener =
        TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
    let address = listener.local_addr().map_err(problem)?;
    let accepting = tokio::spawn(hub.clone().run(listener));
    ready(address);
    service_manager::notify(service_manager::READY);
    let ended = tokio::select! {
        () = stop.cancelled() => match options.catch_up {
            Some(_) => Err(Problem::new(Code::Interrupted, "ended before the log was complete")),
            None => Ok(()),
        },
        result = caught_up(comparisons, options.catch_up) => result,
        Some(ended) = tasks.join_next() => ended.map_err(problem).and_then(|result| result),
    };
    service_manager::notify(service_manager::STOPPING);
    stop.cancel();
    socket::unbind(home.path(), socket::ADMIN);
    hub.stop();
    let _ = accepting.await;
    while let Some(result) = tasks.join_next().await {
        result.map_err(problem)??;
    }
    ended
}

/// Serves health and metrics on a socket in the home, and at `address` if there is one.
async fn start_admin(
    home: &Path,
    address: Option<SocketAddr>,
    reporter: CoordinatorReporter,
    stop: &CancellationToken,
) -> Result<(), Problem> {
    let reporter = Arc::new(reporter);
    if let Some(address) = address {
        let listener = admin::listen(address).await?;
        tokio::spawn(admin::serve(listener, reporter.clone(), stop.clone()));
    }
    match socket::bind(home, socket::ADMIN) {
        Ok(listener) => drop(tokio::spawn(admin::serve(listener, reporter, stop.clone()))),
        // Only `quorate doctor` needs it.
        Err(problem) => tracing::warn!(%problem, "there is no admin socket"),
    }
    Ok(())
}

struct Service {
    ivn: IvnId,
    directory: IvnDirectory,
    secrets: CoordinatorSecrets,
    authority: Arc<CertificateAuthority>,
    shelf: Shelf,
    storage: Storage,
    quota: QuotaLimits,
}

impl Service {
    fn open(
        ivn: IvnId,
        directory: IvnDirectory,
        config: &CoordinatorConfig,
    ) -> Result<Self, Problem> {
        let keys = CoordinatorKeys::open(&directory.keys()).map_err(problem)?;
        let path = directory.ca_certificate();
        let certificate = std::fs::read_to_string(&path).map_err(|error| {
            Problem::new(Code::Failed, format!("{} cannot be read: {error}", path.display()))
        })?;
        let key = std::str::from_utf8(&keys.ca)
            .map_err(|_| Problem::new(Code::Failed, "the stored CA key is damaged"))?;
        let network_ivn = quorate_network::ivn::IvnId::new(*ivn.as_bytes());
        let authority =
            CertificateAuthority::load(network_ivn, &certificate, key).map_err(problem)?;
        let limit = config.limits.document_bytes;
        let shelf = Shelf::new(Documents::new(directory.documents()), limit);
        let storage = Storage::new(config.storage, limit);
        let (secrets, authority) = (keys.secrets, Arc::new(authority));
        let quota = config.log.quota();
        Ok(Self { ivn, directory, secrets, authority, shelf, storage, quota })
    }

    fn start(
        self,
        hub: &Arc<Hub>,
        options: &ServeOptions,
        tasks: &mut JoinSet<Result<(), Problem>>,
        stop: &CancellationToken,
    ) -> Result<(mpsc::Sender<ivn::Event>, watch::Receiver<Option<String>>), Problem> {
        let Self { ivn, directory, secrets, authority, shelf, storage, quota } = self;
        let (events, receiver) = mpsc::channel(ivn::QUEUE);
        let routes = routes::routes(Context {
            events: events.clone(),
            shelf: shelf.clone(),
            storage: storage.clone(),
            answers: Answers::new(shelf.limit()),
            authority: authority.clone(),
        });
        let mut issued = wall_clock();
        hub.serve(&authority, routes.clone(), issued).map_err(problem)?;
        let renewing = hub.clone();
        let stopped = stop.clone();
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return Ok(()),
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                // By the wall clock: a certificate that was issued while the clock was behind has
                // expired as soon as the clock is right.
                let now = wall_clock();
                if now.duration_since(issued).is_ok_and(|age| age >= RENEW_EVERY) {
                    match renewing.serve(&authority, routes.clone(), now) {
                        Ok(()) => issued = now,
                        Err(error) => {
                            tracing::error!(%error, "the hub's certificate cannot be renewed");
                        }
                    }
                }
            }
        });
        let stop = stop.clone();
        let (waiting, compared) = watch::channel(Some("the log is being read".to_owned()));
        let means = ivn::Means {
            config: Config { quota, ..fail_points::deadlines(options.deadlines) },
            shelf,
            storage,
            hub: hub.clone(),
            go_on_from: options.go_on_from,
            waiting,
        };
        tasks.spawn(async move {
            let again = || CoordinatorSecrets {
                log: SecretKey::from_seed(secrets.log.seed()),
                identity: SecretKey::from_seed(secrets.identity.seed()),
            };
            ivn::run(directory, again, means, receiver, stop).await.map_err(|error| {
                Problem::new(Code::Failed, format!("IVN {}: {}", ivn.short(), chain(&error)))
            })
        });
        Ok((events, compared))
    }
}

/// Waits until the logs of all IVNs are compared with their nodes' logs, if there is a limit for
/// that; otherwise forever.
async fn caught_up(
    comparisons: Vec<watch::Receiver<Option<String>>>,
    limit: Option<Duration>,
) -> Result<(), Problem> {
    let Some(limit) = limit else { return std::future::pending().await };
    let end = tokio::time::Instant::now() + limit;
    for mut comparison in comparisons {
        let is_over = comparison.wait_for(Option::is_none);
        match tokio::time::timeout_at(end, async { is_over.await.map(drop) }).await {
            Ok(Ok(())) => {}
            // Its task ended; that result counts.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => {
                let waiting = comparison.borrow().clone().unwrap_or_default();
                let message =
                    format!("the log is not compared with the nodes' logs yet: {waiting}");
                return Err(Problem::new(Code::TooFewNodes, message)
                    .hint("let the members run their nodes: quorate node run"));
            }
        }
    }
    Ok(())
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Problem {
    let problem = Problem::new(Code::Failed, format!("cannot listen on {address}: {error}"));
    match error.kind() {
        std::io::ErrorKind::AddrInUse => problem.hint(
            "another program uses this port: stop it, or give another with --listen ADDRESS:PORT",
        ),
        _ => problem.hint("give an address of this machine with --listen ADDRESS:PORT"),
    }
}

fn problem(error: impl std::error::Error) -> Problem {
    Problem::new(Code::Failed, chain(&error))
}
