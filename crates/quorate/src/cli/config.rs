//! `quorate config`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quorate_network::ivn::HubAddress;
use serde::Serialize;

use super::context::{Context, home_problem};
use super::{Failure, Run};
use crate::api::{Answer, Ask, Command, Problem};
use crate::home::{CoordinatorHome, HomeError, Locations, NodeHome};
use crate::launch::{Found, find, unexpected};
use crate::render::Tone;

/// Show and change the settings of a home
#[derive(Args, Debug)]
pub(super) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Hub(Hub),
}

/// Show or change the address of the coordinator
///
/// In a node's home: the address that the node dials. It works whether the node runs or not, and
/// needs no passphrase. A node recognises its coordinator by the IVN's certificate, so a wrong
/// address cannot lead it to another one.
///
/// In the coordinator's home: the address in its settings; the coordinator has to be stopped.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate config hub
  quorate config hub sign.acme.example:7420
  quorate config hub sign.acme.example:7420 --announce
  quorate config hub sign.acme.example:7420 --home ./coordinator")]
struct Hub {
    /// The new address
    #[arg(value_name = "HOST:PORT")]
    address: Option<HubAddress>,
    /// As an admin, tell the nodes of all members, through the log
    ///
    /// Do this while the coordinator still runs at its old address. Nodes that are off meanwhile
    /// follow if they still find the coordinator at its old address later.
    #[arg(long, requires = "address")]
    announce: bool,
}

#[derive(Serialize)]
struct HubView {
    home: PathBuf,
    hub: String,
    announced: bool,
}

impl Run for Config {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Hub(hub) => hub.run(context),
        }
    }
}

impl Run for Hub {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let locations = Locations::from_environment();
        let home = locations.node(context.home.clone()).map_err(|error| home_problem(&error))?;
        let current = match NodeHome::read(&home) {
            Ok(config) => config.hub,
            Err(HomeError::OtherKind { .. }) => {
                CoordinatorHome::read(&home).map_err(|error| home_problem(&error))?.hub
            }
            Err(error) => return Err(home_problem(&error).into()),
        };
        let hub = self.address.as_ref().map_or(current, ToString::to_string);
        if self.announce {
            let session = context.session()?;
            session.order(Command::MoveHub(hub.clone()))?;
        }
        if self.address.is_some() {
            change(context, &home, &hub)?;
        }
        let view = HubView { home, hub, announced: self.announce };
        context.terminal.show("hub", &view, |page| match &self.address {
            Some(_) => {
                page.verdict(Tone::Good, format!("the coordinator is at {} from now on", view.hub));
            }
            None => page.field("hub", &view.hub),
        })?;
        Ok(())
    }
}

fn change(context: &Context, home: &Path, hub: &str) -> Result<(), Problem> {
    if NodeHome::read(home).is_err() {
        let mut home = CoordinatorHome::open(home).map_err(|error| home_problem(&error))?;
        if let Some(mut config) = home.config().cloned() {
            hub.clone_into(&mut config.hub);
            home.save(config).map_err(|error| home_problem(&error))?;
        }
        return Ok(());
    }
    match context.wait_for(find(home))? {
        Found::AtRest(mut home) => {
            if let Some(mut config) = home.config().cloned() {
                hub.clone_into(&mut config.hub);
                home.save(config).map_err(|error| home_problem(&error))?;
            }
            Ok(())
        }
        Found::Running(_) => match context.session()?.ask(Ask::Dial { hub: hub.to_owned() })? {
            Answer::Dials { .. } => Ok(()),
            answer => Err(unexpected(&answer)),
        },
    }
}
