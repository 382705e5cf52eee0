//! The Python packages with which tests verify our files, in a virtual environment of their own.
//!
//! It is `verifiers` in the target directory. Tests look there, and print `skipped: …` if a program
//! is missing.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::terminal::{Tone, paint, say};

/// The packages with their versions and hashes.
const PACKAGES: &str = include_str!("../verifiers.txt");
/// In the environment: the packages that were installed completely.
const INSTALLED: &str = "verifiers.txt";

/// Makes the environment if it is missing or has other packages. `install_venv` installs the part
/// of Python for that which Debian has in a package of its own.
///
/// # Errors
///
/// The reason why it is still missing.
pub(crate) fn provide(
    target: &Path,
    may_install: bool,
    install_venv: impl FnOnce(),
) -> Result<(), String> {
    let place = target.join("verifiers");
    if is_complete(&place) {
        return Ok(());
    }
    if !may_install {
        return Err("--no-install".into());
    }
    say!("{}", paint(Tone::Strong, "==> install the Python packages of xtask/verifiers.txt"));
    make(&place, install_venv)
}

fn is_complete(place: &Path) -> bool {
    let installed = std::fs::read_to_string(place.join(INSTALLED));
    installed.is_ok_and(|installed| installed == PACKAGES)
}

fn make(place: &Path, install_venv: impl FnOnce()) -> Result<(), String> {
    // Also after an installation that was interrupted, or of other versions.
    if let Err(error) = std::fs::remove_dir_all(place)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(format!("{} cannot be replaced: {error}", place.display()));
    }
    let environment = || run("python3".as_ref(), &["-m".as_ref(), "venv".as_ref(), place.as_ref()]);
    environment().or_else(|_| {
        install_venv();
        environment()
    })?;
    let list = place.join("wanted.txt");
    std::fs::write(&list, PACKAGES)
        .map_err(|error| format!("{} cannot be written: {error}", list.display()))?;
    // Only what needs no compiler, and no other files than those whose hashes are listed.
    let options = ["install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
    let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    arguments.extend(["--require-hashes", "--requirement"].map(OsStr::new));
    arguments.push(list.as_ref());
    run(place.join("bin/pip").as_ref(), &arguments)?;
    std::fs::rename(&list, place.join(INSTALLED))
        .map_err(|error| format!("{} cannot be renamed: {error}", list.display()))
}

fn run(program: &OsStr, arguments: &[&OsStr]) -> Result<(), String> {
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} ended with {status}")),
        Err(error) => Err(format!("can't start {name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_package_has_a_version_and_a_hash() {
        let lines = PACKAGES.lines().filter(|line| !line.starts_with('#'));
        let text: Vec<&str> = lines.map(|line| line.trim().trim_end_matches('\\')).collect();
        let packages: Vec<&[&str]> =
            text.chunk_by(|_, next| next.starts_with("--hash=sha256:")).collect();
        assert!(packages.len() > 6);
        for package in packages {
            assert!(package[0].contains("==") && package.len() > 1, "{package:?}");
        }
    }

    #[test]
    fn only_an_environment_with_the_listed_packages_is_complete() {
        let place = std::env::temp_dir().join(format!("quorate-verifiers-{}", std::process::id()));
        assert!(!is_complete(&place));
        std::fs::create_dir_all(&place).unwrap();
        for (text, complete) in [("tuf==1\n", false), (PACKAGES, true)] {
            std::fs::write(place.join(INSTALLED), text).unwrap();
            assert_eq!(is_complete(&place), complete);
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
}
