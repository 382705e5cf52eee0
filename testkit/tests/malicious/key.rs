//! Attacks on key generation, on signing, and on the log.
//!
//! The groups have 2 of 2, 2 of 3 and 3 of 5 members. Each attack runs in a perfect world, and on a
//! network that loses and reorders, with nodes that die.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::audit::{AuditReport, SessionOutcome, SignatureReport, Verdict};
use quorate_ceremony::state::RequestStage;
use quorate_testkit::catalogue::{ATTACKS, Outcome, Row, troubled};
use quorate_testkit::invariants::Invariant;
use quorate_testkit::{
    Attack, Ceremony, Certify, Faults, Round, Sabotage, Scenario, Simulation, Slip, To,
};

use crate::expected::{Ends, audited};
use crate::setting::{Setting, name, names};

/// Two requests are signed in these groups, the later one after the key certainly exists.
const SETTINGS: [Setting; 2] = [Setting::new((2, 3), &[1]), Setting::new((3, 5), &[2, 4])];

fn scenario(setting: Setting, attack: Attack) -> Scenario {
    setting.scenario(attack, [0, 3_000])
}

fn attack_with(slip: Slip) -> Attack {
    let mut attacks = ATTACKS.iter().map(|row| row.attack);
    attacks.find(|attack| attack.slip == slip && is_played_here(*attack)).unwrap()
}

fn is_played_here(attack: Attack) -> bool {
    matches!(attack.ceremony, Ceremony::Dkg | Ceremony::Signing | Ceremony::Log)
}

fn small(slip: Slip) -> Scenario {
    scenario(SETTINGS[0], attack_with(slip))
}

/// Asserts that two requests are signed, and that the one with only its requester's approval is
/// not.
fn signs_what_was_approved(report: &AuditReport) {
    let standings: Vec<_> = report
        .requests
        .iter()
        .filter(|request| request.requester.as_str() == "ada")
        .map(|request| &request.standing)
        .collect();
    let count = |standing: RequestStage| standings.iter().filter(|s| ***s == standing).count();
    assert_eq!((count(RequestStage::Signed), count(RequestStage::Open)), (2, 1), "{standings:?}");
}

/// Returns what differs, if a run did not have this outcome.
fn refute(report: &AuditReport, outcome: Outcome, attackers: &[usize]) -> Option<String> {
    let attackers = names(attackers);
    let nobody = BTreeSet::new();
    let ends = Ends::of(report, |_| true);
    if let Some(misfit) = ends.misfit(outcome, &attackers) {
        return Some(misfit);
    }
    let missing = match outcome {
        Outcome::Absence => Some(&attackers),
        Outcome::Nothing => Some(&nobody),
        _ => None,
    };
    if missing.is_some_and(|missing| *missing != ends.named.missing) {
        return Some(format!("missing were {:?}", ends.named.missing));
    }
    let stays = matches!(outcome, Outcome::Nothing | Outcome::Spare);
    let members = report.groups[0].members.iter();
    let inside: BTreeSet<_> = members.filter(|name| attackers.contains(*name)).cloned().collect();
    if inside != if stays { attackers.clone() } else { nobody } {
        return Some(format!("{inside:?} are still members"));
    }
    let signs = |signature: &SignatureReport| {
        signature.signers.iter().any(|signer| attackers.contains(signer))
    };
    if outcome == Outcome::Spare && report.signatures.iter().any(signs) {
        return Some("an attacker took part in a signature".to_owned());
    }
    (report.verdict == Verdict::Failed).then(|| format!("{:?}", report.faults))
}

/// Plays a row in every group and world.
pub(crate) fn attack(row: &Row) {
    for setting in SETTINGS {
        for seed in 1..=2 {
            let report = audited(scenario(setting, row.attack), seed);
            signs_what_was_approved(&report);
            let refuted = refute(&report, row.outcome, setting.attackers);
            assert_eq!(refuted, None, "{setting:?}, seed {seed}");
        }
        let faults = troubled();
        let report = audited(Scenario { faults, ..scenario(setting, row.attack) }, 3);
        signs_what_was_approved(&report);
    }
    // If one of two members cheats, the other one can only report it.
    if matches!(row.outcome, Outcome::Blame(_) | Outcome::Dissent | Outcome::Absence) {
        let report = audited(scenario(Setting::new((2, 2), &[1]), row.attack), 1);
        assert_eq!(Ends::of(&report, |_| true).all_named(), names(&[1]));
        assert_eq!(report.groups[0].verifying_key, None);
    }
}

/// Two members attack in different ways. Neither attack hides or excuses the other.
#[test]
fn different_attackers_stop_nobody_and_frame_nobody() {
    let pairs = [
        (Slip::WrongPart(To::One), Slip::FalseComplaint),
        (Slip::ForgedComplaint, Slip::Silent(Round::Verdict)),
        (Slip::ReplayedProof, Slip::RestartForever),
        (Slip::Twice(Round::Deal), Slip::Certify(Certify::Another)),
        (Slip::WrongShare, Slip::HangUp),
        (Slip::Flood, Slip::Stall),
        (Slip::StaleShare, Slip::Oversized),
    ];
    for (one, other) in pairs {
        let attacks = BTreeMap::from([(2, vec![attack_with(one)]), (4, vec![attack_with(other)])]);
        for faults in [Faults::none(), troubled()] {
            let scenario = SETTINGS[1].scenario_of(attacks.clone(), [0, 3_000]);
            signs_what_was_approved(&audited(Scenario { faults, ..scenario }, 4));
        }
    }
}

