//! Attacks. Each must fail, blame the attacker, and blame nobody else.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use proptest::prelude::*;
use proptest::sample::select;
use rstest::rstest;

use super::session::{
    ED25519, Forger, Key, Scene, add, commit, encode_scalar, id, ids, off_by_one, rng,
};
use crate::Suite;
use crate::curve::Curve;
use crate::curve::edwards25519::Edwards25519;
use crate::curve::weierstrass::{P256, Secp256k1};
use crate::keys::PublicKeyPackage;
use crate::keyshare::{Error, Fault, MAX_PARTICIPANTS, Phase, Posted, SessionId};
use crate::repair::board::Repair;
use crate::repair::message::{Deal, Dealing, Round, Sum};
use crate::repair::{Board, Parameters};
use crate::secret::SecretScalar;
use crate::session::message::{Announce, Verdict};
use crate::session::sealing::SecretKey;
use crate::session::{first_view, possession};

#[test]
fn strangers_and_uninvolved_senders_change_nothing() {
    let (scene, _) = Scene::dealt_honestly(ED25519, 2);
    let mut board = scene.session.board.clone();
    let before = board.transcript();
    let announce = scene.forger.announce(board.parameters());
    let view = board.view(Round::Sum).unwrap();
    let sum = Sum { view, answer: Ok([7; 48]) }.encode();
    let verdict = Verdict { view, complaints: [].into() }.encode(Round::Verdict);
    // 6 does not exist, 4 gets the share, 1 does not.
    for (from, message) in
        [(6, &announce), (6, &sum), (6, &vec![0]), (4, &sum), (1, &verdict), (5, &verdict)]
    {
        let error = board.post(id(from), message).unwrap_err();
        assert_eq!(error, Error::Stranger(id(from)));
        assert!(error.culprits().is_empty());
        assert_eq!(board.transcript(), before);
    }
}

#[test]
fn a_message_out_of_order_is_refused_and_blames_nobody() {
    let key = Key::dealt(ED25519, 3, &[1, 2, 3, 4, 5], 1);
    let parameters = key.repair(&[1, 2, 3, 5], 4);
    let (mut session, mut messages) = key.start_repair(&parameters, &[1, 2, 3], 1);
    let mut rounds = Vec::new();
    let mut boards = Vec::new();
    while !messages.is_empty() {
        rounds.push(messages.clone());
        boards.push(session.board.clone());
        session.post(messages);
        messages = session.advance();
    }
    assert_eq!((rounds.len(), session.board.phase()), (4, Phase::Complete));
    for (at, mut board) in boards.into_iter().enumerate() {
        for (from, message) in rounds[at + 1..].iter().flatten() {
            let before = (board.transcript(), board.phase());
            let error = board.post(*from, message).unwrap_err();
            assert_eq!(error, Error::OutOfOrder { from: *from, phase: board.phase() });
            assert!(error.culprits().is_empty());
            assert_eq!((board.transcript(), board.phase()), before);
        }
    }
}

#[test]
fn nothing_that_somebody_says_who_was_too_late_to_help_matters() {
    let (scene, _) = Scene::dealt_honestly(ED25519, 2);
    let mut boards = vec![Scene::announced(ED25519, 2).session.board, scene.session.board.clone()];
    // Three have announced, and the recipient has not.
    let mut early = Board::new(boards[0].parameters().clone());
    for helper in [1, 2, 3] {
        let announce = Forger::new(helper, 1).announce(early.parameters());
        early.post(id(helper), &announce).unwrap();
    }
    boards.push(early);
    let view = [0; 32];
    for mut board in boards {
        for message in [
            Forger::new(5, 1).announce(board.parameters()),
            vec![],
            vec![0, 1, 2],
            vec![6],
            Sum { view, answer: Ok([7; 48]) }.encode(),
        ] {
            let before = board.transcript();
            let late = Err(Error::OutOfOrder { from: id(5), phase: board.phase() });
            assert_eq!(board.post(id(5), &message), late);
            assert_eq!(board.transcript(), before);
        }
    }
}

