//! Wrong summands and sums, and complaints that are true, false, or forged.

use super::session::{ED25519, Forger, Scene, Summands, add, encode_scalar, id, off_by_one, rng};
use crate::Suite;
use crate::keyshare::{Error, Fault, Phase, Step};
use crate::repair::message::Round;
use crate::secret::SecretScalar;
use crate::session::complaint::Complaint;
use crate::session::sealing::SecretKey;

/// What a helper may seal instead of the right value.
fn wrong_values(suite: Suite, right: &SecretScalar) -> [SecretScalar; 3] {
    [
        off_by_one(suite, right),
        SecretScalar::copy_of(&encode_scalar(suite, 0)),
        // Not a canonical scalar of either curve.
        SecretScalar::copy_of(&[0xff; 32]),
    ]
}

#[test]
fn a_wrong_summand_blames_who_sent_it_whatever_it_is() {
    for suite in Suite::ALL.iter().copied() {
        for which in 0..3 {
            let Scene { key, mut session, forger } = Scene::dealt(suite, 2);
            let mut values = forger.split(&session.board, &key.share(2));
            let commitments = super::session::commit(&session.board, &values);
            let [a, b, c] = wrong_values(suite, &values[&id(3)]);
            values.insert(id(3), [a, b, c].into_iter().nth(which).unwrap());
            let deal = forger.deal_otherwise(&session.board, &commitments, &values).encode();
            session.board.takes(id(2), &deal);

            let sums = session.advance();
            session.board.takes(id(1), &sums[&id(1)]);
            let fault = Fault::WrongSummand { helper: id(3) };
            assert_eq!(fault.against(), Some(id(3)));
            session.fails(id(3), &sums[&id(3)], &[(2, fault)]);
        }
    }
}

#[test]
fn a_summand_that_does_not_open_blames_who_sent_it() {
    for suite in Suite::ALL.iter().copied() {
        let Scene { key, mut session, forger } = Scene::dealt(suite, 2);
        let summands = forger.split(&session.board, &key.share(2));
        let mut deal = forger.deal(&session.board, &summands);
        deal.sealed.get_mut(&id(3)).unwrap()[0] ^= 1;
        session.board.takes(id(2), &deal.encode());
        let sums = session.advance();
        session.fails(id(3), &sums[&id(3)], &[(2, Fault::WrongSummand { helper: id(3) })]);
    }
}

/// One complaint is true and one is not: each has its own culprit.
#[test]
fn each_complaint_of_a_message_is_judged_by_itself() {
    let Scene { key, mut session, forger: complainer } = Scene::announced(ED25519, 3);
    let cheat = Forger::new(2, 9);
    let parameters = session.board.parameters().clone();
    // 3 complains about 2, who cheats, and about 1, who does not.
    let (mut again, mut messages) = key.start_repair(&parameters, &[1], 6);
    for forger in [&cheat, &complainer] {
        messages.insert(forger.me, forger.announce(&parameters));
    }
    again.post(messages);
    session = again;
    session.step();
    let board = &mut session.board;
    let mut values = cheat.split(board, &key.share(2));
    let commitments = super::session::commit(board, &values);
    values.insert(id(3), off_by_one(ED25519, &values[&id(3)]));
    board.post(id(2), &cheat.deal_otherwise(board, &commitments, &values).encode()).unwrap();
    let summands = complainer.split(board, &key.share(3));
    board.post(id(3), &complainer.deal(board, &summands).encode()).unwrap();
    let complaints = [1, 2].map(|about| (id(about), complainer.complaint(board, about)));
    let message = complainer.complain(board, complaints.into());
    let faults =
        [(2, Fault::WrongSummand { helper: id(3) }), (3, Fault::FalseComplaint { dealer: id(1) })];
    session.fails(id(3), &message, &faults);
}

