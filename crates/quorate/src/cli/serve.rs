//! `quorate serve`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::context::{Context, home_problem};
use super::daemon::{Daemon, until_stopped};
use super::{Failure, Run, duration};
use crate::coordinator::{ServeOptions, serve};
use crate::home::{CoordinatorHome, Locations};
use crate::process_limits::forbid_dumps;
use crate::render::Tone;

/// Run the coordinator of this machine's IVNs, until Ctrl-C
///
/// Relays between the members' nodes, keeps the log in order and publishes it. It holds no share of
/// any key: its owner can delay or drop things, but cannot sign, approve, or change history
/// unnoticed. It can be restarted at any time.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate serve
  quorate serve --home ./coordinator --listen 0.0.0.0:7420
  quorate serve --admin-listen 127.0.0.1:7421      then: curl http://127.0.0.1:7421/readyz
  quorate serve --catch-up
  QUORATE_LOG=debug quorate serve")]
pub(super) struct Serve {
    /// Listen here instead of at the address that `quorate init` recorded; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    daemon: Daemon,
    /// Only take the log's missing entries from the members' nodes, then exit
    ///
    /// Exits with 8 if that takes longer than --timeout.
    #[arg(long)]
    catch_up: bool,
    /// The longest time for --catch-up, such as 90s or 10m
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse, requires = "catch_up")]
    timeout: Duration,
    /// Go on from a log of SIZE entries, although more entries or a copy of this home may exist
    ///
    /// The coordinator's output names SIZE where this is an option. A node that has other entries
    /// after these can prove two histories then, and stops.
    #[arg(long, value_name = "SIZE", conflicts_with = "catch_up")]
    go_on_from: Option<u64>,
}

#[derive(Serialize)]
struct ServingView {
    address: SocketAddr,
}

#[derive(Serialize)]
struct CompleteView {
    complete: bool,
}

impl Run for Serve {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let home = Locations::from_environment()
            .coordinator(context.home.clone())
            .map_err(|error| home_problem(&error))?;
        CoordinatorHome::read(&home).map_err(|error| home_problem(&error))?;
        self.daemon.log_to_stderr(context);
        forbid_dumps();
        let options = ServeOptions {
            listen: self.listen,
            admin: self.daemon.admin_listen,
            go_on_from: self.go_on_from,
            catch_up: self.catch_up.then_some(self.timeout),
            ..ServeOptions::default()
        };
        context.wait_for(async {
            let stop = until_stopped()?;
            serve(&home, options, stop, |address| {
                // The coordinator continues if nobody reads stdout.
                let _ = context.terminal.show("serving", &ServingView { address }, |page| {
                    page.verdict(Tone::Good, format!("serving at {address}; Ctrl-C stops"));
                });
            })
            .await
        })?;
        if self.catch_up {
            let complete = CompleteView { complete: true };
            context.terminal.show("caught-up", &complete, |page| {
                page.verdict(Tone::Good, "the log is complete".to_owned());
            })?;
        }
        Ok(())
    }
}
