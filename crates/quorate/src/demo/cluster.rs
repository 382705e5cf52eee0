//! A whole IVN on one machine: a coordinator and members' nodes in separate processes on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use quorate_ceremony::entry::Role;
use quorate_ceremony::names::{AccountName, IvnId};
use quorate_network::ivn::HubAddress;
use rand_core::{OsRng, RngCore as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::api::{self, Code, Problem};
use crate::error_chain::chain;
use crate::home::NodeHome;
use crate::keystore::{Cost, Passphrase, PassphraseProtector, Purpose, Source};
use crate::launch::Client;
use crate::setup::create_ivn::{Plan, found};
use crate::setup::invitation::invite;
use crate::setup::join::{Choices, join};
use crate::timers::now;

/// The validity of the demonstration's invitations, in milliseconds.
const INVITATION: u64 = 600_000;

/// An IVN whose processes end with this value.
pub(crate) struct Cluster {
    pub(crate) ivn: IvnId,
    pub(crate) hub: HubAddress,
    coordinator_home: PathBuf,
    passphrase_file: PathBuf,
    coordinator: Process,
    nodes: BTreeMap<AccountName, Member>,
}

struct Member {
    home: PathBuf,
    process: Option<Process>,
}

/// A child process. Killed when dropped, so that none outlives the demonstration.
struct Process(Child);

impl Cluster {
    /// Founds an IVN in `directory`, with the first of `names` as admin, and starts the coordinator
    /// and all nodes.
    pub(crate) async fn start(
        directory: &Path,
        names: &[AccountName],
        choices: Choices,
    ) -> Result<Self, Problem> {
        let (admin, others) = names
            .split_first()
            .ok_or_else(|| Problem::new(Code::Usage, "there must be at least one member"))?;
        let passphrase_file = directory.join("passphrase");
        write_passphrase(&passphrase_file)?;
        let coordinator_home = directory.join("coordinator");
        let hub = free_address()?;
        let plan = Plan {
            name: "Demonstration".to_owned(),
            admin: admin.clone(),
            roles: BTreeSet::from([Role::Admin, Role::Member]),
            deployment: "demo.example".to_owned(),
            hub: hub.clone(),
            listen: hub.to_string(),
            choices,
        };
        let home = directory.join("nodes").join(admin.as_str());
        create_directory(&directory.join("nodes"))?;
        let protector = protector(&passphrase_file)?;
        let founded = found(&plan, &home, &coordinator_home, &protector, now(), &mut OsRng)
            .await
            .map_err(problem)?;
        let coordinator = Process::start(&coordinator_home, None, &["serve"]).await?;
        let process = Process::start(&home, Some(&passphrase_file), &["node", "run"]).await?;
        let member = Member { home, process: Some(process) };
        let mut cluster = Self {
            ivn: founded.ivn,
            hub,
            coordinator_home,
            passphrase_file,
            coordinator,
            nodes: BTreeMap::from([(admin.clone(), member)]),
        };
        let client = cluster.client(admin).await?;
        for name in others {
            cluster.join(&client, admin, name, directory, choices).await?;
        }
        Ok(cluster)
    }

    async fn join(
        &mut self,
        client: &Client,
        admin: &AccountName,
        name: &AccountName,
        directory: &Path,
        choices: Choices,
    ) -> Result<(), Problem> {
        let config = NodeHome::read(&self.member(admin)?.home).map_err(problem)?;
        let roles = BTreeSet::from([Role::Member]);
        let expires_at = now().plus(INVITATION);
        let (invitation, link) =
            invite(&config, name.clone(), roles, expires_at, &mut OsRng).map_err(problem)?;
        client.order(api::Command::Invite(invitation)).await?;
        let home = directory.join("nodes").join(name.as_str());
        let protector = protector(&self.passphrase_file)?;
        join(&link, &home, &protector, choices, now(), &mut OsRng).await.map_err(problem)?;
        let process = Process::start(&home, Some(&self.passphrase_file), &["node", "run"]).await?;
        self.nodes.insert(name.clone(), Member { home, process: Some(process) });
        Ok(())
    }

    fn member(&self, name: &AccountName) -> Result<&Member, Problem> {
        self.nodes.get(name).ok_or_else(|| {
            Problem::new(Code::Failed, format!("{name} is not a member of this cluster"))
        })
    }

    pub(crate) async fn client(&self, name: &AccountName) -> Result<Client, Problem> {
        Client::open(&self.member(name)?.home, || {
            Err(Problem::new(Code::Failed, format!("the node of {name} does not run")))
        })
        .await
    }

    pub(crate) async fn kill(&mut self, name: &AccountName) -> Result<(), Problem> {
        if let Some(mut process) = self.nodes.get_mut(name).and_then(|member| member.process.take())
        {
            process.0.kill().await.map_err(problem)?;
        }
        Ok(())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.coordinator_home.join("ivns").join(self.ivn.to_string()).join("log")
    }

    pub(crate) fn documents(&self) -> PathBuf {
        self.coordinator_home.join("ivns").join(self.ivn.to_string()).join("documents")
    }

    /// Ends all processes, the coordinator last, so that it publishes the whole log.
    pub(crate) async fn stop(mut self) -> Result<(), Problem> {
        for member in self.nodes.values_mut() {
            if let Some(process) = &mut member.process {
                process.end().await?;
            }
        }
        self.coordinator.end().await
    }
}

impl Process {
    /// Starts this program and waits until it reports that it is ready.
    async fn start(
        home: &Path,
        passphrase_file: Option<&Path>,
        arguments: &[&str],
    ) -> Result<Self, Problem> {
        let program = std::env::current_exe().map_err(problem)?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--json").arg("--home").arg(home);
        if let Some(file) = passphrase_file {
            command.arg("--passphrase-file").arg(file);
        }
        command
            .env_remove("QUORATE_HOME")
            .env("QUORATE_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(problem)?;
        let line = match child.stdout.take() {
            Some(stdout) => BufReader::new(stdout).lines().next_line().await.map_err(problem)?,
            None => None,
        };
        if line.is_none_or(|line| line.contains("quorate.problem/")) {
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                let _ = stderr.read_to_string(&mut said).await;
            }
            let message = format!("quorate {} ended: {}", arguments.join(" "), said.trim());
            return Err(Problem::new(Code::Failed, message));
        }
        // The pipe must be emptied, because a full one would block the process.
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    tracing::debug!("{line}");
                }
            });
        }
        Ok(Self(child))
    }

    /// Requests the end of the process, and waits for it.
    async fn end(&mut self) -> Result<(), Problem> {
        if let Some(id) = self.0.id() {
            let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(id) = id {
                // The process may have ended already.
                let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
            }
        }
        let patience = std::time::Duration::from_secs(5);
        if tokio::time::timeout(patience, self.0.wait()).await.is_err() {
            self.0.kill().await.map_err(problem)?;
        }
        Ok(())
    }
}

fn problem(error: impl std::error::Error) -> Problem {
    Problem::new(Code::Failed, chain(&error))
}

/// Returns a loopback address that is free now.
fn free_address() -> Result<HubAddress, Problem> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(problem)?;
    Ok(listener.local_addr().map_err(problem)?.into())
}

fn create_directory(path: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(path).map_err(|error| {
        Problem::new(Code::Failed, format!("{} cannot be made: {error}", path.display()))
    })
}

fn write_passphrase(path: &Path) -> Result<(), Problem> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut random = Zeroizing::new([0; 16]);
    OsRng.fill_bytes(random.as_mut());
    let text: Zeroizing<String> =
        Zeroizing::new(random.iter().map(|byte| format!("{byte:02x}")).collect());
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| writeln!(file, "{}", text.as_str())).map_err(|error| {
        Problem::new(Code::Failed, format!("{} cannot be written: {error}", path.display()))
    })
}

fn protector(passphrase_file: &Path) -> Result<PassphraseProtector, Problem> {
    let passphrase = Passphrase::obtain(&Source::File(passphrase_file.to_owned()), &Purpose::Open)
        .map_err(problem)?;
    Ok(PassphraseProtector::new(passphrase, Cost::RECOMMENDED))
}
