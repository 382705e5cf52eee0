//! ROAST for one subject: which signers are asked, and when others are tried.
//!
//! ROAST (Ruffing, Ronge, Jin, Schneider-Bensch, Schröder: *Robust Asynchronous Schnorr Threshold
//! Signatures*, CCS 2022, section 4) guarantees a signature while min_signers honest signers
//! answer, whatever the others do. Its idea: a signer that owes an answer in one session is in no
//! other session. Each session that does not finish therefore blocks at least one signer of its
//! own, and max_signers − min_signers + 1 sessions are enough.
//!
//! ```text
//!          open            min_signers have committed           all have delivered
//! nothing ──────▶ Gathering ──────────────────────────▶ Signing ──────────────────▶ signature
//!                  │    ▲                                  │
//!             late │    │ ask others in                    │ late: open another session
//!                  └────┘ the same session                 ▼ beside it; both may finish
//! ```
//!
//! - Upon min_signers signers that owe nothing, and no session on time: open a session.
//! - Upon commitments from min_signers signers: continue with shares; the others are free again.
//! - Upon a late answer in the first round: ask another signer in the same session.
//! - Upon a late answer in the second round: open another session in parallel. The late one still
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
//! - Signers rest, and the caller orders them by reliability. The paper treats all alike.
//!
//! Nothing here is secret, and nobody has to trust it: a node signs what its own log permits, in as
//! many sessions as it is invited to.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::sign::{Commitments, SignatureShare};

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
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Any signer may send commitments.
    Gathering { asked: BTreeMap<AccountName, Asked>, commitments: Committed },
    /// The signers whose commitments came first send shares.
    Signing(Package),
}

pub(super) type Committed = BTreeMap<AccountName, (SignedPart, Commitments)>;

/// A question that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Timestamp,
    late: bool,
}

