//! Checks of signatures that the fold leaves out. Some need the document, and some repeat the
//! fold's checks from the entries alone, so that invariant S2 does not depend on one piece of
//! bookkeeping.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::signing::{Board, Error};

use super::fault::SignatureFault;
use super::report::Check;
use crate::document::{Documents, NotChecked};
use crate::entry::SignerRecord;
use crate::evidence::{self, NoEvidence};
use crate::names::{AccountName, EntryId, GroupName, SessionId};
use crate::signing::{FIRST_EPOCH, SigningSession, Subject};
use crate::state::{Group, GroupKey, IvnState, RequestState};

#[derive(Debug, Default)]
pub(super) struct Consents(BTreeMap<EntryId, Asked>);

#[derive(Debug)]
struct Asked {
    group: GroupName,
    required: u16,
    min_signers: u16,
    consented: BTreeSet<AccountName>,
}

impl Consents {
    /// Adds a request, admitted as `state`, to `group`.
    pub(super) fn requested(&mut self, state: &RequestState, group: &Group) {
        let consents = state.policy.rule.requester_may_approve && group.has_say(&state.requester);
        let asked = Asked {
            group: group.definition.name.clone(),
            required: state.policy.rule.approvals_required,
            min_signers: group.definition.min_signers,
            consented: consents.then(|| state.requester.clone()).into_iter().collect(),
        };
        self.0.insert(state.id, asked);
    }

    /// The group has started a new epoch. Only approvals of the present holders count, and never
    /// fewer than before.
    pub(super) fn moved(&mut self, group: &Group) {
        let definition = &group.definition;
        for asked in self.0.values_mut().filter(|asked| asked.group == definition.name) {
            asked.consented.retain(|name| group.has_member(name));
            asked.min_signers = definition.min_signers;
            asked.required = asked.required.max(definition.min_signers);
        }
    }

    /// This account cannot sign any more, so its approvals of unsigned requests are void.
    pub(super) fn void(&mut self, account: &AccountName) {
        for asked in self.0.values_mut() {
            asked.consented.remove(account);
        }
    }

    pub(super) fn consented(&mut self, request: EntryId, account: &AccountName) {
        if let Some(asked) = self.0.get_mut(&request) {
            asked.consented.insert(account.clone());
        }
    }

    /// A member rejects what it may have approved.
    pub(super) fn rejected(&mut self, request: EntryId, account: &AccountName) {
        if let Some(asked) = self.0.get_mut(&request) {
            asked.consented.remove(account);
        }
    }

    /// The requester withdraws the request, so it must not be signed.
    pub(super) fn withdrawn(&mut self, request: EntryId) {
        self.0.remove(&request);
    }

    /// Returns what is wrong with a new signature by these signers.
    pub(super) fn fault(
        &self,
        request: EntryId,
        signers: &[AccountName],
    ) -> Option<SignatureFault> {
        let Some(asked) = self.0.get(&request) else { return Some(SignatureFault::NotRequested) };
        let approvals = asked.consented.len();
        if approvals < usize::from(asked.required) {
            return Some(SignatureFault::NotApproved { approvals, required: asked.required });
        }
        if let Some(account) = signers.iter().find(|signer| !asked.consented.contains(*signer)) {
            return Some(SignatureFault::WithoutConsent { account: account.clone() });
        }
        let distinct: BTreeSet<_> = signers.iter().collect();
        let (signers, min_signers) = (distinct.len(), asked.min_signers);
        (signers < usize::from(min_signers))
            .then_some(SignatureFault::TooFewSigners { signers, min_signers })
    }
}

pub(super) struct Signed<'a> {
    pub(super) request: EntryId,
    /// The number of the request's earlier signatures.
    pub(super) number: u8,
    pub(super) session: SessionId,
    pub(super) signature: &'a [u8],
    pub(super) signers: &'a [SignerRecord],
}

#[derive(Debug)]
pub(super) struct Checks {
    pub(super) sum: Check,
    pub(super) shares: Check,
    pub(super) document: Check,
    pub(super) fault: Option<SignatureFault>,
    /// The signers' messages of the first round. Each is unique to the nonces of its signer.
    pub(super) first_messages: Vec<(AccountName, Vec<u8>)>,
}

impl Checks {
    const FAILED_BEFORE: Check = Check::NotChecked { why: NotChecked::FailedBefore };

