//! What honest participants get, whichever of them help, in whatever order their messages are
//! logged.

use std::collections::{BTreeMap, BTreeSet};

use frost_ed25519::keys::{self as frost, repairable};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::session::{ED25519, Key, id, ids, rng};
use crate::Suite;
use crate::keys::{KeyPackage, PublicKeyPackage};
use crate::keyshare::{Error, MAX_PARTICIPANTS, Phase, Posted, SessionId};
use crate::repair::{Board, Parameters, ParametersError, Run, Step};
use crate::signing::{
    Board as SigningBoard, Opening, Run as SigningRun, Step as SigningStep, verify,
};

/// A suite, min_signers, distinct identifiers of at least one more participant, and the order in
/// which they help or recover.
fn any_group() -> impl Strategy<Value = (Suite, u16, Vec<u16>)> {
    let pool: Vec<u16> = (1..=9).chain([255, 256, 257, 4096, 65534, 65535]).collect();
    (select(Suite::ALL), subsequence(pool, 3..=7)).prop_flat_map(|(suite, ids)| {
        let most = ids.len() as u16 - 1;
        (Just(suite), 2..=most, Just(ids).prop_shuffle())
    })
}

/// Signs with these shares, and verifies.
fn signs<'a>(public: &PublicKeyPackage, signers: impl Iterator<Item = &'a KeyPackage>) {
    let mut board = SigningBoard::new(public.suite(), None).unwrap();
    let opening = Opening { session: SessionId([5; 32]), signers: None, message: None };
    let mut runs = Vec::new();
    for package in signers {
        let (run, message) = SigningRun::start(package, &opening, &mut rng(3)).unwrap();
        board.post(1, package.identifier(), &message.posted().0).unwrap();
        runs.push((package, run));
    }
    board.fix_signers();
    let mut signed = board.clone();
    for (package, run) in runs {
        let step = run.advance(package, public, &board, Some(b"a contract"), &mut rng(3)).unwrap();
        let SigningStep::Share(share) = step else { panic!("FROST has two rounds") };
        signed.post(2, package.identifier(), &share).unwrap();
    }
    let signature = signed.combine(public, b"a contract").unwrap();
    verify(public.verifying_key(), b"a contract", &signature).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_min_signers_helpers_restore_exactly_the_lost_share(
        (suite, min_signers, members) in any_group(),
        seed: u64,
    ) {
        let key = Key::dealt(suite, min_signers, &members, seed);
        let (lost, others) = members.split_first().unwrap();
        let online = &others[..usize::from(min_signers)];
        let parameters = key.repair(others, *lost);
        let (mut session, messages) = key.start_repair(&parameters, online, seed ^ 1);
        session.play(messages);

        prop_assert_eq!(session.board.phase(), Phase::Complete);
        prop_assert_eq!(session.board.outcome(), Some(&key.public));
        prop_assert_eq!(session.board.helpers(), &ids(online.iter().copied()));
        prop_assert_eq!(&session.left, session.board.helpers());
        prop_assert!(session.errors.is_empty() && session.runs.is_empty());
        let repaired = session.repaired().unwrap();
        prop_assert_eq!(repaired.to_bytes(), key.shares[&id(*lost)].to_bytes());
        prop_assert_eq!(repaired.check(&key.public), Ok(()));
        if suite == ED25519 {
            let others = others.iter().take(usize::from(min_signers) - 1);
            signs(&key.public, others.map(|id_| &key.shares[&id(*id_)]).chain([repaired]));
        }
    }

    #[test]
    fn the_first_candidates_help_and_late_ones_leave(
        suite in select(Suite::ALL),
        order in Just(vec![1, 2, 3, 4, 5, 6]).prop_shuffle(),
    ) {
        let key = Key::dealt(suite, 3, &[1, 2, 3, 4, 5, 6], 1);
        let parameters = key.repair(&[1, 2, 3, 5, 6], 4);
        let (mut session, messages) = key.start_repair(&parameters, &[1, 2, 3, 5, 6], 2);
        let mut helpers = BTreeSet::new();
        for from in order.iter().copied().map(id) {
            let posted = session.board.post(from, &messages[&from]);
            if from == id(4) || helpers.len() < 3 {
                prop_assert_eq!(posted, Ok(Posted::Recorded));
                helpers.extend((from != id(4)).then_some(from));
            } else {
                let late = Error::OutOfOrder { from, phase: session.board.phase() };
                prop_assert_eq!(posted, Err(late));
            }
        }
        prop_assert_eq!(session.board.helpers(), &helpers);
        prop_assert_eq!(session.board.phase(), Phase::Reveal);
        let before = session.board.transcript();
        let deals = session.advance();
        let late: BTreeSet<_> = &ids([1, 2, 3, 5, 6]) - &helpers;
        prop_assert_eq!(&session.left, &late);
        prop_assert_eq!(session.board.transcript(), before);
        prop_assert_eq!(deals.keys().copied().collect::<BTreeSet<_>>(), helpers);
        session.play(deals);
        prop_assert_eq!(session.repaired().unwrap().to_bytes(), key.shares[&id(4)].to_bytes());
        prop_assert_eq!(session.left.len(), 5);
    }

    #[test]
    fn the_order_within_a_round_of_the_same_helpers_changes_nothing(
        suite in select(Suite::ALL),
        order in Just(vec![1, 2, 3, 4]).prop_shuffle(),
        repeat: bool,
    ) {
        let key = Key::dealt(suite, 3, &[1, 2, 3, 4], 1);
        let parameters = key.repair(&[1, 2, 3], 4);
        let (mut straight, messages) = key.start_repair(&parameters, &[1, 2, 3], 9);
        straight.play(messages);
        let (mut session, mut messages) = key.start_repair(&parameters, &[1, 2, 3], 9);
        while !messages.is_empty() {
            for from in order.iter().copied().map(id) {
                let Some(message) = messages.get(&from) else { continue };
                prop_assert!(session.board.missing().contains(&from));
                prop_assert_eq!(session.board.post(from, message), Ok(Posted::Recorded));
                if repeat {
                    prop_assert_eq!(session.board.post(from, message), Ok(Posted::Repeated));
                }
            }
            messages = session.advance();
        }
        prop_assert_eq!(session.board.phase(), Phase::Complete);
        prop_assert_eq!(session.board.transcript(), straight.board.transcript());
    }
}

