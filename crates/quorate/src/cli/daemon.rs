//! What `serve` and `node run` have in common: signals, logs, health and metrics.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use crate::api::{Code, Problem};

#[derive(Args, Debug)]
pub(super) struct Daemon {
    /// Serve /healthz, /readyz and /metrics (Prometheus) over HTTP at this address. They show names
    /// of accounts and groups to everybody who can connect: use 127.0.0.1
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) admin_listen: Option<SocketAddr>,
    /// How to log to stderr: text or json
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, hide_possible_values = true)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    /// One object on each line.
    Json,
}

impl Daemon {
    /// Sends the messages of a long-running command to stderr, at the level of QUORATE_LOG.
    pub(super) fn log_to_stderr(&self, context: &Context) {
        let filter = tracing_subscriber::EnvFilter::builder()
            .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
            .with_env_var("QUORATE_LOG")
            .from_env_lossy();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_target(false);
        // Fails if logging was already set up, which then takes precedence.
        let _ = match self.log_format {
            LogFormat::Text => tracing::subscriber::set_global_default(
                subscriber.with_ansi(context.terminal.has_color()).finish(),
            ),
            LogFormat::Json => tracing::subscriber::set_global_default(
                subscriber.json().flatten_event(true).finish(),
            ),
        };
    }
}

/// Returns a token that Ctrl-C, SIGTERM, or the end of the terminal (SIGHUP) cancels.
pub(super) fn until_stopped() -> Result<CancellationToken, Problem> {
    let failed = |error| Problem::new(Code::Failed, format!("signals cannot be handled: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}
