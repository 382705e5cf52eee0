//! Combined attacks, by one member in several ceremonies or by two in one. Each runs in a perfect
//! world, and on a network that loses and reorders, with nodes that die.

use std::collections::BTreeMap;

use quorate_ceremony::audit::{AuditReport, Verdict};
use quorate_testkit::catalogue::troubled;
use quorate_testkit::{Attack, Ceremony, Certify, Faults, Round, Scenario, Slip, To};

use crate::expected::{Ends, audited, signed};
use crate::setting::{Setting, name, names};
use crate::{repair, reshare};

const fn attack(ceremony: Ceremony, slip: Slip) -> Attack {
    Attack { ceremony, slip }
}

const fn dkg(slip: Slip) -> Attack {
    attack(Ceremony::Dkg, slip)
}

const fn in_reshare(slip: Slip) -> Attack {
    attack(Ceremony::Reshare, slip)
}

const fn in_repair(slip: Slip) -> Attack {
    attack(Ceremony::Repair, slip)
}

const fn signing(slip: Slip) -> Attack {
    attack(Ceremony::Signing, slip)
}

/// Plays a run in which the change is proposed up to four times, and returns the report on its log.
/// All requests are signed, and only the attackers are blamed.
fn plays(
    setting: Setting,
    attacks: &BTreeMap<usize, Vec<Attack>>,
    faults: Faults,
    requests: usize,
) -> AuditReport {
    let scenario = setting.scenario_of(attacks.clone(), [3_000, 90_000]);
    let report = audited(Scenario { faults, proposals: 4, ..scenario }, 5);
    assert_ne!(report.verdict, Verdict::Failed, "{:?}", report.faults);
    let ends = Ends::of(&report, |_| true);
    let attackers = attacks.keys().copied().collect::<Vec<_>>();
    assert!(ends.accused().is_subset(&names(&attackers)), "{attacks:?}: {ends:?}");
    assert_eq!(signed(&report), requests, "{attacks:?}: {report:?}");
    report
}

/// A member that was left out of the group for its attack on the key generation joins the group
/// later, and attacks the reshare that gives it a share.
#[test]
fn a_member_that_cheats_in_both_key_ceremonies_is_blamed_twice() {
    const LATER: Setting = Setting::new((2, 3), &[1]).reshares(2, &[0, 1, 2, 3]);
    let pairs = [
        (Slip::WrongPart(To::One), Slip::FalseComplaint),
        (Slip::FalseComplaint, Slip::Twice(Round::First)),
        (Slip::Twice(Round::Deal), Slip::ForgedComplaint),
        (Slip::Certify(Certify::Another), Slip::Certify(Certify::Another)),
    ];
    for (first, then) in pairs {
        let attacks = BTreeMap::from([(1, vec![dkg(first), in_reshare(then)])]);
        for faults in [Faults::none(), troubled()] {
            let report = plays(LATER, &attacks, faults.clone(), 3);
            if faults != Faults::none() {
                continue;
            }
            let in_dkg = Ends::of(&report, |session| session.epoch == 1);
            let ends = [in_dkg, reshare::ends(&report)];
            assert!(ends.iter().all(|ends| ends.accused() == names(&[1])), "{first:?}: {ends:?}");
            let group = &report.groups[0];
            assert_eq!(group.epoch, Some(2), "{first:?}, {then:?}");
            assert!(!group.members.contains(&name(1)), "{first:?}, {then:?}");
        }
    }
}

/// A member whose attack on the key generation has no effect keeps its share, and deals with it.
#[test]
fn a_member_whose_first_attack_fails_is_blamed_in_the_reshare() {
    let slips = [
        Slip::WrongPart(To::One),
        Slip::Twice(Round::Deal),
        Slip::FalseComplaint,
        Slip::Certify(Certify::Another),
    ];
    for slip in slips {
        let attacks = vec![dkg(Slip::Certify(Certify::Twice)), in_reshare(slip)];
        let attacks = BTreeMap::from([(1, attacks)]);
        for faults in [Faults::none(), troubled()] {
            let report = plays(reshare::STAYS_WITH_OTHERS, &attacks, faults.clone(), 3);
            assert_eq!(report.groups[0].epoch, Some(2), "{slip:?}");
            // In a perfect world, all rounds except that of the dealings wait for the attacker.
            let ends = reshare::ends(&report);
            if faults == Faults::none() && !slip.is_in_dealing() {
                assert_eq!(ends.accused(), names(&[1]), "{slip:?}: {ends:?}");
            }
        }
    }
}

