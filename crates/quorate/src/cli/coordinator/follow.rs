//! `quorate coordinator follow`.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::names::AccountName;
use serde::Serialize;

use super::replacement::{compared, describe, node_at_rest, problem, read_file, voters};
use crate::cli::confirm::{Question, Yes, confirm_described};
use crate::cli::context::Context;
use crate::cli::{Failure, Run};
use crate::render::Tone;
use crate::setup::replacement::{LostShare, follow};

/// Make this account's node follow a new coordinator, once enough members have voted
///
/// Checks the votes, takes over the history that they are for, and changes the address and the keys
/// that the node trusts. What the node has to give up is kept in its home, in abandoned-….json. The
/// node must be stopped. Running it again finishes what was begun.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate coordinator follow replacement.json
  quorate coordinator follow replacement.json --from ./log --abandon --home ./ben")]
pub(super) struct Follow {
    /// The description of the new coordinator, with the votes
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A copy of the log that is voted for, if this node's own log does not contain it
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Follow although the history lacks entries that this node verified
    #[arg(long)]
    abandon: bool,
    #[command(flatten)]
    yes: Yes,
}

#[derive(Serialize)]
struct FollowView {
    account: AccountName,
    hub: String,
    log_size: u64,
    voted: Vec<AccountName>,
    /// Where what the node gave up is kept.
    abandoned: Option<PathBuf>,
    lost_shares: Vec<LostShare>,
}

impl Run for Follow {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let file = read_file(&self.file)?;
        let (mut home, config) = node_at_rest(context)?;
        let found = compared(context, &home, &config, &file, self.from, self.abandon)?;
        let has_followed = config.log_key == Some(file.replacement.keys.log_key);
        if !has_followed {
            let question = Question {
                text: "Follow this coordinator?",
                no: "nothing was changed",
                instead: None,
                look: None,
            };
            confirm_described(context, self.yes, &question, |page| {
                describe(page, &file, &found, &config.account);
            })?;
        }
        let following = follow(&mut home, config.clone(), &file, found);
        let followed = context.wait_for(following).map_err(problem)?;
        let view = FollowView {
            account: config.account,
            hub: file.hub,
            log_size: followed.size,
            voted: followed.voted,
            abandoned: followed.abandoned,
            lost_shares: followed.lost_shares,
        };
        context.terminal.show("followed", &view, |page| {
            page.verdict(
                Tone::Good,
                format!("the node of {} follows the coordinator at {}", view.account, view.hub),
            );
            page.field("voted for by", voters(&view.voted));
            if let Some(path) = &view.abandoned {
                page.field("given up", path.display());
            }
            for LostShare { group, epoch } in &view.lost_shares {
                page.item(Tone::Bad, format!("no share of {group} in epoch {epoch}"));
                page.advice(format!(
                    "the other members can restore it: quorate group repair {group} {}",
                    view.account
                ));
            }
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence("Next: start the node. It gets a new certificate automatically.");
            page.copyable(context.command("quorate node run"));
        });
        Ok(())
    }
}
