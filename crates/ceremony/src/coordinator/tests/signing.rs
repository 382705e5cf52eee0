//! Which signers are asked when time passes, documents are missing, and connections break; and how
//! much of the documents stays in memory.

use std::collections::BTreeSet;

use quorate_protocol::Suite;

use super::*;
use crate::entry::GroupDefinition;
use crate::held::HELD_BY_COORDINATOR;
use crate::names::{EntryId, Timestamp};
use crate::test_world::HOUR;

/// Requests of ada that all three members approved, and a coordinator without their documents.
fn approved(log: &mut TestLog, count: usize) -> (Coordinator, Vec<EntryId>) {
    let mut requests = Vec::new();
    for _ in 0..count {
        log.wait(1);
        let request = log.requests("ada", log.request()).unwrap();
        log.approves("ben", request).unwrap();
        log.approves("cyd", request).unwrap();
        requests.push(request);
    }
    let mut coordinator = coordinator(log);
    coordinator.start(log.now, &mut log.rng);
    coordinator.seal(log.now, &mut log.rng);
    (coordinator, requests)
}

fn all_here(coordinator: &mut Coordinator, log: &mut TestLog) {
    let after = log.state.size();
    for member in ["ada", "ben", "cyd"] {
        says_hello(coordinator, log, member, after);
    }
}

fn gives_document(
    coordinator: &mut Coordinator,
    log: &mut TestLog,
    request: EntryId,
) -> Vec<CoordinatorEffect> {
    let commitment = log.state.request(request).unwrap().request.document;
    let document =
        Some(Document { commitment, signatures: 1, number: 0, to_be_signed: b"document".to_vec() });
    tell(coordinator, log, Input::Document { request, document })
}

fn has_no_document(
    coordinator: &mut Coordinator,
    log: &mut TestLog,
    request: EntryId,
) -> Option<Timestamp> {
    let effects = tell(coordinator, log, Input::Document { request, document: None });
    effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::SetDeadline(CoordinatorDeadline::Retry, at) => Some(*at),
        _ => None,
    })
}

#[test]
fn nobody_is_asked_to_sign_a_request_that_has_lapsed() {
    let mut log = TestLog::keyed();
    let (mut coordinator, requests) = approved(&mut log, 1);
    gives_document(&mut coordinator, &mut log, requests[0]);
    log.wait(HOUR + 1);
    let after = log.state.size();
    for member in ["ada", "ben", "cyd"] {
        assert_eq!(invitation(&says_hello(&mut coordinator, &mut log, member, after)), None);
    }
    assert_eq!(has_no_document(&mut coordinator, &mut log, requests[0]), None);
}

#[test]
fn only_the_first_of_several_pauses_wakes_the_coordinator() {
    let mut log = TestLog::keyed();
    let (mut coordinator, requests) = approved(&mut log, 2);
    assert!(has_no_document(&mut coordinator, &mut log, requests[0]).is_some());
    assert_eq!(has_no_document(&mut coordinator, &mut log, requests[1]), None);
    log.wait(1);
    assert_eq!(has_no_document(&mut coordinator, &mut log, requests[0]), None);
}

#[test]
fn a_session_with_late_signers_continues_until_its_deadline() {
    let mut log = TestLog::keyed();
    let (mut coordinator, session) = invited(&mut log);
    let Config { signing, session: lifetime, .. } = Config::default();
    let end = log.now.plus(lifetime);
    let overdue = || Input::Deadline(CoordinatorDeadline::Signing(session));

    log.wait(signing);
    let effects = tell(&mut coordinator, &mut log, overdue());
    let until = effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::SetDeadline(CoordinatorDeadline::Signing(id), at) => Some((*id, *at)),
        _ => None,
    });
    assert_eq!((until, invitation(&effects)), (Some((session, end)), None));
    log.now = end;
    let next = invitation(&tell(&mut coordinator, &mut log, overdue()));
    assert!(next.is_some_and(|next| next != session));
}

#[test]
fn a_signer_that_disconnects_is_replaced_immediately() {
    let mut log = TestLog::keyed();
    let (mut coordinator, requests) = approved(&mut log, 1);
    all_here(&mut coordinator, &mut log);
    let first = asked(&gives_document(&mut coordinator, &mut log, requests[0]));
    assert_eq!(first.len(), 2);
    let effects = tell(&mut coordinator, &mut log, Input::Disconnected(first[0].clone()));
    let mut others = BTreeSet::from(["ada", "ben", "cyd"].map(name));
    others.remove(&first[0]);
    assert_eq!(asked(&effects).into_iter().collect::<BTreeSet<_>>(), others);
}

