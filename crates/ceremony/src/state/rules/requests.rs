//! Requests: how they are made, voted on, and signed.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::ToSign;
use crate::entry::{MOST_SIGNATURES, Request, Role, SignerRecord};
use crate::evidence;
use crate::names::{AccountName, Digest, EntryId, GroupName, SessionId, Timestamp};
use crate::policy::OutputFormat;
use crate::signing::{SigningSession, Subject};
use crate::state::model::group::Group;
use crate::state::model::key::{GroupKey, Unable};
use crate::state::model::request::{LoggedSignature, Refused, RequestState, Status};
use crate::state::refusal::{Entries, Groups, Refusal, Requests};
use crate::state::{Event, IvnState};

impl Group {
    /// Why the group does not sign in this format, if it does not.
    pub fn refuses_format(&self, format: &OutputFormat) -> Option<Refused> {
        let policy = &self.definition.policy;
        (!policy.serves(format)).then(|| Refused::FormatNotServed {
            group: self.definition.name.clone(),
            format: format.clone(),
            served: policy.formats.clone(),
        })
    }
}

impl IvnState {
    pub(in crate::state) fn request_made(
        &mut self,
        id: EntryId,
        author: &AccountName,
        request: &Request,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        if self.requests.contains_key(&id) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        let refused = self.judge_request(author, request, at)?;
        let group = self.group(&request.group)?;
        let policy = &group.definition.policy;
        let consents =
            refused.is_none() && group.has_member(author) && policy.rule.requester_may_approve;
        let mut state = RequestState {
            id,
            index: self.size(),
            requester: author.clone(),
            at,
            request: request.clone(),
            policy: policy.clone(),
            approvals_required: policy.rule.approvals_required,
            approvals: BTreeSet::new(),
            refusals: BTreeMap::new(),
            status: Status::Open,
            signatures: Vec::new(),
            was_approved: false,
            ended_at: None,
        };
        if consents {
            state.approvals.insert(author.clone());
        }
        let event = match refused {
            Some(refused) => {
                state.set(Status::Refused(refused), at);
                Event::RequestRefused(id)
            }
            None => Event::RequestOpened(id),
        };
        if event == Event::RequestOpened(id) {
            self.documents.entry(request.document).or_insert(id);
        }
        self.requests.insert(id, state);
        Ok(vec![event])
    }

    /// Returns why the log would record a request that `author` states at `at` as refused by rule.
    /// Absent: the request would be open.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the log would not admit the request at all.
    pub fn judge_request(
        &self,
        author: &AccountName,
        request: &Request,
        at: Timestamp,
    ) -> Result<Option<Refused>, Refusal> {
        let group = self.group(&request.group)?;
        if group.key.is_none() {
            return Err(Groups::NoKey { group: request.group.clone() }.into());
        }
        group.check_in_use()?;
        if !(1..=MOST_SIGNATURES).contains(&request.signatures) {
            return Err(Requests::Signatures { most: MOST_SIGNATURES }.into());
        }
        // A member with keys from an admin cannot make requests in the member's name, because nodes
        // may approve them automatically.
        if group.has_member(author) && !group.has_say(author) {
            return Err(
                Groups::NoShare { account: author.clone(), group: request.group.clone() }.into()
            );
        }
        let policy = &group.definition.policy;
        if policy.hash() != request.policy {
            return Err(Requests::PolicyChanged.into());
        }
        let now = self.judged_at(group, author, at);
        if request.expires_at <= now || request.expires_at > at.plus(policy.rule.expiry) {
            return Err(Requests::Expiry { longest_hours: policy.rule.expiry / 3_600_000 }.into());
        }
        let is_member = group.has_member(author);
        // An account with the requester role may ask every group, and has no vote in it.
        let may_ask = is_member || self.account(author)?.roles.contains(&Role::Requester);
        Ok(if !may_ask {
            Some(Refused::NotAuthorized { requester: author.clone(), group: request.group.clone() })
        } else if !group.serves(request.document_type.as_ref()) {
            Some(Refused::TypeNotServed {
                group: request.group.clone(),
                document_type: request.document_type.clone(),
            })
        } else {
            group.refuses_format(request.output.format())
        })
    }