#[test]
fn two_messages_in_one_round_blame_their_sender_at_any_time() {
    let (scene, summands) = Scene::dealt_honestly(ED25519, 2);
    let announced = Scene::announced(ED25519, 2);
    let twice = (2, Fault::Equivocation);
    let other = Forger::new(2, 99);
    let parameters = scene.session.board.parameters().clone();
    announced.session.fails(id(2), &other.announce(&parameters), &[twice]);
    scene.session.without_runs().fails(id(2), &other.announce(&parameters), &[twice]);
    let early = Board::new(scene.session.board.parameters().clone());
    let mut early_scene = scene.session.without_runs();
    early_scene.board = early;
    early_scene.board.post(id(2), &scene.forger.announce(&parameters)).unwrap();
    early_scene.fails(id(2), &other.announce(&parameters), &[twice]);
    // A second dealing that is right in itself.
    let again = Forger { ephemeral: other.ephemeral, ..Forger::new(2, 5) };
    let view = scene.session.board.view(Round::Deal).unwrap();
    let mut deal = again.deal(&Scene::announced(ED25519, 2).session.board, &summands);
    deal.view = view;
    scene.session.without_runs().fails(id(2), &deal.encode(), &[twice]);
    // The recipient's message.
    let lost = Forger::new(4, 99).announce(&parameters);
    scene.session.fails(id(4), &lost, &[(4, Fault::Equivocation)]);
}

#[test]
fn nothing_is_taken_after_the_end() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let (mut session, messages) = key.start_repair(&key.repair(&[1, 2], 3), &[1, 2], 1);
    let garbage = vec![1, 2, 3];
    let mut failed = session.board.clone();
    assert_eq!(failed.post(id(1), &garbage), Ok(Posted::Failed));
    let before = failed.transcript();
    assert_eq!(failed.post(id(1), &garbage), Ok(Posted::Repeated));
    assert_eq!(failed.post(id(2), &messages[&id(2)]), Err(Error::Ended));
    assert_eq!(failed.post(id(2), &garbage), Err(Error::Ended));
    assert_eq!(failed.transcript(), before);

    session.play(messages.clone());
    assert_eq!(session.board.post(id(1), &messages[&id(1)]), Ok(Posted::Repeated));
    assert_eq!(session.board.post(id(1), &garbage), Err(Error::Ended));
    assert_eq!(session.board.phase(), Phase::Complete);
}

#[test]
fn a_failed_session_has_another_transcript_for_each_offence() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let transcript = |message: &[u8]| {
        let mut board = Board::new(key.repair(&[1, 2], 3));
        assert_eq!(board.post(id(1), message), Ok(Posted::Failed));
        board.transcript()
    };
    assert_ne!(transcript(&[1, 2, 3]), transcript(&[1, 2]));
}

#[rstest]
#[case::empty(&[])]
#[case::unknown_tag(&[0, 0, 0])]
#[case::tag_of_a_later_version(&[9, 0, 0])]
#[case::too_short_for_a_view(&[5; 32])]
fn a_message_without_a_view_blames_its_sender(#[case] message: &[u8]) {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    for from in [2, 3] {
        let (session, _) = key.start_repair(&key.repair(&[1, 2], 3), &[1, 2], 1);
        session.fails(id(from), message, &[(from, Fault::Malformed)]);
    }
}

#[rstest]
#[case::of_a_reshare(4, 32)]
#[case::too_short(5, 31)]
#[case::too_long(5, 33)]
fn a_malformed_announcement_blames_its_sender(#[case] tag: u8, #[case] rest: usize) {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    for from in [2, 3] {
        let (session, _) = key.start_repair(&key.repair(&[1, 2], 3), &[1, 2], 1);
        let view = first_view::<Repair>(session.board.parameters());
        let message = [&[tag], &view[..], &vec![1; rest]].concat();
        session.fails(id(from), &message, &[(from, Fault::Malformed)]);
    }
}

