//! ROAST with signers that stall, decline and send garbage, in any order.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use super::{Next, Roast};
use crate::names::{AccountName, SessionId, Timestamp};
use crate::signing::{SignedPart, Subject};
use crate::test_world::{TestLog, session};

/// How a signer answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Conduct {
    /// Before anyone loses patience.
    Prompt,
    /// Possibly after other signers were asked.
    Slow,
    /// In any way.
    Hostile,
}

/// A question on its way, or its answer.
#[derive(Clone, Debug)]
struct Question {
    session: SessionId,
    to: AccountName,
}

/// How many rounds a protocol has, and when its signers are fixed.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    /// Two rounds, and fixed after the first.
    LikeFrost,
    /// Three rounds, and fixed before the first.
    LikeEcdsa,
}

struct Trial {
    protocol: Protocol,
    roast: Roast,
    min_signers: usize,
    conduct: BTreeMap<AccountName, Conduct>,
    pending: Vec<Question>,
    rng: ChaCha20Rng,
    part: SignedPart,
    opened: u8,
    /// Sessions whose signers were fixed.
    fixed: usize,
}

fn part() -> SignedPart {
    let subject = Subject::Activation { session: session(1) };
    TestLog::keyed().first_part_of("ada", session(7), subject)
}

impl Trial {
    fn new(
        seed: u64,
        protocol: Protocol,
        min_signers: usize,
        conduct: &[Conduct],
        part: SignedPart,
    ) -> Self {
        let conduct = conduct
            .iter()
            .enumerate()
            .map(|(number, conduct)| (format!("m{number}").parse().unwrap(), *conduct))
            .collect();
        Self {
            protocol,
            roast: Roast::default(),
            min_signers,
            conduct,
            pending: Vec::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
            part,
            opened: 0,
            fixed: 0,
        }
    }

    fn one_in(&mut self, of: u32) -> bool {
        self.rng.next_u32().is_multiple_of(of)
    }

    fn advance(&mut self, now: Timestamp) {
        loop {
            let mut free: Vec<AccountName> =
                self.conduct.keys().filter(|name| self.roast.is_free(name, now)).cloned().collect();
            free.sort_by_key(|name| self.roast.failures(name));
            let next = self.roast.next(self.min_signers, free.len());
            let (id, count) = match next {
                Next::Wait => return,
                Next::Ask(id, count) => (id, count),
                Next::Open => {
                    self.opened += 1;
                    (SessionId::new([self.opened; 32]), self.min_signers)
                }
            };
            if free.is_empty() {
                return;
            }
            free.truncate(count);
            if next == Next::Open {
                match self.protocol {
                    Protocol::LikeFrost => self.roast.open(id, 2, None, now),
                    Protocol::LikeEcdsa => {
                        assert_eq!(free.len(), self.min_signers);
                        self.fixed += 1;
                        self.roast.open(id, 3, Some(free.iter().cloned().collect()), now);
                    }
                }
            }
            for to in free {
                self.roast.ask(id, to.clone(), now);
                self.pending.push(Question { session: id, to });
            }
        }
    }

    /// Answers one question or not. Returns whether a signature is complete.
    fn answer(&mut self, question: &Question, now: Timestamp) -> bool {
        let Question { session, to } = question;
        if self.conduct[to] == Conduct::Hostile {
            match self.rng.next_u32() % 5 {
                0 => {}
                1 => return false,
                2 => {
                    self.roast.lost(*session, to);
                    return false;
                }
                3 => {
                    self.roast.lost(*session, to);
                    self.roast.rest(to, now, 1_000, 5);
                    return false;
                }
                _ => {
                    self.roast.gone(to);
                    return false;
                }
            }
        }
        if self.roast.delivered(*session, to, self.part.clone(), now).is_none() {
            return false;
        }
        if let Some(rounds) = self.roast.finished(*session) {
            let signers = rounds.iter().map(|parts| parts.keys().collect::<Vec<_>>());
            let signers: BTreeSet<_> = signers.collect();
            assert_eq!(signers.len(), 1, "the same signers in all rounds");
            return true;
        }
        if let Some(round) = self.roast.next_round(*session, self.min_signers, now) {
            assert_eq!(round.signers.len(), self.min_signers);
            assert!(round.signers.iter().eq(round.parts.keys()));
            let ask = |to: &AccountName| Question { session: *session, to: to.clone() };
            self.pending.extend(round.signers.iter().map(ask));
            if matches!(self.protocol, Protocol::LikeFrost) {
                self.fixed += 1;
            }
        }
        false
    }

