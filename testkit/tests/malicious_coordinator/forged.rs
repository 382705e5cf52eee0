//! Entries for which the coordinator has no key.

use super::*;
use quorate_ceremony::state::refusal::{Accounts, Entries};

#[test]
fn a_forged_request_is_proof_and_nothing_is_signed() {
    let entry =
        |stage: &Stage| stage.liar.forges(stage.clock(), &ada(), request(stage, 5)).unwrap();
    forged(entry, |reason| *reason == Refusal::Entries(Entries::Signature));
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
            FromCoordinator::Invite {
                session,
                subject: Subject::Request { request },
                signers: Vec::new(),
            },
        );
        stage.settle();
        let proved = proved_and_frozen(stage, &ada());
        assert!(matches!(
            proved,
            Proved::Inadmissible { reason: Refusal::Entries(Entries::Signature), .. }
        ));
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
        stage.says(&ada(), FromCoordinator::Invite { session, subject, signers: Vec::new() });
        stage.says(&ben(), FromCoordinator::Invite { session, subject, signers: Vec::new() });
        stage.settle();
        assert!(stage.is_signed(&ada(), one));
        assert!(stage.released(other).is_empty());
    });
}

#[test]
fn a_forged_invitation_is_proof() {
    let entry = |stage: &Stage| {
        let invitation = quorate_ceremony::entry::Invitation {
            name: name("mallory"),
            roles: [quorate_ceremony::entry::Role::Admin].into(),
            key: stage.node(&ada()).state().genesis().coordinator_key,
            expires_at: stage.clock().plus(1_000),
            replaces: None,
        };
        stage.liar.forges(stage.clock(), &ada(), Body::Invitation(invitation)).unwrap()
    };
    forged(entry, |reason| *reason == Refusal::Entries(Entries::Signature));
}

#[test]
fn an_admission_without_invitation_is_proof() {
    let entry = |stage: &Stage| {
        let keys = stage.node(&ada()).state().account(&cyd()).unwrap().keys.clone();
        let body = Body::AccountAdmitted { keys };
        stage.liar.forges(stage.clock(), &name("mallory"), body).unwrap()
    };
    forged(entry, |reason| *reason == Refusal::Accounts(Accounts::NotInvited));
}

#[test]
fn a_forged_group_with_a_looser_policy_is_proof() {
    let entry = |stage: &Stage| {
        let name = "shadow".parse().unwrap();
        let definition = GroupDefinition { name, ..stage.definition(2) };
        stage.liar.forges(stage.clock(), &ada(), Body::GroupDefined(definition)).unwrap()
    };
    forged(entry, |reason| *reason == Refusal::Entries(Entries::Signature));
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
        assert_eq!(reason, Refusal::Accounts(Accounts::NotAdmin { account: cyd() }));
    });
}

#[test]
fn a_statement_of_a_member_in_the_coordinators_name_is_proof() {
    let entry = |stage: &Stage| stage.liar.states(stage.clock(), request(stage, 5)).unwrap();
    forged(entry, |reason| *reason == Refusal::Entries(Entries::WrongAuthor));
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