#[test]
fn an_announcement_for_another_session_blames_nobody() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let encryption_key = SecretKey::random(&mut rng(1)).public();
    // For the repair of another share, and for a reshare: with that one's tag and with this one's.
    let other = first_view::<Repair>(&key.repair(&[2, 3], 1));
    let announce = Announce { view: other, encryption_key };
    let of_a_reshare = [&[4], &other[..], &encryption_key].concat();
    for message in [announce.encode(Round::Announce), of_a_reshare] {
        let mut board = Board::new(key.repair(&[1, 2], 3));
        assert_eq!(board.post(id(2), &message), Err(Error::OtherView { from: id(2) }));
        assert_eq!(board.phase(), Phase::Commit);
    }
}

#[rstest]
#[case::identity([0; 32])]
#[case::not_on_the_curve([0xff; 32])]
fn an_invalid_encryption_key_blames_its_sender(#[case] encryption_key: [u8; 32]) {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    for from in [2, 3] {
        let (session, _) = key.start_repair(&key.repair(&[1, 2], 3), &[1, 2], 1);
        let view = first_view::<Repair>(session.board.parameters());
        let message = Announce { view, encryption_key }.encode(Round::Announce);
        session.fails(id(from), &message, &[(from, Fault::InvalidKey)]);
    }
}

#[test]
fn an_invalid_ephemeral_key_blames_its_sender() {
    for ephemeral in [[0; 32], [0xff; 32]] {
        let scene = Scene::dealt(ED25519, 2);
        let mut deal = scene.deal();
        deal.dealing.ephemeral = ephemeral;
        scene.fails(&deal.encode(), Fault::InvalidKey);
    }
}

#[test]
fn a_truncated_or_extended_dealing_blames_its_sender() {
    let scene = Scene::dealt(ED25519, 2);
    let message = scene.deal().encode();
    assert_eq!(message.len(), 1 + 32 + 32 + 64 + 3 * 32 + 2 * 48);
    let malformed = [(2, Fault::Malformed)];
    for length in 1..message.len() {
        scene.session.without_runs().fails(id(2), &message[..length], &malformed);
    }
    scene.session.without_runs().fails(id(2), &[&message[..], &[0]].concat(), &malformed);
}

#[test]
fn the_share_of_another_epoch_or_participant_is_blamed() {
    for suite in Suite::ALL.iter().copied() {
        let other = Key::dealt(suite, 3, &[1, 2, 3, 4, 5], 2);
        let one = Scene::dealt(suite, 2).key.share(1);
        let wrong = [other.share(2), one, SecretScalar::copy_of(&encode_scalar(suite, 7))];
        for share in wrong {
            let scene = Scene::dealt(suite, 2);
            let summands = scene.forger.split(&scene.session.board, &share);
            let deal = scene.forger.deal(&scene.session.board, &summands);
            scene.fails(&deal.encode(), Fault::WrongSummands);
        }
    }
}

/// The right share, and the weight that it would have among other helpers.
#[test]
fn a_share_with_another_weight_is_blamed() {
    for suite in Suite::ALL.iter().copied() {
        let scene = Scene::dealt(suite, 2);
        let helpers = ids([2, 3, 5]);
        let quorum = crate::algebra::Quorum { helpers: &helpers, recipient: id(4) };
        let mut draw = |_| zeroize::Zeroizing::new([3; 64]);
        let share = scene.key.share(2);
        let split = suite.algebra().split(&share, id(2), quorum, &mut draw).unwrap();
        let summands = ids([1, 2, 3]).into_iter().zip(split.into_values()).collect();
        let deal = scene.forger.deal(&scene.session.board, &summands);
        scene.fails(&deal.encode(), Fault::WrongSummands);
    }
}

