//! What tests need to rehearse failures with the real binary: dying at a named point, losing patience sooner, a wrong
//! clock. Only builds with debug assertions listen to it; in a release every function here does nothing.
//!
//! | environment variable | effect |
//! |---|---|
//! | `QUORATE_CRASH_AT=NAME` or `NAME:N` | the process aborts the N-th time that it reaches this [fail point](names) |
//! | `QUORATE_CRASH_AT=KIND.*:N` | the process aborts before the N-th thing that it does at any point of a kind (`node`, …) |
//! | `QUORATE_HASTE=N` | heartbeats, the time after which a peer is dead and the like are an N-th of what they are |
//! | `QUORATE_CLOCK_FILE=FILE` | the wall clock is off by as many milliseconds as the file says at that moment |

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quorate_ceremony::coordinator::Config;
use quorate_ceremony::effect::{CoordinatorChange, CoordinatorEffect, NodeChange, NodeEffect};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_network::link::LinkOptions;

/// Declares what a process can die before and after.
macro_rules! points {
    ($($point:ident = $name:literal,)+) => {
        /// Something that a shell carries out.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum Point { $($point,)+ }

        impl Point {
            const ALL: &[Self] = &[$(Self::$point,)+];

            fn name(self) -> &'static str {
                match self { $(Self::$point => $name,)+ }
            }
        }
    };
}

points! {
    NodeEntries = "node.persist.entries",
    NodeCosigned = "node.persist.cosigned",
    NodeMisbehaviour = "node.persist.misbehaviour",
    NodeUnexplained = "node.persist.unexplained",
    NodeExplained = "node.persist.explained",
    NodeRefused = "node.persist.refused",
    NodeOutboxAdd = "node.persist.outbox-add",
    NodeOutboxRemove = "node.persist.outbox-remove",
    NodeKeyPackage = "node.persist.key-package",
    NodeShareDestroyed = "node.persist.share-destroyed",
    NodeCommitted = "node.persist.committed",
    NodeReleased = "node.persist.released",
    NodeHello = "node.send.hello",
    NodeSubmit = "node.send.submit",
    NodeCosign = "node.send.cosign",
    NodeCommitments = "node.send.commitments",
    NodeShare = "node.send.share",
    NodeDeclined = "node.send.declined",
    NodeDisconnect = "node.disconnect",
    NodeSetDeadline = "node.set-deadline",
    NodeFetchDocument = "node.fetch-document",
    NodeRespond = "node.respond",
    CoordinatorAppend = "coordinator.append",
    CoordinatorCheckpoint = "coordinator.persist.checkpoint",
    CoordinatorCosignature = "coordinator.persist.cosignature",
    CoordinatorLog = "coordinator.send.log",
    CoordinatorRejected = "coordinator.send.rejected",
    CoordinatorInvite = "coordinator.send.invite",
    CoordinatorPackage = "coordinator.send.package",
    CoordinatorPresence = "coordinator.send.presence",
    CoordinatorSetDeadline = "coordinator.set-deadline",
    CoordinatorPrepareDocument = "coordinator.prepare-document",
    CoordinatorRespondJoin = "coordinator.respond-join",
    CoordinatorDisconnect = "coordinator.disconnect",
    CoordinatorPublish = "coordinator.publish",
    BackupWrite = "backup.write",
    RestoreKeys = "restore.keys",
    RestoreStore = "restore.store",
    RestoreConfig = "restore.config",
    RestoreSwap = "restore.swap",
    RotationKeys = "rotation.keys",
    RotationStatement = "rotation.statement",
    RotationAsk = "rotation.ask",
    RotationCertificate = "rotation.certificate",
    RotationSwap = "rotation.swap",
}

impl From<&NodeEffect> for Point {
    fn from(effect: &NodeEffect) -> Self {
        match effect {
            NodeEffect::Persist(change) => change.into(),
            NodeEffect::Send(FromNode::Hello { .. }) => Self::NodeHello,
            NodeEffect::Send(FromNode::Submit { .. }) => Self::NodeSubmit,
            NodeEffect::Send(FromNode::Cosign { .. }) => Self::NodeCosign,
            NodeEffect::Send(FromNode::Commitments { .. }) => Self::NodeCommitments,
            NodeEffect::Send(FromNode::Share { .. }) => Self::NodeShare,
            NodeEffect::Send(FromNode::Declined { .. }) => Self::NodeDeclined,
            NodeEffect::Disconnect => Self::NodeDisconnect,
            NodeEffect::SetDeadline(..) => Self::NodeSetDeadline,
            NodeEffect::FetchDocument(_) => Self::NodeFetchDocument,
            NodeEffect::Respond(..) => Self::NodeRespond,
        }
    }
}

impl From<&NodeChange> for Point {
    fn from(change: &NodeChange) -> Self {
        match change {
            NodeChange::Entries { .. } => Self::NodeEntries,
            NodeChange::Cosigned { .. } => Self::NodeCosigned,
            NodeChange::Misbehaviour(_) => Self::NodeMisbehaviour,
            NodeChange::Unexplained(_) => Self::NodeUnexplained,
            NodeChange::Explained(_) => Self::NodeExplained,
            NodeChange::Refused(_) => Self::NodeRefused,
            NodeChange::OutboxAdd(_) => Self::NodeOutboxAdd,
            NodeChange::OutboxRemove(_) => Self::NodeOutboxRemove,
            NodeChange::KeyPackage { .. } => Self::NodeKeyPackage,
            NodeChange::ShareDestroyed(_) => Self::NodeShareDestroyed,
            NodeChange::Committed(_) => Self::NodeCommitted,
            NodeChange::Released(_) => Self::NodeReleased,
        }
    }
}

