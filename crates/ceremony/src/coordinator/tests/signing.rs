//! Which signers are asked when time passes, documents are missing, and connections break.

use std::collections::BTreeSet;

use super::*;
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
    let document = Some(Document { commitment, to_be_signed: b"document".to_vec() });
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
        let commitments = record.commitments.clone();
        let message = FromNode::Commitments { session, commitments };
        tell(&mut coordinator, &mut log, Input::Received(record.account.clone(), message));
    }
    let record = records.into_iter().find(|record| record.account == first).unwrap();
    let share =
        FromNode::Share { session, share: record.share, size: 0, cosignature: String::new() };
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
