//! Entries in the coordinator's own name, and signatures that it did not receive in this form.

use super::*;
use quorate_ceremony::state::refusal::Sessions;

/// Returns the signature entry, which ben is not shown, of a request of ada that ben approved.
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
    alter: impl Fn(&mut SessionId, &mut Vec<u8>, &mut Vec<quorate_ceremony::entry::SignerRecord>),
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
fn a_wrong_signature_is_proof_for_holders_of_the_document() {
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
        |_, _, signers: &mut Vec<quorate_ceremony::entry::SignerRecord>| drop(signers.pop()),
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
            // Ben has the document, which would suffice to notice the first.
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
    forged(entry, |reason| {
        matches!(reason, Refusal::Sessions(Sessions::SessionOver | Sessions::SessionStep))
    });
}

#[test]
fn an_abort_that_blames_without_evidence_is_proof() {
    let entry = |stage: &Stage| {
        let session =
            stage.node(&ada()).state().group(&board()).unwrap().key.as_ref().unwrap().session;
        let reason = AbortReason::Fault { culprits: [ben()].into() };
        stage.liar.states(stage.clock(), Body::CeremonyAborted { session, reason }).unwrap()
    };
    forged(entry, |reason| {
        matches!(reason, Refusal::Sessions(Sessions::SessionOver | Sessions::AbortReason))
    });
}
