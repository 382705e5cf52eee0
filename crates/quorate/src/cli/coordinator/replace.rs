//! `quorate coordinator replace`.

use std::path::PathBuf;

use clap::Args;
use quorate_network::ivn::HubAddress;
use rand_core::OsRng;
use serde::Serialize;

use super::replacement::problem;
use crate::cli::context::{Context, home_problem};
use crate::cli::init::listen_for;
use crate::cli::output::Target;
use crate::cli::{Failure, Run};
use crate::home::Locations;
use crate::render::Tone;
use crate::setup::replacement::{NewCoordinator, ReplacementFile, Source, propose};

/// Make the home of a new coordinator, for members to vote about
///
/// Makes new keys for the log and the network, and copies the log from a node's home (whose node
/// must be stopped), a published log, or another coordinator's home. Verifies all of it. Writes a
/// file that describes the new coordinator: give it to all members.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate coordinator replace --from ./ada --hub sign.example.com:7420 --reason 'disk lost' --home ./new
  quorate coordinator replace --from ./ada --size 1200 --reason 'two histories' --hub sign.example.com:7420")]
pub(super) struct Replace {
    /// The copy of the log that counts: a node's home, or a published log
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Only its first entries count
    #[arg(long, value_name = "ENTRIES")]
    size: Option<u64>,
    /// Where members find the new coordinator
    #[arg(long, value_name = "HOST:PORT")]
    hub: HubAddress,
    /// Where it listens [default: all addresses, the port of the hub]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<std::net::SocketAddr>,
    /// Why the present coordinator is replaced; it will be in the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Write the description to this file
    #[arg(long, value_name = "FILE", default_value = "replacement.json")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct ReplaceView<'a> {
    home: &'a PathBuf,
    file: &'a PathBuf,
    replacement: &'a ReplacementFile,
}

impl Run for Replace {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let home = Locations::from_environment()
            .coordinator(context.home.clone())
            .map_err(|error| home_problem(&error))?;
        let target = Target::new(self.out.clone(), self.force)?;
        let listen = self.listen.map(|listen| listen.to_string());
        let plan = NewCoordinator {
            listen: listen.unwrap_or_else(|| listen_for(&self.hub)),
            hub: self.hub,
            reason: self.reason,
            from: Source(self.from),
            size: self.size,
        };
        let made = context.wait_for(propose(&plan, &home, &mut OsRng)).map_err(problem)?;
        target.write(&made.to_json())?;
        let view = ReplaceView { home: &home, file: &self.out, replacement: &made };
        context.terminal.show("replacement", &view, |page| {
            page.verdict(
                Tone::Good,
                format!("a new coordinator waits for votes in {}", home.display()),
            );
            page.field("history", format!("{} entries", made.replacement.history.size));
            page.field("file", self.out.display());
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(
                "Next: give the file to all members. Each compares it with its own node, votes, and sends the vote back:",
            );
            page.copyable(format!("quorate coordinator approve {}", self.out.display()));
            page.sentence("Then, with the votes of more than half of the members:");
            page.copyable(context.command("quorate coordinator finish *.vote"));
        });
        Ok(())
    }
}
