//! A coordinator and nodes as real processes, and the commands that users run.
//!
//! This is the only way in which tests start processes. The program is given as a path, so that
//! this crate does not depend on the program that it tests. Every process ends with its
//! [`Cluster`], also when a test panics.
//!
//! ```text
//!  test ──commands──▶ quorate … --home ben ──socket──▶ node ──TCP──▶ Proxy ──▶ coordinator
//!    └── kill -9, SIGSTOP, fail points, clocks ─────────┴──────────────┴─ stalls, cuts ─┘
//! ```
//!
//! [`lab`] contains everything that needs namespaces: real partitions, lost packets, small disks.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

pub mod lab;
mod nonces;
pub mod process;
pub mod proxy;
pub mod shuffle;

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::process::{Pending, Process, Ran};
use self::proxy::Proxy;

pub const COORDINATOR: &str = "coordinator";

/// Ends a broken test that would otherwise never end.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two checks of a condition.
const POLL: Duration = Duration::from_millis(10);

/// How to start a cluster.
#[derive(Clone, Debug)]
pub struct Plan {
    pub program: PathBuf,
    /// The accounts that have a node. The first is the admin.
    pub names: Vec<String>,
    /// Divides heartbeats, dead-peer times and similar periods by this number (debug builds only).
    pub haste: u32,
    /// Whether each node connects to the coordinator through its own [`Proxy`].
    pub proxies: bool,
    /// Whether each node has its own network namespace. Only in [`lab::isolated`] processes.
    pub lab: bool,
    /// The accounts whose homes are on small disks of this many bytes. Only in [`lab::isolated`]
    /// processes.
    pub small_disks: BTreeMap<String, u64>,
    /// Whether Ctrl-C in the terminal does not reach the processes, so that the caller can end them
    /// in order.
    pub apart: bool,
}

impl Plan {
    /// Returns a plan with nodes for these accounts on loopback, at their usual speed.
    pub fn new(program: impl Into<PathBuf>, names: &[&str]) -> Self {
        let names = names.iter().copied().map(str::to_owned).collect();
        let program = program.into();
        let small_disks = BTreeMap::new();
        Self { program, names, haste: 1, proxies: false, lab: false, small_disks, apart: false }
    }
}

/// An IVN whose coordinator and nodes are processes.
#[derive(Debug)]
pub struct Cluster {
    plan: Plan,
    /// Dropped after the processes, because they work in it.
    processes: Mutex<BTreeMap<String, Process>>,
    proxies: BTreeMap<String, Proxy>,
    directory: TempDir,
}

impl Cluster {
    /// Creates an IVN, lets every account join, and starts all nodes.
    pub fn start(plan: Plan) -> Self {
        let directory = TempDir::new().unwrap();
        // The port is freed just before the coordinator binds it, and nobody else asks for it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let hub = SocketAddr::from(([127, 0, 0, 1], port));
        let mut proxies = BTreeMap::new();
        for (number, name) in (1u8..).zip(&plan.names) {
            if plan.lab {
                lab::host(name, number);
            }
            if plan.proxies || plan.lab {
                let listen = if plan.lab { lab::gateway(number) } else { [127, 0, 0, 1].into() };
                proxies.insert(name.clone(), Proxy::start(listen, hub));
            }
        }
        let cluster = Self { plan, processes: Mutex::default(), proxies, directory };
        cluster.write("pass", b"correct horse battery\n");
        fs::set_permissions(cluster.path("pass"), fs::Permissions::from_mode(0o600)).unwrap();
        for (home, bytes) in &cluster.plan.small_disks {
            fs::create_dir(cluster.path(home)).unwrap();
            lab::mount_small_disk(&cluster.path(home), *bytes);
        }
        cluster.found(port);
        cluster
    }

    fn found(&self, port: u16) {
        let (admin, others) = self.plan.names.split_first().unwrap();
        let line =
            format!("init --admin {admin} --coordinator-home {COORDINATOR} --hub 127.0.0.1:{port}");
        self.run(admin, &line).succeeds();
        self.start_process(COORDINATOR);
        self.send_through_proxy(admin);
        self.start_process(admin);
        for name in others {
            let url = self.invite(name);
            self.run_with(name, "join -", url.as_bytes()).succeeds();
            self.send_through_proxy(name);
            self.start_process(name);
        }
    }