    /// Returns the pending request if `author` may approve it at `now`.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the author may not.
    pub fn votable(
        &self,
        author: &AccountName,
        id: EntryId,
        now: Timestamp,
    ) -> Result<&RequestState, Refusal> {
        let state = self.with_vote(author, id)?;
        if state.approvals.contains(author) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        // An approved request accepts more approvals: each adds a spare signer.
        if !self.is_pending(state, author, now) {
            return Err(Requests::RequestOver { request: id }.into());
        }
        if !state.policy.rule.requester_may_approve && state.requester == *author {
            return Err(Requests::RequesterMayNotApprove.into());
        }
        Ok(state)
    }

    /// Returns the pending request if `author` may reject it at `now`. A member that approved it
    /// may still do so until it is signed: the approval is then void. Others may do so only until
    /// enough members have approved.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the author may not.
    pub fn rejectable(
        &self,
        author: &AccountName,
        id: EntryId,
        now: Timestamp,
    ) -> Result<&RequestState, Refusal> {
        let state = self.with_vote(author, id)?;
        if state.approvals.contains(author) && self.is_pending(state, author, now) {
            return Ok(state);
        }
        match state.status {
            Status::Open => self.votable(author, id, now),
            _ => Err(Requests::RequestOver { request: id }.into()),
        }
    }

    /// Whether the request can still change when `author` states something about it at `at`.
    fn is_pending(&self, state: &RequestState, author: &AccountName, at: Timestamp) -> bool {
        let group = self.groups.get(&state.request.group);
        group.is_some_and(|group| state.is_pending(self.judged_at(group, author, at)))
    }

    /// Returns the request if `author` has a vote in its group, and has not rejected it.
    fn with_vote(&self, author: &AccountName, id: EntryId) -> Result<&RequestState, Refusal> {
        let state = self.request(id)?;
        let group = self.group(&state.request.group)?;
        if !group.has_member(author) {
            return Err(Groups::NotAMember {
                account: author.clone(),
                group: state.request.group.clone(),
            }
            .into());
        }
        if !group.has_say(author) {
            let group = state.request.group.clone();
            return Err(Groups::NoShare { account: author.clone(), group }.into());
        }
        if state.refusals.contains_key(author) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        Ok(state)
    }

    /// Checks that `author` may withdraw the request at `now`: only its requester may, as long as
    /// the request is not signed.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the author may not.
    pub fn withdrawable(
        &self,
        author: &AccountName,
        id: EntryId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let state = self.request(id)?;
        if state.requester != *author {
            return Err(Requests::NotRequester { requester: state.requester.clone() }.into());
        }
        match self.is_pending(state, author, now) {
            true => Ok(()),
            false => Err(Requests::RequestOver { request: id }.into()),
        }
    }

    pub(in crate::state) fn withdraw_request(
        &mut self,
        author: &AccountName,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        self.withdrawable(author, id, at)?;
        let now = self.judged_at(self.group(&self.request(id)?.request.group)?, author, at);
        if let Some(state) = self.requests.get_mut(&id) {
            state.set(Status::Withdrawn, now);
        }
        Ok(vec![Event::RequestWithdrawn(id)])
    }

    pub(in crate::state) fn vote_on_request(
        &mut self,
        author: &AccountName,
        id: EntryId,
        refusal: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let state = match refusal {
            None => self.votable(author, id, at)?,
            Some(_) => self.rejectable(author, id, at)?,
        };
        let group = state.request.group.clone();
        let now = self.judged_at(self.group(&group)?, author, at);
        let (Some(state), Some(group)) = (self.requests.get_mut(&id), self.groups.get(&group))
        else {
            return Err(Requests::UnknownRequest { request: id }.into());
        };
        let before = state.status.clone();
        match refusal {
            None => drop(state.approvals.insert(author.clone())),
            Some(reason) => {
                state.approvals.remove(author);
                state.refusals.insert(author.clone(), reason.to_owned());
            }
        }
        let (mut status, event) = state.outcome(group);
        // An approval never rejects: a suspended member that is resumed can approve again.
        if refusal.is_none() && status == Status::Rejected {
            status = Status::Open;
        }
        let mut events = vec![Event::RequestVoted(id)];
        if status != before && status != Status::Open {
            events.push(event);
        }
        state.set(status, now);
        Ok(events)
    }

