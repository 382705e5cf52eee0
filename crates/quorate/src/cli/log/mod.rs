//! `quorate log`.

mod prove;
mod verify;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::Context;
use super::session::Session;
use super::{Failure, Run};
use crate::api::{Answer, EntryView, Problem, Query};
use crate::launch::unexpected;
use crate::render::{Page, entry_sentence, json, utc};

/// Show the log, prove what it contains, and check other logs
#[derive(Args, Debug)]
pub(super) struct Log {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(Show),
    Prove(prove::Prove),
    Verify(verify::Verify),
}

/// Show the latest entries of the log, as your node has verified them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate log show
  quorate log show --first 0 --limit 100
  quorate log show --all --json | jq -r '.entries[].sentence'")]
struct Show {
    /// Index of the first entry [default: the latest entries are shown]
    #[arg(long, value_name = "INDEX", conflicts_with = "all")]
    first: Option<u64>,
    /// The largest number of entries
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "all")]
    limit: u64,
    /// All entries
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct EntriesView {
    #[serde(serialize_with = "for_programs")]
    entries: Vec<EntryView>,
    size: u64,
}

fn for_programs<S: serde::Serializer>(entries: &[EntryView], to: S) -> Result<S::Ok, S::Error> {
    json::each(entries, json::entry).serialize(to)
}

impl Run for Log {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Show(show) => show.run(context),
            Action::Prove(prove) => prove.run(context),
            Action::Verify(verify) => verify.run(context),
        }
    }
}

impl Run for Show {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let (first, limit) = match (self.all, self.first) {
            (true, _) => (0, u64::MAX),
            (false, Some(first)) => (first, self.limit),
            (false, None) => (entries(&session, 0, 0)?.size.saturating_sub(self.limit), self.limit),
        };
        let view = entries(&session, first, limit)?;
        context.terminal.show("log", &view, |page| {
            view.entries.iter().for_each(|entry| entry_line(page, entry));
            let shown = view.entries.len();
            page.note(format!("{shown} of {} entries", view.size));
        })?;
        Ok(())
    }
}

fn entries(session: &Session, first: u64, limit: u64) -> Result<EntriesView, Problem> {
    match session.ask(Query::Entries { first, limit })? {
        Answer::Entries { entries, size } => Ok(EntriesView { entries, size }),
        other => Err(unexpected(&other)),
    }
}

fn entry_line(page: &mut Page, entry: &EntryView) {
    page.row(
        &format!("{:>6}", entry.index),
        format!("{}  {} {}", utc(entry.at), entry.author, entry_sentence(entry)),
    );
}

/// Returns the time of the latest entry by its author's clock, if this node can read it.
pub(super) fn latest_time(session: &Session) -> Option<quorate_ceremony::names::Timestamp> {
    let size = entries(session, 0, 0).ok()?.size;
    entries(session, size.checked_sub(1)?, 1).ok()?.entries.first().map(|entry| entry.at)
}