#[test]
fn signers_that_disagree_about_a_sealed_message_are_kept_apart() {
    let definition =
        GroupDefinition { suite: Suite::EcdsaP256Sha256, ..TestLog::peopled().board_of_three() };
    let mut log = TestLog::keyed_with(definition);
    let (mut coordinator, requests) = approved(&mut log, 1);
    all_here(&mut coordinator, &mut log);
    let mut effects = gives_document(&mut coordinator, &mut log, requests[0]);
    let mut tried = BTreeSet::new();
    let mut declines = |effects: &[CoordinatorEffect], log: &mut TestLog, because: bool| {
        let session = invitation(effects).unwrap();
        let mut signers = asked(effects);
        signers.sort();
        let [first, second] = signers.clone().try_into().unwrap();
        assert!(tried.insert(signers), "the two were asked together before");
        let because = because.then_some(second);
        let reason = DeclineReason::WrongMessage;
        let declined = FromNode::Declined { session, reason, because };
        tell(&mut coordinator, log, Input::Received(first, declined))
    };
    effects = declines(&effects, &mut log, true);
    effects = declines(&effects, &mut log, true);
    // The third pair is the last one.
    effects = declines(&effects, &mut log, true);
    assert_eq!(invitation(&effects), None);
}

#[test]
fn new_keys_of_a_signer_do_not_prevent_a_signature() {
    let mut log = TestLog::keyed();
    let (mut coordinator, requests) = approved(&mut log, 1);
    all_here(&mut coordinator, &mut log);
    let effects = gives_document(&mut coordinator, &mut log, requests[0]);
    let (session, signers) = (invitation(&effects).unwrap(), asked(&effects));
    let [first, second] = signers.try_into().unwrap();
    let subject = Subject::Request { request: requests[0] };
    let records = log.records(&[first.as_str(), second.as_str()], session, subject);
    for record in &records {
        let part = record.parts[0].clone();
        let message = FromNode::Part { session, round: 1, part };
        tell(&mut coordinator, &mut log, Input::Received(record.account.clone(), message));
    }
    let record = records.into_iter().find(|record| record.account == first).unwrap();
    let share = FromNode::Share {
        session,
        share: record.parts[1].clone(),
        size: 0,
        cosignature: String::new(),
    };
    tell(&mut coordinator, &mut log, Input::Received(first.clone(), share));

    // It owes no answer, but its messages become invalid.
    let rotated = log.rotation(first.as_str(), first.as_str(), "other-keys");
    let submission = FromNode::Submit { entry: Base64(rotated.to_bytes()) };
    let effects = tell(&mut coordinator, &mut log, Input::Received(first.clone(), submission));
    let mut others = BTreeSet::from(["ada", "ben", "cyd"].map(name));
    others.remove(&first);
    assert_eq!(asked(&effects).into_iter().collect::<BTreeSet<_>>(), others);
    assert!(invitation(&effects).is_some_and(|next| next != session));
}

#[test]
fn a_signer_late_for_one_request_is_asked_last_for_the_next() {
    let mut log = TestLog::keyed();
    let (mut coordinator, requests) = approved(&mut log, 6);
    all_here(&mut coordinator, &mut log);
    let effects = gives_document(&mut coordinator, &mut log, requests[0]);
    let (session, late) = (invitation(&effects).unwrap(), asked(&effects));
    log.wait(Config::default().signing);
    let overdue = Input::Deadline(CoordinatorDeadline::Signing(session));
    tell(&mut coordinator, &mut log, overdue);
    for request in &requests[1..] {
        let next = asked(&gives_document(&mut coordinator, &mut log, *request));
        assert_eq!((next.len(), late.contains(&next[0])), (2, false));
    }
}

/// Gives each document that is asked for, until none is. Returns all effects.
fn gives_long_documents(
    coordinator: &mut Coordinator,
    log: &mut TestLog,
    mut effects: Vec<CoordinatorEffect>,
    document: &[u8],
) -> Vec<CoordinatorEffect> {
    let mut next = wants(&effects);
    while let Some(request) = next.pop() {
        let commitment = log.state.request(request).unwrap().request.document;
        let document = Some(Document {
            commitment,
            signatures: 1,
            number: 0,
            to_be_signed: document.to_vec(),
        });
        let answers = tell(coordinator, log, Input::Document { request, document });
        assert!(coordinator.held_bytes() <= HELD_BY_COORDINATOR);
        next.extend(wants(&answers));
        effects.extend(answers);
    }
    effects
}

