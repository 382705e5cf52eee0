//! `quorate doctor`.

mod check;
mod coordinator;

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use quorate_ceremony::names::Timestamp;
use quorate_ceremony::state::clock::MAX_CLOCK_LEAD;
use quorate_network::ca::NodeCertificate;
use serde::Serialize;

use self::check::{Check, Outcome, disk, private};
use super::context::{Context, now};
use super::{Failure, Run};
use crate::api::{Exit, GroupStage, GroupView, Problem, SigningStage, StatusView};
use crate::home::{CoordinatorConfig, CoordinatorHome, Locations, NodeConfig};
use crate::process_limits::swap_areas;
use crate::proof_files;
use crate::render::{
    Tone, blocked_advice, blocked_sentence, clock_sentence, group_advice, group_sentence, hindered,
    loses_nobody, loses_nobody_sentence, plural, relative, rough, trouble_advice, trouble_sentence,
    watched_groups,
};
use crate::timers::wall_clock;

/// Check the home, the node, the connection, the clock, the disk and the tools
///
/// With --home of a coordinator: its disk, certificates, log and connected nodes. Exit code 1 if
/// any check fails. Asks for no passphrase and changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate doctor
  quorate doctor --home ./coordinator
  quorate doctor --json | jq '.checks[] | select(.outcome != \"ok\")'")]
pub(super) struct Doctor {}

#[derive(Serialize)]
struct DiagnosisView {
    sentence: String,
    checks: Vec<Check>,
}

impl Run for Doctor {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let mut checks = Vec::new();
        match (context.node_home(), context.node_config()) {
            (_, Err(_)) if let Some((home, config)) = coordinator_home(context) => {
                checks.extend(coordinator::checks(
                    &home,
                    &config,
                    context.command("quorate serve"),
                ));
            }
            (Ok(home), Ok(config)) => {
                checks.extend(home_checks(&home));
                checks.push(disk(&home));
                checks.extend(swap());
                checks.push(certificate(&config));
                checks.extend(misbehaviour(&home));
                checks.extend(node_checks(context, &config));
            }
            (Err(problem), _) | (_, Err(problem)) => {
                let advice = problem.hint.unwrap_or_default();
                checks.push(Check::fail("home", problem.message, advice));
            }
        }
        checks.extend([tool("ssh-keygen"), tool("openssl")]);
        let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
        let (failed, warned) = (count(Outcome::Fail), count(Outcome::Warn));
        let sentence = match (failed, warned) {
            (0, 0) => "all is well".to_owned(),
            (0, warned) => format!(
                "it works; {}",
                plural(warned, "thing is worth a look", "things are worth a look")
            ),
            (failed, _) => plural(failed, "check failed", "checks failed"),
        };
        let view = DiagnosisView { sentence, checks };
        context.terminal.show("diagnosis", &view, |page| {
            let tone = |outcome| match outcome {
                Outcome::Ok => Tone::Good,
                Outcome::Warn => Tone::Warn,
                Outcome::Fail => Tone::Bad,
            };
            let worst = match (failed, warned) {
                (0, 0) => Outcome::Ok,
                (0, _) => Outcome::Warn,
                _ => Outcome::Fail,
            };
            page.verdict(tone(worst), &view.sentence);
            for check in &view.checks {
                page.item(tone(check.outcome), format!("{}: {}", check.name, check.detail));
                if let Some(advice) = check.advice.as_ref().filter(|advice| !advice.is_empty()) {
                    page.advice(advice);
                }
            }
        })?;
        if failed > 0 { Err(Failure::Shown(Exit::Error)) } else { Ok(()) }
    }
}

/// Returns the coordinator's home that the options select, if there is one.
fn coordinator_home(context: &Context) -> Option<(PathBuf, CoordinatorConfig)> {
    let home = Locations::from_environment().coordinator(context.home.clone()).ok()?;
    let config = CoordinatorHome::read(&home).ok()?;
    Some((home, config))
}

fn home_checks(home: &Path) -> Vec<Check> {
    let mut checks = vec![private("home", home), private("keys", &home.join("keys.sealed"))];
    if home.join("keys.next").exists() {
        let detail =
            "this account is receiving new keys, and that is not finished: its node does not start";
        checks.push(Check::fail("new keys", detail, "quorate node rotate-keys"));
    }
    checks
}

/// Warns of swap, which can bring secrets of the node's memory to the disk.
fn swap() -> Option<Check> {
    let text = std::fs::read_to_string("/proc/swaps").ok()?;
    let areas = swap_areas(&text);
    (!areas.is_empty()).then(|| {
        let detail = format!("{} can receive secrets from a node's memory", areas.join(" and "));
        Check::warn("swap", detail, "encrypt it, or turn it off with swapoff -a")
    })
}

