//! Signature entries: what they must contain.

use crate::state::refusal::{Entries, Requests};
use curve25519_dalek::Scalar;

use crate::encoding::Base64;
use crate::entry::{Body, MOST_SIGNATURES, Request, SignerRecord};
use crate::names::EntryId;
use crate::signing::Subject;
use crate::state::{Event, Status};
use crate::test_world::{TestLog, refused, session};

/// A request of ada that ben approved and cyd did not.
fn approved() -> (TestLog, EntryId) {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    (log, request)
}

/// A signature entry with the sum of its signers' shares.
fn signature(request: EntryId, signers: Vec<SignerRecord>) -> Body {
    let mut sum = Scalar::ZERO;
    for record in &signers {
        let share = record.parts.get(1).and_then(|share| share.value_unverified().try_into().ok());
        sum += share.map_or(Scalar::ZERO, |share| Scalar::from_canonical_bytes(share).unwrap());
    }
    let signature = Base64([[1; 32], sum.to_bytes()].concat());
    Body::Signature { request, session: session(7), signature, signers }
}

#[test]
fn a_signature_shows_approving_members_own_messages() {
    let (mut log, request) = approved();
    let signers = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    let events = log.coordinator_says(signature(request, signers.clone())).unwrap();
    assert_eq!(events, [Event::RequestSigned(request)]);
    assert!(matches!(log.state.request(request).unwrap().status, Status::Signed));
    let again = log.coordinator_says(signature(request, signers));
    assert_eq!(again, refused(Requests::NotApproved { request }), "once");
}

/// A request for two signatures that is approved.
fn approved_for_two() -> (TestLog, EntryId) {
    let mut log = TestLog::keyed();
    let two = Request { signatures: 2, ..log.request() };
    let request = log.requests("ada", two).unwrap();
    log.approves("ben", request).unwrap();
    (log, request)
}

#[test]
fn a_request_for_two_signatures_is_signed_with_the_second() {
    let (mut log, request) = approved_for_two();
    let subject = Subject::Request { request };
    let first = log.records(&["ada", "ben"], session(7), subject);
    let events = log.coordinator_says(signature(request, first.clone())).unwrap();
    assert_eq!(events, [Event::RequestPartlySigned(request)]);
    let state = log.state.request(request).unwrap();
    assert_eq!((state.status.clone(), state.next_signature()), (Status::Approved, 1));
    let logged = state.signatures[0].signature.clone();
    assert_eq!(log.state.next_to_sign(request).unwrap().earlier, [logged]);

    let moved = log.coordinator_says(signature(request, first));
    assert_eq!(moved, refused(Requests::Signers), "the messages are for the first signature");
    let second = log.records(&["ada", "ben"], session(7), subject);
    let events = log.coordinator_says(signature(request, second.clone())).unwrap();
    assert_eq!(events, [Event::RequestSigned(request)]);
    let third = log.coordinator_says(signature(request, second));
    assert_eq!(third, refused(Requests::NotApproved { request }));
}

#[test]
fn a_rejection_between_two_signatures_ends_the_request() {
    let (mut log, request) = approved_for_two();
    let first = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    log.coordinator_says(signature(request, first)).unwrap();
    let second = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    for member in ["ada", "ben"] {
        log.says(member, Body::Refusal { request, reason: "no".to_owned() }).unwrap();
    }
    let late = log.coordinator_says(signature(request, second));
    assert_eq!(late, refused(Requests::NotApproved { request }));
}

#[test]
fn a_request_takes_1_to_4_signatures() {
    let mut log = TestLog::keyed();
    for signatures in [0, 5, 255] {
        let wrong = Request { signatures, ..log.request() };
        let most = MOST_SIGNATURES;
        assert_eq!(log.requests("ada", wrong).map(drop), Err(Requests::Signatures { most }.into()));
    }
    let most = Request { signatures: 4, ..log.request() };
    assert!(log.requests("ada", most).is_ok());
}

#[test]
fn what_is_not_approved_is_not_signed() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let signers = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    let early = log.coordinator_says(signature(request, signers));
    assert_eq!(early, refused(Requests::NotApproved { request }));
    let unknown = EntryId::new([0; 32]);
    let nothing = log.coordinator_says(signature(unknown, Vec::new()));
    assert_eq!(nothing, refused(Requests::UnknownRequest { request: unknown }));
}

