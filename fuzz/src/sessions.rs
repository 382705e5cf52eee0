//! Sessions of any ceremony, among participants that follow the protocol and one that posts
//! whatever the fuzzer chooses.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use quorate_protocol::Identifier;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::session::{Board, Error, Phase, Phases, Posted, Run, Secrets, Step};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::script::Script;

/// The participant that need not follow the protocol.
const ATTACKER: u16 = 3;

type ParametersOf<S> = <<S as Secrets>::Phases as Phases>::Parameters;

/// A function that starts a participant's run, and returns its first message if it has one.
pub type Start<S> = fn(Identifier, &mut ChaCha20Rng) -> (Run<S>, Option<Vec<u8>>);

#[derive(Debug)]
pub struct Play<S: Secrets> {
    /// Returns the parameters that all participants agreed on.
    pub parameters: fn() -> ParametersOf<S>,
    /// The participants that follow the protocol.
    pub honest: &'static [u16],
    /// An identifier that does not take part.
    pub stranger: u16,
    /// Starts an honest run, and returns its first message if it has one.
    pub start: Start<S>,
    pub gets_share: fn(&ParametersOf<S>, Identifier) -> bool,
    /// Checks the share of a participant that got one.
    pub check: fn(Identifier, &KeyPackage),
    /// Checks what holds in every session.
    pub holds: fn(&Board<S::Phases>),
    /// The phase in which the attacker's message is wrong in [`complaint`](Self::complaint).
    pub wrong_in: Phase,
    /// The session in which everybody follows the protocol.
    pub genuine: OnceLock<Genuine>,
}

/// A session in which nobody cheats.
#[derive(Debug)]
pub struct Genuine {
    /// The messages that each participant posts, in order.
    messages: BTreeMap<Identifier, Vec<Vec<u8>>>,
    /// All messages as lines of identifier and message in hex.
    pub lines: Vec<u8>,
    /// The encoded packages of those that get a share.
    pub packages: Vec<Vec<u8>>,
    pub public: PublicKeyPackage,
}

pub fn id(number: u16) -> Identifier {
    Identifier::try_from(number).unwrap()
}

/// Returns a message as a line of sender and content in hex.
fn line(from: Identifier, message: &[u8]) -> Vec<u8> {
    format!("{from} {}\n", hex::encode(message)).into_bytes()
}

/// A participant that follows the protocol.
struct Member<S: Secrets> {
    me: Identifier,
    run: Option<Run<S>>,
    rng: ChaCha20Rng,
    outbox: Vec<Vec<u8>>,
    package: Option<Vec<u8>>,
}