    /// Runs until there is a signature. Returns whether there is one.
    fn run(&mut self) -> bool {
        let mut now = Timestamp(0);
        for _ in 0..10_000 {
            now = now.plus(1);
            self.advance(now);
            self.owes_once();
            let sessions: Vec<SessionId> = self.roast.sessions().copied().collect();
            let slow_wait = self.pending.iter().all(|q| self.conduct[&q.to] == Conduct::Slow);
            if self.pending.is_empty() || (slow_wait && self.one_in(2)) {
                // Time passes, and the signers that have not answered are late.
                now = now.plus(100_000);
                if sessions.is_empty() && self.pending.is_empty() {
                    continue;
                }
                for id in sessions {
                    self.roast.overdue(id);
                }
                continue;
            }
            let choice = self.rng.next_u32() as usize % self.pending.len();
            let question = self.pending.swap_remove(choice);
            if self.answer(&question, now) {
                return true;
            }
        }
        false
    }

    /// ROAST's invariant: no signer owes two answers. Where the signers are fixed before the first
    /// round, a session that continues late may ask a signer that owes another answer.
    fn owes_once(&self) {
        let mut owing = BTreeSet::new();
        for session in self.roast.sessions.values() {
            let continues = session.signers.is_some() && session.rounds.len() > 1;
            if matches!(self.protocol, Protocol::LikeEcdsa) && continues {
                continue;
            }
            for account in session.asked.keys() {
                assert!(owing.insert(account), "{account} owes answers in two sessions");
            }
        }
    }
}

/// All groups of up to six members, with as many hostile members as possible, for each protocol.
fn trials(others: Conduct) -> impl Iterator<Item = (Trial, usize)> {
    let part = part();
    let protocols = [Protocol::LikeFrost, Protocol::LikeEcdsa];
    protocols.into_iter().flat_map(move |protocol| {
        let part = part.clone();
        (0..40_u64).flat_map(move |seed| {
            let part = part.clone();
            (2..=6_usize).flat_map(move |members| {
                let part = part.clone();
                (2..=members).map(move |min_signers| {
                    let hostile = members - min_signers;
                    let conduct: Vec<Conduct> = (0..members)
                        .map(|number| if number < hostile { Conduct::Hostile } else { others })
                        .collect();
                    let trial = Trial::new(seed, protocol, min_signers, &conduct, part.clone());
                    (trial, hostile)
                })
            })
        })
    })
}

#[test]
fn prompt_signers_need_one_session_more_than_hostile_signers() {
    for (mut trial, hostile) in trials(Conduct::Prompt) {
        assert!(trial.run(), "{:?}", trial.roast);
        let (sessions, members) = (trial.fixed, trial.conduct.len());
        let protocol = trial.protocol;
        assert!(
            sessions <= hostile + 1,
            "{protocol:?}: {sessions} sessions, {hostile} hostile of {members}"
        );
    }
}

#[test]
fn signers_slower_than_the_patience_still_sign() {
    for (mut trial, _) in trials(Conduct::Slow) {
        assert!(trial.run(), "{:?}", trial.roast);
    }
}

#[test]
fn nobody_is_asked_while_resting() {
    let mut roast = Roast::default();
    let name: AccountName = "ada".parse().unwrap();
    let (now, pause) = (Timestamp(1_000), 100);
    for times in [1, 2, 4, 8, 8, 8] {
        roast.rest(&name, now, pause, 3);
        let end = now.plus(pause * times);
        assert_eq!(roast.rest_ends(now), Some(end));
        assert!(!roast.is_free(&name, Timestamp(end.0 - 1)) && roast.is_free(&name, end));
        assert_eq!(roast.rest_ends(end), None);
    }
    roast.wake(&name);
    assert!(roast.is_free(&name, now));
}

fn names(list: [&str; 2]) -> [AccountName; 2] {
    list.map(|name| name.parse().unwrap())
}

/// A session that gathers commitments: ada was asked and has committed, ben was asked.
fn gathering() -> (Roast, SessionId, AccountName, AccountName) {
    let mut roast = Roast::default();
    let ([ada, ben], id, now) = (names(["ada", "ben"]), SessionId::new([1; 32]), Timestamp(1));
    roast.open(id, 2, None, now);
    roast.ask(id, ada.clone(), now);
    roast.ask(id, ben.clone(), now);
    roast.delivered(id, &ada, part(), now).unwrap();
    (roast, id, ada, ben)
}

