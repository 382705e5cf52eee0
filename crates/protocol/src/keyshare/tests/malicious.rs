//! Attacks. Each must fail, blame the attacker, and blame nobody else.

use std::collections::BTreeMap;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;
use proptest::sample::select;
use rstest::rstest;

use super::session::{
    ED25519, Forger, Session, id, identity, parameters, rng, until_revealed, with_forger,
};
use crate::Suite;
use crate::algebra::Polynomial;
use crate::curve::edwards25519::Edwards25519;
use crate::keyshare::board::Keyshare;
use crate::keyshare::message::{Commit, Dealing, Round};
use crate::keyshare::{Board, Error, Fault, Parameters, Phase, Posted, SessionId};
use crate::secret::SCALAR_LENGTH;
use crate::session::first_view;
use crate::session::message::Verdict;
use crate::session::sealing::SecretKey;

#[test]
fn strangers_are_refused_and_change_nothing() {
    let (mut session, messages) = Session::start(&parameters(ED25519, 2, &[1, 2]), 1);
    let before = session.board.transcript();

    let error = session.board.post(id(3), &messages[&id(1)]).unwrap_err();

    assert_eq!(error, Error::Stranger(id(3)));
    assert!(error.culprits().is_empty());
    assert_eq!(session.board.transcript(), before);
}

#[test]
fn a_message_out_of_order_is_refused_and_blames_nobody() {
    let parameters = parameters(ED25519, 2, &[1, 2]);
    let complete = Session::complete(&parameters, 1);
    let (mut session, commits) = Session::start(&parameters, 1);
    session.post(commits);
    let reveals = session.advance();

    // Reveals before all commits, verdicts before all reveals.
    let mut early = Board::new(parameters);
    let verdict = Verdict { view: [0; 32], complaints: BTreeMap::new() }.encode(Round::Verdict);
    for (message, phase) in
        [(&reveals[&id(1)], Phase::Commit), (&verdict, Phase::Commit), (&verdict, Phase::Reveal)]
    {
        let board = if phase == Phase::Commit { &mut early } else { &mut session.board };
        let before = board.transcript();
        let error = board.post(id(1), message).unwrap_err();
        assert_eq!(error, Error::OutOfOrder { from: id(1), phase });
        assert!(error.culprits().is_empty());
        assert_eq!((board.transcript(), board.phase()), (before, phase));
    }
    session.play(reveals);
    assert_eq!(session.board.outcome(), complete.board.outcome(), "nothing was lost");
}

#[test]
fn two_messages_in_one_round_blame_their_sender_at_any_time() {
    let parameters = parameters(ED25519, 2, &[1, 2, 3]);
    let (mut session, commits) = Session::start(&parameters, 1);
    let other_commit = Forger::honest(&parameters, 2, 1).commit();
    session.board.post(id(2), &commits[&id(2)]).unwrap();
    session.without_runs().fails(id(2), &other_commit, &[(2, Fault::Equivocation)]);

    session.board.post(id(1), &commits[&id(1)]).unwrap();
    session.board.post(id(3), &commits[&id(3)]).unwrap();
    session.without_runs().fails(id(2), &other_commit, &[(2, Fault::Equivocation)]);

    let reveals = session.advance();
    let mut other_reveal = reveals[&id(3)].clone();
    *other_reveal.last_mut().unwrap() ^= 1;
    session.post(reveals);
    session.without_runs().fails(id(3), &other_reveal, &[(3, Fault::Equivocation)]);
}

#[test]
fn nothing_is_taken_after_the_end() {
    let parameters = parameters(ED25519, 2, &[1, 2]);
    let (mut session, commits) = Session::start(&parameters, 1);
    let garbage = vec![1, 2, 3];
    assert_eq!(session.board.post(id(1), &garbage), Ok(Posted::Failed));
    assert_eq!(session.board.post(id(1), &garbage), Ok(Posted::Repeated));
    assert_eq!(session.board.post(id(2), &commits[&id(2)]), Err(Error::Ended));

    let mut complete = Session::complete(&parameters, 1);
    assert_eq!(complete.board.post(id(1), &commits[&id(1)]), Ok(Posted::Repeated));
    assert_eq!(complete.board.post(id(1), &garbage), Err(Error::Ended));
    assert_eq!(complete.board.phase(), Phase::Complete);
}

