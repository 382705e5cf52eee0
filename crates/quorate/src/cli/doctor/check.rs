//! A check and its outcome, and the checks that every home needs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Serialize;

use crate::render::size;

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
    pub(super) advice: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, detail: detail.into(), advice: None }
    }

    pub(super) fn warn(
        name: &'static str,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { name, outcome: Outcome::Warn, detail: detail.into(), advice: Some(advice.into()) }
    }

    pub(super) fn fail(
        name: &'static str,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { name, outcome: Outcome::Fail, detail: detail.into(), advice: Some(advice.into()) }
    }
}

/// Checks that only this user can read a file or directory.
pub(super) fn private(name: &'static str, path: &Path) -> Check {
    match std::fs::metadata(path) {
        Err(error) => Check::fail(
            name,
            format!("{} cannot be read: {error}", path.display()),
            "restore it from a backup",
        ),
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => Check::fail(
            name,
            format!("{} can be read or written by others", path.display()),
            format!("chmod go= {}", crate::shell_quote::quoted(&path.display().to_string())),
        ),
        Ok(_) => Check::ok(name, format!("{} is this user's alone", path.display())),
    }
}

pub(super) fn disk(home: &Path) -> Check {
    match rustix::fs::statvfs(home) {
        Err(error) => {
            Check::warn("disk", format!("free space is unknown: {error}"), "look with df")
        }
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let detail = format!("{} free", size(free));
            match free {
                ..TOO_LITTLE => {
                    Check::fail("disk", detail, "make room: nothing can be stored on a full disk")
                }
                TOO_LITTLE..LITTLE => {
                    Check::warn("disk", detail, "make room before the disk is full")
                }
                LITTLE.. => Check::ok("disk", detail),
            }
        }
    }
}

const TOO_LITTLE: u64 = 16 << 20;
const LITTLE: u64 = 256 << 20;
