//! Foreign tools that verify signatures.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a foreign tool. Returns `None`, and prints that the check was skipped, if the tool is not
/// installed.
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
