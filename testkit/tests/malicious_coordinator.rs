//! A catalogue of what a coordinator can do that has the log's key, everything that it stores, and up to
//! min_signers − 1 accomplices among the members. One attack each, over several orders of messages.
//!
//! Every attack is held against the same ground truth: honest nodes release shares for nothing but what their own
//! holders approved, S1 holds, what a node believes is what its disk says and admissible, and of two logs that contradict
//! each other the auditor accepts at most one (S3). Beyond that, each test says what the victim knows afterwards.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use quorate_ceremony::effect::CommandError;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::misbehaviour::Proved;
use quorate_ceremony::names::{AccountName, Digest, EntryId, SessionId};
use quorate_ceremony::node::Trouble;
use quorate_ceremony::policy::Policy;
use quorate_ceremony::signing::Subject;
use quorate_ceremony::state::Invalid;
use quorate_ceremony::statement::{AbortReason, Body, GroupDefinition, Request};
use quorate_testkit::double::{Stage, board, name};

const SEEDS: u64 = 3;

fn ada() -> AccountName {
    name("ada")
}

fn ben() -> AccountName {
    name("ben")
}

fn cyd() -> AccountName {
    name("cyd")
}

/// Runs an attack on a group of 2 of 3 with several orders of messages, and then looks for anything wrong.
fn attack(script: impl Fn(&mut Stage)) {
    for seed in 0..SEEDS {
        let mut stage = Stage::new(2, 3, seed);
        script(&mut stage);
        assert_eq!(stage.violations(), Vec::<String>::new(), "seed {seed}");
    }
}

/// The victim has proof of a bad entry, keeps it over a restart, and releases no share for a request that it approved.
fn proved_and_frozen(stage: &mut Stage, victim: &AccountName) -> Proved {
    let proved = stage.proof_of(victim).unwrap();
    for _ in 0..2 {
        assert_eq!(stage.trouble_of(victim), Some(Trouble::Misbehaviour(proved.clone())));
        assert_eq!(stage.approves(victim, EntryId::new([1; 32])), Err(CommandError::Frozen));
        stage.start(victim);
        stage.settle();
    }
    proved
}

/// Shows ben an entry at the end of the log that is not admissible there, for this reason.
fn forged(entry: impl Fn(&Stage) -> Entry, expected: impl Fn(&Invalid) -> bool) {
    attack(|stage| {
        let entry = entry(stage);
        let before = stage.node(&ben()).state().size();
        stage.shows(&ben(), &[entry]);
        stage.settle();
        let proved = proved_and_frozen(stage, &ben());
        let Proved::Inadmissible { index, reason } = proved else { panic!("{proved:?}") };
        assert!(expected(&reason), "{reason:?}");
        assert_eq!((index, stage.node(&ben()).state().size()), (before, before));
        // The others were shown nothing, and go on without ben.
        let request = stage.asks(&ada(), 9).unwrap();
        stage.approves(&cyd(), request).unwrap();
        stage.settle();
        assert!(stage.is_signed(&ada(), request));
        assert!(!stage.released(request).contains(&ben()));
    });
}

fn request(stage: &Stage, number: u8) -> Body {
    let policy = Policy::for_min_signers(2);
    Body::Request(Request {
        group: board(),
        document_type: None,
        format: "raw".to_owned(),
        namespace: None,
        document: Digest::new([number; 32]),
        policy: policy.hash(),
        expires_at: stage.clock().plus(1_000_000),
    })
}

// ---- Entries that it has no key for -------------------------------------------------------------------------------

#[test]
fn a_forged_request_is_proof_and_nothing_is_signed() {
    let entry =
        |stage: &Stage| stage.liar.forges(stage.clock(), &ada(), request(stage, 5)).unwrap();
    forged(entry, |reason| *reason == Invalid::Signature);
}

