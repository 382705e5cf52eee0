//! Faults that tests inject into the real binary: dying at a named point, shorter timeouts, a wrong
//! clock. Only builds with debug assertions have them; in a release every function here does
//! nothing.
//!
//! | environment variable | effect |
//! |---|---|
//! | `QUORATE_CRASH_AT=NAME` or `NAME:N` | the process aborts the N-th time that it reaches this [fail point](names) |
//! | `QUORATE_CRASH_AT=KIND.*:N` | the process aborts before the N-th action at any point of a kind (`node`, …) |
//! | `QUORATE_HASTE=N` | divides heartbeat intervals, dead-peer times and similar periods by N |
//! | `QUORATE_CLOCK_FILE=FILE` | the wall clock is off by the number of milliseconds in the file at that moment |

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quorate_ceremony::coordinator::Config;
use quorate_ceremony::effect::{CoordinatorChange, CoordinatorEffect, NodeChange, NodeEffect};
use quorate_network::link::LinkOptions;

/// The fail points that are not effects of a machine.
const OTHERS: &[&str] = &[
    "coordinator.publish",
    "backup.write",
    "restore.keys",
    "restore.store",
    "restore.config",
    "restore.swap",
    "passphrase.replace",
    "rotation.keys",
    "rotation.statement",
    "rotation.ask",
    "rotation.certificate",
    "rotation.swap",
];

/// The names of all fail points, without the moment.
const ALL: [&[&str]; 5] = [
    NodeChange::KINDS,
    NodeEffect::KINDS,
    CoordinatorEffect::KINDS,
    CoordinatorChange::KINDS,
    OTHERS,
];

const BEFORE: &str = "before";
const AFTER: &str = "after";
/// How long a process that dies after an action continues to run, so that what it sent can leave.
const LAST_BREATH: Duration = Duration::from_millis(30);

/// Returns the fail points of this build; none in a release.
pub(crate) fn names() -> Vec<String> {
    let all = if cfg!(debug_assertions) { ALL.concat() } else { Vec::new() };
    all.iter().flat_map(|name| [BEFORE, AFTER].map(|moment| format!("{name}.{moment}"))).collect()
}

/// Must be called before an action. Pass the result to [`after`].
pub(crate) fn before(names: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
    if !cfg!(debug_assertions) || wanted().is_none() {
        return Vec::new();
    }
    let names: Vec<_> = names.into_iter().collect();
    names.iter().for_each(|name| reach(name, BEFORE));
    names
}

/// Must be called after an action, with the result of [`before`].
pub(crate) fn after(names: Vec<&'static str>) {
    names.into_iter().for_each(|name| reach(name, AFTER));
}

/// Where this process dies, and how many times it still passes that point.
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

fn reach(point: &str, moment: &str) {
    debug_assert!(ALL.concat().contains(&point), "{point} is not in the list of fail points");
    let Some((name, times)) = wanted() else { return };
    let here = match name.strip_suffix('*') {
        Some(kind) => moment == BEFORE && point.starts_with(kind),
        None => name.strip_prefix(point).and_then(|rest| rest.strip_prefix('.')) == Some(moment),
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

/// Shortens a period during a rehearsal.
pub(crate) fn patience(usual: Duration) -> Duration {
    usual / number_in_environment("QUORATE_HASTE").unwrap_or(1).max(1)
}

pub(crate) fn links(usual: LinkOptions) -> LinkOptions {
    let (heartbeat, dead_after) = (patience(usual.heartbeat), patience(usual.dead_after));
    LinkOptions { heartbeat, dead_after, ..usual }
}

pub(crate) fn deadlines(usual: Config) -> Config {
    let step = patience(Duration::from_millis(usual.ceremony_step));
    Config {
        ceremony_step: u64::try_from(step.as_millis()).unwrap_or(usual.ceremony_step),
        ..usual
    }
}

/// Returns the error of the wall clock in milliseconds.
pub(crate) fn clock_error() -> i64 {
    static FILE: OnceLock<Option<std::ffi::OsString>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return 0;
    }
    let Some(file) = FILE.get_or_init(|| std::env::var_os("QUORATE_CLOCK_FILE")) else { return 0 };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}
