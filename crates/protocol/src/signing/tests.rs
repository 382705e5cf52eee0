//! The two halves of a session, for protocols that differ in everything that a plan states.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Board, Delivery, EncodingError, Error, Message, Needed, Opening, Run, Signature, Signers, Step,
    verify,
};
use crate::session::SessionId;
use crate::session::test_session::{ED25519, Key, id, ids, rng};
use crate::{Identifier, Suite};

static_assertions::assert_not_impl_any!(Run: Clone, Copy, PartialEq, serde::Serialize);
static_assertions::assert_impl_all!(Run: Send, Sync, std::fmt::Debug);
static_assertions::assert_not_impl_any!(super::frost::Nonces: Clone, Copy, serde::Serialize);

const MESSAGE: &[u8] = b"a contract";

/// The signers of a session, and what they all see.
struct Session {
    key: Key,
    board: Board,
    runs: BTreeMap<Identifier, Run>,
}

impl Session {
    /// Opens a session of these signers, and posts their first messages.
    fn new(suite: Suite, signers: &[u16]) -> Self {
        let key = Key::generated(suite, 2, &[1, 2, 3], 1);
        let (plan, chosen) = (suite.signing_plan().unwrap(), ids(signers.iter().copied()));
        let is_fixed = plan.signers == Signers::BeforeFirstRound;
        let opening = Opening {
            session: SessionId([7; 32]),
            signers: is_fixed.then_some(&chosen),
            message: (plan.message == Needed::FromFirstRound).then_some(MESSAGE),
        };
        let board = Board::new(suite, is_fixed.then(|| chosen.clone())).unwrap();
        let mut session = Self { key, board, runs: BTreeMap::new() };
        let mut sent = BTreeMap::new();
        for signer in &chosen {
            let seed = &mut rng(signer.get().into());
            let (run, message) = Run::start(&session.key.shares[signer], &opening, seed).unwrap();
            session.runs.insert(*signer, run);
            sent.insert(*signer, message);
        }
        session.deliver(1, sent);
        session.board.fix_signers();
        session
    }

    fn deliver(&mut self, round: u8, sent: BTreeMap<Identifier, Message>) {
        let mut sealed = Vec::new();
        for (from, message) in sent {
            let (public, addressed) = message.posted();
            self.board.post(round, from, &public).unwrap();
            sealed.extend(addressed.into_iter().map(|(to, bytes)| (from, to, bytes)));
        }
        for (from, to, bytes) in sealed {
            self.runs.get_mut(&to).unwrap().receive(&self.board, from, &bytes).unwrap();
        }
    }

    fn step(&mut self, signer: Identifier) -> Result<Step, Error> {
        let (run, key) = (self.runs.remove(&signer).unwrap(), &self.key);
        run.advance(&key.shares[&signer], &key.public, &self.board, Some(MESSAGE), &mut rng(9))
    }

    /// Plays all rounds but the last, and returns the signature shares.
    fn shares(&mut self) -> BTreeMap<Identifier, Vec<u8>> {
        loop {
            let (mut sent, mut shares) = (BTreeMap::new(), BTreeMap::new());
            let round = self.board.round();
            for signer in self.board.signers().unwrap().clone() {
                match self.step(signer).unwrap() {
                    Step::Send(run, message) => {
                        self.runs.insert(signer, run);
                        sent.insert(signer, message);
                    }
                    Step::Share(share) => drop(shares.insert(signer, share)),
                }
            }
            if sent.is_empty() {
                assert_eq!(round, self.board.plan().last());
                return shares;
            }
            self.deliver(round, sent);
        }
    }
}

#[test]
fn each_suite_signs_by_its_plan() {
    for suite in Suite::ALL.iter().copied() {
        let mut session = Session::new(suite, &[1, 3]);
        let shares = session.shares();
        for (from, share) in &shares {
            let public = &session.key.public;
            assert_eq!(session.board.verify_share(public, *from, share, MESSAGE), Ok(()));
            assert!(!session.board.is_complete());
            session.board.post(session.board.plan().last(), *from, share).unwrap();
        }
        let (board, public) = (&session.board, &session.key.public);
        assert!(board.is_complete());
        let signature = board.combine(public, MESSAGE).unwrap();
        assert_eq!(verify(public.verifying_key(), MESSAGE, &signature), Ok(()), "{suite}");
        assert!(verify(public.verifying_key(), b"another", &signature).is_err());
        for message in [None, Some(MESSAGE)] {
            assert_eq!(board.check(public, message, signature.as_bytes()), Ok(()), "{suite}");
        }
        let mut other = signature.as_bytes().to_vec();
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(board.check(public, None, &other), Err(Error::OtherSignature));
        assert_eq!(Signature::from_bytes(suite, signature.as_bytes()), Ok(signature));
    }
}

#[test]
fn plans_of_the_two_protocols_differ_in_every_point() {
    let [frost, test] = [ED25519, Suite::TestP256].map(|suite| suite.signing_plan().unwrap());
    assert_eq!((frost.last(), test.last()), (2, 3));
    assert_ne!(frost.signers, test.signers);
    assert_ne!(frost.message, test.message);
    assert_eq!(frost.delivery(1), Some(Delivery::ToAll));
    assert_eq!(test.delivery(1), Some(Delivery::ToEach));
    assert_eq!((frost.delivery(0), frost.delivery(3)), (None, None));
}

