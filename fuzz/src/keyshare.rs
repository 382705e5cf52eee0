//! Key generation, and sharing that key anew, among people who follow the protocol and one who posts what the fuzzer likes.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::{Board, Error, Parameters, Phase, Posted, Run, SessionId, Step};
use quorate_protocol::{Identifier, Suite};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::script::Script;

/// What is played. The third participant may not follow the protocol, in neither.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Play {
    /// Three generate a key of which two sign.
    Generation,
    /// That key's second and third holder deal it anew, to the first, the third, and a fourth.
    Reshare,
}

impl Play {
    fn parameters(self) -> Parameters {
        match self {
            Self::Generation => {
                let (suite, session) = (Suite::FrostEd25519Sha512, SessionId([7; 32]));
                Parameters::new(suite, session, [9; 32], 2, [1, 2, 3].map(id)).unwrap()
            }
            Self::Reshare => {
                let (key, _) = generate();
                let (members, dealers) = ([1, 3, 4].map(id), [2, 3].map(id));
                Parameters::reshare(SessionId([6; 32]), [9; 32], 2, members, &key, dealers).unwrap()
            }
        }
    }

    /// Who follows the protocol.
    fn honest(self) -> &'static [u16] {
        match self {
            Self::Generation => &[1, 2],
            Self::Reshare => &[1, 2, 4],
        }
    }

    /// The genuine session, in which everybody does.
    fn genuine(self) -> &'static Genuine {
        static GENERATION: OnceLock<Genuine> = OnceLock::new();
        static RESHARE: OnceLock<Genuine> = OnceLock::new();
        let once = match self {
            Self::Generation => &GENERATION,
            Self::Reshare => &RESHARE,
        };
        once.get_or_init(|| Genuine::of(self))
    }

    fn start(self, me: Identifier) -> Member {
        let (parameters, mut rng) =
            (self.parameters(), ChaCha20Rng::seed_from_u64(me.get().into()));
        let (run, message) = match self {
            Self::Generation => {
                let (run, message) = Run::start(&parameters, me, &mut rng).unwrap();
                (run, Some(message))
            }
            Self::Reshare => {
                let (_, packages) = generate();
                let old = packages.get(usize::from(me.get()) - 1);
                let old = old.map(|package| KeyPackage::from_bytes(package).unwrap());
                Run::reshare(&parameters, me, old.as_ref(), &mut rng).unwrap()
            }
        };
        let outbox = message.into_iter().collect();
        Member { me, run: Some(run), rng, outbox, package: None }
    }

    /// Everybody's start, in order.
    fn everybody(self) -> Vec<Member> {
        let mut everybody = self.honest().to_vec();
        everybody.push(ATTACKER);
        everybody.sort_unstable();
        everybody.into_iter().map(|number| self.start(id(number))).collect()
    }
}

/// Who may not follow the protocol.
const ATTACKER: u16 = 3;

fn id(number: u16) -> Identifier {
    Identifier::try_from(number).unwrap()
}

/// A session in which nobody cheats: what each posts, one message after the other.
struct Genuine {
    messages: BTreeMap<Identifier, Vec<Vec<u8>>>,
    lines: Vec<u8>,
    packages: Vec<Vec<u8>>,
    public: PublicKeyPackage,
}

impl Genuine {
    fn of(play: Play) -> Self {
        let mut board = Board::new(play.parameters());
        let mut members = play.everybody();
        let mut messages: BTreeMap<Identifier, Vec<Vec<u8>>> = BTreeMap::new();
        let mut lines = Vec::new();
        while board.phase() != Phase::Complete {
            for member in &mut members {
                for message in member.outbox.drain(..) {
                    assert_eq!(board.post(member.me, &message), Ok(Posted::Recorded));
                    lines.extend(line(member.me, &message));
                    messages.entry(member.me).or_default().push(message);
                }
            }
            members.iter_mut().for_each(|member| member.advance(&board));
        }
        let packages = members.into_iter().filter_map(|member| member.package).collect();
        Self { messages, lines, packages, public: board.outcome().unwrap().clone() }
    }
}

/// A message as it is kept: who sent it, and what, in hex.
fn line(from: Identifier, message: &[u8]) -> Vec<u8> {
    format!("{from} {}\n", hex::encode(message)).into_bytes()
}

/// The key of an honest session, and everybody's encoded package.
pub fn generate() -> (PublicKeyPackage, Vec<Vec<u8>>) {
    let genuine = Play::Generation.genuine();
    (genuine.public.clone(), genuine.packages.clone())
}

/// Two key generations as lines of identifier and message in hex: one to the end, and one in which the second
/// participant complains about a wrong sub-share of the third.
pub fn sessions() -> (Vec<u8>, Vec<u8>) {
    (Play::Generation.genuine().lines.clone(), complaint(Play::Generation))
}

/// Two reshares, the same way. In the second it is the fourth participant who complains.
pub fn reshares() -> (Vec<u8>, Vec<u8>) {
    (Play::Reshare.genuine().lines.clone(), complaint(Play::Reshare))
}

