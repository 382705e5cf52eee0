//! What the coordinator does that no honest schedule shows.

use super::{Config, Coordinator, CoordinatorSecrets, Input, MAX_CLOCK_LEAD, STRETCH};
use crate::chronicle::{Chronicle, name, session};
use crate::effect::{CoordinatorDeadline, CoordinatorEffect, JoinId};
use crate::identity::SecretKey;
use crate::message::{DeclineReason, FromCoordinator, FromNode};
use crate::names::{AccountName, SessionId};
use crate::node::Document;
use crate::signing::Subject;
use crate::state::Invalid;
use crate::statement::{Body, Role};

fn coordinator(log: &Chronicle) -> Coordinator {
    let secrets = CoordinatorSecrets {
        log: SecretKey::from_seed(&[1; 32]),
        identity: SecretKey::from_seed(&[2; 32]),
    };
    Coordinator::restore(secrets, Config::default(), log.entries.clone(), None).unwrap()
}

fn tell(
    coordinator: &mut Coordinator,
    log: &mut Chronicle,
    input: Input,
) -> Vec<CoordinatorEffect> {
    let mut effects = coordinator.handle(input, log.now, &mut log.rng);
    effects.extend(coordinator.seal(log.now, &mut log.rng));
    effects
}

fn says_hello(
    coordinator: &mut Coordinator,
    log: &mut Chronicle,
    account: &str,
    after: u64,
) -> Vec<CoordinatorEffect> {
    tell(coordinator, log, Input::Connected(name(account)));
    tell(coordinator, log, Input::Received(name(account), FromNode::Hello { after }))
}

#[test]
fn a_node_that_is_far_behind_gets_the_log_in_stretches_with_a_checkpoint_each() {
    let mut log = Chronicle::keyed();
    let size = log.state.size();
    assert!(size > 3 * STRETCH, "{size}");
    let effects = says_hello(&mut coordinator(&log), &mut log, "ben", 3);
    let mut next = 3;
    for effect in effects {
        let CoordinatorEffect::SendLog { first, end, checkpoint, .. } = effect else { continue };
        assert_eq!(first, next);
        assert!(end - first <= STRETCH);
        let checkpoint: quorate_log::checkpoint::SignedCheckpoint = checkpoint.parse().unwrap();
        assert_eq!(checkpoint.unverified().size(), end);
        next = end;
    }
    assert_eq!(next, size);
}

fn joins(log: &mut Chronicle, late: u64) -> Result<u64, Invalid> {
    log.invite("eve", Role::Member);
    let token = Chronicle::invitation_key("eve");
    let admission = log.admission("eve", &token, log.state.ivn());
    let mut coordinator = coordinator(log);
    log.wait(late);
    let effects = tell(&mut coordinator, log, Input::Join(JoinId(1), admission.to_bytes()));
    effects
        .into_iter()
        .find_map(|effect| match effect {
            CoordinatorEffect::RespondJoin(JoinId(1), result) => Some(result),
            _ => None,
        })
        .unwrap()
}

#[test]
fn an_admission_that_claims_to_be_old_is_not_taken() {
    assert!(joins(&mut Chronicle::founded(), MAX_CLOCK_LEAD).is_ok());
    let seconds = MAX_CLOCK_LEAD / 1000 + 1;
    let late = joins(&mut Chronicle::founded(), seconds * 1000);
    assert_eq!(late, Err(Invalid::ClockSkew { seconds }));
}

/// An approved request of which ada and ben are the signers, and the session that they are invited to.
fn invited(log: &mut Chronicle) -> (Coordinator, SessionId) {
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let mut coordinator = coordinator(log);
    let effects = coordinator.start(log.now, &mut log.rng);
    assert!(effects.iter().any(|effect| matches!(effect, CoordinatorEffect::PrepareDocument(_))));
    let after = log.state.size();
    for member in ["ada", "ben", "cyd"] {
        says_hello(&mut coordinator, log, member, after);
    }
    let document = Document {
        commitment: log.state.request(request).unwrap().request.document,
        to_be_signed: b"document".to_vec(),
    };
    let effects =
        tell(&mut coordinator, log, Input::Document { request, document: Some(document) });
    let session = invitation(&effects).unwrap();
    (coordinator, session)
}

