//! The replay: every entry goes through the fold that nodes use and through checks that the fold
//! leaves out.
//!
//! - Upon an entry that the fold does not admit: stop. Later entries are only hashed.
//! - Upon the start, certification, abort or success of a session: note its outcome.
//! - Upon a request or an approval: count approvals again, without the fold.
//! - Upon a signature: check it against these approvals, and its signers' shares and nonces.
//! - Upon a confirmation by previous members: its checkpoint must be one of this log.

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::key::LogVerifier;
use quorate_log::tree::Frontier;
use quorate_log::{Hash, leaf_hash};

use crate::document::Documents;
use crate::entry::{AbortReason, Author, Body, Entry};
use crate::names::{AccountName, Digest, EntryId, GroupName, IvnId, SessionId, Timestamp};
use crate::signing::FIRST_EPOCH;
use crate::state::{Group, IvnState, Refusal};

use super::blame::blame;
use super::decisions::{Decided, DecisionReport, Decisions};
use super::fault::Fault;
use super::report::{AuditReport, ReusedNonces, SessionOutcome, SessionReport, SignatureReport};
use super::signature::{Consents, Signed};

/// What the auditor knew of the log beforehand, from a trusted source. Either field identifies the
/// IVN.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Anchor {
    pub ivn: Option<IvnId>,
    pub log_key: Option<LogVerifier>,
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NoIvn {
    #[error("the log has no entries")]
    Empty,
    #[error("entry 0 does not found an IVN: {0}")]
    Genesis(#[source] Refusal),
    #[error("the genesis in entry 0 names an origin or a log key that no log can have")]
    LogKey,
}

/// Replays the log with these entries, in order from 0, and this checkpoint.
///
/// All checks are in [`AuditReport`], which depends only on the arguments.
///
/// # Errors
///
/// [`NoIvn`] if the entries are not those of any IVN. All other problems are in
/// [`AuditReport::faults`].
pub fn replay(
    entries: impl IntoIterator<Item = Vec<u8>>,
    checkpoint: &SignedCheckpoint,
    anchor: &Anchor,
    documents: &mut dyn Documents,
) -> Result<AuditReport, NoIvn> {
    let mut entries = entries.into_iter();
    let genesis = entries.next().ok_or(NoIvn::Empty)?;
    let (mut auditor, log) = Auditor::found(&genesis)?;
    for bytes in entries {
        auditor.add(&bytes, documents);
    }
    auditor.compare(anchor);
    // A replacement that is in force has a usable log key, or nobody can sign this log.
    let log = auditor.state.log_verifier().unwrap_or(log);
    Ok(auditor.report(checkpoint, anchor, &log))
}

/// Returns the verifier of the log that `genesis`, the bytes of entry 0, founds.
///
/// # Errors
///
/// [`NoIvn`] if it founds none.
pub fn log_key(genesis: &[u8]) -> Result<LogVerifier, NoIvn> {
    Auditor::found(genesis).map(|(_, log)| log)
}

/// Returns the verifier of the coordinator that a whole log names, or `None` if the rules do not
/// admit the entries.
pub fn latest_log_key(entries: &[Vec<u8>]) -> Option<LogVerifier> {
    let (genesis, rest) = entries.split_first()?;
    let mut state = IvnState::found(&Entry::from_bytes(genesis).ok()?).ok()?;
    for bytes in rest {
        state.apply(&Entry::from_bytes(bytes).ok()?).ok()?;
    }
    state.log_verifier()
}

pub(super) struct Auditor {
    pub(super) state: IvnState,
    pub(super) frontier: Frontier,
    pub(super) consents: Consents,
    pub(super) decisions: Decisions,
    pub(super) sessions: BTreeMap<SessionId, (GroupName, SessionReport)>,
    /// The sessions that are not over.
    pub(super) running: BTreeSet<SessionId>,
    /// The tree's root by its size, from the first change of a group that the previous members have
    /// not confirmed.
    pub(super) roots: BTreeMap<u64, Hash>,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) signatures: Vec<SignatureReport>,
    /// The index of the signature entry that contains each first message, which is as unique as the
    /// nonces that it commits to.
    pub(super) commitments: BTreeMap<(AccountName, Vec<u8>), u64>,
    pub(super) reused_nonces: Vec<ReusedNonces>,
    pub(super) faults: Vec<Fault>,
    /// After an inadmissible entry, later entries have no meaning.
    pub(super) stopped: bool,
}

