//! The data about its subject that a signing session needs.

use std::borrow::Cow;
use std::collections::BTreeMap;

use quorate_protocol::Identifier;
use quorate_protocol::keys::PublicKeyPackage;

use crate::names::{AccountName, Timestamp};
use crate::signing::Subject;
use crate::state::{IvnState, Status};

pub(super) struct Target<'a> {
    pub(super) epoch: u64,
    pub(super) identifiers: &'a BTreeMap<AccountName, Identifier>,
    pub(super) public: Cow<'a, PublicKeyPackage>,
    /// The bytes to sign, where the log determines them. Those of a request are in its document.
    pub(super) record: Option<Vec<u8>>,
    pub(super) eligible: Vec<&'a AccountName>,
}

impl<'a> Target<'a> {
    /// Returns the data about `subject`, or `None` if it cannot be signed now.
    pub(super) fn of(subject: Subject, state: &'a IvnState, now: Timestamp) -> Option<Self> {
        match subject {
            Subject::Request { request } => {
                let asked = state.request(request).ok()?;
                if asked.status != Status::Approved || asked.lapsed(now) {
                    return None;
                }
                let key = state.group(&asked.request.group).ok()?.key.as_ref()?;
                Some(Self {
                    epoch: key.epoch,
                    identifiers: &key.identifiers,
                    public: Cow::Borrowed(&key.public),
                    record: None,
                    eligible: asked.approvals.iter().collect(),
                })
            }
            Subject::Activation { session } => {
                let group = state.group_of_session(session)?;
                let (record, public) = group.activation(state.ivn())?;
                let terms = &group.session.as_ref()?.terms;
                Some(Self {
                    epoch: terms.epoch,
                    identifiers: &terms.identifiers,
                    public: Cow::Owned(public),
                    record: Some(record.to_be_signed()),
                    eligible: terms.definition.members.iter().collect(),
                })
            }
        }
    }

    /// The account with this identifier.
    pub(super) fn signer(&self, identifier: Identifier) -> Option<(&AccountName, Identifier)> {
        let mut all = self.identifiers.iter();
        all.find(|(_, theirs)| **theirs == identifier).map(|(account, it)| (account, *it))
    }

    pub(super) fn min_signers(&self) -> usize {
        usize::from(self.public.min_signers())
    }
}
