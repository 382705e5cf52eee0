//! Threshold ECDSA: who can sign, what every message is bound to, and who is refused.

use std::collections::BTreeMap;

use rstest::rstest;

use super::message::Contents;
use crate::keys::KeyPackage;
use crate::session::SessionId;
use crate::session::test_session::{Key, id, ids, rng};
use crate::signing::{Addressed, Board, Error, Message, Opening, Run, Step, verify};
use crate::{Identifier, Suite};

const MESSAGE: &[u8] = b"a contract";
const P256: Suite = Suite::EcdsaP256Sha256;

/// A session in which a test sees every message before it is delivered.
struct Session {
    key: Key,
    board: Board,
    runs: BTreeMap<Identifier, Run>,
}

/// What a signer sends in a round: what everyone receives, and the sealed messages.
type Sent = BTreeMap<Identifier, (Vec<u8>, Addressed)>;

fn opening(signers: &std::collections::BTreeSet<Identifier>) -> Opening<'_> {
    Opening { session: SessionId([7; 32]), signers: Some(signers), message: Some(MESSAGE) }
}

impl Session {
    fn new(suite: Suite, min_signers: u16, holders: &[u16], signers: &[u16]) -> (Self, Sent) {
        let key = Key::generated(suite, min_signers, holders, 1);
        let signers = ids(signers.iter().copied());
        let board = Board::new(suite, Some(signers.clone())).unwrap();
        let (mut runs, mut sent) = (BTreeMap::new(), Sent::new());
        for signer in &signers {
            let (run, message) =
                Run::start(&key.shares[signer], &opening(&signers), &mut rng(1)).unwrap();
            runs.insert(*signer, run);
            sent.insert(*signer, message.posted());
        }
        (Self { key, board, runs }, sent)
    }

    fn post(&mut self, sent: &Sent) {
        let round = self.board.round();
        for (from, (posted, _)) in sent {
            self.board.post(round, *from, posted).unwrap();
        }
    }

    fn deliver(&mut self, sent: &Sent) {
        self.post(sent);
        for (from, (_, addressed)) in sent {
            for (to, sealed) in addressed {
                self.runs.get_mut(to).unwrap().receive(&self.board, *from, sealed).unwrap();
            }
        }
    }

    fn step(&mut self, signer: Identifier) -> Result<Step, Error> {
        let (run, key) = (self.runs.remove(&signer).unwrap(), &self.key);
        run.advance(&key.shares[&signer], &key.public, &self.board, Some(MESSAGE), &mut rng(2))
    }

    /// Lets every signer answer a round. Returns the messages of the next.
    fn answer(&mut self) -> Sent {
        let signers = self.board.signers().unwrap().clone();
        let mut sent = Sent::new();
        for signer in signers {
            let answer = match self.step(signer).unwrap() {
                Step::Send(run, message) => {
                    self.runs.insert(signer, run);
                    message.posted()
                }
                Step::Share(share) => (share, Addressed::new()),
            };
            sent.insert(signer, answer);
        }
        sent
    }

    /// Plays until the messages of this round are made, but not delivered.
    fn until(&mut self, round: u8, mut sent: Sent) -> Sent {
        while self.board.round() < round {
            self.deliver(&sent);
            sent = self.answer();
        }
        sent
    }
}

#[rstest]
#[case::all_of_two(P256, 2, &[1, 2], &[1, 2])]
#[case::two_of_three(P256, 2, &[1, 2, 3], &[2, 3])]
#[case::more_than_needed(P256, 2, &[1, 2, 3], &[1, 2, 3])]
#[case::identifiers_of_two_bytes(P256, 2, &[7, 300, 65_535], &[300, 65_535])]
#[case::secp256k1(Suite::EcdsaSecp256k1Sha256, 3, &[1, 2, 3, 4], &[1, 3, 4])]
fn any_signers_make_an_ordinary_signature(
    #[case] suite: Suite,
    #[case] min_signers: u16,
    #[case] holders: &[u16],
    #[case] signers: &[u16],
) {
    let (mut session, sent) = Session::new(suite, min_signers, holders, signers);
    let shares = session.until(5, sent);
    session.post(&shares);
    let (board, public) = (&session.board, &session.key.public);
    let signature = board.combine(public, MESSAGE).unwrap();
    assert_eq!(verify(public.verifying_key(), MESSAGE, &signature), Ok(()));
    assert!(verify(public.verifying_key(), b"another contract", &signature).is_err());
}

