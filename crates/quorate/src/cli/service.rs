//! `quorate service`: units for systemd.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::context::{Context, home_problem};
use super::output::Target;
use super::{Failure, Run};
use crate::api::{Code, Problem};
use crate::home::{CoordinatorHome, Locations};
use crate::render::Tone;

/// Run a node or the coordinator as a service of systemd
#[derive(Args, Debug)]
pub(super) struct Service {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Install(Install),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Role {
    Coordinator,
    Node,
}

/// Write a systemd unit for the coordinator or a node, and say how to start it
///
/// The unit tells systemd when the process accepts connections, ends it gracefully, restarts it
/// after a failure, and shuts it off from everything that it does not need. A node gets its
/// passphrase as a systemd credential, so it appears in no environment and on no command line.
/// Nothing is started.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate service install node --passphrase-file ~/quorate.pass
  quorate service install node --print
  sudo quorate service install coordinator --system --run-as quorate --home /var/lib/quorate
  quorate service install coordinator --admin-listen 127.0.0.1:7421")]
struct Install {
    /// What to run: coordinator or node
    #[arg(value_name = "ROLE", value_enum, hide_possible_values = true)]
    role: Role,
    /// Write a unit for the whole machine, /etc/systemd/system, instead of one for this user
    #[arg(long)]
    system: bool,
    /// The user that runs it, with --system
    #[arg(long, value_name = "USER", required_if_eq("system", "true"))]
    run_as: Option<String>,
    /// Serve health and metrics at this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<std::net::SocketAddr>,
    /// Print the unit, and write nothing
    #[arg(long)]
    print: bool,
    /// Replace the unit if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct InstalledView {
    unit: PathBuf,
    start: String,
}

impl Run for Service {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Install(install) => install.run(context),
        }
    }
}

impl Run for Install {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (name, home) = self.subject(context)?;
        let passphrase = match (self.role, context.passphrase_file()) {
            (Role::Coordinator, _) => None,
            (Role::Node, Some(file)) => Some(absolute(file)?),
            (Role::Node, None) => {
                return Err(Problem::new(
                    Code::Usage,
                    "a node that starts without a person needs its passphrase from a file",
                )
                .hint("give the file, which only its owner can read: --passphrase-file FILE")
                .into());
            }
        };
        let program = std::env::current_exe().map_err(|error| {
            Problem::new(Code::Failed, format!("the path of this program is unknown: {error}"))
        })?;
        let unit = self.unit(&Parts {
            program: &program,
            home: &absolute(&home)?,
            passphrase: passphrase.as_deref(),
        });
        if self.print {
            context.terminal.bytes(unit.as_bytes())?;
            return Ok(());
        }
        let directory = self.directory()?;
        std::fs::create_dir_all(&directory).map_err(|error| {
            let message = format!("{} cannot be made: {error}", directory.display());
            Problem::new(Code::Failed, message).hint("--print prints the unit instead")
        })?;
        let target = Target::new(directory.join(&name), self.force)?;
        target.write(unit.as_bytes())?;
        let systemctl = if self.system { "sudo systemctl" } else { "systemctl --user" };
        let view = InstalledView {
            unit: target.path().to_owned(),
            start: format!("{systemctl} daemon-reload && {systemctl} enable --now {name}"),
        };
        context.terminal.show("service", &view, |page| {
            page.verdict(
                Tone::Good,
                format!("wrote {}; nothing is started yet", view.unit.display()),
            );
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence("Start it now and at every boot, and look at its log:");
            page.copyable(&view.start);
            if !self.system {
                page.copyable("loginctl enable-linger      # so that it runs without a login");
            }
            let journal = if self.system { "journalctl" } else { "journalctl --user" };
            page.copyable(format!("{journal} -fu {name}"));
        });
        Ok(())
    }
}

struct Parts<'a> {
    program: &'a Path,
    home: &'a Path,
    passphrase: Option<&'a Path>,
}

impl Install {
    /// Returns the unit's name and the home that it runs with.
    fn subject(&self, context: &Context) -> Result<(String, PathBuf), Problem> {
        match self.role {
            Role::Coordinator => {
                let home = Locations::from_environment()
                    .coordinator(context.home.clone())
                    .map_err(|error| home_problem(&error))?;
                CoordinatorHome::read(&home).map_err(|error| home_problem(&error))?;
                Ok(("quorate-coordinator.service".to_owned(), home))
            }
            Role::Node => {
                let account = context.node_config()?.account;
                Ok((format!("quorate-node-{account}.service"), context.node_home()?))
            }
        }
    }

    fn directory(&self) -> Result<PathBuf, Problem> {
        if self.system {
            return Ok(PathBuf::from("/etc/systemd/system"));
        }
        let absolute =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
        let config = absolute("XDG_CONFIG_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".config")))
            .ok_or_else(|| {
                Problem::new(Code::Failed, "neither XDG_CONFIG_HOME nor HOME is set")
                    .hint("--print prints the unit instead")
            })?;
        Ok(config.join("systemd/user"))
    }

    fn unit(&self, parts: &Parts<'_>) -> String {
        let (what, command) = match self.role {
            Role::Coordinator => ("coordinator", "serve"),
            Role::Node => ("node", "node run"),
        };
        let (program, home) = (word(parts.program), word(parts.home));
        let admin = self.admin_listen.map(|it| format!(" --admin-listen {it}")).unwrap_or_default();
        let mut unit = format!(
            "# Written by `quorate service install`.\n\
             [Unit]\n\
             Description=Quorate {what}\n\
             Wants=network-online.target\n\
             After=network-online.target\n\n\
             [Service]\n\
             Type=notify\n\
             ExecStart={program} {command} --home {home} --no-input --log-format json{admin}\n\
             Restart=on-failure\n\
             RestartSec=5s\n\
             TimeoutStopSec=30s\n"
        );
        if self.role == Role::Node {
            // A removed account's node ends with this code.
            unit.push_str("RestartPreventExitStatus=6\n");
        }
        // Writing to a string cannot fail.
        if let Some(file) = parts.passphrase {
            let _ = write!(
                unit,
                "LoadCredential=passphrase:{}\nEnvironment=QUORATE_PASSPHRASE_FILE=%d/passphrase\n",
                percent(&file.display().to_string())
            );
        }
        if let Some(user) = self.run_as.as_ref().filter(|_| self.system) {
            let _ = write!(unit, "User={user}\n{SYSTEM}ReadWritePaths={home}\n");
        }
        unit.push_str(ALWAYS);
        let target = if self.system { "multi-user.target" } else { "default.target" };
        let _ = write!(unit, "\n[Install]\nWantedBy={target}\n");
        unit
    }
}

/// What only the system's manager can take away.
const SYSTEM: &str = "\
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
CapabilityBoundingSet=
";

/// What is taken away from every unit.
const ALWAYS: &str = "\
UMask=0077
LimitCORE=0
LimitNOFILE=65536
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
";

fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path).map_err(|error| {
        Problem::new(Code::Failed, format!("{} cannot be used: {error}", path.display()))
    })
}

/// Quotes a path as one word of a unit's command line.
fn word(path: &Path) -> String {
    let text = path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", percent(&text).replace('$', "$$"))
}

/// Escapes systemd's specifiers.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_unit() {
        assert_eq!(word(Path::new("/a b/$x%\"")), "\"/a b/$$x%%\\\"\"");
    }
}