#[test]
fn the_identity_as_a_commitment_blames_its_sender() {
    for suite in Suite::ALL.iter().copied() {
        let mut identity = Vec::new();
        match suite {
            Suite::FrostEd25519Sha512 => {
                Edwards25519::encode_point(&Edwards25519::identity(), &mut identity);
            }
            Suite::EcdsaP256Sha256 | Suite::TestP256 => {
                P256::encode_point(&P256::identity(), &mut identity);
            }
            Suite::EcdsaSecp256k1Sha256 => {
                Secp256k1::encode_point(&Secp256k1::identity(), &mut identity);
            }
        }
        for zero in [1, 2, 3] {
            let scene = Scene::dealt(suite, 2);
            // Commitments that still add up: zero for one helper, and that helper's value added to
            // another's.
            let mut summands = scene.summands();
            let other = if zero == 3 { 1 } else { 3 };
            let both = add(suite, &summands[&id(zero)], &summands[&id(other)]);
            summands.insert(id(other), both);
            let mut commitments = commit(&scene.session.board, &summands);
            commitments[usize::from(zero) - 1] = identity.clone();
            summands.insert(id(zero), SecretScalar::copy_of(&encode_scalar(suite, 0)));
            let deal = scene.forger.deal_otherwise(&scene.session.board, &commitments, &summands);
            scene.fails(&deal.encode(), Fault::InvalidSummand);
        }
    }
}

#[rstest]
#[case::not_on_the_curve("0200000000000000000000000000000000000000000000000000000000000000")]
#[case::above_p("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
#[case::negative_zero("0100000000000000000000000000000000000000000000000000000000000080")]
fn an_invalid_point_as_a_commitment_blames_its_sender(#[case] point: &str) {
    let scene = Scene::dealt(ED25519, 2);
    let summands = scene.summands();
    let mut commitments = commit(&scene.session.board, &summands);
    commitments[2] = hex::decode(point).unwrap();
    let deal = scene.forger.deal_otherwise(&scene.session.board, &commitments, &summands);
    scene.fails(&deal.encode(), Fault::InvalidSummand);
}

/// Points with torsion that still add up: no summand is right for them, so each helper that
/// receives one can complain.
#[test]
fn torsion_in_a_commitment_blames_its_sender() {
    for torsion in 1..8 {
        let Scene { key, mut session, forger } = Scene::dealt(ED25519, 2);
        let summands = forger.split(&session.board, &key.share(2));
        let mut commitments = commit(&session.board, &summands);
        for (at, torsion) in [(0, torsion), (2, 8 - torsion)] {
            let point = CompressedEdwardsY::from_slice(&commitments[at]).unwrap();
            let point = point.decompress().unwrap() + EIGHT_TORSION[torsion];
            commitments[at] = point.compress().as_bytes().to_vec();
        }
        let deal = forger.deal_otherwise(&session.board, &commitments, &summands).encode();
        session.post([(id(2), deal)].into());
        let sums = session.advance();
        for complainer in [1, 3] {
            let message = &sums[&id(complainer)];
            let fault = Fault::WrongSummand { helper: id(complainer) };
            session.without_runs().fails(id(complainer), message, &[(2, fault)]);
        }
    }
}

#[test]
fn torsion_that_does_not_cancel_out_blames_its_sender() {
    let scene = Scene::dealt(ED25519, 2);
    let summands = scene.summands();
    let mut commitments = commit(&scene.session.board, &summands);
    let point = CompressedEdwardsY::from_slice(&commitments[1]).unwrap().decompress().unwrap();
    commitments[1] = (point + EIGHT_TORSION[1]).compress().as_bytes().to_vec();
    let deal = scene.forger.deal_otherwise(&scene.session.board, &commitments, &summands);
    scene.fails(&deal.encode(), Fault::WrongSummands);
}

