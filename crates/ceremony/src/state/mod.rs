//! The one fold over log entries that node, coordinator and auditor share.
//!
//! [`IvnState::apply`] decides whether an entry is admissible and, if so, what it changes. An
//! honest coordinator appends only entries that its own fold admits. So an inadmissible entry in
//! the log is the coordinator's fault, and a node that meets one stops following. A request by an
//! account that may not make it *is* admissible: the log records it as refused, and every reader
//! computes that refusal.
//!
//! `apply` validates before it changes anything: an inadmissible entry leaves the state as it was.

pub mod clock;
mod event;
mod health;
mod model;
pub mod refusal;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::key::LogVerifier;
use quorate_log::leaf_hash;
use quorate_log::tree::Frontier;

use crate::entry::{Author, Body, CoordinatorKeys, Entry, Genesis, Invitation, Role, Statement};
use crate::identity::PublicKey;
use crate::names::{AccountName, Digest, EntryId, GroupName, IvnId, SessionId, Timestamp};
use crate::signing::Subject;
use crate::state::refusal::{Accounts, Entries, Groups, Replacements, Requests};

pub use event::Event;
pub use health::Shortfall;
pub use model::change::{Change, ChangeEnd, PastChange};
pub use model::confirmation::Confirmation;
pub use model::group::{Group, MOST_SIGNERS};
pub use model::key::{GroupKey, HEALTHY_FOR, Health, PastEpoch, Unable, possession_context};
pub use model::plan::{SessionBoard, SessionPlan};
use model::replacement::Coordinators;
pub use model::replacement::ReplacementState;
pub use model::request::{LoggedSignature, Refused, RequestStage, RequestState, Status};
pub use model::roster::Account;
use model::roster::{Decision, Invited, check_deployment};
pub use model::session::{ActivationRecord, PastSession, Session, SessionPhase};
use model::turn::Turn;
pub use refusal::Refusal;

/// The most bytes of a reason for a rejection.
const MAX_REASON: usize = 500;

/// Whether a text can be the reason for a rejection, or for a new coordinator. All readers of the
/// log keep it, and JSON takes six bytes for a control character.
pub fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_REASON && !text.chars().any(char::is_control)
}

/// The state of the log at one size.
#[derive(Clone, Debug)]
pub struct IvnState {
    ivn: IvnId,
    genesis: Genesis,
    coordinators: Coordinators,
    frontier: Frontier,
    accounts: BTreeMap<AccountName, Account>,
    invitations: BTreeMap<AccountName, Invitation>,
    invited: BTreeMap<AccountName, Invited>,
    /// The coordinator's address, and its author's time, if an admin announced one.
    hub: Option<(String, Turn)>,
    /// Every key that any account, or a coordinator after the first, ever had.
    keys: BTreeSet<PublicKey>,
    /// Removed accounts, and the index of the entry that removed each.
    former: BTreeMap<AccountName, u64>,
    groups: BTreeMap<GroupName, Group>,
    /// Every session that ever started: its group, and the index of the entry that started it.
    sessions: BTreeMap<SessionId, (GroupName, u64)>,
    changes: BTreeMap<EntryId, GroupName>,
    requests: BTreeMap<EntryId, RequestState>,
    /// The first request for each document that was not refused.
    documents: BTreeMap<Digest, EntryId>,
    /// Ids of entries whose effect a later entry can undo, such as votes by members who then leave.
    /// Without this set the coordinator could replay such an entry, which needs no key, and restore
    /// the old effect.
    said: BTreeSet<EntryId>,
}

