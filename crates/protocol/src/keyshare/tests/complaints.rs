//! Wrong sub-shares, and complaints that are true, false, or forged.

use std::collections::BTreeMap;

use curve25519_dalek::scalar::Scalar;

use super::session::{
    ED25519, Forger, Session, add, encode_scalar, id, off_by_one, parameters, rng, until_revealed,
    with_forger,
};
use crate::Suite;
use crate::keyshare::message::Round;
use crate::keyshare::{Error, Fault, Phase, Step};
use crate::secret::SecretScalar;
use crate::session::Parameters as _;
use crate::session::complaint::Complaint;
use crate::session::discrete_log::Claim;
use crate::session::sealing::{Purpose, SecretKey};

#[test]
fn a_wrong_sub_share_blames_its_dealer_whatever_it_is() {
    for suite in Suite::ALL.iter().copied() {
        let wrong: [&dyn Fn(SecretScalar) -> SecretScalar; 3] = [
            &|sub_share| off_by_one(suite, &sub_share),
            &|_| SecretScalar::copy_of(&encode_scalar(suite, 0)),
            // Not a canonical scalar of either curve.
            &|_| SecretScalar::copy_of(&[0xff; 32]),
        ];
        for forge in wrong {
            let (mut session, forger) = with_forger(&parameters(suite, 2, &[1, 2, 3]), 2, |_| {});
            let reveal = forger.reveal(&session.board, |to, sub_share| {
                if to == id(3) { forge(sub_share) } else { sub_share }
            });
            session.board.takes(id(2), &reveal.encode(&forger.parameters));

            let verdicts = session.advance();
            session.board.takes(id(1), &verdicts[&id(1)]);
            let fault = Fault::WrongSubShare { recipient: id(3) };
            session.fails(id(3), &verdicts[&id(3)], &[(2, fault)]);
        }
    }
}

#[test]
fn a_ciphertext_that_does_not_open_blames_its_dealer() {
    for suite in Suite::ALL.iter().copied() {
        let (mut session, forger) = with_forger(&parameters(suite, 2, &[1, 2, 3]), 2, |_| {});
        let mut reveal = forger.reveal(&session.board, |_, sub_share| sub_share);
        reveal.sealed.get_mut(&id(3)).unwrap()[0] ^= 1;
        session.board.takes(id(2), &reveal.encode(&forger.parameters));

        let verdicts = session.advance();
        let fault = Fault::WrongSubShare { recipient: id(3) };
        session.fails(id(3), &verdicts[&id(3)], &[(2, fault)]);
    }
}

#[test]
fn all_dealers_of_wrong_sub_shares_are_blamed_at_once() {
    for suite in Suite::ALL.iter().copied() {
        let parameters = parameters(suite, 3, &[1, 2, 3, 4]);
        let forgers = [Forger::honest(&parameters, 2, 1), Forger::honest(&parameters, 4, 2)];
        let mut session = until_revealed(&parameters, &[&forgers[0], &forgers[1]]);
        for forger in &forgers {
            let reveal = forger.reveal(&session.board, |_, s| off_by_one(suite, &s));
            session.board.takes(forger.me, &reveal.encode(&parameters));
        }
        let verdicts = session.advance();
        let fault = Fault::WrongSubShare { recipient: id(3) };
        session.fails(id(3), &verdicts[&id(3)], &[(2, fault), (4, fault)]);
    }
}

/// The sum is right, so the share is: nobody needs to know.
#[test]
fn wrong_sub_shares_that_cancel_out_do_no_harm() {
    let parameters = parameters(ED25519, 2, &[1, 2, 3]);
    let forgers = [Forger::honest(&parameters, 2, 1), Forger::honest(&parameters, 3, 2)];
    let mut session = until_revealed(&parameters, &[&forgers[0], &forgers[1]]);
    for (forger, error) in forgers.iter().zip([Scalar::ONE, -Scalar::ONE]) {
        let error = || SecretScalar::copy_of(error.as_bytes());
        let wrong = |_, share| add(ED25519, &share, &error());
        session.board.takes(forger.me, &forger.reveal(&session.board, wrong).encode(&parameters));
    }
    session.step();
    for forger in &forgers {
        session.board.takes(forger.me, &session.board.approval());
    }
    session.advance();

    let share = &session.packages[&id(1)];
    assert_eq!(share.check(session.board.outcome().unwrap()), Ok(()));
}

