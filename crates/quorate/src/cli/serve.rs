//! `quorate serve`.

use std::net::SocketAddr;

use clap::Args;
use serde::Serialize;

use super::context::{Context, home_problem};
use super::daemon::{Daemon, until_stopped};
use super::{Failure, Run};
use crate::coordinator::{ServeOptions, serve};
use crate::home::{CoordinatorHome, Locations};
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
  QUORATE_LOG=debug quorate serve")]
pub(super) struct Serve {
    /// Listen here instead of at the address that `quorate init` recorded; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Serialize)]
struct ServingView {
    address: SocketAddr,
}

impl Run for Serve {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let home = Locations::from_environment()
            .coordinator(context.home.clone())
            .map_err(|error| home_problem(&error))?;
        CoordinatorHome::read(&home).map_err(|error| home_problem(&error))?;
        self.daemon.log_to_stderr(context);
        let (listen, admin) = (self.listen, self.daemon.admin_listen);
        let options = ServeOptions { listen, admin, ..ServeOptions::default() };
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
        Ok(())
    }
}