#[test]
fn only_the_coordinator_logs_signatures() {
    let (mut log, request) = approved();
    let signers = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    assert_eq!(log.says("ada", signature(request, signers)), refused(Entries::WrongAuthor));
}

#[test]
fn a_signer_who_did_not_approve_does_not_count() {
    let (mut log, request) = approved();
    let signers = log.records(&["ada", "cyd"], session(7), Subject::Request { request });
    assert_eq!(log.coordinator_says(signature(request, signers)), refused(Requests::Signers));
}

#[test]
fn fewer_than_min_signers_or_one_twice_do_not_count() {
    let (mut log, request) = approved();
    let signers = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    let one = vec![signers[0].clone()];
    assert_eq!(log.coordinator_says(signature(request, one)), refused(Requests::Signers));
    let twice = vec![signers[0].clone(), signers[0].clone()];
    assert_eq!(log.coordinator_says(signature(request, twice)), refused(Requests::Signers));
    assert_eq!(log.coordinator_says(signature(request, Vec::new())), refused(Requests::Signers));
}

#[test]
fn signers_messages_count_only_for_their_session_and_package() {
    let (mut log, request) = approved();
    let subject = Subject::Request { request };
    let good = log.records(&["ada", "ben"], session(7), subject);
    let other_session = log.records(&["ada", "ben"], session(8), subject);
    let other_request = Subject::Request { request: EntryId::new([0; 32]) };
    let other_request = log.records(&["ada", "ben"], session(7), other_request);
    let other_set = log.records(&["ada", "ben"], session(7), subject);
    let mixed = vec![good[0].clone(), other_set[1].clone()];
    let swapped = SignerRecord { account: good[1].account.clone(), ..good[0].clone() };
    let swapped = vec![good[0].clone(), swapped];
    let [mut less, mut more, mut reversed] = [good.clone(), good.clone(), good.clone()];
    less[1].parts.pop();
    more[1].parts.push(good[1].parts[1].clone());
    reversed[1].parts.reverse();
    for signers in [other_session, other_request, mixed, swapped, less, more, reversed] {
        assert_eq!(log.coordinator_says(signature(request, signers)), refused(Requests::Signers));
    }
}

#[test]
fn a_signature_has_64_bytes() {
    let (mut log, request) = approved();
    let signers = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    let Body::Signature { mut signature, signers, .. } = signature(request, signers) else {
        panic!()
    };
    signature.0.remove(0);
    let body = Body::Signature { request, session: session(7), signature, signers };
    assert_eq!(log.coordinator_says(body), refused(Requests::Signers));
}

#[test]
fn shares_that_do_not_add_up_to_the_signature_do_not_count() {
    let (mut log, request) = approved();
    let subject = Subject::Request { request };
    let signers = log.records(&["ada", "ben"], session(7), subject);
    let others = log.records(&["ada", "ben"], session(7), subject);
    let Body::Signature { signature: other, .. } = signature(request, others) else { panic!() };
    let body = Body::Signature { request, session: session(7), signature: other, signers };
    assert_eq!(log.coordinator_says(body), refused(Requests::Signers));
}

#[test]
fn a_signature_by_the_most_signers_fits_one_entry() {
    let (mut log, request) = approved();
    let records = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    let context = crate::signing::SigningSession {
        ivn: log.state.ivn(),
        session: session(7),
        epoch: 1,
        subject: Subject::Request { request },
        number: 0,
    };
    let key = crate::test_world::secrets("ada");
    let after = Some(crate::names::Digest::new([0; 32]));
    let places = [crate::test_world::FIRST, crate::signing::Place { round: 2, after }];
    let messages = [records[0].parts[0].value_unverified(), &[1; 32]];
    let signers: Vec<SignerRecord> = (0..crate::state::MOST_SIGNERS)
        .map(|number| {
            let account = crate::test_world::name(&format!("{number:0>63}"));
            let sign = |(place, message): (_, &[u8])| {
                context.sign(&account, &key.identity, place, message.to_vec())
            };
            let parts = places.into_iter().zip(messages).map(sign).collect();
            SignerRecord { account, parts }
        })
        .collect();
    let statement = log.statement(crate::entry::Author::Coordinator, signature(request, signers));
    assert!(crate::entry::Entry::sign(statement, &[&log.coordinator]).is_ok());
}
