//! Everything that min_signers − 1 colluding participants see can be made without what they must
//! not learn.

use super::session::{ED25519, Forger, Key, Messages, Session, id};
use crate::Identifier;
use crate::curve::Curve;
use crate::curve::edwards25519::Edwards25519;
use crate::curve::lagrange;
use crate::keyshare::Phase;
use crate::repair::Board;
use crate::repair::message::Round;
use crate::secret::SecretScalar;
use crate::session::message::Verdict;

type Scalar = <Edwards25519 as Curve>::Scalar;
type Point = <Edwards25519 as Curve>::Point;

fn scalar(secret: &SecretScalar) -> Scalar {
    Edwards25519::decode_scalar(secret.expose()).unwrap()
}

fn secret(scalar: Scalar) -> SecretScalar {
    SecretScalar::copy_of(&Edwards25519::encode_scalar(&scalar))
}

/// λ·Y of a helper: public.
fn target(board: &Board, helper: Identifier) -> Point {
    let parameters = board.parameters();
    let weight =
        lagrange::<Edwards25519>(helper, board.helpers(), Some(parameters.recipient())).unwrap();
    let share = parameters.public().verifying_share(helper).unwrap();
    Edwards25519::decode_point(share.as_bytes()).unwrap() * weight
}

/// A helper's dealing, made by somebody that does not know its share: random summands, except for
/// the last, of which only the commitment is known, as the remainder. That one must go to a
/// colluding helper.
fn deal_without_share(
    forger: &Forger,
    board: &Board,
    unknown: u16,
    seed: u64,
) -> (Vec<u8>, Vec<(Identifier, Scalar)>) {
    let mut rng = super::session::rng(seed);
    let (mut commitments, mut known) = (Vec::new(), Vec::new());
    let mut rest = target(board, forger.me);
    for helper in board.helpers().iter().filter(|helper| **helper != id(unknown)) {
        let summand = Edwards25519::random_scalar(&mut rng);
        rest -= Edwards25519::mul_base(&summand);
        known.push((*helper, summand));
    }
    let mut values: super::session::Summands =
        known.iter().map(|(helper, summand)| (*helper, secret(*summand))).collect();
    values.insert(id(unknown), secret(Scalar::ZERO));
    for helper in board.helpers() {
        let summand = known.iter().find(|(of, _)| of == helper);
        let point = summand.map_or(rest, |(_, summand)| Edwards25519::mul_base(summand));
        let mut bytes = Vec::new();
        Edwards25519::encode_point(&point, &mut bytes);
        commitments.push(bytes);
    }
    (forger.deal_otherwise(board, &commitments, &values).encode(), known)
}

/// Helpers 2 and 3 collude, with everybody's messages and their own secrets. Somebody that knows
/// neither the lost share nor the third helper's plays that helper and the recipient, and they
/// accept all of it. So what they see can be made without either share, and reveals nothing about
/// them. (The sealed sum is a ciphertext to a key that they do not have.)
#[test]
fn all_helpers_but_one_learn_nothing_about_the_lost_share() {
    let key = Key::dealt(ED25519, 3, &[1, 2, 3, 4], 1);
    let parameters = key.repair(&[1, 2, 3], 4);
    let (mut session, mut messages) = key.start_repair(&parameters, &[2, 3], 2);
    let (simulated, recipient) = (Forger::new(1, 3), Forger::new(4, 4));
    session.runs.remove(&id(4));
    for forger in [&simulated, &recipient] {
        messages.insert(forger.me, forger.announce(&parameters));
    }
    session.post(messages);
    session.step();
    let (deal, _) = deal_without_share(&simulated, &session.board, 1, 5);
    session.post([(id(1), deal)].into());

    session.step();
    let anything = secret(Scalar::from(7_u64));
    session.post([(id(1), simulated.sum(&session.board, &anything).encode())].into());
    let view = session.board.view(Round::Verdict).unwrap();
    let approval = Verdict { view, complaints: [].into() }.encode(Round::Verdict);
    session.post([(id(4), approval)].into());
    assert_eq!(session.board.phase(), Phase::Complete);
    session.advance();
    assert_eq!(session.left.len(), 2);
}

/// Helper 3 and the recipient collude, and learn the lost share, as they may. Somebody that knows
/// this share and no other plays helpers 1 and 2, so nothing is learned about theirs.
#[test]
fn a_helper_and_the_recipient_learn_no_other_share() {
    let key = Key::dealt(ED25519, 3, &[1, 2, 3, 4], 1);
    let parameters = key.repair(&[1, 2, 3], 4);
    let (mut session, mut messages): (Session, Messages) = key.start_repair(&parameters, &[3], 2);
    let (one, two) = (Forger::new(1, 3), Forger::new(2, 4));
    for forger in [&one, &two] {
        messages.insert(forger.me, forger.announce(&parameters));
    }
    session.post(messages);
    session.step();
    // The unknown values are in one column, that of 1.
    let (first, by_one) = deal_without_share(&one, &session.board, 1, 5);
    let (second, by_two) = deal_without_share(&two, &session.board, 1, 6);
    session.post([(id(1), first), (id(2), second)].into());

    let of = |known: &[(Identifier, Scalar)], to| known.iter().find(|(of, _)| *of == to).unwrap().1;
    let of_two = scalar(&two.add_up(&session.board, &secret(of(&by_two, id(2)))));
    // 3 has dealt its term to 1, to 2 and to itself.
    let weight = lagrange::<Edwards25519>(id(3), session.board.helpers(), Some(id(4))).unwrap();
    let from_three = |to: &Forger| {
        let received = to.received(&session.board).into_iter();
        received
            .map(|(from, value)| (from, scalar(&value)))
            .find(|(from, _)| *from == id(3))
            .unwrap()
            .1
    };
    let kept = weight * scalar(&key.share(3)) - from_three(&one) - from_three(&two);
    let of_three = of(&by_one, id(3)) + of(&by_two, id(3)) + kept;
    let of_one = scalar(&key.share(4)) - of_two - of_three;
    session.step();
    for (forger, sum) in [(&one, of_one), (&two, of_two)] {
        session.post([(forger.me, forger.sum(&session.board, &secret(sum)).encode())].into());
    }
    let verdict = session.advance();
    session.play(verdict);
    assert_eq!(session.repaired().unwrap().to_bytes(), key.shares[&id(4)].to_bytes());
}
