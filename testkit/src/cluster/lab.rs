//! Namespaces: a network with real hosts and lost packets, and small disks.
//!
//! A test runs itself again in its own namespaces ([`isolated`]). There it is root, and no other
//! process shares its loopback. Whatever it mounts, connects or starts disappears when it ends,
//! however it ends. Nothing outside is touched.
//!
//! ```text
//!  the test's own namespace: coordinator, proxies         namespace of ben
//!     p-1 198.18.1.1 ═══════════ veth ═══════════ eth0 198.18.1.2 ── node
//!      └── nft: drop what comes in from, or goes out to, p-1
//! ```

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// The environment variable that marks a process as the copy in namespaces.
const INSIDE: &str = "QUORATE_TESTKIT_ISOLATED";

/// Why a machine cannot run a lab.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoLab {
    #[error("{0} is not installed")]
    Missing(&'static str),
    /// The process is not root, and the machine has no unprivileged namespaces.
    #[error("this machine allows no namespaces (they need root, or unprivileged user namespaces)")]
    Forbidden,
}

/// Returns the command that runs `program` in its own namespaces.
pub fn isolating(program: &Path) -> Result<Command, NoLab> {
    for tool in ["unshare", "nsenter", "mount", "ip", "nft"] {
        let mut asking = Command::new(tool);
        asking.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if asking.status().is_err() {
            return Err(NoLab::Missing(tool));
        }
    }
    // When the first process of a process namespace ends, the kernel ends all others in it.
    let own = ["--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child"];
    // Of all that is needed, a kernel or container most often denies nft.
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

/// Whether this process runs in its own namespaces.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Prepares the namespaces in which this process runs.
pub fn set_up() {
    shell("ip link set lo up");
    // Namespaces are named by files in this directory, which only this process sees.
    shell("mount -t tmpfs none /run");
    shell("mkdir -p /run/netns");
    shell("nft add table inet lab");
    for (hook, side) in [("input", "in"), ("output", "out")] {
        shell(&format!(
            "nft 'add chain inet lab {side} {{ type filter hook {hook} priority 0; policy accept; }}'"
        ));
    }
}

/// Runs the body of the test `name` in its own namespaces: runs the test's program again there, for
/// this test alone. Prints that the test was skipped if the machine has no lab.
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

/// The address of the test's own end of the cable to a host.
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

/// Returns a command that runs in a host's network.
pub fn command_in(host: &str, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{host}")).arg(program);
    command
}

/// What happens to the packets of one host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packets {
    /// No packet arrives, in either direction.
    Partitioned,
    /// The packets that the host sends do not arrive.
    Unheard,
    /// The packets that are sent to the host do not arrive.
    Deaf,
    /// This many of a hundred packets are lost, in each direction.
    Lossy(u8),
}

/// Disturbs a host's packets until [`heal`].
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

/// Mounts a small disk with room for this many bytes on a directory.
pub fn mount_small_disk(directory: &Path, bytes: u64) {
    shell(&format!("mount -t tmpfs -o size={bytes},mode=700 none {}", directory.display()));
}

/// Fills the small disk that is mounted on a directory.
pub fn fill_disk(directory: &Path) {
    // A process may write in between, and a disk cannot shrink below its contents.
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