#[test]
fn a_wrong_sum_blames_who_sent_it_whatever_it_is() {
    for suite in Suite::ALL.iter().copied() {
        for which in 0..3 {
            let (Scene { mut session, forger, .. }, summands) = Scene::dealt_honestly(suite, 2);
            let right = forger.add_up(&session.board, &summands[&id(2)]);
            let wrong = wrong_values(suite, &right).into_iter().nth(which).unwrap();
            session.step();
            session.board.takes(id(2), &forger.sum(&session.board, &wrong).encode());
            assert_eq!(session.board.phase(), Phase::Verdict);

            let verdict = session.advance().remove(&id(4)).unwrap();
            let fault = Fault::WrongSum { recipient: id(4) };
            assert_eq!(fault.against(), Some(id(4)));
            session.fails(id(4), &verdict, &[(2, fault)]);
        }
    }
}

#[test]
fn a_sum_that_does_not_open_blames_who_sent_it() {
    let (Scene { mut session, forger, .. }, summands) = Scene::dealt_honestly(ED25519, 2);
    let sum = forger.add_up(&session.board, &summands[&id(2)]);
    let mut sum = forger.sum(&session.board, &sum);
    sum.answer.as_mut().unwrap()[47] ^= 1;
    session.step();
    session.board.takes(id(2), &sum.encode());
    let verdict = session.advance().remove(&id(4)).unwrap();
    session.fails(id(4), &verdict, &[(2, Fault::WrongSum { recipient: id(4) })]);
}

/// A helper that accepts a wrong summand, because it colludes with the sender, has no right sum.
#[test]
fn a_helper_that_accepts_a_wrong_summand_is_blamed() {
    let Scene { key, mut session, forger } = Scene::dealt(ED25519, 2);
    let mut values = forger.split(&session.board, &key.share(2));
    let commitments = super::session::commit(&session.board, &values);
    values.insert(id(3), off_by_one(ED25519, &values[&id(3)]));
    let deal = forger.deal_otherwise(&session.board, &commitments, &values).encode();
    session.post([(id(2), deal)].into());
    let honest = session.advance();
    session.post([(id(1), honest[&id(1)].clone())].into());
    let right = forger.add_up(&session.board, &values[&id(2)]);
    session.post([(id(2), forger.sum(&session.board, &right).encode())].into());
    // 3 does not complain, and can only seal something else than was committed to.
    session.runs.remove(&id(3));
    let view = session.board.view(Round::Sum).unwrap();
    let accomplice = crate::repair::message::Sum { view, answer: Ok([7; 48]) };
    session.post([(id(3), accomplice.encode())].into());
    let verdict = session.advance().remove(&id(4)).unwrap();
    session.fails(id(4), &verdict, &[(3, Fault::WrongSum { recipient: id(4) })]);
}

#[test]
fn a_complaint_about_a_right_summand_blames_the_complainer() {
    for suite in Suite::ALL.iter().copied() {
        let (scene, _) = Scene::dealt_honestly(suite, 2);
        scene.complains(1, |_| {}, Fault::FalseComplaint { dealer: id(1) });
    }
}

/// All helpers are honest, and have sealed their sums; the recipient is forged.
fn until_verdict(suite: Suite) -> Scene {
    let mut scene = Scene::dealt(suite, 4);
    scene.session.step();
    assert_eq!(scene.session.board.phase(), Phase::Verdict);
    scene
}

#[test]
fn a_complaint_about_a_right_sum_blames_the_recipient() {
    for suite in Suite::ALL.iter().copied() {
        until_verdict(suite).complains(1, |_| {}, Fault::FalseComplaint { dealer: id(1) });
    }
}

#[test]
fn a_complaint_with_a_wrong_proof_blames_the_complainer() {
    let changes: [fn(&mut Complaint); 5] = [
        // Another point would open the value to garbage, and blame the helper.
        |complaint| complaint.shared = SecretKey::random(&mut rng(1)).public(),
        |complaint| complaint.shared = [0; 32],
        |complaint| complaint.shared = [0xff; 32],
        |complaint| complaint.proof[0] ^= 1,
        |complaint| complaint.proof[63] |= 0xf0,
    ];
    for change in changes {
        for scene in [Scene::dealt_honestly(ED25519, 2).0, until_verdict(ED25519)] {
            scene.complains(1, change, Fault::WrongComplaint { dealer: id(1) });
        }
    }
}