#[test]
fn each_offence_gives_a_failed_session_another_transcript() {
    let transcript = |message: &[u8]| {
        let mut board = Board::new(parameters(ED25519, 2, &[1, 2]));
        assert_eq!(board.post(id(1), message), Ok(Posted::Failed));
        board.transcript()
    };
    assert_ne!(transcript(&[1, 2, 3]), transcript(&[1, 2]));
}

#[rstest]
#[case::empty(&[])]
#[case::unknown_tag(&[0, 0, 0])]
#[case::tag_of_a_later_version(&[4, 0, 0])]
#[case::too_short_for_a_view(&[1; 32])]
fn a_message_without_a_view_blames_its_sender(#[case] message: &[u8]) {
    let (mut session, _) = Session::start(&parameters(ED25519, 2, &[1, 2]), 1);
    session.runs.clear();
    session.fails(id(2), message, &[(2, Fault::Malformed)]);
}

#[rstest]
#[case::unknown_tag(0, 64)]
#[case::of_a_reshare(4, 32)]
#[case::of_a_repair(5, 32)]
#[case::too_short(1, 63)]
#[case::too_long(1, 65)]
fn a_malformed_commit_blames_its_sender(#[case] tag: u8, #[case] rest: usize) {
    let (mut session, _) = Session::start(&parameters(ED25519, 2, &[1, 2]), 1);
    session.runs.clear();
    let view = first_view::<Keyshare>(session.board.parameters());
    let message = [&[tag], &view[..], &vec![1; rest]].concat();
    session.fails(id(2), &message, &[(2, Fault::Malformed)]);
}

#[rstest]
#[case::identity([0; 32])]
#[case::not_on_the_curve([0xff; 32])]
fn an_invalid_encryption_key_blames_its_sender(#[case] encryption_key: [u8; 32]) {
    let (session, _) = Session::start(&parameters(ED25519, 2, &[1, 2]), 1);
    let view = first_view::<Keyshare>(session.board.parameters());
    let message = Commit { view, opening: [3; 32], encryption_key }.encode();
    session.fails(id(2), &message, &[(2, Fault::InvalidKey)]);
}

#[test]
fn an_invalid_ephemeral_key_blames_its_sender() {
    for suite in Suite::ALL {
        let parameters = parameters(*suite, 2, &[1, 2, 3]);
        let (session, forger) = with_forger(&parameters, 2, |forger| {
            forger.dealing.ephemeral = [0; 32];
            forger.prove_for(&forger.parameters.clone(), forger.me);
        });
        session.rejects(&forger, Fault::InvalidKey);
    }
}

/// Where the fields of a reveal begin, for a group of 3 with min_signers 2.
fn layout(suite: Suite) -> (usize, usize) {
    let point = suite.algebra().point_length();
    (65, 67 + 2 * point + point + SCALAR_LENGTH)
}

#[test]
fn a_polynomial_of_another_degree_blames_its_dealer() {
    for suite in Suite::ALL.iter().copied() {
        let parameters = parameters(suite, 2, &[1, 2, 3]);
        for actual in [0_u16, 1, 3] {
            // A dealing that is consistent in itself, of a degree that was not agreed on.
            let mut forger =
                Forger::with_dealer(&parameters, 2, 1, suite.algebra().deal(actual, &mut rng(1)));
            forger.prove_for(&parameters, id(2));
            let session = until_revealed(&parameters, &[&forger]);
            let mut message = forger.honest_reveal(&session.board);
            let (count, _) = layout(suite);
            message[count..count + 2].copy_from_slice(&actual.to_be_bytes());
            let fault = Fault::CoefficientCount { expected: 2, actual };
            session.fails(id(2), &message, &[(2, fault)]);
        }
    }
}

#[test]
fn missing_or_additional_sub_shares_blame_their_dealer() {
    for suite in Suite::ALL.iter().copied() {
        for actual in [0_usize, 1, 3] {
            let (session, forger) = with_forger(&parameters(suite, 2, &[1, 2, 3]), 2, |_| {});
            let mut message = forger.honest_reveal(&session.board);
            let (_, count) = layout(suite);
            message.resize(count + 2 + 48 * actual, 0);
            message[count..count + 2].copy_from_slice(&(actual as u16).to_be_bytes());
            let fault = Fault::SubShareCount { expected: 2, actual: actual as u16 };
            session.fails(id(2), &message, &[(2, fault)]);
        }
    }
}

