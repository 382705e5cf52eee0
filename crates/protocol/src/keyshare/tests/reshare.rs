//! Reshares: other members, another min_signers, the same key.

use std::collections::{BTreeMap, BTreeSet};

use curve25519_dalek::edwards::CompressedEdwardsY;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::session::{
    ED25519, Forger, Key, Messages, Session, id, ids, off_by_one, parameters, reconstruct, rng,
};
use crate::keys::{KeyPackage, PublicKeyPackage};
use crate::keyshare::board::Keyshare;
use crate::keyshare::message::{Commit, Round};
use crate::keyshare::{
    Board, Error, Fault, Parameters, ParametersError, Phase, Posted, Run, SessionId, Step,
};
use crate::secret::SecretScalar;
use crate::session::complaint::Complaint;
use crate::session::message::Announce;
use crate::session::sealing::SecretKey;
use crate::session::{Parameters as _, first_view};
use crate::{Identifier, Suite};

/// A key of 1, 2 and 3, of whom two sign.
fn key() -> Key {
    Key::generated(ED25519, 2, &[1, 2, 3], 1)
}

/// A reshare of [`key`] among 2, 3 and 4, in which dealer 1 is forged.
fn forged(change: impl FnOnce(&mut Forger)) -> (Session, Forger) {
    let key = key();
    key.with_forger(&key.reshare(2, &[2, 3, 4]), change)
}

impl Key {
    fn holders(&self) -> Vec<u16> {
        self.shares.keys().map(|id| id.get()).collect()
    }

    /// A reshare in which all holders may deal.
    pub(super) fn reshare(&self, min_signers: u16, members: &[u16]) -> Parameters {
        self.reshare_by(min_signers, members, &self.holders()).unwrap()
    }

    fn reshare_by(
        &self,
        min_signers: u16,
        members: &[u16],
        dealers: &[u16],
    ) -> Result<Parameters, ParametersError> {
        let (members, dealers) = (members.iter().copied().map(id), dealers.iter().copied().map(id));
        let session = SessionId([3; 32]);
        Parameters::reshare(session, [4; 32], min_signers, members, &self.public, dealers)
    }

    /// Starts the runs of all who get a share, and of those of the others that are `online`; only
    /// these deal.
    pub(super) fn start(&self, parameters: &Parameters, online: &[u16]) -> (Session, Messages) {
        let mut rng = rng(8);
        let (mut runs, mut messages) = (BTreeMap::new(), BTreeMap::new());
        let online = ids(online.iter().copied());
        for me in parameters.participants().union(&online) {
            let old = self.shares.get(me).filter(|_| online.contains(me));
            let (run, message) = Run::reshare(parameters, *me, old, &mut rng).unwrap();
            runs.insert(*me, run);
            messages.extend(message.map(|message| (*me, message)));
        }
        let board = Board::new(parameters.clone());
        (Session::new(board, runs, rng), messages)
    }

    /// Plays to the end; late dealings come out of order.
    fn played(&self, parameters: &Parameters, online: &[u16]) -> Session {
        let (mut session, mut messages) = self.start(parameters, online);
        while !messages.is_empty() {
            for (from, message) in &messages {
                match session.board.post(*from, message) {
                    Ok(Posted::Recorded) | Err(Error::OutOfOrder { .. }) => {}
                    other => panic!("{from}: {other:?}"),
                }
            }
            messages = session.advance();
        }
        session
    }

    /// Dealer 1's dealing is forged; 2, and all who get a share, are honest.
    pub(super) fn with_forger(
        &self,
        parameters: &Parameters,
        change: impl FnOnce(&mut Forger),
    ) -> (Session, Forger) {
        let share = self.shares[&id(1)].signing_share();
        let algebra = parameters.suite().algebra();
        let dealer = algebra.deal_again(share, parameters.min_signers(), &mut rng(5)).unwrap();
        let mut forger = Forger::with_dealer(parameters, 1, 5, dealer);
        change(&mut forger);
        let (mut session, messages) = self.start(parameters, &[2]);
        session.post(messages);
        session.step();
        (session, forger)
    }
}

/// min_signers, and the members.
type Roster = (u16, Vec<u16>);