/// A dealer that waited for all others may want one helper's sum to be zero. That takes knowledge
/// of what the others sent to that helper, and then it does no harm.
#[test]
fn a_sum_of_zero_does_no_harm() {
    for suite in Suite::ALL.iter().copied() {
        let Scene { key, mut session, forger } = Scene::dealt(suite, 2);
        // It knows of the others' summands only those that it received itself.
        let mut summands = forger.split(&session.board, &key.share(2));
        let sum_of = |summands: &_| {
            let mut board = session.board.clone();
            board.post(id(2), &forger.deal(&session.board, summands).encode()).unwrap();
            forger.add_up(&board, &summands[&id(2)])
        };
        let surplus = sum_of(&summands);
        let negated = negate(suite, &surplus);
        summands.insert(id(2), add(suite, &summands[&id(2)], &negated));
        summands.insert(id(1), add(suite, &summands[&id(1)], &surplus));
        let zero = sum_of(&summands);
        assert_eq!(zero.expose(), &encode_scalar(suite, 0));
        session.post([(id(2), forger.deal(&session.board, &summands).encode())].into());
        session.step();
        session.post([(id(2), forger.sum(&session.board, &zero).encode())].into());
        let verdict = session.advance();
        session.play(verdict);
        assert_eq!(session.repaired().unwrap().to_bytes(), key.shares[&id(4)].to_bytes());
    }
}

fn negate(suite: Suite, scalar: &SecretScalar) -> SecretScalar {
    let bytes = match suite {
        Suite::FrostEd25519Sha512 => {
            let scalar = Edwards25519::decode_scalar(scalar.expose()).unwrap();
            Edwards25519::encode_scalar(&-scalar)
        }
        Suite::EcdsaP256Sha256 | Suite::TestP256 => {
            P256::encode_scalar(&-P256::decode_scalar(scalar.expose()).unwrap())
        }
        Suite::EcdsaSecp256k1Sha256 => {
            Secp256k1::encode_scalar(&-Secp256k1::decode_scalar(scalar.expose()).unwrap())
        }
    };
    SecretScalar::copy_of(&bytes)
}

/// A complaint publishes what opens everything that is sealed to the complainer under an ephemeral
/// key. If that key could be another helper's, a cheat would learn what that helper sealed: a
/// summand, or the one sum that it lacks to have the lost share.
#[test]
fn an_ephemeral_key_that_is_anothers_or_made_of_it_has_no_proof() {
    for double in [false, true] {
        let scene = Scene::dealt(ED25519, 2);
        let board = &scene.session.board;
        let mut deal = scene.deal();
        let victim = *board.ephemeral(id(1)).unwrap();
        let stolen = if double { victim.point() + victim.point() } else { *victim.point() };
        deal.dealing.ephemeral = stolen.compress().0;
        let statement = deal.dealing.statement(board.parameters(), &deal.view, id(2));
        deal.proof = possession::prove(&scene.forger.ephemeral, statement, &mut rng(1));
        scene.fails(&deal.encode(), Fault::WrongProof);
    }
}

#[test]
fn the_others_dealing_can_not_be_replayed() {
    for suite in Suite::ALL.iter().copied() {
        let mut scene = Scene::announced(suite, 2);
        let deals = scene.session.advance();
        scene.session.post(deals.clone());
        scene.fails(&deals[&id(1)], Fault::WrongProof);
    }
}

#[test]
fn changing_a_proof_or_its_statement_blames_its_sender() {
    let changes: [fn(&mut Deal); 6] = [
        |deal| deal.proof[0] ^= 1,
        |deal| deal.proof[32] ^= 1,
        |deal| deal.proof[31] |= 0xf0,
        |deal| deal.proof[63] |= 0xf0,
        |deal| deal.dealing.commitments.rotate_left(32),
        |deal| deal.dealing.ephemeral = SecretKey::random(&mut rng(8)).public(),
    ];
    for change in changes {
        let scene = Scene::dealt(ED25519, 2);
        let mut deal = scene.deal();
        change(&mut deal);
        scene.fails(&deal.encode(), Fault::WrongProof);
    }
}

