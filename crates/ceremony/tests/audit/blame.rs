//! An abort names culprits, and an auditor accepts that only if the signed messages prove it.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::audit::{AuditReport, Blame, Fault, SessionOutcome, Verdict};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{AbortReason, Body, Entry, GroupDefinition};
use quorate_ceremony::names::{AccountName, COORDINATOR, GroupName, SessionId};
use quorate_ceremony::policy::Policy;
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::{Entries, Sessions};
use quorate_protocol::Suite;
use quorate_protocol::keyshare::{self, Run, Step};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{audit, only_fault};
use quorate_ceremony::test_world::{TestLog, name};

/// The offset of the sealed sub-shares in a reveal of two coefficients. The one for the first other
/// participant comes first.
const SEALED: usize = 67 + 2 * 32 + 64 + 2;
/// The offset of the shared point of the first complaint in a verdict.
const SHARED: usize = 35 + 2;

fn group() -> GroupName {
    "late".parse().unwrap()
}

/// A group of ada, ben and cyd whose session has just started.
fn begun() -> (TestLog, SessionId) {
    let mut log = TestLog::of_three();
    log.establishes(GroupDefinition {
        name: group(),
        suite: Suite::FrostEd25519Sha512,
        min_signers: 2,
        members: ["ada", "ben", "cyd"].map(name).to_vec(),
        document_types: BTreeSet::new(),
        policy: Policy::for_min_signers(2),
    });
    let session = log.begins("late", 1);
    (log, session)
}

fn message(log: &mut TestLog, session: SessionId, from: &str, message: Vec<u8>) {
    let incarnation = log.state.account(&name(from)).unwrap().incarnation.unwrap();
    let message = Base64(message);
    log.by(from, Body::CeremonyMessage { session, incarnation, message });
}

/// Continues until the session is decided. `change` may change any message before its sender signs
/// it.
fn play(log: &mut TestLog, session: SessionId, mut change: impl FnMut(&str, &mut Vec<u8>)) {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut runs = BTreeMap::new();
    let mut outbox = Vec::new();
    for member in ["ada", "ben", "cyd"] {
        let state = log.state.group(&group()).unwrap();
        let me = state.identifier(&name(member)).unwrap();
        let parameters = state.session.as_ref().unwrap().board.keyshare().unwrap().parameters();
        let (run, first) = Run::start(parameters, me, &mut rng).unwrap();
        runs.insert(member, run);
        outbox.push((member, first));
    }
    while !outbox.is_empty() {
        for (member, mut bytes) in outbox.drain(..) {
            change(member, &mut bytes);
            if !log.state.group(&group()).unwrap().faults().is_empty() {
                return;
            }
            message(log, session, member, bytes);
        }
        for (member, run) in std::mem::take(&mut runs) {
            let board = &log
                .state
                .group(&group())
                .unwrap()
                .session
                .as_ref()
                .unwrap()
                .board
                .keyshare()
                .unwrap();
            // The sender of a changed message sends nothing more.
            match run.advance(board, &mut rng) {
                Ok(Step::Wait(run)) => drop(runs.insert(member, run)),
                Ok(Step::Send(run, next)) => {
                    runs.insert(member, run);
                    outbox.push((member, next));
                }
                Ok(Step::Done(_) | Step::Left) | Err(_) => {}
            }
        }
    }
}

/// Cyd deals a wrong sub-share to ada, who complains.
fn complained() -> (TestLog, SessionId) {
    let (mut log, session) = begun();
    play(&mut log, session, |from, bytes| {
        if from == "cyd" && bytes[0] == 2 {
            bytes[SEALED] ^= 1;
        }
    });
    (log, session)
}

fn fault(culprits: &[&str]) -> AbortReason {
    AbortReason::Fault { culprits: culprits.iter().map(|culprit| name(culprit)).collect() }
}

/// Logs an abort for this reason, whether the log admits it or not.
fn aborts(log: &mut TestLog, session: SessionId, reason: AbortReason) {
    let entry = log.signed(COORDINATOR, Body::CeremonyAborted { session, reason });
    log.entries.push(entry.to_bytes());
}

fn outcome(report: &AuditReport) -> &SessionOutcome {
    &report.groups[0].sessions[0].outcome
}

#[test]
fn an_auditor_finds_the_dealer_of_a_wrong_sub_share() {
    let (mut log, session) = complained();
    aborts(&mut log, session, fault(&["cyd"]));
    let report = audit(&log);
    assert_ne!(report.verdict, Verdict::Failed);
    let SessionOutcome::Aborted { reason, blame, .. } = outcome(&report) else { panic!() };
    assert_eq!(*reason, fault(&["cyd"]));
    let [Blame { account, fault, against }] = blame.as_slice() else { panic!("{blame:?}") };
    assert_eq!((account, against), (&name("cyd"), &Some(name("ada"))));
    assert!(matches!(fault, keyshare::Fault::WrongSubShare { .. }));
}

