//! `quorate node restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;
use serde::Serialize;

use super::backup;
use crate::api::{Code, Exit, Problem};
use crate::backup::{Backup, Judgement, LabelledShare, Lost, judge, label};
use crate::cli::backup_file::LARGEST;
use crate::cli::context::{Context, home_problem, now};
use crate::cli::coordinator::read_file;
use crate::cli::setup_problem::{keystore_problem, setup_problem};
use crate::cli::{Failure, Run, file};
use crate::home::{Locations, check_free};
use crate::keystore::{BackupFile, Cost, KeystoreError, PassphraseProtector, Purpose};
use crate::node::follow::{NotFollowed, follow};
use crate::proof_files;
use crate::render::{Page, Tone, relative};
use crate::setup::restore::restore;
use crate::store::durable;

/// Restore a node's home from a backup
///
/// For a node whose machine or disk is lost. Verifies the whole log first, which takes a connection
/// to the coordinator: the log has to contain what the node cosigned last, and it shows which
/// shares are still valid. A backup with a share of an earlier epoch is rejected: restore a newer
/// one, or use --even-if-older, which leaves such shares out.
///
/// First stop the node that this one replaces. Two copies of one node are detected, and then
/// neither signs.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate node restore ben.backup
  quorate node restore ben.backup --home ./ben
  quorate node restore ben.backup --show
  quorate node restore ben.backup --replacement replacement.json
  quorate node restore ben.backup --even-if-older")]
pub(super) struct Restore {
    /// The backup; - reads it from stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Restore the account even if shares in the backup are missing or of an earlier epoch, without
    /// these shares
    #[arg(long)]
    even_if_older: bool,
    /// The address of the coordinator, if it has moved since the backup
    #[arg(long, value_name = "HOST:PORT")]
    hub: Option<String>,
    /// The description of the coordinator that replaced the one of the backup
    #[arg(long, value_name = "FILE", conflicts_with = "hub")]
    replacement: Option<PathBuf>,
    /// Only show the label of the backup; needs no passphrase, and proves nothing
    #[arg(long, conflicts_with_all = ["even_if_older", "hub", "replacement"])]
    show: bool,
}

#[derive(Serialize)]
struct RestoreView {
    account: AccountName,
    ivn: IvnId,
    home: PathBuf,
    made_at: Timestamp,
    /// The number of entries in the log, all verified.
    log_size: u64,
    shares: Vec<LabelledShare>,
    /// Shares that the account should have, and that are not in the backup.
    lost: Vec<Lost>,
}

impl Run for Restore {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let bytes = file::read(&self.file, LARGEST)?;
        let refused = |error: KeystoreError| keystore_problem(&error, &self.file);
        let sealed = BackupFile::read(&self.file, &bytes).map_err(refused)?;
        let label = label(&sealed).map_err(|_| refused(KeystoreError::damaged(&self.file)))?;
        if self.show {
            context.terminal.show("backup", &label, |page| {
                page.verdict(
                    Tone::Strong,
                    format!(
                        "a backup of the node of {}, made {}",
                        label.account,
                        relative(now(), label.made_at)
                    ),
                );
                backup::describe(page, &label);
            })?;
            return Ok(());
        }
        let home = Locations::from_environment()
            .new_node(context.home.clone(), label.account.as_str())
            .map_err(|error| home_problem(&error))?;
        // Before a passphrase is asked for.
        check_free(&home).map_err(|error| home_problem(&error))?;
        context.terminal.note(|page| {
            page.sentence(format!(
                "restoring the node of {} to {}, from a backup made {}",
                label.account,
                home.display(),
                relative(now(), label.made_at)
            ));
        });
        let passphrase = context.passphrase(&Purpose::Open)?;
        let protector = PassphraseProtector::new(passphrase, Cost::RECOMMENDED);
        let mut opened = Backup::open(&self.file, &sealed, &protector).map_err(refused)?;
        if let Some(hub) = self.hub {
            if hub.parse::<quorate_network::ivn::HubAddress>().is_err() {
                let message = format!("\"{hub}\" is not an address; give HOST:PORT");
                return Err(Problem::new(Code::Usage, message).into());
            }
            opened.config.hub = hub;
        }
        if let Some(path) = self.replacement {
            let file = read_file(&path)?;
            if file.ivn != opened.config.ivn {
                let message = "the description is of a coordinator of a different IVN";
                return Err(Problem::new(Code::Usage, message).into());
            }
            opened.config.log_key = Some(file.replacement.keys.log_key);
            opened.config.hub = file.hub;
            opened.config.ca_certificate = file.ca_certificate;
        }
        let followed = context
            .wait_for(follow(&opened))
            .map_err(|failed| not_followed(failed, &home, &opened.label.account))?;
        let state = followed.machine.state();
        let Judgement { good, lost } = judge(state, &opened.label, &opened.packages);
        if !lost.is_empty() && !self.even_if_older {
            return Err(older(&opened.label.account, &lost, &self.file).into());
        }
        let view = RestoreView {
            account: opened.label.account.clone(),
            ivn: opened.label.ivn,
            home,
            made_at: opened.label.made_at,
            log_size: state.size(),
            shares: opened
                .label
                .shares
                .iter()
                .filter(|share| good.contains(&share.session))
                .cloned()
                .collect(),
            lost,
        };
        let restoring = restore(&view.home, opened, followed.config, followed.entries, &good);
        context.wait_for(restoring).map_err(|error| setup_problem(&error))?;
        context.terminal.show("restored", &view, |page| show(page, &view))?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(
                "Next: make sure that the node which this one replaces does not run any more, then run this one. It signs \
                 when the log shows that it started.",
            );
            page.copyable(context.command("quorate node run"));
            page.sentence(
                "Decisions made after the backup that did not reach the log are lost: look at the inbox.",
            );
        });
        Ok(())
    }
}

