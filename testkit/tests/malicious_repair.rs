//! The catalogue of what malicious members can do to a repair, and what comes of it.
//!
//! Each line of it runs whole IVNs in which one member does not keep to the rules when a lost share is made again: as a
//! helper that the others can not do without, as one that they can, or as the recipient. All invariants are checked after
//! every step, and the log is audited offline at the end. Whatever the attack is, the lost share is made again if there
//! are enough others to help, and the last request is asked for when all is over, and is signed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::audit::{AuditReport, SessionOutcome, Standing, Verdict};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::policy::Policy;
use quorate_ceremony::state::ChangeEnd;
use quorate_testkit::catalogue::{Named, audited, is_like, troubled};
use quorate_testkit::{PlannedChange, PlannedRequest, RepairMischief, Scenario, Vote};

/// What must come of an attack, where it has an effect at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// None: the share is there again.
    Nothing,
    /// None either: something that the attacker says is not admitted, for this reason; "…" is some name.
    Refusal(&'static str),
    /// The log proves who it was, and that it did this; "…" is whoever it did it to.
    Blame(&'static str),
    /// The attacker contradicts the log in its own signed words.
    Dissent,
    /// A session waits for the attacker, and ends for lack of it; nobody is blamed.
    Absence,
}

/// What the attacker is in the repair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Part {
    /// min_signers and members of the group.
    group: (u16, u16),
    /// Whose share is made again.
    recipient: usize,
    attacker: usize,
}

const ONE_OF_TWO: Part = Part { group: (2, 3), recipient: 2, attacker: 1 };
const ONE_OF_THREE: Part = Part { group: (3, 4), recipient: 3, attacker: 1 };
const WITH_A_SPARE: Part = Part { group: (2, 4), recipient: 3, attacker: 1 };
const WITH_SPARES: Part = Part { group: (3, 6), recipient: 1, attacker: 2 };
const GETS_IT: Part = Part { group: (2, 3), recipient: 1, attacker: 1 };
const GETS_IT_OF_MORE: Part = Part { group: (3, 5), recipient: 4, attacker: 4 };

/// Who helps, and who gets the share.
const ALL_HELPERS: &[Part] = &[ONE_OF_TWO, ONE_OF_THREE, WITH_A_SPARE, WITH_SPARES];
const HELPERS: &[Part] = &[ONE_OF_THREE, WITH_A_SPARE];
const NEEDED_HELPERS: &[Part] = &[ONE_OF_TWO, ONE_OF_THREE];
const SPARE_HELPERS: &[Part] = &[WITH_A_SPARE, WITH_SPARES];
const ALL_RECIPIENTS: &[Part] = &[GETS_IT, GETS_IT_OF_MORE];
const RECIPIENTS: &[Part] = &[GETS_IT];

/// Whoever is not needed may be too late to help, with one order of messages. With one of so many it is not.
const SEEDS: u64 = 16;

const NAMES: [&str; 6] = ["ada", "ben", "cyd", "dot", "eve", "fay"];

fn name(index: usize) -> AccountName {
    NAMES[index].parse().unwrap()
}

impl Part {
    fn gets_it(self) -> bool {
        self.attacker == self.recipient
    }

    /// Whether there is no repair without the attacker.
    fn is_needed(self) -> bool {
        let (min_signers, members) = self.group;
        self.gets_it() || members - 1 == min_signers
    }

    /// The last request is asked for when every session is over.
    fn scenario(self, mischief: RepairMischief, proposals: usize, late: u64) -> Scenario {
        let (min_signers, members) = self.group;
        let votes = vec![Vote::Approve; NAMES.len()];
        let repair = PlannedChange {
            at: 1_500,
            min_signers,
            members: Vec::new(),
            repairs: Some(self.recipient),
        };
        Scenario {
            policy: Policy::for_min_signers(min_signers),
            admitted: true,
            automatic: vec![false; NAMES.len()],
            requests: [3_000, late]
                .map(|at| PlannedRequest { by: 0, at, votes: votes.clone() })
                .to_vec(),
            changes: vec![repair],
            repair_mischief: BTreeMap::from([(self.attacker, mischief)]),
            proposals,
            ..Scenario::calm(min_signers, members)
        }
    }
}

/// How a log's repairs ended: whom their aborts name, and what they name them for.
#[derive(Debug, Default)]
struct Repairs {
    named: Named,
    /// How many were aborted, but for what people called off.
    aborted: usize,
    /// Who has its share again.
    repaired: Vec<AccountName>,
    /// Where the last end is in the log.
    last: u64,
}

