//! The administrative endpoint of `serve` and `node run`: health and metrics over plain HTTP, for
//! this machine's monitoring.
//!
//! ```text
//! GET /healthz   200 while the process answers
//! GET /readyz    200 if it can do its work, 503 with the reasons otherwise
//! GET /metrics   Prometheus text
//! ```
//!
//! It listens on a Unix socket in the coordinator's home (mode 0600), and on TCP only with
//! `--admin-listen`. It shows names of accounts and groups to everyone who can connect, so it
//! belongs on the loopback interface.

mod client;
mod metrics;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use self::client::fetch_metrics;
pub(crate) use self::metrics::Metrics;
use crate::api::{Code, Problem};

/// What a process reports about itself at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Why the process cannot do its work at present. Empty if it can.
    pub(crate) unready: Vec<String>,
    pub(crate) metrics: Metrics,
}

/// Makes the present report, or `None` if the process does not answer.
pub(crate) trait Reporter: Send + Sync + 'static {
    fn report(&self) -> impl Future<Output = Option<Report>> + Send;
}

/// Listens at an address of `--admin-listen`.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Problem> {
    let failed = |error: std::io::Error| {
        let message = format!("the admin endpoint cannot listen on {address}: {error}");
        Problem::new(Code::Failed, message)
            .hint("give a free address of this machine: --admin-listen 127.0.0.1:PORT")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "serving health and metrics");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "other machines can see names of accounts and groups there");
    }
    Ok(listener)
}

/// Answers until `stop`, on TCP or on a socket in a home.
pub(crate) async fn serve<L, R>(listener: L, reporter: Arc<R>, stop: CancellationToken)
where
    L: Listener,
    L::Addr: Debug,
    R: Reporter,
{
    let served =
        axum::serve(listener, router(reporter)).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the admin endpoint has ended");
    }
}

fn router<R: Reporter>(reporter: Arc<R>) -> Router {
    Router::new()
        .route("/healthz", get(health::<R>))
        .route("/readyz", get(readiness::<R>))
        .route("/metrics", get(metrics::<R>))
        .with_state(reporter)
}

const STUCK: &str = "the process does not answer\n";

async fn health<R: Reporter>(State(reporter): State<Arc<R>>) -> Response {
    match reporter.report().await {
        Some(_) => (StatusCode::OK, "ok\n").into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, STUCK).into_response(),
    }
}

async fn readiness<R: Reporter>(State(reporter): State<Arc<R>>) -> Response {
    match reporter.report().await {
        None => (StatusCode::SERVICE_UNAVAILABLE, STUCK).into_response(),
        Some(report) if report.unready.is_empty() => (StatusCode::OK, "ready\n").into_response(),
        Some(report) => {
            let reasons = report.unready.join("\n") + "\n";
            (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
        }
    }
}

async fn metrics<R: Reporter>(State(reporter): State<Arc<R>>) -> Response {
    match reporter.report().await {
        None => (StatusCode::SERVICE_UNAVAILABLE, STUCK).into_response(),
        Some(Report { unready, mut metrics }) => {
            let ready = u64::from(unready.is_empty());
            metrics.gauge("quorate_ready", "1 if the process can do its work", &[], ready);
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (kind, metrics.text()).into_response()
        }
    }
}