#[test]
fn a_proof_for_another_session_or_helper_blames_its_sender() {
    let scene = Scene::dealt(ED25519, 2);
    let board = &scene.session.board;
    let agreed = board.parameters();
    let with = |session, context| {
        let candidates = agreed.candidates().iter().copied();
        Parameters::new(SessionId(session), context, agreed.public(), candidates, id(4)).unwrap()
    };
    let right = scene.deal();
    let view = right.view;
    for (parameters, view, me) in [
        (with([9; 32], [2; 32]), view, 2),
        (with([1; 32], [9; 32]), view, 2),
        (agreed.clone(), [9; 32], 2),
        (agreed.clone(), view, 1),
    ] {
        let mut deal = right.clone();
        let statement = deal.dealing.statement(&parameters, &view, id(me));
        deal.proof = possession::prove(&scene.forger.ephemeral, statement, &mut rng(1));
        let fault = [(2, Fault::WrongProof)];
        scene.session.without_runs().fails(id(2), &deal.encode(), &fault);
    }
    let mut board = scene.session.board.clone();
    board.takes(id(2), &right.encode());
}

/// Only a public key package that no key generation makes is like that, and no participant is to
/// blame for it.
#[test]
fn shares_of_different_keys_repair_nothing_and_blame_nobody() {
    let key = Key::dealt(ED25519, 2, &[1, 2, 3], 1);
    let other = Key::dealt(ED25519, 2, &[1, 2, 3], 2);
    let mut shares = key.public.verifying_shares().clone();
    shares.insert(id(3), other.public.verifying_share(id(3)).unwrap().clone());
    let public = PublicKeyPackage::of_valid_points(2, key.public.verifying_key().clone(), shares);
    let parameters =
        Parameters::new(SessionId([1; 32]), [2; 32], &public, ids([1, 2]), id(3)).unwrap();
    let mut board = Board::new(parameters.clone());
    let posted =
        [1, 2, 3].map(|from| board.post(id(from), &Forger::new(from, 1).announce(&parameters)));
    assert_eq!(posted, [Ok(Posted::Recorded), Ok(Posted::Recorded), Ok(Posted::Failed)]);
    assert_eq!(board.phase(), Phase::Failed);
    assert!(board.culprits().is_empty() && board.missing().is_empty());
}

