//! The catalogue of what malicious members can do to a reshare, and what comes of it.
//!
//! Each line of it runs whole IVNs in which one member does not keep to the rules when the group is changed: as one that
//! deals and stays, deals and leaves, or joins. All invariants are checked after every step, and the log is audited
//! offline at the end. Whatever the attack is, the last request is asked for when all is over, and is signed: with the
//! new shares, or, where the change was given up, with the old ones.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::audit::{AuditReport, SessionOutcome, Standing, Verdict};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::policy::Policy;
use quorate_testkit::catalogue::{Named, audited, is_like, troubled};
use quorate_testkit::{PlannedChange, PlannedRequest, ReshareMischief, Scenario, Vote};

/// What must come of an attack, where it has an effect at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// None: the change is in force, with the attacker.
    Nothing,
    /// The log proves who it was, and that it did this; "…" is whoever it did it to.
    Blame(&'static str),
    /// The attacker contradicts the log in its own signed words.
    Dissent,
    /// A session waits for the attacker, and ends for lack of it; nobody is blamed.
    Absence,
}

/// What the attacker is in the change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Part {
    /// min_signers and members of the group as it is.
    old: (u16, u16),
    /// As it is to be.
    new: (u16, &'static [usize]),
    attacker: usize,
    /// Whether there is no change without its dealing.
    needed: bool,
}

const STAYS: Part = Part { old: (2, 2), new: (2, &[0, 1, 2]), attacker: 1, needed: true };
const LEAVES: Part = Part { old: (2, 2), new: (2, &[0, 2, 3]), attacker: 1, needed: true };
const JOINS: Part = Part { old: (2, 2), new: (2, &[0, 1, 2]), attacker: 2, needed: false };
const STAYS_WITH_OTHERS: Part =
    Part { old: (2, 3), new: (3, &[0, 1, 2, 3, 4]), attacker: 1, needed: false };
const LEAVES_OTHERS: Part = Part { old: (2, 3), new: (2, &[0, 2, 3]), attacker: 1, needed: false };

/// Who deals, and who gets a share.
const DEALERS: &[Part] = &[STAYS, LEAVES, STAYS_WITH_OTHERS, LEAVES_OTHERS];
const STAYING_DEALERS: &[Part] = &[STAYS, STAYS_WITH_OTHERS];
const RECIPIENTS: &[Part] = &[STAYS, JOINS, STAYS_WITH_OTHERS];

const SEEDS: u64 = 2;

const NAMES: [&str; 5] = ["ada", "ben", "cyd", "dot", "eve"];

fn name(index: usize) -> AccountName {
    NAMES[index].parse().unwrap()
}

impl Part {
    fn gets_a_share(self) -> bool {
        self.new.1.contains(&self.attacker)
    }

    fn members(self) -> BTreeSet<AccountName> {
        self.new.1.iter().map(|index| name(*index)).collect()
    }

    /// The last request is asked for when every session is over.
    fn scenario(self, mischief: ReshareMischief, proposals: usize, late: u64) -> Scenario {
        let votes = vec![Vote::Approve; NAMES.len()];
        let (min_signers, members) = self.old;
        let accounts = self.new.1.iter().max().unwrap() + 1;
        let requests = [0, 3_000, late];
        let change = PlannedChange {
            at: 1_500,
            min_signers: self.new.0,
            members: self.new.1.to_vec(),
            repairs: None,
        };
        // There has to be an older epoch for its shares to be dealt.
        let refresh = PlannedChange {
            at: 500,
            min_signers,
            members: (0..usize::from(members)).collect(),
            repairs: None,
        };
        let older = (mischief == ReshareMischief::ShareOfAnOlderEpoch).then_some(refresh);
        Scenario {
            policy: Policy::for_min_signers(min_signers),
            admitted: true,
            reserves: u16::try_from(accounts).unwrap().saturating_sub(members),
            automatic: vec![false; NAMES.len()],
            requests: requests
                .map(|at| PlannedRequest { by: 0, at, votes: votes.clone() })
                .to_vec(),
            changes: older.into_iter().chain([change]).collect(),
            reshare_mischief: BTreeMap::from([(self.attacker, mischief)]),
            proposals,
            ..Scenario::calm(min_signers, members)
        }
    }
}

/// Whom the aborts of a log's reshares name, and what they name them for.
#[derive(Debug, Default)]
struct Reshares {
    named: Named,
    /// Where the last abort is in the log.
    last: Option<u64>,
}

impl Reshares {
    fn by(report: &AuditReport) -> Self {
        let mut reshares = Self::default();
        let sessions = report.groups.iter().flat_map(|group| &group.sessions);
        for session in sessions.filter(|session| session.epoch > 1) {
            if let SessionOutcome::Aborted { reason, blame, index } = &session.outcome
                && reshares.named.note(reason, blame)
            {
                reshares.last = Some(*index);
            }
        }
        reshares
    }