#[test]
fn too_few_signers_do_not_begin() {
    let key = Key::generated(P256, 3, &[1, 2, 3], 1);
    for signers in [vec![1], vec![1, 2]] {
        let signers = ids(signers);
        let started = Run::start(&key.shares[&id(1)], &opening(&signers), &mut rng(1));
        assert!(matches!(started, Err(Error::TooFewSigners { min_signers: 3, .. })));
    }
}

#[test]
fn a_sealed_message_that_was_not_announced_is_refused() {
    let (mut session, sent) = Session::new(P256, 2, &[1, 2, 3], &[1, 2]);
    let sent = session.until(2, sent);
    session.post(&sent);
    let (one, two) = (id(1), id(2));
    let letter = &sent[&two].1[&one];
    let mut changed = letter.clone();
    changed[0] ^= 1;
    let board = session.board.clone();
    let run = session.runs.get_mut(&one).unwrap();
    for (from, bytes) in [(two, &changed), (two, &sent[&one].1[&two]), (id(3), letter)] {
        let refused = run.receive(&board, from, bytes).unwrap_err();
        assert_eq!(refused, Error::NotAnnounced { from });
        assert!(refused.culprits().is_empty() && refused.refused().is_none());
    }
    // Without the message, the signer does not go on.
    assert_eq!(session.step(one).unwrap_err(), Error::MissingMessage { from: two });
}

/// Changes to a sealed message. Its sender announces what it sends.
fn changed(sealed: &[u8], how: u8) -> Vec<u8> {
    let mut bytes = sealed.to_vec();
    match how {
        0 => bytes.clear(),
        1 => bytes.truncate(sealed.len() / 2),
        2 => bytes.push(0),
        _ => bytes[sealed.len() / 2] ^= 1,
    }
    bytes
}

#[rstest]
fn the_sender_of_what_does_not_open_is_refused(
    #[values(2, 3, 4)] round: u8,
    #[values(0, 1, 2, 3)] how: u8,
) {
    let (mut session, sent) = Session::new(P256, 2, &[1, 2, 3], &[1, 3]);
    let mut sent = session.until(round, sent);
    let (one, three) = (id(1), id(3));
    let bytes = changed(&sent[&three].1[&one], how);
    let message = Message::ToEach(Addressed::from([(one, bytes)]));
    sent.insert(three, message.posted());
    session.deliver(&sent);
    let refused = session.step(one).unwrap_err();
    assert_eq!(refused.refused(), Some(three));
    assert!(refused.culprits().is_empty(), "only the recipient can tell");
}

#[test]
fn what_everyone_receives_is_decoded_strictly() {
    let signers = ids([1, 2, 3]);
    let point = [[0xff; 32], [1; 32], [2; 32]].concat();
    for (round, message) in [(1, vec![]), (1, vec![9; 95]), (1, point), (5, vec![1; 95])] {
        let mut contents = Contents::new(super::EcdsaCurve::P256, signers.clone());
        assert!(contents.post(round, id(1), &message).is_err(), "{round} {message:?}");
    }
}

#[test]
fn another_message_than_at_the_beginning_is_not_signed() {
    let (mut session, sent) = Session::new(P256, 2, &[1, 2], &[1, 2]);
    session.deliver(&sent);
    let (key, run) = (&session.key, session.runs.remove(&id(1)).unwrap());
    let share: &KeyPackage = &key.shares[&id(1)];
    let other = Some(b"another".as_slice());
    let refused = run.advance(share, &key.public, &session.board, other, &mut rng(1));
    assert_eq!(refused.unwrap_err(), Error::OtherMessage);
}

#[test]
fn a_wrong_share_makes_no_signature_and_accuses_nobody() {
    let (mut session, sent) = Session::new(P256, 2, &[1, 2], &[1, 2]);
    let mut shares = session.until(5, sent);
    shares.get_mut(&id(2)).unwrap().0[95] ^= 1;
    session.post(&shares);
    let wrong = session.board.combine(&session.key.public, MESSAGE).unwrap_err();
    assert_eq!(wrong, Error::InvalidSignature);
    assert!(wrong.culprits().is_empty());
}