    fn failed(fault: SignatureFault) -> Self {
        Self {
            sum: Self::FAILED_BEFORE,
            shares: Self::FAILED_BEFORE,
            document: Self::FAILED_BEFORE,
            fault: Some(fault),
            first_messages: Vec::new(),
        }
    }
}

impl Signed<'_> {
    /// Checks the shares and the signature, with the document if `documents` contains it.
    pub(super) fn check(&self, state: &IvnState, documents: &mut dyn Documents) -> Checks {
        let found =
            state.request(self.request).and_then(|request| state.group(&request.request.group));
        let Ok(group) = found else {
            return Checks::failed(SignatureFault::NotRequested);
        };
        let Some(key) = &group.key else { return Checks::failed(SignatureFault::NotRequested) };
        let board = match self.board(state, key) {
            Ok(board) => board,
            Err(fault) => return Checks::failed(fault),
        };
        let first = board.rounds().first().into_iter().flatten();
        let first = first.filter_map(|(from, sent)| Some((key.holder(*from)?, sent)));
        let first_messages = first.map(|(name, sent)| (name.clone(), sent.clone())).collect();
        let Some(wanted) = state.to_sign(self.request, self.number) else {
            return Checks::failed(SignatureFault::NotRequested);
        };
        let message = documents.to_be_signed(self.request, &wanted);
        let checks = self.check_board(key, &board, message);
        Checks { first_messages, ..checks }
    }

    fn check_board(
        &self,
        key: &GroupKey,
        board: &Board,
        message: Result<Vec<u8>, NotChecked>,
    ) -> Checks {
        if board.check(&key.public, None, self.signature).is_err() {
            let sum = Check::Failed;
            return Checks { sum, ..Checks::failed(SignatureFault::Sum) };
        }
        let sum = Check::Verified;
        let message = match message {
            Ok(message) => message,
            Err(why) => {
                let not_checked = Check::NotChecked { why };
                let fault =
                    (why == NotChecked::OtherDocument).then_some(SignatureFault::OtherDocument);
                let (shares, document) = (not_checked, not_checked);
                return Checks { sum, shares, document, fault, first_messages: Vec::new() };
            }
        };
        let shares = Check::Verified;
        let (document, fault) = match board.check(&key.public, Some(&message), self.signature) {
            Ok(()) => (Check::Verified, None),
            Err(Error::InvalidSignature) => (Check::Failed, Some(SignatureFault::Document)),
            Err(error) => {
                let shares = Check::Failed;
                return Checks { sum, shares, ..Checks::failed(self.wrong_share(key, &error)) };
            }
        };
        Checks { sum, shares, document, fault, first_messages: Vec::new() }
    }

    /// The fault of the first signer whose share is wrong.
    fn wrong_share(&self, key: &GroupKey, error: &Error) -> SignatureFault {
        let culprits = error.culprits();
        let is_wrong = |account: &&AccountName| {
            let identifier = key.identifiers.get(*account);
            culprits.is_empty() || identifier.is_some_and(|it| culprits.contains(it))
        };
        let wrong = self.signers.iter().map(|record| &record.account).find(is_wrong);
        wrong.map_or(SignatureFault::Sum, |account| SignatureFault::Share {
            account: account.clone(),
        })
    }

    /// Opens the signers' messages. Fails if one is not signed by its signer.
    fn board(&self, state: &IvnState, key: &GroupKey) -> Result<Board, SignatureFault> {
        let known = |account: &AccountName| {
            Some((*key.identifiers.get(account)?, state.identity_key(account)?))
        };
        let read = evidence::read(&self.context(state), key.public.suite(), self.signers, known);
        read.map_err(|error| match error {
            NoEvidence::Signer(account) => SignatureFault::Messages { account: account.clone() },
            NoEvidence::Suite => SignatureFault::Sum,
        })
    }

    fn context(&self, state: &IvnState) -> SigningSession {
        let subject = Subject::Request { request: self.request };
        let epoch = state.epoch_of(subject).unwrap_or(FIRST_EPOCH);
        let (session, number) = (self.session, self.number);
        SigningSession { ivn: state.ivn(), session, epoch, subject, number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::NoDocuments;
    use crate::test_world::{TestLog, board, session};

    fn name(name: &str) -> AccountName {
        name.parse().unwrap()
    }

    fn names(list: &[&str]) -> Vec<AccountName> {
        list.iter().map(|text| name(text)).collect()
    }

    const REQUEST: EntryId = EntryId::new([1; 32]);

    fn consents(of: &[&str]) -> Consents {
        let asked = Asked {
            group: "board".parse().unwrap(),
            required: 3,
            min_signers: 2,
            consented: names(of).into_iter().collect(),
        };
        Consents(BTreeMap::from([(REQUEST, asked)]))
    }

    #[test]
    fn a_signature_before_its_request_is_a_fault() {
        let other = EntryId::new([2; 32]);
        let fault = consents(&["ada", "bob", "eve"]).fault(other, &names(&["ada", "bob"]));
        assert_eq!(fault, Some(SignatureFault::NotRequested));
    }

    #[test]
    fn a_signature_before_enough_approvals_is_a_fault() {
        let mut consents = consents(&["ada", "bob"]);
        let fault = consents.fault(REQUEST, &names(&["ada", "bob"]));
        assert_eq!(fault, Some(SignatureFault::NotApproved { approvals: 2, required: 3 }));
        consents.consented(REQUEST, &name("eve"));
        assert_eq!(consents.fault(REQUEST, &names(&["ada", "bob"])), None);
    }

    #[test]
    fn a_signer_that_did_not_approve_is_a_fault() {
        let fault = consents(&["ada", "bob", "eve"]).fault(REQUEST, &names(&["ada", "mallory"]));
        assert_eq!(fault, Some(SignatureFault::WithoutConsent { account: name("mallory") }));
    }

    #[test]
    fn a_void_approval_and_a_withdrawn_request_do_not_count() {
        let mut log = TestLog::keyed();
        let request = log.requests("ada", log.request()).unwrap();
        let asked = || {
            let mut asked = Consents::default();
            let (state, group) = (log.state.request(request), log.state.group(&board()));
            asked.requested(state.unwrap(), group.unwrap());
            asked.consented(request, &name("ben"));
            asked
        };
        let signers = [name("ada"), name("ben")];
        assert_eq!(asked().fault(request, &signers), None);
        let mut rejected = asked();
        rejected.rejected(request, &name("ben"));
        let fault = rejected.fault(request, &signers);
        assert_eq!(fault, Some(SignatureFault::NotApproved { approvals: 1, required: 2 }));
        let mut withdrawn = asked();
        withdrawn.withdrawn(request);
        assert_eq!(withdrawn.fault(request, &signers), Some(SignatureFault::NotRequested));
    }

    #[test]
    fn a_request_approves_only_by_a_member_whose_policy_permits_it() {
        for (requester_may_approve, requester, consents) in
            [(true, "ada", true), (false, "ada", false), (true, "out", false)]
        {
            let mut definition = TestLog::peopled().board_of_three();
            definition.policy.rule.requester_may_approve = requester_may_approve;
            let mut log = TestLog::keyed_with(definition);
            let request = log.requests(requester, log.request()).unwrap();
            let mut asked = Consents::default();
            let (state, group) = (log.state.request(request), log.state.group(&board()));
            asked.requested(state.unwrap(), group.unwrap());
            assert_eq!(!asked.0[&request].consented.is_empty(), consents, "{requester}");
        }
    }

    #[test]
    fn a_signature_that_is_not_the_sum_of_shares_is_a_fault() {
        let mut log = TestLog::keyed();
        let request = log.requests("ada", log.request()).unwrap();
        log.approves("ben", request).unwrap();
        let session = session(7);
        let signers = log.records(&["ada", "ben"], session, Subject::Request { request });
        let check = |signature: &[u8]| {
            let signed = Signed { request, number: 0, session, signature, signers: &signers };
            let checks = signed.check(&log.state, &mut NoDocuments);
            (checks.sum, checks.fault)
        };
        let mut signature = log.signature().0;
        assert_eq!(check(&signature), (Check::Verified, None));
        signature[32] ^= 1;
        assert_eq!(check(&signature), (Check::Failed, Some(SignatureFault::Sum)));
    }

    #[test]
    fn one_signer_named_twice_is_one_signer() {
        let fault = consents(&["ada", "bob", "eve"]).fault(REQUEST, &names(&["ada", "ada"]));
        assert_eq!(fault, Some(SignatureFault::TooFewSigners { signers: 1, min_signers: 2 }));
    }
}
