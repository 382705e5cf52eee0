//! `quorate demo`.

use std::path::{Path, PathBuf};

use clap::Args;
use quorate_ceremony::names::Digest;
use rand_core::{OsRng, RngCore as _};

use super::context::Context;
use super::daemon::until_stopped;
use super::{Failure, Run};
use crate::api::{Code, Exit, Problem};
use crate::demo::{Check, HOMES, Plan, Report, Step, run};
use crate::render::{Page, Tone};
use crate::shell_quote::quoted;

/// Watch a quorum make a key and sign a file, checked by ssh-keygen and openssl
///
/// Starts a coordinator and the members' nodes as separate processes on free loopback ports. They
/// generate a key that nobody holds, sign the file, and sign again after one node was killed. Then
/// all the processes are ended, and the signed files stay in a directory. Needs no configuration,
/// no network and no privileges.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate demo
  quorate demo contract.pdf --dir ./signed
  quorate demo --members 7 --min-signers 4 --json")]
pub(super) struct Demo {
    /// The file to sign, of at most 32 MiB [default: a short contract that comes with the program]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// How many members the signing group has (2 to 30)
    #[arg(long, default_value_t = 5, value_name = "N")]
    members: u16,
    /// How many of them it takes to sign
    #[arg(long, default_value_t = 3, value_name = "N")]
    min_signers: u16,
    /// A new or empty directory for the files [default: a new one in the system's temporary
    /// directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Keep the homes of the coordinator and the nodes too, for further use
    #[arg(long)]
    keep: bool,
}

impl Run for Demo {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let directory = match self.dir {
            Some(directory) => directory,
            None => new_directory(),
        };
        let was_there = directory.exists();
        let plan = Plan {
            file: self.file,
            members: self.members,
            min_signers: self.min_signers,
            directory,
            keep: self.keep,
        };
        let ran = context.wait_for(async {
            let stop = until_stopped()?;
            tokio::select! {
                report = run(&plan, |step| context.terminal.note(|page| tell(page, &step))) => report,
                () = stop.cancelled() => {
                    Err(Problem::new(Code::Interrupted, "stopped; all processes of the demonstration were ended, and its files are removed"))
                }
            }
        });
        if ran.is_err() && !plan.keep {
            clean_up(&plan.directory, was_there);
        }
        let report = ran?;
        let failed = report.checks.values().any(|check| *check == "failed");
        context.terminal.show("demo", &report, |page| summary(page, &plan, &report))?;
        if failed { Err(Failure::Shown(Exit::Verification)) } else { Ok(()) }
    }
}

/// Removes what a demonstration that did not finish has made: its homes with their keys, and the
/// directory, unless it was there before.
fn clean_up(directory: &Path, was_there: bool) {
    let made = if was_there { directory.join(HOMES) } else { directory.to_owned() };
    // It may have failed before anything was made, or because the disk is full.
    let _ = std::fs::remove_dir_all(made);
}

/// Returns the path of a directory that does not exist yet.
pub(super) fn new_directory() -> PathBuf {
    let mut random = [0; 32];
    OsRng.fill_bytes(&mut random);
    std::env::temp_dir().join(format!("quorate-demo-{}", Digest::new(random).short()))
}

fn tell(page: &mut Page, step: &Step) {
    match step {
        Step::Begun { text } => page.note(text),
        Step::Done { what, text } => page.item(Tone::Good, line(what, text)),
        Step::Checked { what, check: Check::Passed, text } => {
            page.item(Tone::Good, line(what, text));
        }
        Step::Checked { what, check: Check::Skipped { why }, .. } => {
            page.item(Tone::Warn, line(what, &format!("skipped: {why}")));
        }
        Step::Checked { what, check: Check::Failed { why }, .. } => {
            page.item(Tone::Bad, line(what, &format!("FAILED: {why}")));
        }
    }
}

/// Names a step or check in words, not by its name for programs.
fn line(what: &str, text: &str) -> String {
    format!("{:<16} {text}", what.replace('-', " "))
}

fn summary(page: &mut Page, plan: &Plan, report: &Report) {
    page.blank();
    let dir = &plan.directory;
    page.sentence(format!(
        "The signed file and everything to check it with is in {}. Try, in this order:",
        dir.display()
    ));
    let name = |path: &PathBuf| quoted(&path.file_name().unwrap_or_default().to_string_lossy());
    let document = name(&report.document);
    let (ssh, raw) = (name(&report.sshsig_file), name(&report.signature_file));
    let quorate = program();
    page.copyable(format!("cd {}", quoted(&dir.display().to_string())));
    page.copyable(format!(
        "ssh-keygen -Y verify -f allowed_signers -I {} -n file -s {ssh} < {document}",
        report.ssh_identity
    ));
    page.copyable(format!(
        "openssl pkeyutl -verify -rawin -pubin -inkey board.pem -in {document} -sigfile {raw}"
    ));
    page.copyable(format!("{quorate} log verify log --document {document}"));
    if plan.keep {
        // Relative to the directory of the first command.
        let path = |below: &str| quoted(&Path::new(HOMES).join(below).display().to_string());
        let pass = format!("--passphrase-file {}", path("passphrase"));
        page.blank();
        page.sentence(
            "The homes are kept. To continue, start the coordinator and at least as many nodes as it takes to sign, \
             each in a terminal, and then sign:",
        );
        page.copyable(format!("{quorate} serve --home {}", path("coordinator")));
        for name in ["ada", "ben", "carol"] {
            let home = path(&format!("nodes/{name}"));
            page.copyable(format!("{quorate} node run --home {home} {pass}"));
        }
        page.copyable(format!("{quorate} sign FILE --group board --home {}", path("nodes/ada")));
    }
}

/// Returns what to type for this program: its name if the shell finds it, else its path.
fn program() -> String {
    let Ok(path) = std::env::current_exe() else { return "quorate".to_owned() };
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&directories)
        .map(|directory| directory.join("quorate"))
        .find(|candidate| candidate.is_file());
    match found.and_then(|found| found.canonicalize().ok()) == path.canonicalize().ok() {
        true => "quorate".to_owned(),
        false => quoted(&path.display().to_string()),
    }
}