/// A complaint of 2 about 1, in a session of 1, 2 and 3 in which all is right.
fn complaint(session: &Session, forger: &Forger, dealer: u16) -> Complaint {
    let ephemeral = &session.board.reveals()[&id(dealer)].ephemeral;
    let shared = *forger.decryption.agree(ephemeral).bytes();
    let claim = Claim {
        purpose: Purpose::SUB_SHARE,
        binding: forger.parameters.binding(),
        complainer: forger.me,
        dealer: id(dealer),
        key: &session.board.commits()[&forger.me].key,
        ephemeral,
        shared: &shared,
    };
    let proof = claim.prove(&forger.decryption, &mut rng(4));
    Complaint { shared, proof }
}

fn until_verdict(suite: Suite) -> (Session, Forger) {
    let (mut session, forger) = with_forger(&parameters(suite, 2, &[1, 2, 3]), 2, |_| {});
    session.board.takes(id(2), &forger.honest_reveal(&session.board));
    (session, forger)
}

#[test]
fn a_complaint_about_a_right_sub_share_blames_the_complainer() {
    for suite in Suite::ALL.iter().copied() {
        let (session, forger) = until_verdict(suite);
        let complaints = BTreeMap::from([(id(1), complaint(&session, &forger, 1))]);
        let verdict = session.board.verdict_of(complaints);
        session.fails(id(2), &verdict, &[(2, Fault::FalseComplaint { dealer: id(1) })]);
    }
}

#[test]
fn a_complaint_with_a_wrong_proof_blames_the_complainer() {
    let changes: [fn(&mut Complaint); 5] = [
        // Another point would open the sub-share to garbage, and blame the dealer.
        |complaint| complaint.shared = SecretKey::random(&mut rng(1)).public(),
        |complaint| complaint.shared = [0; 32],
        |complaint| complaint.shared = [0xff; 32],
        |complaint| complaint.proof[0] ^= 1,
        |complaint| complaint.proof[63] |= 0xf0,
    ];
    for change in changes {
        let (session, forger) = until_verdict(ED25519);
        let mut complaint = complaint(&session, &forger, 1);
        change(&mut complaint);
        let verdict = session.board.verdict_of(BTreeMap::from([(id(1), complaint)]));
        session.fails(id(2), &verdict, &[(2, Fault::WrongComplaint { dealer: id(1) })]);
    }
}

#[test]
fn a_complaint_about_one_dealer_is_none_about_another() {
    let (session, forger) = until_verdict(ED25519);
    let complaints = BTreeMap::from([(id(3), complaint(&session, &forger, 1))]);
    let verdict = session.board.verdict_of(complaints);
    session.fails(id(2), &verdict, &[(2, Fault::WrongComplaint { dealer: id(3) })]);
}

#[test]
fn complaints_have_one_encoding() {
    let (mut session, forger) = until_verdict(ED25519);
    session.runs.clear();
    let view = session.board.view(Round::Verdict).unwrap();
    let header = |rest: &[u8]| [&[3], &view[..], rest].concat();
    let encode = |dealers: &[u16]| {
        let mut message = header(&[]);
        message.extend((dealers.len() as u16).to_be_bytes());
        for dealer in dealers {
            let Complaint { shared, proof } = complaint(&session, &forger, 1);
            message.extend(dealer.to_be_bytes());
            message.extend([&shared[..], &proof].concat());
        }
        message
    };
    let mut long = encode(&[1]);
    long.push(0);
    let short = encode(&[1])[..82].to_vec();
    // About oneself, strangers, nobody; twice; descending; too long; too short; a count only; a
    // view only; less than a view.
    for message in [
        encode(&[2]),
        encode(&[4]),
        encode(&[0]),
        encode(&[1, 1]),
        encode(&[3, 1]),
        long,
        short,
        header(&[0, 1]),
        header(&[0]),
        header(&[0, 0, 0]),
        header(&[]),
        header(&[])[..32].to_vec(),
        vec![3],
    ] {
        session.without_runs().fails(id(2), &message, &[(2, Fault::Malformed)]);
    }
}

#[test]
fn a_run_whose_complaint_is_withheld_never_gets_a_share() {
    let (mut session, forger) = with_forger(&parameters(ED25519, 2, &[1, 2, 3]), 2, |_| {});
    let reveal = forger.reveal(&session.board, |_, s| off_by_one(ED25519, &s));
    session.board.takes(id(2), &reveal.encode(&forger.parameters));
    session.advance();

    // Somebody approves in its name.
    let run = session.runs.remove(&id(3)).unwrap();
    let Ok(Step::Wait(run)) = run.advance(&session.board, &mut rng(1)) else { panic!() };
    for from in [1, 2, 3] {
        session.board.takes(id(from), &session.board.approval());
    }
    assert_eq!(session.board.phase(), Phase::Complete);
    let error = run.advance(&session.board, &mut rng(1)).unwrap_err();
    assert_eq!(error, Error::Impersonated);
}