    /// Records a signature. Its signers are checked here, by each signer's own signed messages and
    /// the sum of their shares. Whether the signature verifies can be checked only with the
    /// document, which the log does not contain.
    pub(in crate::state) fn signed(
        &mut self,
        id: EntryId,
        session: SessionId,
        signature: &[u8],
        signers: &[SignerRecord],
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let state = self.request(id)?;
        if state.status != Status::Approved {
            return Err(Requests::NotApproved { request: id }.into());
        }
        let group = self.group(&state.request.group)?;
        let proved = self.plausible(group, at);
        let ended = at.max(self.time_of(group));
        let key = group.key.as_ref().ok_or(Requests::Signers)?;
        let subject = Subject::Request { request: id };
        let (ivn, epoch, number) = (self.ivn, key.epoch, state.next_signature());
        let context = SigningSession { ivn, session, epoch, subject, number };
        let shown = self.check_signers(key, &context, signature, signers)?;
        if !shown.iter().all(|name| state.approvals.contains(name)) {
            return Err(Requests::Signers.into());
        }
        let index = self.size();
        let Some(state) = self.requests.get_mut(&id) else {
            return Err(Requests::UnknownRequest { request: id }.into());
        };
        // Each signature share proves possession of a share of the key.
        if let Some(group) = self.groups.get_mut(&state.request.group) {
            group.note_proof(&shown, proved);
        }
        let signature = signature.to_vec();
        state.signatures.push(LoggedSignature { index, signature, signers: shown });
        if state.next_signature() < state.request.signatures {
            return Ok(vec![Event::RequestPartlySigned(id)]);
        }
        state.set(Status::Signed, ended);
        Ok(vec![Event::RequestSigned(id)])
    }

    /// Returns what determines the bytes of a request's signature with this number, besides the
    /// document: nothing if the log lacks an earlier one.
    pub fn to_sign(&self, id: EntryId, number: u8) -> Option<ToSign> {
        let state = self.requests.get(&id)?;
        let group = self.groups.get(&state.request.group)?;
        let earlier = state.signatures.get(..usize::from(number))?;
        Some(ToSign {
            request: state.request.clone(),
            key: group.key.as_ref()?.public.verifying_key().clone(),
            earlier: earlier.iter().map(|logged| logged.signature.clone()).collect(),
        })
    }

    /// As [`Self::to_sign`], for the signature that comes next.
    pub fn next_to_sign(&self, id: EntryId) -> Option<ToSign> {
        self.to_sign(id, self.requests.get(&id)?.next_signature())
    }

    /// Which of its signatures a subject gets next; 0 is the first.
    pub fn number_of(&self, subject: Subject) -> u8 {
        match subject {
            Subject::Request { request } => {
                self.requests.get(&request).map_or(0, RequestState::next_signature)
            }
            Subject::Activation { .. } => 0,
        }
    }

    /// Returns the accounts in `signers`, if each signed its messages of all rounds of this
    /// session, and their shares add up to the signature.
    ///
    /// Otherwise a coordinator could log a signature under the names of other members, with shares
    /// from a failed session or shares that make no signature.
    fn check_signers(
        &self,
        key: &GroupKey,
        context: &SigningSession,
        signature: &[u8],
        signers: &[SignerRecord],
    ) -> Result<Vec<AccountName>, Refusal> {
        for record in signers {
            key.identifiers.get(&record.account).ok_or(Requests::Signers)?;
            self.account(&record.account)?;
        }
        let known = |account: &AccountName| {
            Some((*key.identifiers.get(account)?, self.accounts.get(account)?.keys.identity))
        };
        let board = evidence::read(context, key.public.suite(), signers, known)
            .map_err(|_| Requests::Signers)?;
        if signers.len() < key.min_signers() || board.check(&key.public, None, signature).is_err() {
            return Err(Requests::Signers.into());
        }
        Ok(signers.iter().map(|record| record.account.clone()).collect())
    }