#[expect(missing_docs, reason = "the names say it")]
impl IvnState {
    /// Returns the state after the genesis entry.
    ///
    /// # Errors
    ///
    /// Fails if the entry is not a genesis, or is not signed by the admin and the coordinator that
    /// it names.
    pub fn found(entry: &Entry) -> Result<Self, Refusal> {
        let Statement {
            ivn: None,
            author: Author::Account(admin),
            at,
            seen: 0,
            body: Body::Genesis(genesis),
        } = entry.statement()
        else {
            return Err(Entries::NotGenesis.into());
        };
        entry.verify(&[genesis.admin.identity, genesis.coordinator_key])?;
        check_deployment(&genesis.deployment)?;
        if !genesis.roles.contains(&Role::Admin) {
            return Err(Accounts::NotAdmin { account: admin.clone() }.into());
        }
        let founder = Account::new(genesis.roles.clone(), genesis.admin.clone(), 0, *at);
        let mut frontier = Frontier::default();
        frontier.append(leaf_hash(&entry.to_bytes()));
        Ok(Self {
            ivn: entry.ivn_id_as_genesis(),
            genesis: genesis.clone(),
            coordinators: Coordinators::new(genesis.coordinator()),
            frontier,
            accounts: BTreeMap::from([(admin.clone(), founder)]),
            invitations: BTreeMap::new(),
            invited: BTreeMap::new(),
            hub: None,
            keys: BTreeSet::from([genesis.admin.identity, genesis.admin.cosigner]),
            former: BTreeMap::new(),
            groups: BTreeMap::new(),
            sessions: BTreeMap::new(),
            changes: BTreeMap::new(),
            requests: BTreeMap::new(),
            documents: BTreeMap::new(),
            said: BTreeSet::new(),
        })
    }

    /// Adds the next entry of the log.
    ///
    /// # Errors
    ///
    /// Fails if the entry is not admissible here; the state is then as before.
    pub fn apply(&mut self, entry: &Entry) -> Result<Vec<Event>, Refusal> {
        let statement = entry.statement();
        if statement.ivn != Some(self.ivn) {
            return Err(Entries::OtherIvn.into());
        }
        match (&statement.author, &statement.body) {
            // These rules check the statement together with its keys.
            (Author::Account(_), Body::AccountAdmitted { .. } | Body::KeysRotated { .. }) => {}
            (Author::Account(name), _) => entry.verify(&[self.active(name)?.keys.identity])?,
            (Author::Coordinator, _) => {
                entry.verify(&[self.coordinators.keys().coordinator_key])?;
            }
        }
        if !statement.author.may_state(&statement.body) {
            return Err(Entries::WrongAuthor.into());
        }
        // What was stated before the members chose a history may be part of an abandoned one.
        if self.coordinators.since().is_some_and(|since| statement.at < since) {
            return Err(Replacements::BeforeReplacement.into());
        }
        let events = self.take(entry)?;
        if statement.body.class().reversible {
            let is_new = self.said.insert(entry.id());
            debug_assert!(is_new, "the rule for {} calls `check_unsaid`", statement.body.kind());
        }
        if !matches!(statement.body, Body::CoordinatorReplaced { .. }) {
            self.coordinators.end_vote();
        }
        self.frontier.append(leaf_hash(&entry.to_bytes()));
        if let Author::Account(name) = &statement.author
            && let Some(account) = self.accounts.get_mut(name)
        {
            account.stated = statement.at;
        }
        Ok(events)
    }

