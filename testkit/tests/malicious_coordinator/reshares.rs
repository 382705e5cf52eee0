//! Reshares: sessions that nobody approved, messages of sessions that are over, and epochs that
//! some members are not shown.

use super::*;
use quorate_ceremony::state::refusal::{Entries, Requests, Sessions};

/// Returns the current group. Proposing it makes new shares, which takes no approvals.
fn same(stage: &Stage) -> GroupDefinition {
    stage.definition(2)
}

/// Returns the group without cyd, which takes the approvals of two.
fn smaller(stage: &Stage) -> GroupDefinition {
    GroupDefinition { members: vec![ada(), ben()], ..stage.definition(2) }
}

fn shows_kind(message: &FromCoordinator, kind: impl Fn(&Body) -> bool) -> bool {
    let FromCoordinator::Log { entries, .. } = message else { return false };
    let mut bodies = entries.iter().filter_map(|bytes| Entry::from_bytes(&bytes.0).ok());
    bodies.any(|entry| kind(&entry.statement().body))
}

fn entries(stage: &Stage, kind: impl Fn(&Body) -> bool) -> Vec<Entry> {
    let log = stage.liar.log_of(&ada());
    let all = log.iter().map(|bytes| Entry::from_bytes(bytes).unwrap());
    all.filter(|entry| kind(&entry.statement().body)).collect()
}

/// The others, which were shown nothing, sign without the victim.
fn ada_and_cyd_sign(stage: &mut Stage, number: u8) {
    let request = stage.asks(&ada(), number).unwrap();
    stage.approves(&cyd(), request).unwrap();
    (0..3).for_each(|_| stage.pass(1_000));
    assert!(stage.is_signed(&ada(), request));
}

/// Keeps the messages of ceremonies from the log from now on.
fn hold_up_ceremonies(stage: &mut Stage) {
    stage.liar.intercept(|_, message| match &message {
        FromNode::Submit { entry } => {
            let entry = Entry::from_bytes(&entry.0).unwrap();
            let of_ceremony = matches!(entry.statement().body, Body::CeremonyMessage { .. });
            (!of_ceremony).then_some(message)
        }
        _ => Some(message),
    });
}

fn running(stage: &Stage) -> SessionId {
    let group = stage.node(&ada()).state().group(&board()).unwrap();
    group.session.as_ref().unwrap().session
}

#[test]
fn a_session_for_a_change_that_is_not_approved_is_proof() {
    attack(|stage| {
        stage.proposes(&ada(), smaller(stage)).unwrap();
        let body =
            Body::CeremonyStarted { group: board(), session: SessionId::new([8; 32]), attempt: 1 };
        let entry = stage.liar.states(stage.clock(), body).unwrap();
        stage.shows(&ben(), &[entry]);
        stage.settle();
        let proved = proved_and_frozen(stage, &ben());
        let Proved::Inadmissible { reason, .. } = proved else { panic!("{proved:?}") };
        assert!(matches!(reason, Refusal::Requests(Requests::NotApproved { .. })), "{reason:?}");
        assert_eq!((stage.epoch_of(&ada()), stage.shares_held(&ben())), (1, 1));
        ada_and_cyd_sign(stage, 9);
    });
}

#[test]
fn a_session_for_no_change_is_proof() {
    let entry = |stage: &Stage| {
        let (group, session) = (board(), SessionId::new([8; 32]));
        let body = Body::CeremonyStarted { group, session, attempt: 1 };
        stage.liar.states(stage.clock(), body).unwrap()
    };
    forged(entry, |reason| matches!(reason, Refusal::Sessions(Sessions::SessionRunning { .. })));
}