#[test]
fn blame_that_the_messages_do_not_show_is_not_believed() {
    let unjustified = [
        fault(&["ada"]),
        fault(&["ben"]),
        fault(&["ada", "cyd"]),
        fault(&[]),
        AbortReason::Dissent { dissenters: BTreeSet::from([name("cyd")]) },
        AbortReason::TimedOut { missing: BTreeSet::from([name("ben")]) },
        AbortReason::Restarted { nodes: BTreeSet::from([name("ben")]) },
        AbortReason::Cancelled,
    ];
    for reason in unjustified {
        let (mut log, session) = complained();
        aborts(&mut log, session, reason.clone());
        let report = audit(&log);
        let Fault::Inadmissible { index, reason: why } = only_fault(&report) else { panic!() };
        assert_eq!(*index, log.entries.len() as u64 - 1, "{reason:?}");
        assert!(
            matches!(
                why,
                Refusal::Sessions(Sessions::AbortReason) | Refusal::Entries(Entries::WrongAuthor)
            ),
            "{reason:?}: {why:?}"
        );
        assert_eq!(outcome(&report), &SessionOutcome::Running, "{reason:?}");
    }
}

#[test]
fn blame_without_the_complaint_is_not_believed() {
    let (mut log, session) = complained();
    let complaint = log.entries.pop().unwrap();
    let statement = Entry::from_bytes(&complaint).unwrap();
    assert!(matches!(statement.statement().body, Body::CeremonyMessage { .. }));
    aborts(&mut log, session, fault(&["cyd"]));
    let report = audit(&log);
    let inadmissible = matches!(
        only_fault(&report),
        Fault::Inadmissible { reason: Refusal::Sessions(Sessions::AbortReason), .. }
    );
    assert!(inadmissible, "{:?}", report.faults);
}

/// With a different shared point every sub-share looks wrong. The proof shows which point is right.
#[test]
fn a_complaint_with_a_forged_opening_convicts_only_its_author() {
    let [framed, convicted] = [["cyd"], ["ada"]].map(|culprits| {
        let (mut log, session) = begun();
        play(&mut log, session, |from, bytes| match (from, bytes[0]) {
            ("cyd", 2) => bytes[SEALED] ^= 1,
            ("ada", 3) => bytes[SHARED] ^= 1,
            _ => {}
        });
        aborts(&mut log, session, fault(&culprits));
        log
    });
    let report = audit(&framed);
    assert!(matches!(
        only_fault(&report),
        Fault::Inadmissible { reason: Refusal::Sessions(Sessions::AbortReason), .. }
    ));

    let report = audit(&convicted);
    let SessionOutcome::Aborted { blame, .. } = outcome(&report) else { panic!() };
    let [Blame { account, fault, against }] = blame.as_slice() else { panic!("{blame:?}") };
    assert_eq!((account, against), (&name("ada"), &Some(name("cyd"))));
    assert!(matches!(fault, keyshare::Fault::WrongComplaint { .. }));
}

#[test]
fn late_members_without_a_message_are_named_and_not_blamed() {
    let names = |list: &[&str]| -> BTreeSet<AccountName> { list.iter().map(|n| name(n)).collect() };
    let timed_out = |missing: BTreeSet<AccountName>| {
        let (mut log, session) = begun();
        let state = log.state.group(&group()).unwrap();
        let parameters = state.session.as_ref().unwrap().board.keyshare().unwrap().parameters();
        let ben = state.identifier(&name("ben")).unwrap();
        let (_, first) = Run::start(parameters, ben, &mut ChaCha20Rng::seed_from_u64(7)).unwrap();
        message(&mut log, session, "ben", first);
        aborts(&mut log, session, AbortReason::TimedOut { missing });
        audit(&log)
    };
    // Neither participants that posted, nor only some of those that did not.
    for missing in [names(&["ben"]), names(&["ada"]), names(&["ada", "ben", "cyd"])] {
        let report = timed_out(missing);
        assert!(matches!(only_fault(&report), Fault::Inadmissible { .. }));
    }
    let report = timed_out(names(&["ada", "cyd"]));
    assert_ne!(report.verdict, Verdict::Failed);
    let SessionOutcome::Aborted { reason, blame, .. } = outcome(&report) else { panic!() };
    assert_eq!(*reason, AbortReason::TimedOut { missing: names(&["ada", "cyd"]) });
    assert!(blame.is_empty());
}
