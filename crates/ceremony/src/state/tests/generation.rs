//! Key generation: sessions, messages, certifications, aborts, activation.

use std::collections::BTreeSet;

use quorate_protocol::keyshare::Run;

use crate::encoding::Base64;
use crate::entry::{AbortReason, Body, Entry, GroupDefinition, Role};
use crate::names::{Digest, GroupName, IvnId};
use crate::state::refusal::{Accounts, Entries, Groups, Sessions};
use crate::state::{Event, Refusal, SessionPhase};
use crate::test_world::{TestLog, board, name, refused, session, some};

fn begun() -> TestLog {
    let mut log = TestLog::grouped();
    for member in ["ada", "ben", "cyd"] {
        log.start_node(member, 1);
    }
    log.begin(session(1), 1).unwrap();
    log
}

fn certifying() -> TestLog {
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    log.generate();
    log
}

fn phase(log: &TestLog) -> Option<SessionPhase> {
    log.state.group(&board()).unwrap().phase()
}

fn abort(log: &mut TestLog, reason: AbortReason) -> Result<Vec<Event>, Refusal> {
    log.coordinator_says(Body::CeremonyAborted { session: session(1), reason })
}

#[test]
fn no_session_starts_before_all_have_accepted() {
    let mut log = TestLog::peopled();
    assert_eq!(log.begin(session(1), 1), refused(Groups::UnknownGroup { group: board() }));
    log.define(log.board_of_three());
    log.accept("ada").unwrap();
    log.accept("ben").unwrap();
    assert_eq!(log.begin(session(1), 1), refused(Sessions::NotAccepted));
    log.accept("cyd").unwrap();
    assert_eq!(log.begin(session(1), 1), Ok(vec![Event::Ceremony(board())]));
}

#[test]
fn one_session_runs_at_a_time_and_none_after_there_is_a_key() {
    let running = refused(Sessions::SessionRunning { group: board() });
    assert_eq!(begun().begin(session(2), 2), running);
    assert_eq!(TestLog::keyed().begin(session(2), 2), running);
    let may_start = |log: TestLog| log.state.group(&board()).unwrap().may_start(log.now).is_some();
    assert!(may_start(TestLog::grouped()) && !may_start(begun()));
    assert!(!may_start(TestLog::keyed()));
}

#[test]
fn attempts_are_counted_and_session_ids_are_new() {
    let mut log = TestLog::grouped();
    assert_eq!(log.begin(session(1), 2), refused(Sessions::SessionStep));
    log.begin(session(1), 1).unwrap();
    abort(&mut log, AbortReason::TimedOut { missing: some(&["ada", "ben", "cyd"]) }).unwrap();
    assert_eq!(log.begin(session(1), 2), refused(Sessions::SessionOver));
    assert!(log.begin(session(2), 2).is_ok());
}

#[test]
fn messages_go_to_running_sessions_from_members_once() {
    let mut log = begun();
    let (_, message) = log.first_message("ada");
    let body = |session, message: &[u8]| Body::CeremonyMessage {
        session,
        incarnation: TestLog::incarnation("ada", 1),
        message: Base64(message.to_vec()),
    };
    assert_eq!(log.says("ada", body(session(9), &message)), refused(Sessions::SessionOver));
    let stranger = log.says("out", body(session(1), &message));
    assert_eq!(stranger, refused(Groups::NotAMember { account: name("out"), group: board() }));
    assert_eq!(log.posts("ada", message.clone()), Ok(vec![Event::Ceremony(board())]));
    assert_eq!(log.posts("ada", message), refused(Entries::AlreadySaid { account: name("ada") }));
    assert!(log.state.group(&board()).unwrap().posted(&name("ada")));
}

#[test]
fn a_message_of_a_process_that_is_gone_does_not_count() {
    let mut log = begun();
    let (_, message) = log.first_message("ada");
    log.start_node("ada", 2);
    let gone = TestLog::incarnation("ada", 1);
    assert_eq!(log.posts_as("ada", gone, message), refused(Sessions::StaleIncarnation));
}

#[test]
fn a_message_of_a_later_round_does_not_count_and_accuses_nobody() {
    let mut log = begun();
    let (_, message) = log.first_message("ada");
    log.posts("ada", message).unwrap();
    assert_eq!(log.posts("ben", vec![3, 0, 0]), refused(Sessions::Protocol));
    assert_eq!(phase(&log), Some(SessionPhase::Committing));
}

