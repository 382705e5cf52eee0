//! Entries that the coordinator claims to reject, but keeps and logs later.

use super::*;
use quorate_ceremony::node::Command;
use quorate_ceremony::state::refusal::Requests;
use quorate_ceremony::state::{Refused, Status};

/// Lets the coordinator claim to reject ben's approval, and keep it.
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
    let reason = Refusal::Requests(Requests::RequestOver { request });
    stage.says(&ben(), FromCoordinator::Rejected { entry: approval.id(), reason });
    stage.settle();
    (request, approval)
}

#[test]
fn an_approval_that_the_coordinator_rejected_stays_pending() {
    attack(|stage| {
        let (request, approval) = rejected_approval(stage);
        let disputed: Vec<EntryId> = stage.node(&ben()).disputed().map(Entry::id).collect();
        assert_eq!(disputed, [approval.id()]);
        // Logged later, it counts, because its holder gave it and never withdrew it.
        stage.liar.intercept(|_, message| Some(message));
        stage.connect(&ben());
        stage.settle();
        stage.pass(1_000);
        assert!(stage.is_signed(&ada(), request));
        assert_eq!(stage.node(&ben()).disputed().count(), 0);
    });
}

#[test]
fn an_approval_that_is_logged_after_a_rejection_gets_no_share() {
    attack(|stage| {
        let (request, approval) = rejected_approval(stage);
        let _ = stage.refuses(&ben(), request);
        // The rejection is withheld, the approval logged, and then ben is asked to sign, also after
        // a restart.
        for (number, member) in (1..).zip([ada(), ben(), cyd()]) {
            stage.shows(&member, std::slice::from_ref(&approval));
            stage.settle();
            let session = SessionId::new([number; 32]);
            stage.says(
                &member,
                FromCoordinator::Invite {
                    session,
                    subject: Subject::Request { request },
                    signers: Vec::new(),
                },
            );
            stage.settle();
        }
        assert!(stage.node(&ben()).state().request(request).unwrap().approvals.contains(&ben()));
        stage.start(&ben());
        stage.settle();
        let session = SessionId::new([9; 32]);
        stage.says(
            &ben(),
            FromCoordinator::Invite {
                session,
                subject: Subject::Request { request },
                signers: Vec::new(),
            },
        );
        stage.settle();
        assert!(!stage.released(request).contains(&ben()));
    });
}

#[test]
fn a_request_in_an_unserved_format_gets_no_share() {
    attack(|stage| {
        let ask = Command::Request {
            group: board(),
            document_type: None,
            output: "raw".parse().unwrap(),
            signatures: 1,
            document: Digest::new([1; 32]),
            expires_in: None,
        };
        // The log records it as refused. The coordinator acts as if everybody had approved it.
        let request = stage.orders(&ada(), ask).unwrap();
        stage.settle();
        for (number, member) in (1..).zip([ada(), ben(), cyd()]) {
            let over = Refusal::Requests(Requests::RequestOver { request });
            assert_eq!(stage.approves(&member, request), Err(over.into()));
            let session = SessionId::new([number; 32]);
            let subject = Subject::Request { request };
            stage.says(&member, FromCoordinator::Invite { session, subject, signers: Vec::new() });
            stage.settle();
            let state = stage.node(&member).state().request(request).unwrap();
            assert!(matches!(state.status, Status::Refused(Refused::FormatNotServed { .. })));
        }
        assert!(stage.released(request).is_empty());
    });
}