impl<S: Secrets> Play<S> {
    pub fn genuine(&self) -> &Genuine {
        self.genuine.get_or_init(|| {
            let mut board = Board::<S::Phases>::new((self.parameters)());
            let mut members = self.everybody();
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
                self.advance(&mut members, &board);
            }
            self.check_shares(&members, &board);
            let packages = members.into_iter().filter_map(|member| member.package).collect();
            Genuine { messages, lines, packages, public: board.outcome().unwrap().clone() }
        })
    }

    /// Returns the lines of a session in which a message of the attacker ends with a wrong byte,
    /// and a participant complains about it.
    pub fn complaint(&self) -> Vec<u8> {
        let mut board = Board::<S::Phases>::new((self.parameters)());
        let mut members = self.everybody();
        let mut lines = Vec::new();
        while board.phase() != Phase::Failed {
            for member in &mut members {
                let Some(mut message) = member.outbox.pop() else { continue };
                if member.me == id(ATTACKER)
                    && board.phase() == self.wrong_in
                    && let Some(last) = message.last_mut()
                {
                    *last ^= 1;
                    // It would no longer recognise its own message.
                    member.run = None;
                }
                lines.extend(line(member.me, &message));
                if board.post(member.me, &message) == Ok(Posted::Failed) {
                    break;
                }
            }
            self.advance(&mut members, &board);
        }
        lines
    }

    fn start(&self, me: Identifier) -> Member<S> {
        let mut rng = ChaCha20Rng::seed_from_u64(me.get().into());
        let (run, message) = (self.start)(me, &mut rng);
        let outbox = message.into_iter().collect();
        Member { me, run: Some(run), rng, outbox, package: None }
    }

    /// Starts all participants, in order.
    fn everybody(&self) -> Vec<Member<S>> {
        let mut everybody = self.honest.to_vec();
        everybody.push(ATTACKER);
        everybody.sort_unstable();
        everybody.into_iter().map(|number| self.start(id(number))).collect()
    }

    fn advance(&self, members: &mut [Member<S>], board: &Board<S::Phases>) {
        members.iter_mut().for_each(|member| self.advance_one(member, board));
    }

    fn advance_one(&self, member: &mut Member<S>, board: &Board<S::Phases>) {
        let Some(run) = member.run.take() else { return };
        match run.advance(board, &mut member.rng) {
            Ok(Step::Wait(run)) => member.run = Some(run),
            Ok(Step::Send(run, message)) => {
                member.run = Some(run);
                member.outbox.push(message);
            }
            Ok(Step::Done(package)) => {
                package.check(board.outcome().expect("a key")).unwrap();
                (self.check)(member.me, &package);
                member.package = Some(package.to_bytes().to_vec());
            }
            Ok(Step::Left) => assert!(!(self.gets_share)(board.parameters(), member.me)),
            Err(Error::Failed { culprits }) => assert!(culprits.is_subset(&[id(ATTACKER)].into())),
            Err(error) => panic!("an honest run fails: {error:?}"),
        }
    }

    fn check_shares(&self, members: &[Member<S>], board: &Board<S::Phases>) {
        let complete = board.phase() == Phase::Complete;
        for member in members {
            let gets_share = complete && (self.gets_share)(board.parameters(), member.me);
            assert_eq!(member.package.is_some(), gets_share, "a key without a share");
        }
    }

    /// Plays a session, and returns whether it completes. The input is a script in which the
    /// attacker and a stranger post.
    ///
    /// A participant that follows the protocol is never blamed, and receives its share if the
    /// session completes.
    pub fn run(&self, bytes: &[u8]) -> bool {
        let mut script = Script::new(bytes);
        let mut board = Board::<S::Phases>::new((self.parameters)());
        let mut members: Vec<_> = self.honest.iter().map(|me| self.start(id(*me))).collect();
        let attacker = id(ATTACKER);
        let genuine = &self.genuine().messages;
        let theirs = &genuine[&attacker];
        // Enough turns for all rounds and for the whole script.
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
                    self.advance_one(member, &board);
                }
                2 => {
                    let _ = post(&mut board, attacker, &theirs[script.index(theirs.len())]);
                }
                3 | 4 => {
                    let which = script.index(theirs.len());
                    let mut message = script.harm(&theirs[which]);
                    // Otherwise hardly any changed message would answer the posted ones.
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
                    // Repeat in a member's own name what was posted before: that is no new message
                    // of an honest member.
                    let member = &members[script.index(members.len())];
                    let first = &genuine[&member.me][0];
                    if member.outbox.first() != Some(first) {
                        let _ = post(&mut board, member.me, first);
                    }
                }
                _ => {
                    let posted = post(&mut board, id(self.stranger), script.bytes());
                    assert_eq!(posted, None, "a stranger is heard");
                }
            }
            self.advance(&mut members, &board);
            assert!(board.culprits().is_subset(&[attacker].into()), "an innocent is blamed");
            assert_eq!(board.phase() == Phase::Complete, board.outcome().is_some());
            (self.holds)(&board);
        }
        self.check_shares(&members, &board);
        board.phase() == Phase::Complete
    }

    /// Returns the part of a script that posts the attacker's message of a round with its last
    /// byte changed, either with its own view or with the board's.
    pub fn harm(&self, round: u8, keeps_view: bool) -> Vec<u8> {
        let message = &self.genuine().messages[&id(ATTACKER)][usize::from(round)];
        let last = u16::try_from(message.len() - 1).unwrap().to_be_bytes();
        [&[3, 0, round, 1][..], &last, &[1, 1, 0x55, u8::from(keeps_view)]].concat()
    }
}

/// Posts a message, and checks that a rejected one leaves no trace.
fn post<P: Phases>(board: &mut Board<P>, from: Identifier, message: &[u8]) -> Option<Posted> {
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