    /// Makes a node dial its proxy instead of the coordinator.
    fn send_through_proxy(&self, name: &str) {
        let Some(proxy) = self.proxies.get(name) else { return };
        let path = self.path(name).join("home.json");
        let mut home: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let hub = &mut home["config"]["hub"];
        assert!(hub.is_string(), "{} has no hub", path.display());
        *hub = proxy.address().to_string().into();
        fs::write(path, home.to_string()).unwrap();
    }

    /// Invites an account and returns the join URL.
    pub fn invite(&self, name: &str) -> String {
        self.run(&self.plan.names[0], &format!("invite {name}")).succeeds().stdout
    }

    /// Loses an account's machine with everything on it. The account gets new keys on a new
    /// machine, and no share.
    pub fn replace_machine(&self, name: &str) {
        self.kill(name);
        // Commands may still be running in this home. What they still write is lost with it.
        let gone = tempfile::tempdir_in(self.directory.path()).unwrap();
        fs::rename(self.path(name), gone.path().join(name)).unwrap();
        let line = format!("account replace-keys {name} --yes");
        let url = until(&format!("`{line}` to get through"), || {
            let ran = self.run(&self.plan.names[0], &line);
            (ran.exit == 0).then_some(ran.stdout)
        });
        until(&format!("{name} to join with new keys"), || {
            (self.run_with(name, "join -", url.as_bytes()).exit == 0).then_some(())
        });
        self.send_through_proxy(name);
        self.start_process(name);
    }

    /// All accounts with a node.
    pub fn names(&self) -> &[String] {
        &self.plan.names
    }

    /// The proxy between a node and the coordinator.
    pub fn proxy(&self, name: &str) -> &Proxy {
        &self.proxies[name]
    }

    /// Starts the coordinator or a node and waits until it reports that it is ready.
    pub fn start_process(&self, home: &str) {
        if let Err(said) = self.try_start_process(home, &[]) {
            panic!("{home} does not start: {said}");
        }
    }

    /// Like [`Self::start_process`], with additional environment variables.
    pub fn try_start_process(
        &self,
        home: &str,
        environment: &[(&str, &str)],
    ) -> Result<(), String> {
        let process = Process::start(self.long_running(home, environment), &self.log_file(home))?;
        self.processes.lock().unwrap().insert(home.to_owned(), process);
        Ok(())
    }

    /// Starts a coordinator of this home with more options of `quorate serve`, and waits until it
    /// reports that it is ready.
    pub fn try_serve(&self, home: &str, options: &str) -> Result<(), String> {
        let mut command = self.command(home, &format!("serve --json {options}"));
        command.env("QUORATE_HASTE", self.plan.haste.to_string());
        command.env("QUORATE_CLOCK_FILE", self.clock_file(home));
        let process = Process::start(command, &self.log_file(home))?;
        self.processes.lock().unwrap().insert(home.to_owned(), process);
        Ok(())
    }

    fn long_running(&self, home: &str, environment: &[(&str, &str)]) -> Command {
        let line = if home == COORDINATOR { "serve --json" } else { "node run --json" };
        // Only nodes have their own networks. Commands do not need one.
        let mut command = match self.plan.lab && home != COORDINATOR {
            true => self.prepare(lab::command_in(home, &self.plan.program), home, line),
            false => self.command(home, line),
        };
        command.envs(environment.iter().copied());
        command.env("QUORATE_HASTE", self.plan.haste.to_string());
        command.env("QUORATE_CLOCK_FILE", self.clock_file(home));
        command
    }

    fn log_file(&self, home: &str) -> PathBuf {
        self.path(&format!("{home}.log"))
    }

    /// Kills a process with SIGKILL.
    pub fn kill(&self, home: &str) {
        self.processes.lock().unwrap().remove(home);
    }

    /// Sends SIGTERM to a process, and waits until it has ended.
    pub fn stop(&self, home: &str) {
        let process = self.processes.lock().unwrap().remove(home);
        if let Some(process) = process {
            process.stop();
        }
    }

    /// Whether a process has ended without being asked to, or was never started.
    pub fn has_ended(&self, home: &str) -> bool {
        let mut processes = self.processes.lock().unwrap();
        processes.get_mut(home).is_none_or(Process::has_ended)
    }

    /// Freezes a process with SIGSTOP: it keeps its connections and sends nothing.
    pub fn freeze(&self, home: &str) {
        self.processes.lock().unwrap()[home].freeze();
    }

    /// Resumes a frozen process.
    pub fn thaw(&self, home: &str) {
        self.processes.lock().unwrap()[home].thaw();
    }

