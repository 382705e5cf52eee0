//! Key generation among two who follow the protocol and one who posts what the fuzzer likes.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::keyshare::{Board, Error, Parameters, Phase, Posted, Run, SessionId, Step};
use quorate_protocol::{Identifier, Suite};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::script::Script;

/// Three participants, two of whom will sign.
fn parameters() -> Parameters {
    let participants = [1, 2, 3].map(id);
    Parameters::new(Suite::FrostEd25519Sha512, SessionId([7; 32]), [9; 32], 2, participants)
        .unwrap()
}

fn id(number: u16) -> Identifier {
    Identifier::try_from(number).unwrap()
}

fn rng(of: Identifier) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(u64::from(of.get()))
}

/// A session in which nobody cheats: what each posts in each round.
struct Honest {
    messages: BTreeMap<Identifier, Vec<Vec<u8>>>,
    packages: Vec<Vec<u8>>,
    public: PublicKeyPackage,
}

fn honest() -> &'static Honest {
    static HONEST: OnceLock<Honest> = OnceLock::new();
    HONEST.get_or_init(|| {
        let mut board = Board::new(parameters());
        let mut members: Vec<Member> = [1, 2, 3].map(|number| Member::start(id(number))).into();
        let mut messages: BTreeMap<Identifier, Vec<Vec<u8>>> = BTreeMap::new();
        while members.iter().any(|member| member.package.is_none()) {
            for member in &mut members {
                for message in member.outbox.drain(..) {
                    assert_eq!(board.post(member.me, &message), Ok(Posted::Recorded));
                    messages.entry(member.me).or_default().push(message);
                }
            }
            members.iter_mut().for_each(|member| member.advance(&board));
        }
        let packages = members.into_iter().filter_map(|member| member.package).collect();
        Honest { messages, packages, public: board.outcome().unwrap().clone() }
    })
}

/// The key of an honest session, and everybody's encoded package.
pub fn generate() -> (PublicKeyPackage, Vec<Vec<u8>>) {
    (honest().public.clone(), honest().packages.clone())
}

/// Two sessions as lines of identifier and message in hex: one to the end, and one in which the second participant
/// complains about a wrong sub-share of the third.
pub fn sessions() -> (Vec<u8>, Vec<u8>) {
    let mut board = Board::new(parameters());
    let mut members = [1, 2, 3].map(|number| Member::start(id(number)));
    let mut lines = [Vec::new(), Vec::new()];
    let line = |from: Identifier, message: &[u8]| format!("{from} {}\n", hex::encode(message));
    for round in 0..3 {
        for id in [1, 2, 3].map(id) {
            lines[0].extend(line(id, &honest().messages[&id][round]).into_bytes());
        }
    }
    while board.phase() != Phase::Failed {
        for member in &mut members {
            let Some(mut message) = member.outbox.pop() else { continue };
            if member.me == id(3)
                && board.phase() == Phase::Reveal
                && let Some(last) = message.last_mut()
            {
                *last ^= 1;
            }
            lines[1].extend(line(member.me, &message).into_bytes());
            if board.post(member.me, &message) == Ok(Posted::Failed) {
                break;
            }
        }
        // The third does not recognise its own message any more.
        members[..2].iter_mut().for_each(|member| member.advance(&board));
        if board.phase() == Phase::Reveal {
            members[2].advance(&board);
        }
    }
    let [complete, failed] = lines;
    (complete, failed)
}

/// Someone who follows the protocol.
struct Member {
    me: Identifier,
    run: Option<Run>,
    rng: ChaCha20Rng,
    outbox: Vec<Vec<u8>>,
    package: Option<Vec<u8>>,
}

impl Member {
    fn start(me: Identifier) -> Self {
        let mut rng = rng(me);
        let (run, message) = Run::start(&parameters(), me, &mut rng).unwrap();
        Self { me, run: Some(run), rng, outbox: vec![message], package: None }
    }

    fn advance(&mut self, board: &Board) {
        let Some(run) = self.run.take() else { return };
        match run.advance(board, &mut self.rng) {
            Ok(Step::Wait(run)) => self.run = Some(run),
            Ok(Step::Send(run, message)) => {
                self.run = Some(run);
                self.outbox.push(message);
            }
            Ok(Step::Done(package)) => {
                package.check(board.outcome().expect("a key")).unwrap();
                self.package = Some(package.to_bytes().to_vec());
            }
            Ok(Step::Left) => panic!("a key generation ends like a reshare"),
            Err(Error::Failed { culprits }) => assert!(culprits.is_subset(&[id(3)].into())),
            Err(error) => panic!("an honest run fails: {error:?}"),
        }
    }
}

/// One of these with changes.
fn harmed(script: &mut Script<'_>, messages: &[Vec<u8>]) -> Vec<u8> {
    let which = script.index(messages.len());
    script.harm(&messages[which])
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
/// Whoever follows the protocol is never blamed, and holds a share of the key if there is one.
pub fn run(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let mut board = Board::new(parameters());
    let mut members = [Member::start(id(1)), Member::start(id(2))];
    let theirs = &honest().messages[&id(3)];
    // Enough for three rounds whatever the script says, and for as much as it says.
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
                let mut message = harmed(&mut script, theirs);
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
                let number = 1 + script.index(2);
                let messages = &honest().messages[&id(u16::try_from(number).unwrap())];
                let first = &messages[0];
                if members[number - 1].outbox.first() != Some(first) {
                    let _ = post(&mut board, id(u16::try_from(number).unwrap()), first);
                }
            }
            _ => {
                assert_eq!(post(&mut board, id(4), script.bytes()), None, "a stranger is heard");
            }
        }
        members.iter_mut().for_each(|member| member.advance(&board));
        assert!(board.culprits().is_subset(&[id(3)].into()), "an innocent is blamed");
        assert_eq!(board.phase() == Phase::Complete, board.outcome().is_some());
    }
    let complete = board.phase() == Phase::Complete;
    for member in members {
        assert!(!complete || member.package.is_some(), "a key without a share");
    }
    complete
}

/// What begins a fuzzer.
pub fn seeds() -> Vec<Vec<u8>> {
    // Both honest ones, and the third's genuine message of the round: three times.
    let round = |number: u8| vec![0, 0, 2, 0, number];
    let genuine = [round(0), round(1), round(2)].concat();
    // A wrong sub-share: the third's reveal with its last byte changed.
    let reveal = u16::try_from(honest().messages[&id(3)][1].len() - 1).unwrap().to_be_bytes();
    let harmed =
        [&[0, 0, 2, 0, 0, 0, 0, 3, 0, 1, 1][..], &reveal, &[1, 1, 0x55, 0, 0, 0, 0]].concat();
    vec![genuine, harmed, vec![0, 0, 2, 0, 0, 5, 0, 1, 2, 7, 0, 0, 6, 0, 0, 6, 0, 1]]
}