/// Entries have at most 65,535 bytes; 4,000 are for the rest of an entry.
#[test]
fn the_longest_messages_of_the_largest_repair_fit_into_the_log() {
    let in_the_log = |message: &[u8]| message.len().div_ceil(3).div_ceil(3) * 16;
    let most = u16::try_from(MAX_PARTICIPANTS).unwrap();
    for suite in Suite::ALL.iter().copied() {
        let length = usize::from(most) * suite.algebra().point_length();
        let dealing = Dealing { ephemeral: [0; 32], commitments: vec![0; length] };
        let sealed = (2..=most).map(|to| (id(to), [0; 48])).collect();
        let deal = Deal { view: [0; 32], dealing, proof: [0; 64], sealed };
        let complaint = || crate::session::complaint::Complaint { shared: [0; 32], proof: [0; 64] };
        let all = |from| (from..=most).map(|helper| (id(helper), complaint())).collect();
        let sum = Sum { view: [0; 32], answer: Err(all(2)) };
        let verdict = Verdict { view: [0; 32], complaints: all(1) };
        for message in [deal.encode(), sum.encode(), verdict.encode(Round::Verdict)] {
            assert!(in_the_log(&message) <= 65_535 - 4_000, "{}", message.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever changes are made to one participant's messages, the session completes with the
    /// right share, waits for that participant, or blames it.
    #[test]
    fn only_the_one_whose_message_is_forged_is_ever_blamed(
        suite in select(Suite::ALL),
        forged in select(&[2_u16, 4][..]),
        round in 0..4_usize,
        position: prop::sample::Index,
        flip in 1..=255_u8,
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let key = Key::dealt(suite, 3, &[1, 2, 3, 4, 5], 1);
        let parameters = key.repair(&[1, 2, 3, 5], 4);
        let (mut session, mut messages) = key.start_repair(&parameters, &[1, 2, 3], 1);
        for current in 0..4 {
            if let Some(message) = messages.get_mut(&id(forged)).filter(|_| current == round) {
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
                    // The tag of a message that others send.
                    Err(Error::Stranger(who)) => prop_assert_eq!(who, id(forged)),
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
            messages = session.advance();
        }
        let only = ids([forged]);
        prop_assert!(session.board.culprits().is_subset(&only));
        let missing = session.board.missing();
        // 5 may still help if the forged participant never announced.
        let late = &only | &ids([5]);
        let expected = if session.board.phase() == Phase::Commit { &late } else { &only };
        prop_assert!(missing.is_subset(expected));
        for error in session.errors.values() {
            prop_assert!(error.culprits().is_subset(&only));
        }
        if let Some(repaired) = session.repaired() {
            prop_assert_eq!(repaired.to_bytes(), key.shares[&id(4)].to_bytes());
        } else {
            prop_assert!(forged == 4 || !missing.is_empty() || !session.board.culprits().is_empty());
        }
    }

    #[test]
    fn any_bytes_as_a_message_end_in_a_decision_and_boards_agree(
        suite in select(Suite::ALL),
        phase in 0..4_usize,
        posts in prop::collection::vec(
            (1..=6_u16, 3..10_u8, any::<bool>(), prop::collection::vec(any::<u8>(), 0..400)),
            1..8,
        ),
    ) {
        let key = Key::dealt(suite, 3, &[1, 2, 3, 4, 5], 1);
        let parameters = key.repair(&[1, 2, 3, 5], 4);
        let (mut session, mut messages) = key.start_repair(&parameters, &[1, 2, 3], 1);
        for _ in 0..phase {
            session.post(messages);
            messages = session.advance();
        }
        let mut twin = session.board.clone();
        for (from, tag, right_view, mut message) in posts {
            if let Some(first) = message.first_mut() {
                *first = tag;
            }
            let board = &mut session.board;
            let view = board.round_of(&message).and_then(|round| board.view(round));
            if let (true, Some(view), Some(to)) = (right_view, view, message.get_mut(1..33)) {
                to.copy_from_slice(&view);
            }
            let before = format!("{board:?}");
            let posted = board.post(id(from), &message);
            prop_assert_eq!(&posted, &twin.post(id(from), &message));
            prop_assert_eq!(board.transcript(), twin.transcript());
            prop_assert_eq!(board.faults(), twin.faults());
            match posted {
                Ok(Posted::Failed) => prop_assert_eq!(board.culprits(), ids([from])),
                Ok(Posted::Recorded) => prop_assert_ne!(before, format!("{:?}", board)),
                Ok(Posted::Repeated) | Err(_) => prop_assert_eq!(before, format!("{:?}", board)),
            }
        }
    }
}

#[test]
fn a_wrong_own_summand_blames_who_kept_it() {
    let (Scene { mut session, forger, .. }, summands) = Scene::dealt_honestly(ED25519, 2);
    let own = off_by_one(ED25519, &summands[&id(2)]);
    let wrong = forger.add_up(&session.board, &own);
    session.step();
    session.post([(id(2), forger.sum(&session.board, &wrong).encode())].into());
    let verdict = session.advance().remove(&id(4)).unwrap();
    session.fails(id(4), &verdict, &[(2, Fault::WrongSum { recipient: id(4) })]);
}
