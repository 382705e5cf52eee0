//! The catalogue of what malicious members can do, and what comes of it.
//!
//! Each line of it runs whole IVNs with fewer than `min_signers` doubles: 2 of 2, 2 of 3 and 3 of 5, in a perfect world
//! and on a network that loses and reorders, with nodes that die. All invariants are checked after every step, and the
//! log is audited offline at the end; what a line adds is the outcome that the attack must have.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::audit::{AuditReport, SessionOutcome, SignatureReport, Standing, Verdict};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::policy::Policy;
use quorate_testkit::catalogue::{self, Named, troubled};
use quorate_testkit::invariants::Invariant;
use quorate_testkit::{Faults, Mischief, PlannedRequest, Sabotage, Scenario, Simulation, Vote};

/// What must come of an attack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// Nothing: the key is made and used, with the attacker.
    Nothing,
    /// The log proves who it was, and that it did this: it is named as a culprit, and the others go on without it.
    Blame(&'static str),
    /// The attacker contradicts the log in its own signed words: it is named as a dissenter, and left out.
    Dissent,
    /// The attacker is as good as absent: nobody is blamed, sessions end for lack of it, and it is left out.
    Absence,
    /// The attacker has a share, and the others sign without it.
    Spare,
}

/// How many malicious members there are in which group.
const GROUPS: [(u16, u16, &[usize]); 2] = [(2, 3, &[1]), (3, 5, &[2, 4])];

const NAMES: [&str; 5] = ["ada", "ben", "cyd", "dot", "eve"];

fn names(indices: &[usize]) -> BTreeSet<AccountName> {
    indices.iter().map(|index| NAMES[*index].parse().unwrap()).collect()
}

/// Everybody consents to two requests. A third has the consent of its requester alone.
fn scenario(
    mischief: Mischief,
    (min_signers, members, attackers): (u16, u16, &[usize]),
) -> Scenario {
    let votes = |vote| vec![vote; usize::from(members)];
    let wanted = PlannedRequest { by: 0, at: 0, votes: votes(Vote::Approve) };
    let later = PlannedRequest { at: 3_000, ..wanted.clone() };
    let unwanted = PlannedRequest { by: 0, at: 0, votes: votes(Vote::Ignore) };
    Scenario {
        policy: Policy::for_min_signers(min_signers),
        admitted: true,
        mischief: attackers.iter().map(|index| (*index, mischief)).collect(),
        requests: vec![wanted, later, unwanted],
        ..Scenario::calm(min_signers, members)
    }
}

/// What an auditor finds in a run's log.
fn audited(scenario: Scenario, seed: u64) -> AuditReport {
    catalogue::audited(scenario, seed).1
}

/// Whom the aborts in a log name.
fn named_by(report: &AuditReport) -> Named {
    let mut named = Named::default();
    for session in report.groups.iter().flat_map(|group| &group.sessions) {
        if let SessionOutcome::Aborted { reason, blame, .. } = &session.outcome {
            named.note(reason, blame);
        }
    }
    named
}

/// Two requests are signed, and the one that nobody wanted is not.
fn signs_what_was_approved(report: &AuditReport) {
    let standings: Vec<_> = report
        .requests
        .iter()
        .filter(|request| request.requester.as_str() == "ada")
        .map(|request| &request.standing)
        .collect();
    let count = |standing: Standing| standings.iter().filter(|s| ***s == standing).count();
    assert_eq!((count(Standing::Signed), count(Standing::Open)), (2, 1), "{standings:?}");
}