fn certificate(config: &NodeConfig) -> Check {
    let end = NodeCertificate::from_pem(&config.client_certificate).and_then(|pem| pem.not_after());
    let Ok(end) = end else {
        return Check::fail("certificate", "it cannot be read", "restore home.json from a backup");
    };
    match end.duration_since(wall_clock()) {
        Err(_) => Check::warn(
            "certificate",
            "it has expired",
            "start the node, which renews it: quorate node run; if that fails, check the clock",
        ),
        Ok(left) if left < SOON => Check::warn(
            "certificate",
            format!("it expires in {}", rough(left.as_secs())),
            "start the node, which renews it: quorate node run",
        ),
        Ok(left) => Check::ok("certificate", format!("good for {}", rough(left.as_secs()))),
    }
}

/// Looks for proof that the coordinator broke the rules, whether a node runs or not.
fn misbehaviour(home: &Path) -> Vec<Check> {
    let unreadable = |error: &dyn std::fmt::Display| {
        let detail = format!("{} cannot be listed: {error}", home.display());
        vec![Check::fail("coordinator", detail, "look at its permissions, and at the disk")]
    };
    let found = match proof_files::list(home) {
        Ok(found) => found,
        Err(error) => return unreadable(&error),
    };
    let proof = |path: &std::path::PathBuf| {
        let path = path.display().to_string();
        Check::fail(
            "coordinator",
            format!("{path} proves that it broke the rules of the log; this node no longer signs"),
            format!(
                "send the file to the other members and find out who runs the coordinator; anybody can check it: quorate log verify --misbehaviour {} --log-key KEY",
                crate::shell_quote::quoted(&path)
            ),
        )
    };
    found.iter().map(proof).collect()
}

/// Asks the running node. If none runs, checks that the hub answers.
fn node_checks(context: &Context, config: &NodeConfig) -> Vec<Check> {
    match running(context) {
        Ok(Some(status)) => {
            let mut checks =
                vec![Check::ok("node", format!("the node of {} is running", status.account))];
            checks.extend(connection(&status));
            checks.push(clock(&status));
            checks.push(shares(&status));
            checks.extend(lacking(&status));
            checks.extend(short(&status));
            checks.extend(overdue(&status, now()));
            checks
        }
        Ok(None) => vec![
            Check::warn(
                "node",
                format!(
                    "the node of {} is not running: it approves and signs nothing",
                    config.account
                ),
                context.command("quorate node run"),
            ),
            hub(&config.hub),
        ],
        Err(problem) => {
            vec![Check::fail("node", problem.message, problem.hint.unwrap_or_default())]
        }
    }
}

fn running(context: &Context) -> Result<Option<StatusView>, Problem> {
    let Some(session) = context.running_session()? else { return Ok(None) };
    session.status().map(Some)
}

fn connection(status: &StatusView) -> Vec<Check> {
    let connected = match status.connected {
        _ if let Some(hindrance) = &status.hindrance => Check::fail(
            "account",
            blocked_sentence(hindrance),
            blocked_advice(hindrance, &status.account),
        ),
        true => Check::ok("connection", format!("connected to the coordinator at {}", status.hub)),
        false => Check::fail(
            "connection",
            format!("the coordinator at {} cannot be reached", status.hub),
            "is it running (quorate serve), and is the network up? the node keeps trying",
        ),
    };
    let log = match &status.trouble {
        None => {
            Check::ok("log", format!("{} entries verified, no contradictions", status.log_size))
        }
        Some(trouble) => Check::fail("log", trouble_sentence(trouble), trouble_advice(trouble)),
    };
    let unsent = (status.unsent > 0).then(|| {
        Check::warn(
            "outbox",
            plural(
                status.unsent,
                "statement is not in the log yet",
                "statements are not in the log yet",
            ),
            "they are sent when the coordinator can be reached",
        )
    });
    [connected, log].into_iter().chain(unsent).collect()
}

/// Compares this machine's clock with the coordinator's and with what the accounts have stated.
fn clock(status: &StatusView) -> Check {
    match (clock_sentence(status), status.clock_ahead) {
        (Some((wrong, advice)), _) => Check::fail("clock", wrong.trim_end_matches('.'), advice),
        (None, Some(_)) => Check::ok("clock", "agrees with the coordinator's"),
        (None, None)
            if let Some(log) = status.log_time
                && log > status.now.plus(MAX_CLOCK_LEAD) =>
        {
            let behind = rough(log.0.saturating_sub(status.now.0) / 1000);
            let detail = format!("{behind} behind what most accounts have stated");
            Check::fail("clock", detail, "set this machine's clock, best by NTP")
        }
        (None, None) => Check::warn(
            "clock",
            "not behind the log's; whether it is ahead shows only with a connection",
            "look again when the node is connected",
        ),
    }
}

