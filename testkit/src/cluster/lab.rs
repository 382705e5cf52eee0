//! Namespaces: a network with real hosts and lost packets, and disks that are soon full.
//!
//! A test runs itself again in namespaces of its own ([`isolated`]). There it is root, its loopback is nobody else's,
//! and whatever it mounts, connects or starts is gone when it ends, however it ends. Nothing outside is touched.
//!
//! ```text
//!  the test's own namespace: coordinator, proxies         namespace of ben
//!     p-1 198.18.1.1 ═══════════ veth ═══════════ eth0 198.18.1.2 ── node
//!      └── nft: drop what comes in from, or goes out to, p-1
//! ```

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells a process that it is the copy in namespaces.
const INSIDE: &str = "QUORATE_TESTKIT_ISOLATED";

/// Why a machine has no lab.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoLab {
    /// A program is missing.
    #[error("{0} is not installed")]
    Missing(&'static str),
    /// Neither root nor unprivileged namespaces.
    #[error("this machine allows no namespaces (they need root, or unprivileged user namespaces)")]
    Forbidden,
}

/// The command that runs `program` in namespaces of its own, or why there is none.
///
/// # Errors
///
/// What is missing on this machine.
pub fn isolating(program: &Path) -> Result<Command, NoLab> {
    for tool in ["unshare", "nsenter", "mount", "ip", "nft"] {
        let mut asking = Command::new(tool);
        asking.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if asking.status().is_err() {
            return Err(NoLab::Missing(tool));
        }
    }
    // With the process namespace, everything in it ends with its first process.
    let own = ["--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child"];
    // nft is what a kernel or a container most likely refuses.
    let trial = "ip link set lo up && nft add table inet trial && mount -t tmpfs none /run";
    for user in [&[][..], &["--user", "--map-root-user"]] {
        let command = |program: &Path| {
            let mut command = Command::new("unshare");
            command.args(user).args(own).arg(program);
            command
        };
        let mut trying = command(Path::new("sh"));
        trying.args(["-c", trial]).stdout(Stdio::null()).stderr(Stdio::null());
        if trying.status().is_ok_and(|status| status.success()) {
            let mut command = command(program);
            command.env(INSIDE, "1");
            return Ok(command);
        }
    }
    Err(NoLab::Forbidden)
}

/// Whether this process is in namespaces of its own.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Prepares the namespaces that this process is in.
pub fn set_up() {
    shell("ip link set lo up");
    // Names of namespaces are files here; nobody else sees these.
    shell("mount -t tmpfs none /run");
    shell("mkdir -p /run/netns");
    shell("nft add table inet lab");
    for (hook, side) in [("input", "in"), ("output", "out")] {
        shell(&format!(
            "nft 'add chain inet lab {side} {{ type filter hook {hook} priority 0; policy accept; }}'"
        ));
    }
}

/// Runs the body of the test `name` in namespaces of its own: the test's program is run again in them, for this test
/// alone. Says visibly if that can not be.
///
/// # Panics
///
/// If the test fails there.
pub fn isolated(name: &str, body: impl FnOnce()) {
    if is_inside() {
        set_up();
        return body();
    }
    match isolating(&std::env::current_exe().unwrap()) {
        Ok(mut command) => {
            let status = command.args([name, "--exact", "--nocapture"]).status().unwrap();
            assert!(status.success(), "{name} failed in its namespaces");
        }
        Err(reason) => eprintln!("SKIPPED: {name}: {reason}"),
    }
}

/// The test's own end of the cable to a host.
pub fn gateway(number: u8) -> IpAddr {
    [198, 18, number, 1].into()
}

/// Makes a network namespace with a cable to this one.
pub fn host(name: &str, number: u8) {
    for line in [
        format!("ip netns add {name}"),
        format!("ip link add p-{name} type veth peer name eth0 netns {name}"),
        format!("ip addr add 198.18.{number}.1/24 dev p-{name}"),
        format!("ip link set p-{name} up"),
        format!("ip -n {name} link set lo up"),
        format!("ip -n {name} addr add 198.18.{number}.2/24 dev eth0"),
        format!("ip -n {name} link set eth0 up"),
    ] {
        shell(&line);
    }
}

/// A command in a host's network.
pub fn command_in(host: &str, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{host}")).arg(program);
    command
}

/// What happens to a host's packets, beside what happens to other hosts'.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packets {
    /// None arrives, in either direction.
    Partitioned,
    /// Those that it sends do not arrive.
    Unheard,
    /// Those that are sent to it do not arrive.
    Deaf,
    /// This many of a hundred are lost, in each direction.
    Lossy(u8),
}

/// Does something to a host's packets until [`heal`].
pub fn spoil(host: &str, packets: Packets) {
    let heard = format!("add rule inet lab in iifname p-{host}");
    let sent = format!("add rule inet lab out oifname p-{host}");
    let (heard, sent) = match packets {
        Packets::Partitioned => (Some(format!("{heard} drop")), Some(format!("{sent} drop"))),
        Packets::Unheard => (Some(format!("{heard} drop")), None),
        Packets::Deaf => (None, Some(format!("{sent} drop"))),
        Packets::Lossy(percent) => {
            let some = format!("numgen random mod 100 < {percent} drop");
            (Some(format!("{heard} {some}")), Some(format!("{sent} {some}")))
        }
    };
    heard.into_iter().chain(sent).for_each(|rule| shell(&format!("nft '{rule}'")));
}

/// Lets all packets of all hosts through again.
pub fn heal() {
    shell("nft flush chain inet lab in");
    shell("nft flush chain inet lab out");
}

/// Makes a directory a disk of its own with room for this many bytes.
pub fn mount_small_disk(directory: &Path, bytes: u64) {
    shell(&format!("mount -t tmpfs -o size={bytes},mode=700 none {}", directory.display()));
}

/// Leaves no room on the small disk that a directory is.
pub fn fill_disk(directory: &Path) {
    // A process may write in between, and no disk is smaller than what is on it.
    let fill = format!(
        "for i in 1 2 3 4 5 6 7 8; do mount -o remount,size=$(df -B1 --output=used {0} | tail -1) {0} && exit 0; done; exit 1",
        directory.display()
    );
    shell(&fill);
}

/// Gives a small disk room for this many bytes again.
pub fn free_disk(directory: &Path, bytes: u64) {
    shell(&format!("mount -o remount,size={bytes} {}", directory.display()));
}

fn shell(line: &str) {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
}