/// The published scheme in another implementation: the same shares, other random summands, the same
/// result.
#[test]
fn what_is_repaired_is_what_frost_core_repairs() {
    let key = Key::dealt(ED25519, 3, &[1, 2, 3, 4, 5], 1);
    let frost_id = |id: u16| frost_ed25519::Identifier::try_from(id).unwrap();
    let helpers = [1, 3, 5].map(frost_id);
    let mut received: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for helper in [1, 3, 5] {
        let package = of_frost(&key.shares[&id(helper)]);
        let deltas = repairable::repair_share_part1::<frost_ed25519::Ed25519Sha512, _>(
            &helpers,
            &package,
            &mut rng(4),
            frost_id(4),
        );
        for (to, delta) in deltas.unwrap() {
            received.entry(to).or_default().push(delta);
        }
    }
    let sigmas: Vec<_> =
        received.values().map(|deltas| repairable::repair_share_part2(deltas)).collect();
    let shares = key.public.verifying_shares().iter().map(|(id, share)| {
        (frost_id(id.get()), frost::VerifyingShare::deserialize(share.as_bytes()).unwrap())
    });
    let verifying_key =
        frost_ed25519::VerifyingKey::deserialize(key.public.verifying_key().as_bytes());
    let public = frost::PublicKeyPackage::new(shares.collect(), verifying_key.unwrap(), Some(3));
    let theirs = repairable::repair_share_part3(&sigmas, frost_id(4), &public).unwrap();

    let parameters = key.repair(&[1, 3, 5], 4);
    let (mut session, messages) = key.start_repair(&parameters, &[1, 3, 5], 2);
    session.play(messages);
    let ours = session.repaired().unwrap();
    assert_eq!(theirs.signing_share().serialize(), ours.signing_share().expose());
}

