//! Several logs, and checkpoints that do not match.

use super::*;

#[test]
fn no_auditor_accepts_a_split_view_and_nothing_more_is_signed() {
    // 3 of 5: two accomplices confirm both logs. Each side grows alone, and no honest node is ever
    // shown the other.
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
fn a_split_view_can_be_accepted_with_min_signers_accomplices() {
    // The check can fail: with min_signers accomplices, nothing is guaranteed.
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

/// Moves ben to another log that forks off `back` entries before the end of his, lets both logs
/// grow, and moves him back.
fn forked_and_back(stage: &mut Stage, back: usize) {
    for number in 20..28 {
        stage.asks(&ada(), number).unwrap();
    }
    let fork = stage.liar.log_of(&ben()).len() - back;
    // Ben states nothing to a coordinator that shows him less than he has, so the other log is
    // larger from the beginning: it has what ada asked meanwhile, except for one entry.
    stage.liar.withhold_from(&ben(), |message| matches!(message, FromCoordinator::Log { .. }));
    for number in 50..60 {
        stage.asks(&ada(), number).unwrap();
    }
    stage.liar.alter(|_, message| vec![message]);
    let mut other = stage.liar.log_of(&ada());
    other.remove(fork);
    stage.split_to(other, &[ben()]);
    stage.asks(&ada(), 1).unwrap();
    let _ = stage.asks(&ben(), 2);
    stage.pass(1_000);
    // Nodes that restart may have made the first log longer than the one that ben has. A checkpoint
    // of more entries than he has would only stop him: he has no other log to compare it with.
    for number in 30..45 {
        if stage.node(&ben()).state().size() <= stage.liar.log_of(&ada()).len() as u64 {
            let _ = stage.asks(&ben(), number);
        }
    }
    stage.liar.seat_at_first(&ben());
    stage.connect(&ben());
    for number in 3..7 {
        let _ = stage.asks(&ada(), number);
    }
    // Nodes that restart have made the other log longer.
    for number in 7..20 {
        if stage.liar.log_of(&ada()).len() as u64 <= stage.node(&ben()).state().size() {
            let _ = stage.asks(&ada(), number);
        }
    }
    stage.pass(1_000);
    stage.pass(1_000);
}

#[test]
fn a_node_that_is_moved_to_any_fork_and_back_has_proof() {
    for back in [0, 1, 4, 7] {
        attack(|stage| {
            forked_and_back(stage, back);
            let proved = proved_and_frozen(stage, &ben());
            assert!(matches!(proved, Proved::Fork { .. }), "{proved:?}");
        });
    }
}

#[test]
fn one_checkpoint_of_a_larger_fork_stops_signing_then_is_proof() {
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
        assert!(
            matches!(kept, Some(Contradiction::Unexplained { theirs: ref t, .. }) if *t == theirs)
        );
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
fn a_different_root_at_the_same_or_a_smaller_size_is_proof() {
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
fn a_rollback_stops_signing_until_the_log_is_whole_again() {
    attack(|stage| {
        let request = stage.asks(&ada(), 1).unwrap();
        let size = stage.liar.log_of(&ben()).len();
        stage.split(size - 3, &[ben()]);
        stage.settle();
        let trouble = stage.trouble_of(&ben());
        assert_eq!(trouble, Some(Contradiction::Behind { size: (size - 3) as u64 }));
        let session = SessionId::new([7; 32]);
        stage.says(
            &ben(),
            FromCoordinator::Invite {
                session,
                subject: Subject::Request { request },
                signers: Vec::new(),
            },
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
fn a_node_rejects_entries_outside_the_checkpoint_and_recovers() {
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
        assert!(matches!(stage.trouble_of(&ben()), Some(Contradiction::Unexplained { .. })));
        stage.pass(1_000);
        assert_eq!(stage.trouble_of(&ben()), None, "the checkpoint was right");
        stage.approves(&ben(), request).unwrap();
        stage.pass(1_000);
        assert!(stage.is_signed(&ada(), request));
    });
}