#[test]
fn a_truncated_or_extended_reveal_blames_its_dealer() {
    let (mut session, forger) = with_forger(&parameters(ED25519, 2, &[1, 2, 3]), 2, |_| {});
    session.runs.clear();
    let message = forger.honest_reveal(&session.board);
    for length in 1..message.len() {
        let session = session.without_runs();
        session.fails(id(2), &message[..length], &[(2, Fault::Malformed)]);
    }
    let extended = [&message[..], &[0]].concat();
    session.fails(id(2), &extended, &[(2, Fault::Malformed)]);
}

#[test]
fn the_identity_as_a_coefficient_blames_its_dealer() {
    for suite in Suite::ALL.iter().copied() {
        for coefficient in [0, 1] {
            let (session, forger) = with_forger(&parameters(suite, 2, &[1, 2, 3]), 2, |forger| {
                let length = suite.algebra().point_length();
                forger.dealing.coefficients[coefficient * length..][..length]
                    .copy_from_slice(&identity(suite));
            });
            session.rejects(&forger, Fault::IdentityPoint);
        }
    }
}

#[rstest]
#[case::not_on_the_curve("0200000000000000000000000000000000000000000000000000000000000000")]
#[case::above_p("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
#[case::negative_zero("0100000000000000000000000000000000000000000000000000000000000080")]
fn an_invalid_point_as_a_coefficient_blames_its_dealer(#[case] point: &str) {
    let (session, forger) = with_forger(&parameters(ED25519, 2, &[1, 2, 3]), 2, |forger| {
        forger.dealing.coefficients[32..].copy_from_slice(&hex::decode(point).unwrap());
    });
    session.rejects(&forger, Fault::InvalidPoint);
}

#[test]
fn an_invalid_point_on_the_other_curve_blames_its_dealer() {
    let (session, forger) = with_forger(&parameters(Suite::TestP256, 2, &[1, 2, 3]), 2, |f| {
        f.dealing.coefficients[33..].copy_from_slice(&[2; 33]);
        f.dealing.coefficients[34..].fill(0xff);
    });
    session.rejects(&forger, Fault::InvalidPoint);
}

#[test]
fn revealing_an_uncommitted_dealing_blames_its_dealer() {
    for suite in Suite::ALL.iter().copied() {
        let parameters = parameters(suite, 2, &[1, 2, 3]);
        // Having seen the others, it would prefer another polynomial, ephemeral key (such as
        // another dealer's), or proof. Each is consistent in itself.
        let changes: [fn(&mut Forger); 3] = [
            |forger| forger.dealing = Forger::honest(&forger.parameters, 2, 50).dealing,
            |forger| {
                forger.ephemeral = SecretKey::random(&mut rng(51));
                forger.dealing.ephemeral = forger.ephemeral.public();
                forger.prove_for(&forger.parameters.clone(), forger.me);
            },
            |forger| {
                let proof = forger.dealing.proof.clone();
                forger.prove_for(&forger.parameters.clone(), forger.me);
                assert_ne!(forger.dealing.proof, proof);
            },
        ];
        for change in changes {
            let (session, mut forger) = with_forger(&parameters, 2, |_| {});
            change(&mut forger);
            session.rejects(&forger, Fault::WrongOpening);
        }
    }
}

#[test]
fn a_copied_commitment_can_not_be_opened() {
    for suite in Suite::ALL.iter().copied() {
        let parameters = parameters(suite, 2, &[1, 2, 3]);
        let (mut session, mut commits) = Session::start(&parameters, 1);
        commits.insert(id(2), commits[&id(1)].clone());
        session.runs.remove(&id(2));
        session.post(commits);
        let reveals = session.advance();
        session.fails(id(2), &reveals[&id(1)], &[(2, Fault::WrongOpening)]);
    }
}

#[test]
fn a_proof_for_another_session_or_dealer_blames_its_dealer() {
    for suite in Suite::ALL.iter().copied() {
        let agreed = parameters(suite, 2, &[1, 2, 3]);
        let with = |session, context| {
            let members = agreed.participants().iter().copied();
            Parameters::new(suite, SessionId(session), context, 2, members).unwrap()
        };
        for (elsewhere, me) in
            [(with([9; 32], [2; 32]), 2), (with([1; 32], [9; 32]), 2), (agreed.clone(), 1)]
        {
            let (session, forger) =
                with_forger(&agreed, 2, |forger| forger.prove_for(&elsewhere, id(me)));
            session.rejects(&forger, Fault::WrongProof);
        }
    }
}

