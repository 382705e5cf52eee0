//! The end of an audit: the checkpoint, the groups for which it is final, and the report.

use std::collections::BTreeSet;

use quorate_log::checkpoint::{SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::key::LogVerifier;
use quorate_log::quorum::cosignatures_for_final;

use super::checkpoint::{self, Cosigners};
use super::decisions::DecisionReport;
use super::fault::Fault;
use super::replay::{Anchor, Auditor};
use super::report::{
    AccountReport, AuditReport, CheckpointReport, ConfirmationReport, GroupReport,
    ReplacementReport, RequestReport, Verdict,
};
use crate::names::{AccountName, Timestamp};
use crate::state::{Confirmation, Group, RequestState};

impl Auditor {
    pub(super) fn report(
        mut self,
        signed: &SignedCheckpoint,
        anchor: &Anchor,
        log: &LogVerifier,
    ) -> AuditReport {
        let cosigners = Cosigners::of(&self.state);
        let entries = self.frontier.head();
        let checked =
            checkpoint::check(signed, log, entries, &cosigners, !self.stopped, &mut self.faults);
        let cosigned: BTreeSet<&AccountName> = checked.cosigned_by.keys().collect();
        let verified = signed.clone().verify(log).ok();
        let verified = verified.filter(|checkpoint| checkpoint.head() == entries);
        for signature in &mut self.signatures {
            let signers = signature.signers.iter().filter(|signer| cosigned.contains(signer));
            signature.confirmed_by = signers.cloned().collect();
        }
        let groups: Vec<_> = self
            .state
            .groups()
            .values()
            .map(|group| self.group(group, &cosigned, verified.as_ref()))
            .collect();
        let mut requests: Vec<_> = self
            .state
            .requests()
            .values()
            .map(|request| {
                let group = self.state.group(&request.request.group);
                let time = group.map_or(Timestamp(0), |group| self.state.time_of(group));
                request_report(request, self.decisions.take(request.id), time)
            })
            .collect();
        requests.sort_by_key(|request| request.index);
        let accounts = self.state.accounts().iter().map(|(name, account)| AccountReport {
            name: name.clone(),
            roles: account.roles.clone(),
            keys: account.keys.clone(),
            admitted: account.admitted,
            cosigns: cosigners.counts(name),
        });
        AuditReport {
            verdict: verdict(&self.faults, &groups),
            ivn: self.state.ivn(),
            name: self.state.genesis().name.clone(),
            origin: self.state.origin(),
            log_key: log.to_string(),
            replacements: self.replacements(),
            anchored: *anchor != Anchor::default(),
            size: entries.size,
            root: entries.root,
            time: self.state.time(),
            accounts: accounts.collect(),
            groups,
            requests,
            checkpoint: CheckpointReport {
                size: signed.unverified().size(),
                root: signed.unverified().root(),
                signed_by_log: checked.signed_by_log,
                cosigned_by: checked.cosigned_by,
            },
            kinds: self.kinds,
            signatures: self.signatures,
            reused_nonces: self.reused_nonces,
            faults: self.faults,
        }
    }

    fn replacements(&self) -> Vec<ReplacementReport> {
        let keys: Vec<_> = self.state.log_verifiers().iter().map(ToString::to_string).collect();
        let past = self.state.replacements().iter();
        past.zip(keys.windows(2))
            .filter_map(|(past, keys)| {
                Some(ReplacementReport {
                    index: past.in_force?,
                    history: past.replacement.history,
                    log_keys: keys.to_vec().try_into().ok()?,
                    reason: past.replacement.reason.clone(),
                    votes: past.votes.clone(),
                })
            })
            .collect()
    }

    fn group(
        &self,
        group: &Group,
        cosigned: &BTreeSet<&AccountName>,
        checkpoint: Option<&VerifiedCheckpoint>,
    ) -> GroupReport {
        let definition = &group.definition;
        let mut sessions: Vec<_> = self
            .sessions
            .values()
            .filter(|(name, _)| *name == definition.name)
            .map(|(_, report)| report.clone())
            .collect();
        sessions.sort_by_key(|session| session.started);
        // An admin can suspend members and give them new keys, but this does not make a log final.
        // Only the group itself can reduce the number of cosignatures.
        let able = definition.members.iter().filter(|member| group.has_say(member));
        let cosigned_by: Vec<_> =
            able.filter(|member| cosigned.contains(member)).cloned().collect();
        let needed =
            cosignatures_for_final(definition.members.len(), usize::from(definition.min_signers));
        let confirmations: Vec<_> = group
            .confirmations
            .iter()
            .map(|confirmation| self.confirmation(confirmation, checkpoint))
            .collect();
        GroupReport {
            name: definition.name.clone(),
            suite: definition.suite,
            min_signers: definition.min_signers,
            approvals_required: definition.policy.rule.approvals_required,
            members: definition.members.clone(),
            verifying_key: group
                .key
                .as_ref()
                .map(|key| hex::encode(key.public.verifying_key().as_bytes())),
            epoch: group.key.as_ref().map(|key| key.epoch),
            sessions,
            changes: group.past_changes.clone(),
            past_epochs: group.past_epochs.clone(),
            is_final: is_final(cosigned_by.len(), needed, &confirmations),
            confirmations,
            cosigned_by,
            cosignatures_for_final: needed,
        }
    }
}

fn is_final(cosigned: usize, needed: usize, confirmations: &[ConfirmationReport]) -> bool {
    cosigned >= needed && confirmations.iter().all(|it| it.confirmed || it.agreed)
}

impl AuditReport {
    /// Takes the log's first `size` entries as agreed: the verifier knows from a different source
    /// that all members have these entries. Changes of groups in these entries then need no
    /// cosignatures.
    ///
    /// This function does not check that these are the entries that were agreed.
    pub fn agree_up_to(&mut self, size: u64) {
        for group in &mut self.groups {
            group.confirmations.iter_mut().for_each(|it| it.agreed = it.index < size);
            let cosigned = group.cosigned_by.len();
            group.is_final = is_final(cosigned, group.cosignatures_for_final, &group.confirmations);
        }
        self.verdict = verdict(&self.faults, &self.groups);
    }
}

impl Auditor {
    fn confirmation(
        &self,
        confirmation: &Confirmation,
        checkpoint: Option<&VerifiedCheckpoint>,
    ) -> ConfirmationReport {
        let unconfirmed = checkpoint.filter(|_| confirmation.confirmed.is_none());
        let origin = self.state.origin();
        let cosigned_by = unconfirmed
            .map(|checkpoint| confirmation.cosigners(&origin, checkpoint))
            .unwrap_or_default();
        ConfirmationReport {
            epoch: confirmation.epoch,
            repaired: confirmation.repaired.clone(),
            index: confirmation.index,
            confirmed: confirmation.confirmed.is_some() || cosigned_by.len() >= confirmation.needed,
            agreed: false,
            cosigned_by,
            needed: confirmation.needed,
        }
    }
}

fn verdict(faults: &[Fault], groups: &[GroupReport]) -> Verdict {
    let mut with_key = groups.iter().filter(|group| group.verifying_key.is_some()).peekable();
    if !faults.is_empty() {
        Verdict::Failed
    } else if with_key.peek().is_some() && with_key.all(|group| group.is_final) {
        Verdict::Final
    } else {
        Verdict::NotFinal
    }
}

fn request_report(
    request: &RequestState,
    decisions: Vec<DecisionReport>,
    now: Timestamp,
) -> RequestReport {
    RequestReport {
        id: request.id,
        index: request.index,
        requester: request.requester.clone(),
        group: request.request.group.clone(),
        at: request.at,
        asked: request.request.clone(),
        approvals_required: request.approvals_required,
        requester_may_approve: request.policy.rule.requester_may_approve,
        standing: request.stage(now),
        approvals: request.approvals.clone(),
        refusals: request.refusals.clone(),
        decisions,
    }
}
