//! The admission of entries to the log, and the coordinator's reactions.
//!
//! - Upon a submitted entry: its author must own the connection, and its time must not be in the
//!   future. The quota and the fold decide the rest. A rejected entry is answered with the reason.
//! - Upon an admission by an invited account: its time must not be in the distant past, either.
//! - Upon an entry that is already in the log: answer with its index.
//! - Upon each event of an admitted entry: do what it requires of the coordinator.

use super::Coordinator;
use super::input::Call;
use crate::effect::CoordinatorEffect;
use crate::entry::{Author, Body, Entry, Statement};
use crate::message::FromCoordinator;
use crate::names::AccountName;
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::refusal::{Entries, Replacements};
use crate::state::{Event, Refusal};

impl Coordinator {
    pub(super) fn submitted(&mut self, account: AccountName, bytes: &[u8], call: &mut Call<'_>) {
        if !self.catch_up.is_over() {
            return self.catch_up.interrupted(account);
        }
        // Without an id the answer could not name the entry.
        let Ok(entry) = Entry::from_bytes(bytes) else { return };
        let Statement { author, body, .. } = entry.statement();
        let result = if *author != Author::Account(account.clone()) {
            Err(Entries::WrongAuthor.into())
        } else if matches!(body, Body::CoordinatorReplaced { .. }) {
            // With the last vote this coordinator could not sign its own log any more.
            Err(Replacements::Running.into())
        } else {
            self.append(entry.clone(), call)
        };
        if let Err(reason) = result {
            let rejected = FromCoordinator::Rejected { entry: entry.id(), reason };
            call.push(CoordinatorEffect::Send(account, rejected));
        }
    }

    /// Whether these are the bytes of an entry that the log has, so that [`join`](Self::join)
    /// appends nothing.
    pub(super) fn is_in_log(&self, bytes: &[u8]) -> bool {
        Entry::from_bytes(bytes).is_ok_and(|entry| self.log.index_of(entry.id()).is_some())
    }

    pub(super) fn join(&mut self, bytes: &[u8], call: &mut Call<'_>) -> Result<u64, Refusal> {
        let entry = Entry::from_bytes(bytes)?;
        // An account whose present keys are in the log submits its admission again to get a new
        // certificate. The founder's keys are in the genesis. Replaced keys get no certificate.
        let keys = match &entry.statement().body {
            Body::AccountAdmitted { keys } | Body::KeysRotated { keys } => keys,
            Body::Genesis(genesis) => &genesis.admin,
            _ => return Err(Entries::WrongAuthor.into()),
        };
        if let Some(index) = self.log.index_of(entry.id()) {
            let Author::Account(account) = &entry.statement().author else {
                return Err(Entries::WrongAuthor.into());
            };
            self.log.state().check_connection(account, Some(keys.identity))?;
            return Ok(index);
        }
        if matches!(entry.statement().body, Body::Genesis(_)) {
            return Err(Entries::WrongAuthor.into());
        }
        // The log's time comes only from its entries, so an admission with an old time would pass
        // although its invitation has expired since.
        let age = call.now.0.saturating_sub(entry.statement().at.0);
        if age > MAX_CLOCK_LEAD {
            return Err(Entries::ClockSkew { seconds: age / 1000 }.into());
        }
        self.append(entry, call)
    }

    /// Appends an entry unless it is in the log, and reacts to it.
    fn append(&mut self, entry: Entry, call: &mut Call<'_>) -> Result<u64, Refusal> {
        if let Some(index) = self.log.index_of(entry.id()) {
            return Ok(index);
        }
        let lead = entry.statement().at.0.saturating_sub(call.now.0);
        if lead > MAX_CLOCK_LEAD {
            return Err(Entries::ClockSkew { seconds: lead / 1000 }.into());
        }
        let payer = self.quota.payer(&entry, call.now)?;
        let bytes = entry.to_bytes();
        let (index, events) = self.log.admit(&entry, &bytes)?;
        if let Some(account) = payer {
            self.quota.pay(&account, &entry, bytes.len(), self.log.state(), call.now);
        }
        self.has_appended = true;
        call.push(CoordinatorEffect::Append { index, entry });
        for event in events {
            self.react(event, call);
        }
        Ok(index)
    }

    /// Appends a statement of the coordinator's own, if it is admissible and the log was compared
    /// with the nodes' logs; after that, everything is looked at again.
    pub(super) fn append_own(&mut self, body: Body, call: &mut Call<'_>) -> Option<u64> {
        if !self.catch_up.is_over() {
            return None;
        }
        let statement = Statement {
            ivn: Some(self.log.state().ivn()),
            author: Author::Coordinator,
            at: call.now,
            seen: 0,
            body,
        };
        let entry = Entry::sign(statement, &[&self.key]).ok()?;
        self.append(entry, call).ok()
    }

    fn react(&mut self, event: Event, call: &mut Call<'_>) {
        match event {
            Event::Invited(_)
            | Event::Admitted(_)
            | Event::Account(_)
            | Event::CoordinatorReplaced => {}
            Event::Dismissed(account) => {
                self.signing.signer_disowned(&account);
                self.dismissed.insert(account);
            }
            Event::NodeStarted(account) => {
                let groups: Vec<_> = self
                    .log
                    .state()
                    .groups()
                    .values()
                    .filter(|group| group.identifier(&account).is_some())
                    .map(|group| group.definition.name.clone())
                    .collect();
                for group in groups {
                    self.tend_ceremony(&group, call);
                }
            }
            Event::CeremonyAborted(group) => {
                self.pause_ceremony(&group, call);
                self.tend_ceremony(&group, call);
            }
            // Failures with the previous definition do not count for the new one.
            Event::GroupDefined(group) => {
                self.sessions.resume(&group);
                self.tend_ceremony(&group, call);
            }
            Event::Change(group) => self.tend_ceremony(&group, call),
            Event::EpochStarted(group) | Event::GroupRetired(group) => {
                self.signing.drop_group(self.log.state(), &group);
                self.tend_ceremony(&group, call);
            }
            Event::ShareDestroyed(_) | Event::ShareProved(_) => {}
            Event::GroupAccepted(group)
            | Event::Ceremony(group)
            | Event::CeremonyCertified(group) => {
                self.expect_ceremony_step(&group, call);
                self.tend_ceremony(&group, call);
            }
            Event::RequestSigned(id) => {
                if let Ok(request) = self.log.state().request(id) {
                    self.quota.give_back(&request.requester);
                    let approved = request.approvals.iter();
                    approved
                        .filter(|name| **name != request.requester)
                        .for_each(|name| self.quota.give_back(name));
                }
                self.request_changed(id);
            }
            Event::RequestOpened(id)
            | Event::RequestRejected(id)
            | Event::RequestWithdrawn(id)
            | Event::RequestVoted(id)
            | Event::RequestApproved(id)
            | Event::RequestPartlySigned(id)
            | Event::RequestRefused(id) => self.request_changed(id),
        }
    }
}
