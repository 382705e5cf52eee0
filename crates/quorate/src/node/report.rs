//! Health and metrics of a running node.

use std::time::Duration;

use super::task::Asker;
use crate::admin::{Metrics, Report, Reporter};
use crate::api::{Answer, Query, SigningStage, StatusView};
use crate::render::{Concern, concern, status_sentence};

/// How long the node's task may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the node's task how it is.
pub(crate) struct NodeReporter(Asker);

impl NodeReporter {
    pub(crate) fn new(asker: Asker) -> Self {
        Self(asker)
    }
}

impl Reporter for NodeReporter {
    async fn report(&self) -> Option<Report> {
        let answer = async {
            match self.0.ask(Query::Status).await.ok()?.recv().await? {
                Answer::Status(status) => Some(*status),
                _ => None,
            }
        };
        let status = tokio::time::timeout(PATIENCE, answer).await.ok()??;
        Some(report(&status))
    }
}

fn report(status: &StatusView) -> Report {
    let unready = match concern(status) {
        Some(Concern::Trouble(_) | Concern::Blocked(_) | Concern::Unreachable | Concern::Clock) => {
            vec![status_sentence(status)]
        }
        _ => Vec::new(),
    };
    let mut metrics = Metrics::default();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let frozen = status.trouble.is_some() || status.hindrance.is_some();
    let mut own = |name, help, value| metrics.gauge(name, help, &[], value);
    own("quorate_connected", "1 while the coordinator is connected", status.connected.into());
    own("quorate_frozen", "1 if the node does not act for its account", frozen.into());
    own("quorate_log_entries", "Entries of the log that are verified here", status.log_size);
    own("quorate_inbox", "Requests and changes that wait for this account", count(status.inbox));
    own("quorate_unsent", "Statements that are not in the log yet", count(status.unsent));
    for group in &status.groups {
        let labels = [("group", group.name.as_str())];
        let online = group.members.iter().filter(|member| member.online).count();
        let mut of = |name, help, value| metrics.gauge(name, help, &labels, value);
        let can_sign = group.signing == Some(SigningStage::Ready);
        of("quorate_group_can_sign", "1 if the group can sign now", can_sign.into());
        of(
            "quorate_group_min_signers",
            "How many members it takes to sign",
            group.min_signers.into(),
        );
        of("quorate_group_members", "Members of the group", group.max_signers.into());
        of("quorate_group_members_online", "Members whose nodes are online", count(online));
        of(
            "quorate_group_members_able",
            "Members that can use their shares",
            count(group.able.unwrap_or_default()),
        );
    }
    Report { unready, metrics }
}