impl From<&CoordinatorEffect> for Point {
    fn from(effect: &CoordinatorEffect) -> Self {
        match effect {
            CoordinatorEffect::Append { .. } => Self::CoordinatorAppend,
            CoordinatorEffect::Persist(change) => change.into(),
            CoordinatorEffect::Send(_, message) => match message {
                FromCoordinator::Log { .. } => Self::CoordinatorLog,
                FromCoordinator::Rejected { .. } => Self::CoordinatorRejected,
                FromCoordinator::Invite { .. } => Self::CoordinatorInvite,
                FromCoordinator::Package { .. } => Self::CoordinatorPackage,
                FromCoordinator::Presence { .. } => Self::CoordinatorPresence,
            },
            CoordinatorEffect::SendLog { .. } => Self::CoordinatorLog,
            CoordinatorEffect::SetDeadline(..) => Self::CoordinatorSetDeadline,
            CoordinatorEffect::PrepareDocument(_) => Self::CoordinatorPrepareDocument,
            CoordinatorEffect::RespondJoin(..) => Self::CoordinatorRespondJoin,
            CoordinatorEffect::Disconnect(_) => Self::CoordinatorDisconnect,
        }
    }
}

impl From<&CoordinatorChange> for Point {
    fn from(change: &CoordinatorChange) -> Self {
        match change {
            CoordinatorChange::Checkpoint { .. } => Self::CoordinatorCheckpoint,
            CoordinatorChange::Cosignature { .. } => Self::CoordinatorCosignature,
        }
    }
}

const BEFORE: &str = "before";
const AFTER: &str = "after";
/// How long a process that is to die after something lives on, so that what it sent can leave.
const LAST_BREATH: Duration = Duration::from_millis(30);

/// The fail points that this build has; none in a release.
pub(crate) fn names() -> Vec<String> {
    let all = if cfg!(debug_assertions) { Point::ALL } else { &[] };
    let names = all
        .iter()
        .flat_map(|point| [BEFORE, AFTER].map(|moment| format!("{}.{moment}", point.name())));
    names.collect()
}

/// To be called before something is carried out; what it returns is for [`after`].
pub(crate) fn before(what: impl IntoIterator<Item: Into<Point>>) -> Vec<Point> {
    if !cfg!(debug_assertions) || wanted().is_none() {
        return Vec::new();
    }
    let points: Vec<Point> = what.into_iter().map(Into::into).collect();
    points.iter().for_each(|point| reach(*point, BEFORE));
    points
}

/// To be called after something was carried out, with what [`before`] returned.
pub(crate) fn after(points: Vec<Point>) {
    points.into_iter().for_each(|point| reach(point, AFTER));
}

/// Where this process is to die, and how often it may still get there.
fn wanted() -> Option<&'static (String, AtomicU32)> {
    static WANTED: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    WANTED
        .get_or_init(|| {
            let text = std::env::var("QUORATE_CRASH_AT").ok()?;
            let (name, times) = match text.split_once(':') {
                Some((name, times)) => (name.to_owned(), times.parse().ok()?),
                None => (text, 1),
            };
            Some((name, AtomicU32::new(times)))
        })
        .as_ref()
}

fn reach(point: Point, moment: &str) {
    let Some((name, times)) = wanted() else { return };
    let here = match name.strip_suffix('*') {
        Some(kind) => moment == BEFORE && point.name().starts_with(kind),
        None => {
            let rest = name.strip_prefix(point.name()).and_then(|rest| rest.strip_prefix('.'));
            rest == Some(moment)
        }
    };
    if !here || times.fetch_sub(1, Ordering::Relaxed) != 1 {
        return;
    }
    tracing::warn!("fail point {name}");
    if moment == AFTER {
        std::thread::sleep(LAST_BREATH);
    }
    std::process::abort();
}

fn number_in_environment(name: &str) -> Option<u32> {
    if !cfg!(debug_assertions) {
        return None;
    }
    std::env::var(name).ok()?.parse().ok()
}

/// A time that a rehearsal shortens.
pub(crate) fn patience(usual: Duration) -> Duration {
    usual / number_in_environment("QUORATE_HASTE").unwrap_or(1).max(1)
}

/// The rhythm of links.
pub(crate) fn links(usual: LinkOptions) -> LinkOptions {
    let (heartbeat, dead_after) = (patience(usual.heartbeat), patience(usual.dead_after));
    LinkOptions { heartbeat, dead_after, ..usual }
}

/// The coordinator's deadlines.
pub(crate) fn deadlines(usual: Config) -> Config {
    let step = patience(Duration::from_millis(usual.ceremony_step));
    Config {
        ceremony_step: u64::try_from(step.as_millis()).unwrap_or(usual.ceremony_step),
        ..usual
    }
}

/// By how many milliseconds the wall clock is off.
pub(crate) fn clock_error() -> i64 {
    static FILE: OnceLock<Option<std::ffi::OsString>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return 0;
    }
    let Some(file) = FILE.get_or_init(|| std::env::var_os("QUORATE_CLOCK_FILE")) else { return 0 };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}