impl Repairs {
    fn by(report: &AuditReport) -> Self {
        let mut repairs = Self::default();
        let sessions = report.groups.iter().flat_map(|group| &group.sessions);
        for session in sessions.filter(|session| session.repairs.is_some()) {
            repairs.last = match &session.outcome {
                SessionOutcome::Repaired { index, account } => {
                    repairs.repaired.push(account.clone());
                    *index
                }
                SessionOutcome::Aborted { index, reason, blame } => {
                    repairs.aborted += usize::from(repairs.named.note(reason, blame));
                    *index
                }
                outcome => panic!("{outcome:?}"),
            };
        }
        repairs
    }

    /// Whether the attack had an effect; panics if it had another than it must have.
    fn show(&self, part: Part, outcome: Outcome) -> bool {
        let (attacker, nobody) = (BTreeSet::from([name(part.attacker)]), BTreeSet::new());
        let Named { culprits, dissenters, missing, faults } = &self.named;
        let named = [culprits, dissenters, missing];
        if named == [&nobody; 3] {
            return false;
        }
        let expected = match outcome {
            Outcome::Nothing | Outcome::Refusal(_) => [&nobody; 3],
            Outcome::Blame(_) => [&attacker, &nobody, &nobody],
            Outcome::Dissent => [&nobody, &attacker, &nobody],
            Outcome::Absence => [&nobody, &nobody, &attacker],
        };
        assert_eq!(named, expected, "{self:?}");
        if let Outcome::Blame(did) = outcome {
            let fits = faults.iter().all(|fault| is_like(fault, did));
            assert!(!faults.is_empty() && fits, "{self:?}");
        }
        true
    }
}

/// One run of an attack; whether it had an effect.
fn plays(part: Part, mischief: RepairMischief, outcome: Outcome, seed: u64) -> bool {
    // Silence is noticed after a while, and has to happen twice.
    let late = if outcome == Outcome::Absence { 90_000 } else { 20_000 };
    let (played, report) = audited(part.scenario(mischief, 1, late), seed);
    assert_ne!(report.verdict, Verdict::Failed, "{:?}", report.faults);
    let repairs = Repairs::by(&report);
    let hit = repairs.show(part, outcome);
    let what = format!("{mischief:?}, {part:?}, seed {seed}: {report:?}");

    if let Outcome::Refusal(why) = outcome {
        let is_told =
            |told: &(AccountName, String)| told.0 == name(part.attacker) && is_like(&told.1, why);
        let refusals = &played.refusals;
        assert!(refusals.iter().any(is_told), "{refusals:?}: {what}");
    }

    // All that was asked for is signed, the last of it after all sessions.
    let signed = report.requests.iter().filter(|request| request.standing == Standing::Signed);
    assert_eq!(signed.count(), 2, "{what}");
    assert!(repairs.last < report.signatures.last().unwrap().index, "{what}");

    // Whoever cheats once does so no more. Whoever can not be done without gets another chance if nothing is proved.
    let more = outcome == Outcome::Absence && part.is_needed();
    let fits = if more { repairs.aborted > 1 } else { repairs.aborted == 1 };
    assert!(!hit || fits, "{what}");

    // The share is there again, unless that is up to the attacker. In no case has anything else changed.
    let given_up = hit && part.is_needed();
    let repaired = (!given_up).then(|| name(part.recipient));
    assert_eq!(repairs.repaired, repaired.into_iter().collect::<Vec<_>>(), "{what}");
    let group = &report.groups[0];
    let [change] = &*group.changes else { panic!("{what}") };
    let is_there = ChangeEnd::Repaired { epoch: 1 }.to_string();
    assert_eq!(change.end == is_there, !given_up, "{what}");
    assert_eq!(group.epoch, Some(1), "{what}");
    assert_eq!(group.members.len(), usize::from(part.group.1), "{what}");
    hit
}

/// Plays an attack in all these parts.
fn attack(mischief: RepairMischief, parts: &[Part], outcome: Outcome) {
    for part in parts {
        // Messages come in another order for each kind.
        let first = 100 * mischief as u64;
        let mut hits = (first..first + SEEDS).map(|seed| plays(*part, mischief, outcome, seed));
        let what = format!("{mischief:?}, {part:?}");
        if matches!(outcome, Outcome::Nothing | Outcome::Refusal(_)) {
            assert_eq!(hits.next(), Some(false), "{what}");
        } else if part.is_needed() {
            assert_eq!(hits.next(), Some(true), "{what}");
        } else {
            // Where others can help as well, they may be faster, but not always.
            assert!(hits.any(|hit| hit), "{what}");
        }
    }
}

macro_rules! catalogue {
    ($($test:ident: $mischief:ident by $parts:ident => $outcome:ident $(($did:literal))?)*) => {
        $(
            #[test]
            fn $test() {
                attack(RepairMischief::$mischief, $parts, Outcome::$outcome $(($did))?);
            }
        )*

        #[test]
        fn the_catalogue_has_every_kind_of_mischief() {
            let listed = BTreeSet::from([$(RepairMischief::$mischief),*]);
            assert_eq!(listed, RepairMischief::ALL.into_iter().collect());
        }
    };
}