/// A suite; the old roster; the new one, of whom any may be old.
fn any_change() -> impl Strategy<Value = (Suite, Roster, Roster)> {
    let roster = || {
        let pool: Vec<u16> = (1..=7).chain([256, 65535]).collect();
        subsequence(pool, 2..=5).prop_flat_map(|ids| (2..=ids.len() as u16, Just(ids)))
    };
    (select(Suite::ALL), roster(), roster())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_new_roster_gets_shares_of_the_same_key(
        (suite, (t, old), (new_t, new)) in any_change(),
        pick: prop::sample::Index,
    ) {
        let key = Key::generated(suite, t, &old, 1);
        let parameters = key.reshare(new_t, &new);
        // The others are offline, or have lost their shares.
        let online: Vec<u16> =
            old.iter().cycle().skip(pick.index(old.len())).take(usize::from(t)).copied().collect();
        let session = key.played(&parameters, &online);

        let public = session.board.outcome().unwrap();
        prop_assert_eq!(public.verifying_key(), key.public.verifying_key());
        prop_assert_eq!(public.min_signers(), new_t);
        prop_assert_eq!(session.board.dealers().collect::<BTreeSet<_>>(), ids(online));
        let owners: Vec<u16> = public.verifying_shares().keys().map(|id| id.get()).collect();
        prop_assert_eq!(owners, new.clone());
        prop_assert_eq!(session.packages.len(), new.len());
        for package in session.packages.values() {
            prop_assert_eq!(package.check(public), Ok(()));
        }
        let expected = public.verifying_key().as_bytes();
        let quorum = usize::from(new_t);
        for size in quorum..=new.len() {
            let made = reconstruct(suite, session.packages.values().take(size));
            prop_assert_eq!(made, expected);
        }
        let made = reconstruct(suite, session.packages.values().take(quorum - 1));
        prop_assert_ne!(made, expected);
    }

    #[test]
    fn shares_of_different_epochs_never_combine(
        (suite, (t, old), (new_t, new)) in any_change(),
    ) {
        let key = Key::generated(suite, t, &old, 1);
        let session = key.played(&key.reshare(new_t, &new), &old);
        let public = session.board.outcome().unwrap();
        for package in session.packages.values() {
            prop_assert!(package.check(&key.public).is_err());
        }
        for package in key.shares.values() {
            prop_assert!(package.check(public).is_err());
        }
        // As many as either epoch needs, but one of them from the other epoch.
        let size = usize::from(t.max(new_t)) - 1;
        let stray = key.shares.values().next().unwrap();
        let others = || session.packages.values().filter(|p| p.identifier() != stray.identifier());
        if others().count() >= size {
            let made = reconstruct(suite, others().take(size).chain([stray]));
            prop_assert_ne!(made, key.public.verifying_key().as_bytes());
        }
    }
}

#[test]
fn the_first_dealings_count_and_late_ones_blame_nobody() {
    let key = Key::generated(ED25519, 2, &[1, 2, 3, 4], 1);
    let (mut session, messages) = key.start(&key.reshare(3, &[3, 4, 5]), &[1, 2, 3, 4]);
    session.post(messages);
    let mut dealings = session.advance();
    assert_eq!(session.board.missing(), ids([1, 2, 3, 4]));
    for from in [4, 1] {
        session.board.takes(id(from), &dealings.remove(&id(from)).unwrap());
    }
    assert_eq!(session.board.phase(), Phase::Verdict);
    for (from, message) in dealings {
        let late = session.board.post(from, &message);
        assert_eq!(late, Err(Error::OutOfOrder { from, phase: Phase::Verdict }));
    }
    let verdicts = session.advance();
    assert_eq!(verdicts.keys().copied().collect::<BTreeSet<_>>(), ids([3, 4, 5]));
    session.post(verdicts);
    session.advance();
    assert_eq!(session.board.dealers().collect::<BTreeSet<_>>(), ids([1, 4]));
    assert_eq!(session.packages.keys().copied().collect::<BTreeSet<_>>(), ids([3, 4, 5]));
    assert!(session.runs.is_empty() && session.errors.is_empty());
}

#[test]
fn a_key_is_shared_anew_again_and_again() {
    let mut key = key();
    let verifying_key = key.public.verifying_key().clone();
    for (min_signers, members) in
        [(2, vec![1, 2, 3]), (3, vec![2, 3, 4, 5]), (2, vec![6, 7]), (5, vec![1, 2, 6, 7, 8])]
    {
        let session = key.played(&key.reshare(min_signers, &members), &key.holders());
        key = Key { public: session.board.outcome().unwrap().clone(), shares: session.packages };
        assert_eq!(key.public.verifying_key(), &verifying_key);
        assert_eq!(reconstruct(ED25519, key.shares.values()), verifying_key.as_bytes());
    }
}

