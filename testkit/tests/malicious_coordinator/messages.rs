//! Messages that are withheld, repeated, reordered, or moved to other sessions.

use super::*;

#[test]
fn an_invitation_to_sign_without_approval_gets_no_commitments() {
    attack(|stage| {
        let request = stage.asks(&ada(), 1).unwrap();
        for (number, subject) in (1..).zip([
            Subject::Request { request },
            Subject::Request { request: EntryId::new([0; 32]) },
            Subject::Activation { session: SessionId::new([0; 32]) },
        ]) {
            for member in [ada(), ben(), cyd()] {
                let session = SessionId::new([number; 32]);
                stage.says(
                    &member,
                    FromCoordinator::Invite { session, subject, signers: Vec::new() },
                );
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
            stage.says(&member, FromCoordinator::Invite { session, subject, signers: Vec::new() });
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
        // Unchanged, to other members, after a restart, and under the id of a different session.
        for restart in [false, true] {
            if restart {
                stage.start(&ben());
            }
            for (to, message) in &old {
                stage.says(to, message.clone());
                stage.says(&cyd(), message.clone());
                if let FromCoordinator::Package { round, parts, .. } = message {
                    let (session, parts) = (SessionId::new([3; 32]), parts.clone());
                    stage.says(to, FromCoordinator::Package { session, round: *round, parts });
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
            FromCoordinator::Package { session, round, mut parts } => {
                let whole = FromCoordinator::Package { session, round, parts: parts.clone() };
                parts.pop();
                vec![FromCoordinator::Package { session, round, parts }, whole]
            }
            message => vec![message],
        });
        let request = stage.asks(&ada(), 1).unwrap();
        stage.approves(&ben(), request).unwrap();
        (0..5).for_each(|_| stage.pass(1_000));
        assert!(!stage.is_signed(&ada(), request) && stage.released(request).is_empty());
    });
}