    /// Moves a process's clock by this many milliseconds.
    pub fn set_clock_error(&self, home: &str, milliseconds: i64) {
        // Replaced atomically, because the process may be reading it.
        let new = self.path(&format!("{home}.clock.new"));
        fs::write(&new, milliseconds.to_string()).unwrap();
        fs::rename(new, self.clock_file(home)).unwrap();
    }

    fn clock_file(&self, home: &str) -> PathBuf {
        self.path(&format!("{home}.clock"))
    }

    pub fn said(&self, home: &str) -> String {
        fs::read_to_string(self.log_file(home)).unwrap_or_default()
    }

    /// Returns a path in the cluster's directory. A home is named after its account.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file in the cluster's directory.
    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Keeps the directory with everything in it, so that people can inspect it, and returns its
    /// path.
    pub fn keep_directory(&mut self) -> &Path {
        self.directory.disable_cleanup(true);
        self.directory.path()
    }

    /// The coordinator's directory for the IVN, with the published log and the documents.
    pub fn ivn_directory(&self) -> PathBuf {
        let mut ivns = fs::read_dir(self.path(COORDINATOR).join("ivns")).unwrap();
        ivns.next().unwrap().unwrap().path()
    }

    pub fn run(&self, home: &str, line: &str) -> Ran {
        self.run_with(home, line, b"")
    }

    /// Runs a command with standard input.
    pub fn run_with(&self, home: &str, line: &str, stdin: &[u8]) -> Ran {
        Ran::of(self.command(home, line), stdin)
    }

    /// Runs a command that dies at a fail point if it reaches the point.
    pub fn run_to_death(&self, home: &str, line: &str, point: &str) -> Ran {
        let mut command = self.command(home, line);
        command.env("QUORATE_CRASH_AT", point);
        Ran::of(command, b"")
    }

    /// Starts a command that runs in the background.
    pub fn begin(&self, home: &str, line: &str) -> Pending {
        Pending::of(self.command(home, line))
    }

    /// Starts a signing request, and returns its id once it is in a member's inbox.
    pub fn sign(&self, name: &str, line: &str, inbox_of: &str) -> (Pending, String) {
        let pending = self.begin(name, line);
        let id = until("a request in the inbox", || {
            let inbox = self.run(inbox_of, "inbox --json").succeeds().json();
            inbox["requests"][0]["id"].as_str().map(str::to_owned)
        });
        (pending, id)
    }

    fn command(&self, home: &str, line: &str) -> Command {
        self.prepare(Command::new(&self.plan.program), home, line)
    }

    fn prepare(&self, mut command: Command, home: &str, line: &str) -> Command {
        command
            .args(line.split_whitespace())
            .arg("--home")
            .arg(home)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("XDG_DATA_HOME", self.path("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.plan.apart {
            command.process_group(0);
        }
        // With the passphrase, a command that finds no running node would start one itself.
        if ["init", "join", "node", "coordinator"].iter().any(|own| line.starts_with(own)) {
            command.env("QUORATE_PASSPHRASE_FILE", self.path("pass"));
        }
        command
    }

    /// Stops all processes and replays the log. Returns the report of `quorate log verify`.
    pub fn audit(&self) -> Result<serde_json::Value, String> {
        for name in &self.plan.names {
            self.thaw_if_there(name);
            self.stop(name);
        }
        self.thaw_if_there(COORDINATOR);
        self.stop(COORDINATOR);
        let directory = self.ivn_directory();
        let line = format!(
            "log verify {} --documents {} --json",
            directory.join("log").display(),
            directory.join("documents").display()
        );
        let ran = self.run(&self.plan.names[0], &line);
        let report = ran.checked()?.json();
        nonces::check_unique(&directory.join("log"))?;
        Ok(report)
    }

    fn thaw_if_there(&self, home: &str) {
        if let Some(process) = self.processes.lock().unwrap().get(home) {
            process.thaw();
        }
    }
}

impl Drop for Cluster {
    /// Prints the last log lines of each process if a test fails.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for home in self.plan.names.iter().map(String::as_str).chain([COORDINATOR]) {
            let said = self.said(home);
            let lines: Vec<&str> = said.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(LAST_WORDS)) {
                eprintln!("{home}: {line}");
            }
        }
    }
}

/// How many lines of each process a failing test prints.
const LAST_WORDS: usize = 15;

/// Calls a function again until it returns a value.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(answer) = ask() {
            return answer;
        }
        // tidy: sleep because the awaited processes need the processor; nothing depends on how long
        std::thread::sleep(POLL);
    }
    panic!("what this test waits for does not happen: {what}");
}
