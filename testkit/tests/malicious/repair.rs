//! Attacks on repairs by a helper that is needed, a helper that is not, or the recipient.
//!
//! Enough other helpers always repair the lost share.

use std::collections::BTreeSet;

use quorate_ceremony::audit::{AuditReport, Verdict};
use quorate_ceremony::state::ChangeEnd;
use quorate_testkit::catalogue::{self, ATTACKS, Outcome, Row, Who, is_like, troubled};
use quorate_testkit::{Attack, Ceremony, Certify, Round, Scenario, Slip, To};

use crate::expected::{Ends, audited, signed};
use crate::setting::{Change, Setting, name, names};

const ONE_OF_TWO: Setting = Setting::new((2, 3), &[1]).repairs(2).needed();
const ONE_OF_THREE: Setting = Setting::new((3, 4), &[1]).repairs(3).needed();
const WITH_A_SPARE: Setting = Setting::new((2, 4), &[1]).repairs(3);
const WITH_SPARES: Setting = Setting::new((3, 6), &[2]).repairs(1);
const GETS_IT: Setting = Setting::new((2, 3), &[1]).repairs(1).needed();
const GETS_IT_OF_MORE: Setting = Setting::new((3, 5), &[4]).repairs(4).needed();

fn settings(row: &Row) -> &'static [Setting] {
    match (row.who, row.attack.slip) {
        (Who::Helper, Slip::ByTheBook) => &[ONE_OF_TWO, ONE_OF_THREE, WITH_A_SPARE, WITH_SPARES],
        (Who::Helper, _) => &[ONE_OF_THREE, WITH_A_SPARE],
        (Who::NeededHelper, _) => &[ONE_OF_TWO, ONE_OF_THREE],
        (Who::SpareHelper, _) => &[WITH_A_SPARE, WITH_SPARES],
        (Who::Recipient, Slip::ByTheBook) => &[GETS_IT, GETS_IT_OF_MORE],
        (Who::Recipient, _) => &[GETS_IT],
        other => panic!("{other:?}"),
    }
}

/// Orders of messages to try. A helper that is not needed may be too late in some of them, but not
/// in all.
const SEEDS: u64 = 16;

/// Returns how the sessions that repair a share ended.
pub(crate) fn ends(report: &AuditReport) -> Ends {
    Ends::of(report, |session| session.repairs.is_some())
}

/// Whether the attack had an effect. Panics if the effect was not the expected one.
fn is_hit(ends: &Ends, attacker: usize, outcome: Outcome) -> bool {
    if ends.all_named().is_empty() {
        return false;
    }
    let (attacker, nobody) = (names(&[attacker]), BTreeSet::new());
    assert_eq!(ends.misfit(outcome, &attacker), None, "{ends:?}");
    let missing = if outcome == Outcome::Absence { attacker } else { nobody };
    assert_eq!(ends.named.missing, missing, "{ends:?}");
    true
}

/// Runs an attack once. Returns whether it had an effect, and whether a refusal has the reason of
/// the row.
fn plays(row: &Row, setting: Setting, seed: u64) -> (bool, bool) {
    let Change::Repair(recipient) = setting.change else { panic!("{setting:?}") };
    // Silence takes time to notice, and has to happen twice.
    let late = if row.outcome == Outcome::Absence { 90_000 } else { 20_000 };
    let scenario = setting.scenario(row.attack, [3_000, late]);
    let (played, report) = catalogue::audited(Scenario { proposals: 1, ..scenario }, seed);
    assert_ne!(report.verdict, Verdict::Failed, "{:?}", report.faults);
    let ends = ends(&report);
    let hit = is_hit(&ends, setting.attacker(), row.outcome);
    let what = format!("{row:?}, {setting:?}, seed {seed}: {report:?}");
    assert_eq!(ends.running, 0, "{what}");

    let attacker = name(setting.attacker());
    let mut refusals = played.refusals.iter().filter(|(to, _)| *to == attacker);
    let has_reason = match row.outcome {
        Outcome::Refusal(why) => {
            assert_ne!(refusals.clone().count(), 0, "{what}");
            refusals.any(|(_, text)| is_like(text, why))
        }
        _ => true,
    };

    // All requests are signed, the last of them after all sessions.
    assert_eq!(signed(&report), 2, "{what}");
    assert!(ends.last < report.signatures.last().unwrap().index, "{what}");

    // A member that cheats has no second chance. A needed member against which nothing is proved
    // has one.
    let more = row.outcome == Outcome::Absence && setting.is_needed;
    let fits = if more { ends.aborted > 1 } else { ends.aborted == 1 };
    assert!(!hit || fits, "{what}");

    // The share is repaired unless the attacker can prevent it. Nothing else changes.
    let given_up = hit && setting.is_needed;
    let repaired = (!given_up).then(|| name(recipient));
    assert_eq!(ends.repaired, repaired.into_iter().collect::<Vec<_>>(), "{what}");
    let group = &report.groups[0];
    let [change] = &*group.changes else { panic!("{what}") };
    let is_there = ChangeEnd::Repaired { epoch: 1 };
    assert_eq!(change.end == is_there, !given_up, "{what}");
    assert_eq!(group.epoch, Some(1), "{what}");
    assert_eq!(group.members.len(), usize::from(setting.group.1), "{what}");
    (hit, has_reason)
}

