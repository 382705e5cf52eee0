//! Attacks on reshares by members that deal and stay, deal and leave, or join.
//!
//! The last request is signed with the new shares or, if the change was abandoned, with the old
//! ones.

use std::collections::BTreeSet;

use quorate_ceremony::audit::{AuditReport, Verdict};
use quorate_testkit::catalogue::{Outcome, Row, Who, troubled};
use quorate_testkit::{Attack, Ceremony, Certify, Round, Scenario, Slip, To};

use crate::expected::{Ends, audited, signed};
use crate::setting::{Change, Setting, name, names};

const STAYS: Setting = Setting::new((2, 2), &[1]).reshares(2, &[0, 1, 2]).needed();
const LEAVES: Setting = Setting::new((2, 2), &[1]).reshares(2, &[0, 2, 3]).needed();
const JOINS: Setting = Setting::new((2, 2), &[2]).reshares(2, &[0, 1, 2]);
pub(crate) const STAYS_WITH_OTHERS: Setting =
    Setting::new((2, 3), &[1]).reshares(3, &[0, 1, 2, 3, 4]);
const LEAVES_OTHERS: Setting = Setting::new((2, 3), &[1]).reshares(2, &[0, 2, 3]);

const SEEDS: u64 = 2;

fn settings(who: Who) -> &'static [Setting] {
    match who {
        Who::Dealer => &[STAYS, LEAVES, STAYS_WITH_OTHERS, LEAVES_OTHERS],
        Who::StayingDealer => &[STAYS, STAYS_WITH_OTHERS],
        Who::Recipient => &[STAYS, JOINS, STAYS_WITH_OTHERS],
        other => panic!("{other:?}"),
    }
}

/// Returns how the sessions after the first epoch ended.
pub(crate) fn ends(report: &AuditReport) -> Ends {
    Ends::of(report, |session| session.epoch > 1)
}

/// Whether the attack had an effect. Panics if the effect was not the expected one.
fn is_hit(ends: &Ends, attacker: usize, outcome: Outcome) -> bool {
    if ends.aborted == 0 {
        return false;
    }
    let attacker = names(&[attacker]);
    assert_eq!(ends.misfit(outcome, &attacker), None, "{ends:?}");
    // While a session waits for dealings, it names all members that could deal.
    let missing = &ends.named.missing;
    match outcome {
        Outcome::Absence => assert!(attacker.is_subset(missing), "{ends:?}"),
        _ => assert!(missing.is_empty(), "{ends:?}"),
    }
    true
}

/// Runs an attack once. Returns whether it had an effect.
fn plays(row: &Row, setting: Setting, proposals: usize, seed: u64) -> bool {
    let Change::Reshare(_, members) = setting.change else { panic!("{setting:?}") };
    // Silence takes time to notice, and has to happen twice.
    let late = if row.outcome == Outcome::Absence { 90_000 } else { 20_000 };
    let scenario = setting.scenario(row.attack, [3_000, late]);
    let report = audited(Scenario { proposals, ..scenario }, seed);
    assert_ne!(report.verdict, Verdict::Failed, "{:?}", report.faults);
    let ends = ends(&report);
    let hit = is_hit(&ends, setting.attacker(), row.outcome);
    let what = format!("{row:?}, {setting:?}, {proposals} proposals, seed {seed}: {report:?}");

    // All requests are signed, the last of them after all sessions.
    assert_eq!(signed(&report), 3, "{what}");
    assert!(ends.last < report.signatures.last().unwrap().index, "{what}");

    // The change is in force if the others could carry it out and try again.
    let group = &report.groups[0];
    let refreshed = u64::from(row.attack.slip == Slip::OlderShare);
    let gets_a_share = members.contains(&setting.attacker());
    let given_up = hit && (setting.is_needed || gets_a_share && proposals == 1);
    assert_eq!(group.epoch, Some(1 + refreshed + u64::from(!given_up)), "{what}");
    if !given_up {
        let mut members = names(members);
        if hit {
            members.remove(&name(setting.attacker()));
        }
        assert_eq!(group.members.iter().cloned().collect::<BTreeSet<_>>(), members, "{what}");
    }
    hit
}

/// Plays a row in all its settings, with several orders of messages.
pub(crate) fn attack(row: &Row) {
    for setting in settings(row.who) {
        // Without a needed dealing, the group cannot change.
        let proposals = if setting.is_needed { 1..=1 } else { 1..=2 };
        for proposals in proposals {
            let hits = (1..=SEEDS).filter(|seed| plays(row, *setting, proposals, *seed));
            let hits = hits.count() as u64;
            // Other dealers may be faster. All other rounds wait for the attacker.
            let always = setting.is_needed || !row.attack.slip.is_in_dealing();
            let (least, most) = match row.outcome {
                Outcome::Nothing => (0, 0),
                _ => (if always { SEEDS } else { 0 }, SEEDS),
            };
            assert!((least..=most).contains(&hits), "{row:?}, {setting:?}: {hits} hits");
        }
    }
}

/// On a network that loses and reorders, with nodes that die, no innocent member is named, nothing
/// is lost, and all requests are signed.
#[test]
fn no_attack_on_a_reshare_gains_from_a_bad_network() {
    let attacks = [
        (Slip::ZeroShareOfAnother, LEAVES_OTHERS),
        (Slip::ZeroShareOfItself, STAYS_WITH_OTHERS),
        (Slip::WrongPart(To::One), STAYS_WITH_OTHERS),
        (Slip::FalseComplaint, JOINS),
        (Slip::Certify(Certify::Another), JOINS),
        (Slip::Silent(Round::Verdict), STAYS_WITH_OTHERS),
        (Slip::RestartForever, JOINS),
        (Slip::Twice(Round::Deal), LEAVES_OTHERS),
    ];
    for (slip, setting) in attacks {
        let attack = Attack { ceremony: Ceremony::Reshare, slip };
        let scenario = setting.scenario(attack, [3_000, 90_000]);
        let scenario = Scenario { faults: troubled(), proposals: 3, ..scenario };
        let report = audited(scenario, 4);
        let ends = ends(&report);
        assert!(ends.accused().is_subset(&names(setting.attackers)), "{slip:?}: {ends:?}");
        assert_eq!(signed(&report), 3, "{slip:?}");
    }
}
