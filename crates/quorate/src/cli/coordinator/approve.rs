//! `quorate coordinator approve`.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::entry::LogTree;
use quorate_ceremony::names::AccountName;
use serde::Serialize;

use super::replacement::{compared, describe, node_at_rest, problem, read_file};
use crate::cli::confirm::{Question, Yes, confirm_described};
use crate::cli::context::{Context, now};
use crate::cli::output::Target;
use crate::cli::{Failure, Run};
use crate::keystore::{Cost, PassphraseProtector, Purpose};
use crate::render::Tone;
use crate::setup::replacement::{LostShare, vote};

/// Vote for a new coordinator, as a member
///
/// Compares the history in the file with the log that this account's node verified, and shows what
/// would be lost. Writes the vote to a file, for the person who runs `quorate coordinator finish`.
/// Ask that person for the reason in person or by phone. The node must be stopped.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate coordinator approve replacement.json
  quorate coordinator approve replacement.json --from ./log --abandon --home ./ben")]
pub(super) struct ApproveReplacement {
    /// The description of the new coordinator
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A copy of the log that is voted for, if this node's own log does not contain it
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Vote although the history lacks entries that this node verified
    #[arg(long)]
    abandon: bool,
    /// Write the vote to this file [default: ACCOUNT.vote]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    yes: Yes,
}

#[derive(Serialize)]
struct VoteView<'a> {
    account: &'a AccountName,
    file: &'a PathBuf,
    /// How many entries that the node verified are not in the history.
    lost: u64,
    abandoned: Option<LogTree>,
    /// Shares that the node no longer has, and that the history needs.
    lost_shares: &'a [LostShare],
}

impl Run for ApproveReplacement {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let file = read_file(&self.file)?;
        let (home, config) = node_at_rest(context)?;
        let out = self.out.unwrap_or_else(|| PathBuf::from(format!("{}.vote", config.account)));
        let target = Target::new(out.clone(), self.force)?;
        let found = compared(context, &home, &config, &file, self.from, self.abandon)?;
        let question = Question {
            text: "Vote for this coordinator?",
            no: "no vote was signed",
            instead: None,
            look: None,
        };
        confirm_described(context, self.yes, &question, |page| {
            describe(page, &file, &found, &config.account);
        })?;
        let protector =
            PassphraseProtector::new(context.passphrase(&Purpose::Open)?, Cost::RECOMMENDED);
        let entry = vote(&home, &config, &file, &found, &protector, now()).map_err(problem)?;
        target.write(&entry.to_bytes())?;
        let view = VoteView {
            account: &config.account,
            file: &out,
            lost: found.comparison.lost,
            abandoned: found.comparison.abandoned,
            lost_shares: &found.lost_shares,
        };
        context.terminal.show("coordinator-vote", &view, |page| {
            page.verdict(
                Tone::Good,
                format!(
                    "{} votes for the new coordinator; the vote is in {}",
                    config.account,
                    out.display()
                ),
            );
        })?;
        context.terminal.note(|page| {
            page.sentence(
                "Send it to the person who gave you the description. It is not secret. The node does not start until it \
                 follows the new coordinator:",
            );
            page.copyable(context.command("quorate coordinator follow replacement.json"));
        });
        Ok(())
    }
}