impl Auditor {
    pub(super) fn found(genesis: &[u8]) -> Result<(Self, LogVerifier), NoIvn> {
        let entry = Entry::from_bytes(genesis).map_err(|error| NoIvn::Genesis(error.into()))?;
        let state = IvnState::found(&entry).map_err(NoIvn::Genesis)?;
        let log = state.log_verifier().ok_or(NoIvn::LogKey)?;
        let mut frontier = Frontier::default();
        frontier.append(leaf_hash(genesis));
        let auditor = Self {
            state,
            frontier,
            consents: Consents::default(),
            decisions: Decisions::default(),
            sessions: BTreeMap::new(),
            running: BTreeSet::new(),
            roots: BTreeMap::new(),
            kinds: BTreeMap::from([(entry.statement().body.kind(), 1)]),
            signatures: Vec::new(),
            commitments: BTreeMap::new(),
            reused_nonces: Vec::new(),
            faults: Vec::new(),
            stopped: false,
        };
        Ok((auditor, log))
    }

    /// Compares the log with what the auditor knows of it: the key of any coordinator that it had.
    fn compare(&mut self, anchor: &Anchor) {
        let found = self.state.ivn();
        if let Some(expected) = anchor.ivn.filter(|expected| *expected != found) {
            self.faults.push(Fault::OtherIvn { expected, found });
        }
        let keys = self.state.log_verifiers();
        let found = keys.last().map(ToString::to_string).unwrap_or_default();
        let Some(expected) = anchor.log_key.as_ref().map(ToString::to_string) else { return };
        let is_earlier = keys.iter().any(|key| key.to_string() == expected);
        if is_earlier && expected != found {
            // The majority of an earlier roster can vote without that key.
            self.faults.push(Fault::ReplacedLogKey { expected, found });
        } else if expected != found {
            self.faults.push(Fault::OtherLogKey { expected, found });
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8], documents: &mut dyn Documents) {
        let index = self.frontier.size();
        self.frontier.append(leaf_hash(bytes));
        if self.stopped {
            return;
        }
        let admitted = Entry::from_bytes(bytes)
            .map_err(Refusal::from)
            .and_then(|entry| self.admit(index, &entry, documents));
        if let Err(reason) = admitted {
            self.faults.push(Fault::Inadmissible { index, reason });
            self.stopped = true;
            return;
        }
        self.note_root();
    }