pub(crate) fn attack(row: &Row) {
    // Messages arrive in a different order for each slip.
    let mut slips: Vec<Slip> = Vec::new();
    for other in ATTACKS.iter().filter(|other| other.attack.ceremony == Ceremony::Repair) {
        if !slips.contains(&other.attack.slip) {
            slips.push(other.attack.slip);
        }
    }
    let place = slips.iter().position(|slip| *slip == row.attack.slip).unwrap();
    let first = 100 * place as u64;
    for setting in settings(row) {
        let mut runs = (first..first + SEEDS).map(|seed| plays(row, *setting, seed));
        let what = format!("{row:?}, {setting:?}");
        if matches!(row.outcome, Outcome::Nothing | Outcome::Refusal(_)) {
            // Another reason may come first, but not always.
            let has_reason = runs.any(|(hit, has_reason)| {
                assert!(!hit, "{what}");
                has_reason
            });
            assert!(has_reason, "{what}");
        } else if setting.is_needed {
            assert_eq!(runs.next().map(|(hit, _)| hit), Some(true), "{what}");
        } else {
            // Other helpers may be faster, but not always.
            assert!(runs.any(|(hit, _)| hit), "{what}");
        }
    }
}

/// On a network that loses and reorders, with nodes that die, no innocent member is named, nothing
/// is lost, and all requests are signed.
#[test]
fn no_attack_on_a_repair_gains_from_a_bad_network() {
    let attacks = [
        (Slip::ByTheBook, ONE_OF_THREE),
        (Slip::ByTheBook, GETS_IT_OF_MORE),
        (Slip::WrongPart(To::One), WITH_SPARES),
        (Slip::WrongSum, WITH_A_SPARE),
        (Slip::Twice(Round::Sum), ONE_OF_TWO),
        (Slip::AnothersEphemeralKey, ONE_OF_THREE),
        (Slip::Silent(Round::Deal), WITH_SPARES),
        (Slip::RestartForever, WITH_A_SPARE),
        (Slip::FalseComplaint, GETS_IT),
        (Slip::Certify(Certify::Another), GETS_IT_OF_MORE),
        (Slip::Silent(Round::Verdict), GETS_IT),
    ];
    for (slip, setting) in attacks {
        let Change::Repair(recipient) = setting.change else { panic!("{setting:?}") };
        let attack = Attack { ceremony: Ceremony::Repair, slip };
        let scenario = setting.scenario(attack, [3_000, 90_000]);
        let scenario = Scenario { faults: troubled(), proposals: 3, ..scenario };
        let report = audited(scenario, 4);
        let ends = ends(&report);
        assert!(ends.accused().is_subset(&names(setting.attackers)), "{slip:?}: {ends:?}");
        let is_repaired = slip == Slip::ByTheBook || !setting.is_needed;
        assert!(!is_repaired || ends.repaired == [name(recipient)], "{slip:?}: {ends:?}");
        assert_eq!(signed(&report), 2, "{slip:?}");
    }
}