#[test]
fn refreshed_shares_are_all_other_ones() {
    let key = key();
    let session = key.played(&key.reshare(2, &[1, 2, 3]), &[1, 2, 3]);
    for (owner, package) in &session.packages {
        assert_ne!(package.to_bytes(), key.shares[owner].to_bytes());
    }
}

#[test]
fn a_member_that_lost_its_share_gets_one_from_the_others() {
    let key = key();
    let session = key.played(&key.reshare(2, &[1, 2, 3]), &[1, 3]);
    assert!(session.packages.contains_key(&id(2)));
    assert_eq!(session.board.dealers().collect::<BTreeSet<_>>(), ids([1, 3]));
}

#[test]
fn dealing_another_value_than_the_own_share_is_blamed() {
    let (session, forger) = forged(|forger| {
        *forger = Forger::honest(&forger.parameters, 1, 7);
    });
    session.rejects(&forger, Fault::WrongConstant);
}

#[test]
fn dealing_with_a_commitment_to_an_unknown_share_is_blamed() {
    let key = key();
    let parameters = key.reshare(2, &[2, 3, 4]);
    let share = key.public.verifying_share(id(1)).unwrap().as_bytes().to_vec();
    let (session, forger) = key.with_forger(&parameters, |forger| {
        *forger = Forger::honest(&parameters, 1, 7);
        forger.dealing.coefficients[..32].copy_from_slice(&share);
        forger.prove_for(&parameters, id(1));
    });
    session.rejects(&forger, Fault::WrongProof);
}

#[test]
fn a_dealing_of_another_degree_is_blamed() {
    let key = key();
    let parameters = key.reshare(2, &[2, 3, 4]);
    let (session, forger) = key.with_forger(&parameters, |_| {});
    let other = key.reshare(3, &[2, 3, 4]);
    let dealer = ED25519.algebra();
    let share = key.shares[&id(1)].signing_share();
    let dealer = dealer.deal_again(share, 3, &mut rng(5)).unwrap();
    let longer = Forger::with_dealer(&other, 1, 5, dealer);
    let mut reveal = forger.reveal(&session.board, |_, share| share);
    reveal.dealing = longer.dealing;
    let message = reveal.encode(&other);
    let fault = Fault::CoefficientCount { expected: 2, actual: 3 };
    session.fails(id(1), &message, &[(1, fault)]);
}

#[test]
fn the_next_session_leaves_out_a_dealer_that_was_blamed() {
    let key = key();
    let parameters = key.reshare(2, &[2, 3, 4]);
    let (mut session, forger) = key.with_forger(&parameters, |_| {});
    let wrong =
        |to: Identifier, share| if to == id(4) { off_by_one(ED25519, &share) } else { share };
    session.board.takes(id(1), &forger.reveal(&session.board, wrong).encode(&parameters));
    let verdicts = session.advance();
    session.post(verdicts.iter().filter(|(from, _)| **from != id(4)).map(owned).collect());
    let fault = Fault::WrongSubShare { recipient: id(4) };
    session.fails(id(4), &verdicts[&id(4)], &[(1, fault)]);

    let again = key.reshare_by(2, &[2, 3, 4], &[2, 3]).unwrap();
    let session = key.played(&again, &[2, 3]);
    assert_eq!(session.board.outcome().unwrap().verifying_key(), key.public.verifying_key());
}

fn owned((from, message): (&Identifier, &Vec<u8>)) -> (Identifier, Vec<u8>) {
    (*from, message.clone())
}

#[test]
fn a_complaint_about_a_non_dealer_blames_the_complainer() {
    let (mut session, forger) = forged(|_| {});
    let message = forger.honest_reveal(&session.board);
    session.post([(id(1), message)].into());
    let complaint = Complaint { shared: SecretKey::random(&mut rng(1)).public(), proof: [1; 64] };
    let verdict = session.board.verdict_of([(id(3), complaint)].into());
    session.fails(id(4), &verdict, &[(4, Fault::WrongComplaint { dealer: id(3) })]);
}