fn asked(effects: &[CoordinatorEffect]) -> Vec<AccountName> {
    let asked = effects.iter().filter_map(|effect| match effect {
        CoordinatorEffect::Send(to, FromCoordinator::Invite { .. }) => Some(to.clone()),
        _ => None,
    });
    asked.collect()
}

fn invitation(effects: &[CoordinatorEffect]) -> Option<SessionId> {
    effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::Send(_, FromCoordinator::Invite { session, .. }) => Some(*session),
        _ => None,
    })
}

#[test]
fn only_a_chosen_signer_can_decline_and_is_asked_again_after_a_pause() {
    let mut log = Chronicle::keyed();
    let (mut coordinator, session) = invited(&mut log);
    let decline = FromNode::Declined { session, reason: DeclineReason::NoDocument };
    for stranger in ["cyd", "out"] {
        let effects =
            tell(&mut coordinator, &mut log, Input::Received(name(stranger), decline.clone()));
        assert_eq!(invitation(&effects), None, "{stranger}");
    }
    let effects = tell(&mut coordinator, &mut log, Input::Received(name("ada"), decline));
    assert_eq!(invitation(&effects), None);
    let pause = effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::SetDeadline(CoordinatorDeadline::Retry, at) => Some(*at),
        _ => None,
    });
    log.now = pause.unwrap();
    let effects = tell(&mut coordinator, &mut log, Input::Deadline(CoordinatorDeadline::Retry));
    assert_eq!(asked(&effects), [name("ada")]);
}

#[test]
fn garbage_from_members_and_strangers_changes_nothing() {
    let mut log = Chronicle::keyed();
    let (mut coordinator, session) = invited(&mut log);
    let size = coordinator.state().size();
    let subject = Subject::Activation { session: SessionId::new([1; 32]) };
    let commitments = log.commitments_of("ada", session, subject);
    let inputs = [
        ("out", FromNode::Commitments { session, commitments: commitments.clone() }),
        ("ada", FromNode::Commitments { session: crate::chronicle::session(9), commitments }),
        ("ada", FromNode::Submit { entry: crate::encoding::Base64(b"{}".to_vec()) }),
        ("ada", FromNode::Cosign { size: u64::MAX, cosignature: "garbage".to_owned() }),
        ("ada", FromNode::Hello { after: u64::MAX }),
    ];
    for (from, message) in inputs {
        let effects =
            tell(&mut coordinator, &mut log, Input::Received(name(from), message.clone()));
        assert_eq!(invitation(&effects), None, "{message:?}");
    }
    assert_eq!(coordinator.state().size(), size);
    assert!(
        !coordinator.awaited_signers(Subject::Request { request: request_of(&log) }).is_empty()
    );
}

fn request_of(log: &Chronicle) -> crate::names::EntryId {
    *log.state.requests().keys().next().unwrap()
}

#[test]
fn a_document_that_is_not_there_is_asked_for_again() {
    let mut log = Chronicle::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let mut coordinator = coordinator(&log);
    coordinator.start(log.now, &mut log.rng);
    coordinator.seal(log.now, &mut log.rng);
    let effects = tell(&mut coordinator, &mut log, Input::Document { request, document: None });
    let deadline = effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::SetDeadline(deadline, _) => Some(deadline.clone()),
        _ => None,
    });
    let effects = tell(&mut coordinator, &mut log, Input::Deadline(deadline.unwrap()));
    assert!(
        effects.iter().any(
            |effect| matches!(effect, CoordinatorEffect::PrepareDocument(id) if *id == request)
        )
    );
}

fn rejection(effects: &[CoordinatorEffect]) -> Option<&Invalid> {
    effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::Send(_, FromCoordinator::Rejected { reason, .. }) => Some(reason),
        _ => None,
    })
}