#[test]
fn the_log_records_a_violation_of_the_protocol() {
    let mut log = begun();
    log.posts("ben", vec![0xFF]).unwrap();
    let shown = AbortReason::Fault { culprits: some(&["ben"]) };
    assert_eq!(phase(&log), Some(SessionPhase::Doomed(shown.clone())));
    let (_, message) = log.first_message("ada");
    assert_eq!(log.posts("ada", message), refused(Sessions::SessionStep));
    let wrong = AbortReason::Fault { culprits: some(&["ada"]) };
    assert_eq!(abort(&mut log, wrong), refused(Sessions::AbortReason));
    assert_eq!(abort(&mut log, shown), Ok(vec![Event::CeremonyAborted(board())]));
    assert_eq!(
        log.begin(session(2), 2),
        refused(Sessions::SessionFailed { group: board() }),
        "a fault is not retried"
    );
}

#[test]
fn two_different_first_messages_are_equivocation() {
    let mut log = begun();
    let (_, first) = log.first_message("ben");
    let (_, second) = log.first_message("ben");
    log.posts("ben", first).unwrap();
    log.posts("ben", second).unwrap();
    let culprits = some(&["ben"]);
    assert_eq!(phase(&log), Some(SessionPhase::Doomed(AbortReason::Fault { culprits })));
}

#[test]
fn a_time_out_names_exactly_those_whose_message_is_missing() {
    let mut log = begun();
    let (_, message) = log.first_message("ada");
    log.posts("ada", message).unwrap();
    for missing in [&["ben"][..], &["ada", "ben", "cyd"], &[]] {
        let reason = AbortReason::TimedOut { missing: some(missing) };
        assert_eq!(abort(&mut log, reason), refused(Sessions::AbortReason), "{missing:?}");
    }
    let reason = AbortReason::TimedOut { missing: some(&["ben", "cyd"]) };
    assert_eq!(abort(&mut log, reason), Ok(vec![Event::CeremonyAborted(board())]));
    assert!(log.state.group(&board()).unwrap().may_start(log.now).is_some());
}

#[test]
fn an_abort_for_a_reason_that_the_log_contradicts_is_rejected() {
    let mut log = begun();
    let reasons = [
        AbortReason::Restarted { nodes: some(&["ada"]) },
        AbortReason::Fault { culprits: some(&["ada"]) },
        AbortReason::Dissent { dissenters: some(&["ada"]) },
    ];
    for reason in reasons {
        assert_eq!(abort(&mut log, reason), refused(Sessions::AbortReason));
    }
    assert_eq!(abort(&mut log, AbortReason::Cancelled), refused(Entries::WrongAuthor));
}

#[test]
fn a_restart_before_the_first_message_costs_nothing() {
    let mut log = begun();
    log.start_node("ada", 2);
    assert_eq!(phase(&log), Some(SessionPhase::Committing));
}

#[test]
fn a_restart_with_a_part_in_memory_ends_the_session() {
    let mut log = begun();
    let (_, message) = log.first_message("ada");
    log.posts("ada", message).unwrap();
    log.start_node("ada", 2);
    let shown = AbortReason::Restarted { nodes: some(&["ada"]) };
    assert_eq!(phase(&log), Some(SessionPhase::Doomed(shown.clone())));
    assert!(abort(&mut log, shown).is_ok());
    assert!(
        log.state.group(&board()).unwrap().may_start(log.now).is_some(),
        "it is nobody's fault"
    );
}

#[test]
fn a_restart_after_certifying_costs_nothing() {
    let mut log = certifying();
    log.certifies("ada").unwrap();
    log.start_node("ada", 2);
    assert_eq!(phase(&log), Some(SessionPhase::Certifying));
    log.start_node("ben", 2);
    let nodes = some(&["ben"]);
    assert_eq!(phase(&log), Some(SessionPhase::Doomed(AbortReason::Restarted { nodes })));
}

#[test]
fn members_certify_at_the_end_and_once() {
    let mut log = begun();
    let certify = |session| Body::CeremonyCertified {
        session,
        transcript: Digest::new([0; 32]),
        public_key_package: Digest::new([0; 32]),
    };
    assert_eq!(log.says("ada", certify(session(1))), refused(Sessions::SessionStep));
    assert_eq!(log.says("ada", certify(session(9))), refused(Sessions::SessionOver));
    let stranger = log.says("out", certify(session(1)));
    assert_eq!(stranger, refused(Groups::NotAMember { account: name("out"), group: board() }));

    let mut log = certifying();
    assert_eq!(log.state.group(&board()).unwrap().missing(), some(&["ada", "ben", "cyd"]));
    log.certifies("ada").unwrap();
    assert_eq!(log.certifies("ada"), refused(Entries::AlreadySaid { account: name("ada") }));
    log.certifies("ben").unwrap();
    assert_eq!(log.certifies("cyd"), Ok(vec![Event::CeremonyCertified(board())]));
    assert_eq!(phase(&log), Some(SessionPhase::Activating));
}