    /// Applies the rules for this kind of statement. The caller has checked that the author may
    /// make such statements.
    fn take(&mut self, entry: &Entry) -> Result<Vec<Event>, Refusal> {
        let Statement { author, at, seen, body, .. } = entry.statement();
        // A claim to have seen more than there is counts as all of it. Otherwise nothing could
        // replace that statement.
        let turn = Turn { seen: (*seen).min(self.size()), at: *at };
        let id = entry.id();
        let by = author.account().ok_or(Entries::WrongAuthor);
        match body {
            Body::Genesis(_) => Err(Entries::WrongAuthor.into()),
            Body::Invitation(invitation) => self.invite(id, by?, invitation, turn),
            Body::AccountAdmitted { keys } => self.admit(entry, by?, keys, *at),
            Body::KeysRotated { keys } => self.rotate_keys(entry, by?, keys),
            Body::AccountSuspended { account } => {
                self.decide(id, by?, account, Decision::Suspend, turn)
            }
            Body::AccountResumed { account } => {
                self.decide(id, by?, account, Decision::Resume, turn)
            }
            Body::AccountRemoved { account } => {
                self.decide(id, by?, account, Decision::Remove, turn)
            }
            Body::AccountRoles { account, roles } => {
                self.decide(id, by?, account, Decision::Roles(roles), turn)
            }
            Body::HubMoved { hub } => self.hub_moved(id, by?, hub, turn),
            Body::NodeStarted { incarnation } => self.node_started(id, by?, *incarnation, turn),
            Body::NodeDuplicated { incarnation, other } => {
                self.node_duplicated(by?, *incarnation, *other)
            }
            Body::GroupDefined(definition) => self.define_group(id, by?, definition, turn),
            Body::GroupAccepted { group, definition } => {
                self.accept_group(id, by?, group, *definition)
            }
            Body::GroupChange(proposal) => self.propose_change(id, by?, proposal, *at),
            Body::GroupChangeWithdrawn { change } => self.withdraw_change(by?, *change),
            Body::CeremonyStarted { group, session, attempt } => {
                self.ceremony_started(group, *session, *attempt, *at)
            }
            Body::CeremonyMessage { session, incarnation, message } => {
                self.ceremony_message(by?, *session, *incarnation, &message.0)
            }
            Body::CeremonyCertified { session, transcript, public_key_package } => {
                self.ceremony_certified(by?, *session, *transcript, *public_key_package, *at)
            }
            Body::CeremonyAborted { session, reason } => match by {
                Ok(admin) => self.ceremony_cancelled(admin, *session, reason),
                Err(_) => self.ceremony_aborted(*session, reason),
            },
            Body::EpochStarted { session, signature } => {
                self.epoch_started(*session, &signature.0, *at)
            }
            Body::ChangeConfirmed { group, epoch, checkpoint } => {
                self.change_confirmed(group, *epoch, checkpoint)
            }
            Body::ShareDestroyed { group, epoch } => self.share_destroyed(by?, group, *epoch),
            Body::ShareProved { group, epoch, proof } => {
                self.share_proved(by?, group, *epoch, &proof.0, turn)
            }
            Body::Request(request) => self.request_made(id, by?, request, *at),
            Body::RequestWithdrawn { request } => self.withdraw_request(by?, *request, *at),
            Body::Approval { request } => self.vote(id, by?, *request, None, *at),
            Body::Refusal { reason, .. } if !is_reason(reason) => Err(Requests::Reason.into()),
            Body::Refusal { request, reason } => self.vote(id, by?, *request, Some(reason), *at),
            Body::Signature { request, session, signature, signers } => {
                self.signed(*request, *session, &signature.0, signers, *at)
            }
            Body::CoordinatorReplaced { replacement, abandoned } => {
                self.replace_coordinator(by?, replacement, *abandoned, *at)
            }
        }
    }

    /// An approval, or the reason for a rejection, of a request or of a change of a group.
    fn vote(
        &mut self,
        id: EntryId,
        author: &AccountName,
        on: EntryId,
        refusal: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_unsaid(id, author)?;
        match self.changes.contains_key(&on) {
            true => self.vote_on_change(author, on, refusal, at),
            false => self.vote_on_request(author, on, refusal, at),
        }
    }

    /// Rejects an entry that is already in the log. Every rule for a kind that
    /// [`crate::entry::Class::reversible`] names calls this.
    fn check_unsaid(&self, id: EntryId, author: &AccountName) -> Result<(), Refusal> {
        match self.said.contains(&id) {
            true => Err(Entries::AlreadySaid { account: author.clone() }.into()),
            false => Ok(()),
        }
    }

    pub fn ivn(&self) -> IvnId {
        self.ivn
    }

    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The number of entries that make this state.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The keys of the coordinator that continues this log.
    pub fn coordinator(&self) -> &CoordinatorKeys {
        self.coordinators.keys()
    }