#[test]
fn answers_are_awaited_from_signers_that_were_asked() {
    let (roast, id, ada, ben) = gathering();
    assert!(roast.awaits(id, &ben) && !roast.awaits(id, &ada));
    assert!(!roast.awaits(SessionId::new([2; 32]), &ben));
}

#[test]
fn a_session_ends_when_a_signer_with_its_nonces_disconnects() {
    let (roast, id, ada, ben) = gathering();
    drop(roast);
    for gone in [ada, ben] {
        let (mut roast, _, _, _) = gathering();
        assert_eq!(roast.gone(&"eve".parse().unwrap()), BTreeSet::new());
        assert!(roast.opened(id).is_some());
        assert_eq!(roast.gone(&gone), BTreeSet::from([gone.clone()]));
        assert!(roast.opened(id).is_none() && roast.failures(&gone) == 1);
    }
}

#[test]
fn a_session_ends_with_the_keys_of_a_signer_that_has_delivered() {
    let (mut roast, id, ada, _) = gathering();
    assert_eq!(roast.disowned(&"eve".parse().unwrap()), BTreeSet::new());
    assert!(roast.opened(id).is_some());
    assert_eq!(roast.disowned(&ada), BTreeSet::from([ada.clone()]));
    assert!(roast.opened(id).is_none() && roast.failures(&ada) == 1);
}

#[test]
fn late_signers_are_reported_once() {
    let (mut roast, id, _, ben) = gathering();
    roast.delivered(id, &ben, part(), Timestamp(1)).unwrap();
    assert!(roast.next_round(id, 2, Timestamp(2)).is_some());
    assert!(roast.finished(id).is_none());
    assert_eq!(roast.overdue(id), names(["ada", "ben"]).into());
    assert_eq!(roast.overdue(id), BTreeSet::new());
}

/// A session of ada and ben, fixed before the first of three rounds: ada has answered.
fn fixed() -> (Roast, SessionId, AccountName, AccountName) {
    let mut roast = Roast::default();
    let ([ada, ben], id, now) = (names(["ada", "ben"]), SessionId::new([1; 32]), Timestamp(1));
    roast.open(id, 3, Some([ada.clone(), ben.clone()].into()), now);
    roast.delivered(id, &ada, part(), now).unwrap();
    (roast, id, ada, ben)
}

#[test]
fn fixed_signers_are_not_replaced_but_tried_beside() {
    let (mut roast, id, ada, ben) = fixed();
    assert_eq!(roast.next(2, 2), Next::Wait);
    assert!(roast.next_round(id, 2, Timestamp(2)).is_none(), "ben has not answered");
    roast.ask(id, "cyd".parse().unwrap(), Timestamp(2));
    assert_eq!(roast.awaited(), BTreeSet::from([&ben]));
    assert_eq!(roast.overdue(id), BTreeSet::from([ben.clone()]));
    assert_eq!((roast.next(2, 1), roast.next(2, 2)), (Next::Wait, Next::Open));
    assert!(roast.is_free(&ada, Timestamp(2)) && !roast.is_free(&ben, Timestamp(2)));
    roast.delivered(id, &ben, part(), Timestamp(3)).unwrap();
    let round = roast.next_round(id, 2, Timestamp(3)).unwrap();
    assert_eq!(round.signers, &BTreeSet::from([ada, ben]));
}

#[test]
fn a_fixed_session_needs_a_signer_until_its_share() {
    for round in [1, 2, 3] {
        let (mut roast, id, ada, ben) = fixed();
        for _ in 1..round {
            roast.delivered(id, &ben, part(), Timestamp(2)).unwrap();
            roast.next_round(id, 2, Timestamp(2)).unwrap();
            roast.delivered(id, &ada, part(), Timestamp(2)).unwrap();
        }
        let is_last = round == 3;
        assert_eq!(roast.gone(&ada).is_empty(), is_last, "in round {round}");
        assert_eq!(roast.opened(id).is_some(), is_last);
        assert!(roast.finished(id).is_none());
    }
    let (mut roast, id, ..) = fixed();
    assert_eq!(roast.lost(id, &"ben".parse().unwrap()).len(), 1);
    assert!(roast.opened(id).is_none(), "ben declined");
}