    /// Whether the attack had an effect; panics if it had another than it must have.
    fn is_hit(&self, part: Part, outcome: Outcome) -> bool {
        let (attacker, nobody) = (BTreeSet::from([name(part.attacker)]), BTreeSet::new());
        let (culprits, dissenters) = match outcome {
            Outcome::Blame(_) => (&attacker, &nobody),
            Outcome::Dissent => (&nobody, &attacker),
            Outcome::Absence | Outcome::Nothing => (&nobody, &nobody),
        };
        if self.last.is_none() {
            return false;
        }
        let Named { culprits: named, dissenters: dissenting, missing, faults } = &self.named;
        assert_eq!((named, dissenting), (culprits, dissenters), "{self:?}");
        let absent = if outcome == Outcome::Absence { &attacker } else { &nobody };
        // While a session waits for dealings, all who could deal are named as those it waits for.
        assert!(absent.is_subset(missing), "{self:?}");
        assert!(outcome == Outcome::Absence || missing.is_empty(), "{self:?}");
        if let Outcome::Blame(did) = outcome {
            assert!(faults.iter().all(|fault| is_like(fault, did)), "{self:?}");
        }
        true
    }
}

/// One run of an attack; whether it had an effect.
fn plays(
    part: Part,
    mischief: ReshareMischief,
    outcome: Outcome,
    proposals: usize,
    seed: u64,
) -> bool {
    // Silence is noticed after a while, and has to happen twice.
    let late = if outcome == Outcome::Absence { 90_000 } else { 20_000 };
    let (_, report) = audited(part.scenario(mischief, proposals, late), seed);
    assert_ne!(report.verdict, Verdict::Failed, "{:?}", report.faults);
    let hit = Reshares::by(&report).is_hit(part, outcome);
    let what = format!("{mischief:?}, {part:?}, {proposals} proposals, seed {seed}: {report:?}");

    // All that was asked for is signed, the last of it after all sessions.
    let signed = report.requests.iter().filter(|request| request.standing == Standing::Signed);
    assert_eq!(signed.count(), 3, "{what}");
    let last = report.signatures.last().unwrap().index;
    assert!(Reshares::by(&report).last.is_none_or(|abort| abort < last), "{what}");

    // The change is in force, if anybody could bring it about and was to try again.
    let group = &report.groups[0];
    let refreshed = u64::from(mischief == ReshareMischief::ShareOfAnOlderEpoch);
    let given_up = hit && (part.needed || part.gets_a_share() && proposals == 1);
    let epoch = 1 + refreshed + u64::from(!given_up);
    assert_eq!(group.epoch, Some(epoch), "{what}");
    if !given_up {
        let mut members = part.members();
        if hit {
            members.remove(&name(part.attacker));
        }
        assert_eq!(group.members.iter().cloned().collect::<BTreeSet<_>>(), members, "{what}");
    }
    hit
}

/// Plays an attack in all these parts, with several orders of messages.
fn attack(mischief: ReshareMischief, parts: &[Part], outcome: Outcome) {
    for part in parts {
        // Without a dealing that it needs, the group can only be left as it is.
        let proposals = if part.needed { 1..=1 } else { 1..=2 };
        for proposals in proposals {
            let hits = (1..=SEEDS).filter(|seed| plays(*part, mischief, outcome, proposals, *seed));
            let hits = hits.count() as u64;
            // Where others can deal as well, they may be faster. In all other rounds it is waited for.
            let always = part.needed || !mischief.is_in_dealing();
            let (least, most) = match outcome {
                Outcome::Nothing => (0, 0),
                _ => (if always { SEEDS } else { 0 }, SEEDS),
            };
            assert!((least..=most).contains(&hits), "{mischief:?}, {part:?}: {hits} hits");
        }
    }
}

macro_rules! catalogue {
    ($($test:ident: $mischief:ident by $parts:ident => $outcome:ident $(($did:literal))?)*) => {
        $(
            #[test]
            fn $test() {
                attack(ReshareMischief::$mischief, $parts, Outcome::$outcome $(($did))?);
            }
        )*

        #[test]
        fn the_catalogue_has_every_kind_of_mischief() {
            let listed = BTreeSet::from([$(ReshareMischief::$mischief),*]);
            assert_eq!(listed, ReshareMischief::ALL.into_iter().collect());
        }
    };
}

