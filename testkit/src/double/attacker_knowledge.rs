//! What the people really want: the ground truth, which nodes cannot see and no lie changes.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::GroupDefinition;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, Digest, EntryId, SessionId};
use quorate_ceremony::signing::{SignedPart, Subject};
use quorate_ceremony::state::{Group, IvnState};

/// What people told their own nodes, and what honest nodes released.
#[derive(Default)]
pub(super) struct AttackerKnowledge {
    pub(super) asked: BTreeSet<(AccountName, Digest)>,
    pub(super) approved: BTreeSet<(AccountName, EntryId)>,
    pub(super) refused: BTreeSet<(AccountName, EntryId)>,
    pub(super) defined: Vec<GroupDefinition>,
    /// The last proposed definition of the group, with its proposer.
    pub(super) wanted: Option<(AccountName, GroupDefinition)>,
    invited: BTreeMap<(AccountName, SessionId), Subject>,
    committed: BTreeMap<Vec<u8>, (AccountName, SessionId)>,
    shares: BTreeMap<(AccountName, SessionId), SignedPart>,
    /// The subjects for which honest nodes released shares, each with the node.
    pub(super) released: Vec<(AccountName, Subject)>,
}

impl AttackerKnowledge {
    /// Remembers what a node was first invited to. A node ignores a second invitation to the same
    /// session.
    pub(super) fn shown(&mut self, to: &AccountName, message: &FromCoordinator) {
        if let FromCoordinator::Invite { session, subject, .. } = message {
            self.invited.entry((to.clone(), *session)).or_insert(*subject);
        }
    }

    /// Checks what an honest node releases when its log has the state `state`.
    pub(super) fn let_go(
        &mut self,
        by: &AccountName,
        message: &FromNode,
        state: &IvnState,
        accomplices: &BTreeSet<AccountName>,
    ) -> Result<(), String> {
        match message {
            FromNode::Part { session, part, .. } => {
                let bytes = part.value_unverified().to_vec();
                match self.committed.insert(bytes, (by.clone(), *session)) {
                    None => Ok(()),
                    Some(earlier) => Err(format!("{by} announces the commitments of {earlier:?}")),
                }
            }
            FromNode::Share { session, share, .. } => {
                let place = (by.clone(), *session);
                if let Some(earlier) = self.shares.insert(place.clone(), share.clone())
                    && earlier != *share
                {
                    return Err(format!("{by} releases two shares from one nonce pair (S1)"));
                }
                let subject = self.invited.get(&place).copied();
                let subject = subject.ok_or_else(|| format!("{by} was never invited"))?;
                self.released.push((by.clone(), subject));
                match subject {
                    Subject::Request { request } => self.may_sign(by, request, state, accomplices),
                    Subject::Activation { session } => {
                        let group = state.group_of_session(session);
                        if group.is_some_and(|group| self.may_activate(group)) {
                            Ok(())
                        } else {
                            Err(format!("{by} activates a key of nobody's"))
                        }
                    }
                }
            }
            FromNode::Hello { .. }
            | FromNode::Entries { .. }
            | FromNode::Submit { .. }
            | FromNode::Cosign { .. }
            | FromNode::Sealed { .. }
            | FromNode::Declined { .. } => Ok(()),
        }
    }

    /// Whether the people want the new shares of the group's session.
    fn may_activate(&self, group: &Group) -> bool {
        let Some(ceremony) = &group.session else { return false };
        let terms = &ceremony.terms;
        if !terms.is_reshare() {
            return self.defined.contains(&terms.definition);
        }
        let Some(change) = &group.change else { return false };
        let Some((proposer, wanted)) = &self.wanted else { return false };
        let says_yes = |name: &&AccountName| {
            *name == proposer || self.approved.contains(&((*name).clone(), change.id))
        };
        let consents = group.definition.members.iter().filter(says_yes).count();
        *wanted == terms.definition
            && (*wanted == group.definition || consents >= usize::from(change.approvals_required))
    }

    /// Whether the people, not the log, want this signed.
    fn may_sign(
        &self,
        by: &AccountName,
        request: EntryId,
        state: &IvnState,
        accomplices: &BTreeSet<AccountName>,
    ) -> Result<(), String> {
        let asked =
            state.request(request).map_err(|_| format!("{by} signs what it does not know"))?;
        let document = asked.request.document;
        let group = state.group(&asked.request.group).map_err(|_| "no group".to_owned())?;
        let says_yes = |name: &AccountName| {
            let asked_for_it = self.asked.contains(&(name.clone(), document))
                && asked.policy.rule.requester_may_approve
                && asked.requester == *name;
            asked_for_it || self.approved.contains(&(name.clone(), request))
        };
        if !says_yes(by) || self.refused.contains(&(by.clone(), request)) {
            return Err(format!("{by} signs what its holder did not approve (S2)"));
        }
        let really_asked = self.asked.contains(&(asked.requester.clone(), document));
        if !really_asked && !accomplices.contains(&asked.requester) {
            return Err(format!("{by} signs a request that nobody made (S2)"));
        }
        let consents = group
            .definition
            .members
            .iter()
            .filter(|name| accomplices.contains(*name) || says_yes(name))
            .count();
        if consents < usize::from(asked.policy.rule.approvals_required) {
            return Err(format!("{by} signs with {consents} real consents (S2)"));
        }
        Ok(())
    }
}
