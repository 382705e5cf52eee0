//! The foreign programs that tests call, and their installation.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::python;
use crate::terminal::{Tone, paint, say};

/// A program that tests call.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The name of the program in `PATH`.
    pub(crate) program: &'static str,
    /// The Debian package that contains the program.
    pub(crate) package: &'static str,
    /// The purpose of the program in tests.
    pub(crate) used_for: &'static str,
}

/// Every foreign program that a test calls. Tests also print `skipped: X not installed` themselves.
const TOOLS: &[Tool] = &[
    Tool {
        program: "ssh-keygen",
        package: "openssh-client",
        used_for: "verifying SSHSIG signatures and exported keys",
    },
    Tool { program: "minisign", package: "minisign", used_for: "verifying minisign signatures" },
    Tool {
        program: "openssl",
        package: "openssl",
        used_for: "verifying raw Ed25519 signatures and exported keys",
    },
    Tool {
        program: "python3",
        package: "python3",
        used_for: "checking the log with a verifier that shares no code with ours",
    },
    Tool { program: "tmux", package: "tmux", used_for: "pasting the README into terminals" },
    Tool {
        program: "systemd-analyze",
        package: "systemd",
        used_for: "checking the units of `quorate service install`",
    },
    Tool { program: "git", package: "git", used_for: "verifying signed commits" },
    Tool { program: "gpg", package: "gnupg", used_for: "verifying OpenPGP signatures" },
    Tool { program: "gpgv", package: "gpgv", used_for: "verifying OpenPGP signatures as apt does" },
    Tool { program: "sqv", package: "sqv", used_for: "verifying OpenPGP signatures with Sequoia" },
    Tool {
        program: "apt-ftparchive",
        package: "apt-utils",
        used_for: "writing an apt repository whose signature apt verifies",
    },
    Tool { program: "rpmsign", package: "rpm", used_for: "signing and verifying an rpm" },
    Tool { program: "ip", package: "iproute2", used_for: "connecting hosts of its own" },
    Tool { program: "nft", package: "nftables", used_for: "cutting hosts off and losing packets" },
    Tool { program: "iptables", package: "iptables", used_for: "reordering packets" },
    Tool { program: "unshare", package: "util-linux", used_for: "making hosts of its own" },
    Tool { program: "mount", package: "mount", used_for: "filling a disk" },
];

/// Not a program, but a feature that a machine may not allow.
const NAMESPACES: Tool = Tool {
    program: "namespaces",
    package: "",
    used_for: "cutting hosts off, losing packets and filling disks",
};

/// Not a program, but packages that tests use.
const VERIFIERS: Tool = Tool {
    program: "Python verifiers",
    package: "python3-venv",
    used_for: "verifying DSSE, TUF, JWS and PDF signatures with Python packages",
};

/// Installs missing programs if that is allowed and possible. Returns those that are still missing.
pub(crate) fn provide(target: &Path, may_install: bool) -> Vec<&'static Tool> {
    let mut missing = provide_programs(may_install);
    let install_venv = || {
        if is_root() && is_installed("apt-get") {
            install(std::iter::once(VERIFIERS.package));
        }
    };
    if let Err(obstacle) = python::provide(target, may_install, install_venv) {
        let line = format!(
            "skipped: {} not installed ({obstacle}), so no test is {}; get them with `cargo xtask tools`",
            VERIFIERS.program, VERIFIERS.used_for
        );
        say!("{}", paint(Tone::Warning, &line));
        missing.push(&VERIFIERS);
    }
    if is_installed("unshare") && !has_namespaces() {
        let line = format!(
            "skipped: no namespaces (they need root, or unprivileged user namespaces), so no test is {}",
            NAMESPACES.used_for
        );
        say!("{}", paint(Tone::Warning, &line));
        missing.push(&NAMESPACES);
    }
    missing
}

fn provide_programs(may_install: bool) -> Vec<&'static Tool> {
    let missing = missing();
    if missing.is_empty() {
        return missing;
    }
    let list =
        |tools: &[&Tool]| tools.iter().map(|tool| tool.package).collect::<Vec<_>>().join(" ");
    let obstacle = if !may_install {
        "--no-install"
    } else if !is_root() {
        "not root"
    } else if !is_installed("apt-get") {
        "no apt-get here"
    } else {
        say!("{}", paint(Tone::Strong, &format!("==> install {}", list(&missing))));
        install(missing.iter().map(|tool| tool.package));
        "apt-get could not"
    };

    let still_missing = self::missing();
    for tool in &still_missing {
        let line = format!(
            "skipped: {} not installed ({obstacle}), so no test is {}; get it with `apt-get install {}`",
            tool.program, tool.used_for, tool.package
        );
        say!("{}", paint(Tone::Warning, &line));
    }
    still_missing
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !is_installed(tool.program)).collect()
}

/// Whether a test can have a network and disks of its own on this machine.
fn has_namespaces() -> bool {
    let own = ["--net", "--pid", "--mount", "--fork", "true"];
    [&[][..], &["--user", "--map-root-user"]].iter().any(|user| {
        let mut command = Command::new("unshare");
        command.args(*user).args(own).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// The caller detects failures by looking for the programs afterwards.
fn install<'a>(packages: impl Iterator<Item = &'a str>) {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => say!("apt-get {} ended with {status}", arguments.join(" ")),
            Err(error) => say!("can't start apt-get: {error}"),
        }
    };
    apt(&["update", "-qq"]);
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments);
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| is_executable(&directory.join(program)))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_installed_and_nonsense_is_not() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program-anywhere"));
    }

    #[test]
    fn a_directory_is_not_a_program() {
        assert!(!is_executable(Path::new("/")));
    }

    #[test]
    fn no_program_is_listed_twice() {
        for (index, tool) in TOOLS.iter().enumerate() {
            assert!(TOOLS.iter().skip(index + 1).all(|other| other.program != tool.program));
        }
    }
}
