//! `quorate coordinator finish`.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::names::AccountName;
use serde::Serialize;

use super::replacement::{problem, voters};
use crate::cli::context::{Context, home_problem, now};
use crate::cli::output::Target;
use crate::cli::{Failure, Run, file};
use crate::home::Locations;
use crate::render::Tone;
use crate::setup::replacement::{MAX_FILE, finish};

/// Put the members' votes into the log of a new coordinator, so that it can serve
///
/// Votes are kept, so they can be given one at a time. With the votes of more than half of the
/// members, writes the description with them: each member's node follows it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate coordinator finish ada.vote ben.vote --home ./new
  quorate coordinator finish --home ./new")]
pub(super) struct Finish {
    /// The members' votes
    #[arg(value_name = "VOTE")]
    votes: Vec<PathBuf>,
    /// Write the description with the votes to this file; replaces an earlier description
    #[arg(long, value_name = "FILE", default_value = "replacement.json")]
    out: PathBuf,
}

#[derive(Serialize)]
struct FinishView<'a> {
    home: &'a PathBuf,
    file: &'a PathBuf,
    voted: &'a [AccountName],
    log_size: u64,
}

impl Run for Finish {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let home = Locations::from_environment()
            .coordinator(context.home.clone())
            .map_err(|error| home_problem(&error))?;
        let read = |path: PathBuf| file::read(&path, MAX_FILE).map(|bytes| (path, bytes));
        let votes: Vec<_> = self.votes.into_iter().map(read).collect::<Result<_, _>>()?;
        let finished = context.wait_for(finish(&home, &votes, now())).map_err(problem)?;
        Target::new(self.out.clone(), true)?.write(&finished.file.to_json())?;
        let view = FinishView {
            home: &home,
            file: &self.out,
            voted: &finished.voted,
            log_size: finished.size,
        };
        context.terminal.show("replacement-finished", &view, |page| {
            page.verdict(Tone::Good, "the new coordinator is in force");
            page.field("votes", voters(&finished.voted));
            page.field("log", format!("{} entries", finished.size));
            page.field("file", self.out.display());
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(
                "Next: run it here, and give the file to all members, whose nodes follow it.",
            );
            page.copyable(context.command("quorate serve"));
            page.copyable(format!("quorate coordinator follow {}", self.out.display()));
        });
        Ok(())
    }
}