/// A session in which the third deals a wrong sub-share to the last.
fn complaint(play: Play) -> Vec<u8> {
    let mut board = Board::new(play.parameters());
    let mut members = play.everybody();
    let mut lines = Vec::new();
    while board.phase() != Phase::Failed {
        for member in &mut members {
            let Some(mut message) = member.outbox.pop() else { continue };
            if member.me == id(ATTACKER)
                && board.phase() == Phase::Reveal
                && let Some(last) = message.last_mut()
            {
                *last ^= 1;
                // It would not recognise its own message any more.
                member.run = None;
            }
            lines.extend(line(member.me, &message));
            if board.post(member.me, &message) == Ok(Posted::Failed) {
                break;
            }
        }
        members.iter_mut().for_each(|member| member.advance(&board));
    }
    lines
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
            Ok(Step::Left) => assert!(!board.parameters().participants().contains(&self.me)),
            Err(Error::Failed { culprits }) => assert!(culprits.is_subset(&[id(ATTACKER)].into())),
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

/// Generates a key. Input: a script, in which the third participant and strangers post.
pub fn run(bytes: &[u8]) -> bool {
    play(Play::Generation, bytes)
}

/// Shares a key anew. Input: a script, in which the third participant and strangers post.
pub fn reshare(bytes: &[u8]) -> bool {
    play(Play::Reshare, bytes)
}

/// Plays a session.
///
/// Whoever follows the protocol is never blamed, and holds a share of the key if there is one and it is to have one. After
/// a reshare it is the same key.
fn play(play: Play, bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let mut board = Board::new(play.parameters());
    let mut members: Vec<Member> = play.honest().iter().map(|me| play.start(id(*me))).collect();
    let attacker = id(ATTACKER);
    let genuine = &play.genuine().messages;
    let theirs = &genuine[&attacker];
    // Enough for all rounds whatever the script says, and for as much as it says.
    for turn in 0..bytes.len().clamp(16, 64) {
        match script.byte() % 8 {
            0 | 1 => {
                let which = turn % members.len();
                let member = &mut members[which];
                if let Some(message) = member.outbox.pop() {
                    let posted = post(&mut board, member.me, &message);
                    let over = board.phase() == Phase::Failed;
                    assert!(over || posted == Some(Posted::Recorded), "{posted:?}");
                }
                member.advance(&board);
            }
            2 => {
                let _ = post(&mut board, attacker, &theirs[script.index(theirs.len())]);
            }
            3 | 4 => {
                let mut message = harmed(&mut script, theirs);
                // Otherwise hardly any changed message would answer the ones that are there.
                if script.coin()
                    && let Some(view) = message.get_mut(1..33)
                {
                    view.copy_from_slice(&board.transcript());
                }
                let _ = post(&mut board, attacker, &message);
            }
            5 => {
                let _ = post(&mut board, attacker, script.bytes());
            }
            6 => {
                // In somebody's own name, what was posted before: no new message of an honest member.
                let member = &members[script.index(members.len())];
                let first = &genuine[&member.me][0];
                if member.outbox.first() != Some(first) {
                    let _ = post(&mut board, member.me, first);
                }
            }
            _ => {
                assert_eq!(post(&mut board, id(5), script.bytes()), None, "a stranger is heard");
            }
        }
        members.iter_mut().for_each(|member| member.advance(&board));
        assert!(board.culprits().is_subset(&[attacker].into()), "an innocent is blamed");
        assert_eq!(board.phase() == Phase::Complete, board.outcome().is_some());
    }
    let Some(key) = board.outcome() else { return false };
    let is_same = key.verifying_key() == generate().0.verifying_key();
    assert!(play == Play::Generation || is_same, "another key");
    for member in members {
        let gets_share = board.parameters().participants().contains(&member.me);
        assert_eq!(member.package.is_some(), gets_share, "a key without a share");
    }
    true
}

/// What the last byte of the attacker's dealing is changed with.
fn harm_of_the_dealing(play: Play) -> Vec<u8> {
    let dealing = &play.genuine().messages[&id(ATTACKER)][1];
    let last = u16::try_from(dealing.len() - 1).unwrap().to_be_bytes();
    [&[3, 0, 1, 1][..], &last, &[1, 1, 0x55, 0]].concat()
}

/// What begins a fuzzer.
pub fn seeds() -> Vec<Vec<u8>> {
    // Both honest ones, and the third's genuine message of the round: three times.
    let round = |number: u8| vec![0, 0, 2, 0, number];
    let genuine = [round(0), round(1), round(2)].concat();
    let harm = harm_of_the_dealing(Play::Generation);
    let harmed = [&[0, 0, 2, 0, 0, 0, 0][..], &harm, &[0, 0, 0]].concat();
    vec![genuine, harmed, vec![0, 0, 2, 0, 0, 5, 0, 1, 2, 7, 0, 0, 6, 0, 0, 6, 0, 1]]
}

/// The same, for a reshare.
pub fn reshare_seeds() -> Vec<Vec<u8>> {
    // The three honest ones announce themselves, and the third does; the second deals, and the third; all judge.
    let announced = [0, 0, 0, 2, 0, 0, 0];
    let genuine = [&announced[..], &[2, 0, 1, 0, 0, 0, 2, 0, 2]].concat();
    let harmed = [&announced[..], &harm_of_the_dealing(Play::Reshare), &[0, 0, 0]].concat();
    vec![genuine, harmed, [&announced[..], &[6, 0, 1, 5, 0, 1, 2, 7, 0, 0, 6, 0, 0]].concat()]
}
