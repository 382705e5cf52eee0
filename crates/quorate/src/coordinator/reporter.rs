//! Asks the tasks of a running coordinator for its health and metrics.

use std::time::Duration;

use quorate_ceremony::names::IvnId;
use tokio::sync::{mpsc, oneshot};

use super::ivn::Event;
use crate::admin::{Report, Reporter};

/// How long an IVN's task may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the tasks of all IVNs how they are.
pub(super) struct CoordinatorReporter(pub(super) Vec<(IvnId, mpsc::Sender<Event>)>);

impl Reporter for CoordinatorReporter {
    async fn report(&self) -> Option<Report> {
        let mut all = Report::default();
        for (ivn, events) in &self.0 {
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