#[test]
fn an_account_that_states_too_much_is_stopped_and_no_other_is() {
    let mut log = Chronicle::keyed();
    let secrets = CoordinatorSecrets {
        log: SecretKey::from_seed(&[1; 32]),
        identity: SecretKey::from_seed(&[2; 32]),
    };
    let config = Config { credit: 3, ..Config::default() };
    let mut coordinator = Coordinator::restore(secrets, config, log.entries.clone(), None).unwrap();
    let mut starts = |log: &mut Chronicle, account: &str| {
        let incarnation = log.random();
        let entry = log.entry(account, Body::NodeStarted { incarnation }).to_bytes();
        let submit = FromNode::Submit { entry: crate::encoding::Base64(entry) };
        rejection(&tell(&mut coordinator, log, Input::Received(name(account), submit))).cloned()
    };
    for _ in 0..3 {
        assert_eq!(starts(&mut log, "ben"), None);
    }
    let refused = Some(Invalid::TooMuch { account: name("ben"), seconds: 1 });
    assert_eq!(starts(&mut log, "ben"), refused);
    assert_eq!(starts(&mut log, "cyd"), None);
    log.wait(1_000);
    assert_eq!(starts(&mut log, "ben"), None);
    assert_eq!(starts(&mut log, "ben"), refused);
}

#[test]
fn only_the_first_hello_on_a_connection_is_answered_with_the_log() {
    let mut log = Chronicle::keyed();
    let mut coordinator = coordinator(&log);
    let sends_log = |effects: &[CoordinatorEffect]| {
        effects.iter().any(|effect| matches!(effect, CoordinatorEffect::SendLog { .. }))
    };
    assert!(sends_log(&says_hello(&mut coordinator, &mut log, "ben", 0)));
    let hello = || Input::Received(name("ben"), FromNode::Hello { after: 0 });
    assert!(!sends_log(&tell(&mut coordinator, &mut log, hello())));
    assert!(sends_log(&says_hello(&mut coordinator, &mut log, "ben", 0)), "after dialling again");
}

#[test]
fn a_group_whose_sessions_time_out_waits_longer_each_time() {
    let mut log = Chronicle::grouped();
    let mut coordinator = coordinator(&log);
    let started = |effects: &[CoordinatorEffect]| {
        effects.iter().find_map(|effect| match effect {
            CoordinatorEffect::Append { entry, .. } => match entry.statement().body {
                Body::CeremonyStarted { session, .. } => Some(session),
                _ => None,
            },
            _ => None,
        })
    };
    let mut session = None;
    for member in ["ada", "ben", "cyd"] {
        let after = log.state.size();
        session = session.or(started(&says_hello(&mut coordinator, &mut log, member, after)));
    }
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let overdue = CoordinatorDeadline::Dkg(session.unwrap());
        let effects = tell(&mut coordinator, &mut log, Input::Deadline(overdue));
        assert_eq!(started(&effects), None, "at once");
        let next = effects.iter().find_map(|effect| match effect {
            CoordinatorEffect::SetDeadline(next @ CoordinatorDeadline::NextDkg(_), at) => {
                Some((next.clone(), *at))
            }
            _ => None,
        });
        let (next, at) = next.unwrap();
        pauses.push(at.0 - log.now.0);
        log.now = at;
        session = started(&tell(&mut coordinator, &mut log, Input::Deadline(next)));
    }
    assert_eq!(pauses, [100, 200, 400]);
}

#[test]
fn reconnecting_does_not_keep_a_stalled_session_alive() {
    let mut log = Chronicle::grouped();
    log.begin(session(1), 1).unwrap();
    let mut coordinator = coordinator(&log);
    coordinator.start(log.now, &mut log.rng);
    for account in ["out", "ada", "ben"] {
        let after = log.state.size();
        let effects = says_hello(&mut coordinator, &mut log, account, after);
        assert!(!effects.iter().any(|effect| matches!(effect, CoordinatorEffect::SetDeadline(..))));
    }
}