#[test]
fn a_complaint_about_one_helper_is_none_about_another() {
    for scene in [Scene::dealt_honestly(ED25519, 2).0, until_verdict(ED25519)] {
        scene.complains(3, |_| {}, Fault::WrongComplaint { dealer: id(3) });
    }
}

/// The proof covers the kind of value that it opens.
#[test]
fn what_opens_a_summand_opens_no_sum() {
    let scene = until_verdict(ED25519);
    let board = &scene.session.board;
    let shared = *scene.forger.decryption.agree(board.ephemeral(id(1)).unwrap()).bytes();
    let of_sum = board.claim(id(4), id(1), &shared).unwrap();
    let of_summand = crate::session::discrete_log::Claim {
        purpose: board.claim(id(2), id(1), &shared).unwrap().purpose,
        ..board.claim(id(4), id(1), &shared).unwrap()
    };
    let proof = of_summand.prove(&scene.forger.decryption, &mut rng(1));
    assert!(of_summand.verify(&proof).is_some() && of_sum.verify(&proof).is_none());
}

#[test]
fn complaints_have_one_encoding() {
    for (scene, tag) in [(Scene::dealt_honestly(ED25519, 2).0, 7), (until_verdict(ED25519), 8)] {
        let Scene { session, forger, .. } = &scene;
        let me = forger.me;
        let round = if tag == 7 { Round::Sum } else { Round::Verdict };
        let view = session.board.view(round).unwrap();
        let header = |rest: &[u8]| [&[tag], &view[..], rest].concat();
        let encode = |helpers: &[u16]| {
            let mut message = header(&[]);
            message.extend((helpers.len() as u16).to_be_bytes());
            for helper in helpers {
                let Complaint { shared, proof } = forger.complaint(&session.board, 1);
                message.extend(helper.to_be_bytes());
                message.extend([&shared[..], &proof].concat());
            }
            message
        };
        let mut malformed = vec![
            // About oneself, or who did not help; strangers, nobody; twice; descending.
            encode(&[me.get()]),
            encode(&[5]),
            encode(&[6]),
            encode(&[0]),
            encode(&[1, 1]),
            encode(&[3, 1]),
            // Too long; too short; a count only; a view only; less than a view; nothing.
            [encode(&[1]), vec![0]].concat(),
            encode(&[1])[..82].to_vec(),
            header(&[0, 1]),
            header(&[0]),
            header(&[]),
            header(&[])[..32].to_vec(),
            vec![tag],
        ];
        if tag == 7 {
            // A sum beside a complaint, no sum, one that is too short, and one that is too long.
            malformed.push([encode(&[1]), vec![0; 48]].concat());
            malformed.push(header(&[0, 0]));
            malformed.push([header(&[0, 0]), vec![0; 47]].concat());
            malformed.push([header(&[0, 0]), vec![0; 49]].concat());
        } else {
            malformed.push(header(&[0, 0, 0]));
        }
        for message in malformed {
            session.without_runs().fails(me, &message, &[(me.get(), Fault::Malformed)]);
        }
    }
}

#[test]
fn a_run_whose_complaint_is_withheld_never_goes_on() {
    let Scene { key, mut session, forger } = Scene::dealt(ED25519, 2);
    let mut values: Summands = forger.split(&session.board, &key.share(2));
    let commitments = super::session::commit(&session.board, &values);
    for helper in [1, 3] {
        let wrong = add(ED25519, &values[&id(helper)], &values[&id(2)]);
        values.insert(id(helper), wrong);
    }
    let deal = forger.deal_otherwise(&session.board, &commitments, &values).encode();
    session.post([(id(2), deal)].into());
    session.advance();
    // Somebody answers in its name.
    let run = session.runs.remove(&id(3)).unwrap();
    let Ok(Step::Wait(run)) = run.advance(&session.board, &mut rng(1)) else { panic!() };
    let view = session.board.view(Round::Sum).unwrap();
    let sum = crate::repair::message::Sum { view, answer: Ok([7; 48]) }.encode();
    session.board.takes(id(3), &sum);
    assert_eq!(run.advance(&session.board, &mut rng(1)).unwrap_err(), Error::Impersonated);
}