fn of_frost(package: &KeyPackage) -> frost::KeyPackage {
    frost::KeyPackage::new(
        frost_ed25519::Identifier::try_from(package.identifier().get()).unwrap(),
        frost::SigningShare::deserialize(package.signing_share().expose()).unwrap(),
        frost::VerifyingShare::deserialize(package.verifying_share().as_bytes()).unwrap(),
        frost_ed25519::VerifyingKey::deserialize(package.verifying_key().as_bytes()).unwrap(),
        package.min_signers(),
    )
}

#[test]
fn the_board_says_where_the_session_is_and_who_is_missing() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3, 4], 1);
    let (mut session, messages) = key.start_repair(&key.repair(&[1, 2, 4], 3), &[1, 2], 1);
    assert_eq!(
        (session.board.phase(), session.board.missing()),
        (Phase::Commit, ids([1, 2, 3, 4]))
    );

    session.board.post(id(2), &messages[&id(2)]).unwrap();
    assert_eq!(session.board.missing(), ids([1, 3, 4]));
    session.board.post(id(1), &messages[&id(1)]).unwrap();
    // Only the recipient is missing.
    assert_eq!((session.board.phase(), session.board.missing()), (Phase::Commit, ids([3])));
    assert!(session.advance().is_empty(), "everybody waits");
    session.board.post(id(3), &messages[&id(3)]).unwrap();

    for (phase, missing) in [
        (Phase::Reveal, ids([1, 2])),
        (Phase::Sum, ids([1, 2])),
        (Phase::Verdict, ids([3])),
        (Phase::Complete, ids([])),
    ] {
        assert_eq!((session.board.phase(), session.board.missing()), (phase, missing));
        assert!(session.repaired().is_none());
        session.step();
    }
    assert!(session.repaired().is_some());
    assert!(session.board.culprits().is_empty() && session.board.faults().is_empty());
}

#[test]
fn nobody_deals_before_the_recipient_has_announced() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3, 4], 1);
    let (mut session, mut messages) = key.start_repair(&key.repair(&[1, 2, 4], 3), &[1, 2, 4], 1);
    let lost = messages.remove(&id(3)).unwrap();
    session.board.post(id(4), &messages[&id(4)]).unwrap();
    session.board.post(id(1), &messages[&id(1)]).unwrap();
    assert_eq!(session.board.helpers(), &ids([1, 4]));
    assert!(session.advance().is_empty());
    assert_eq!(session.left, ids([2]), "who is too late need not wait for anybody");
    session.play([(id(3), lost)].into());
    assert_eq!(session.repaired().unwrap().to_bytes(), key.shares[&id(3)].to_bytes());
}

#[test]
fn transcripts_differ_when_any_message_or_parameter_does() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3, 4], 1);
    let base = key.repair(&[1, 2, 3], 4);
    let played = |seed| {
        let (mut session, messages) = key.start_repair(&base, &[1, 2], seed);
        session.play(messages);
        session.board.transcript()
    };
    let mut transcripts = vec![played(1), played(2), Board::new(base.clone()).transcript()];
    let other = Key::dealt(ED25519, 2, &[1, 2, 3, 4], 2);
    let three = Key::dealt(ED25519, 3, &[1, 2, 3, 4], 1);
    let p256 = Key::dealt(Suite::TestP256, 2, &[1, 2, 3, 4], 1);
    let with = |session, context| {
        Parameters::new(SessionId(session), context, &key.public, ids([1, 2, 3]), id(4)).unwrap()
    };
    for parameters in [
        with([9; 32], [2; 32]),
        with([1; 32], [9; 32]),
        key.repair(&[1, 2], 4),
        key.repair(&[1, 2, 4], 3),
        key.repair(&[1, 2], 3),
        other.repair(&[1, 2, 3], 4),
        three.repair(&[1, 2, 3], 4),
        p256.repair(&[1, 2, 3], 4),
    ] {
        transcripts.push(Board::new(parameters).transcript());
    }
    let distinct: BTreeSet<_> = transcripts.iter().collect();
    assert_eq!(distinct.len(), transcripts.len());
}

