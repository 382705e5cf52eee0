//! A cluster of real processes under constant use, a nemesis that causes faults at random, and one
//! verdict.
//!
//! `cargo xtask soak` builds this program and the program under test, and runs it.
#![expect(clippy::unwrap_used, reason = "a surprise ends the soak, and is its verdict")]
#![expect(clippy::indexing_slicing, reason = "a surprise ends the soak, and is its verdict")]

mod faults;
mod group_life;
mod nemesis;
mod users;
mod verdict;

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quorate_testkit::cluster::{COORDINATOR, Cluster, Plan, lab};

use crate::nemesis::Nemesis;
use crate::users::People;

/// The accounts with a node. The group needs [`MIN_SIGNERS`] of them, at times one fewer.
pub(crate) const NAMES: [&str; 5] = ["ada", "ben", "carol", "dan", "eve"];
pub(crate) const MIN_SIGNERS: usize = 3;
/// The accounts whose disks can be full.
pub(crate) const SMALL_DISKS: [&str; 2] = [COORDINATOR, "eve"];
/// The size of those disks in bytes.
pub(crate) const DISK: u64 = 1 << 30;
/// Divides all periods: a heartbeat twice a second, and a peer is dead after two silent seconds.
const HASTE: u32 = 4;

struct Options {
    program: PathBuf,
    time: Duration,
    seed: u64,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("usage: soak --program QUORATE --minutes N --seed S");
        return ExitCode::from(2);
    };
    if !lab::is_inside() {
        match lab::isolating(&std::env::current_exe().unwrap()) {
            // Returns only if it fails.
            Ok(mut command) => {
                eprintln!("error: {}", command.args(std::env::args_os().skip(1)).exec())
            }
            Err(reason) => eprintln!("SKIPPED: partitions, lost packets and full disks: {reason}"),
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(stop.clone());
    let plan = plan(&options);
    if plan.lab {
        lab::set_up();
    }
    println!("seed {}", options.seed);
    let result = std::panic::catch_unwind(|| soak(plan, &options, &stop));
    let line = match result {
        Ok(Ok(line)) => format!("PASSED: {line}"),
        Ok(Err(line)) => format!("FAILED: {line}"),
        Err(_) => "FAILED: the soak itself, see above".to_owned(),
    };
    println!("{line}; seed {}", options.seed);
    if line.starts_with("PASSED") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options() -> Option<Options> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let minutes: f64 = value("--minutes")?.parse().ok()?;
    Some(Options {
        program: std::path::absolute(value("--program")?).ok()?,
        time: Duration::try_from_secs_f64(minutes * 60.0).ok()?,
        seed: value("--seed")?.parse().ok()?,
    })
}

fn plan(options: &Options) -> Plan {
    let mut plan = Plan::new(&options.program, &NAMES);
    plan.haste = HASTE;
    plan.proxies = true;
    plan.apart = true;
    if lab::is_inside() {
        plan.lab = true;
        plan.small_disks = SMALL_DISKS.iter().map(|name| ((*name).to_owned(), DISK)).collect();
    }
    plan
}

/// Makes Ctrl-C and SIGTERM end the soak early, with everything that it started.
fn stop_on_signals(stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut interrupt = signal(SignalKind::interrupt()).unwrap();
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        stop.store(true, Ordering::Relaxed);
    });
}

/// Runs for the given time. Both results are verdicts.
fn soak(plan: Plan, options: &Options, stop: &AtomicBool) -> Result<String, String> {
    let started = Instant::now();
    let mut cluster = Cluster::start(plan);
    let members = NAMES.join(",");
    let board =
        format!("group create board --members {members} --min-signers {MIN_SIGNERS} --format raw");
    cluster.run(NAMES[0], &board).checked()?;
    faults::back_up(&cluster)?;
    cluster.write(users::DOCUMENT, b"a contract");
    let people = People::new(&cluster, options.seed);
    let mut nemesis = Nemesis::new(&cluster, options.seed);
    let result = std::thread::scope(|scope| {
        // The users must stop also if the nemesis panics, because the scope waits for them.
        let _ends = people.until_dropped();
        let working: Vec<_> = (0..2).map(|_| scope.spawn(|| people.work())).collect();
        let mut result = Ok(());
        while result.is_ok()
            && started.elapsed() < options.time
            && !stop.load(Ordering::Relaxed)
            && !working.iter().any(std::thread::ScopedJoinHandle::is_finished)
        {
            result = nemesis.round(&people, stop);
        }
        result
    });
    let stopped = stop.load(Ordering::Relaxed);
    let result = if stopped { result } else { result.and_then(|()| people.finish()) };
    let verdict = result.and_then(|()| verdict::check(&cluster, &people));
    let took = started.elapsed().as_secs();
    let told = format!("{}; {} min {:02} s", nemesis.told(), took / 60, took % 60);
    let numbers = people.told();
    match verdict {
        Ok(log) if stopped => Err(format!("stopped early; {numbers}; {log}; {told}")),
        Ok(log) => Ok(format!("{numbers}; {log}; {told}")),
        Err(wrong) if stopped => Err(format!("stopped early; {numbers}; {told} ({wrong})")),
        Err(wrong) => {
            verdict::save(&cluster);
            let kept = cluster.keep_directory().display().to_string();
            Err(format!("{wrong}; {numbers}; {told}; everything is in {kept}"))
        }
    }
}
