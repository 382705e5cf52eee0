//! Asks the tasks of a running coordinator for its health and metrics.

use std::sync::Arc;
use std::time::Duration;

use quorate_ceremony::names::IvnId;
use quorate_network::hub::Hub;
use tokio::sync::{mpsc, oneshot};

use super::ivn::Event;
use crate::admin::{Report, Reporter};

/// How long an IVN's task may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the tasks of all IVNs how they are.
pub(super) struct CoordinatorReporter {
    pub(super) ivns: Vec<(IvnId, mpsc::Sender<Event>)>,
    pub(super) hub: Arc<Hub>,
}

impl Reporter for CoordinatorReporter {
    async fn report(&self) -> Option<Report> {
        let mut all = Report::default();
        let counts = self.hub.counts();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        for (name, help, value) in [
            ("quorate_sockets", "Open sockets of the hub", count(counts.sockets)),
            ("quorate_sockets_limit", "Most open sockets", count(counts.sockets_limit)),
            (
                "quorate_stranger_sockets",
                "Open sockets without a member's certificate",
                count(counts.strangers),
            ),
            (
                "quorate_sockets_rejected",
                "Sockets closed immediately because of a limit, since the start",
                counts.sockets_rejected,
            ),
            (
                "quorate_connections_rejected",
                "Connections rejected because of a limit, since the start",
                counts.connections_rejected,
            ),
        ] {
            all.metrics.gauge(name, help, &[], value);
        }
        for (ivn, events) in &self.ivns {
            let asked = async {
                let (reply, answer) = oneshot::channel();
                events.send(Event::Report { reply }).await.ok()?;
                answer.await.ok()
            };
            match tokio::time::timeout(PATIENCE, asked).await.ok().flatten() {
                Some(report) => {
                    all.unready.extend(report.unready);
                    all.metrics.merge(report.metrics);
                }
                // Such as during a disk failure: the task starts again until there is room.
                None => all.unready.push(format!("IVN {} does not answer", ivn.short())),
            }
        }
        Some(all)
    }
}