#[test]
fn a_session_needs_what_its_plan_states_before_round_1() {
    let signers = ids([1, 2]);
    let session = SessionId([7; 32]);
    assert_eq!(Board::new(ED25519, Some(signers.clone())).unwrap_err(), Error::Signers);
    assert_eq!(Board::new(Suite::TestP256, None).unwrap_err(), Error::Signers);
    let start = |suite, me, signers, message| {
        let key = Key::generated(suite, 2, &[1, 2, 3], 1);
        let opening = Opening { session, signers, message };
        Run::start(&key.shares[&id(me)], &opening, &mut rng(1)).map(drop)
    };
    assert_eq!(start(ED25519, 1, Some(&signers), None), Err(Error::Signers));
    assert_eq!(start(Suite::TestP256, 1, None, Some(MESSAGE)), Err(Error::Signers));
    assert_eq!(start(Suite::TestP256, 1, Some(&signers), None), Err(Error::NoMessage));
    let stranger = start(Suite::TestP256, 3, Some(&signers), Some(MESSAGE));
    assert_eq!(stranger, Err(Error::NotASigner));
    assert_eq!(start(Suite::TestP256, 1, Some(&signers), Some(MESSAGE)), Ok(()));
    assert_eq!(start(ED25519, 1, None, None), Ok(()));
}

#[test]
fn a_message_counts_once_and_in_its_round_only() {
    let mut session = Session::new(ED25519, &[1, 2]);
    let first = session.board.rounds()[0][&id(1)].clone();
    let late = session.board.post(1, id(3), &first).unwrap_err();
    assert_eq!(late, Error::OtherRound { round: 1, expected: 2 });
    let shares = session.shares();
    let unexpected = Error::Unexpected { unexpected: ids([3]) };
    assert_eq!(session.board.post(2, id(3), &shares[&id(1)]), Err(unexpected.clone()));
    session.board.post(2, id(1), &shares[&id(1)]).unwrap();
    let again = session.board.post(2, id(1), &shares[&id(2)]).unwrap_err();
    assert_eq!(again, Error::Repeated { from: id(1) });
    for error in [late, unexpected, again] {
        assert_eq!(error.culprits(), BTreeSet::new());
    }
    assert_eq!(session.board.rounds()[1], BTreeMap::from([(id(1), shares[&id(1)].clone())]));
}

#[test]
fn a_malformed_message_blames_its_sender_and_changes_nothing() {
    let mut board = Board::new(ED25519, None).unwrap();
    let error = board.post(1, id(2), &[2; 64]).unwrap_err();
    assert_eq!(error, Error::Malformed { from: id(2), why: EncodingError::Point });
    assert_eq!(error.culprits(), ids([2]));
    assert!(board.rounds()[0].is_empty());

    let mut session = Session::new(ED25519, &[1, 2]);
    let error = session.board.post(2, id(1), &[0xFF; 32]).unwrap_err();
    assert_eq!(error.culprits(), ids([1]));
    let error = session.board.verify_share(&session.key.public, id(1), &[0xFF; 32], MESSAGE);
    assert_eq!(error.unwrap_err().culprits(), ids([1]));
}

#[test]
fn a_signer_waits_for_the_end_of_a_round() {
    let mut session = Session::new(Suite::TestP256, &[1, 2]);
    session.board = Board::new(Suite::TestP256, Some(ids([1, 2]))).unwrap();
    session.board.post(1, id(1), &[7; 32]).unwrap();
    let early = session.step(id(1)).unwrap_err();
    assert_eq!(early, Error::OtherRound { round: 2, expected: 1 });
}

#[test]
fn the_share_needs_the_message_and_a_board_of_the_suite() {
    let mut session = Session::new(ED25519, &[1, 2]);
    let (run, key) = (session.runs.remove(&id(1)).unwrap(), &session.key);
    let share = &key.shares[&id(1)];
    let refused = run.advance(share, &key.public, &session.board, None, &mut rng(1));
    assert_eq!(refused.unwrap_err(), Error::NoMessage);
    session.board = Session::new(Suite::TestP256, &[1, 2]).board;
    assert_eq!(session.step(id(2)).unwrap_err(), Error::OtherSuite);
}

#[test]
fn only_rounds_that_address_each_signer_take_addressed_messages() {
    let mut session = Session::new(ED25519, &[1, 2]);
    let refused = session.runs.get_mut(&id(1)).unwrap().receive(&session.board, id(2), b"psst");
    assert_eq!(refused, Err(Error::Unexpected { unexpected: ids([2]) }));
}

#[test]
fn messages_of_a_signature_by_others_do_not_prove_it() {
    let mut session = Session::new(ED25519, &[1, 2]);
    for (from, share) in session.shares() {
        session.board.post(2, from, &share).unwrap();
    }
    let public = &session.key.public;
    let signature = session.board.combine(public, MESSAGE).unwrap();
    let mut other = Session::new(ED25519, &[1, 3]);
    for (from, share) in other.shares() {
        other.board.post(2, from, &share).unwrap();
    }
    let bytes = signature.as_bytes();
    assert_eq!(other.board.check(public, None, bytes), Err(Error::OtherSignature));
    assert_eq!(other.board.check(public, None, &bytes[..63]), Err(Error::OtherSignature));
    let wrong = session.board.check(public, Some(b"another"), bytes);
    assert_eq!(wrong, Err(Error::WrongShares { culprits: ids([1, 2]) }));
}

#[test]
fn a_run_and_addressed_messages_are_not_printed() {
    let key = Key::generated(Suite::TestP256, 2, &[1, 2], 1);
    let signers = ids([1, 2]);
    let opening =
        Opening { session: SessionId([7; 32]), signers: Some(&signers), message: Some(MESSAGE) };
    let (run, message) = Run::start(&key.shares[&id(1)], &opening, &mut rng(1)).unwrap();
    assert_eq!(format!("{run:?}"), "Run { round: 1, .. }");
    assert_eq!(format!("{message:?}"), "ToEach([Identifier(2)])");
}