#[test]
fn another_certificate_is_dissent_and_ends_the_session() {
    let mut log = certifying();
    let (transcript, _) = log.certificate();
    let public_key_package = log.random();
    let other = Body::CeremonyCertified { session: session(1), transcript, public_key_package };
    log.says("ben", other).unwrap();
    let shown = AbortReason::Dissent { dissenters: some(&["ben"]) };
    assert_eq!(phase(&log), Some(SessionPhase::Doomed(shown.clone())));
    assert!(abort(&mut log, shown).is_ok());
    assert!(log.state.group(&board()).unwrap().may_start(log.now).is_none());
}

#[test]
fn an_admin_cancels_until_the_key_is_in_use() {
    let cancel = || Body::CeremonyAborted { session: session(1), reason: AbortReason::Cancelled };
    let mut log = begun();
    assert_eq!(log.says("ben", cancel()), refused(Accounts::NotAdmin { account: name("ben") }));
    let other = AbortReason::TimedOut { missing: some(&["ada", "ben", "cyd"]) };
    let other = Body::CeremonyAborted { session: session(1), reason: other };
    assert_eq!(log.says("ada", other), refused(Entries::WrongAuthor));
    assert_eq!(log.says("ada", cancel()), Ok(vec![Event::CeremonyAborted(board())]));
    assert_eq!(log.says("ada", cancel()), refused(Sessions::SessionOver));

    let mut log = certifying();
    log.certify_all();
    let missing = BTreeSet::new();
    let late = abort(&mut log, AbortReason::TimedOut { missing });
    assert_eq!(
        late,
        refused(Sessions::AbortReason),
        "the activation waits for nobody in particular"
    );
    assert_eq!(log.says("ada", cancel()), Ok(vec![Event::CeremonyAborted(board())]));
}

#[test]
fn a_key_is_in_use_when_it_signed_its_own_activation() {
    let mut log = certifying();
    let early = Body::EpochStarted { session: session(1), signature: Base64(vec![0; 64]) };
    assert_eq!(log.coordinator_says(early), refused(Sessions::SessionStep));
    log.certify_all();
    let good = log.activation_signature();
    let mut bad = good.clone();
    bad.0[40] ^= 1;
    for signature in [bad, Base64(vec![]), Base64(vec![0; 64])] {
        let body = Body::EpochStarted { session: session(1), signature };
        assert_eq!(log.coordinator_says(body), refused(Sessions::BadSignature));
    }
    let body = Body::EpochStarted { session: session(1), signature: good };
    assert_eq!(log.coordinator_says(body.clone()), Ok(vec![Event::EpochStarted(board())]));
    assert_eq!(log.coordinator_says(body), refused(Sessions::SessionOver));
    let key = log.state.group(&board()).unwrap().key.as_ref().unwrap();
    assert_eq!((key.epoch, key.session), (1, session(1)));
}