catalogue! {
    a_double_that_helps_by_the_book_repairs_with_the_others: ByTheBook by ALL_HELPERS => Nothing
    a_double_that_keeps_to_the_book_gets_its_share_back: ByTheBook by ALL_RECIPIENTS => Nothing

    // Round 1.
    a_helpers_announcement_that_is_none_is_blamed: GarbageAnnouncement by HELPERS => Blame("sent a malformed message")
    a_recipients_announcement_that_is_none_is_blamed: GarbageAnnouncement by RECIPIENTS => Blame("sent a malformed message")
    a_helpers_key_that_is_everybodys_is_blamed: IdentityAsKey by HELPERS => Blame("sent an invalid encryption key")
    a_recipients_key_that_is_everybodys_is_blamed: IdentityAsKey by RECIPIENTS => Blame("sent an invalid encryption key")
    a_helper_that_copies_a_key_can_not_add_up: AnothersEncryptionKey by HELPERS => Blame("sent a wrong sum")
    a_recipient_that_copies_a_key_can_prove_nothing: AnothersEncryptionKey by RECIPIENTS => Blame("complained about … with an invalid proof")
    two_announcements_of_a_helper_are_blamed: TwoAnnouncements by HELPERS => Blame("sent two different messages")
    two_announcements_of_the_recipient_are_blamed: TwoAnnouncements by RECIPIENTS => Blame("sent two different messages")
    silence_of_a_needed_helper_blames_nobody: SilentInAnnounce by NEEDED_HELPERS => Absence
    silence_of_a_spare_helper_is_not_even_noticed: SilentInAnnounce by SPARE_HELPERS => Nothing
    silence_of_the_recipient_blames_nobody: SilentInAnnounce by RECIPIENTS => Absence

    // Round 2.
    another_value_than_the_own_share_is_blamed: OtherShare by HELPERS => Blame("split another value than its share")
    a_share_with_the_weight_for_another_is_blamed: OtherWeight by HELPERS => Blame("split another value than its share")
    a_summand_of_zero_is_blamed: ZeroSummand by HELPERS => Blame("committed to a summand with an invalid point")
    commitments_outside_of_the_group_are_blamed: Torsion by HELPERS => Blame("sent a wrong summand")
    a_bad_proof_of_possession_is_blamed: WrongProof by HELPERS => Blame("sent an invalid proof of knowledge")
    an_ephemeral_key_that_is_everybodys_is_blamed: IdentityAsEphemeralKey by HELPERS => Blame("sent an invalid encryption key")
    an_ephemeral_key_that_is_another_helpers_is_blamed: AnothersEphemeralKey by HELPERS => Blame("sent an invalid proof of knowledge")
    anothers_dealing_is_blamed: AnothersDealing by HELPERS => Blame("sent an invalid proof of knowledge")
    a_wrong_summand_to_one_is_blamed: WrongSummandToOne by HELPERS => Blame("sent a wrong summand")
    wrong_summands_to_all_are_blamed: WrongSummandToAll by HELPERS => Blame("sent a wrong summand")
    a_summand_that_can_not_be_decrypted_is_blamed: GarbageSummand by HELPERS => Blame("sent a wrong summand")
    two_dealings_are_blamed: TwoDealings by HELPERS => Blame("sent two different messages")
    silence_instead_of_a_dealing_blames_nobody: SilentInDeal by HELPERS => Absence
    a_dealing_for_another_log_counts_as_silence: OtherView by HELPERS => Absence
    messages_of_the_session_before_count_as_silence: LastSessionsMessages by HELPERS => Absence

    // Round 3.
    a_wrong_sum_is_blamed: WrongSum by HELPERS => Blame("sent a wrong sum")
    a_sum_that_can_not_be_decrypted_is_blamed: GarbageSum by HELPERS => Blame("sent a wrong sum")
    anothers_sum_is_blamed: AnothersSum by HELPERS => Blame("sent a wrong sum")
    two_sums_are_blamed: TwoSums by HELPERS => Blame("sent two different messages")
    silence_instead_of_a_sum_blames_nobody: SilentInSum by HELPERS => Absence
    a_sum_for_another_log_counts_as_silence: OtherViewInSum by HELPERS => Absence
    a_false_complaint_about_a_summand_is_blamed: FalseComplaint by HELPERS => Blame("complained about … without a reason")
    a_complaint_about_a_summand_with_a_forged_proof_is_blamed: ForgedComplaint by HELPERS => Blame("complained about … with an invalid proof")
    a_helpers_complaint_about_nobody_is_blamed: ComplaintAboutNobody by HELPERS => Blame("sent a malformed message")
    a_helpers_complaint_about_itself_is_blamed: ComplaintAboutItself by HELPERS => Blame("sent a malformed message")
    a_verdict_of_a_helper_counts_for_nothing: AnothersRound by HELPERS => Refusal("the message does not fit the protocol at this point")

    // Round 4.
    a_false_complaint_about_a_sum_is_blamed: FalseComplaint by RECIPIENTS => Blame("complained about … without a reason")
    a_complaint_about_a_sum_with_a_forged_proof_is_blamed: ForgedComplaint by RECIPIENTS => Blame("complained about … with an invalid proof")
    a_recipients_complaint_about_nobody_is_blamed: ComplaintAboutNobody by RECIPIENTS => Blame("sent a malformed message")
    a_recipients_complaint_about_itself_is_blamed: ComplaintAboutItself by RECIPIENTS => Blame("sent a malformed message")
    a_complaint_after_the_approval_counts_for_nothing: TwoVerdicts by RECIPIENTS => Refusal("the message does not fit the protocol at this point")
    silence_instead_of_a_verdict_blames_nobody: SilentInVerdict by RECIPIENTS => Absence
    a_verdict_for_another_log_counts_as_silence: OtherView by RECIPIENTS => Absence
    a_dealing_of_the_recipient_counts_for_nothing: AnothersRound by RECIPIENTS => Refusal("the message does not fit the protocol at this point")

    // The node's life, certification.
    an_earlier_process_of_a_needed_helper_counts_as_silence: EarlierProcess by NEEDED_HELPERS => Absence
    an_earlier_process_of_a_spare_helper_changes_nothing: EarlierProcess by SPARE_HELPERS => Refusal("the message comes from an earlier process of this node")
    an_earlier_process_of_the_recipient_counts_as_silence: EarlierProcess by RECIPIENTS => Absence
    a_helper_that_restarts_for_ever_is_done_without_if_it_can_be: RestartForEver by HELPERS => Absence
    a_recipient_that_restarts_for_ever_gets_no_share: RestartForEver by RECIPIENTS => Absence
    a_helpers_certification_counts_for_nothing: CertifyForAnother by HELPERS => Refusal("user account … not authorized: it is not a member of group \"board\"")
    a_withheld_certification_blames_nobody: WithholdCertification by RECIPIENTS => Absence
    a_certification_after_the_end_counts_for_nothing: CertifyLate by RECIPIENTS => Absence
    a_certification_before_the_end_counts_for_nothing: CertifyEarly by RECIPIENTS => Refusal("the ceremony session is not at this step")
    a_certification_of_another_share_is_dissent: CertifyOtherShare by RECIPIENTS => Dissent
    a_second_certification_counts_for_nothing: CertifyTwice by RECIPIENTS => Refusal("this ceremony session is over or was never started")
}

