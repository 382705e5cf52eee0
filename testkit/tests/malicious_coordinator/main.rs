//! The catalogue of attacks by a malicious coordinator with the log's key, everything that it
//! stores, and up to min_signers − 1 accomplices among the members.
//!
//! Each test runs one attack with several orders of messages, and compares it with the same ground
//! truth. Honest nodes release shares only for what their own holders approved. S1 holds. What a
//! node believes matches its disk and is admissible. The auditor accepts at most one of two logs
//! that contradict each other (S3). Each test also states what the victim knows afterwards.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use quorate_ceremony::effect::CommandError;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{AbortReason, Author, Body, Entry, GroupDefinition, Request};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::misbehaviour::Proved;
use quorate_ceremony::names::{AccountName, Digest, EntryId, SessionId};
use quorate_ceremony::node::Contradiction;
use quorate_ceremony::policy::{Output, Policy};
use quorate_ceremony::signing::Subject;
use quorate_ceremony::state::Refusal;
use quorate_testkit::double::{Stage, Trouble, board, name};

mod forged;
mod logs;
mod messages;
mod own;
mod rejected;
mod reshares;

const SEEDS: u64 = 3;
/// The faults in the second half of each attack's runs.
const TROUBLE: Trouble = Trouble { crash: 30, loss: 20 };

fn ada() -> AccountName {
    name("ada")
}

fn ben() -> AccountName {
    name("ben")
}

fn cyd() -> AccountName {
    name("cyd")
}

/// Runs an attack on a group of 2 of 3 with several orders of messages, and then looks for
/// violations: first on a network without faults, then with nodes that die between two effects and
/// messages that are lost.
fn attack(script: impl Fn(&mut Stage)) {
    for trouble in [Trouble::default(), TROUBLE] {
        for seed in 0..SEEDS {
            let mut stage = Stage::new(2, 3, seed);
            stage.trouble = trouble;
            script(&mut stage);
            let of = format!("seed {seed} with {} faults", stage.faults);
            assert_eq!(stage.violations(), Vec::<String>::new(), "{of}");
        }
    }
}

/// Asserts that the victim has proof of a bad entry, keeps it over a restart, and releases no share
/// for a request that it approved.
fn proved_and_frozen(stage: &mut Stage, victim: &AccountName) -> Proved {
    let proved = stage.proof_of(victim).unwrap();
    for _ in 0..2 {
        assert_eq!(stage.trouble_of(victim), Some(Contradiction::Misbehaviour(proved.clone())));
        assert_eq!(stage.approves(victim, EntryId::new([1; 32])), Err(CommandError::Frozen));
        stage.start(victim);
        stage.settle();
    }
    proved
}

/// Shows ben an entry at the end of the log that is inadmissible there for this reason.
fn forged(entry: impl Fn(&Stage) -> Entry, expected: impl Fn(&Refusal) -> bool) {
    attack(|stage| {
        let entry = entry(stage);
        let before = stage.node(&ben()).state().size();
        stage.shows(&ben(), &[entry]);
        stage.settle();
        let proved = proved_and_frozen(stage, &ben());
        let Proved::Inadmissible { index, reason } = proved else { panic!("{proved:?}") };
        assert!(expected(&reason), "{reason:?}");
        assert_eq!((index, stage.node(&ben()).state().size()), (before, before));
        // The others were shown nothing, and continue without ben.
        let request = stage.asks(&ada(), 9).unwrap();
        stage.approves(&cyd(), request).unwrap();
        stage.settle();
        assert!(stage.is_signed(&ada(), request));
        assert!(!stage.released(request).contains(&ben()));
    });
}

fn request(stage: &Stage, number: u8) -> Body {
    let policy = Policy::for_min_signers(2);
    Body::Request(Request {
        group: board(),
        document_type: None,
        output: Output::default(),
        signatures: 1,
        document: Digest::new([number; 32]),
        policy: policy.hash(),
        expires_at: stage.clock().plus(1_000_000),
    })
}