catalogue! {
    a_double_that_reshares_by_the_book_changes_the_group_with_the_others: ByTheBook by DEALERS => Nothing
    a_joining_double_that_keeps_to_the_book_joins: ByTheBook by RECIPIENTS => Nothing

    // Round 1.
    an_announcement_that_is_none_is_blamed: GarbageAnnouncement by RECIPIENTS => Blame("sent a malformed message")
    two_announcements_are_blamed: TwoAnnouncements by RECIPIENTS => Blame("sent two different messages")
    silence_instead_of_an_announcement_blames_nobody: SilentInAnnounce by RECIPIENTS => Absence

    // Round 2.
    a_polynomial_of_a_higher_degree_is_blamed: HigherDegree by DEALERS => Blame("committed to")
    a_polynomial_of_a_lower_degree_is_blamed: LowerDegree by DEALERS => Blame("committed to")
    another_value_than_the_own_share_is_blamed: OtherConstant by DEALERS => Blame("dealt another value than its share")
    a_share_of_an_older_epoch_is_blamed: ShareOfAnOlderEpoch by DEALERS => Blame("dealt another value than its share")
    a_bad_proof_of_possession_is_blamed: WrongProof by DEALERS => Blame("sent an invalid proof of knowledge")
    anothers_dealing_is_blamed: AnothersDealing by STAYING_DEALERS => Blame("dealt another value than its share")
    an_ephemeral_key_that_is_another_dealers_is_blamed: AnothersEphemeralKey by DEALERS => Blame("sent an invalid proof of knowledge")
    a_wrong_sub_share_to_one_is_blamed: WrongSubShareToOne by DEALERS => Blame("sent a wrong sub-share")
    wrong_sub_shares_to_all_are_blamed: WrongSubShareToAll by DEALERS => Blame("sent a wrong sub-share")
    a_sub_share_that_can_not_be_decrypted_is_blamed: SealedGarbage by DEALERS => Blame("sent a wrong sub-share")
    an_honest_members_share_that_is_made_zero_is_blamed: ZeroShareOfAnother by DEALERS => Blame("sent a wrong sub-share")
    an_own_share_that_is_made_zero_is_blamed: ZeroShareOfItself by STAYING_DEALERS => Blame("approved of a share of zero")
    coefficients_that_cancel_the_others_are_blamed: CancelledDegree by DEALERS => Blame("sent a wrong sub-share")
    two_dealings_are_blamed: TwoDealings by DEALERS => Blame("sent two different messages")
    silence_instead_of_a_dealing_blames_nobody: SilentInReveal by DEALERS => Absence
    a_dealing_for_another_log_counts_as_silence: OtherView by DEALERS => Absence
    messages_of_the_session_before_count_as_silence: LastSessionsMessages by STAYING_DEALERS => Absence

    // Round 3.
    a_false_complaint_is_blamed: FalseComplaint by RECIPIENTS => Blame("complained about … without a reason")
    a_complaint_with_a_forged_proof_is_blamed: ForgedComplaint by RECIPIENTS => Blame("complained about … with an invalid proof")
    a_complaint_about_no_dealer_is_blamed: ComplaintAboutNoDealer by RECIPIENTS => Blame("sent a malformed message")
    silence_instead_of_a_verdict_blames_nobody: SilentInVerdict by RECIPIENTS => Absence

    // The node's life, certification, activation.
    messages_of_an_earlier_process_count_as_silence: EarlierProcess by RECIPIENTS => Absence
    a_node_that_restarts_for_ever_is_left_out: RestartForEver by RECIPIENTS => Absence
    a_withheld_certification_blames_nobody: WithholdCertification by RECIPIENTS => Absence
    a_certification_after_the_end_counts_for_nothing: CertifyLate by RECIPIENTS => Absence
    a_certification_of_other_shares_is_dissent: CertifyOtherShares by RECIPIENTS => Dissent
    a_second_certification_counts_for_nothing: CertifyTwice by RECIPIENTS => Nothing
    the_others_activate_the_shares_without_one_that_refuses: RefuseActivation by RECIPIENTS => Nothing
}

/// On a network that loses and reorders, with nodes that die: nobody innocent is named, nothing is lost, and all that was
/// asked for is signed.
#[test]
fn no_attack_on_a_reshare_gains_from_a_bad_network() {
    let attacks = [
        (ReshareMischief::ZeroShareOfAnother, LEAVES_OTHERS),
        (ReshareMischief::ZeroShareOfItself, STAYS_WITH_OTHERS),
        (ReshareMischief::WrongSubShareToOne, STAYS_WITH_OTHERS),
        (ReshareMischief::FalseComplaint, JOINS),
        (ReshareMischief::CertifyOtherShares, JOINS),
        (ReshareMischief::SilentInVerdict, STAYS_WITH_OTHERS),
        (ReshareMischief::RestartForEver, JOINS),
        (ReshareMischief::TwoDealings, LEAVES_OTHERS),
    ];
    for (mischief, part) in attacks {
        let scenario = Scenario { faults: troubled(), ..part.scenario(mischief, 3, 90_000) };
        let (_, report) = audited(scenario, 4);
        let named = Reshares::by(&report).named;
        let attacker = BTreeSet::from([name(part.attacker)]);
        let blamed: BTreeSet<_> = named.culprits.union(&named.dissenters).cloned().collect();
        assert!(blamed.is_subset(&attacker), "{mischief:?}: {named:?}");
        let signed = report.requests.iter().filter(|request| request.standing == Standing::Signed);
        assert_eq!(signed.count(), 3, "{mischief:?}");
    }
}
