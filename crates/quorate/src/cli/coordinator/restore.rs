//! `quorate coordinator restore`.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::names::{IvnId, Timestamp};
use quorate_network::ivn::HubAddress;
use serde::Serialize;

use super::backup::describe;
use crate::api::{Code, Problem};
use crate::backup::coordinator::CoordinatorBackup;
use crate::cli::context::{Context, home_problem, now};
use crate::cli::setup_problem::{coordinator_keystore_problem, setup_problem};
use crate::cli::{Failure, Run, backup_file, file};
use crate::error_chain::chain;
use crate::home::{Locations, check_free};
use crate::keystore::{CoordinatorBackupFile, Cost, PassphraseProtector, Purpose};
use crate::render::{Page, Tone, relative};
use crate::setup::log_copy::{LogCopy, LogCopyError, VerifiedCopy};
use crate::setup::rebuild::{Rebuilt, rebuild};

/// Rebuild a coordinator's home from a backup
///
/// For a coordinator whose disk is lost. The log comes from the members' nodes: either they give it
/// to the coordinator when it runs, or --from copies it now, and verifies every entry. Before the
/// coordinator has at least the log that the backup requires, and is connected to more than half of
/// the nodes that cosigned it last, it appends nothing.
///
/// First make sure that the coordinator which this one replaces does not run any more.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate coordinator restore acme.backup
  quorate coordinator restore acme.backup --home ./coordinator --from ./ada
  quorate coordinator restore acme.backup --from https://log.example.org/acme
  quorate coordinator restore acme.backup --show")]
pub(super) struct Restore {
    /// The backup; - reads it from stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Copy the log from a node's home, or from a published log's directory or URL; can be repeated
    ///
    /// A node's copy needs no passphrase, and its node may run. Every entry is verified, whatever
    /// its source.
    #[arg(long, value_name = "DIR|URL")]
    from: Vec<PathBuf>,
    /// The address at which members reach the coordinator, if it changed since the backup
    #[arg(long, value_name = "HOST:PORT")]
    hub: Option<HubAddress>,
    /// The address at which the coordinator listens, if it changed since the backup
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<std::net::SocketAddr>,
    /// Only show the label of the backup; needs no passphrase, and proves nothing
    #[arg(long, conflicts_with_all = ["from", "hub", "listen"])]
    show: bool,
}

#[derive(Serialize)]
struct RestoreView {
    home: PathBuf,
    made_at: Timestamp,
    ivns: Vec<RestoredIvn>,
}

#[derive(Serialize)]
struct RestoredIvn {
    ivn: IvnId,
    name: String,
    /// The number of entries in the home, all verified.
    log_size: u64,
    /// The number of entries that nodes have to give at least.
    missing: u64,
}

impl Run for Restore {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let bytes = file::read(&self.file, backup_file::LARGEST)?;
        let refused = |error| coordinator_keystore_problem(&error, &self.file);
        let sealed = CoordinatorBackupFile::read(&self.file, &bytes).map_err(refused)?;
        let label = CoordinatorBackup::label(&sealed).map_err(refused)?;
        if self.show {
            context.terminal.show("coordinator-backup", &label, |page| {
                let made = relative(now(), label.made_at);
                page.verdict(Tone::Strong, format!("a backup of a coordinator, made {made}"));
                describe(page, &label);
            })?;
            return Ok(());
        }
        let home = Locations::from_environment()
            .coordinator(context.home.clone())
            .map_err(|error| home_problem(&error))?;
        // Before a passphrase is asked for.
        check_free(&home).map_err(|error| home_problem(&error))?;
        let passphrase = context.passphrase(&Purpose::Open)?;
        let protector = PassphraseProtector::new(passphrase, Cost::RECOMMENDED);
        let mut backup = CoordinatorBackup::open(&sealed, &protector).map_err(refused)?;
        if let Some(hub) = self.hub {
            backup.config.hub = hub.to_string();
        }
        if let Some(listen) = self.listen {
            backup.config.listen = listen.to_string();
        }
        let copies = context.wait_for(copies(&self.from, &backup))?;
        let ivns = backup.ivns.into_iter().zip(copies).collect();
        let rebuilt = context
            .wait_for(rebuild(&home, backup.config, ivns))
            .map_err(|error| setup_problem(&error))?;
        let restored = rebuilt.iter().zip(backup.label.ivns);
        let restored = restored.map(|(Rebuilt { ivn, size, required }, label)| RestoredIvn {
            ivn: *ivn,
            name: label.name,
            log_size: *size,
            missing: required - size,
        });
        let view = RestoreView { made_at: backup.label.made_at, ivns: restored.collect(), home };
        context.terminal.show("coordinator-restored", &view, |page| show(page, &view))?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(
                "Next: make sure that the coordinator which this one replaces does not run any more, then run this one. Its \
                 nodes give it the rest of the log when they connect.",
            );
            page.copyable(context.command("quorate serve"));
        });
        Ok(())
    }
}

/// Reads and verifies the longest copy of each IVN's log.
async fn copies(
    from: &[PathBuf],
    backup: &CoordinatorBackup,
) -> Result<Vec<Option<VerifiedCopy>>, Problem> {
    let mut copies: Vec<Option<VerifiedCopy>> = backup.ivns.iter().map(|_| None).collect();
    for path in from {
        let is_url = |text: &&str| text.starts_with("https://") || text.starts_with("http://");
        let copy = match path.to_str().filter(is_url).map(str::to_owned) {
            Some(url) => {
                let read = tokio::task::spawn_blocking(move || LogCopy::on_the_web(&url));
                read.await.map_err(|error| Problem::new(Code::Failed, chain(&error)))?
            }
            None => LogCopy::read(path).await,
        };
        let copy = copy.map_err(copy_problem)?;
        let position = copy.position(&backup.ivns).map_err(copy_problem)?;
        let (Some(parts), Some(longest)) = (backup.ivns.get(position), copies.get_mut(position))
        else {
            continue;
        };
        let copy = copy.verify(parts).map_err(copy_problem)?;
        if longest.as_ref().is_none_or(|longest| longest.size() < copy.size()) {
            *longest = Some(copy);
        }
    }
    Ok(copies)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn copy_problem(error: LogCopyError) -> Problem {
    match &error {
        LogCopyError::Home(error) => home_problem(error),
        LogCopyError::Invalid { .. } => Problem::new(Code::Verification, chain(&error))
            .hint("nothing was restored; use another node's home, or leave --from out"),
        LogCopyError::OtherHistory { .. } => Problem::new(Code::Verification, chain(&error))
            .hint("nothing was restored; a second coordinator with these keys ran: ask the other members for their logs"),
        LogCopyError::Unreachable { .. } => Problem::new(Code::Unreachable, chain(&error))
            .hint("nothing was restored; check the address, or use a node's home"),
        LogCopyError::Neither(_) => Problem::new(Code::Failed, chain(&error))
            .hint("--from takes the home of a member's node, or a directory or URL with a checkpoint and tiles"),
        error => Problem::new(Code::Failed, chain(error)).hint("nothing was restored"),
    }
}

fn show(page: &mut Page, view: &RestoreView) {
    page.verdict(Tone::Good, format!("the coordinator is restored in {}", view.home.display()));
    for ivn in &view.ivns {
        page.field("IVN", format!("\"{}\", {}", ivn.name, ivn.ivn));
        page.field("log", format!("{} entries, all verified here", ivn.log_size));
        if ivn.missing > 0 {
            let missing = format!("at least {} entries, which nodes have to give", ivn.missing);
            page.field("missing", missing);
        }
    }
}