#[test]
fn torsion_in_a_dealing_is_blamed() {
    // A point of order 8.
    let torsion: [u8; 32] =
        hex::decode("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
            .unwrap()
            .try_into()
            .unwrap();
    let torsion = CompressedEdwardsY(torsion).decompress().unwrap();
    let (session, forger) = forged(|forger| {
        let point = forger.dealing.coefficients[32..].try_into().unwrap();
        let point = CompressedEdwardsY(point).decompress().unwrap() + torsion;
        forger.dealing.coefficients[32..].copy_from_slice(point.compress().as_bytes());
        forger.prove_for(&forger.parameters.clone(), id(1));
    });
    session.rejects(&forger, Fault::Torsion);
}

#[test]
fn who_joins_does_not_deal_and_who_leaves_does_not_judge() {
    let (mut session, forger) = forged(|_| {});
    let dealing = forger.honest_reveal(&session.board);
    for stranger in [4, 5] {
        let refused = session.board.post(id(stranger), &dealing);
        assert_eq!(refused, Err(Error::Stranger(id(stranger))));
    }
    session.post([(id(1), dealing)].into());
    let approval = session.board.approval();
    for stranger in [1, 5] {
        let refused = session.board.post(id(stranger), &approval);
        assert_eq!(refused, Err(Error::Stranger(id(stranger))));
    }
    let view = first_view::<Keyshare>(&forger.parameters);
    let encryption_key = SecretKey::random(&mut rng(1)).public();
    let announce = Announce { view, encryption_key }.encode(Round::Announce);
    let mut fresh = Board::new(forger.parameters);
    assert_eq!(fresh.post(id(1), &announce), Err(Error::Stranger(id(1))));
    fresh.takes(id(4), &announce);
}

#[test]
fn a_leaving_dealer_that_was_too_slow_waits_for_the_end() {
    let key = key();
    let (mut session, messages) = key.start(&key.reshare(2, &[4, 5]), &[1, 2, 3]);
    let slow = session.runs.remove(&id(3)).unwrap();
    session.post(messages);
    session.step();
    assert_eq!(session.board.phase(), Phase::Verdict);

    let Ok(Step::Wait(slow)) = slow.advance(&session.board, &mut rng(1)) else {
        panic!("it neither judges nor gives up")
    };
    session.step();
    assert_eq!(session.board.phase(), Phase::Complete);
    assert!(matches!(slow.advance(&session.board, &mut rng(1)), Ok(Step::Left)));
}

#[test]
fn a_first_message_of_another_session_blames_nobody() {
    let key = key();
    let encryption_key = SecretKey::random(&mut rng(1)).public();
    let generation = parameters(ED25519, 2, &[1, 2, 3]);
    let reshare = key.reshare(2, &[1, 2, 3]);
    let announce = |of: &Parameters| {
        let view = first_view::<Keyshare>(of);
        Announce { view, encryption_key }.encode(Round::Announce)
    };
    let commit = |of: &Parameters| {
        let view = first_view::<Keyshare>(of);
        Commit { view, opening: [0; 32], encryption_key }.encode()
    };
    // Of the other kind, and of the same kind with another context.
    let other_group = parameters(ED25519, 2, &[1, 2]);
    let other_change = key.reshare(2, &[1, 2]);
    for (of, message) in [
        (&generation, announce(&reshare)),
        (&generation, commit(&other_group)),
        (&reshare, commit(&generation)),
        (&reshare, announce(&other_change)),
    ] {
        let mut board = Board::new(of.clone());
        let before = board.transcript();
        assert_eq!(board.post(id(1), &message), Err(Error::OtherView { from: id(1) }));
        assert_eq!((board.phase(), board.transcript()), (Phase::Commit, before));
        // A message that was made for this session and is of no round of it was not honest.
        let forged = if board.parameters().old().is_some() { commit(of) } else { announce(of) };
        assert_eq!(board.post(id(1), &forged), Ok(Posted::Failed));
        assert_eq!(board.faults().get(&id(1)), Some(&Fault::Malformed));
    }
}

#[test]
fn a_dealing_of_one_session_is_none_in_another() {
    let key = key();
    let (one, other) = (key.reshare(2, &[2, 3, 4]), key.reshare(3, &[2, 3, 4]));
    assert_ne!(one.binding(), other.binding());
    let again = Parameters::reshare(
        SessionId([9; 32]),
        [4; 32],
        2,
        ids([2, 3, 4]),
        &key.public,
        ids([1, 2, 3]),
    );
    let (session, forger) = key.with_forger(&one, |forger| {
        forger.prove_for(&again.unwrap(), id(1));
    });
    session.rejects(&forger, Fault::WrongProof);
}

#[test]
fn only_the_own_share_of_the_same_epoch_is_dealt() {
    let key = key();
    let other = Key::generated(ED25519, 2, &[1, 2, 3], 2);
    let epoch = key.played(&key.reshare(2, &[1, 2, 3]), &[1, 2, 3]);
    let parameters = key.reshare(2, &[1, 2, 3]);
    for wrong in [&other.shares[&id(1)], &epoch.packages[&id(1)], &key.shares[&id(2)]] {
        let refused = Run::reshare(&parameters, id(1), Some(wrong), &mut rng(1));
        assert_eq!(refused.err(), Some(Error::OldShare));
    }
    let stranger = Run::reshare(&parameters, id(4), None, &mut rng(1));
    assert_eq!(stranger.err(), Some(Error::Stranger(id(4))));
    assert_eq!(Run::start(&parameters, id(1), &mut rng(1)).err(), Some(Error::OldShare));
    let generation = super::session::parameters(ED25519, 2, &[1, 2, 3]);
    let refused = Run::reshare(&generation, id(1), None, &mut rng(1));
    assert_eq!(refused.err(), Some(Error::OldShare));
}

#[test]
fn impossible_reshares_are_refused() {
    let key = key();
    let errors = [
        (
            key.reshare_by(2, &[1, 2], &[1]),
            ParametersError::TooFewDealers { min_signers: 2, dealers: 1 },
        ),
        (key.reshare_by(2, &[1, 2, 4], &[1, 2, 4]), ParametersError::NoShare(id(4))),
        (key.reshare_by(2, &[1, 2], &[1, 1, 2]), ParametersError::Duplicate(id(1))),
        (key.reshare_by(2, &[1, 1], &[1, 2]), ParametersError::Duplicate(id(1))),
        (key.reshare_by(1, &[1, 2], &[1, 2]), ParametersError::TooFewSigners(1)),
        (
            key.reshare_by(3, &[1, 2], &[1, 2]),
            ParametersError::TooManySigners { min_signers: 3, participants: 2 },
        ),
    ];
    for (made, error) in errors {
        assert_eq!(made, Err(error));
    }
}

#[test]
fn a_run_that_did_not_deal_refuses_a_board_on_which_it_did() {
    let key = key();
    let parameters = key.reshare(2, &[1, 2, 3]);
    let (run, _) = Run::reshare(&parameters, id(1), None, &mut rng(1)).unwrap();
    let (mut session, messages) = key.start(&parameters, &[1, 2]);
    session.post(messages);
    session.step();
    assert_eq!(run.advance(&session.board, &mut rng(1)).err(), Some(Error::Impersonated));
}

/// Interpolating the old shares gives the old key. An old package that no key generation could have
/// made shows that the board compares it.
#[test]
fn dealings_that_do_not_come_to_the_old_key_make_none() {
    let key = key();
    let other = Key::generated(ED25519, 2, &[1, 2, 3], 2);
    let public = PublicKeyPackage::of_valid_points(
        2,
        other.public.verifying_key().clone(),
        key.public.verifying_shares().clone(),
    );
    let forged = |share: &KeyPackage| {
        let secret = SecretScalar::copy_of(share.signing_share().expose());
        KeyPackage::of_valid_share(share.identifier(), secret, &public).unwrap()
    };
    let shares = key.shares.iter().map(|(id, share)| (*id, forged(share))).collect();
    let strange = Key { public: public.clone(), shares };
    let parameters = strange.reshare(2, &[1, 2, 3]);
    let (mut session, messages) = strange.start(&parameters, &[1, 2]);
    session.post(messages);
    let dealings = session.advance();
    let mut last = None;
    for (from, message) in dealings {
        last = Some(session.board.post(from, &message).unwrap());
    }
    assert_eq!(last, Some(Posted::Failed));
    assert!(session.board.culprits().is_empty());
}

#[test]
fn the_first_round_of_a_reshare_has_one_encoding() {
    let encryption_key = SecretKey::random(&mut rng(1)).public();
    let message = Announce { view: [7; 32], encryption_key }.encode(Round::Announce);
    assert_eq!((message.len(), message[0]), (65, Round::Announce as u8));
    for length in 0..message.len() {
        assert!(Announce::decode(&message[..length], Round::Announce).is_err());
    }
    assert!(Announce::decode(&[&message[..], &[0]].concat(), Round::Announce).is_err());
}