/// An accomplice is one of three, and its approval one of two.
#[test]
fn an_accomplices_consent_to_its_own_change_carries_nothing_out() {
    attack(|stage| {
        stage.corrupt(&cyd());
        let epoch = stage.epoch_of(&ada());
        let definition = GroupDefinition { members: vec![ben(), cyd()], ..same(stage) };
        let expires_at = stage.clock().plus(1_000_000);
        let change = quorate_ceremony::entry::GroupChange {
            epoch,
            definition,
            expires_at,
            repairs: None,
            retires: false,
        };
        let proposed = stage.accomplice_states(&cyd(), Body::GroupChange(change));
        let approved = stage.accomplice_states(&cyd(), Body::Approval { request: proposed.id() });
        stage.shows(&ben(), &[proposed, approved]);
        stage.settle();
        let proved = proved_and_frozen(stage, &ben());
        // It proposed the change, so it has approved already.
        let expected = Refusal::Entries(Entries::AlreadySaid { account: cyd() });
        assert!(
            matches!(&proved, Proved::Inadmissible { reason, .. } if *reason == expected),
            "{proved:?}"
        );
        assert_eq!((stage.epoch_of(&ben()), stage.shares_held(&ben())), (1, 1));
    });
}

#[test]
fn an_abort_that_blames_for_a_reshare_without_evidence_is_proof() {
    attack(|stage| {
        hold_up_ceremonies(stage);
        stage.proposes(&ada(), same(stage)).unwrap();
        let session = running(stage);
        let reason = AbortReason::Fault { culprits: [cyd()].into() };
        let body = Body::CeremonyAborted { session, reason };
        let entry = stage.liar.states(stage.clock(), body).unwrap();
        stage.shows(&ben(), &[entry]);
        stage.settle();
        let proved = proved_and_frozen(stage, &ben());
        let expected = Refusal::Sessions(Sessions::AbortReason);
        assert!(matches!(&proved, Proved::Inadmissible { reason, .. } if *reason == expected));
        assert_eq!(stage.shares_held(&ben()), 1);
        ada_and_cyd_sign(stage, 9);
    });
}

#[test]
fn an_epoch_that_nobody_signed_is_proof_and_destroys_nothing() {
    attack(|stage| {
        let first = entries(stage, |body| matches!(body, Body::EpochStarted { .. }));
        let Body::EpochStarted { signature, .. } = first[0].statement().body.clone() else {
            panic!("an epoch")
        };
        hold_up_ceremonies(stage);
        stage.proposes(&ada(), same(stage)).unwrap();
        let body = Body::EpochStarted { session: running(stage), signature };
        let entry = stage.liar.states(stage.clock(), body).unwrap();
        stage.shows(&ben(), &[entry]);
        stage.settle();
        proved_and_frozen(stage, &ben());
        assert_eq!((stage.epoch_of(&ben()), stage.shares_held(&ben())), (1, 1));
        ada_and_cyd_sign(stage, 9);
    });
}

#[test]
fn messages_of_an_abandoned_session_are_proof_in_the_next() {
    attack(|stage| {
        // All dealings except ada's are withheld until the session is abandoned.
        const DEAL: u8 = 9;
        let mut seen = 0;
        stage.liar.intercept(move |from, message| {
            if let FromNode::Submit { entry } = &message
                && *from != ada()
                && let Body::CeremonyMessage { message: said, .. } =
                    &Entry::from_bytes(&entry.0).unwrap().statement().body
                && said.0.first() == Some(&DEAL)
                && seen < 20
            {
                seen += 1;
                return None;
            }
            Some(message)
        });
        stage.proposes(&ada(), same(stage)).unwrap();
        let given_up = running(stage);
        (0..10).for_each(|_| stage.pass(1_000));
        assert!(!entries(stage, |body| matches!(body, Body::CeremonyAborted { .. })).is_empty());
        let old = entries(
            stage,
            |body| matches!(body, Body::CeremonyMessage { session, .. } if *session == given_up),
        );
        assert!(!old.is_empty());
        stage.shows(&ben(), &old[..1]);
        stage.settle();
        let proved = proved_and_frozen(stage, &ben());
        let expected = Refusal::Sessions(Sessions::SessionOver);
        assert!(
            matches!(&proved, Proved::Inadmissible { reason, .. } if *reason == expected),
            "{proved:?}"
        );
        // Nobody received a new share, and a frozen node keeps its shares.
        assert_eq!(stage.shares_held(&ben()), 1);
    });
}

