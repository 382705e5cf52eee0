//! Tests of the coordinator with schedules that honest nodes do not produce.

mod catch_up;
mod replacement;
mod signing;

use std::collections::BTreeMap;

use quorate_log::key::Seed;

use super::log::STRETCH;
use super::{Config, Coordinator, CoordinatorSecrets, Input, QuotaLimits};
use crate::document::Document;
use crate::effect::{CoordinatorChange, CoordinatorDeadline, CoordinatorEffect, JoinId};
use crate::encoding::Base64;
use crate::entry::{Body, Entry, GroupChange, Request, Role};
use crate::identity::SecretKey;
use crate::message::{DeclineReason, FromCoordinator, FromNode};
use crate::names::{AccountName, Digest, EntryId, SessionId};
use crate::signing::Subject;
use crate::state::Refusal;
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::refusal::Entries;
use crate::test_world::{HOUR, TestLog, board, name, refused, secrets, session};

fn coordinator(log: &TestLog) -> Coordinator {
    coordinator_with(log, Config::default())
}

fn coordinator_with(log: &TestLog, config: Config) -> Coordinator {
    let secrets = CoordinatorSecrets {
        log: SecretKey::from_seed(&[1; 32]),
        identity: SecretKey::from_seed(&[2; 32]),
    };
    Coordinator::restore(secrets, config, log.entries.clone(), None).unwrap()
}

fn config_of(account: u64) -> Config {
    Config { quota: QuotaLimits { account, ..QuotaLimits::default() }, ..Config::default() }
}

fn tell(coordinator: &mut Coordinator, log: &mut TestLog, input: Input) -> Vec<CoordinatorEffect> {
    let mut effects = coordinator.handle(input, log.now, &mut log.rng);
    effects.extend(coordinator.seal(log.now, &mut log.rng));
    effects
}

fn says_hello(
    coordinator: &mut Coordinator,
    log: &mut TestLog,
    account: &str,
    after: u64,
) -> Vec<CoordinatorEffect> {
    tell(coordinator, log, Input::Connected(name(account)));
    tell(
        coordinator,
        log,
        Input::Received(name(account), FromNode::Hello { after, checkpoint: None }),
    )
}

#[test]
fn a_node_far_behind_gets_the_log_in_stretches_with_checkpoints() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    assert!(size > 3 * STRETCH, "{size}");
    for after in [3, STRETCH, STRETCH + 1, size] {
        let effects = says_hello(&mut coordinator(&log), &mut log, "ben", after);
        let mut next = after;
        for effect in effects {
            let CoordinatorEffect::SendLog { first, end, checkpoint, .. } = effect else {
                continue;
            };
            assert_eq!(first, next);
            assert!((first < end || first == size) && end - first <= STRETCH);
            let checkpoint: quorate_log::checkpoint::SignedCheckpoint = checkpoint.parse().unwrap();
            assert_eq!(checkpoint.unverified().size(), end);
            next = end;
        }
        assert_eq!(next, size);
    }
}

#[test]
fn readers_get_the_same_stretches_up_to_the_end() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut coordinator = coordinator(&log);
    assert_eq!(coordinator.stretch(1), None, "there is no checkpoint yet");
    says_hello(&mut coordinator, &mut log, "ben", size);
    let mut next = 1;
    while next < size {
        let (end, checkpoint) = coordinator.stretch(next).unwrap();
        assert!(next < end && end - next <= STRETCH);
        let checkpoint: quorate_log::checkpoint::SignedCheckpoint = checkpoint.parse().unwrap();
        assert_eq!(checkpoint.unverified().size(), end);
        next = end;
    }
    assert_eq!(coordinator.stretch(size).unwrap().0, size);
}