#[test]
fn a_forged_approval_is_proof_and_nothing_is_signed() {
    attack(|stage| {
        let request = stage.asks(&ada(), 1).unwrap();
        let body = Body::Approval { request };
        let approval = stage.liar.forges(stage.clock(), &cyd(), body).unwrap();
        stage.shows(&ada(), &[approval]);
        stage.settle();
        let session = SessionId::new([7; 32]);
        stage.says(
            &ada(),
            FromCoordinator::Invite { session, subject: Subject::Request { request } },
        );
        stage.settle();
        let proved = proved_and_frozen(stage, &ada());
        assert!(matches!(proved, Proved::Inadmissible { reason: Invalid::Signature, .. }));
        assert!(stage.released(request).is_empty());
    });
}

#[test]
fn an_approval_of_another_request_counts_for_none() {
    attack(|stage| {
        let (one, other) = (stage.asks(&ada(), 1).unwrap(), stage.asks(&ada(), 2).unwrap());
        stage.approves(&ben(), one).unwrap();
        stage.settle();
        let session = SessionId::new([7; 32]);
        let subject = Subject::Request { request: other };
        stage.says(&ada(), FromCoordinator::Invite { session, subject });
        stage.says(&ben(), FromCoordinator::Invite { session, subject });
        stage.settle();
        assert!(stage.is_signed(&ada(), one));
        assert!(stage.released(other).is_empty());
    });
}

#[test]
fn a_forged_invitation_is_proof() {
    let entry = |stage: &Stage| {
        let invitation = quorate_ceremony::statement::Invitation {
            name: name("mallory"),
            roles: [quorate_ceremony::statement::Role::Admin].into(),
            key: stage.node(&ada()).state().genesis().coordinator_key,
            expires_at: stage.clock().plus(1_000),
        };
        stage.liar.forges(stage.clock(), &ada(), Body::Invitation(invitation)).unwrap()
    };
    forged(entry, |reason| *reason == Invalid::Signature);
}

#[test]
fn an_admission_without_invitation_is_proof() {
    let entry = |stage: &Stage| {
        let keys = stage.node(&ada()).state().account(&cyd()).unwrap().keys.clone();
        let body = Body::AccountAdmitted { keys };
        stage.liar.forges(stage.clock(), &name("mallory"), body).unwrap()
    };
    forged(entry, |reason| *reason == Invalid::NotInvited);
}

#[test]
fn a_forged_group_with_a_looser_policy_is_proof() {
    let entry = |stage: &Stage| {
        let name = "shadow".parse().unwrap();
        let definition = GroupDefinition { name, ..stage.definition(2) };
        stage.liar.forges(stage.clock(), &ada(), Body::GroupDefined(definition)).unwrap()
    };
    forged(entry, |reason| *reason == Invalid::Signature);
}

#[test]
fn an_accomplice_who_is_no_admin_defines_no_group() {
    attack(|stage| {
        stage.corrupt(&cyd());
        let definition = GroupDefinition { name: "shadow".parse().unwrap(), ..stage.definition(2) };
        let entry = stage.accomplice_states(&cyd(), Body::GroupDefined(definition));
        stage.shows(&ben(), &[entry]);
        stage.settle();
        let proved = proved_and_frozen(stage, &ben());
        let Proved::Inadmissible { reason, .. } = proved else { panic!() };
        assert_eq!(reason, Invalid::NotAdmin { account: cyd() });
    });
}

#[test]
fn a_statement_of_a_member_in_the_coordinators_name_is_proof() {
    let entry = |stage: &Stage| stage.liar.states(stage.clock(), request(stage, 5)).unwrap();
    forged(entry, |reason| *reason == Invalid::WrongAuthor);
}

#[test]
fn an_old_entry_that_is_logged_again_is_proof() {
    attack(|stage| {
        let request = stage.asks(&ada(), 1).unwrap();
        stage.approves(&ben(), request).unwrap();
        stage.settle();
        let entries = stage.liar.log_of(&ben());
        let is_approval = |entry: &Entry| matches!(entry.statement().body, Body::Approval { .. });
        let approval = entries.iter().map(|bytes| Entry::from_bytes(bytes).unwrap());
        let approval = approval.into_iter().find(is_approval).unwrap();
        stage.shows(&ben(), &[approval]);
        stage.settle();
        assert!(matches!(proved_and_frozen(stage, &ben()), Proved::Inadmissible { .. }));
    });
}

