//! A repair among two who follow the protocol, one helper who posts what the fuzzer likes, and who lost its share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use quorate_protocol::Identifier;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::{Error, Phase, Posted, SessionId};
use quorate_protocol::repair::{Board, Parameters, Run, Step};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::keyshare;
use super::script::Script;

/// Of three of whom two sign, the first lost its share. The second helps, and the third may not follow the protocol.
fn parameters() -> Parameters {
    let session = SessionId([8; 32]);
    Parameters::new(session, [9; 32], &key().0, [2, 3].map(id), id(1)).unwrap()
}

/// The key of an honest key generation, and its shares.
fn key() -> &'static (PublicKeyPackage, Vec<Vec<u8>>) {
    static KEY: OnceLock<(PublicKeyPackage, Vec<Vec<u8>>)> = OnceLock::new();
    KEY.get_or_init(keyshare::generate)
}

fn package(of: Identifier) -> KeyPackage {
    KeyPackage::from_bytes(&key().1[usize::from(of.get()) - 1]).unwrap()
}

fn id(number: u16) -> Identifier {
    Identifier::try_from(number).unwrap()
}

/// A session in which nobody cheats: what each posts in each round that it speaks in.
fn honest() -> &'static BTreeMap<Identifier, Vec<Vec<u8>>> {
    static HONEST: OnceLock<BTreeMap<Identifier, Vec<Vec<u8>>>> = OnceLock::new();
    HONEST.get_or_init(|| {
        let mut board = Board::new(parameters());
        let mut members = [1, 2, 3].map(|number| Member::start(id(number)));
        let mut messages: BTreeMap<Identifier, Vec<Vec<u8>>> = BTreeMap::new();
        while board.phase() != Phase::Complete {
            for member in &mut members {
                for message in member.outbox.drain(..) {
                    assert_eq!(board.post(member.me, &message), Ok(Posted::Recorded));
                    messages.entry(member.me).or_default().push(message);
                }
            }
            members.iter_mut().for_each(|member| member.advance(&board));
        }
        assert!(members[0].repaired);
        messages
    })
}

/// Two sessions as lines of identifier and message in hex: one to the end, and one in which the first participant
/// complains about a wrong sum of the third.
pub fn sessions() -> (Vec<u8>, Vec<u8>) {
    let play = |harm: bool| {
        let mut board = Board::new(parameters());
        let mut members = [1, 2, 3].map(|number| Member::start(id(number)));
        let mut lines = Vec::new();
        while !matches!(board.phase(), Phase::Complete | Phase::Failed) {
            for member in &mut members {
                let Some(mut message) = member.outbox.pop() else { continue };
                let harmed = harm && member.me == id(3) && board.phase() == Phase::Sum;
                if let (true, Some(last)) = (harmed, message.last_mut()) {
                    *last ^= 1;
                    // It would not recognise its own message any more.
                    member.run = None;
                }
                lines.extend(format!("{} {}\n", member.me, hex::encode(&message)).into_bytes());
                board.post(member.me, &message).unwrap();
            }
            members.iter_mut().for_each(|member| member.advance(&board));
        }
        lines
    };
    (play(false), play(true))
}

/// Someone who follows the protocol.
struct Member {
    me: Identifier,
    run: Option<Run>,
    rng: ChaCha20Rng,
    outbox: Vec<Vec<u8>>,
    repaired: bool,
}

impl Member {
    fn start(me: Identifier) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(u64::from(me.get()));
        let started = if me == id(1) {
            Run::recover(&parameters(), me, &mut rng)
        } else {
            Run::help(&parameters(), me, &package(me), &mut rng)
        };
        let (run, message) = started.unwrap();
        Self { me, run: Some(run), rng, outbox: vec![message], repaired: false }
    }

    fn advance(&mut self, board: &Board) {
        let Some(run) = self.run.take() else { return };
        match run.advance(board, &mut self.rng) {
            Ok(Step::Wait(run)) => self.run = Some(run),
            Ok(Step::Send(run, message)) => {
                self.run = Some(run);
                self.outbox.push(message);
            }
            Ok(Step::Done(repaired)) => {
                assert_eq!(repaired.to_bytes(), package(id(1)).to_bytes());
                self.repaired = true;
            }
            Ok(Step::Left) => assert_ne!(self.me, id(1)),
            Err(Error::Failed { culprits }) => assert!(culprits.is_subset(&[id(3)].into())),
            Err(error) => panic!("an honest run fails: {error:?}"),
        }
    }
}