    /// Continues the group's undecided requests under its new members and key.
    pub(in crate::state) fn move_requests(&mut self, name: &GroupName) -> Vec<Event> {
        let Some(group) = self.groups.get(name) else { return Vec::new() };
        let now = self.time_of(group);
        let requests = self.requests.values_mut();
        requests
            .filter(|state| state.request.group == *name)
            .filter(|state| matches!(state.status, Status::Open | Status::Approved))
            .map(|state| state.move_to(group, now))
            .collect()
    }

    /// The request that was opened for a document: only the first counts, because anyone can copy a
    /// commitment from the log into a new request.
    pub fn request_of_document(&self, document: Digest) -> Option<&RequestState> {
        self.requests.get(self.documents.get(&document)?)
    }

    /// Returns since when the document of a request is to be deleted, if it is, by the group's
    /// time: the request has ended, and the policy that it pinned keeps documents no longer.
    pub fn document_deleted_since(&self, state: &RequestState) -> Option<Timestamp> {
        let group = self.groups.get(&state.request.group)?;
        state.document_deleted_at(self.time_of(group))
    }

    /// Returns the documents of which all copies are to be deleted.
    ///
    /// The first request for a document decides, because anyone can copy a commitment from the log
    /// into a new request.
    pub fn documents_to_delete(&self) -> BTreeSet<Digest> {
        let times: BTreeMap<_, _> =
            self.groups.iter().map(|(name, group)| (name, self.time_of(group))).collect();
        let first = self.documents.iter().filter_map(|(document, id)| {
            let state = self.requests.get(id)?;
            Some((document, state.document_deleted_at(*times.get(&state.request.group)?)?))
        });
        first.map(|(document, _)| *document).collect()
    }

    /// Whether an account may read a document: it requested it, or is a member of the group that is
    /// to sign it, and the document is not to be deleted.
    pub fn may_read(&self, account: &AccountName, document: Digest) -> bool {
        self.request_of_document(document).is_some_and(|state| {
            let replaced = self.accounts.get(account).and_then(|account| account.replaced);
            // The owner of keys that an admin gave to the requester may not read it,
            let asked =
                state.requester == *account && replaced.is_none_or(|since| since < state.index);
            // nor the owner of keys that an admin gave to a member, until the other members give it
            // a share.
            // A member that joined later reads only what it can still decide.
            let decides = self.groups.get(&state.request.group).is_some_and(|group| {
                let undecided = matches!(state.status, Status::Open | Status::Approved);
                let knew = group.joined.get(account).is_none_or(|joined| *joined < state.index);
                group.has_member(account)
                    && group.unable(account) != Some(Unable::Replaced)
                    && (knew || undecided)
            });
            (asked || decides) && self.document_deleted_since(state).is_none()
        })
    }

    /// Whether an account may read the title of a document: its name, message and hash. Auditors
    /// may, besides those who may read the document.
    pub fn may_read_title(&self, account: &AccountName, document: Digest) -> bool {
        let is_kept = || {
            self.request_of_document(document)
                .is_some_and(|state| self.document_deleted_since(state).is_none())
        };
        self.is_auditor(account) && is_kept() || self.may_read(account, document)
    }

    /// Whether an account has the role of an auditor, and is not suspended.
    pub fn is_auditor(&self, account: &AccountName) -> bool {
        self.account(account)
            .is_ok_and(|account| !account.suspended && account.roles.contains(&Role::Auditor))
    }
}