#[test]
fn approved_requests_do_not_hold_their_documents() {
    let long = vec![7; HELD_BY_COORDINATOR / 3];
    let mut log = TestLog::keyed();
    let (mut coordinator, requests) = approved(&mut log, 12);
    let after = log.state.size();
    let start = says_hello(&mut coordinator, &mut log, "ada", after);
    assert_eq!((wants(&start).len(), coordinator.held_bytes()), (0, 0), "too few are here");
    let effects = says_hello(&mut coordinator, &mut log, "ben", after);
    assert_eq!(wants(&effects).len(), requests.len());
    let effects = gives_long_documents(&mut coordinator, &mut log, effects, &long);
    assert_eq!(asked(&effects).len(), 2 * requests.len(), "all are being signed");
}

#[test]
fn a_document_over_the_memory_limit_is_signed_anyway() {
    let long = vec![7; HELD_BY_COORDINATOR + 1];
    let mut log = TestLog::keyed();
    let (mut coordinator, requests) = approved(&mut log, 2);
    let after = log.state.size();
    says_hello(&mut coordinator, &mut log, "ada", after);
    let effects = says_hello(&mut coordinator, &mut log, "ben", after);
    let effects = gives_long_documents(&mut coordinator, &mut log, effects, &long);
    let sessions = effects.iter().filter_map(|effect| match effect {
        CoordinatorEffect::Send(to, FromCoordinator::Invite { session, subject, .. })
            if *to == name("ada") =>
        {
            Some((*session, *subject))
        }
        _ => None,
    });
    let mut shares = Vec::new();
    for (session, subject) in sessions.collect::<Vec<_>>() {
        for record in log.records_over(&["ada", "ben"], session, subject, &long) {
            let message = FromNode::Part { session, round: 1, part: record.parts[0].clone() };
            tell(&mut coordinator, &mut log, Input::Received(record.account.clone(), message));
            shares.push((session, record.account, record.parts[1].clone()));
        }
    }
    assert_eq!(shares.len(), 2 * requests.len());
    let mut signed = 0;
    for (session, account, share) in shares {
        let message = FromNode::Share { session, share, size: 0, cosignature: String::new() };
        let effects = tell(&mut coordinator, &mut log, Input::Received(account, message));
        assert_eq!(wants(&effects).len(), 1, "a share needs the document");
        let effects = gives_long_documents(&mut coordinator, &mut log, effects, &long);
        signed +=
            effects.iter().filter(|it| matches!(it, CoordinatorEffect::Append { .. })).count();
        assert_eq!(coordinator.held_bytes(), 0);
    }
    assert_eq!(signed, requests.len());
}

#[test]
fn a_share_waits_while_its_document_is_unavailable() {
    let long = vec![7; HELD_BY_COORDINATOR + 1];
    let mut log = TestLog::keyed();
    let (mut coordinator, requests) = approved(&mut log, 1);
    let after = log.state.size();
    says_hello(&mut coordinator, &mut log, "ada", after);
    let effects = says_hello(&mut coordinator, &mut log, "ben", after);
    let effects = gives_long_documents(&mut coordinator, &mut log, effects, &long);
    let (session, subject) =
        (invitation(&effects).unwrap(), Subject::Request { request: requests[0] });
    let records = log.records_over(&["ada", "ben"], session, subject, &long);
    for record in &records {
        let part = record.parts[0].clone();
        let message = FromNode::Part { session, round: 1, part };
        tell(&mut coordinator, &mut log, Input::Received(record.account.clone(), message));
    }
    for record in records {
        let share = FromNode::Share {
            session,
            share: record.parts[1].clone(),
            size: 0,
            cosignature: String::new(),
        };
        tell(&mut coordinator, &mut log, Input::Received(record.account, share));
    }
    let again = has_no_document(&mut coordinator, &mut log, requests[0]).unwrap();
    log.now = again;
    let effects = tell(&mut coordinator, &mut log, Input::Deadline(CoordinatorDeadline::Retry));
    assert_eq!(wants(&effects), requests);
    let effects = gives_long_documents(&mut coordinator, &mut log, effects, &long);
    assert!(effects.iter().any(|it| matches!(it, CoordinatorEffect::Append { .. })));
}
