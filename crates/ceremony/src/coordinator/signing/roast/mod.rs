//! ROAST for one subject: which signers are asked, and when others are tried.
//!
//! ROAST (Ruffing, Ronge, Jin, Schneider-Bensch, Schröder: *Robust Asynchronous Schnorr Threshold
//! Signatures*, CCS 2022, section 4) guarantees a signature while min_signers honest signers
//! answer, whatever the others do. Its idea: a signer that owes an answer in one session is in no
//! other session. Each session that does not finish therefore blocks at least one signer of its
//! own, and max_signers − min_signers + 1 sessions are enough.
//!
//! A suite's protocol fixes the set of signers either after the first round, like FROST, or before
//! it, like threshold ECDSA.
//!
//! ```text
//! fixed after the first round:
//!          open            min_signers have answered            all have answered
//! nothing ──────▶ gathering ────────────────────────▶ round 2 ────────────────────▶ signature
//!                  │    ▲                                │
//!             late │    │ ask others in                  │ late: open another session
//!                  └────┘ the same session               ▼ beside it; both may finish
//!
//! fixed before it:
//!          open            all have answered                    all have answered
//! nothing ──────▶ round 1 ──────────────────▶ round 2 ──▶ … ──────────────────────▶ signature
//!                  │                           │          │
//!                  ▼                           ▼          ▼ late: open another session
//! ```
//!
//! - Upon min_signers signers that owe nothing, and no session on time: open a session.
//! - Upon answers from all signers of a round: begin the next one. While the signers are not fixed,
//!   min_signers answers are enough; the others are free again.
//! - Upon a late answer while the signers are not fixed: ask another signer in the same session.
//! - Upon a late answer of a fixed signer: open another session in parallel. The late one still
//!   finishes if its answers come first.
//! - Upon a signer that declines, answers wrongly or disconnects: end the sessions that need its
//!   nonces. A signer that declined or answered wrongly rests for a pause that doubles.
//!
//! Deviations from the paper:
//!
//! - The paper's coordinator opens another session as soon as min_signers signers owe nothing. This
//!   one waits until an answer is late, because a session in parallel to one that is about to
//!   finish is wasted work.
//! - The paper's signers send the commitments for their next session along with a share. Here they
//!   send commitments for one session at a time, because a signer's message names its session. A
//!   signer that is silent when asked is replaced in the same session, so it costs no session.
//! - The paper's signers are fixed after the first round. Where they are fixed before it, a signer
//!   that is silent when asked costs a session, as one that is silent later does. A signer that has
//!   answered is free until the next round begins, because a signer that blocks the round must not
//!   keep it. So a session that was late and continues can ask a signer for an answer that owes one
//!   in another session. This costs time, but no session: a new session is opened only when all are
//!   late, and an honest signer answers in each.
//! - Signers rest, and the caller orders them by reliability. The paper treats all alike.
//!
//! Nothing here is secret, and nobody has to trust it: a node signs what its own log permits, in as
//! many sessions as it is invited to.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{AccountName, SessionId, Timestamp};
use crate::signing::SignedPart;

/// All sessions of one subject, and the behaviour of its signers in them.
#[derive(Debug, Default)]
pub(super) struct Roast {
    sessions: BTreeMap<SessionId, Session>,
    /// How often a session of this subject waited for a signer too long or in vain.
    failures: BTreeMap<AccountName, u32>,
    /// Signers that are not asked for a while.
    resting: BTreeMap<AccountName, Rest>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Timestamp,
    times: u32,
}

#[derive(Debug)]
struct Session {
    opened: Timestamp,
    /// The number of rounds of the protocol.
    last: usize,
    /// `None` while any signer may answer: in the first round of some protocols.
    signers: Option<BTreeSet<AccountName>>,
    /// The signers that owe an answer in the present round.
    asked: BTreeMap<AccountName, Asked>,
    /// The answers in all rounds so far. The last one is the present round.
    rounds: Vec<Parts>,
}

/// The answers of one round.
pub(super) type Parts = BTreeMap<AccountName, SignedPart>;

/// A question that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Timestamp,
    late: bool,
}

/// A question of a round: for the first message, or for the message that follows these.
#[derive(Debug)]
pub(super) struct Round<'a> {
    pub(super) signers: &'a BTreeSet<AccountName>,
    /// The messages of all signers in the round before.
    pub(super) parts: &'a Parts,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Answers are pending, or too few signers are free.
    Wait,
    /// Ask this many more signers for commitments in this session.
    Ask(SessionId, usize),
    Open,
}