    fn admit(
        &mut self,
        index: u64,
        entry: &Entry,
        documents: &mut dyn Documents,
    ) -> Result<(), Refusal> {
        let body = &entry.statement().body;
        // The fold drops a session's messages when its key comes into use.
        let transcript = match body {
            Body::EpochStarted { session, .. } => {
                self.state.group_of_session(*session).and_then(Group::certificate)
            }
            _ => None,
        };
        // The fold drops a repair when its recipient has certified.
        let repaired = match body {
            Body::CeremonyCertified { session, .. } => {
                let group = self.state.group_of_session(*session);
                let certificate = group.and_then(Group::certificate);
                let running = group.and_then(|group| group.session.as_ref());
                running.and_then(|it| it.terms.repairs().cloned()).zip(certificate)
            }
            _ => None,
        };
        let blame = match body {
            Body::CeremonyAborted { session, reason: AbortReason::Fault { .. } } => {
                self.state.group_of_session(*session).map(blame).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        self.state.apply(entry)?;
        *self.kinds.entry(body.kind()).or_default() += 1;
        match body {
            Body::CeremonyStarted { group, session, attempt, .. } => {
                let running = self.state.group(group)?.session.as_ref();
                let report = SessionReport {
                    session: *session,
                    epoch: running.map_or(FIRST_EPOCH, |ceremony| ceremony.terms.epoch),
                    repairs: running.and_then(|ceremony| ceremony.terms.repairs().cloned()),
                    attempt: *attempt,
                    started: index,
                    certified_by: Vec::new(),
                    outcome: SessionOutcome::Running,
                };
                self.sessions.insert(*session, (group.clone(), report));
                self.running.insert(*session);
            }
            Body::CeremonyCertified { session, transcript, public_key_package } => {
                let certificate = (*transcript, *public_key_package);
                match repaired {
                    Some((account, recomputed)) if recomputed == certificate => {
                        if let Some((_, report)) = self.sessions.get_mut(session) {
                            report.certified_by.push(account.clone());
                        }
                        self.ended(*session, SessionOutcome::Repaired { index, account });
                    }
                    _ => self.certified(*session, entry, certificate),
                }
            }
            Body::CeremonyAborted { session, reason } => {
                let reason = reason.clone();
                self.ended(*session, SessionOutcome::Aborted { index, reason, blame });
            }
            Body::EpochStarted { session, .. } => {
                self.check_certified(index, *session);
                if let Some((transcript, _)) = transcript {
                    self.ended(*session, SessionOutcome::Key { index, transcript });
                }
                if let Some(group) = self.state.group_of_session(*session) {
                    self.consents.moved(group);
                }
            }
            Body::ChangeConfirmed { group, checkpoint, .. } => {
                self.check_confirmation(index, group, checkpoint);
            }
            Body::Request(request) => {
                let state = self.state.request(entry.id())?;
                self.consents.requested(state, self.state.group(&request.group)?);
                if state.approvals.contains(&state.requester) {
                    self.decided(index, entry.id(), entry, Decided::ApprovedByAsking);
                }
            }
            Body::Approval { request } => {
                if let Author::Account(account) = &entry.statement().author {
                    self.consents.consented(*request, account);
                }
                self.decided(index, *request, entry, Decided::Approved);
            }
            Body::Refusal { request, reason } => {
                if let Author::Account(account) = &entry.statement().author {
                    self.consents.rejected(*request, account);
                }
                let decided = Decided::Rejected { reason: reason.clone() };
                self.decided(index, *request, entry, decided);
            }
            Body::RequestWithdrawn { request } => self.consents.withdrawn(*request),
            Body::Signature { request, session, signature, signers } => {
                // The state contains this signature as well.
                let next = self.state.request(*request)?.next_signature();
                let signed = Signed {
                    request: *request,
                    number: next.saturating_sub(1),
                    session: *session,
                    signature: &signature.0,
                    signers,
                };
                self.signed(index, &signed, entry.statement().at, documents);
            }
            Body::AccountSuspended { account } | Body::AccountRemoved { account } => {
                self.consents.void(account);
                self.note_closed(index);
            }
            // An account on the roster gets new keys. A new account has not approved anything.
            Body::AccountAdmitted { .. } => {
                if let Author::Account(account) = &entry.statement().author {
                    self.consents.void(account);
                }
                self.note_closed(index);
            }
            Body::GroupChange(_) | Body::GroupChangeWithdrawn { .. } => self.note_closed(index),
            _ => {}
        }
        Ok(())
    }

    /// Notes a decision of the entry's author.
    fn decided(&mut self, index: u64, request: EntryId, entry: &Entry, decided: Decided) {
        let statement = entry.statement();
        if let Author::Account(account) = &statement.author {
            let (account, at) = (account.clone(), statement.at);
            self.decisions.note(request, DecisionReport { account, decided, at, index });
        }
    }

    /// Remembers the tree's root as long as a later confirmation may contain a checkpoint of it.
    fn note_root(&mut self) {
        let mut confirmations = self.state.groups().values().flat_map(|group| &group.confirmations);
        if confirmations.any(|confirmation| confirmation.confirmed.is_none()) {
            let head = self.frontier.head();
            self.roots.insert(head.size, head.root);
        } else {
            self.roots.clear();
        }
    }

    /// The checkpoint in a confirmation must be one of this log.
    fn check_confirmation(&mut self, index: u64, group: &GroupName, checkpoint: &str) {
        let head = checkpoint.parse::<SignedCheckpoint>().map(|it| it.unverified().head());
        let is_ours = head.is_ok_and(|head| self.roots.get(&head.size) == Some(&head.root));
        if !is_ours {
            self.faults.push(Fault::ConfirmsOtherLog { index, group: group.clone() });
        }
    }

    /// Notes the sessions that entry `index` closed as a side effect.
    fn note_closed(&mut self, index: u64) {
        let mut closed = Vec::new();
        for session in &self.running {
            let Some((group, _)) = self.sessions.get(session) else { continue };
            let Ok(group) = self.state.group(group) else { continue };
            if group.session.as_ref().is_none_or(|running| running.session != *session) {
                // A change that replaces another one drops its cancelled sessions.
                let past = group.past.iter().find(|past| past.session == *session);
                let reason = past.map_or(AbortReason::Cancelled, |past| past.reason.clone());
                closed.push((*session, reason));
            }
        }
        for (session, reason) in closed {
            let blame = Vec::new();
            self.ended(session, SessionOutcome::Aborted { index, reason, blame });
        }
    }

    fn ended(&mut self, session: SessionId, outcome: SessionOutcome) {
        self.running.remove(&session);
        if let Some((_, report)) = self.sessions.get_mut(&session) {
            report.outcome = outcome;
        }
    }

    /// Notes a certification if it matches the messages.
    fn certified(&mut self, session: SessionId, entry: &Entry, certificate: (Digest, Digest)) {
        let recomputed = self.state.group_of_session(session).and_then(Group::certificate);
        if recomputed == Some(certificate)
            && let Author::Account(account) = &entry.statement().author
            && let Some((_, report)) = self.sessions.get_mut(&session)
        {
            report.certified_by.push(account.clone());
        }
    }

    /// A key counts only if all participants certified it.
    fn check_certified(&mut self, index: u64, session: SessionId) {
        let Some((name, report)) = self.sessions.get(&session) else { return };
        let Ok(group) = self.state.group(name) else { return };
        let missing =
            group.definition.members.iter().filter(|member| !report.certified_by.contains(member));
        self.faults.extend(missing.map(|account| Fault::Certification {
            index,
            group: name.clone(),
            account: account.clone(),
        }));
    }

    fn signed(
        &mut self,
        index: u64,
        signed: &Signed<'_>,
        at: Timestamp,
        documents: &mut dyn Documents,
    ) {
        let Ok(request) = self.state.request(signed.request) else { return };
        let signers: Vec<_> = signed.signers.iter().map(|record| record.account.clone()).collect();
        let group = self.state.group(&request.request.group).ok();
        let definition = group.map(|group| &group.definition);
        let checks = signed.check(&self.state, documents);
        for (account, commitments) in checks.first_messages {
            let first = *self.commitments.entry((account.clone(), commitments)).or_insert(index);
            if first != index {
                self.reused_nonces.push(ReusedNonces { account, first, second: index });
            }
        }
        let faults = [self.consents.fault(signed.request, &signers), checks.fault];
        self.faults.extend(faults.into_iter().flatten().map(|why| Fault::Signature {
            index,
            request: signed.request,
            why,
        }));
        self.signatures.push(SignatureReport {
            index,
            request: signed.request,
            request_index: request.index,
            group: request.request.group.clone(),
            at,
            min_signers: definition.map_or(0, |it| it.min_signers),
            max_signers: definition.map_or(0, |it| it.members.len()),
            signature: hex::encode(signed.signature),
            signers,
            sum: checks.sum,
            shares: checks.shares,
            document: checks.document,
            confirmed_by: Vec::new(),
            late: at > request.request.expires_at,
        });
    }
}