#[test]
fn changing_a_proof_or_its_statement_blames_its_dealer() {
    let parameters = parameters(ED25519, 2, &[1, 2, 3]);
    let changes: [fn(&mut Dealing); 6] = [
        |dealing| dealing.proof[0] ^= 1,
        |dealing| dealing.proof[32] ^= 1,
        |dealing| dealing.proof[63] |= 0xf0,
        // Other coefficients than the proof is for, also where it does not use them.
        |dealing| dealing.coefficients.rotate_left(32),
        |dealing| dealing.coefficients.copy_within(..32, 32),
        |dealing| dealing.ephemeral = SecretKey::random(&mut rng(8)).public(),
    ];
    for change in changes {
        let (session, forger) = with_forger(&parameters, 2, |forger| change(&mut forger.dealing));
        session.rejects(&forger, Fault::WrongProof);
    }
}

/// Even someone who could break the hash commitments gains nothing: the constant term that cancels
/// the others' needs a proof of knowledge.
#[test]
fn a_rogue_key_has_no_proof() {
    let parameters = parameters(ED25519, 2, &[1, 2]);
    let victim = Forger::honest(&parameters, 1, 1);
    let mut rogue = Forger::honest(&parameters, 2, 2);
    let decode =
        |bytes: &[u8]| CompressedEdwardsY::from_slice(bytes).unwrap().decompress().unwrap();
    let constant =
        decode(&rogue.dealing.coefficients[..32]) - decode(&victim.dealing.coefficients[..32]);
    rogue.dealing.coefficients[..32].copy_from_slice(constant.compress().as_bytes());
    rogue.prove_for(&parameters, id(2));

    let mut board = Board::new(parameters);
    for forger in [&victim, &rogue] {
        board.takes(forger.me, &forger.commit());
    }
    board.takes(id(1), &victim.honest_reveal(&board));
    let message = rogue.honest_reveal(&board);
    Session::without_runs_of(&board).fails(id(2), &message, &[(2, Fault::WrongProof)]);
}

#[test]
fn the_others_commitments_and_proof_can_not_be_replayed() {
    for suite in Suite::ALL.iter().copied() {
        let parameters = parameters(suite, 2, &[1, 2]);
        let victim = Forger::honest(&parameters, 1, 1);
        let mut copy = Forger::honest(&parameters, 2, 2);
        copy.dealing = victim.dealing.clone();
        let mut board = Board::new(parameters);
        for forger in [&victim, &copy] {
            board.takes(forger.me, &forger.commit());
        }
        let message = copy.honest_reveal(&board);
        Session::without_runs_of(&board).fails(id(2), &message, &[(2, Fault::WrongProof)]);
    }
}

/// Adds a point of small order to one coefficient's commitment; the proof still holds, with a
/// probability of 1/8 for the constant term.
fn with_torsion(parameters: &Parameters, me: u16, coefficient: usize, torsion: usize) -> Forger {
    let mut forger = Forger::honest(parameters, me, u64::from(me));
    let bytes = &mut forger.dealing.coefficients[32 * coefficient..][..32];
    let point = CompressedEdwardsY::from_slice(bytes).unwrap().decompress().unwrap();
    bytes.copy_from_slice((point + EIGHT_TORSION[torsion]).compress().as_bytes());
    forger.prove_for(parameters, id(me));
    forger
}

#[test]
fn torsion_in_a_commitment_blames_its_dealers_and_no_one_else() {
    let parameters = parameters(ED25519, 2, &[1, 2, 3, 4]);
    for torsion in 1..8 {
        let two = with_torsion(&parameters, 2, 1, torsion);
        let session = until_revealed(&parameters, &[&two]);
        session.rejects(&two, Fault::Torsion);
    }
    let (two, three) = (with_torsion(&parameters, 2, 1, 1), with_torsion(&parameters, 3, 1, 2));
    let mut session = until_revealed(&parameters, &[&two, &three]);
    let reveals = [&two, &three].map(|forger| forger.honest_reveal(&session.board));
    session.board.takes(id(2), &reveals[0]);
    session.fails(id(3), &reveals[1], &[(2, Fault::Torsion), (3, Fault::Torsion)]);
}