impl Roast {
    /// Returns what to do next, with `free` signers that are ready and owe nothing.
    pub(super) fn next(&self, min_signers: usize, free: usize) -> Next {
        for (id, session) in &self.sessions {
            if session.signers.is_none() {
                let on_time = session.asked.values().filter(|asked| !asked.late).count();
                let lacking = min_signers.saturating_sub(on_time + session.answered());
                return if lacking == 0 { Next::Wait } else { Next::Ask(*id, lacking) };
            }
        }
        let under_way =
            self.sessions.values().any(|session| session.signers.is_some() && !session.is_late());
        if under_way || free < min_signers { Next::Wait } else { Next::Open }
    }

    /// Whether `account` owes no answer, is not resting, and is not in the session that gathers
    /// signers.
    pub(super) fn is_free(&self, account: &AccountName, now: Timestamp) -> bool {
        let rests = self.resting.get(account).is_some_and(|rest| now < rest.until);
        !rests
            && !self.sessions.values().any(|session| {
                session.asked.contains_key(account)
                    || (session.signers.is_none() && session.has_answered(account))
            })
    }

    pub(super) fn failures(&self, account: &AccountName) -> u32 {
        self.failures.get(account).copied().unwrap_or(0)
    }

    /// Opens a session of a protocol with so many rounds. If `signers` fixes who signs, they are
    /// all asked for their first messages.
    pub(super) fn open(
        &mut self,
        id: SessionId,
        rounds: usize,
        signers: Option<BTreeSet<AccountName>>,
        now: Timestamp,
    ) {
        let asked = ask_all(signers.iter().flatten(), now);
        let session =
            Session { opened: now, last: rounds, signers, asked, rounds: vec![Parts::new()] };
        self.sessions.insert(id, session);
    }

    /// Asks another signer for its first message, in a session whose signers are not fixed.
    pub(super) fn ask(&mut self, id: SessionId, account: AccountName, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.signers.is_none()
        {
            session.asked.insert(account, Asked { at: now, late: false });
        }
    }