fn show(page: &mut Page, view: &RestoreView) {
    let tone = if view.lost.is_empty() { Tone::Good } else { Tone::Warn };
    page.verdict(
        tone,
        format!("the node of {} is restored in {}", view.account, view.home.display()),
    );
    page.field("IVN", view.ivn);
    page.field("log", format!("{} entries, all verified here", view.log_size));
    for share in &view.shares {
        match share.epoch {
            Some(epoch) => page.field("share", format!("{}, epoch {epoch}", share.group)),
            None => page.field("share", format!("{}, not in use", share.group)),
        }
    }
    for lost in &view.lost {
        page.item(Tone::Bad, format!("no share of {}: {}", lost.group, why(lost)));
        page.advice(way_out(&view.account, lost));
    }
}

fn why(lost: &Lost) -> String {
    let Lost { group, backup_epoch, epoch, .. } = lost;
    match backup_epoch {
        Some(old) if old < epoch => format!(
            "the backup contains the share of epoch {old}, but {group} is now in epoch {epoch}: its members have new shares"
        ),
        Some(_) => format!("the share in the backup does not fit the key of {group}"),
        None => {
            format!("the backup contains none, and {group} gave this account one in epoch {epoch}")
        }
    }
}

/// Explains how to get a share back.
fn way_out(account: &AccountName, lost: &Lost) -> String {
    let Lost { group, min_signers, .. } = lost;
    match lost.others_can_repair {
        true => format!(
            "quorate group repair {group} {account}, which {min_signers} other members approve, restores it; if somebody else \
             may have the lost disk, quorate group refresh {group} gives all members new shares"
        ),
        false => format!(
            "fewer than {min_signers} other members have their shares, so it cannot be restored; look for a newer backup, or make a \
             new group with a new key: quorate group create"
        ),
    }
}

/// Rejects a backup of an earlier epoch.
fn older(account: &AccountName, lost: &[Lost], file: &Path) -> Problem {
    let reasons: Vec<String> = lost.iter().map(why).collect();
    let ways: Vec<String> = lost.iter().map(|lost| way_out(account, lost)).collect();
    Problem::new(
        Code::Failed,
        format!("this backup is too old, and nothing was restored: {}", reasons.join("; ")),
    )
    .hint(format!(
        "is there a newer backup? without one, get the account back without such shares (quorate node restore {} \
         --even-if-older), and then: {}",
        crate::shell_quote::quoted(&file.display().to_string()),
        ways.join("; ")
    ))
}

fn not_followed(failed: NotFollowed, home: &Path, account: &AccountName) -> Problem {
    match failed {
        // The usual advice needs a node that can be asked, and there is none yet.
        NotFollowed::Problem(problem) if problem.exit() == Exit::NotAllowed => {
            let advice = match problem.code.refusal() {
                Some(Refusal::Accounts(Accounts::KeysReplaced { .. })) => format!(
                    "nothing was restored; take a backup from after the keys were changed, or ask an admin for new ones: \
                     quorate account replace-keys {account}"
                ),
                Some(Refusal::Accounts(Accounts::Suspended { .. })) => format!(
                    "nothing was restored; when an admin has run `quorate account resume {account}`, run this again"
                ),
                _ => format!(
                    "nothing was restored; an admin can look at the account: quorate account show {account}"
                ),
            };
            problem.hint(advice)
        }
        NotFollowed::Problem(problem) if problem.hint.is_none() => problem.hint(
            "nothing was restored; an admin knows whether the account was suspended, removed or given new keys since",
        ),
        NotFollowed::Problem(problem) => problem,
        NotFollowed::Misbehaviour(proof) => {
            let place = durable::directory_of(home);
            let problem = Problem::new(
                Code::Verification,
                "the coordinator is proved to break the rules: its log is not the one that this node cosigned; nothing was restored",
            );
            match proof_files::write(place, &proof) {
                Ok(()) => problem.hint(format!(
                    "the proof is in {}, misbehaviour-….json: send it to the other members; anybody can check it with quorate log verify --misbehaviour",
                    place.display()
                )),
                Err(error) => problem.hint(format!("the proof cannot be written: {error}")),
            }
        }
    }
}