#[test]
fn torsion_that_cancels_out_leaves_a_key_without_torsion() {
    let parameters = parameters(ED25519, 2, &[1, 2, 3, 4]);
    let (two, three) = (with_torsion(&parameters, 2, 1, 1), with_torsion(&parameters, 3, 1, 7));
    let mut session = until_revealed(&parameters, &[&two, &three]);
    for forger in [&two, &three] {
        session.board.takes(forger.me, &forger.honest_reveal(&session.board));
    }
    session.step();
    for forger in [&two, &three] {
        session.board.takes(forger.me, &session.board.approval());
    }
    session.advance();

    let public = session.board.outcome().unwrap();
    assert_eq!(session.packages.len(), 2);
    for package in session.packages.values() {
        assert_eq!(package.check(public), Ok(()));
    }
    // Reading checks every point for torsion.
    assert!(crate::keys::PublicKeyPackage::from_bytes(&public.to_bytes()).is_ok());
}

#[test]
fn a_key_or_share_of_zero_fails_and_blames_nobody() {
    // Together: zero and a slope; or 2·x − 4, which is zero for participant 2.
    for coefficients in [[[5, 7], [-5, 7]], [[5, 7], [-9, -5]]] {
        let parameters = parameters(ED25519, 2, &[1, 2]);
        let [one, two] = [(1, coefficients[0]), (2, coefficients[1])].map(|(me, values)| {
            let scalars = values.map(|value: i32| {
                let scalar = Scalar::from(value.unsigned_abs());
                if value < 0 { -scalar } else { scalar }
            });
            let dealer = Polynomial::<Edwards25519>::from_coefficients(scalars.to_vec());
            Forger::with_dealer(&parameters, me, u64::from(me), Box::new(dealer))
        });
        let mut board = Board::new(parameters);
        for forger in [&one, &two] {
            board.takes(forger.me, &forger.commit());
        }
        board.takes(id(1), &one.honest_reveal(&board));
        let message = two.honest_reveal(&board);
        Session::without_runs_of(&board).fails(id(2), &message, &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever changes are made to one participant's messages, the session completes with
    /// consistent shares for all others, waits for that participant, or blames it.
    #[test]
    fn only_the_one_whose_message_is_forged_is_ever_blamed(
        suite in select(Suite::ALL),
        round in 0..3_usize,
        position: prop::sample::Index,
        flip in 1..=255_u8,
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let (mut session, mut messages) = Session::start(&parameters(suite, 2, &[1, 2, 3]), 1);
        for current in 0..3 {
            if let Some(message) = messages.get_mut(&id(2)).filter(|_| current == round) {
                let position = position.index(message.len());
                message[position] ^= flip;
                if let Some(cut) = cut {
                    message.truncate(cut.index(message.len()));
                }
            }
            for (from, message) in &messages {
                match session.board.post(*from, message) {
                    Ok(_)
                    | Err(Error::Ended | Error::OutOfOrder { .. } | Error::OtherView { .. }) => {}
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
            messages = session.advance();
        }

        prop_assert!(session.board.culprits().is_subset(&[id(2)].into()));
        prop_assert!(session.board.missing().is_subset(&[id(2)].into()));
        for error in session.errors.values() {
            prop_assert!(error.culprits().is_subset(&[id(2)].into()));
        }
        match session.board.outcome() {
            Some(public) => {
                for package in session.packages.values() {
                    prop_assert_eq!(package.check(public), Ok(()));
                }
            }
            None => prop_assert!(
                !session.board.missing().is_empty() || !session.board.culprits().is_empty()
            ),
        }
    }

    #[test]
    fn any_bytes_as_a_message_end_in_a_decision(
        suite in select(Suite::ALL),
        phase in 0..3_usize,
        tag in 0..5_u8,
        right_view: bool,
        mut message in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        if let Some(first) = message.first_mut() {
            *first = tag;
        }
        let (mut session, mut messages) = Session::start(&parameters(suite, 2, &[1, 2, 3]), 1);
        for _ in 0..phase {
            session.post(messages);
            messages = session.advance();
        }
        let view = session.board.round_of(&message).and_then(|round| session.board.view(round));
        if let (true, Some(view), Some(to)) = (right_view, view, message.get_mut(1..33)) {
            to.copy_from_slice(&view);
        }
        let is_right = right_view && view.is_some();
        match session.board.post(id(2), &message) {
            Ok(Posted::Failed) => prop_assert_eq!(session.board.culprits(), [id(2)].into()),
            Ok(Posted::Recorded) => prop_assert!(phase == 0 && message.len() == 97),
            Ok(Posted::Repeated) => prop_assert!(false),
            Err(Error::OtherView { .. }) => prop_assert!(!is_right && message.len() >= 33),
            Err(error) => {
                let out_of_order = matches!(error, Error::OutOfOrder { .. });
                prop_assert!(out_of_order);
            }
        }
    }
}