// ---- Entries in its own name ---------------------------------------------------------------------------------------

/// The signature entry of a request of ada that ben approved, which ben is not shown.
fn signature_entry(stage: &mut Stage) -> (EntryId, Entry) {
    let request = stage.asks(&ada(), 1).unwrap();
    stage.liar.withhold_from(&ben(), |message| match message {
        FromCoordinator::Log { entries, .. } => entries.iter().any(|bytes| {
            let entry = Entry::from_bytes(&bytes.0).unwrap();
            matches!(entry.statement().body, Body::Signature { .. })
        }),
        _ => false,
    });
    stage.approves(&ben(), request).unwrap();
    stage.settle();
    assert!(stage.is_signed(&ada(), request) && !stage.is_signed(&ben(), request));
    let log = stage.liar.log_of(&ada());
    (request, Entry::from_bytes(log.last().unwrap()).unwrap())
}

fn altered(
    stage: &Stage,
    entry: &Entry,
    alter: impl Fn(&mut SessionId, &mut Vec<u8>, &mut Vec<quorate_ceremony::signing::SignerRecord>),
) -> Entry {
    let Body::Signature { request, mut session, mut signature, mut signers } =
        entry.statement().body.clone()
    else {
        panic!("no signature")
    };
    alter(&mut session, &mut signature.0, &mut signers);
    let body = Body::Signature { request, session, signature, signers };
    stage.liar.states(stage.clock(), body).unwrap()
}

#[test]
fn a_signature_that_does_not_verify_is_proof_for_those_who_have_the_document() {
    attack(|stage| {
        let (request, entry) = signature_entry(stage);
        let entry = altered(stage, &entry, |_, signature, _| signature[0] ^= 1);
        stage.shows(&ben(), &[entry]);
        stage.settle();
        let proved = proved_and_frozen(stage, &ben());
        assert!(matches!(proved, Proved::FalseSignature { request: of, .. } if of == request));
        assert!(!stage.is_signed(&ben(), request));
    });
}

#[test]
fn a_signature_with_other_shares_session_or_signers_is_proof() {
    let alterations: [fn(&mut SessionId, &mut Vec<u8>, &mut Vec<_>); 4] = [
        |_, signature, _| signature[40] ^= 1,
        |session, _, _| *session = SessionId::new([9; 32]),
        |_, _, signers: &mut Vec<quorate_ceremony::signing::SignerRecord>| drop(signers.pop()),
        |_, _, signers| {
            for record in signers.iter_mut().filter(|record| record.account == ben()) {
                record.account = cyd();
            }
        },
    ];
    for alter in alterations {
        attack(|stage| {
            let (_, entry) = signature_entry(stage);
            let entry = altered(stage, &entry, alter);
            stage.shows(&ben(), &[entry]);
            stage.settle();
            // Ben has the document, and would notice the first by it alone.
            proved_and_frozen(stage, &ben());
        });
    }
}

#[test]
fn an_epoch_without_the_members_signature_is_proof() {
    let entry = |stage: &Stage| {
        let session =
            stage.node(&ada()).state().group(&board()).unwrap().key.as_ref().unwrap().session;
        let body = Body::EpochStarted { session, signature: Base64(vec![1; 64]) };
        stage.liar.states(stage.clock(), body).unwrap()
    };
    forged(entry, |reason| matches!(reason, Invalid::SessionOver | Invalid::SessionStep));
}