#[test]
fn activation_records_depend_on_ivn_and_session() {
    let record = |number| {
        let mut log = TestLog::grouped();
        log.begin(session(number), 1).unwrap();
        log.generate();
        log.certify_all();
        let group = log.state.group(&board()).unwrap();
        [log.state.ivn(), IvnId::new([9; 32])]
            .map(|ivn| group.activation(ivn).unwrap().0.to_be_signed())
    };
    let distinct: BTreeSet<_> = [1, 2].into_iter().flat_map(record).collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn a_signature_of_the_hash_alone_activates_nothing() {
    let refused = |log: &mut TestLog, number| {
        let record = log.group().activation(log.state.ivn()).unwrap().0.to_be_signed();
        let hash = record.strip_prefix(b"quorate/own/activation/v1\0").unwrap();
        assert_eq!(hash.len(), 32);
        let signature = log.signed_by(&["ada", "ben"], hash);
        let body = Body::EpochStarted { session: session(number), signature };
        assert_eq!(log.coordinator_says(body), refused(Sessions::BadSignature));
    };
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    log.generate();
    log.certify_all();
    refused(&mut log, 1);

    let mut log = TestLog::keyed();
    let refresh = log.group().definition.clone();
    log.proposes("ada", refresh).unwrap();
    log.begin(session(2), 1).unwrap();
    log.reshare(&["ada", "ben", "cyd"]);
    log.certify_all();
    refused(&mut log, 2);
}

#[test]
fn nobody_certifies_before_all_have_judged() {
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    let steps = [SessionPhase::Committing, SessionPhase::Revealing, SessionPhase::Judging];
    let mut seen = Vec::new();
    for at in log.entries.len()..certifying().entries.len() {
        let entry = Entry::from_bytes(&certifying().entries[at]).unwrap();
        if let Body::CeremonyMessage { .. } = entry.statement().body {
            seen.extend(phase(&log).filter(|step| seen.last() != Some(step)));
            let body = Body::CeremonyCertified {
                session: session(1),
                transcript: Digest::new([1; 32]),
                public_key_package: Digest::new([2; 32]),
            };
            assert_eq!(log.says("ada", body), refused(Sessions::SessionStep));
        }
        log.enter(&entry).unwrap();
    }
    assert_eq!(seen, steps);
    assert_eq!(phase(&log), Some(SessionPhase::Certifying));
}

/// Two logs that differ only in the keys with which ben joins.
#[test]
fn messages_of_a_session_are_bound_to_the_participants_keys() {
    let started = |keys: &str| {
        let mut log = TestLog::founded();
        log.keys_of.insert(name("ben"), keys.to_owned());
        for account in ["ben", "cyd"] {
            log.admits(account, Role::Member);
        }
        log.define(log.board_of_three());
        let definition = log.group().defined;
        for member in ["ada", "ben", "cyd"] {
            log.accept(member).unwrap();
        }
        let body = Body::CeremonyStarted { group: board(), session: session(1), attempt: 1 };
        log.coordinator_says(body).unwrap();
        let parameters = log.ceremony().board.keyshare().unwrap().parameters();
        (definition, *parameters.context())
    };
    let ((one, context), (same, other)) = (started("ben"), started("new"));
    assert_eq!(one, same, "an admin said it once");
    assert_ne!(context, other);
    assert_eq!(started("ben").1, context);
}

/// `board` is to get new shares, and `club` its first key. A coordinator gives both sessions one
/// id: one session in the log that ben sees, and the other in the log that others see.
fn board_and_club() -> TestLog {
    let mut log = TestLog::keyed();
    log.define(GroupDefinition { name: club(), ..log.board_of_three() });
    let definition = log.state.group(&club()).unwrap().defined;
    for member in ["ada", "ben", "cyd"] {
        log.says(member, Body::GroupAccepted { group: club(), definition }).unwrap();
    }
    log.proposes("ada", log.board_of_three()).unwrap();
    log
}

fn club() -> GroupName {
    "club".parse().unwrap()
}

fn first_key_of_club(log: &mut TestLog) {
    let begins = Body::CeremonyStarted { group: club(), session: session(7), attempt: 1 };
    log.coordinator_says(begins).unwrap();
}

#[test]
fn nobody_is_blamed_for_a_first_message_of_another_log() {
    let mut refreshes = board_and_club();
    refreshes.begin(session(7), 1).unwrap();
    refreshes.joins_reshare("ben");
    let announced = Entry::from_bytes(refreshes.entries.last().unwrap()).unwrap();

    let mut generates = board_and_club();
    first_key_of_club(&mut generates);
    let ceremony = generates.state.group(&club()).unwrap().session.as_ref().unwrap();
    let me = ceremony.terms.identifiers[&name("ben")];
    let parameters = ceremony.board.keyshare().unwrap().parameters().clone();
    let (_, message) = Run::start(&parameters, me, &mut generates.rng).unwrap();
    let incarnation = generates.state.account(&name("ben")).unwrap().incarnation.unwrap();
    let message = Base64(message);
    let committed =
        generates.entry("ben", Body::CeremonyMessage { session: session(7), incarnation, message });
    let misplaced = refused(Sessions::Protocol);
    assert_eq!(generates.enter(&announced), misplaced);
    assert_eq!(refreshes.enter(&committed), misplaced);
    // Each is right where it belongs, and the sessions go on.
    assert!(generates.enter(&committed).is_ok());
    let phase = |log: &TestLog, group| log.state.group(&group).unwrap().phase();
    assert_eq!(phase(&refreshes, board()), Some(SessionPhase::Committing));
    assert_eq!(phase(&generates, club()), Some(SessionPhase::Committing));
}