fn joins(log: &mut TestLog, late: u64) -> Result<u64, Refusal> {
    log.invite("eve", Role::Member);
    let token = TestLog::invitation_key("eve");
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
fn an_admission_with_an_old_time_is_rejected() {
    assert!(joins(&mut TestLog::founded(), MAX_CLOCK_LEAD).is_ok());
    let seconds = MAX_CLOCK_LEAD / 1000 + 1;
    let late = joins(&mut TestLog::founded(), seconds * 1000);
    assert_eq!(late, refused(Entries::ClockSkew { seconds }));
}

#[test]
fn only_admissions_can_be_submitted_again_for_their_index() {
    let mut log = TestLog::grouped();
    let mut coordinator = coordinator(&log);
    let entries = log.entries.clone();
    let mut shows = |index: usize| {
        let effects =
            tell(&mut coordinator, &mut log, Input::Join(JoinId(1), entries[index].clone()));
        effects.into_iter().find_map(|effect| match effect {
            CoordinatorEffect::RespondJoin(_, result) => Some(result),
            _ => None,
        })
    };
    // Genesis, an invitation, its admission.
    assert_eq!(shows(0), Some(Ok(0)));
    assert_eq!(shows(1), Some(refused(Entries::WrongAuthor)));
    assert_eq!(shows(2), Some(Ok(2)));
}

#[test]
fn statements_from_the_future_are_accepted_within_a_tolerance() {
    let mut log = TestLog::keyed();
    for (lead, seconds) in
        [(MAX_CLOCK_LEAD, None), (MAX_CLOCK_LEAD + 1_000, Some(MAX_CLOCK_LEAD / 1000 + 1))]
    {
        let mut coordinator = coordinator(&log);
        let now = log.now;
        log.wait(lead);
        let entry = log.entry("ada", Body::Request(log.request()));
        log.now = now;
        let effects = submits(&mut coordinator, &mut log, "ada", &entry);
        let skew = seconds.map(|seconds| Refusal::Entries(Entries::ClockSkew { seconds }));
        assert_eq!(rejection(&effects), skew.as_ref());
    }
}

fn submits(
    coordinator: &mut Coordinator,
    log: &mut TestLog,
    account: &str,
    entry: &Entry,
) -> Vec<CoordinatorEffect> {
    let submit = FromNode::Submit { entry: Base64(entry.to_bytes()) };
    tell(coordinator, log, Input::Received(name(account), submit))
}

#[test]
fn a_cosignature_must_be_its_senders_and_newer_than_the_last() {
    let mut log = TestLog::keyed();
    let mut coordinator = coordinator(&log);
    says_hello(&mut coordinator, &mut log, "ben", 0);
    let older = coordinator.published().unwrap().clone();
    let entry = log.entry("ada", Body::Request(log.request()));
    log.enter(&entry).unwrap();
    submits(&mut coordinator, &mut log, "ada", &entry);
    let newer = coordinator.published().unwrap().clone();
    let (old, new) = (older.head().size, newer.head().size);
    assert_eq!((old + 1, new), (new, log.state.size()));

    let line = |account: &str, checkpoint| {
        let origin = older.checkpoint().origin();
        let key = secrets(account).cosigner_of(origin, &name(account)).unwrap();
        key.cosign(checkpoint, 5.try_into().unwrap()).to_string()
    };
    let mut kept = |size, cosignature: String| {
        let message = FromNode::Cosign { size, cosignature };
        let effects = tell(&mut coordinator, &mut log, Input::Received(name("ben"), message));
        effects.iter().any(|effect| {
            matches!(effect, CoordinatorEffect::Persist(CoordinatorChange::Cosignature { .. }))
        })
    };
    for wrong in [line("ada", &newer), line("ben", &older), "rubbish".to_owned()] {
        assert!(!kept(new, wrong));
    }
    assert!(!kept(new + 1, line("ben", &newer)));
    assert!(kept(old, line("ben", &older)) && kept(new, line("ben", &newer)));
    assert!(!kept(new, line("ben", &newer)) && !kept(old, line("ben", &older)));
    assert_eq!(coordinator.cosigned_sizes(), &BTreeMap::from([(name("ben"), new)]));
    assert_eq!(coordinator.published().unwrap().note().signatures().len(), 2);
}

#[test]
fn a_session_starts_when_the_last_member_connects() {
    let mut log = TestLog::grouped();
    let mut coordinator = coordinator(&log);
    let after = log.state.size();
    for member in ["ada", "ben"] {
        says_hello(&mut coordinator, &mut log, member, after);
    }
    tell(&mut coordinator, &mut log, Input::Connected(name("cyd")));
    assert_eq!(coordinator.ceremony_session(&board()), None);
    tell(
        &mut coordinator,
        &mut log,
        Input::Received(name("cyd"), FromNode::Hello { after, checkpoint: None }),
    );
    assert!(coordinator.ceremony_session(&board()).is_some());
    assert_eq!(coordinator.online().count(), 3);
}

/// An approved request with the signers ada and ben, and the session to which they are invited.
fn invited(log: &mut TestLog) -> (Coordinator, SessionId) {
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let mut coordinator = coordinator(log);
    let mut effects = coordinator.start(log.now, &mut log.rng);
    let after = log.state.size();
    for (member, is_enough) in [("cyd", false), ("ada", false), ("ben", true)] {
        effects.extend(says_hello(&mut coordinator, log, member, after));
        assert_eq!(wants(&effects), Vec::from_iter(is_enough.then_some(request)), "{member}");
    }
    let document = Document {
        commitment: log.state.request(request).unwrap().request.document,
        signatures: 1,
        number: 0,
        to_be_signed: b"document".to_vec(),
    };
    let effects =
        tell(&mut coordinator, log, Input::Document { request, document: Some(document) });
    let session = invitation(&effects).unwrap();
    (coordinator, session)
}

/// The requests whose documents are asked for.
fn wants(effects: &[CoordinatorEffect]) -> Vec<EntryId> {
    let wanted = effects.iter().filter_map(|effect| match effect {
        CoordinatorEffect::PrepareDocument(request) => Some(*request),
        _ => None,
    });
    wanted.collect()
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
fn only_a_chosen_signer_declines_and_it_is_asked_again_later() {
    let mut log = TestLog::keyed();
    let (mut coordinator, session) = invited(&mut log);
    let decline = FromNode::Declined { session, reason: DeclineReason::NoDocument, because: None };
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
    let mut log = TestLog::keyed();
    let (mut coordinator, session) = invited(&mut log);
    let size = coordinator.state().size();
    let subject = Subject::Activation { session: SessionId::new([1; 32]) };
    let part = log.first_part_of("ada", session, subject);
    let inputs = [
        ("out", FromNode::Part { session, round: 1, part: part.clone() }),
        ("ada", FromNode::Part { session: crate::test_world::session(9), round: 1, part }),
        ("ada", FromNode::Submit { entry: crate::encoding::Base64(b"{}".to_vec()) }),
        ("ada", FromNode::Cosign { size: u64::MAX, cosignature: "garbage".to_owned() }),
        ("ada", FromNode::Hello { after: u64::MAX, checkpoint: None }),
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

fn request_of(log: &TestLog) -> EntryId {
    *log.state.requests().keys().next().unwrap()
}

#[test]
fn a_missing_document_is_requested_again() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let mut coordinator = coordinator(&log);
    coordinator.start(log.now, &mut log.rng);
    let after = log.state.size();
    says_hello(&mut coordinator, &mut log, "ada", after);
    assert_eq!(wants(&says_hello(&mut coordinator, &mut log, "ben", after)), [request]);
    let effects = tell(&mut coordinator, &mut log, Input::Document { request, document: None });
    assert_eq!(wants(&effects), [], "not before the pause is over");
    let deadline = effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::SetDeadline(deadline, _) => Some(deadline.clone()),
        _ => None,
    });
    let effects = tell(&mut coordinator, &mut log, Input::Deadline(deadline.unwrap()));
    assert_eq!(wants(&effects), [request]);
}

#[test]
fn a_connection_is_announced_with_one_name_to_each_node() {
    let log = TestLog::keyed();
    let mut coordinator = coordinator(&log);
    let mut log = log;
    let names = |effects: &[CoordinatorEffect]| {
        let told = effects.iter().filter_map(|effect| match effect {
            CoordinatorEffect::Send(to, FromCoordinator::Presence { online, .. }) => {
                Some((to.clone(), online.len()))
            }
            CoordinatorEffect::Send(to, FromCoordinator::PresenceChanged { .. }) => {
                Some((to.clone(), 1))
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    for (account, expected) in [
        ("ada", vec![(name("ada"), 1)]),
        ("ben", vec![(name("ada"), 1), (name("ben"), 2)]),
        ("cyd", vec![(name("ada"), 1), (name("ben"), 1), (name("cyd"), 3)]),
        ("cyd", vec![(name("cyd"), 3)]),
    ] {
        let effects = tell(&mut coordinator, &mut log, Input::Connected(name(account)));
        assert_eq!(names(&effects), expected);
    }
    let effects = tell(&mut coordinator, &mut log, Input::Disconnected(name("ada")));
    assert_eq!(names(&effects), [(name("ben"), 1), (name("cyd"), 1)]);
}

fn rejection(effects: &[CoordinatorEffect]) -> Option<&Refusal> {
    effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::Send(_, FromCoordinator::Rejected { reason, .. }) => Some(reason),
        _ => None,
    })
}

#[test]
fn only_the_account_that_states_too_much_is_stopped() {
    let mut log = TestLog::keyed();
    let mut coordinator = coordinator_with(&log, config_of(3));
    let mut starts = |log: &mut TestLog, account: &str| {
        let incarnation = log.random();
        let entry = log.entry(account, Body::NodeStarted { incarnation }).to_bytes();
        let submit = FromNode::Submit { entry: crate::encoding::Base64(entry) };
        rejection(&tell(&mut coordinator, log, Input::Received(name(account), submit))).cloned()
    };
    for _ in 0..3 {
        assert_eq!(starts(&mut log, "ben"), None);
    }
    let refused = Some(Refusal::Entries(Entries::TooMuch { account: name("ben"), seconds: 1 }));
    assert_eq!(starts(&mut log, "ben"), refused);
    assert_eq!(starts(&mut log, "cyd"), None);
    log.wait(1_000);
    assert_eq!(starts(&mut log, "ben"), None);
    assert_eq!(starts(&mut log, "ben"), refused);
    // A vote costs as much as another statement.
    let request = log.requests("ada", log.request()).unwrap();
    let asks = Entry::from_bytes(log.entries.last().unwrap()).unwrap();
    assert_eq!(rejection(&submits(&mut coordinator, &mut log, "ada", &asks)), None);
    let approval = log.entry("ben", Body::Approval { request });
    let refused = refused.as_ref();
    assert_eq!(rejection(&submits(&mut coordinator, &mut log, "ben", &approval)), refused);
    let approval = log.entry("cyd", Body::Approval { request });
    assert_eq!(rejection(&submits(&mut coordinator, &mut log, "cyd", &approval)), None);
    let used = coordinator.quota_in_use();
    assert_eq!((used.limits.account, used.account, used.ivn, used.rejected), (3, 3, 3, 3));
}

#[test]
fn two_members_cannot_fill_the_log_with_rejections() {
    const CREDIT: u64 = 10;
    let mut log = TestLog::keyed();
    let config = config_of(CREDIT);
    let mut coordinator = coordinator_with(&log, config);
    let before = coordinator.state().size();
    let mut bytes = 0;
    for round in 0..200_u64 {
        let mut document = [0; 32];
        document[..8].copy_from_slice(&round.to_be_bytes());
        let document = Digest::new(document);
        let asks = log.entry("ada", Body::Request(Request { document, ..log.request() }));
        submits(&mut coordinator, &mut log, "ada", &asks);
        let request = asks.id();
        for voter in ["ben", "cyd"] {
            let reason = "x".repeat(500);
            let rejects = log.entry(voter, Body::Refusal { request, reason });
            let effects = submits(&mut coordinator, &mut log, voter, &rejects);
            bytes += effects.iter().fold(0, |sum, effect| match effect {
                CoordinatorEffect::Append { entry, .. } => sum + entry.to_bytes().len(),
                _ => sum,
            });
        }
    }
    // As many statements of each as it has credit, in one and the same millisecond.
    assert_eq!(coordinator.state().size() - before, 3 * CREDIT);
    assert!(bytes < 2 * 2_048 * 10, "{bytes}");
}

#[test]
fn a_group_that_signs_does_not_run_out_of_credit() {
    let mut log = TestLog::keyed();
    let config = config_of(1);
    let mut coordinator = coordinator_with(&log, config);
    for number in 7..12 {
        log.wait(1);
        let request = log.requests("ada", log.request()).unwrap();
        let asks = Entry::from_bytes(log.entries.last().unwrap()).unwrap();
        log.approves("ben", request).unwrap();
        let approves = Entry::from_bytes(log.entries.last().unwrap()).unwrap();
        for (account, entry) in [("ada", &asks), ("ben", &approves)] {
            let effects = submits(&mut coordinator, &mut log, account, entry);
            assert_eq!(rejection(&effects), None, "{account}, {number}");
        }
        let (id, subject) = (session(number), Subject::Request { request });
        let signers = log.records(&["ada", "ben"], id, subject);
        let signature = log.signature();
        let body = Body::Signature { request, session: id, signature, signers };
        log.coordinator_says(body.clone()).unwrap();
        let now = log.now;
        assert!(coordinator.append_own(body, &mut super::Call::new(now, &mut log.rng)).is_some());
    }
}

#[test]
fn a_refresh_costs_the_entries_that_others_make_because_of_it() {
    for (min_signers, spent) in [(3, None), (2, Some(9))] {
        let mut log = TestLog::keyed();
        let mut coordinator = coordinator_with(&log, config_of(5));
        let definition = log.board_of(&["ada", "ben", "cyd"], min_signers);
        let expires_at = log.now.plus(HOUR);
        let change =
            GroupChange { epoch: 1, definition, expires_at, repairs: None, retires: false };
        let proposal = log.entry("ben", Body::GroupChange(change));
        assert_eq!(rejection(&submits(&mut coordinator, &mut log, "ben", &proposal)), None);
        let incarnation = log.random();
        let starts = log.entry("ben", Body::NodeStarted { incarnation });
        // Four short statements of each member, six sealed shares, and the proposal. A change that
        // others must approve costs only the proposal.
        let refused = spent
            .map(|seconds| Refusal::Entries(Entries::TooMuch { account: name("ben"), seconds }));
        assert_eq!(
            rejection(&submits(&mut coordinator, &mut log, "ben", &starts)),
            refused.as_ref()
        );
    }
}

#[test]
fn only_the_first_hello_on_a_connection_is_answered() {
    let mut log = TestLog::keyed();
    let mut coordinator = coordinator(&log);
    let sends_log = |effects: &[CoordinatorEffect]| {
        effects.iter().any(|effect| matches!(effect, CoordinatorEffect::SendLog { .. }))
    };
    assert!(sends_log(&says_hello(&mut coordinator, &mut log, "ben", 0)));
    let hello = || Input::Received(name("ben"), FromNode::Hello { after: 0, checkpoint: None });
    assert!(!sends_log(&tell(&mut coordinator, &mut log, hello())));
    assert!(sends_log(&says_hello(&mut coordinator, &mut log, "ben", 0)), "after dialling again");
}

#[test]
fn a_group_whose_sessions_time_out_waits_longer_each_time() {
    let mut log = TestLog::grouped();
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
        let overdue = CoordinatorDeadline::Ceremony(session.unwrap());
        let effects = tell(&mut coordinator, &mut log, Input::Deadline(overdue));
        assert_eq!(started(&effects), None, "immediately");
        let next = effects.iter().find_map(|effect| match effect {
            CoordinatorEffect::SetDeadline(next @ CoordinatorDeadline::NextCeremony(_), at) => {
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
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    let mut coordinator = coordinator(&log);
    coordinator.start(log.now, &mut log.rng);
    for account in ["out", "ada", "ben"] {
        let after = log.state.size();
        let effects = says_hello(&mut coordinator, &mut log, account, after);
        assert!(!effects.iter().any(|effect| matches!(effect, CoordinatorEffect::SetDeadline(..))));
    }
}

#[test]
fn enough_cosignatures_of_previous_members_are_logged() {
    let mut log = TestLog::keyed();
    log.admits("dan", Role::Member);
    log.change(&["ada", "ben", "dan"], 2, session(2));
    let mut coordinator = coordinator(&log);
    let size = log.state.size();
    for account in ["ada", "ben", "cyd"] {
        says_hello(&mut coordinator, &mut log, account, size);
    }
    let published = coordinator.published().unwrap().clone();
    let cosigns = |coordinator: &mut Coordinator, log: &mut TestLog, account: &str| {
        let key = secrets(account).cosigner_of(&log.state.origin(), &name(account)).unwrap();
        let line = key.cosign(&published, 5.try_into().unwrap());
        let message = FromNode::Cosign { size, cosignature: line.to_string() };
        let effects = tell(coordinator, log, Input::Received(name(account), message));
        effects.into_iter().find_map(|effect| match effect {
            CoordinatorEffect::Append { entry, .. } => Some(entry),
            _ => None,
        })
    };
    assert_eq!(cosigns(&mut coordinator, &mut log, "ada"), None);
    assert_eq!(cosigns(&mut coordinator, &mut log, "ben"), None);
    let shown = cosigns(&mut coordinator, &mut log, "cyd").unwrap();
    let Body::ChangeConfirmed { epoch: 2, checkpoint, .. } = &shown.statement().body else {
        panic!("{shown:?}")
    };
    // Three cosignatures are needed, in addition to the log's signature.
    assert_eq!(checkpoint.lines().filter(|line| line.starts_with("— ")).count(), 4);
    log.enter(&shown).unwrap();
    assert_eq!(log.group().confirmations[0].confirmed, Some(size));
}
