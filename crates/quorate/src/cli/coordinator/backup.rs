//! `quorate coordinator backup`.

use std::path::PathBuf;

use clap::Args;
use rand_core::OsRng;
use serde::Serialize;

use crate::api::{Code, Problem};
use crate::backup::coordinator::{CoordinatorBackupError, CoordinatorLabel, make};
use crate::cli::context::{Context, home_problem, now};
use crate::cli::weak_passphrase::WeakPassphrase;
use crate::cli::{Failure, Run, backup_file};
use crate::error_chain::chain;
use crate::home::{CoordinatorHome, Locations};
use crate::keystore::{Cost, PassphraseProtector};
use crate::render::{Page, Tone};

/// Back up what only the coordinator has: its keys, to a file under a passphrase
///
/// The backup contains the keys and settings of all its IVNs, and the size of each log. It contains
/// no log and no documents, because the members' nodes have them. Works while the coordinator runs.
/// One backup is enough as long as no IVN is added and no key changes; a newer one makes sure that
/// more of the log is asked for.
///
/// A person with the file and its passphrase can impersonate the coordinator, but cannot sign
/// documents.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate coordinator backup --out acme.backup
  quorate coordinator backup --home ./coordinator --out acme.backup --passphrase-file ./pass")]
pub(super) struct Backup {
    /// Write the backup to this file; - writes it to stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    weak: WeakPassphrase,
}

#[derive(Serialize)]
struct BackupView {
    #[serde(flatten)]
    label: CoordinatorLabel,
    file: PathBuf,
    bytes: usize,
}

impl Run for Backup {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let target = backup_file::target(&self.out, self.force)?;
        let home = Locations::from_environment()
            .coordinator(context.home.clone())
            .map_err(|error| home_problem(&error))?;
        CoordinatorHome::read(&home).map_err(|error| home_problem(&error))?;
        let passphrase = context.passphrase(&self.weak.to_protect("the backup".to_owned()))?;
        let protector = PassphraseProtector::new(passphrase, Cost::RECOMMENDED);
        let made = context.wait_for(make(&home, &protector, now(), &mut OsRng));
        let (label, bytes) = made.map_err(|error| match error {
            CoordinatorBackupError::Home(error) => home_problem(&error),
            error => Problem::new(Code::Failed, chain(&error)),
        })?;
        if target.is_stdout() {
            return Ok(context.terminal.bytes(&bytes)?);
        }
        backup_file::write(&target, &bytes)?;
        let view = BackupView { label, file: self.out, bytes: bytes.len() };
        context.terminal.show("coordinator-backup", &view, |page| {
            page.verdict(
                Tone::Good,
                format!("the coordinator is backed up in {}", view.file.display()),
            );
            describe(page, &view.label);
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence("It opens with the passphrase that you gave. Without it nobody can restore anything.");
            page.sentence("Keep it on another machine: quorate coordinator restore needs it when this disk is lost.");
        });
        Ok(())
    }
}

/// Displays the label of a backup.
pub(super) fn describe(page: &mut Page, label: &CoordinatorLabel) {
    page.field("hub", &label.hub);
    for ivn in &label.ivns {
        page.field("IVN", format!("\"{}\", {}", ivn.name, ivn.ivn));
        page.field("log", format!("size {} at the time of the backup", ivn.log_size));
    }
}
