//! Health and metrics of one IVN's coordinator.

use std::collections::BTreeSet;

use quorate_ceremony::coordinator::Coordinator;
use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::RequestStage;

use super::comparison::sentence;
use super::storage::Storage;
use crate::admin::{Metrics, Report};
use crate::timers::now;

/// Reports on one IVN.
pub(super) fn of(machine: &Coordinator, storage: &Storage) -> Report {
    let (stored, limits) = (storage.counts(), storage.limits());
    let state = machine.state();
    let ivn = state.ivn().to_string();
    let mut metrics = Metrics::default();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let mut of_ivn = |name, help, value| metrics.gauge(name, help, &[("ivn", &ivn)], value);
    let published = machine.published().map_or(0, |checkpoint| checkpoint.head().size);
    of_ivn("quorate_log_entries", "Entries of the log", state.size());
    of_ivn("quorate_log_signed_entries", "Entries under the latest signed checkpoint", published);
    let compared = machine.is_compared();
    of_ivn("quorate_log_compared", "0 while the log is compared with the nodes'", compared.into());
    for (name, help, value) in [
        ("quorate_documents", "Stored documents", count(stored.documents)),
        ("quorate_document_bytes", "Bytes of stored documents and uploads", stored.bytes),
        ("quorate_document_bytes_limit", "Most bytes of stored documents", limits.ivn_bytes),
        (
            "quorate_account_document_bytes_limit",
            "Most bytes of an account's documents that are not signed",
            limits.account_bytes,
        ),
        (
            "quorate_unclaimed_document_bytes",
            "Bytes of documents that no request names",
            stored.unclaimed_bytes,
        ),
        (
            "quorate_uploads_rejected",
            "Uploads rejected because of a limit, since the start",
            stored.rejected,
        ),
        (
            "quorate_documents_in_memory_bytes",
            "Bytes of documents that are being signed",
            count(machine.held_bytes()),
        ),
    ] {
        of_ivn(name, help, value);
    }
    let quota = machine.quota_in_use();
    for (name, help, value) in [
        ("quorate_account_statements", "The most statements on an account's quota", quota.account),
        ("quorate_account_statements_limit", "Quota of each account", quota.limits.account),
        ("quorate_ivn_statements", "Statements on the IVN's quota", quota.ivn),
        ("quorate_ivn_statements_limit", "Quota of the IVN", quota.limits.ivn),
        (
            "quorate_statements_rejected",
            "Statements rejected because of a quota, since the start",
            quota.rejected,
        ),
    ] {
        of_ivn(name, help, value);
    }
    let online: BTreeSet<&AccountName> = machine.online().collect();
    for account in state.accounts().keys() {
        let labels = [("ivn", ivn.as_str()), ("account", account.as_str())];
        let help = "1 while the account's node is connected";
        metrics.gauge("quorate_node_connected", help, &labels, online.contains(account).into());
    }
    let now = now();
    let stages = state.requests().values().map(|request| request.stage(now));
    let (mut open, mut approved) = (0, 0);
    for stage in stages {
        match stage {
            RequestStage::Open => open += 1,
            RequestStage::Approved => approved += 1,
            _ => {}
        }
    }
    for (name, value) in [("open", open), ("approved", approved)] {
        let labels = [("ivn", ivn.as_str()), ("state", name)];
        metrics.gauge(
            "quorate_requests",
            "Requests that are not decided or signed",
            &labels,
            value,
        );
    }
    for group in state.groups().values().filter(|group| group.key.is_some()) {
        let labels = [("ivn", ivn.as_str()), ("group", group.definition.name.as_str())];
        let members = &group.definition.members;
        let there = members.iter().filter(|member| online.contains(member)).count();
        let mut of = |name, help, value| metrics.gauge(name, help, &labels, value);
        let needed = group.definition.min_signers;
        of("quorate_group_min_signers", "How many members it takes to sign", needed.into());
        of("quorate_group_members", "Members of the group", count(members.len()));
        of("quorate_group_members_online", "Members whose nodes are online", count(there));
    }
    let waiting = machine.waiting();
    let waiting = waiting.map(|it| format!("IVN {ivn}: {}", sentence(&it, state.size())));
    let unready = waiting.into_iter().collect();
    Report { unready, metrics }
}
