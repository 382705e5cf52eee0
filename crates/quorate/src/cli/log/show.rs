//! `quorate log show`: the entries of a node's log or of a copied one, filtered.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::names::{GroupName, Timestamp};
use serde::Serialize;

use crate::api::{Answer, Code, EntryView, Problem, Query};
use crate::cli::context::{Context, now};
use crate::cli::moment::Moment;
use crate::cli::session::Session;
use crate::cli::{Failure, Run};
use crate::launch::unexpected;
use crate::log_audit::read_entries;
use crate::render::{Page, entry_sentence, json, utc};

/// Show what people did, from the log as your node has verified it, or from a copy
///
/// Messages by which nodes make keys, start, and prove their shares are left out unless you give
/// --all. Times are those of each author's machine.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate log show                                      the latest 20 entries
  quorate log show --request 8f2091aa4c07d1e25b63       who decided about a request, and when
  quorate log show --group board --since 7d
  quorate log show ./log --account ben --kind approval --since 2026-11-01 --limit 1000
  quorate log show --all --json | jq -r '.entries[].sentence'")]
pub(super) struct Show {
    /// A copied log's directory, instead of your node's log
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Only the entries about this request or change: its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only the entries about this group
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
    /// Only the entries by this account; "coordinator" for the coordinator's
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Only the entries of this kind, as --json names it: request, approval, refusal, signature, …
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only entries from this time on: 2026-11-29, "2026-11-29 23:51:41" (UTC), or 7d for the last
    /// 7 days
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only entries up to this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Index of the first entry [default: the latest entries are shown]
    #[arg(long, value_name = "INDEX", conflicts_with = "all")]
    first: Option<u64>,
    /// The largest number of entries
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "all")]
    limit: usize,
    /// All entries, including the messages between nodes
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

impl Run for Show {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let mut source = match &self.directory {
            Some(directory) => Source::Copy(read_entries(directory)?),
            None => Source::Node(context.session()?),
        };
        let size = source.size()?;
        if let Some(first) = self.first.filter(|first| *first >= size) {
            let last = size.saturating_sub(1);
            let message =
                format!("there is no entry {first}: the log has {size} entries (0 to {last})");
            return Err(Problem::new(Code::Usage, message).into());
        }
        let wanted = self.wanted();
        let (entries, more) = match (self.all, self.first) {
            (true, _) => forward(&mut source, 0, size, usize::MAX, &wanted)?,
            (false, Some(first)) => forward(&mut source, first, size, self.limit, &wanted)?,
            (false, None) => backward(&mut source, size, self.limit, &wanted)?,
        };
        let names_something = self.request.is_some()
            || self.group.is_some()
            || self.account.is_some()
            || self.kind.is_some();
        if entries.is_empty() && names_something {
            let message = format!("none of the {size} entries matches these options");
            return Err(Problem::new(Code::Failed, message)
                .hint("check the spelling; without --request, --group, --account and --kind, the log is displayed unfiltered")
                .into());
        }
        let view = EntriesView { entries, size };
        context.terminal.show("log", &view, |page| {
            view.entries.iter().for_each(|entry| entry_line(page, entry));
            let shown = view.entries.len();
            page.note(format!("{shown} of {size} entries{}", self.rest(more)));
        })?;
        Ok(())
    }
}

impl Show {
    fn wanted(&self) -> impl Fn(&EntryView) -> bool {
        let now = now();
        let since = self.since.map(|moment| moment.start(now));
        let until = self.until.map(|moment| moment.end(now));
        move |entry| {
            let id = self.request.as_ref().is_none_or(|wanted| {
                let wanted = wanted.to_ascii_lowercase();
                entry.request.is_some_and(|id| id.to_string().starts_with(&wanted))
            });
            let about = |group: &GroupName| entry.group.as_ref() == Some(group);
            id && self.group.as_ref().is_none_or(about)
                && self.account.as_ref().is_none_or(|name| entry.author == *name)
                && self.kind.as_ref().is_none_or(|kind| entry.kind == *kind)
                && since.is_none_or(|since: Timestamp| entry.at >= since)
                && until.is_none_or(|until: Timestamp| entry.at <= until)
                && (self.all || self.kind.is_some() || !entry.is_between_nodes())
        }
    }

    /// Explains why there are not more entries.
    fn rest(&self, more: bool) -> &'static str {
        match (more, self.all || self.kind.is_some()) {
            (true, _) => "; --limit shows more",
            (false, true) => "",
            (false, false) => "; --all shows the messages between nodes as well",
        }
    }
}

/// Where entries come from.
enum Source {
    Node(Session),
    Copy(Vec<EntryView>),
}

impl Source {
    fn size(&mut self) -> Result<u64, Problem> {
        match self {
            Self::Node(session) => Ok(ask(session, 0, 0)?.1),
            Self::Copy(entries) => Ok(entries.len() as u64),
        }
    }

    fn entries(&mut self, first: u64, end: u64) -> Result<Vec<EntryView>, Problem> {
        match self {
            Self::Node(session) => Ok(ask(session, first, end.saturating_sub(first))?.0),
            Self::Copy(entries) => {
                let range = |entry: &&EntryView| (first..end).contains(&entry.index);
                Ok(entries.iter().filter(range).cloned().collect())
            }
        }
    }
}

/// Returns the first entries from `first` on, and whether there may be more.
fn forward(
    source: &mut Source,
    mut first: u64,
    size: u64,
    limit: usize,
    wanted: &impl Fn(&EntryView) -> bool,
) -> Result<(Vec<EntryView>, bool), Problem> {
    let mut found = Vec::new();
    while first < size && found.len() <= limit {
        let end = size.min(first + AT_A_TIME);
        found.extend(source.entries(first, end)?.into_iter().filter(wanted));
        first = end;
    }
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

/// Returns the latest entries, and whether there are earlier ones.
fn backward(
    source: &mut Source,
    size: u64,
    limit: usize,
    wanted: &impl Fn(&EntryView) -> bool,
) -> Result<(Vec<EntryView>, bool), Problem> {
    let (mut end, mut found) = (size, Vec::new());
    while end > 0 && found.len() <= limit {
        let first = end.saturating_sub(AT_A_TIME);
        let mut earlier: Vec<_> = source.entries(first, end)?.into_iter().filter(wanted).collect();
        earlier.append(&mut found);
        (end, found) = (first, earlier);
    }
    let surplus = found.len().saturating_sub(limit);
    Ok((found.split_off(surplus), surplus > 0))
}

fn ask(session: &Session, first: u64, limit: u64) -> Result<(Vec<EntryView>, u64), Problem> {
    match session.ask(Query::Entries { first, limit })? {
        Answer::Entries { entries, size } => Ok((entries, size)),
        other => Err(unexpected(&other)),
    }
}

fn entry_line(page: &mut Page, entry: &EntryView) {
    page.row(
        &format!("{:>6}", entry.index),
        format!("{}  {} {}", utc(entry.at), entry.author, entry_sentence(entry)),
    );
}

/// How many entries are asked for at a time.
const AT_A_TIME: u64 = 1000;