/// What does not fit, if a run did not have this outcome.
fn refute(report: &AuditReport, outcome: Outcome, attackers: &[usize]) -> Option<String> {
    let attackers = names(attackers);
    let nobody = BTreeSet::new();
    let named = named_by(report);
    let (culprits, dissenters, missing) = match outcome {
        Outcome::Blame(_) => (&attackers, &nobody, None),
        Outcome::Dissent => (&nobody, &attackers, None),
        Outcome::Absence => (&nobody, &nobody, Some(&attackers)),
        Outcome::Nothing => (&nobody, &nobody, Some(&nobody)),
        Outcome::Spare => (&nobody, &nobody, None),
    };
    if (&named.culprits, &named.dissenters) != (culprits, dissenters) {
        return Some(format!("blamed are {:?}, dissent {:?}", named.culprits, named.dissenters));
    }
    if missing.is_some_and(|missing| *missing != named.missing) {
        return Some(format!("missing were {:?}", named.missing));
    }
    if let Outcome::Blame(did) = outcome
        && let Some(other) = named.faults.iter().find(|fault| !fault.starts_with(did))
    {
        return Some(format!("what is proved is: {other}"));
    }
    let stays = matches!(outcome, Outcome::Nothing | Outcome::Spare);
    let inside: BTreeSet<_> =
        report.groups[0].members.iter().filter(|name| attackers.contains(*name)).cloned().collect();
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

/// Runs an attack in every group and world.
fn attack(mischief: Mischief, outcome: Outcome) {
    for group in GROUPS {
        for seed in 1..=2 {
            let report = audited(scenario(mischief, group), seed);
            signs_what_was_approved(&report);
            assert_eq!(refute(&report, outcome, group.2), None, "{group:?}, seed {seed}");
        }
        let faults = troubled();
        let report = audited(Scenario { faults, ..scenario(mischief, group) }, 3);
        signs_what_was_approved(&report);
    }
    // Who is left when one of two cheats can only say so.
    if matches!(outcome, Outcome::Blame(_) | Outcome::Dissent | Outcome::Absence) {
        let report = audited(scenario(mischief, (2, 2, &[1])), 1);
        let Named { culprits, dissenters, missing, .. } = named_by(&report);
        let named: BTreeSet<_> = culprits.into_iter().chain(dissenters).chain(missing).collect();
        assert_eq!(named, names(&[1]));
        assert_eq!(report.groups[0].verifying_key, None);
    }
}

macro_rules! catalogue {
    ($($name:ident: $mischief:ident => $outcome:ident $(($did:literal))?)*) => {
        $(
            #[test]
            fn $name() {
                attack(Mischief::$mischief, Outcome::$outcome $(($did))?);
            }
        )*

        #[test]
        fn the_catalogue_has_every_kind_of_mischief() {
            let listed = BTreeSet::from([$(Mischief::$mischief),*]);
            assert_eq!(listed, Mischief::ALL.into_iter().collect());
        }
    };
}

catalogue! {
    // Key generation, round by round.
    a_double_that_deals_by_the_book_makes_a_key_with_the_others: ByTheBook => Spare
    a_first_message_that_is_none_is_blamed: GarbageCommit => Blame("sent a malformed message")
    a_polynomial_of_a_higher_degree_is_blamed: HigherDegree => Blame("committed to")
    a_polynomial_of_a_lower_degree_is_blamed: LowerDegree => Blame("committed to")
    a_dealing_that_does_not_match_its_hash_is_blamed: OtherDealing => Blame("revealed something else")
    a_bad_proof_of_possession_is_blamed: WrongProof => Blame("sent an invalid proof of knowledge")
    a_copied_commitment_is_blamed: CopiedCommitment => Blame("revealed something else")
    a_replay_of_anothers_proof_is_blamed: ReplayedProof => Blame("sent an invalid proof of knowledge")
    a_rogue_key_is_blamed: RogueKey => Blame("revealed something else")
    a_wrong_sub_share_to_one_is_blamed: WrongSubShareToOne => Blame("sent a wrong sub-share")
    wrong_sub_shares_to_all_are_blamed: WrongSubShareToAll => Blame("sent a wrong sub-share")
    a_sub_share_that_can_not_be_decrypted_is_blamed: SealedGarbage => Blame("sent a wrong sub-share")
    a_false_complaint_is_blamed: FalseComplaint => Blame("complained about 1 without a reason")
    a_complaint_with_a_forged_proof_is_blamed: ForgedComplaint => Blame("complained about 1 with an invalid proof")
    two_commitments_in_one_slot_are_blamed: TwoCommits => Blame("sent two different messages")
    two_reveals_in_one_slot_are_blamed: TwoReveals => Blame("sent two different messages")
    silence_in_round_1_ends_the_session_and_blames_nobody: SilentInCommit => Absence
    silence_in_round_2_ends_the_session_and_blames_nobody: SilentInReveal => Absence
    silence_in_round_3_ends_the_session_and_blames_nobody: SilentInVerdict => Absence
    a_reveal_for_another_log_counts_as_silence: OtherView => Absence
    messages_of_the_session_before_count_as_silence: LastSessionsMessages => Absence
    messages_of_an_earlier_process_count_as_silence: EarlierProcess => Absence
    a_node_that_restarts_for_ever_is_left_out: RestartForEver => Absence

    // Certification.
    a_withheld_certification_ends_the_session_and_blames_nobody: WithholdCertification => Absence
    a_certification_after_the_end_counts_for_nothing: CertifyLate => Absence
    a_certification_of_another_key_is_dissent: CertifyAnotherKey => Dissent
    a_second_certification_counts_for_nothing: CertifyTwice => Nothing

    // Signing.
    commitments_that_are_withheld_after_being_selected_stop_nobody: Silence => Spare
    a_share_that_is_withheld_stops_nobody: Stall => Spare
    declining_for_ever_stops_nobody: Decline => Spare
    hanging_up_whenever_chosen_stops_nobody: HangUp => Spare
    a_garbage_share_stops_nobody: Garbage => Spare
    a_share_that_is_no_scalar_stops_nobody: NoScalar => Spare
    a_share_that_another_key_signed_stops_nobody: SignedByNobody => Spare
    a_share_of_another_message_stops_nobody: ShareOfOtherMessage => Spare
    a_share_of_another_session_stops_nobody: ShareOfOtherSession => Spare
    commitments_of_another_session_stop_nobody: ReplayedCommitments => Spare
    a_share_of_a_stale_epoch_stops_nobody: StaleShare => Spare
    replayed_shares_do_nothing: ReplayedShares => Nothing
    reused_commitments_harm_only_who_reuses_them: ReusedCommitments => Nothing
    two_commitments_in_one_signing_session_do_nothing: TwoCommitments => Nothing

    // Statements, and too much of everything.
    an_approval_forged_in_anothers_name_approves_nothing: ForgedApproval => Nothing
    an_approval_of_another_request_approves_nothing: MovedApproval => Nothing
    a_refusal_forged_in_anothers_name_refuses_nothing: ForgedRefusal => Nothing
    an_approval_of_no_request_approves_nothing: ApprovalOfNothing => Nothing
    messages_of_unknown_sessions_do_nothing: UnknownSessions => Nothing
    oversized_messages_stop_nobody: Oversized => Nothing
    a_flood_of_messages_stops_nobody: Flood => Nothing
}

/// Two who attack in different ways at once: what one does must not hide or excuse the other.
#[test]
fn attackers_of_different_kinds_stop_nobody_and_frame_nobody() {
    let pairs = [
        (Mischief::WrongSubShareToOne, Mischief::FalseComplaint),
        (Mischief::ForgedComplaint, Mischief::SilentInVerdict),
        (Mischief::ReplayedProof, Mischief::RestartForEver),
        (Mischief::TwoReveals, Mischief::CertifyAnotherKey),
        (Mischief::Garbage, Mischief::HangUp),
        (Mischief::Flood, Mischief::Stall),
        (Mischief::StaleShare, Mischief::Oversized),
    ];
    for (one, other) in pairs {
        for faults in [Faults::none(), troubled()] {
            let mischief = BTreeMap::from([(2, one), (4, other)]);
            let report = audited(Scenario { mischief, faults, ..scenario(one, GROUPS[1]) }, 4);
            signs_what_was_approved(&report);
        }
    }
}

#[test]
fn an_auditor_says_to_whom_it_was_done() {
    for mischief in
        [Mischief::WrongSubShareToOne, Mischief::FalseComplaint, Mischief::ForgedComplaint]
    {
        let report = audited(small(mischief), 1);
        let sessions = report.groups[0].sessions.iter();
        let blame = sessions.filter_map(|session| match &session.outcome {
            SessionOutcome::Aborted { blame, .. } => blame.first(),
            _ => None,
        });
        let pairs: Vec<_> = blame.map(|blame| (&blame.account, blame.against.as_ref())).collect();
        let (ada, ben) = ("ada".parse().unwrap(), "ben".parse().unwrap());
        assert_eq!(pairs, [(&ben, Some(&ada))], "{mischief:?}");
    }
}

/// The outcome of an attack in a group of three.
fn small(mischief: Mischief) -> Scenario {
    scenario(mischief, GROUPS[0])
}

#[test]
fn each_outcome_is_refuted_by_what_comes_of_the_other_attacks() {
    let blame = Outcome::Blame("sent a wrong sub-share");
    let samples = [
        (Mischief::WrongSubShareToOne, blame),
        (Mischief::CertifyAnotherKey, Outcome::Dissent),
        (Mischief::SilentInReveal, Outcome::Absence),
        (Mischief::Garbage, Outcome::Spare),
    ];
    for (mischief, outcome) in samples {
        let report = audited(small(mischief), 1);
        for (_, other) in samples {
            let refuted = refute(&report, other, &[1]).is_some();
            assert_eq!(refuted, other != outcome, "{mischief:?} as {other:?}");
        }
        let other_fault = Outcome::Blame("sent an invalid proof of knowledge");
        assert!(refute(&report, other_fault, &[1]).is_some(), "{mischief:?}");
        assert!(refute(&report, outcome, &[2]).is_some(), "{mischief:?} by somebody else");
    }
}

/// An engine that never complains would not show in runs in which nobody cheats.
#[test]
fn members_who_never_complain_are_seen() {
    Simulation::new(small(Mischief::ByTheBook), 1)
        .unwrap()
        .with(Sabotage::Complacent)
        .run()
        .unwrap();
    // The victim finds that it has no share, and says nothing: nobody knows who cheated, and there is never a key.
    let run = Simulation::new(small(Mischief::WrongSubShareToOne), 1).unwrap();
    let failure = run.with(Sabotage::Complacent).run().unwrap_err();
    assert_eq!(failure.violation.invariant, Invariant::L1);
}

#[test]
fn an_innocent_member_that_is_blamed_beside_a_guilty_one_is_seen() {
    let run = Simulation::new(small(Mischief::SilentInVerdict), 1).unwrap();
    let failure = run.with(Sabotage::Rubbish).run().unwrap_err();
    assert_eq!(failure.violation.invariant, Invariant::S6);
}

#[test]
fn a_second_share_of_an_honest_nonce_pair_is_seen_beside_a_member_that_reuses_its_own() {
    let run = Simulation::new(small(Mischief::ReusedCommitments), 1).unwrap();
    let failure = run.with(Sabotage::SecondShare).run().unwrap_err();
    assert_eq!(failure.violation.invariant, Invariant::S1);
}

#[test]
fn signing_that_never_completes_is_seen_beside_a_member_that_stalls() {
    let run = Simulation::new(small(Mischief::Stall), 1).unwrap();
    let failure = run.with(Sabotage::LosePackages).run().unwrap_err();
    assert_eq!(failure.violation.invariant, Invariant::L1);
}

#[test]
fn an_auditor_sees_whose_nonces_were_reused_and_the_signatures_stay_good() {
    // Whether ben signs twice is up to who is faster: not in every run.
    let reports = (1..=20).map(|seed| audited(small(Mischief::ReusedCommitments), seed));
    let report = reports.into_iter().find(|report| !report.reused_nonces.is_empty()).unwrap();
    let theirs: BTreeSet<_> = report.reused_nonces.iter().map(|r| r.account.clone()).collect();
    assert_eq!(theirs, names(&[1]));
    assert!(audited(small(Mischief::ReplayedShares), 1).reused_nonces.is_empty());
}

/// What an account may state without end is bounded, whatever it sends.
#[test]
fn a_flood_fills_the_log_no_faster_than_one_entry_in_a_second() {
    let run = Simulation::new(small(Mischief::Flood), 1).unwrap();
    let (outcome, report) = run.run_and_audit().unwrap();
    let report = report.unwrap();
    let unbounded = ["node-started", "request"].map(|kind| report.kinds[kind]);
    // What the simulated coordinator takes at once, and the honest ones' starts and requests.
    let most = 100 + outcome.milliseconds / 1_000 + 10;
    assert!(unbounded.iter().sum::<u64>() <= most, "{unbounded:?} after {outcome:?}");
    assert!(unbounded.iter().sum::<u64>() > 100, "{unbounded:?}: there was no flood");
}
