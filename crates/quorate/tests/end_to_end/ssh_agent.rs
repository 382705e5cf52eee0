//! An agent with a group's key, as OpenSSH's programs use it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};

use quorate_testkit::cluster::{Cluster, until};

use super::git::{
    QUORATE, approve, are_installed, command, ends_well, inbox, succeeds, text, with_repository,
};

/// A running agent of ada's node.
struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(system: &Cluster) -> Self {
        let mut process = command(system, QUORATE, &["ssh-agent"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let socket = line.strip_prefix("SSH_AUTH_SOCK=").unwrap();
        let socket = socket.strip_suffix("; export SSH_AUTH_SOCK;\n").unwrap();
        Self { process, socket: socket.into() }
    }

    fn command(&self, system: &Cluster, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap();
        let mut command = command(system, program, &words.collect::<Vec<_>>());
        command.env("SSH_AUTH_SOCK", &self.socket);
        command
    }

    fn refuses(&self, system: &Cluster, line: &str) {
        let output = self.command(system, line).output().unwrap();
        assert!(!output.status.success(), "{line}: {}", text(&output));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn programs_of_openssh_get_signatures_of_a_group() {
    if !are_installed(&["ssh-keygen", "ssh-add"]) {
        return;
    }
    let system = with_repository();
    system.run("ada", "group create board --members ada,ben --min-signers 2").succeeds();
    let export = "key export --group board --format ssh --out board.pub";
    system.run("ada", export).succeeds();
    let agent = Agent::start(&system);
    let mode = fs::metadata(&agent.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The agent has the keys of groups that sign for agents, and can neither gain nor lose keys.
    let listed = succeeds(agent.command(&system, "ssh-add -L"));
    assert_eq!(listed, fs::read_to_string(system.path("release.pub")).unwrap());
    let own = system.path("own").display().to_string();
    succeeds(command(&system, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &own]));
    for line in ["ssh-add own", "ssh-add -d release.pub", "ssh-add -D"] {
        agent.refuses(&system, line);
    }
    for name in ["first", "second"] {
        system.write(name, name.as_bytes());
    }
    agent.refuses(&system, "ssh-keygen -Y sign -U -n file -f board.pub first");
    agent.refuses(&system, "ssh-keygen -Y sign -U -n file -f own.pub first");
    assert!(inbox(&system).is_empty());
    assert_eq!(succeeds(agent.command(&system, "ssh-add -L")), listed);

    // A second agent does not take the place of the first.
    let second = command(&system, QUORATE, &["ssh-agent"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second).contains("belongs to a program that runs already"), "{}", text(&second));

    // Two programs wait, each for its own request.
    let sign = |name: &str| {
        let line = format!("ssh-keygen -Y sign -U -n file -f release.pub {name}");
        agent.command(&system, &line).spawn().unwrap()
    };
    let mut first = sign("first");
    let early = until("the first request", || inbox(&system).pop());
    let second = sign("second");
    let late = until("the second request", || {
        inbox(&system).into_iter().find(|request| *request != early)
    });
    let shown = system.run("ben", &format!("request show {late}")).succeeds().stdout;
    let sum = succeeds(command(&system, "sha512sum", &["second"]));
    let hash = sum.split(' ').next().unwrap();
    let shown: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in ["SSH signature", hash, "nobody here was shown"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    system.run("ben", &format!("approve {late} --yes")).succeeds();
    ends_well(second);
    assert!(first.try_wait().unwrap().is_none());
    approve(&system);
    ends_well(first);
    for name in ["first", "second"] {
        let line = format!("-Y verify -n file -f release.signers -I release -s {name}.sig");
        let line: Vec<&str> = line.split(' ').collect();
        let mut verify = command(&system, "ssh-keygen", &line);
        verify.stdin(fs::File::open(system.path(name)).unwrap());
        assert!(succeeds(verify).contains("Good \"file\" signature"));
    }

    // A rejected request fails.
    system.write("third", b"third");
    let third = sign("third");
    let id = until("the third request", || inbox(&system).pop());
    system.run("ben", &format!("reject {id} --yes --reason no")).succeeds();
    assert!(!third.wait_with_output().unwrap().status.success());
    assert!(!system.path("third.sig").exists());
    logs_in(&system, &agent);
}

/// Logs in to a server, which runs for this connection only.
fn logs_in(system: &Cluster, agent: &Agent) {
    let Some(server) = server() else { return eprintln!("skipped: sshd is not installed") };
    if !are_installed(&["ssh"]) {
        return;
    }
    let host_key = system.path("host").display().to_string();
    succeeds(command(system, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &host_key]));
    let user = succeeds(command(system, "id", &["-un"]));
    let user = user.trim();
    let keys = system.path("release.pub").display().to_string();
    let config = format!(
        "HostKey {host_key}\nAuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
    );
    system.write("sshd_config", config.as_bytes());
    let usable = command(system, &server, &["-t", "-f", "sshd_config"]).output().unwrap();
    if !usable.status.success() {
        return eprintln!("skipped: sshd does not run here: {}", text(&usable));
    }
    let server = format!("ProxyCommand={server} -i -f {}", system.path("sshd_config").display());
    let target = format!("{user}@server");
    let mut login = command(
        system,
        "ssh",
        &[
            "-F",
            "none",
            "-o",
            &server,
            "-o",
            "UserKnownHostsFile=known",
            "-o",
            "StrictHostKeyChecking=accept-new",
            "-o",
            "BatchMode=yes",
            &target,
            "echo",
            "inside",
        ],
    );
    let login = login.env("SSH_AUTH_SOCK", &agent.socket).spawn().unwrap();
    let shown = approve(system);
    assert!(shown.contains("SSH login") && shown.contains(&format!("as {user}")), "{shown}");
    assert!(ends_well(login).contains("inside"));
}

/// The SSH server, which has to be called by its whole path.
fn server() -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let directories = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    let mut servers = directories.map(|directory| format!("{directory}/sshd"));
    servers.find(|server| PathBuf::from(server).is_file())
}
