//! The nemesis: causes several faults at the same time, lets them last, ends them, and measures
//! how long signing takes to work again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quorate_testkit::cluster::Cluster;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::faults::{Fault, draw_fault, heal_all, start_ended};
use crate::group_life::Turn;
use crate::users::{PATIENCE, People};
use crate::{MIN_SIGNERS, NAMES};

/// The largest number of simultaneous faults.
const AT_ONCE: usize = 3;
/// How long faults last at most, in milliseconds: longer than the time after which a peer is dead.
const LASTS: usize = 6_000;
/// A key is generated in one of this many rounds.
const KEY_EVERY: usize = 8;
/// The group is changed in one of this many rounds.
const TURN_EVERY: usize = 3;

pub(crate) struct Nemesis<'a> {
    cluster: &'a Cluster,
    random: ChaCha20Rng,
    points: Vec<String>,
    rounds: usize,
    keys: usize,
    turns: BTreeMap<&'static str, usize>,
    injected: BTreeMap<&'static str, usize>,
    signed_meanwhile: usize,
    recoveries: Vec<Duration>,
}

impl<'a> Nemesis<'a> {
    pub(crate) fn new(cluster: &'a Cluster, seed: u64) -> Self {
        let points = cluster.run(NAMES[0], "fail-points").succeeds().stdout;
        Self {
            cluster,
            random: ChaCha20Rng::seed_from_u64(seed),
            points: points.lines().map(str::to_owned).collect(),
            rounds: 0,
            keys: 0,
            turns: BTreeMap::new(),
            injected: BTreeMap::new(),
            signed_meanwhile: 0,
            recoveries: Vec::new(),
        }
    }

    fn draw(&mut self, below: usize) -> usize {
        // The bias does not matter.
        self.random.next_u32() as usize % below
    }

    /// Plays some faults, from their beginning until a new request is signed after their end.
    pub(crate) fn round(&mut self, people: &People<'_>, stop: &AtomicBool) -> Result<(), String> {
        self.rounds += 1;
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..=self.draw(AT_ONCE) {
            let mut random = self.random.clone();
            let fault = draw_fault(&self.points, |below| random.next_u32() as usize % below);
            self.random = random;
            // Two faults of one process would undo each other.
            let alone = fault.victim().is_none() || faults.iter().any(|f| f.victim().is_none());
            let taken = faults.iter().any(|other| other.victim() == fault.victim());
            if faults.is_empty() || !(alone || taken) {
                faults.push(fault);
            }
        }
        let key = self.rounds.is_multiple_of(KEY_EVERY).then(|| self.begin_key());
        let turn = match self.rounds.is_multiple_of(TURN_EVERY) {
            true => Some(Turn::ALL[self.rounds / TURN_EVERY % Turn::ALL.len()]),
            false => None,
        };
        let begun = turn.map(|turn| turn.begin(self.cluster));
        let before = people.signed();
        for fault in &faults {
            *self.injected.entry(fault.kind()).or_default() += 1;
            fault.inject(self.cluster);
        }
        let lasts = Duration::from_millis(self.draw(LASTS) as u64);
        let began = Instant::now();
        while began.elapsed() < lasts && !stop.load(Ordering::Relaxed) {
            // tidy: sleep because faults have to last in real time
            std::thread::sleep(Duration::from_millis(20));
        }
        self.signed_meanwhile += people.signed() - before;
        let over = Instant::now();
        let while_it = turn.map_or_else(String::new, |turn| format!(" while {turn:?}"));
        let told = format!("round {}: {faults:?}{while_it}", self.rounds);
        heal_all(self.cluster, &faults);
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        people.probe().map_err(|wrong| format!("{wrong} ({told})"))?;
        let recovery = over.elapsed();
        self.recoveries.push(recovery);
        println!("{told}, signed again after {:.1} s", recovery.as_secs_f64());
        let in_this_round = |wrong| format!("{wrong} ({told})");
        if let (Some(turn), Some(begun)) = (turn, begun) {
            begun.finish(self.cluster).map_err(in_this_round)?;
            *self.turns.entry(turn.kind()).or_default() += 1;
        }
        key.map_or(Ok(()), |group| self.await_key(&group)).map_err(in_this_round)
    }

    /// Defines a group whose key is generated during the faults.
    fn begin_key(&mut self) -> String {
        self.keys += 1;
        let group = format!("group-{}", self.keys);
        // If the command does not get through, the group is defined later.
        let _ = self.define(&group);
        group
    }

    fn define(&self, group: &str) -> i32 {
        let members = NAMES.join(",");
        let line = format!(
            "group create {group} --members {members} --min-signers {MIN_SIGNERS} --no-wait"
        );
        self.cluster.run(NAMES[0], &line).exit
    }

    fn await_key(&self, group: &str) -> Result<(), String> {
        let began = Instant::now();
        let mut started = Ok(());
        while began.elapsed() < PATIENCE {
            started = start_ended(self.cluster);
            let shown = self.cluster.run(NAMES[0], &format!("group show {group} --json"));
            if shown.exit != 0 {
                self.define(group);
            } else if shown.json()["state"] == "ready" {
                return Ok(());
            }
        }
        started?;
        Err(format!("{group} has no key {} s after all faults were over", PATIENCE.as_secs()))
    }

    pub(crate) fn told(&self) -> String {
        let total: usize = self.injected.values().sum();
        let counts = |of: &BTreeMap<&'static str, usize>| {
            of.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
        };
        let mut sorted = self.recoveries.clone();
        sorted.sort();
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default().as_secs_f64();
        format!(
            "{} keys made, the group changed ({}) and {} requests signed while faults lasted; {total} faults in {} rounds ({}); signing again after {:.1} s at most, {:.1} s in the median",
            self.keys,
            counts(&self.turns),
            self.signed_meanwhile,
            self.rounds,
            counts(&self.injected),
            at(sorted.len().saturating_sub(1)),
            at(sorted.len() / 2),
        )
    }
}
