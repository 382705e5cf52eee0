//! A log that shows different messages to different participants, and participants that lose their
//! memory: no message of an honest participant is held against it in another log.

use super::session::{ED25519, Forger, Key, Scene, id, ids, is_of_another_view, off_by_one, rng};
use crate::Suite;
use crate::keyshare::{Error, Fault, Phase, Step};
use crate::repair::{Board, Run};

#[test]
fn a_dealing_among_other_helpers_blames_nobody() {
    for suite in Suite::ALL.iter().copied() {
        let key = Key::dealt(suite, 2, &[1, 2, 3, 4], 1);
        let parameters = key.repair(&[1, 2, 3], 4);
        let (mut session, mut messages) = key.start_repair(&parameters, &[1, 2, 3], 1);
        let mut other = session.board.clone();
        let third = messages.remove(&id(3)).unwrap();
        let [first, lost] = [1, 4].map(|from| messages[&id(from)].clone());
        for (from, message) in [(1, first), (3, third), (4, lost)] {
            other.takes(id(from), &message);
        }
        session.post(messages);
        let deals = session.advance();
        assert_eq!(session.left, ids([3]));
        // 1 helps in both, with another weight and other summands.
        is_of_another_view(&mut other, 1, &deals[&id(1)]);
        // 2 is not a helper here.
        let late = other.post(id(2), &deals[&id(2)]);
        assert_eq!(late, Err(Error::OutOfOrder { from: id(2), phase: Phase::Reveal }));
        session.play(deals);
        assert_eq!(session.board.phase(), Phase::Complete);
        assert_eq!((other.phase(), other.missing()), (Phase::Reveal, ids([1, 3])));
    }
}

#[test]
fn a_helper_is_not_blamed_for_sealing_to_the_key_it_saw() {
    // Another key of another helper, or of the recipient.
    for twice in [3, 4] {
        let scene = Scene::announced(ED25519, 2);
        let mut other = Board::new(scene.session.board.parameters().clone());
        let (mut session, mut messages) =
            scene.key.start_repair(scene.session.board.parameters(), &[1, 2, 3], 6);
        session.post(messages.clone());
        messages.insert(id(twice), Forger::new(twice, 99).announce(other.parameters()));
        for (from, message) in &messages {
            other.takes(*from, message);
        }
        let deals = session.advance();
        for (from, deal) in &deals {
            is_of_another_view(&mut other, from.get(), deal);
        }
        session.post(deals);
        for (from, sum) in session.advance() {
            assert!(other.post(from, &sum).unwrap_err().culprits().is_empty());
        }
    }
}

#[test]
fn a_true_complaint_is_no_false_one_beside_other_ciphertexts() {
    for suite in Suite::ALL.iter().copied() {
        let Scene { key, mut session, forger } = Scene::dealt(suite, 2);
        let mut right = session.board.clone();
        let mut values = forger.split(&session.board, &key.share(2));
        let honest = forger.deal(&session.board, &values).encode();
        let commitments = super::session::commit(&session.board, &values);
        values.insert(id(3), off_by_one(suite, &values[&id(3)]));
        let wrong = forger.deal_otherwise(&session.board, &commitments, &values).encode();
        session.post([(id(2), wrong.clone())].into());
        right.takes(id(2), &honest);

        let answers = session.advance();
        for from in [1, 3] {
            is_of_another_view(&mut right, from, &answers[&id(from)]);
        }
        // A second dealing for one view is still equivocation.
        let mut second = session.without_runs();
        second.board = right;
        second.fails(id(2), &wrong, &[(2, Fault::Equivocation)]);
        session.fails(id(3), &answers[&id(3)], &[(2, Fault::WrongSummand { helper: id(3) })]);
    }
}

