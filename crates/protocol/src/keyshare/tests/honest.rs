//! What honest participants get, in whatever order their messages are logged.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::session::{Session, id, ids, parameters, reconstruct, rng};
use crate::keys::{KeyPackage, PublicKeyPackage};
use crate::keyshare::{
    Board, Error, MAX_PARTICIPANTS, Parameters, ParametersError, Phase, Posted, Run, SessionId,
    Step,
};
use crate::{Identifier, Suite};

/// A suite, min_signers, and distinct identifiers of at least that many participants.
fn any_group() -> impl Strategy<Value = (Suite, u16, Vec<u16>)> {
    let pool: Vec<u16> = (1..=12).chain([255, 256, 257, 4096, 65534, 65535]).collect();
    (select(Suite::ALL), subsequence(pool, 2..=6))
        .prop_flat_map(|(suite, ids)| (Just(suite), 2..=ids.len() as u16, Just(ids)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn exactly_a_quorum_of_shares_interpolates_to_the_key(
        (suite, min_signers, members) in any_group(),
        seed: u64,
        pick: prop::sample::Index,
    ) {
        let session = Session::complete(&parameters(suite, min_signers, &members), seed);
        let public = session.board.outcome().unwrap();

        prop_assert_eq!(public.suite(), suite);
        prop_assert_eq!(public.min_signers(), min_signers);
        let owners: Vec<u16> = public.verifying_shares().keys().map(|id| id.get()).collect();
        prop_assert_eq!(owners, members.clone());
        prop_assert_eq!(session.packages.len(), members.len());
        for (owner, package) in &session.packages {
            prop_assert_eq!(package.identifier(), *owner);
            prop_assert_eq!(package.check(public), Ok(()));
            let share = suite.algebra().public_key(package.signing_share()).unwrap();
            prop_assert_eq!(&share, public.verifying_share(*owner).unwrap().as_bytes());
        }
        // A rotation of all participants begins with each of them in turn.
        let rotated: Vec<&KeyPackage> =
            session.packages.values().cycle().skip(pick.index(members.len())).take(members.len()).collect();
        let quorum = usize::from(min_signers);
        for size in quorum..=members.len() {
            let key = reconstruct(suite, rotated.iter().take(size).copied());
            prop_assert_eq!(&key, public.verifying_key().as_bytes());
        }
        let key = reconstruct(suite, rotated.iter().take(quorum - 1).copied());
        prop_assert_ne!(&key, public.verifying_key().as_bytes());
    }

    #[test]
    fn stored_packages_read_back_as_they_were((suite, min_signers, members) in any_group()) {
        let session = Session::complete(&parameters(suite, min_signers, &members), 1);
        let public = session.board.outcome().unwrap();

        let read = PublicKeyPackage::from_bytes(&public.to_bytes()).unwrap();
        prop_assert_eq!(&read, public);
        for package in session.packages.values() {
            let read = KeyPackage::from_bytes(&package.to_bytes()).unwrap();
            prop_assert_eq!(read.to_bytes(), package.to_bytes());
            prop_assert_eq!(read.check(public), Ok(()));
        }
    }

    #[test]
    fn the_order_within_a_round_changes_nothing(
        suite in select(Suite::ALL),
        order in Just(vec![1, 2, 3, 4]).prop_shuffle(),
        repeat: bool,
    ) {
        let parameters = parameters(suite, 3, &[1, 2, 3, 4]);
        let straight = Session::complete(&parameters, 9);
        let (mut session, mut messages) = Session::start(&parameters, 9);
        let mut board = session.board.clone();
        while !messages.is_empty() {
            for from in &order {
                let from = id(*from);
                prop_assert!(board.missing().contains(&from));
                prop_assert_eq!(board.post(from, &messages[&from]), Ok(Posted::Recorded));
                if repeat {
                    prop_assert_eq!(board.post(from, &messages[&from]), Ok(Posted::Repeated));
                }
            }
            session.board = board;
            messages = session.advance();
            board = session.board.clone();
        }

        prop_assert_eq!(board.phase(), Phase::Complete);
        prop_assert_eq!(board.outcome(), straight.board.outcome());
        prop_assert_eq!(board.transcript(), straight.board.transcript());
    }
}

#[test]
fn the_board_says_where_the_session_is_and_who_is_missing() {
    let (mut session, messages) = Session::start(&parameters(Suite::ALL[0], 2, &[1, 2, 3]), 1);
    assert_eq!(session.board.phase(), Phase::Commit);
    assert_eq!(session.board.missing(), ids([1, 2, 3]));

    session.board.post(id(2), &messages[&id(2)]).unwrap();
    assert_eq!(session.board.missing(), ids([1, 3]));
    assert!(session.advance().is_empty(), "everybody waits");

    for phase in [Phase::Reveal, Phase::Verdict, Phase::Complete] {
        let messages = if phase == Phase::Reveal { messages.clone() } else { session.advance() };
        for (from, message) in messages {
            let _ = session.board.post(from, &message).unwrap();
        }
        assert_eq!(session.board.phase(), phase);
    }
    assert!(session.board.missing().is_empty());
    assert!(session.board.culprits().is_empty());
}

#[test]
fn transcripts_differ_when_any_message_or_parameter_does() {
    let base = parameters(Suite::ALL[0], 2, &[1, 2, 3]);
    let mut transcripts = vec![
        Session::complete(&base, 1).board.transcript(),
        Session::complete(&base, 2).board.transcript(),
        Board::new(base.clone()).transcript(),
    ];
    let three = || ids([1, 2, 3]);
    for other in [
        Parameters::new(base.suite(), SessionId([9; 32]), [2; 32], 2, three()),
        Parameters::new(base.suite(), SessionId([1; 32]), [9; 32], 2, three()),
        Parameters::new(base.suite(), SessionId([1; 32]), [2; 32], 3, three()),
        Parameters::new(base.suite(), SessionId([1; 32]), [2; 32], 2, ids([1, 2, 4])),
        Parameters::new(Suite::TestP256, SessionId([1; 32]), [2; 32], 2, three()),
    ] {
        transcripts.push(Board::new(other.unwrap()).transcript());
    }
    let distinct: std::collections::BTreeSet<_> = transcripts.iter().collect();
    assert_eq!(distinct.len(), transcripts.len());
}

#[test]
fn impossible_parameters_are_refused() {
    let new = |min_signers, members: &[u16]| {
        let members = members.iter().copied().map(id);
        Parameters::new(Suite::ALL[0], SessionId([0; 32]), [0; 32], min_signers, members)
    };
    assert_eq!(new(0, &[1, 2]), Err(ParametersError::TooFewSigners(0)));
    assert_eq!(new(1, &[1, 2]), Err(ParametersError::TooFewSigners(1)));
    assert_eq!(new(1, &[1]), Err(ParametersError::TooFewSigners(1)));
    let too_many = |participants| ParametersError::TooManySigners { min_signers: 3, participants };
    assert_eq!(new(3, &[1, 2]), Err(too_many(2)));
    assert_eq!(new(3, &[]), Err(too_many(0)));
    assert_eq!(new(2, &[1, 2, 1]), Err(ParametersError::Duplicate(id(1))));
    assert!(new(2, &[1, 2]).is_ok());
    let most = u16::try_from(MAX_PARTICIPANTS).unwrap();
    let participants = MAX_PARTICIPANTS + 1;
    let refused = Err(ParametersError::TooManyParticipants { participants });
    assert_eq!(new(2, &(1..=most + 1).collect::<Vec<_>>()), refused);
    assert!(new(2, &(1..=most).collect::<Vec<_>>()).is_ok());
}

#[test]
fn parameters_say_what_was_agreed_on() {
    let parameters = Parameters::new(Suite::ALL[0], SessionId([8; 32]), [9; 32], 2, ids([1, 2, 3]));
    let parameters = parameters.unwrap();
    assert_eq!((parameters.suite(), parameters.session()), (Suite::ALL[0], SessionId([8; 32])));
    assert_eq!((parameters.context(), parameters.min_signers()), (&[9; 32], 2));
    assert_eq!(parameters.participants(), &ids([1, 2, 3]));
    assert_eq!(parameters.dealers(), parameters.participants());
}

#[test]
fn a_stranger_can_not_take_part() {
    let parameters = parameters(Suite::ALL[0], 2, &[1, 2]);
    let error = Run::start(&parameters, id(3), &mut rng(1)).unwrap_err();
    assert_eq!(error, Error::Stranger(id(3)));
    assert!(error.culprits().is_empty());
}

#[test]
fn a_run_refuses_the_board_of_another_session() {
    let (mut session, messages) = Session::start(&parameters(Suite::ALL[0], 2, &[1, 2]), 1);
    session.post(messages);
    let other = Parameters::new(Suite::ALL[0], SessionId([8; 32]), [2; 32], 2, ids([1, 2]));
    let run = session.runs.remove(&id(1)).unwrap();
    let error = run.advance(&Board::new(other.unwrap()), &mut rng(1)).unwrap_err();
    assert_eq!(error, Error::OtherBoard);
}

#[test]
fn a_run_refuses_a_board_that_forgot_messages() {
    let parameters = parameters(Suite::ALL[0], 2, &[1, 2]);
    let (mut session, messages) = Session::start(&parameters, 1);
    session.post(messages);
    session.step();
    session.advance();

    for (_, run) in session.runs {
        let error = run.advance(&Board::new(parameters.clone()), &mut rng(1)).unwrap_err();
        assert_eq!(error, Error::OtherBoard);
    }
}

#[test]
fn a_run_stops_when_somebody_else_speaks_in_its_name() {
    let parameters = parameters(Suite::ALL[0], 2, &[1, 2]);
    let (mut session, messages) = Session::start(&parameters, 1);
    let (_copy, of_copy) = Run::start(&parameters, id(1), &mut rng(99)).unwrap();
    session.board.post(id(1), &of_copy).unwrap();
    session.board.post(id(2), &messages[&id(2)]).unwrap();

    session.advance();

    assert_eq!(session.errors, BTreeMap::from([(id(1), Error::Impersonated)]));
}

#[test]
fn a_run_that_never_spoke_refuses_a_board_on_which_it_did() {
    let parameters = parameters(Suite::ALL[0], 2, &[1, 2]);
    let session = Session::complete(&parameters, 1);
    let (late, messages) = Session::start(&parameters, 1);
    // The same seed makes the same first message, like a machine that was rolled back.
    let _ = messages;
    for (_, run) in late.runs {
        let error = run.advance(&session.board, &mut rng(1)).unwrap_err();
        assert_eq!(error, Error::Impersonated);
    }
}

#[test]
fn a_run_that_revealed_nothing_refuses_a_board_on_which_it_did() {
    let parameters = parameters(Suite::ALL[0], 2, &[1, 2]);
    let (mut session, messages) = Session::start(&parameters, 1);
    // It has sent the same first message.
    let (mut twins, _) = Session::start(&parameters, 1);
    session.post(messages);
    session.step();
    assert_eq!(session.board.phase(), Phase::Verdict);

    let run = twins.runs.remove(&id(1)).unwrap();
    assert_eq!(run.advance(&session.board, &mut rng(1)).unwrap_err(), Error::Impersonated);
}

#[test]
fn secrets_are_not_printed() {
    let parameters = parameters(Suite::ALL[0], 2, &[1, 2]);
    let (mut session, messages) = Session::start(&parameters, 1);
    let run = format!("{:?}", session.runs[&id(1)]);
    let session_id = "01".repeat(32);
    assert_eq!(
        run,
        format!(
            "Run {{ me: Identifier(1), session: SessionId({session_id}), state: \"committed\", .. }}"
        )
    );
    session.play(messages);
    let package = &session.packages[&id(1)];
    let printed = format!("{package:?}");
    assert!(printed.contains("[REDACTED]"), "{printed}");
    assert!(!printed.contains(&hex::encode(package.signing_share().expose())));
}

#[test]
fn a_run_waits_for_everybody_before_it_gives_out_a_share() {
    let parameters = parameters(Suite::ALL[0], 2, &[1, 2]);
    let (mut session, messages) = Session::start(&parameters, 1);
    session.post(messages);
    session.step();
    let verdicts = session.advance();
    session.board.post(id(1), &verdicts[&id(1)]).unwrap();

    let run: Run = session.runs.remove(&id(1)).unwrap();
    assert!(matches!(run.advance(&session.board, &mut rng(1)), Ok(Step::Wait(_))));
    let owners: Vec<Identifier> = session.board.missing().into_iter().collect();
    assert_eq!(owners, [id(2)]);
}