#[test]
fn an_auditor_reports_the_victim() {
    for slip in [Slip::WrongPart(To::One), Slip::FalseComplaint, Slip::ForgedComplaint] {
        let report = audited(small(slip), 1);
        let sessions = report.groups[0].sessions.iter();
        let blame = sessions.filter_map(|session| match &session.outcome {
            SessionOutcome::Aborted { blame, .. } => blame.first(),
            _ => None,
        });
        let pairs: Vec<_> = blame.map(|blame| (&blame.account, blame.against.as_ref())).collect();
        assert_eq!(pairs, [(&name(1), Some(&name(0)))], "{slip:?}");
    }
}

#[test]
fn each_outcome_is_refuted_by_the_runs_of_other_attacks() {
    let blame = Outcome::Blame("sent a wrong sub-share");
    let samples = [
        (Slip::WrongPart(To::One), blame),
        (Slip::Certify(Certify::Another), Outcome::Dissent),
        (Slip::Silent(Round::Deal), Outcome::Absence),
        (Slip::WrongShare, Outcome::Spare),
    ];
    for (slip, outcome) in samples {
        let report = audited(small(slip), 1);
        for (_, other) in samples {
            let refuted = refute(&report, other, &[1]).is_some();
            assert_eq!(refuted, other != outcome, "{slip:?} as {other:?}");
        }
        let other_fault = Outcome::Blame("sent an invalid proof of knowledge");
        assert!(refute(&report, other_fault, &[1]).is_some(), "{slip:?}");
        assert!(refute(&report, outcome, &[2]).is_some(), "{slip:?} by another member");
    }
}

/// Runs in which nobody cheats would not reveal an engine that never complains.
#[test]
fn members_that_never_complain_are_seen() {
    Simulation::new(small(Slip::ByTheBook), 1).unwrap().with(Sabotage::Complacent).run().unwrap();
    // The victim has no share and is silent: nobody knows who cheated, and there is never a key.
    let run = Simulation::new(small(Slip::WrongPart(To::One)), 1).unwrap();
    let failure = run.with(Sabotage::Complacent).run().unwrap_err();
    assert_eq!(failure.violation.invariant, Invariant::L1);
}

#[test]
fn an_innocent_member_blamed_beside_a_guilty_one_is_seen() {
    let run = Simulation::new(small(Slip::Silent(Round::Verdict)), 1).unwrap();
    let failure = run.with(Sabotage::Rubbish).run().unwrap_err();
    assert_eq!(failure.violation.invariant, Invariant::S6);
}

#[test]
fn an_honest_second_share_is_seen_beside_one_of_an_attacker() {
    let run = Simulation::new(small(Slip::ReusedCommitments), 1).unwrap();
    let failure = run.with(Sabotage::SecondShare).run().unwrap_err();
    assert_eq!(failure.violation.invariant, Invariant::S1);
}

#[test]
fn signing_that_never_completes_is_seen_beside_a_stall() {
    let run = Simulation::new(small(Slip::Stall), 1).unwrap();
    let failure = run.with(Sabotage::LosePackages).run().unwrap_err();
    assert_eq!(failure.violation.invariant, Invariant::L1);
}

#[test]
fn an_auditor_sees_reused_nonces_and_the_signatures_are_good() {
    // Ben does not sign twice in every run: it depends on which member is faster.
    let reports = (1..=20).map(|seed| audited(small(Slip::ReusedCommitments), seed));
    let report = reports.into_iter().find(|report| !report.reused_nonces.is_empty()).unwrap();
    let theirs: BTreeSet<_> = report.reused_nonces.iter().map(|r| r.account.clone()).collect();
    assert_eq!(theirs, names(&[1]));
    assert!(audited(small(Slip::ReplayedShares), 1).reused_nonces.is_empty());
}

/// The rate of an account's statements is bounded.
#[test]
fn a_flood_adds_at_most_one_entry_per_second_to_the_log() {
    let run = Simulation::new(small(Slip::Flood), 1).unwrap();
    let (outcome, report) = run.run_and_audit().unwrap();
    let report = report.unwrap();
    let unbounded = ["node-started", "request"].map(|kind| report.kinds[kind]);
    // What the simulated coordinator admits immediately, and the honest starts and requests.
    let most = 100 + outcome.milliseconds / 1_000 + 10;
    assert!(unbounded.iter().sum::<u64>() <= most, "{unbounded:?} after {outcome:?}");
    assert!(unbounded.iter().sum::<u64>() > 100, "{unbounded:?}: there was no flood");
}
