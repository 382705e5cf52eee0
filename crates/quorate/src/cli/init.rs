//! `quorate init`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use quorate_ceremony::entry::Role;
use quorate_ceremony::names::{AccountName, IvnId};
use quorate_network::ivn::{HubAddress, HubAddressError};
use rand_core::OsRng;
use serde::Serialize;

use super::context::{Context, home_problem, now};
use super::join::Autonomy;
use super::setup_problem::setup_problem;
use super::weak_passphrase::WeakPassphrase;
use super::{Failure, Run};
use crate::api::{Code, Problem};
use crate::home::{CoordinatorConfig, Home, Locations};
use crate::keystore::{Cost, PassphraseProtector};
use crate::render::Tone;
use crate::setup::create_ivn::{Plan, found};
use crate::shell_quote::quoted;

const DEFAULT_HUB: &str = "127.0.0.1:7420";
const DEFAULT_DEPLOYMENT: &str = "quorate";

/// Create an IVN: an isolated network with its own accounts, groups, rules and log
///
/// Makes two homes. The admin's contains the first account's keys, sealed under a passphrase. The
/// coordinator's contains the log and the keys that run the network; it cannot sign documents, and
/// can be moved to another machine. Existing files are never overwritten, and nothing is left
/// behind if a step fails.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate init
  quorate init --name acme --admin ada --hub sign.acme.example:7420
  quorate init --admin ada --home ./ada --coordinator-home ./coordinator --passphrase-file ./pass")]
pub(super) struct Init {
    /// The name that people see for this IVN
    #[arg(long, value_name = "IVN", default_value = "main", value_parser = ivn_name)]
    name: String,
    /// Name of the first account, an admin
    #[arg(long, value_name = "ACCOUNT", default_value = "admin")]
    admin: AccountName,
    /// The admin only administers: it cannot be a member of groups
    #[arg(long)]
    admin_only: bool,
    /// The coordinator's home [default: $XDG_DATA_HOME/quorate/coordinator]
    ///
    /// If it exists, the new IVN is added to it.
    #[arg(long, value_name = "DIR")]
    coordinator_home: Option<PathBuf>,
    /// The address at which members reach the coordinator [default: the existing coordinator's
    /// address, otherwise 127.0.0.1:7420]
    #[arg(long, value_name = "HOST:PORT")]
    hub: Option<HubAddress>,
    /// The address at which the coordinator listens
    ///
    /// Without it: the hub's address if that is a loopback address, otherwise the hub's port on all
    /// addresses.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<std::net::SocketAddr>,
    /// The first part of the log's name, for auditors: a host name or another URL without a scheme
    /// [default: the existing coordinator's name, otherwise quorate]
    ///
    /// The name stays when the coordinator moves to another address.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    #[command(flatten)]
    autonomy: Autonomy,
    #[command(flatten)]
    weak: WeakPassphrase,
}

#[derive(Serialize)]
struct InitView {
    ivn: IvnId,
    ivn_name: String,
    account: AccountName,
    home: PathBuf,
    coordinator_home: PathBuf,
    hub: String,
    listen: String,
    log_key: String,
}

impl Run for Init {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let locations = Locations::from_environment();
        let home = locations
            .new_node(context.home.clone(), self.admin.as_str())
            .map_err(|error| home_problem(&error))?;
        let coordinator_home = locations
            .coordinator(self.coordinator_home.clone())
            .map_err(|error| home_problem(&error))?;
        let plan = self.plan(&coordinator_home)?;
        if home != coordinator_home {
            refuse_existing(&home)?;
        }
        let passphrase =
            context.passphrase(&self.weak.to_protect(format!("the keys of {}", self.admin)))?;
        let protector = PassphraseProtector::new(passphrase, Cost::RECOMMENDED);
        let mut rng = OsRng;
        let founding = found(&plan, &home, &coordinator_home, &protector, now(), &mut rng);
        let founded = context.wait_for(founding).map_err(|error| setup_problem(&error))?;
        let view = InitView {
            ivn: founded.ivn,
            ivn_name: plan.name,
            account: plan.admin,
            home,
            coordinator_home,
            hub: plan.hub.to_string(),
            listen: plan.listen,
            log_key: founded.log_key,
        };
        show(context, &view, self.coordinator_home.is_some())?;
        Ok(())
    }
}