/// On a network that loses and reorders, with nodes that die: nobody innocent is named, nothing is lost, and all that was
/// asked for is signed.
#[test]
fn no_attack_on_a_repair_gains_from_a_bad_network() {
    let attacks = [
        (RepairMischief::ByTheBook, ONE_OF_THREE),
        (RepairMischief::ByTheBook, GETS_IT_OF_MORE),
        (RepairMischief::WrongSummandToOne, WITH_SPARES),
        (RepairMischief::WrongSum, WITH_A_SPARE),
        (RepairMischief::TwoSums, ONE_OF_TWO),
        (RepairMischief::AnothersEphemeralKey, ONE_OF_THREE),
        (RepairMischief::SilentInDeal, WITH_SPARES),
        (RepairMischief::RestartForEver, WITH_A_SPARE),
        (RepairMischief::FalseComplaint, GETS_IT),
        (RepairMischief::CertifyOtherShare, GETS_IT_OF_MORE),
        (RepairMischief::SilentInVerdict, GETS_IT),
    ];
    for (mischief, part) in attacks {
        let scenario = Scenario { faults: troubled(), ..part.scenario(mischief, 3, 90_000) };
        let (_, report) = audited(scenario, 4);
        let repairs = Repairs::by(&report);
        let attacker = BTreeSet::from([name(part.attacker)]);
        let blamed = &repairs.named.culprits | &repairs.named.dissenters;
        assert!(blamed.is_subset(&attacker), "{mischief:?}: {repairs:?}");
        let repaired = mischief == RepairMischief::ByTheBook || !part.is_needed();
        assert!(
            !repaired || repairs.repaired == [name(part.recipient)],
            "{mischief:?}: {repairs:?}"
        );
        let signed = report.requests.iter().filter(|request| request.standing == Standing::Signed);
        assert_eq!(signed.count(), 2, "{mischief:?}");
    }
}