#[test]
fn a_member_keeps_both_shares_until_it_sees_the_new_epoch() {
    attack(|stage| {
        stage.liar.withhold_from(&ben(), |message| {
            shows_kind(message, |body| matches!(body, Body::EpochStarted { .. }))
        });
        stage.proposes(&ada(), same(stage)).unwrap();
        (0..3).for_each(|_| stage.pass(1_000));
        assert_eq!((stage.epoch_of(&ada()), stage.epoch_of(&ben())), (2, 1));
        assert_eq!((stage.shares_held(&ada()), stage.shares_held(&ben())), (1, 2));
        ada_and_cyd_sign(stage, 9);
        // A restart changes nothing.
        stage.start(&ben());
        stage.settle();
        assert_eq!(stage.shares_held(&ben()), 2);

        stage.liar.alter(|_, message| vec![message]);
        stage.connect(&ben());
        (0..3).for_each(|_| stage.pass(1_000));
        assert_eq!((stage.epoch_of(&ben()), stage.shares_held(&ben())), (2, 1));
        let request = stage.asks(&ada(), 10).unwrap();
        stage.approves(&ben(), request).unwrap();
        (0..3).for_each(|_| stage.pass(1_000));
        assert!(stage.is_signed(&ada(), request));
    });
}

#[test]
fn a_member_on_a_fork_without_the_epoch_has_proof_later() {
    attack(|stage| {
        stage.proposes(&ada(), same(stage)).unwrap();
        (0..3).for_each(|_| stage.pass(1_000));
        let log = stage.liar.log_of(&ada());
        let epochs = log.iter().enumerate().filter(|(_, bytes)| {
            let body = &Entry::from_bytes(bytes).unwrap().statement().body.clone();
            matches!(body, Body::EpochStarted { .. })
        });
        assert_eq!((epochs.count(), stage.shares_held(&ben())), (2, 1));
        // A new epoch, which ben is shown up to where it would start.
        stage.liar.withhold_from(&ben(), |message| {
            shows_kind(message, |body| matches!(body, Body::EpochStarted { .. }))
        });
        stage.proposes(&ada(), same(stage)).unwrap();
        (0..3).for_each(|_| stage.pass(1_000));
        assert_eq!((stage.epoch_of(&ada()), stage.epoch_of(&ben())), (3, 2));
        let size = usize::try_from(stage.node(&ben()).state().size()).unwrap();
        stage.liar.alter(|_, message| vec![message]);
        stage.split(size, &[ben()]);
        // The fork grows beyond the log that the others see. Then their checkpoint is proof.
        for number in 40..60 {
            let _ = stage.asks(&ben(), number);
        }
        (0..3).for_each(|_| stage.pass(1_000));
        assert_eq!((stage.epoch_of(&ben()), stage.shares_held(&ben())), (2, 2));
        ada_and_cyd_sign(stage, 9);

        stage.liar.seat_at_first(&ben());
        stage.connect(&ben());
        (0..3).for_each(|_| stage.pass(1_000));
        assert!(stage.proof_of(&ben()).is_some(), "{:?}", stage.trouble_of(&ben()));
        assert!(matches!(proved_and_frozen(stage, &ben()), Proved::Fork { .. }));
        assert_eq!(stage.shares_held(&ben()), 2);
    });
}

/// Two of five sign. Eve is an accomplice of the coordinator, which shows a change only to ada and
/// eve. For these two, which are then the group, the change is final. For the four that are shown
/// the log without the change, that log is final.
#[test]
fn a_hidden_change_is_not_accepted_alongside_a_log_without_it() {
    for seed in 0..SEEDS {
        let mut stage = Stage::new(2, 5, seed);
        let eve = name("eve");
        stage.corrupt(&eve);
        let size = stage.liar.log_of(&ada()).len();
        stage.split(size, &[ada(), eve.clone()]);
        let after = GroupDefinition { members: vec![ada(), eve.clone()], ..stage.definition(2) };
        let change = stage.proposes(&ada(), after).unwrap();
        stage.approves(&eve, change).unwrap();
        (0..3).for_each(|_| stage.pass(1_000));
        assert_eq!(stage.epoch_of(&ada()), 2, "there, it is in force");
        let request = stage.asks(&ben(), 1).unwrap();
        stage.approves(&cyd(), request).unwrap();
        (0..3).for_each(|_| stage.pass(1_000));
        assert!(stage.is_signed(&ben(), request), "and here they go on without it");
        assert_eq!(stage.violations(), Vec::<String>::new(), "seed {seed}");
    }
}