#[test]
fn an_abort_that_blames_without_evidence_is_proof() {
    let entry = |stage: &Stage| {
        let session =
            stage.node(&ada()).state().group(&board()).unwrap().key.as_ref().unwrap().session;
        let reason = AbortReason::Fault { culprits: [ben()].into() };
        stage.liar.states(stage.clock(), Body::CeremonyAborted { session, reason }).unwrap()
    };
    forged(entry, |reason| matches!(reason, Invalid::SessionOver | Invalid::AbortReason));
}

// ---- Several logs ------------------------------------------------------------------------------------------------------

#[test]
fn a_split_view_is_accepted_by_no_auditor_and_gets_no_signature_beyond_what_was_approved() {
    // 3 of 5: two accomplices confirm both logs. Each side grows by itself; no honest node is ever shown the other.
    for seed in 0..SEEDS {
        let mut stage = Stage::new(3, 5, seed);
        let (dot, eve) = (name("dot"), name("eve"));
        stage.corrupt(&dot);
        stage.corrupt(&eve);
        let size = stage.liar.log_of(&ada()).len();
        stage.split(size, &[ben()]);
        let (one, other) = (stage.asks(&ada(), 1).unwrap(), stage.asks(&ben(), 2).unwrap());
        stage.approves(&cyd(), one).unwrap();
        for accomplice in [&dot, &eve] {
            let _ = stage.approves(accomplice, one);
        }
        stage.pass(1_000);
        assert_ne!(stage.liar.log_of(&ada()), stage.liar.log_of(&ben()));
        assert!(stage.released(other).is_empty(), "ben is alone in its log");
        assert_eq!(stage.violations(), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn a_split_view_can_be_accepted_with_as_many_accomplices_as_sign() {
    // The check can fail: with min_signers accomplices there is no promise.
    let mut stage = Stage::new(2, 4, 0);
    stage.corrupt(&cyd());
    stage.corrupt(&name("dot"));
    let size = stage.liar.log_of(&ada()).len();
    stage.split(size, &[ben()]);
    stage.asks(&ada(), 1).unwrap();
    stage.asks(&ben(), 2).unwrap();
    let violations = stage.violations();
    assert!(
        violations.iter().any(|what| what.contains("auditors accept two logs")),
        "{violations:?}"
    );
}

/// Ben is moved to another log that forks off `back` entries before the end of his; both logs grow; he is moved back.
fn forked_and_back(stage: &mut Stage, back: usize) {
    for number in 20..28 {
        stage.asks(&ada(), number).unwrap();
    }
    let size = stage.liar.log_of(&ben()).len();
    stage.split(size - back, &[ben()]);
    stage.asks(&ada(), 1).unwrap();
    let _ = stage.asks(&ben(), 2);
    stage.pass(1_000);
    stage.liar.seat_at_first(&ben());
    stage.connect(&ben());
    for number in 3..7 {
        let _ = stage.asks(&ada(), number);
    }
    stage.pass(1_000);
    stage.pass(1_000);
}

#[test]
fn a_node_that_is_moved_to_a_fork_and_back_has_proof_wherever_it_forks() {
    for back in [0, 1, 4, 7] {
        attack(|stage| {
            forked_and_back(stage, back);
            let proved = proved_and_frozen(stage, &ben());
            assert!(matches!(proved, Proved::Fork { .. }), "{proved:?}");
        });
    }
}

#[test]
fn one_checkpoint_of_a_larger_fork_stops_signing_at_once_and_is_proof_later() {
    attack(|stage| {
        let mut other = stage.liar.log_of(&ben());
        other.pop();
        for number in 0..3 {
            let body = request(stage, 40 + number);
            other.push(stage.liar.states(stage.clock(), body).unwrap().to_bytes());
        }
        let theirs = stage.liar.checkpoint(&other).unwrap().to_string();
        let first = stage.node(&ben()).state().size();
        let entries =
            other[usize::try_from(first).unwrap()..].iter().cloned().map(Base64).collect();
        let checkpoint = Some(theirs.clone());
        stage.says(&ben(), FromCoordinator::Log { first, entries, checkpoint });
        stage.settle();
        let kept = stage.trouble_of(&ben());
        assert!(matches!(kept, Some(Trouble::Unexplained { theirs: ref t, .. }) if *t == theirs));
        stage.start(&ben());
        assert_eq!(stage.trouble_of(&ben()), kept, "over a restart");

        let request = stage.asks(&ada(), 1).unwrap();
        let _ = stage.approves(&ben(), request);
        stage.pass(1_000);
        assert!(!stage.released(request).contains(&ben()));
        let again = stage.asks(&ada(), 2).unwrap();
        let _ = stage.approves(&cyd(), again);
        stage.pass(1_000);
        assert!(matches!(proved_and_frozen(stage, &ben()), Proved::Fork { .. }));
    });
}

#[test]
fn a_checkpoint_of_the_same_or_a_smaller_size_with_another_root_is_proof_at_once() {
    for missing in [0, 1, 7] {
        attack(|stage| {
            let mut other = stage.liar.log_of(&ben());
            other.truncate(other.len() - missing);
            other.last_mut().unwrap().push(b' ');
            let checkpoint = Some(stage.liar.checkpoint(&other).unwrap().to_string());
            let first = other.len() as u64;
            stage.says(&ben(), FromCoordinator::Log { first, entries: Vec::new(), checkpoint });
            stage.settle();
            let proved = proved_and_frozen(stage, &ben());
            assert!(matches!(proved, Proved::Fork { older, .. } if older == first), "{proved:?}");
        });
    }
}

#[test]
fn a_rollback_to_an_old_checkpoint_stops_signing_until_the_log_is_whole_again() {
    attack(|stage| {
        let request = stage.asks(&ada(), 1).unwrap();
        let size = stage.liar.log_of(&ben()).len();
        stage.split(size - 3, &[ben()]);
        stage.settle();
        let trouble = stage.trouble_of(&ben());
        assert_eq!(trouble, Some(Trouble::Behind { size: (size - 3) as u64 }));
        let session = SessionId::new([7; 32]);
        stage.says(
            &ben(),
            FromCoordinator::Invite { session, subject: Subject::Request { request } },
        );
        stage.settle();
        assert!(stage.released(request).is_empty());

        stage.liar.seat_at_first(&ben());
        stage.connect(&ben());
        stage.settle();
        assert_eq!(stage.trouble_of(&ben()), None);
        stage.approves(&ben(), request).unwrap();
        stage.pass(1_000);
        assert!(stage.is_signed(&ada(), request));
    });
}

#[test]
fn entries_that_a_checkpoint_is_not_of_are_not_believed_and_the_node_recovers() {
    attack(|stage| {
        let mut done = false;
        stage.liar.alter(move |to, message| match message {
            FromCoordinator::Log { first, mut entries, checkpoint }
                if *to == ben() && !done && !entries.is_empty() =>
            {
                done = true;
                entries[0] = Base64(b"something else".to_vec());
                vec![FromCoordinator::Log { first, entries, checkpoint }]
            }
            message => vec![message],
        });
        let request = stage.asks(&ada(), 1).unwrap();
        assert!(stage.node(&ben()).state().request(request).is_err());
        assert!(matches!(stage.trouble_of(&ben()), Some(Trouble::Unexplained { .. })));
        stage.pass(1_000);
        assert_eq!(stage.trouble_of(&ben()), None, "the checkpoint was right");
        stage.approves(&ben(), request).unwrap();
        stage.pass(1_000);
        assert!(stage.is_signed(&ada(), request));
    });
}

// ---- Messages --------------------------------------------------------------------------------------------------------

#[test]
fn an_invitation_to_sign_what_is_not_approved_gets_no_commitments() {
    attack(|stage| {
        let request = stage.asks(&ada(), 1).unwrap();
        for (number, subject) in (1..).zip([
            Subject::Request { request },
            Subject::Request { request: EntryId::new([0; 32]) },
            Subject::Activation { session: SessionId::new([0; 32]) },
        ]) {
            for member in [ada(), ben(), cyd()] {
                let session = SessionId::new([number; 32]);
                stage.says(&member, FromCoordinator::Invite { session, subject });
            }
        }
        stage.settle();
        assert!(stage.released(request).is_empty());
        stage.approves(&ben(), request).unwrap();
        stage.pass(1_000);
        assert!(stage.is_signed(&ada(), request));
    });
}

#[test]
fn an_accomplices_consent_does_not_replace_the_victims() {
    attack(|stage| {
        stage.corrupt(&cyd());
        let asked = stage.accomplice_states(&cyd(), request(stage, 5));
        let id = asked.id();
        for member in [ada(), ben()] {
            stage.shows(&member, std::slice::from_ref(&asked));
        }
        stage.settle();
        let session = SessionId::new([7; 32]);
        for member in [ada(), ben()] {
            let subject = Subject::Request { request: id };
            stage.says(&member, FromCoordinator::Invite { session, subject });
        }
        stage.settle();
        assert!(stage.node(&ben()).state().request(id).is_ok(), "an accomplice can ask");
        assert!(stage.released(id).is_empty());
    });
}

#[test]
fn a_swapped_document_is_not_signed() {
    attack(|stage| {
        stage.liar.swap_documents();
        let request = stage.asks(&ada(), 1).unwrap();
        assert_eq!(stage.approves(&ben(), request), Err(CommandError::NoDocument));
        stage.pass(1_000);
        assert!(stage.released(request).is_empty() && !stage.is_signed(&ada(), request));
    });
}

#[test]
fn a_stall_is_a_stall_and_nothing_else() {
    attack(|stage| {
        stage.liar.alter(|_, message| match message {
            FromCoordinator::Package { .. } => Vec::new(),
            message => vec![message],
        });
        let request = stage.asks(&ada(), 1).unwrap();
        stage.approves(&ben(), request).unwrap();
        (0..5).for_each(|_| stage.pass(1_000));
        assert!(!stage.is_signed(&ada(), request));
        assert_eq!(stage.trouble_of(&ben()), None);
        stage.liar.alter(|_, message| vec![message]);
        (0..60).for_each(|_| stage.pass(1_000));
        assert!(stage.is_signed(&ada(), request), "what was held back was not lost");
    });
}

#[test]
fn messages_in_another_order_and_twice_do_no_harm() {
    attack(|stage| {
        let mut held: Vec<FromCoordinator> = Vec::new();
        stage.liar.alter(move |to, message| {
            if *to != ben() {
                return vec![message];
            }
            held.push(message);
            if held.len() < 3 {
                Vec::new()
            } else {
                held.drain(..).rev().flat_map(|m| [m.clone(), m]).collect()
            }
        });
        let request = stage.asks(&ada(), 1).unwrap();
        (0..5).for_each(|_| stage.pass(500));
        stage.liar.alter(|_, message| vec![message]);
        stage.connect(&ben());
        stage.settle();
        assert_eq!(stage.trouble_of(&ben()), None);
        stage.approves(&ben(), request).unwrap();
        (0..60).for_each(|_| stage.pass(500));
        assert!(stage.is_signed(&ada(), request));
    });
}

#[test]
fn an_old_sessions_messages_get_no_second_share() {
    attack(|stage| {
        let kept = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let recording = kept.clone();
        stage.liar.alter(move |to, message| {
            if matches!(message, FromCoordinator::Invite { .. } | FromCoordinator::Package { .. }) {
                recording.borrow_mut().push((to.clone(), message.clone()));
            }
            vec![message]
        });
        let request = stage.asks(&ada(), 1).unwrap();
        stage.approves(&ben(), request).unwrap();
        stage.settle();
        assert!(stage.is_signed(&ada(), request));
        let count = |stage: &Stage| stage.shares_released();
        let before = count(stage);
        let old = kept.borrow().clone();
        // As they were, to other members, after a restart, and under another session's id.
        for restart in [false, true] {
            if restart {
                stage.start(&ben());
            }
            for (to, message) in &old {
                stage.says(to, message.clone());
                stage.says(&cyd(), message.clone());
                if let FromCoordinator::Package { commitments, .. } = message {
                    let (session, commitments) = (SessionId::new([3; 32]), commitments.clone());
                    stage.says(to, FromCoordinator::Package { session, commitments });
                }
            }
            stage.settle();
        }
        assert_eq!(count(stage), before);
    });
}

#[test]
fn a_set_of_commitments_that_lacks_some_uses_the_nonces_up() {
    attack(|stage| {
        stage.liar.alter(|_, message| match message {
            FromCoordinator::Package { session, mut commitments } => {
                let whole = FromCoordinator::Package { session, commitments: commitments.clone() };
                commitments.pop();
                vec![FromCoordinator::Package { session, commitments }, whole]
            }
            message => vec![message],
        });
        let request = stage.asks(&ada(), 1).unwrap();
        stage.approves(&ben(), request).unwrap();
        (0..5).for_each(|_| stage.pass(1_000));
        assert!(!stage.is_signed(&ada(), request) && stage.released(request).is_empty());
    });
}

// ---- "Rejected" ------------------------------------------------------------------------------------------------------

/// The coordinator says that it does not take ben's approval, and keeps it.
fn rejected_approval(stage: &mut Stage) -> (EntryId, Entry) {
    let request = stage.asks(&ada(), 1).unwrap();
    let kept = std::rc::Rc::new(std::cell::RefCell::new(None));
    let keeping = kept.clone();
    stage.liar.intercept(move |from, message| match message {
        FromNode::Submit { entry } if *from == ben() => {
            keeping.borrow_mut().get_or_insert(Entry::from_bytes(&entry.0).unwrap());
            None
        }
        message => Some(message),
    });
    let _ = stage.approves(&ben(), request);
    let approval: Entry = kept.borrow().clone().unwrap();
    assert!(matches!(approval.statement().body, Body::Approval { .. }));
    assert_eq!(approval.statement().author, Author::Account(ben()));
    let reason = Invalid::RequestOver { request };
    stage.says(&ben(), FromCoordinator::Rejected { entry: approval.id(), reason });
    stage.settle();
    (request, approval)
}

#[test]
fn an_approval_that_the_coordinator_says_it_does_not_take_stays_alive_and_is_told_so() {
    attack(|stage| {
        let (request, approval) = rejected_approval(stage);
        let disputed: Vec<EntryId> = stage.node(&ben()).disputed().map(Entry::id).collect();
        assert_eq!(disputed, [approval.id()]);
        // Logged later, it counts: its holder gave it, and never took it back.
        stage.liar.intercept(|_, message| Some(message));
        stage.connect(&ben());
        stage.settle();
        stage.pass(1_000);
        assert!(stage.is_signed(&ada(), request));
        assert_eq!(stage.node(&ben()).disputed().count(), 0);
    });
}

#[test]
fn an_approval_that_is_logged_after_its_holder_said_no_gets_no_share_of_that_holder() {
    attack(|stage| {
        let (request, approval) = rejected_approval(stage);
        let _ = stage.refuses(&ben(), request);
        // The refusal is held back, the approval logged, and then ben is asked to sign; also after a restart.
        for (number, member) in (1..).zip([ada(), ben(), cyd()]) {
            stage.shows(&member, std::slice::from_ref(&approval));
            stage.settle();
            let session = SessionId::new([number; 32]);
            stage.says(
                &member,
                FromCoordinator::Invite { session, subject: Subject::Request { request } },
            );
            stage.settle();
        }
        assert!(stage.node(&ben()).state().request(request).unwrap().approvals.contains(&ben()));
        stage.start(&ben());
        stage.settle();
        let session = SessionId::new([9; 32]);
        stage.says(
            &ben(),
            FromCoordinator::Invite { session, subject: Subject::Request { request } },
        );
        stage.settle();
        assert!(!stage.released(request).contains(&ben()));
    });
}