impl Init {
    /// Returns the settings of the new IVN. An existing coordinator's settings are the defaults.
    fn plan(&self, coordinator_home: &Path) -> Result<Plan, Problem> {
        // A directory that is not a coordinator's home is reported when the home is created.
        let existing = Home::<CoordinatorConfig>::read(coordinator_home).ok();
        let hub: Result<_, HubAddressError> = match (&self.hub, &existing) {
            (Some(hub), _) => Ok(hub.clone()),
            (None, Some(existing)) => existing.hub.parse(),
            (None, None) => DEFAULT_HUB.parse(),
        };
        let hub = hub.map_err(|error| {
            let home = coordinator_home.display();
            Problem::new(Code::Failed, format!("the address of the hub in {home}: {error}"))
        })?;
        let deployment = self.deployment.clone();
        let deployment =
            deployment.or_else(|| existing.as_ref().map(|existing| existing.deployment.clone()));
        let mut roles = BTreeSet::from([Role::Admin]);
        if !self.admin_only {
            roles.insert(Role::Member);
        }
        let listen = match (self.listen, existing) {
            (Some(listen), _) => listen.to_string(),
            (None, Some(existing)) => existing.listen,
            (None, None) => listen_for(&hub),
        };
        Ok(Plan {
            name: self.name.clone(),
            admin: self.admin.clone(),
            roles,
            deployment: deployment.unwrap_or_else(|| DEFAULT_DEPLOYMENT.to_owned()),
            hub,
            listen,
            choices: self.autonomy.choices(),
        })
    }
}

/// Fails if the home exists, before anybody types a passphrase in vain.
fn refuse_existing(home: &std::path::Path) -> Result<(), Problem> {
    match home.join("home.json").exists() {
        true => Err(home_problem(&crate::home::HomeError::Exists(home.to_owned()))),
        false => Ok(()),
    }
}

/// Returns the address to listen at: the hub's if that is a loopback address, otherwise all
/// addresses, because the hub's name does not determine one of this machine.
pub(super) fn listen_for(hub: &HubAddress) -> String {
    match hub.host().parse::<std::net::IpAddr>() {
        Ok(ip) if ip.is_loopback() => std::net::SocketAddr::new(ip, hub.port()).to_string(),
        _ if hub.host() == "localhost" => format!("127.0.0.1:{}", hub.port()),
        _ => format!("0.0.0.0:{}", hub.port()),
    }
}

fn show(context: &Context, view: &InitView, other_coordinator_home: bool) -> Result<(), Problem> {
    context.terminal.show("ivn", view, |page| {
        page.verdict(
            Tone::Good,
            format!("founded IVN \"{}\"; {} is its admin", view.ivn_name, view.account),
        );
        page.field("IVN id", view.ivn);
        page.field("admin's home", view.home.display());
        page.field("coordinator", view.coordinator_home.display());
        page.field("hub", &view.hub);
        page.field("log key", &view.log_key);
    })?;
    let coordinator_home = quoted(&view.coordinator_home.display().to_string());
    let serve = match other_coordinator_home {
        true => format!("quorate serve --home {coordinator_home}"),
        false => "quorate serve".to_owned(),
    };
    context.terminal.note(|page| {
        page.blank();
        page.sentence("Next, each in a terminal of its own:");
        page.copyable(serve);
        page.copyable(context.command("quorate node run"));
        page.copyable(context.command("quorate invite NAME"));
        page.blank();
        page.sentence(
            "Keep the passphrase: without it the admin's keys are lost. The coordinator's keys are in its home, \
             readable by this user only; they cannot sign documents.",
        );
    });
    Ok(())
}

fn ivn_name(text: &str) -> Result<String, Problem> {
    let fits = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| {
        Problem::new(Code::Usage, "a name of an IVN has 1 to 100 characters on one line")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinator_listens_where_the_hub_is_found() {
        for (hub, listen) in [
            ("127.0.0.1:7420", "127.0.0.1:7420"),
            ("[::1]:7420", "[::1]:7420"),
            ("localhost:1", "127.0.0.1:1"),
            ("sign.example.com:443", "0.0.0.0:443"),
            ("192.0.2.7:443", "0.0.0.0:443"),
        ] {
            assert_eq!(listen_for(&hub.parse().unwrap()), listen);
        }
    }
}
