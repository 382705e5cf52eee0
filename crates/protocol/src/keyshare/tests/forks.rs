//! A log that shows different messages to different participants, and participants that lose their
//! memory: no message of an honest participant is held against it in another log.

use super::session::{
    ED25519, Forger, Key, Messages, Session, id, ids, is_of_another_view, off_by_one, parameters,
    rng,
};
use crate::Suite;
use crate::keys::PublicKeyPackage;
use crate::keyshare::message::{Reveal, Round};
use crate::keyshare::{
    Board, Error, Fault, MAX_PARTICIPANTS, Parameters, Phase, Run, SessionId, Step,
};
use crate::session::complaint::Complaint;
use crate::session::message::Verdict;
use crate::session::sealing::SecretKey;

/// Two logs that share nothing but the parameters.
fn two_boards(parameters: &Parameters) -> [Board; 2] {
    [Board::new(parameters.clone()), Board::new(parameters.clone())]
}

fn post(board: &mut Board, from: u16, message: &[u8]) {
    board.takes(id(from), message);
}

/// Participants 1 and 3, with 2 forged; what they commit to.
fn without_2(parameters: &Parameters) -> (Session, Messages) {
    let (mut session, mut commits) = Session::start(parameters, 6);
    session.runs.remove(&id(2));
    commits.remove(&id(2));
    (session, commits)
}

#[test]
fn a_true_complaint_is_no_false_one_beside_other_ciphertexts() {
    for suite in Suite::ALL.iter().copied() {
        let parameters = parameters(suite, 2, &[1, 2, 3]);
        let forger = Forger::honest(&parameters, 2, 5);
        let mut session = super::session::until_revealed(&parameters, &[&forger]);
        let mut right = session.board.clone();
        // One dealing, two sets of ciphertexts: 3 sees the wrong ones.
        let wrong = forger.reveal(&session.board, |_, s| off_by_one(suite, &s));
        post(&mut session.board, 2, &wrong.encode(&parameters));
        let reveal = forger.honest_reveal(&right);
        post(&mut right, 2, &reveal);

        let verdicts = session.advance();
        is_of_another_view(&mut right, 3, &verdicts[&id(3)]);
        is_of_another_view(&mut right, 1, &verdicts[&id(1)]);
        // Nor is it a second verdict of a participant that approved in that log.
        let approval = right.approval();
        post(&mut right, 3, &approval);
        is_of_another_view(&mut right, 3, &verdicts[&id(3)]);
        // A second reveal for one view is still equivocation.
        let second = wrong.encode(&parameters);
        Session::without_runs_of(&right).fails(id(2), &second, &[(2, Fault::Equivocation)]);

        let fault = Fault::WrongSubShare { recipient: id(3) };
        session.fails(id(3), &verdicts[&id(3)], &[(2, fault)]);
    }
}

#[test]
fn a_dealer_is_not_blamed_for_sealing_to_the_key_it_saw() {
    for suite in Suite::ALL.iter().copied() {
        let parameters = parameters(suite, 2, &[1, 2, 3]);
        let (mut session, commits) = without_2(&parameters);
        let forger = Forger::honest(&parameters, 2, 5);
        let mut other_key = Forger::honest(&parameters, 2, 5);
        other_key.decryption = SecretKey::random(&mut rng(9));
        let mut other = session.board.clone();
        session.post(commits.clone());
        post(&mut session.board, 2, &forger.commit());
        for (from, commit) in &commits {
            post(&mut other, from.get(), commit);
        }
        post(&mut other, 2, &other_key.commit());

        for (from, reveal) in session.advance() {
            is_of_another_view(&mut other, from.get(), &reveal);
            post(&mut session.board, from.get(), &reveal);
        }
        assert_eq!((other.phase(), other.missing()), (Phase::Reveal, ids([1, 2, 3])));
        // Where they answered, everything continues.
        let reveal = forger.honest_reveal(&session.board);
        post(&mut session.board, 2, &reveal);
        let approval = session.board.approval();
        post(&mut session.board, 2, &approval);
        let verdicts = session.advance();
        session.play(verdicts);
        assert_eq!(session.board.phase(), Phase::Complete);
        assert_eq!(session.packages.len(), 2);
    }
}

#[test]
fn dealing_twice_and_revealing_either_blames_nobody() {
    let parameters = parameters(ED25519, 2, &[1, 2, 3]);
    let (mut session, commits) = Session::start(&parameters, 1);
    let (again, second) = Run::start(&parameters, id(3), &mut rng(99)).unwrap();
    let mut other = session.board.clone();
    for (from, commit) in &commits {
        let commit = if *from == id(3) { &second } else { commit };
        post(&mut other, from.get(), commit);
    }
    session.post(commits);

    let Ok(Step::Send(_, of_second)) = again.advance(&other, &mut rng(1)) else { panic!() };
    let reveals = session.advance();
    for (from, reveal) in &reveals {
        is_of_another_view(&mut other, from.get(), reveal);
    }
    is_of_another_view(&mut session.board, 3, &of_second);
    session.play(reveals);
    assert_eq!(session.board.phase(), Phase::Complete);
    // Nor is it blamed later.
    let before = session.board.transcript();
    assert_eq!(session.board.post(id(3), &of_second), Err(Error::Ended));
    assert_eq!(session.board.transcript(), before);
}

