//! A coordinator and nodes as real processes, and the commands that people give.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running system. All its processes end with it, also when a test panics.
pub(crate) struct System {
    directory: TempDir,
    coordinator: Option<Process>,
    nodes: Vec<(String, Process)>,
}

/// A child process; killed when dropped.
struct Process(Child);

/// What a command did.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl System {
    /// Founds an IVN, has everybody join, and starts all nodes. The first name is the admin's.
    pub(crate) fn start(names: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let mut system = Self { directory, coordinator: None, nodes: Vec::new() };
        system.write("pass", b"correct horse\n");
        fs::set_permissions(system.path("pass"), fs::Permissions::from_mode(0o600)).unwrap();
        let (admin, others) = names.split_first().unwrap();
        // Freed just before the coordinator takes it; nobody else asks for this port.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        system
            .run(
                admin,
                &format!(
                    "init --admin {admin} --coordinator-home coordinator --hub 127.0.0.1:{port}"
                ),
            )
            .succeeds();
        system.start_coordinator();
        system.start_node(admin);
        for name in others {
            let url = system.invite(name);
            system.run_with(name, "join -", url.as_bytes()).succeeds();
            system.start_node(name);
        }
        system
    }

    /// A system with the group `board`, 2 of ada, ben and carol.
    pub(crate) fn with_board() -> Self {
        let system = Self::start(&["ada", "ben", "carol"]);
        system.run("ada", "group create board --members ada,ben,carol --min-signers 2").succeeds();
        system.write("contract", b"a contract");
        system
    }

    pub(crate) fn invite(&self, name: &str) -> String {
        self.run("ada", &format!("invite {name}")).succeeds().stdout
    }

    pub(crate) fn start_coordinator(&mut self) {
        self.coordinator = Some(self.start_process("coordinator", "serve"));
    }

    pub(crate) fn kill_coordinator(&mut self) {
        self.coordinator = None;
    }

    pub(crate) fn start_node(&mut self, name: &str) {
        let node = self.start_process(name, "node run");
        self.nodes.push((name.to_owned(), node));
    }

    pub(crate) fn kill_node(&mut self, name: &str) {
        self.nodes.retain(|(node, _)| node != name);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    /// The published log, and beside it the documents.
    pub(crate) fn ivn_directory(&self) -> PathBuf {
        let mut ivns = fs::read_dir(self.path("coordinator/ivns")).unwrap();
        ivns.next().unwrap().unwrap().path()
    }

    /// A command given as somebody.
    pub(crate) fn run(&self, name: &str, line: &str) -> Ran {
        self.run_with(name, line, b"")
    }

    pub(crate) fn run_with(&self, name: &str, line: &str, stdin: &[u8]) -> Ran {
        let mut child = self.command(name, line).stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read it may have ended by now.
        drop(child.stdin.take().unwrap().write_all(stdin));
        Ran::of(child)
    }

    /// A command that goes on meanwhile.
    pub(crate) fn begin(&self, name: &str, line: &str) -> Pending {
        Pending(Some(Process(self.command(name, line).spawn().unwrap())))
    }

    /// Begins to sign, and gives the request's id once it is in somebody's inbox.
    pub(crate) fn sign(&self, name: &str, line: &str, inbox_of: &str) -> (Pending, String) {
        let pending = self.begin(name, line);
        let id = until(|| {
            let inbox = self.run(inbox_of, "inbox --json").succeeds().json();
            inbox["requests"][0]["id"].as_str().map(str::to_owned)
        });
        (pending, id)
    }

    fn command(&self, home: &str, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
        command
            .args(line.split_whitespace())
            .arg("--home")
            .arg(home)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("XDG_DATA_HOME", self.path("data"))
            .env("QUORATE_PASSPHRASE_FILE", self.path("pass"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts a process and waits until it says that it is ready.
    fn start_process(&self, home: &str, line: &str) -> Process {
        let mut command = self.command(home, &format!("{line} --json"));
        // What it logs must not fill a pipe that nobody reads.
        let log =
            fs::File::options().create(true).append(true).open(self.path(&format!("{home}.log")));
        let mut process = Process(command.stderr(log.unwrap()).spawn().unwrap());
        let mut ready = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let said = || fs::read_to_string(self.path(&format!("{home}.log"))).unwrap();
        assert!(!ready.contains("quorate.problem") && !ready.is_empty(), "{line}: {}", said());
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A command that may still run.
pub(crate) struct Pending(Option<Process>);

impl Pending {
    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        let mut process = self.0.take().unwrap();
        let mut ran = Ran { exit: 0, stdout: String::new(), stderr: String::new() };
        process.0.stdout.take().unwrap().read_to_string(&mut ran.stdout).unwrap();
        process.0.stderr.take().unwrap().read_to_string(&mut ran.stderr).unwrap();
        ran.exit = process.0.wait().unwrap().code().unwrap();
        ran
    }
}

impl Ran {
    fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            exit: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.exit, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// Checks the exit code, and that stderr has these texts.
    pub(crate) fn fails(self, exit: i32, texts: &[&str]) {
        assert_eq!(self.exit, exit, "{}{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in: {}", self.stderr);
        }
    }
}

/// Asks again until there is an answer. The limit only keeps a broken test from running for ever.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        if let Some(answer) = ask() {
            return answer;
        }
    }
    panic!("what this test waits for does not happen");
}

/// Runs somebody else's tool; `None`, said aloud, if it is not installed.
pub(crate) fn foreign(directory: &Path, line: &str, stdin: &[u8]) -> Option<bool> {
    let mut words = line.split_whitespace();
    let tool = words.next().unwrap();
    let child = Command::new(tool)
        .args(words)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: {tool} is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    Some(child.wait().unwrap().success())
}
