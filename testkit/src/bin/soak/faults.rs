//! The faults that the nemesis can cause, their victims, and how they are undone.

use std::fs;
use std::process::Command;
use std::time::Duration;

use quorate_testkit::cluster::lab::{self, Packets};
use quorate_testkit::cluster::proxy::Weather;
use quorate_testkit::cluster::{COORDINATOR, Cluster};

use crate::{DISK, NAMES, SMALL_DISKS};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The process is killed, and started again afterwards.
    Kill(&'static str),
    /// All processes are killed.
    PowerFailure,
    /// The process is started with a fail point, and dies if it reaches the point.
    Crash(&'static str, String),
    /// The process is frozen with SIGSTOP, and resumed with SIGCONT afterwards.
    Freeze(&'static str),
    /// The connections of a node are disturbed.
    Weather(&'static str, Weather),
    /// The packets of a node are disturbed.
    Packets(&'static str, Packets),
    FullDisk(&'static str),
    /// The coordinator is killed, its disk is lost, and its home is restored from a backup that was
    /// made at the start.
    LostDisk,
    /// The clock of a process is wrong by this many milliseconds.
    Clock(&'static str, i64),
    /// The clock of the coordinator's machine, on which a node runs too, is wrong.
    HostClock(i64),
}

impl Fault {
    /// The name under which the verdict counts it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Kill(COORDINATOR) => "coordinator killed",
            Self::Kill(_) => "node killed",
            Self::PowerFailure => "power failure",
            Self::Crash(COORDINATOR, _) => "coordinator at a fail point",
            Self::Crash(..) => "node at a fail point",
            Self::Freeze(COORDINATOR) => "coordinator stopped",
            Self::Freeze(_) => "node stopped",
            Self::Weather(_, Weather::Fair | Weather::Slow(_)) => "slow connection",
            Self::Weather(_, Weather::NodeUnheard | Weather::NodeDeaf) => "one-way stall",
            Self::Weather(_, Weather::HalfOpen) => "half-open connections",
            Self::Weather(_, Weather::Cut) => "cut connections",
            Self::Packets(_, Packets::Partitioned) => "partition",
            Self::Packets(_, Packets::Unheard | Packets::Deaf) => "one-way partition",
            Self::Packets(_, Packets::Lossy(_)) => "lost packets",
            Self::FullDisk(_) => "full disk",
            Self::LostDisk => "coordinator's disk lost",
            Self::Clock(..) => "clock jump",
            Self::HostClock(_) => "clock jump of coordinator and node",
        }
    }

    /// The victim, or `None` if all processes are affected.
    pub(crate) fn victim(&self) -> Option<&'static str> {
        match self {
            Self::PowerFailure | Self::HostClock(_) => None,
            Self::LostDisk => Some(COORDINATOR),
            Self::Kill(victim)
            | Self::Crash(victim, _)
            | Self::Freeze(victim)
            | Self::Weather(victim, _)
            | Self::Packets(victim, _)
            | Self::FullDisk(victim)
            | Self::Clock(victim, _) => Some(victim),
        }
    }

    pub(crate) fn inject(&self, cluster: &Cluster) {
        match self {
            Self::Kill(victim) => cluster.kill(victim),
            Self::PowerFailure => everybody().for_each(|victim| cluster.kill(victim)),
            Self::Crash(victim, point) => {
                cluster.kill(victim);
                // The process may die before it is ready.
                let armed = [("QUORATE_CRASH_AT", point.as_str())];
                drop(cluster.try_start_process(victim, &armed));
            }
            Self::Freeze(victim) => cluster.freeze(victim),
            Self::Weather(victim, weather) => cluster.proxy(victim).set(*weather),
            Self::Packets(victim, packets) => lab::spoil(victim, *packets),
            Self::FullDisk(victim) => lab::fill_disk(&cluster.path(victim)),
            Self::LostDisk => {
                cluster.kill(COORDINATOR);
                // The directory itself may be a mounted disk.
                for entry in fs::read_dir(cluster.path(COORDINATOR)).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                        .unwrap();
                }
            }
            Self::Clock(victim, error) => cluster.set_clock_error(victim, *error),
            Self::HostClock(error) => {
                for victim in [COORDINATOR, NAMES[0]] {
                    cluster.set_clock_error(victim, *error);
                }
            }
        }
    }
}

const DAY: i64 = 24 * 3_600_000;

fn everybody() -> impl Iterator<Item = &'static str> {
    [COORDINATOR].into_iter().chain(NAMES)
}

/// Undoes all faults. Processes that have ended are left to [`start_ended`].
pub(crate) fn heal_all(cluster: &Cluster, faults: &[Fault]) {
    let in_lab = lab::is_inside();
    if in_lab {
        lab::heal();
    }
    for fault in faults {
        match fault {
            Fault::Freeze(victim) => cluster.thaw(victim),
            Fault::Weather(victim, _) => cluster.proxy(victim).set(Weather::Fair),
            Fault::FullDisk(victim) => lab::free_disk(&cluster.path(victim), DISK),
            Fault::Clock(victim, _) => cluster.set_clock_error(victim, 0),
            Fault::HostClock(_) => {
                for victim in [COORDINATOR, NAMES[0]] {
                    cluster.set_clock_error(victim, 0);
                }
            }
            // Otherwise the fail point would stay armed.
            Fault::Crash(victim, _) => cluster.kill(victim),
            Fault::LostDisk => restore(cluster),
            Fault::Kill(_) | Fault::PowerFailure | Fault::Packets(..) => {}
        }
    }
}

/// Backs up the coordinator, for [`Fault::LostDisk`].
pub(crate) fn back_up(cluster: &Cluster) -> Result<(), String> {
    let line = format!("coordinator backup --out {BACKUP}");
    cluster.run(COORDINATOR, &line).checked().map(drop)
}

/// Restores the coordinator's home. The nodes give it the log when it runs.
fn restore(cluster: &Cluster) {
    // A home is put in place by renaming, which a mounted disk does not permit.
    let (restored, home) = (cluster.path(RESTORED), cluster.path(COORDINATOR));
    cluster.run(RESTORED, &format!("coordinator restore {BACKUP}")).succeeds();
    let copied = Command::new("cp").arg("-a").arg(restored.join(".")).arg(&home).status().unwrap();
    assert!(copied.success(), "the restored home is copied");
    fs::remove_dir_all(restored).unwrap();
}

const BACKUP: &str = "coordinator.backup";
const RESTORED: &str = "restored";

/// Starts ended processes again, as a service manager does. Call it until everything works: a
/// process may notice a full disk, and end, only after there is room again.
pub(crate) fn start_ended(cluster: &Cluster) -> Result<(), String> {
    for process in everybody().filter(|process| cluster.has_ended(process)) {
        cluster
            .try_start_process(process, &[])
            .map_err(|said| format!("{process} does not start again: {said}"))?;
    }
    Ok(())
}

/// Draws one of the faults that this machine supports. `draw(n)` returns a number below `n`.
pub(crate) fn draw_fault(points: &[String], mut draw: impl FnMut(usize) -> usize) -> Fault {
    let node = NAMES[draw(NAMES.len())];
    let process = if draw(3) == 0 { COORDINATOR } else { node };
    let kinds = if lab::is_inside() { 12 } else { 9 };
    match draw(kinds) {
        0 if process == COORDINATOR && draw(2) == 0 => Fault::LostDisk,
        0 => Fault::Kill(process),
        1 if draw(3) == 0 => Fault::PowerFailure,
        1 | 2 => {
            let kind = if process == COORDINATOR { "coordinator." } else { "node." };
            let ours: Vec<&String> = points.iter().filter(|name| name.starts_with(kind)).collect();
            Fault::Crash(process, format!("{}:{}", ours[draw(ours.len())], 1 + draw(12)))
        }
        3 => Fault::Freeze(process),
        4 => Fault::Weather(node, Weather::Slow(Duration::from_millis(5 + draw(200) as u64))),
        5 => Fault::Weather(
            node,
            if draw(2) == 0 { Weather::NodeUnheard } else { Weather::NodeDeaf },
        ),
        6 => Fault::Weather(node, Weather::HalfOpen),
        7 => Fault::Weather(node, Weather::Cut),
        8 => match draw(3) {
            0 => Fault::Clock(process, draw(1_200_000) as i64 - 600_000),
            1 => Fault::Clock(process, draw(80) as i64 * DAY - 40 * DAY),
            _ => Fault::HostClock(draw(80) as i64 * DAY - 40 * DAY),
        },
        9 => Fault::Packets(node, Packets::Partitioned),
        10 => match draw(3) {
            0 => Fault::Packets(node, Packets::Unheard),
            1 => Fault::Packets(node, Packets::Deaf),
            _ => Fault::Packets(node, Packets::Lossy(2 + u8::try_from(draw(20)).unwrap())),
        },
        _ => Fault::FullDisk(SMALL_DISKS[draw(SMALL_DISKS.len())]),
    }
}
