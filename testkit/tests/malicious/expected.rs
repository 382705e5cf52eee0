//! The outcome that a log must show: how its sessions ended, and which members it names.

use std::collections::BTreeSet;

use quorate_ceremony::audit::{AuditReport, SessionOutcome, SessionReport};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::RequestStage;
use quorate_testkit::Scenario;
use quorate_testkit::catalogue::{self, Named, Outcome, is_like};

/// Returns the auditor's report on the log of a run.
pub(crate) fn audited(scenario: Scenario, seed: u64) -> AuditReport {
    catalogue::audited(scenario, seed).1
}

/// How the sessions of a log ended.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The members that aborts name, and why.
    pub(crate) named: Named,
    /// How many were aborted, not counting those that people cancelled.
    pub(crate) aborted: usize,
    pub(crate) running: usize,
    /// The members whose shares were repaired.
    pub(crate) repaired: Vec<AccountName>,
    /// The index of the last end in the log.
    pub(crate) last: u64,
}

impl Ends {
    pub(crate) fn of(report: &AuditReport, is_meant: impl Fn(&SessionReport) -> bool) -> Self {
        let mut ends = Self::default();
        let sessions = report.groups.iter().flat_map(|group| &group.sessions);
        for session in sessions.filter(|session| is_meant(session)) {
            match &session.outcome {
                SessionOutcome::Running => ends.running += 1,
                SessionOutcome::Key { index, .. } => ends.last = *index,
                SessionOutcome::Repaired { index, account } => {
                    ends.repaired.push(account.clone());
                    ends.last = *index;
                }
                SessionOutcome::Aborted { index, reason, blame } => {
                    ends.aborted += usize::from(ends.named.note(reason, blame));
                    ends.last = *index;
                }
            }
        }
        ends
    }

    pub(crate) fn all_named(&self) -> BTreeSet<AccountName> {
        let Named { culprits, dissenters, missing, .. } = &self.named;
        [culprits, dissenters, missing].into_iter().flatten().cloned().collect()
    }

    /// Returns the members that the log blames.
    pub(crate) fn accused(&self) -> BTreeSet<AccountName> {
        &self.named.culprits | &self.named.dissenters
    }

    /// Returns what differs, if the log does not name the attackers as this outcome requires.
    /// Ignores the members that sessions waited for.
    pub(crate) fn misfit(
        &self,
        outcome: Outcome,
        attackers: &BTreeSet<AccountName>,
    ) -> Option<String> {
        let nobody = BTreeSet::new();
        let Named { culprits, dissenters, faults, .. } = &self.named;
        let (guilty, dissenting) = match outcome {
            Outcome::Blame(_) => (attackers, &nobody),
            Outcome::Dissent => (&nobody, attackers),
            _ => (&nobody, &nobody),
        };
        if (culprits, dissenters) != (guilty, dissenting) {
            return Some(format!("blamed are {culprits:?}, dissent {dissenters:?}"));
        }
        if let Outcome::Blame(did) = outcome
            && (faults.is_empty() || !faults.iter().all(|fault| is_like(fault, did)))
        {
            return Some(format!("what is proved is: {faults:?}"));
        }
        None
    }
}

/// Returns how many requests are signed.
pub(crate) fn signed(report: &AuditReport) -> usize {
    report.requests.iter().filter(|request| request.standing == RequestStage::Signed).count()
}
