//! `quorate demo`.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::names::Digest;
use rand_core::{OsRng, RngCore as _};

use super::context::Context;
use super::node::until_stopped;
use super::{Failure, Run};
use crate::api::{Code, Exit, Problem};
use crate::demo::{Check, Plan, Report, Step, run};
use crate::render::{Page, Tone};

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
    /// The file to sign [default: a short contract that comes with the program]
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
        let plan = Plan {
            file: self.file,
            members: self.members,
            min_signers: self.min_signers,
            directory,
            keep: self.keep,
        };
        let report = context.wait_for(async {
            let stop = until_stopped()?;
            tokio::select! {
                report = run(&plan, |step| context.terminal.note(|page| tell(page, &step))) => report,
                () = stop.cancelled() => {
                    Err(Problem::new(Code::Failed, "stopped; all processes of the demonstration were ended"))
                }
            }
        })?;
        let failed = report.checks.values().any(|check| *check == "failed");
        context.terminal.show("demo", &report, |page| summary(page, &plan, &report))?;
        if failed { Err(Failure::Shown(Exit::Verification)) } else { Ok(()) }
    }
}

/// Returns the path of a directory that does not exist yet.
pub(super) fn new_directory() -> PathBuf {
    let mut random = [0; 32];
    OsRng.fill_bytes(&mut random);
    std::env::temp_dir().join(format!("quorate-demo-{}", Digest::new(random).short()))
}

fn tell(page: &mut Page, step: &Step) {
    match step {
        Step::Done { what, text } => page.item(Tone::Good, format!("{what:<16} {text}")),
        Step::Checked { what, check: Check::Passed, text } => {
            page.item(Tone::Good, format!("{what:<16} {text}"));
        }
        Step::Checked { what, check: Check::Skipped { why }, .. } => {
            page.item(Tone::Warn, format!("{what:<16} skipped: {why}"));
        }
        Step::Checked { what, check: Check::Failed { why }, .. } => {
            page.item(Tone::Bad, format!("{what:<16} FAILED: {why}"));
        }
    }
}

fn summary(page: &mut Page, plan: &Plan, report: &Report) {
    page.blank();
    let dir = plan.directory.display();
    page.sentence(format!("The signed file and everything to check it with is in {dir}. Try:"));
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let document = name(&report.document);
    page.copyable(format!(
        "cd {dir} && ssh-keygen -Y verify -f allowed_signers -I {} -n file -s {document}.sig < {document}",
        report.ssh_identity
    ));
    page.copyable(format!(
        "openssl pkeyutl -verify -rawin -pubin -inkey board.pem -in {document} -sigfile {document}.ed25519"
    ));
    page.copyable("quorate log verify log");
}