fn shares(status: &StatusView) -> Check {
    let mine = |stage: fn(GroupStage) -> bool| {
        let is_member = |group: &&GroupView| {
            stage(group.state)
                && group.members.iter().any(|member| member.account == status.account)
        };
        status.groups.iter().filter(is_member).count()
    };
    let lacking = status.groups.iter().filter(|group| group.lacks_share).count();
    let ready = mine(|stage| stage == GroupStage::Ready).saturating_sub(lacking);
    let not_ready = mine(|stage| !matches!(stage, GroupStage::Ready | GroupStage::Retired));
    match not_ready {
        0 => Check::ok(
            "groups",
            plural(
                ready,
                "group with a key, of which this node holds a share",
                "groups with a key, of which this node holds a share",
            ),
        ),
        _ => Check::warn(
            "groups",
            plural(not_ready, "group has no key yet", "groups have no key yet"),
            "quorate group list",
        ),
    }
}

/// Reports groups whose share is missing on this node.
fn lacking(status: &StatusView) -> Vec<Check> {
    let lacking = status.groups.iter().filter(|group| group.lacks_share);
    let check = |group: &GroupView| {
        let (name, account) = (&group.name, &status.account);
        Check::fail(
            "share",
            format!("this node has no share of {name}: it cannot sign for it"),
            format!(
                "restore a newer backup that contains it, or have the others restore it: quorate group repair {name} {account}"
            ),
        )
    };
    lacking.map(check).collect()
}

/// Reports groups that cannot sign, or can lose nobody.
fn short(status: &StatusView) -> Vec<Check> {
    let check = |group: &GroupView| {
        let advice = || group_advice(group).unwrap_or_default();
        match group.signing {
            Some(SigningStage::TooFewShares) => {
                Some(Check::fail("group", group_sentence(group), advice()))
            }
            Some(SigningStage::TooFewOnline) => Some(Check::fail(
                "group",
                group_sentence(group),
                "ask the holders of the missing nodes to start them: quorate node run",
            )),
            _ if loses_nobody(group) => Some(Check::warn(
                "group",
                loses_nobody_sentence(group),
                format!(
                    "give a member its share back (quorate group repair {} NAME), or add a member: quorate group change {} --add NAME",
                    group.name, group.name
                ),
            )),
            _ => None,
        }
    };
    watched_groups(status).into_iter().filter_map(check).collect()
}

/// Reports groups of this account whose new shares are overdue and are not made automatically.
fn overdue(status: &StatusView, now: Timestamp) -> Vec<Check> {
    let mine = status.groups.iter().filter(|group| is_of(group, status));
    let check = |group: &GroupView| {
        let refresh = group.refresh.as_ref().filter(|refresh| refresh.due < now)?;
        let (why, advice) = hindered(&group.name, &refresh.hindered_by)?;
        Some(Check::warn(
            "new shares",
            format!(
                "those of {} were due {}, and are not made automatically, because {}",
                group.name,
                relative(now, refresh.due),
                why
            ),
            advice,
        ))
    };
    mine.filter_map(check).collect()
}

fn is_of(group: &GroupView, status: &StatusView) -> bool {
    group.members.iter().any(|member| member.account == status.account)
}

fn hub(address: &str) -> Check {
    let reached = address.to_socket_addrs().map(|mut addresses| {
        addresses.any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
    });
    match reached {
        Ok(true) => Check::ok("connection", format!("something answers at {address}")),
        Ok(false) => Check::fail(
            "connection",
            format!("nothing answers at {address}"),
            "is the coordinator running (quorate serve), and is the network up?",
        ),
        Err(error) => Check::fail(
            "connection",
            format!("the name in {address} cannot be resolved: {error}"),
            "check the network's name servers",
        ),
    }
}

/// Looks for an independent tool that verifies signatures. Quorate itself does not need it.
fn tool(name: &'static str) -> Check {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file());
    match found {
        Some(path) => Check::ok(name, path.display().to_string()),
        None => Check::warn(name, "not installed", "only needed to check signatures independently"),
    }
}

const PATIENCE: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn proof_of_misbehaviour_in_the_home_fails() {
        let home = tempfile::tempdir().unwrap();
        assert!(misbehaviour(home.path()).is_empty());
        std::fs::write(home.path().join("misbehaviour-1.json"), "{}").unwrap();
        let checks = misbehaviour(home.path());
        assert!(matches!(checks.as_slice(), [check] if check.outcome == Outcome::Fail));
    }

    #[test]
    fn keys_that_others_can_read_fail() {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let keys = home.path().join("keys.sealed");
        std::fs::write(&keys, "").unwrap();
        let outcomes = |mode| {
            std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(mode)).unwrap();
            home_checks(home.path()).iter().map(|check| check.outcome).collect::<Vec<_>>()
        };
        assert_eq!(outcomes(0o600), [Outcome::Ok, Outcome::Ok]);
        assert_eq!(outcomes(0o640), [Outcome::Ok, Outcome::Fail]);
    }
}
