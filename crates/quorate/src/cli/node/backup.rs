//! `quorate node backup`.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::names::GroupName;
use rand_core::OsRng;
use serde::Serialize;

use crate::api::{Answer, Code, Problem, Query};
use crate::backup::{Label, label};
use crate::cli::context::{Context, home_problem};
use crate::cli::setup_problem::keystore_problem;
use crate::cli::weak_passphrase::WeakPassphrase;
use crate::cli::{Failure, Run, backup_file};
use crate::error_chain::chain;
use crate::home::NodeHome;
use crate::keystore::{BackupFile, Cost, KeystoreError, NodeKeys, Passphrase, PassphraseProtector};
use crate::launch::unexpected;
use crate::node::backup::at_rest;
use crate::render::{Page, Tone};

/// Back up this account's node to a file, sealed under its passphrase
///
/// The backup contains what cannot be recovered otherwise: the account's keys, its shares, and what
/// the node must not forget. It does not contain the log and documents, which the coordinator
/// provides. Works whether the node runs or not; if it runs, no passphrase is needed, so cron can
/// do it.
///
/// A share is valid for one epoch of its group: back up after each change or refresh of a group,
/// and after each change of the account's keys. `quorate node restore` rejects an older backup.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate node backup --out ben.backup
  quorate node backup --out /media/stick/ben.backup --force --home ./ben
  quorate node backup --out ben.backup --other-passphrase")]
pub(super) struct Backup {
    /// Write the backup to this file; - writes it to stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Seal it under a passphrase other than the home's, which is asked for twice
    ///
    /// For a node whose own passphrase is in a file that would be lost with it.
    #[arg(long)]
    other_passphrase: bool,
    /// Read that other passphrase from the first line of a file
    #[arg(long, value_name = "FILE")]
    other_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    weak: WeakPassphrase,
}

#[derive(Serialize)]
struct BackupView {
    #[serde(flatten)]
    label: Label,
    file: PathBuf,
    bytes: usize,
    /// Whether the backup opens with the passphrase of the home.
    home_passphrase: bool,
}

impl Run for Backup {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let target = backup_file::target(&self.out, self.force)?;
        let config = context.node_config()?;
        let own = || {
            let passphrase = context.home_passphrase()?;
            Ok::<_, Problem>(PassphraseProtector::new(passphrase, Cost::RECOMMENDED))
        };
        let mut protector = None;
        let bytes = match context.running_session()? {
            Some(session) => match session.ask(Query::Backup)? {
                Answer::Backup { file } => {
                    for group in session.groups()?.iter().filter(|group| group.lacks_share) {
                        context.terminal.warn(&format!(
                            "no share of {} is in the backup, because this node has none",
                            group.name
                        ));
                    }
                    file
                }
                answer => return Err(unexpected(&answer).into()),
            },
            None => {
                let home = context.node_home()?;
                let home = NodeHome::open(&home).map_err(|error| home_problem(&error))?;
                let own = protector.insert(own()?);
                let keys = NodeKeys::open(&home.keys(), own)
                    .map_err(|error| Problem::new(Code::Failed, chain(&error)))?;
                context.wait_for(at_rest(home, keys))?
            }
        };
        let damaged = |error: &dyn std::error::Error| Problem::new(Code::Failed, chain(error));
        let made = BackupFile::read(&self.out, &bytes).map_err(|error| damaged(&error))?;
        let label = label(&made).map_err(|error| damaged(&error))?;
        let home_passphrase = !self.other_passphrase && self.other_passphrase_file.is_none();
        let bytes = if home_passphrase {
            bytes
        } else {
            let own = protector.map_or_else(own, Ok)?;
            let other = context.other_passphrase(
                self.other_passphrase_file.as_deref(),
                &self.weak.to_protect("the backup".to_owned()),
                "--other-passphrase-file",
            )?;
            under_another(&made, &label, &own, other)
                .map_err(|error| keystore_problem(&error, &self.out))?
        };
        if target.is_stdout() {
            return Ok(context.terminal.bytes(&bytes)?);
        }
        backup_file::write(&target, &bytes)?;
        let view = BackupView { label, file: self.out, bytes: bytes.len(), home_passphrase };
        context.terminal.show("backup", &view, |page| {
            page.verdict(
                Tone::Good,
                format!("the node of {} is backed up in {}", config.account, view.file.display()),
            );
            describe(page, &view.label);
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(match view.home_passphrase {
                true => "It opens with the passphrase of this node. Without it nobody can restore anything.",
                false => "It opens with its own passphrase. Without it nobody can restore anything.",
            });
            page.sentence(
                "Back up again after each change of a group: a share stops working when the group has new ones.",
            );
        });
        Ok(())
    }
}

/// Seals the same backup under a different passphrase.
fn under_another(
    made: &BackupFile,
    label: &Label,
    own: &PassphraseProtector,
    other: Passphrase,
) -> Result<Vec<u8>, KeystoreError> {
    let other = PassphraseProtector::new(other, Cost::RECOMMENDED);
    let (keys, parts) = made.open(label.ivn, &label.account, own)?;
    made.sealed_again(label.ivn, &label.account, (&keys, &parts), &other, &mut OsRng)
}

/// Displays the label of a backup.
pub(super) fn describe(page: &mut Page, label: &Label) {
    let Label { ivn, log_size, shares, .. } = label;
    page.field("IVN", ivn);
    page.field("log", format!("size {log_size} at the time of the backup"));
    let in_use: Vec<(&GroupName, u64)> =
        shares.iter().filter_map(|share| Some((&share.group, share.epoch?))).collect();
    for (group, epoch) in &in_use {
        page.field("share", format!("{group}, epoch {epoch}"));
    }
    if in_use.is_empty() {
        page.field("shares", "none");
    }
}