/// A signer that cheats while the group changes stops neither the requests nor the activation of
/// the new shares, even if it also cheats in the reshare.
#[test]
fn a_signer_that_cheats_while_a_reshare_runs_stops_nobody() {
    let slips = [
        Slip::Silence,
        Slip::Stall,
        Slip::HangUp,
        Slip::WrongShare,
        Slip::SignedByNobody,
        Slip::ShareOfOtherSession,
        Slip::ReplayedShares,
        Slip::ReusedCommitments,
        Slip::TwoCommitments,
    ];
    for slip in slips {
        for faults in [Faults::none(), troubled()] {
            let attacks = BTreeMap::from([(1, vec![signing(slip)])]);
            let report = plays(reshare::STAYS_WITH_OTHERS, &attacks, faults.clone(), 3);
            let group = &report.groups[0];
            assert_eq!(group.epoch, Some(2), "{slip:?}");
            if faults == Faults::none() {
                assert_eq!(group.members.len(), 5, "{slip:?}");
            }
        }
    }
    for (slip, then) in [
        (Slip::Stall, Slip::RefuseActivation),
        (Slip::WrongShare, Slip::FalseComplaint),
        (Slip::HangUp, Slip::Certify(Certify::Never)),
    ] {
        let attacks = BTreeMap::from([(1, vec![signing(slip), in_reshare(then)])]);
        for faults in [Faults::none(), troubled()] {
            let report = plays(reshare::STAYS_WITH_OTHERS, &attacks, faults, 3);
            assert_eq!(report.groups[0].epoch, Some(2), "{slip:?}, {then:?}");
        }
    }
}

/// Two helpers that cheat in one repair are both left out, and the others repair the share.
#[test]
fn two_accomplices_in_one_repair_stop_nobody() {
    const BOTH_HELP: Setting = Setting::new((3, 6), &[1, 2]).repairs(5);
    let pairs = [
        (Slip::WrongPart(To::One), Slip::FalseComplaint),
        (Slip::Twice(Round::Sum), Slip::Silent(Round::Deal)),
        (Slip::AnothersEphemeralKey, Slip::WrongSum),
        (Slip::AnothersDealing, Slip::ForgedComplaint),
        (Slip::OtherShare, Slip::RestartForever),
    ];
    for (one, other) in pairs {
        let attacks = BTreeMap::from([(1, vec![in_repair(one)]), (2, vec![in_repair(other)])]);
        for faults in [Faults::none(), troubled()] {
            let report = plays(BOTH_HELP, &attacks, faults, 2);
            let ends = repair::ends(&report);
            assert_eq!(ends.repaired, [name(5)], "{one:?}, {other:?}: {ends:?}");
        }
    }
}

/// A recipient and a helper that cheat together cannot frame another helper or change anything.
#[test]
fn a_recipient_and_a_helper_together_frame_nobody() {
    const BOTH: Setting = Setting::new((3, 5), &[1, 4]).repairs(4);
    let pairs = [
        (Slip::WrongSum, Slip::FalseComplaint),
        (Slip::AnothersSum, Slip::ForgedComplaint),
        (Slip::Silent(Round::Sum), Slip::Certify(Certify::Another)),
    ];
    for (helps, gets) in pairs {
        let attacks = BTreeMap::from([(1, vec![in_repair(helps)]), (4, vec![in_repair(gets)])]);
        for faults in [Faults::none(), troubled()] {
            let report = plays(BOTH, &attacks, faults, 2);
            assert_eq!(report.groups[0].epoch, Some(1), "{helps:?}, {gets:?}");
            assert_eq!(report.groups[0].members.len(), 5, "{helps:?}, {gets:?}");
        }
    }
}