/// The second round of a session: a set of commitments, and the shares made for it.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) signers: BTreeMap<AccountName, Identifier>,
    pub(super) signed: Committed,
    pub(super) commitments: BTreeMap<Identifier, Commitments>,
    pub(super) shares: BTreeMap<AccountName, (SignedPart, SignatureShare)>,
    sent: Timestamp,
    late: bool,
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
            if let Stage::Gathering { asked, commitments } = &session.stage {
                let hoped = asked.values().filter(|asked| !asked.late).count() + commitments.len();
                let lacking = min_signers.saturating_sub(hoped);
                return if lacking == 0 { Next::Wait } else { Next::Ask(*id, lacking) };
            }
        }
        let under_way = self
            .sessions
            .values()
            .any(|session| matches!(&session.stage, Stage::Signing(package) if !package.late));
        if under_way || free < min_signers { Next::Wait } else { Next::Open }
    }

    /// Whether `account` owes no answer, is not resting, and is not in the session that gathers
    /// commitments.
    pub(super) fn is_free(&self, account: &AccountName, now: Timestamp) -> bool {
        let rests = self.resting.get(account).is_some_and(|rest| now < rest.until);
        !rests
            && !self.sessions.values().any(|session| match &session.stage {
                Stage::Gathering { asked, commitments } => {
                    asked.contains_key(account) || commitments.contains_key(account)
                }
                Stage::Signing(package) => package.owes(account),
            })
    }

    pub(super) fn failures(&self, account: &AccountName) -> u32 {
        self.failures.get(account).copied().unwrap_or(0)
    }

    pub(super) fn open(&mut self, id: SessionId, now: Timestamp) {
        let stage = Stage::Gathering { asked: BTreeMap::new(), commitments: BTreeMap::new() };
        self.sessions.insert(id, Session { opened: now, stage });
    }

    pub(super) fn ask(&mut self, id: SessionId, account: AccountName, now: Timestamp) {
        if let Some(Stage::Gathering { asked, .. }) = self.stage(id) {
            asked.insert(account, Asked { at: now, late: false });
        }
    }

    fn stage(&mut self, id: SessionId) -> Option<&mut Stage> {
        Some(&mut self.sessions.get_mut(&id)?.stage)
    }

    pub(super) fn awaits_commitments(&self, id: SessionId, account: &AccountName) -> bool {
        let stage = self.sessions.get(&id).map(|session| &session.stage);
        matches!(stage, Some(Stage::Gathering { asked, .. }) if asked.contains_key(account))
    }

    /// Adds commitments that the session waits for. Returns how long they took.
    pub(super) fn committed(
        &mut self,
        id: SessionId,
        account: &AccountName,
        signed: (SignedPart, Commitments),
        now: Timestamp,
    ) -> Option<u64> {
        let Some(Stage::Gathering { asked, commitments }) = self.stage(id) else { return None };
        let question = asked.remove(account)?;
        commitments.insert(account.clone(), signed);
        Some(now.0.saturating_sub(question.at.0))
    }

    /// Begins the second round if `min_signers` have committed. The other signers are free again.
    pub(super) fn complete(
        &mut self,
        id: SessionId,
        min_signers: usize,
        identify: impl Fn(&AccountName) -> Option<Identifier>,
        now: Timestamp,
    ) -> Option<&Package> {
        let stage = self.stage(id)?;
        let Stage::Gathering { commitments, .. } = stage else { return None };
        if commitments.len() < min_signers {
            return None;
        }
        let signed = std::mem::take(commitments);
        let signers: BTreeMap<_, _> = signed
            .keys()
            .filter_map(|account| Some((account.clone(), identify(account)?)))
            .collect();
        let commitments = signers
            .iter()
            .filter_map(|(account, id)| Some((*id, signed.get(account)?.1.clone())))
            .collect();
        let shares = BTreeMap::new();
        *stage = Stage::Signing(Package {
            signers,
            signed,
            commitments,
            shares,
            sent: now,
            late: false,
        });
        self.package(id)
    }

    pub(super) fn package(&self, id: SessionId) -> Option<&Package> {
        match &self.sessions.get(&id)?.stage {
            Stage::Signing(package) => Some(package),
            Stage::Gathering { .. } => None,
        }
    }

    /// Adds a verified share. Returns how long it took. A signer that delivers is not at fault any
    /// more.
    pub(super) fn delivered(
        &mut self,
        id: SessionId,
        account: &AccountName,
        share: (SignedPart, SignatureShare),
        now: Timestamp,
    ) -> Option<u64> {
        let Some(Stage::Signing(package)) = self.stage(id) else { return None };
        package.shares.insert(account.clone(), share);
        let took = now.0.saturating_sub(package.sent.0);
        self.resting.remove(account);
        Some(took)
    }

    /// The time for answers is over, so other signers are asked too. Returns the late signers, once
    /// for each question.
    pub(super) fn overdue(&mut self, id: SessionId) -> BTreeSet<AccountName> {
        let mut signers = BTreeSet::new();
        match self.stage(id) {
            Some(Stage::Gathering { asked, .. }) => {
                for (account, asked) in asked.iter_mut().filter(|(_, asked)| !asked.late) {
                    asked.late = true;
                    signers.insert(account.clone());
                }
            }
            Some(Stage::Signing(package)) if !package.late => {
                package.late = true;
                let owing = package.signers.keys().filter(|account| package.owes(account));
                signers.extend(owing.cloned());
            }
            Some(Stage::Signing(_)) | None => {}
        }
        self.note(signers)
    }

    /// A signer declined, or its answer was wrong. A session that needs it ends. Returns the signer
    /// if it was in the session.
    pub(super) fn lost(&mut self, id: SessionId, account: &AccountName) -> BTreeSet<AccountName> {
        let declined = match self.stage(id) {
            Some(Stage::Gathering { asked, .. }) => asked.remove(account).is_some(),
            Some(Stage::Signing(_)) | None => false,
        };
        if declined {
            return self.note(BTreeSet::from([account.clone()]));
        }
        self.unusable(id, account)
    }

    /// Ends a session that needs this signer's nonces.
    fn unusable(&mut self, id: SessionId, account: &AccountName) -> BTreeSet<AccountName> {
        let needs = self.sessions.get(&id).is_some_and(|session| match &session.stage {
            Stage::Gathering { asked, commitments } => {
                asked.contains_key(account) || commitments.contains_key(account)
            }
            Stage::Signing(package) => package.owes(account),
        });
        if !needs {
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
        self.sessions.retain(|_, session| match &session.stage {
            Stage::Gathering { asked, commitments } => {
                !asked.contains_key(account) && !commitments.contains_key(account)
            }
            Stage::Signing(package) => !package.signers.contains_key(account),
        });
        let ended = self.sessions.len() < before;
        self.note(ended.then(|| account.clone()).into_iter().collect())
    }

    /// Only these accounts may sign any more. Ends every session that asked another one, which is
    /// nobody's fault.
    pub(super) fn keep_only(&mut self, accounts: &BTreeSet<AccountName>) {
        self.sessions.retain(|_, session| match &session.stage {
            Stage::Gathering { asked, commitments } => {
                asked.keys().chain(commitments.keys()).all(|account| accounts.contains(account))
            }
            Stage::Signing(package) => {
                package.signers.keys().all(|account| accounts.contains(account))
            }
        });
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
        self.sessions
            .values()
            .flat_map(|session| -> Box<dyn Iterator<Item = &AccountName>> {
                match &session.stage {
                    Stage::Gathering { asked, .. } => Box::new(asked.keys()),
                    Stage::Signing(package) => {
                        Box::new(package.signers.keys().filter(|account| package.owes(account)))
                    }
                }
            })
            .collect()
    }

    fn note(&mut self, signers: BTreeSet<AccountName>) -> BTreeSet<AccountName> {
        for account in &signers {
            let failures = self.failures.entry(account.clone()).or_default();
            *failures = failures.saturating_add(1);
        }
        signers
    }
}

impl Package {
    fn owes(&self, account: &AccountName) -> bool {
        self.signers.contains_key(account) && !self.shares.contains_key(account)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.shares.len() == self.signers.len()
    }

    pub(super) fn shares(&self) -> BTreeMap<Identifier, SignatureShare> {
        self.shares
            .iter()
            .filter_map(|(account, (_, share))| Some((*self.signers.get(account)?, share.clone())))
            .collect()
    }
}

#[cfg(test)]
mod tests;