#[test]
fn impossible_parameters_are_refused() {
    let key = Key::dealt(ED25519, 3, &[1, 2, 3, 4, 5], 1);
    let errors = [
        (
            key.try_repair(&[1, 2], 4),
            ParametersError::TooFewCandidates { min_signers: 3, candidates: 2 },
        ),
        (
            key.try_repair(&[], 4),
            ParametersError::TooFewCandidates { min_signers: 3, candidates: 0 },
        ),
        (key.try_repair(&[1, 2, 3, 4], 4), ParametersError::Recipient(id(4))),
        (key.try_repair(&[1, 2, 3, 1], 4), ParametersError::Duplicate(id(1))),
        (key.try_repair(&[1, 2, 6], 4), ParametersError::NoShare(id(6))),
        // A share that nobody had is not repaired, because it would be an additional one.
        (key.try_repair(&[1, 2, 3], 6), ParametersError::NoShare(id(6))),
    ];
    for (made, error) in errors {
        assert_eq!(made, Err(error));
    }
    assert!(key.try_repair(&[1, 2, 3], 4).is_ok());
    let most = u16::try_from(MAX_PARTICIPANTS).unwrap() + 1;
    let members: Vec<u16> = (1..=most + 1).collect();
    let shares = members
        .iter()
        .map(|member| (id(*member), key.public.verifying_share(id(1)).unwrap().clone()));
    let public = PublicKeyPackage::of_valid_points(
        most,
        key.public.verifying_key().clone(),
        shares.collect(),
    );
    let refused =
        Parameters::new(SessionId([1; 32]), [2; 32], &public, (2..=most + 1).map(id), id(1));
    assert_eq!(refused, Err(ParametersError::TooManySigners(most)));
}

#[test]
fn parameters_say_what_was_agreed_on() {
    let key = Key::dealt(ED25519, 3, &[1, 2, 3, 4, 5], 1);
    let parameters = key.repair(&[1, 2, 3], 4);
    assert_eq!((parameters.suite(), parameters.session()), (ED25519, SessionId([1; 32])));
    assert_eq!((parameters.context(), parameters.min_signers()), (&[2; 32], 3));
    assert_eq!((parameters.candidates(), parameters.recipient()), (&ids([1, 2, 3]), id(4)));
    assert_eq!(parameters.public(), &key.public);
}

#[test]
fn only_the_own_share_of_the_same_epoch_helps() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3, 4], 1);
    let other = Key::dealt(ED25519, 2, &[1, 2, 3, 4], 2);
    let parameters = key.repair(&[1, 2, 3], 4);
    for wrong in [&other.shares[&id(1)], &key.shares[&id(2)]] {
        let refused = Run::help(&parameters, id(1), wrong, &mut rng(1));
        assert_eq!(refused.err(), Some(Error::OtherShare));
    }
    for (me, stranger) in [(4, 4), (5, 1)] {
        let refused = Run::help(&parameters, id(me), &key.shares[&id(stranger)], &mut rng(1));
        assert_eq!(refused.err(), Some(Error::Stranger(id(me))));
    }
    for me in [1, 5] {
        let refused = Run::recover(&parameters, id(me), &mut rng(1));
        assert_eq!(refused.err(), Some(Error::Stranger(id(me))));
    }
    assert!(Error::OtherShare.culprits().is_empty());
}

#[test]
fn a_run_refuses_the_board_of_another_session() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let other = Parameters::new(SessionId([9; 32]), [2; 32], &key.public, ids([1, 2]), id(3));
    let other = Board::new(other.unwrap());
    let (session, _) = key.start_repair(&key.repair(&[1, 2], 3), &[1, 2], 1);
    for run in session.runs.into_values() {
        assert_eq!(run.advance(&other, &mut rng(1)).unwrap_err(), Error::OtherBoard);
    }
}