/// A complaint about a dealer publishes what opens everything that is sealed to the complainer
/// under the same ephemeral key. A participant that copies one has seen a reveal, which does not
/// count in the log with the copy, so nobody complains in that log.
#[test]
fn an_ephemeral_key_copied_into_another_log_opens_nothing() {
    let parameters = parameters(ED25519, 2, &[1, 2, 3]);
    let (session, commits) = without_2(&parameters);
    let mut runs = session.runs;
    let [mut shown_to_1, mut shown_to_3] = two_boards(&parameters);
    let forger = Forger::honest(&parameters, 2, 5);
    for (from, commit) in &commits {
        post(&mut shown_to_1, from.get(), commit);
        post(&mut shown_to_3, from.get(), commit);
    }
    post(&mut shown_to_1, 2, &forger.commit());
    let run = runs.remove(&id(1)).unwrap();
    let Ok(Step::Send(_, victim)) = run.advance(&shown_to_1, &mut rng(1)) else { panic!() };
    post(&mut shown_to_1, 1, &victim);

    let mut copy = Forger::honest(&parameters, 2, 7);
    let revealed = Reveal::decode(&victim, id(1), &parameters).unwrap();
    copy.dealing.ephemeral = revealed.dealing.ephemeral;
    copy.prove_for(&parameters, id(2));
    post(&mut shown_to_3, 2, &copy.commit());
    let run = runs.remove(&id(3)).unwrap();
    let Ok(Step::Send(run, reveal)) = run.advance(&shown_to_3, &mut rng(1)) else { panic!() };
    post(&mut shown_to_3, 3, &reveal);
    let of_copy = copy.honest_reveal(&shown_to_3);
    post(&mut shown_to_3, 2, &of_copy);

    is_of_another_view(&mut shown_to_3, 1, &victim);
    assert_eq!((shown_to_3.phase(), shown_to_3.missing()), (Phase::Reveal, ids([1])));
    assert!(matches!(run.advance(&shown_to_3, &mut rng(1)), Ok(Step::Wait(_))));
}

#[test]
fn a_run_finishes_only_on_the_board_that_it_judged() {
    let parameters = parameters(ED25519, 2, &[1, 2, 3]);
    let forger = Forger::honest(&parameters, 2, 5);
    let mut session = super::session::until_revealed(&parameters, &[&forger]);
    let mut other = session.board.clone();
    let reveal = forger.honest_reveal(&session.board);
    post(&mut session.board, 2, &reveal);
    // The same polynomial, and another ciphertext for 3.
    let wrong =
        forger.reveal(&other, |to, s| if to == id(3) { off_by_one(ED25519, &s) } else { s });
    post(&mut other, 2, &wrong.encode(&parameters));

    let verdicts = session.advance();
    is_of_another_view(&mut other, 1, &verdicts[&id(1)]);
    let approval = other.approval();
    for from in [1, 2, 3] {
        post(&mut other, from, &approval);
    }
    assert_eq!(other.phase(), Phase::Complete);
    let run = session.runs.remove(&id(1)).unwrap();
    assert_eq!(run.advance(&other, &mut rng(1)).unwrap_err(), Error::Impersonated);
}

/// Entries have at most 65,535 bytes; 4,000 are for the rest of an entry.
#[test]
fn the_longest_messages_of_the_largest_session_fit_into_the_log() {
    let most = u16::try_from(MAX_PARTICIPANTS).unwrap();
    let in_the_log = |message: &[u8]| message.len().div_ceil(3).div_ceil(3) * 16;
    for suite in Suite::ALL.iter().copied() {
        let participants = (1..=most).map(id);
        let largest = Parameters::new(suite, SessionId([1; 32]), [2; 32], most, participants);
        let forger = Forger::honest(&largest.clone().unwrap(), 1, 1);
        let sealed = (2..=most).map(|to| (id(to), [0; 48])).collect();
        let reveal = Reveal { view: [0; 32], dealing: forger.dealing, possession: None, sealed };
        let complaint = || Complaint { shared: [0; 32], proof: [0; 64] };
        let complaints = (2..=most).map(|dealer| (id(dealer), complaint())).collect();
        let verdict = Verdict { view: [0; 32], complaints };
        // A reshare in which no dealer gets a share: dealings and verdicts are a bit longer.
        let key = Key::generated(suite, 2, &[1, 2], 1).public;
        let share = key.verifying_share(id(1)).unwrap();
        let shares = (1..=most).map(|holder| (id(holder), share.clone())).collect();
        let key = PublicKeyPackage::of_valid_points(most, key.verifying_key().clone(), shares);
        let (others, dealers) = ((1..=most).map(|other| id(1000 + other)), (1..=most).map(id));
        let session = SessionId([1; 32]);
        let reshare = Parameters::reshare(session, [2; 32], most, others.clone(), &key, dealers);
        let forger = Forger::honest(&reshare.clone().unwrap(), 1, 1);
        let sealed = others.map(|to| (to, [0; 48])).collect();
        let possession = Some([0; 64]);
        let deal = Reveal { view: [0; 32], dealing: forger.dealing, possession, sealed };
        let complaints = (1..=most).map(|dealer| (id(dealer), complaint())).collect();
        let longest = Verdict { view: [0; 32], complaints };
        for message in [
            reveal.encode(&largest.unwrap()),
            verdict.encode(Round::Verdict),
            deal.encode(&reshare.unwrap()),
            longest.encode(Round::Verdict),
        ] {
            assert!(in_the_log(&message) <= 65_535 - 4_000, "{}", message.len());
        }
    }
}