/// Posts, and checks that a refused message leaves no trace.
fn post(board: &mut Board, from: Identifier, message: &[u8]) -> Option<Posted> {
    let before = format!("{board:?}");
    match board.post(from, message) {
        Ok(posted) => {
            assert_eq!(posted == Posted::Repeated, before == format!("{board:?}"));
            Some(posted)
        }
        Err(error) => {
            assert_eq!(before, format!("{board:?}"), "a refused message left a trace");
            assert!(error.culprits().is_empty());
            None
        }
    }
}

/// Plays a session. Input: a script, in which the third participant and strangers post.
///
/// Whoever follows the protocol is never blamed, and a session that completes gives exactly the lost share back.
pub fn run(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let mut board = Board::new(parameters());
    let mut members = [Member::start(id(1)), Member::start(id(2))];
    let theirs = &honest()[&id(3)];
    // Enough for four rounds whatever the script says, and for as much as it says.
    for turn in 0..bytes.len().clamp(16, 64) {
        match script.byte() % 8 {
            0 | 1 => {
                let member = &mut members[turn % 2];
                if let Some(message) = member.outbox.pop() {
                    let posted = post(&mut board, member.me, &message);
                    let over = board.phase() == Phase::Failed;
                    assert!(over || posted == Some(Posted::Recorded), "{posted:?}");
                }
                member.advance(&board);
            }
            2 => {
                let _ = post(&mut board, id(3), &theirs[script.index(theirs.len())]);
            }
            3 | 4 => {
                let which = script.index(theirs.len());
                let mut message = script.harm(&theirs[which]);
                // Otherwise hardly any changed message would answer the ones that are there.
                if script.coin()
                    && let Some(view) = message.get_mut(1..33)
                {
                    view.copy_from_slice(&board.transcript());
                }
                let _ = post(&mut board, id(3), &message);
            }
            5 => {
                let _ = post(&mut board, id(3), script.bytes());
            }
            6 => {
                // In somebody's own name, what was posted before: no new message of an honest member.
                let number = script.index(2);
                let member = &members[number];
                let first = &honest()[&member.me][0];
                if member.outbox.first() != Some(first) {
                    let _ = post(&mut board, member.me, first);
                }
            }
            _ => {
                assert_eq!(post(&mut board, id(4), script.bytes()), None, "a stranger is heard");
            }
        }
        members.iter_mut().for_each(|member| member.advance(&board));
        assert!(board.culprits().is_subset(&[id(3)].into()), "an innocent is blamed");
        assert!(board.helpers().is_subset(&BTreeSet::from([2, 3].map(id))));
        assert_eq!(board.phase() == Phase::Complete, board.outcome().is_some());
    }
    let complete = board.phase() == Phase::Complete;
    assert_eq!(complete, members[0].repaired, "a repair without a share");
    complete
}

/// What begins a fuzzer.
pub fn seeds() -> Vec<Vec<u8>> {
    // Both honest ones, and the third's genuine message of the round: three times; then the recipient's verdict.
    let round = |number: u8| vec![0, 0, 2, 0, number];
    let genuine = [round(0), round(1), round(2), vec![0, 0]].concat();
    // A wrong summand, and a wrong sum: the third's dealing, or its sum, with the last byte changed.
    let last =
        |round: usize| u16::try_from(honest()[&id(3)][round].len() - 1).unwrap().to_be_bytes();
    let harm = |round: u8| {
        let at = last(usize::from(round));
        // The last: with the view as it is.
        [&[3, 0, round, 1][..], &at, &[1, 1, 0x55, 1]].concat()
    };
    let summand = [&[0, 0, 2, 0, 0, 0, 0][..], &harm(1), &[0, 0, 0, 0]].concat();
    let sum = [round(0), round(1), vec![0, 0], harm(2), vec![0, 0, 0]].concat();
    vec![genuine, summand, sum, vec![0, 0, 2, 0, 0, 5, 0, 1, 6, 7, 0, 0, 6, 0, 0, 6, 0, 1]]
}