    /// The log's origin, `<deployment>/ivn/<ivn id>`.
    pub fn origin(&self) -> String {
        format!("{}/ivn/{}", self.genesis.deployment, self.ivn)
    }

    /// Returns what verifies the checkpoints of the log that this state is of. `None` if nobody can
    /// hold the private half of the log key.
    pub fn log_verifier(&self) -> Option<LogVerifier> {
        self.log_verifier_of(&self.coordinator().log_key)
    }

    /// Returns what verifies the checkpoints of each coordinator that the log has had, the oldest
    /// first.
    pub fn log_verifiers(&self) -> Vec<LogVerifier> {
        let keys = self.coordinators.all_keys();
        keys.filter_map(|keys| self.log_verifier_of(&keys.log_key)).collect()
    }

    /// Returns what verifies checkpoints of this log by `key`.
    pub fn log_verifier_of(&self, key: &PublicKey) -> Option<LogVerifier> {
        LogVerifier::new(self.origin().parse().ok()?, &key.0).ok()
    }

    pub fn accounts(&self) -> &BTreeMap<AccountName, Account> {
        &self.accounts
    }

    /// Removed accounts, and the index of the entry that removed each.
    pub fn former_accounts(&self) -> &BTreeMap<AccountName, u64> {
        &self.former
    }

    /// All invitations, by the name that they admit.
    pub fn invitations(&self) -> &BTreeMap<AccountName, Invitation> {
        &self.invitations
    }

    pub fn groups(&self) -> &BTreeMap<GroupName, Group> {
        &self.groups
    }

    /// Every change that was ever proposed, and its group.
    pub fn changes(&self) -> &BTreeMap<EntryId, GroupName> {
        &self.changes
    }

    pub fn requests(&self) -> &BTreeMap<EntryId, RequestState> {
        &self.requests
    }

    /// Returns an account of the roster.
    ///
    /// # Errors
    ///
    /// [`Accounts::UnknownAccount`], or [`Accounts::Removed`].
    pub fn account(&self, name: &AccountName) -> Result<&Account, Refusal> {
        self.accounts.get(name).ok_or_else(|| match self.former.get(name) {
            Some(_) => Refusal::Accounts(Accounts::Removed { account: name.clone() }),
            None => Refusal::Accounts(Accounts::UnknownAccount { account: name.clone() }),
        })
    }

    pub fn identity_key(&self, name: &AccountName) -> Option<PublicKey> {
        self.accounts.get(name).map(|account| account.keys.identity)
    }

    /// Returns the group of that name.
    ///
    /// # Errors
    ///
    /// [`Groups::UnknownGroup`].
    pub fn group(&self, name: &GroupName) -> Result<&Group, Refusal> {
        self.groups
            .get(name)
            .ok_or_else(|| Refusal::Groups(Groups::UnknownGroup { group: name.clone() }))
    }

    pub fn group_of_session(&self, session: SessionId) -> Option<&Group> {
        self.sessions.get(&session).and_then(|(group, _)| self.groups.get(group))
    }

    /// The epoch of the shares that sign this now.
    pub fn epoch_of(&self, subject: Subject) -> Option<u64> {
        match subject {
            Subject::Request { request } => {
                let group = self.groups.get(&self.requests.get(&request)?.request.group)?;
                group.key.as_ref().map(|key| key.epoch)
            }
            Subject::Activation { session } => {
                let running = self.group_of_session(session)?.session.as_ref();
                running.filter(|it| it.session == session).map(|it| it.terms.epoch)
            }
        }
    }

    /// The index of the entry that started this session.
    pub fn session_index(&self, session: SessionId) -> Option<u64> {
        self.sessions.get(&session).map(|(_, index)| *index)
    }

    /// Returns the request of that id.
    ///
    /// # Errors
    ///
    /// [`Requests::UnknownRequest`].
    pub fn request(&self, id: EntryId) -> Result<&RequestState, Refusal> {
        self.requests.get(&id).ok_or(Requests::UnknownRequest { request: id }.into())
    }
}
