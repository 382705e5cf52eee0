//! The catalogue of attacks by members. Its tests share a run with its audit, a bad network, and
//! the members that a log names.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a catalogue may stop at the first surprise"
)]

mod page;
mod table;

use std::collections::BTreeSet;

use quorate_ceremony::audit::{AuditReport, Blame};
use quorate_ceremony::entry::AbortReason;
use quorate_ceremony::names::AccountName;

pub use page::{MARKS, markdown};
pub use table::{ATTACKS, Outcome, Row, Who};

use crate::{Faults, Scenario, Simulation, last_steps};

/// Returns the outcome of a run in which all invariants hold, and the auditor's report on its log.
/// A run that fails is played again and reported with the events before the failure.
pub fn audited(scenario: Scenario, seed: u64) -> (crate::Outcome, AuditReport) {
    let run = Simulation::new(scenario.clone(), seed).and_then(Simulation::run_and_audit);
    match run {
        Ok((outcome, report)) => (outcome, report.unwrap()),
        Err(failure) => {
            let again = Simulation::new(scenario, seed).unwrap().recorded().run().unwrap_err();
            panic!("{}\nseed {seed}: {failure}", last_steps(&again.steps, 200));
        }
    }
}

/// Returns faults for five seconds: a network that loses and reorders, and nodes that die.
pub fn troubled() -> Faults {
    Faults {
        delay: 40,
        drop: 10,
        duplicate: 20,
        reorder: 20,
        disconnect: 5,
        notice: 1_000,
        node_crash: 5,
        coordinator_crash: 5,
        downtime: 500,
        batch: 4,
        durable_first: true,
        skew: 500,
        heal: 5_000,
        ..Faults::none()
    }
}

/// The members that the aborts in a log name, by reason.
#[derive(Debug, Default)]
pub struct Named {
    /// The members that cheated.
    pub culprits: BTreeSet<AccountName>,
    /// The members that contradicted the log.
    pub dissenters: BTreeSet<AccountName>,
    /// The members that sessions waited for.
    pub missing: BTreeSet<AccountName>,
    /// What the culprits did, according to the auditor.
    pub faults: Vec<String>,
}

impl Named {
    /// Records an abort. Returns whether the session failed. A session that people cancelled names
    /// nobody.
    pub fn note(&mut self, reason: &AbortReason, blame: &[Blame]) -> bool {
        self.faults.extend(blame.iter().map(|blame| blame.fault.to_string()));
        match reason {
            AbortReason::Fault { culprits } => self.culprits.extend(culprits.clone()),
            AbortReason::Dissent { dissenters } => self.dissenters.extend(dissenters.clone()),
            AbortReason::TimedOut { missing: late } | AbortReason::Restarted { nodes: late } => {
                self.missing.extend(late.clone());
            }
            AbortReason::RosterChanged { .. } | AbortReason::Cancelled => return false,
        }
        true
    }
}

/// Whether a text is or begins with this pattern, in which "…" stands for anything.
pub fn is_like(text: &str, pattern: &str) -> bool {
    let (before, after) = pattern.split_once('…').unwrap_or((pattern, ""));
    text.starts_with(before) && text.ends_with(after)
}
