//! Checks of a coordinator's home and, if it runs, of its process.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use quorate_ceremony::audit::Anchor;
use quorate_log::checkpoint::SignedCheckpoint;

use super::check::{Check, disk, private};
use crate::admin::fetch_metrics;
use crate::control::socket;
use crate::home::CoordinatorConfig;
use crate::log_audit::prove;
use crate::render::{plural, rough};
use crate::store::publish::CHECKPOINT;

/// A certificate that remains valid for more seconds than this was made without an expiry date.
const CENTURY: u64 = 100 * 365 * 24 * 3600;

/// Checks all of a coordinator.
pub(super) fn checks(home: &Path, config: &CoordinatorConfig, serve: String) -> Vec<Check> {
    let mut checks = vec![private("home", home), disk(home)];
    checks.push(process(home, config, serve));
    match ivns(home) {
        Ok(ivns) if ivns.is_empty() => {
            checks.push(Check::fail("IVN", "there is none in this home", "quorate init"));
        }
        Ok(ivns) => checks.extend(ivns.iter().flat_map(|directory| ivn(directory))),
        Err(error) => checks.push(Check::fail(
            "IVN",
            format!("{} cannot be listed: {error}", home.join("ivns").display()),
            "look at its permissions, and at the disk",
        )),
    }
    checks
}

fn ivns(home: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(home.join("ivns"))?;
    let mut directories = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    directories.retain(|path| path.is_dir());
    directories.sort();
    Ok(directories)
}

fn ivn(directory: &Path) -> Vec<Check> {
    vec![private("keys", &directory.join("coordinator.keys")), authority(directory), log(directory)]
}

/// Checks the certificate authority that all nodes rely on.
fn authority(directory: &Path) -> Check {
    let path = directory.join("ca.pem");
    let restore = "restore it from a backup of this home";
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let detail = format!("{} cannot be read: {error}", path.display());
            return Check::fail("certificate", detail, restore);
        }
    };
    let end = quorate_network::ca::NodeCertificate::from_pem(&text).and_then(|it| it.not_after());
    let Ok(end) = end else {
        return Check::fail("certificate", format!("{} is damaged", path.display()), restore);
    };
    match end.duration_since(SystemTime::now()) {
        Ok(left) => {
            let length = match left.as_secs() {
                seconds if seconds > CENTURY => "does not expire".to_owned(),
                seconds => format!("is good for {}", rough(seconds)),
            };
            Check::ok(
                "certificate",
                format!("the authority {length}; nodes' and the hub's are renewed automatically"),
            )
        }
        Err(_) => Check::fail(
            "certificate",
            "the authority has expired, so no node can connect",
            "check the clock",
        ),
    }
}

/// Checks that the published log has a checkpoint of the log's key and contains its last entry.
fn log(directory: &Path) -> Check {
    let log = directory.join("log");
    let size = std::fs::read_to_string(log.join(CHECKPOINT))
        .ok()
        .and_then(|text| text.parse::<SignedCheckpoint>().ok())
        .map(|checkpoint| checkpoint.unverified().size());
    let Some(size) = size else {
        return Check::warn(
            "log",
            format!("{} is not published yet, or damaged", log.display()),
            "start the coordinator, which publishes the log: quorate serve",
        );
    };
    match prove(&log, size.saturating_sub(1), &Anchor::default()) {
        Ok(_) => Check::ok(
            "log",
            format!("{size} entries are published under a checkpoint of the log's key"),
        ),
        Err(problem) => Check::fail(
            "log",
            problem.message,
            format!("check all of it: quorate log verify {}", log.display()),
        ),
    }
}

/// Asks the running process which nodes are connected.
fn process(home: &Path, config: &CoordinatorConfig, serve: String) -> Check {
    let metrics =
        socket::trusted_path(home, socket::ADMIN).ok().and_then(|path| fetch_metrics(&path).ok());
    let Some(metrics) = metrics else {
        return Check::fail(
            "process",
            format!("no coordinator answers; it would listen on {}", config.listen),
            serve,
        );
    };
    let values = |name: &str| {
        let name = format!("{name}{{");
        metrics.iter().filter(move |(metric, _)| metric.starts_with(&name)).map(|(_, value)| *value)
    };
    let nodes: Vec<_> = values("quorate_node_connected").collect();
    let connected = nodes.iter().filter(|value| **value == 1).count();
    let detail = format!(
        "it runs; {connected} of {} connected",
        plural(nodes.len(), "node is", "nodes are")
    );
    if metrics.iter().any(|(name, value)| name == "quorate_ready" && *value == 0) {
        return Check::warn(
            "process",
            format!(
                "{detail}; it appends nothing yet, because it compares its log with the nodes'"
            ),
            "start members' nodes",
        );
    }
    match connected {
        0 if !nodes.is_empty() => {
            Check::warn("process", detail, "can the nodes reach this machine? see the firewall")
        }
        _ => Check::ok("process", detail),
    }
}