    /// Whether this signer owes an answer in the present round of this session.
    pub(super) fn awaits(&self, id: SessionId, account: &AccountName) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.asked.contains_key(account))
    }

    /// Whether a session's signers are fixed, and this is one of them.
    pub(super) fn is_signer(&self, id: SessionId, account: &AccountName) -> bool {
        let signers = self.sessions.get(&id).and_then(|session| session.signers.as_ref());
        signers.is_some_and(|signers| signers.contains(account))
    }

    /// The signers of this session made no signature, although each of them answered.
    pub(super) fn spoiled(&mut self, id: SessionId) {
        let signers = self.sessions.get(&id).and_then(|session| session.signers.clone());
        self.note(signers.unwrap_or_default());
    }

    /// Adds a verified answer that the session waits for. Returns how long it took. A signer that
    /// delivers its share is not at fault any more.
    pub(super) fn delivered(
        &mut self,
        id: SessionId,
        account: &AccountName,
        part: SignedPart,
        now: Timestamp,
    ) -> Option<u64> {
        let session = self.sessions.get_mut(&id)?;
        let question = session.asked.remove(account)?;
        let is_share = session.is_in_last_round();
        session.rounds.last_mut()?.insert(account.clone(), part);
        if is_share {
            self.resting.remove(account);
        }
        Some(now.0.saturating_sub(question.at.0))
    }

    /// Begins the next round if the present one is complete. Signers that are not needed are free
    /// again.
    pub(super) fn next_round(
        &mut self,
        id: SessionId,
        min_signers: usize,
        now: Timestamp,
    ) -> Option<Round<'_>> {
        let session = self.sessions.get_mut(&id)?;
        let is_complete = match &session.signers {
            None => session.answered() >= min_signers,
            Some(_) => session.asked.is_empty(),
        };
        if !is_complete || session.is_in_last_round() {
            return None;
        }
        let Session { signers, asked, rounds, .. } = session;
        let answered = rounds.last()?.keys();
        let signers = &*signers.get_or_insert_with(|| answered.cloned().collect());
        *asked = ask_all(signers, now);
        rounds.push(Parts::new());
        let parts = rounds.iter().nth_back(1)?;
        Some(Round { signers, parts })
    }

    /// The messages of all rounds, once all signers have delivered their shares.
    pub(super) fn finished(&self, id: SessionId) -> Option<&[Parts]> {
        let session = self.sessions.get(&id)?;
        let is_over = session.is_in_last_round() && session.asked.is_empty();
        (is_over && session.signers.is_some()).then_some(&session.rounds)
    }

    /// The time for answers is over, so other signers are asked too. Returns the late signers, once
    /// for each question.
    pub(super) fn overdue(&mut self, id: SessionId) -> BTreeSet<AccountName> {
        let mut signers = BTreeSet::new();
        let asked = self.sessions.get_mut(&id).map(|session| &mut session.asked);
        for (account, asked) in asked.into_iter().flatten().filter(|(_, asked)| !asked.late) {
            asked.late = true;
            signers.insert(account.clone());
        }
        self.note(signers)
    }

    /// A signer declined, or its answer was wrong. A session that needs it ends. Returns the signer
    /// if it was in the session.
    pub(super) fn lost(&mut self, id: SessionId, account: &AccountName) -> BTreeSet<AccountName> {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.signers.is_none()
            && session.asked.remove(account).is_some()
        {
            return self.note(BTreeSet::from([account.clone()]));
        }
        self.unusable(id, account)
    }

    /// Ends a session that needs this signer's nonces.
    fn unusable(&mut self, id: SessionId, account: &AccountName) -> BTreeSet<AccountName> {
        if !self.sessions.get(&id).is_some_and(|session| session.needs(account)) {
            return BTreeSet::new();
        }
        self.sessions.remove(&id);
        self.note(BTreeSet::from([account.clone()]))
    }

    pub(super) fn end(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    /// A signer disconnected, and its nonces are lost. Commitments of it may still be on their way,
    /// so it cannot be asked in that session again. Returns the signer if a session needed its
    /// nonces.
    pub(super) fn gone(&mut self, account: &AccountName) -> BTreeSet<AccountName> {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        ids.into_iter().flat_map(|id| self.unusable(id, account)).collect()
    }

    /// A signer has a new identity key, so its earlier messages do not count any more, not even
    /// delivered shares. Every session with one of its messages ends. Returns the signer if a
    /// session did.
    pub(super) fn disowned(&mut self, account: &AccountName) -> BTreeSet<AccountName> {
        let before = self.sessions.len();
        self.sessions.retain(|_, session| !session.involved().any(|name| name == account));
        let ended = self.sessions.len() < before;
        self.note(ended.then(|| account.clone()).into_iter().collect())
    }

    /// Only these accounts may sign any more. Ends every session that asked another one, which is
    /// nobody's fault.
    pub(super) fn keep_only(&mut self, accounts: &BTreeSet<AccountName>) {
        self.sessions.retain(|_, session| session.involved().all(|name| accounts.contains(name)));
    }

    /// Does not ask this signer for `pause` the first time, and each time twice as long, up to
    /// 2^`doublings` times as long.
    pub(super) fn rest(
        &mut self,
        account: &AccountName,
        now: Timestamp,
        pause: u64,
        doublings: u32,
    ) {
        let times = self.resting.get(account).map_or(0, |rest| rest.times);
        let until = now.plus(pause.saturating_mul(1 << times.min(doublings)));
        self.resting.insert(account.clone(), Rest { until, times: times.saturating_add(1) });
    }

    pub(super) fn rest_ends(&self, now: Timestamp) -> Option<Timestamp> {
        self.resting.values().map(|rest| rest.until).filter(|until| now < *until).min()
    }

    /// Ends a signer's rest, because its process or its data has changed.
    pub(super) fn wake(&mut self, account: &AccountName) {
        self.resting.remove(account);
    }

    /// When this session was opened, if it is still running.
    pub(super) fn opened(&self, id: SessionId) -> Option<Timestamp> {
        Some(self.sessions.get(&id)?.opened)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &SessionId> {
        self.sessions.keys()
    }

    pub(super) fn awaited(&self) -> BTreeSet<&AccountName> {
        self.sessions.values().flat_map(|session| session.asked.keys()).collect()
    }

    fn note(&mut self, signers: BTreeSet<AccountName>) -> BTreeSet<AccountName> {
        for account in &signers {
            let failures = self.failures.entry(account.clone()).or_default();
            *failures = failures.saturating_add(1);
        }
        signers
    }
}

fn ask_all<'a>(
    signers: impl IntoIterator<Item = &'a AccountName>,
    now: Timestamp,
) -> BTreeMap<AccountName, Asked> {
    let ask = |account: &AccountName| (account.clone(), Asked { at: now, late: false });
    signers.into_iter().map(ask).collect()
}

impl Session {
    fn is_in_last_round(&self) -> bool {
        self.rounds.len() >= self.last
    }

    fn is_late(&self) -> bool {
        self.asked.values().any(|asked| asked.late)
    }

    /// How many signers have answered in the present round.
    fn answered(&self) -> usize {
        self.rounds.last().map_or(0, BTreeMap::len)
    }

    fn has_answered(&self, account: &AccountName) -> bool {
        self.rounds.last().is_some_and(|parts| parts.contains_key(account))
    }

    /// Whether the session cannot finish without this signer's nonces.
    fn needs(&self, account: &AccountName) -> bool {
        let is_signer = match &self.signers {
            None => self.has_answered(account),
            Some(signers) => signers.contains(account) && !self.is_in_last_round(),
        };
        is_signer || self.asked.contains_key(account)
    }

    /// Everyone that the session has asked, and still needs.
    fn involved(&self) -> impl Iterator<Item = &AccountName> {
        let answered = self.rounds.iter().flat_map(BTreeMap::keys);
        self.asked.keys().chain(self.signers.iter().flatten()).chain(answered)
    }
}

#[cfg(test)]
mod tests;