#[test]
fn a_true_complaint_about_a_sum_is_not_false_in_another_log() {
    let (Scene { mut session, forger, .. }, summands) = Scene::dealt_honestly(ED25519, 2);
    session.step();
    let mut right = session.board.clone();
    let sum = forger.add_up(&session.board, &summands[&id(2)]);
    right.post(id(2), &forger.sum(&right, &sum).encode()).unwrap();
    let wrong = off_by_one(ED25519, &sum);
    session.post([(id(2), forger.sum(&session.board, &wrong).encode())].into());
    let verdict = session.advance().remove(&id(4)).unwrap();
    is_of_another_view(&mut right, 4, &verdict);
    session.fails(id(4), &verdict, &[(2, Fault::WrongSum { recipient: id(4) })]);
}

#[test]
fn being_started_twice_and_dealing_in_either_blames_nobody() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let parameters = key.repair(&[1, 2], 3);
    let (mut session, messages) = key.start_repair(&parameters, &[1, 2], 1);
    let (again, second) = Run::help(&parameters, id(2), &key.shares[&id(2)], &mut rng(99)).unwrap();
    let mut other = session.board.clone();
    for (from, message) in &messages {
        let message = if *from == id(2) { &second } else { message };
        other.takes(*from, message);
    }
    session.post(messages);
    let Ok(Step::Send(_, of_second)) = again.advance(&other, &mut rng(1)) else { panic!() };
    let deals = session.advance();
    for (from, deal) in &deals {
        is_of_another_view(&mut other, from.get(), deal);
    }
    is_of_another_view(&mut session.board, 2, &of_second);
    session.play(deals);
    assert_eq!(session.board.phase(), Phase::Complete);
    assert_eq!(session.board.post(id(2), &of_second), Err(Error::Ended));
}

#[test]
fn a_message_of_one_session_is_none_in_another() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let one = key.repair(&[1, 2], 3);
    let other = crate::repair::Parameters::new(
        crate::keyshare::SessionId([9; 32]),
        [2; 32],
        &key.public,
        ids([1, 2]),
        id(3),
    )
    .unwrap();
    // Even with the same keys and randomness, which no two sessions have.
    let (mut first, mut messages) = key.start_repair(&one, &[1, 2], 1);
    let (mut second, again) = key.start_repair(&other, &[1, 2], 1);
    for (from, message) in &messages {
        assert_eq!(message[33..], again[from][33..]);
        is_of_another_view(&mut second.board, from.get(), message);
    }
    first.post(messages);
    second.post(again);
    loop {
        messages = first.advance();
        let again = second.advance();
        if messages.is_empty() {
            break;
        }
        for (from, message) in &messages {
            is_of_another_view(&mut second.board, from.get(), message);
        }
        first.post(messages);
        second.post(again);
    }
    assert!(first.repaired().is_some() && second.repaired().is_some());
}

/// The worst that bad randomness could do: the same summands with another weight, of which two
/// would give the share away.
#[test]
fn summands_differ_even_if_randomness_repeats() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3, 4], 1);
    let received = |candidates: &[u16], helper: u16| {
        let parameters = key.repair(candidates, 4);
        let spy = Forger::new(helper, 5);
        let mut board = Board::new(parameters.clone());
        let (run, announce) =
            Run::help(&parameters, id(1), &key.shares[&id(1)], &mut rng(7)).unwrap();
        board.post(id(1), &announce).unwrap();
        board.post(spy.me, &spy.announce(&parameters)).unwrap();
        board.post(id(4), &Forger::new(4, 6).announce(&parameters)).unwrap();
        let Ok(Step::Send(_, deal)) = run.advance(&board, &mut rng(8)) else { panic!() };
        board.post(id(1), &deal).unwrap();
        let summands = spy.split(&board, &key.share(helper));
        board.post(spy.me, &spy.deal(&board, &summands).encode()).unwrap();
        *spy.received(&board)[0].1.expose()
    };
    assert_eq!(received(&[1, 2, 3], 2), received(&[1, 2, 3], 2));
    assert_ne!(received(&[1, 2, 3], 2), received(&[1, 2, 3], 3));
    assert_ne!(received(&[1, 2, 3], 2), received(&[1, 2], 2));
}
