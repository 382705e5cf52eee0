//! Checks of signatures that the fold leaves out. Some need the document, and some repeat the
//! fold's checks from the entries alone, so that invariant S2 does not depend on one piece of
//! bookkeeping.

use std::collections::{BTreeMap, BTreeSet};

use curve25519_dalek::Scalar;
use quorate_protocol::Identifier;
use quorate_protocol::sign::{self, Commitments, Signature, SignatureShare};

use super::fault::SignatureFault;
use super::report::Check;
use crate::document::{Documents, NotChecked};
use crate::entry::SignerRecord;
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
}

impl Checks {
    const FAILED_BEFORE: Check = Check::NotChecked { why: NotChecked::FailedBefore };

    fn failed(fault: SignatureFault) -> Self {
        Self {
            sum: Self::FAILED_BEFORE,
            shares: Self::FAILED_BEFORE,
            document: Self::FAILED_BEFORE,
            fault: Some(fault),
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
        let contributions = match self.contributions(state, key) {
            Ok(contributions) => contributions,
            Err(fault) => return Checks::failed(fault),
        };
        if !contributions.add_up_to(self.signature) {
            let sum = Check::Failed;
            return Checks { sum, ..Checks::failed(SignatureFault::Sum) };
        }
        let sum = Check::Verified;
        let Some(wanted) = state.to_sign(self.request, self.number) else {
            return Checks::failed(SignatureFault::NotRequested);
        };
        let message = match documents.to_be_signed(self.request, &wanted) {
            Ok(message) => message,
            Err(why) => {
                let not_checked = Check::NotChecked { why };
                let fault =
                    (why == NotChecked::OtherDocument).then_some(SignatureFault::OtherDocument);
                return Checks { sum, shares: not_checked, document: not_checked, fault };
            }
        };
        if let Some(account) = contributions.wrong_share(key, &message) {
            let fault = SignatureFault::Share { account };
            return Checks { sum, shares: Check::Failed, ..Checks::failed(fault) };
        }
        let shares = Check::Verified;
        let verifies = Signature::from_bytes(self.signature).is_ok_and(|signature| {
            sign::verify(key.public.verifying_key(), &message, &signature).is_ok()
        });
        if verifies {
            Checks { sum, shares, document: Check::Verified, fault: None }
        } else {
            let fault = Some(SignatureFault::Document);
            Checks { sum, shares, document: Check::Failed, fault }
        }
    }

    /// Opens the signers' messages. Fails if one is not signed by its signer.
    fn contributions(
        &self,
        state: &IvnState,
        key: &GroupKey,
    ) -> Result<Contributions, SignatureFault> {
        let session = self.context(state);
        let mut commitments = BTreeMap::new();
        for record in self.signers {
            let opened = key.identifiers.get(&record.account).and_then(|identifier| {
                let key = state.identity_key(&record.account)?;
                let theirs = session.open_commitments(&record.account, key, &record.commitments);
                Some((*identifier, theirs.ok()?))
            });
            commitments.extend([opened.ok_or_else(|| messages_of(record))?]);
        }
        let package = session.package(&commitments);
        let mut shares = BTreeMap::new();
        for record in self.signers {
            let opened = key.identifiers.get(&record.account).and_then(|identifier| {
                let key = state.identity_key(&record.account)?;
                let theirs = session.open_share(&record.account, key, package, &record.share);
                Some((*identifier, theirs.ok()?))
            });
            shares.extend([opened.ok_or_else(|| messages_of(record))?]);
        }
        Ok(Contributions { commitments, shares })
    }

    /// Each signer's commitments, 64 bytes.
    pub(super) fn commitments(&self, state: &IvnState) -> Vec<(AccountName, [u8; 64])> {
        let session = self.context(state);
        let opened = self.signers.iter().filter_map(|record| {
            let key = state.identity_key(&record.account)?;
            let theirs =
                session.open_commitments(&record.account, key, &record.commitments).ok()?;
            Some((record.account.clone(), theirs.to_bytes()))
        });
        opened.collect()
    }

    fn context(&self, state: &IvnState) -> SigningSession {
        let subject = Subject::Request { request: self.request };
        let epoch = state.epoch_of(subject).unwrap_or(FIRST_EPOCH);
        let (session, number) = (self.session, self.number);
        SigningSession { ivn: state.ivn(), session, epoch, subject, number }
    }
}

fn messages_of(record: &SignerRecord) -> SignatureFault {
    SignatureFault::Messages { account: record.account.clone() }
}

struct Contributions {
    commitments: BTreeMap<Identifier, Commitments>,
    shares: BTreeMap<Identifier, SignatureShare>,
}

impl Contributions {
    /// Whether the shares' sum is the scalar of the signature (RFC 9591, section 5.3).
    ///
    /// This needs no document. It repeats a check of the fold with different code.
    fn add_up_to(&self, signature: &[u8]) -> bool {
        let Some((_, scalar)) = signature.split_first_chunk::<32>() else { return false };
        let mut sum = Scalar::ZERO;
        for share in self.shares.values() {
            let share = Option::<Scalar>::from(Scalar::from_canonical_bytes(share.to_bytes()));
            let Some(share) = share else { return false };
            sum += share;
        }
        sum.as_bytes() == scalar
    }

    /// The signer whose share is wrong for `message`.
    fn wrong_share(&self, key: &GroupKey, message: &[u8]) -> Option<AccountName> {
        let wrong = self.shares.iter().find(|(from, share)| {
            sign::verify_share(&key.public, &self.commitments, **from, share, message).is_err()
        });
        wrong.and_then(|(from, _)| key.holder(*from).cloned())
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
    fn shares_of_a_different_signature_do_not_add_up() {
        let share = |number: u8| {
            let mut bytes = [0; 32];
            bytes[0] = number;
            SignatureShare::from_bytes(&bytes).unwrap()
        };
        let of = |number: u16| Identifier::try_from(number).unwrap();
        let shares = BTreeMap::from([(of(1), share(3)), (of(2), share(4))]);
        let contributions = Contributions { commitments: BTreeMap::new(), shares };
        let mut signature = [0; 64];
        signature[32] = 7;
        assert!(contributions.add_up_to(&signature));
        signature[32] = 8;
        assert!(!contributions.add_up_to(&signature));
        assert!(!contributions.add_up_to(&signature[..63]));
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