#[test]
fn a_run_refuses_a_board_that_forgot_messages() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let parameters = key.repair(&[1, 2], 3);
    // Runs that have sent this many messages after the first, with the boards of all earlier
    // phases.
    let after = |sent: usize| {
        let (mut session, mut messages) = key.start_repair(&parameters, &[1, 2], 1);
        let mut boards = vec![session.board.clone()];
        for _ in 0..sent {
            session.post(messages);
            messages = session.advance();
            boards.push(session.board.clone());
        }
        boards.pop();
        (session.runs, boards)
    };
    for (me, sent) in [(1, 1), (1, 2), (3, 3)] {
        let boards = after(sent).1.len();
        for which in 0..boards {
            let (mut runs, boards) = after(sent);
            let run = runs.remove(&id(me)).unwrap();
            let refused = run.advance(&boards[which], &mut rng(1)).unwrap_err();
            assert_eq!(refused, Error::OtherBoard, "{me} after {sent}, on board {which}");
        }
    }
}

#[test]
fn a_run_stops_when_somebody_else_speaks_in_its_name() {
    let key = Key::dealt(ED25519, 3, &[1, 2, 3, 4, 5], 1);
    let parameters = key.repair(&[1, 2, 3, 5], 4);
    let (mut session, messages) = key.start_repair(&parameters, &[1, 2, 3], 1);
    let (_copy, of_copy) =
        Run::help(&parameters, id(1), &key.shares[&id(1)], &mut rng(99)).unwrap();
    session.board.post(id(1), &of_copy).unwrap();
    session.board.post(id(2), &messages[&id(2)]).unwrap();
    session.advance();
    assert_eq!(session.errors, BTreeMap::from([(id(1), Error::Impersonated)]));
}

#[test]
fn a_run_started_twice_stops_before_a_second_message() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let parameters = key.repair(&[1, 2], 3);
    let (mut session, messages) = key.start_repair(&parameters, &[1, 2], 1);
    // The same seed, like a machine that was rolled back: the first message is the same.
    let (twins, again) = key.start_repair(&parameters, &[1, 2], 1);
    assert_eq!(messages, again);
    session.post(messages);
    session.step();
    for (me, run) in twins.runs {
        let refused = run.advance(&session.board, &mut rng(1));
        if me != id(3) {
            assert_eq!(refused.unwrap_err(), Error::Impersonated);
        }
    }
}

#[test]
fn secrets_are_not_printed() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let (session, _) = key.start_repair(&key.repair(&[1, 2], 3), &[1, 2], 1);
    let session_id = "01".repeat(32);
    let printed = |of, state| {
        format!(
            "Run {{ me: Identifier({of}), session: SessionId({session_id}), state: \"{state}\", .. }}"
        )
    };
    assert_eq!(format!("{:?}", session.runs[&id(1)]), printed(1, "offered"));
    assert_eq!(format!("{:?}", session.runs[&id(3)]), printed(3, "lost"));
}

#[test]
fn a_share_is_given_out_only_when_the_approval_counts() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let (mut session, mut messages) = key.start_repair(&key.repair(&[1, 2], 3), &[1, 2], 1);
    for _ in 0..3 {
        session.post(messages);
        messages = session.advance();
    }
    let run = session.runs.remove(&id(3)).unwrap();
    let Ok(Step::Wait(run)) = run.advance(&session.board, &mut rng(1)) else { panic!() };
    session.post(messages);
    assert!(matches!(run.advance(&session.board, &mut rng(1)), Ok(Step::Done(_))));
}

#[test]
fn repairs_change_no_helpers_share_and_can_be_repeated() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3, 4], 1);
    for (seed, (lost, helpers)) in
        [(4, [1, 2]), (1, [3, 4]), (4, [2, 3]), (4, [1, 2])].into_iter().enumerate()
    {
        let parameters = key.repair(&helpers, lost);
        let (mut session, messages) = key.start_repair(&parameters, &helpers, seed as u64);
        session.play(messages);
        let repaired = session.repaired().unwrap();
        assert_eq!(repaired.to_bytes(), key.shares[&id(lost)].to_bytes());
    }
}
