//! ROAST with signers that stall, decline and send garbage, in any order.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::sign::{Commitments, SignatureShare};
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
    share: bool,
}

struct Trial {
    roast: Roast,
    min_signers: usize,
    conduct: BTreeMap<AccountName, Conduct>,
    pending: Vec<Question>,
    rng: ChaCha20Rng,
    part: (SignedPart, Commitments),
    opened: u8,
    /// Sessions that got to the second round.
    packages: usize,
}

fn commitments() -> (SignedPart, Commitments) {
    let mut log = TestLog::keyed();
    let subject = Subject::Activation { session: session(1) };
    let signed = log.commitments_of("ada", session(7), subject);
    let context = crate::signing::SigningSession {
        ivn: log.state.ivn(),
        session: session(7),
        epoch: log.state.epoch_of(subject).unwrap_or(1),
        subject,
        number: 0,
    };
    let key = crate::test_world::secrets("ada").public().identity;
    let opened = context.open_commitments(&crate::test_world::name("ada"), key, &signed).unwrap();
    (signed, opened)
}

impl Trial {
    fn new(
        seed: u64,
        min_signers: usize,
        conduct: &[Conduct],
        part: (SignedPart, Commitments),
    ) -> Self {
        let conduct = conduct
            .iter()
            .enumerate()
            .map(|(number, conduct)| (format!("m{number}").parse().unwrap(), *conduct))
            .collect();
        Self {
            roast: Roast::default(),
            min_signers,
            conduct,
            pending: Vec::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
            part,
            opened: 0,
            packages: 0,
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
            let (id, count) = match self.roast.next(self.min_signers, free.len()) {
                Next::Wait => return,
                Next::Ask(id, count) => (id, count),
                Next::Open => {
                    self.opened += 1;
                    let id = SessionId::new([self.opened; 32]);
                    self.roast.open(id, now);
                    (id, self.min_signers)
                }
            };
            if free.is_empty() {
                return;
            }
            for to in free.into_iter().take(count) {
                self.roast.ask(id, to.clone(), now);
                self.pending.push(Question { session: id, to, share: false });
            }
        }
    }

    /// Answers one question or not. Returns whether a signature is complete.
    fn answer(&mut self, question: &Question, now: Timestamp) -> bool {
        let Question { session, to, share } = question;
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
        if *share {
            let value = SignatureShare::from_bytes(&[1; 32]).unwrap();
            self.roast.delivered(*session, to, (self.part.0.clone(), value), now);
            return self.roast.package(*session).is_some_and(super::Package::is_complete);
        }
        self.roast.committed(*session, to, self.part.clone(), now);
        let names: Vec<AccountName> = self.conduct.keys().cloned().collect();
        let identify = |account: &AccountName| {
            let position = names.iter().position(|name| name == account)?;
            Identifier::try_from(u16::try_from(position + 1).ok()?).ok()
        };
        if let Some(package) = self.roast.complete(*session, self.min_signers, identify, now) {
            assert_eq!(package.signers.len(), self.min_signers);
            self.packages += 1;
            let signers: Vec<AccountName> = package.signers.keys().cloned().collect();
            let ask = |to| Question { session: *session, to, share: true };
            self.pending.extend(signers.into_iter().map(ask));
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

    /// ROAST's invariant: no signer owes two answers.
    fn owes_once(&self) {
        let mut owing = BTreeSet::new();
        for session in self.roast.sessions.values() {
            let owes: Vec<&AccountName> = match &session.stage {
                super::Stage::Gathering { asked, .. } => asked.keys().collect(),
                super::Stage::Signing(package) => {
                    package.signers.keys().filter(|account| package.owes(account)).collect()
                }
            };
            for account in owes {
                assert!(owing.insert(account), "{account} owes answers in two sessions");
            }
        }
    }
}

/// All groups of up to six members, with as many hostile members as possible.
fn trials(others: Conduct) -> impl Iterator<Item = (Trial, usize)> {
    let part = commitments();
    (0..40_u64).flat_map(move |seed| {
        let part = part.clone();
        (2..=6_usize).flat_map(move |members| {
            let part = part.clone();
            (2..=members).map(move |min_signers| {
                let hostile = members - min_signers;
                let conduct: Vec<Conduct> = (0..members)
                    .map(|number| if number < hostile { Conduct::Hostile } else { others })
                    .collect();
                (Trial::new(seed, min_signers, &conduct, part.clone()), hostile)
            })
        })
    })
}

#[test]
fn prompt_signers_need_one_session_more_than_hostile_signers() {
    for (mut trial, hostile) in trials(Conduct::Prompt) {
        assert!(trial.run(), "{:?}", trial.roast);
        let (sessions, members) = (trial.packages, trial.conduct.len());
        assert!(sessions <= hostile + 1, "{sessions} sessions, {hostile} hostile of {members}");
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
    roast.open(id, now);
    roast.ask(id, ada.clone(), now);
    roast.ask(id, ben.clone(), now);
    roast.committed(id, &ada, commitments(), now).unwrap();
    (roast, id, ada, ben)
}

#[test]
fn commitments_are_awaited_from_signers_that_were_asked() {
    let (roast, id, ada, ben) = gathering();
    assert!(roast.awaits_commitments(id, &ben) && !roast.awaits_commitments(id, &ada));
    assert!(!roast.awaits_commitments(SessionId::new([2; 32]), &ben));
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
    roast.committed(id, &ben, commitments(), Timestamp(1)).unwrap();
    let identify =
        |name: &AccountName| Identifier::try_from(u16::from(name.as_str() == "ben") + 1).ok();
    assert!(
        roast.complete(id, 2, identify, Timestamp(2)).is_some_and(|package| !package.is_complete())
    );
    assert_eq!(roast.overdue(id), names(["ada", "ben"]).into());
    assert_eq!(roast.overdue(id), BTreeSet::new());
}
