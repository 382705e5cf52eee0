//! The record of a run: steps that a program can compare and a person can read.

use std::collections::BTreeMap;
use std::fmt;

use quorate_ceremony::entry::{Author, Entry};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, COORDINATOR, EntryId};
use serde::Serialize;

/// One event of the schedule with its immediate consequences.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Step {
    /// Its place in the schedule. Events that led to nothing are not recorded.
    pub number: u64,
    /// The time, in milliseconds of the simulated world.
    pub at: u64,
    /// What happened, in order.
    pub happened: Vec<Happening>,
    /// The facts about the world that changed.
    pub changes: Vec<Change>,
}

/// Something that happened.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Happening {
    Healed,
    NodeStarted {
        account: AccountName,
    },
    NodeDied {
        account: AccountName,
    },
    ShareLost {
        account: AccountName,
    },
    CoordinatorStarted,
    CoordinatorDied,
    /// The coordinator's disk is replaced by an old copy with so many entries.
    CoordinatorLostEntries {
        left: u64,
    },
    Connected {
        account: AccountName,
    },
    ConnectionBroke {
        account: AccountName,
    },
    HungUp {
        account: AccountName,
    },
    NodeReceived {
        account: AccountName,
        message: FromCoordinator,
    },
    CoordinatorReceived {
        account: AccountName,
        message: FromNode,
    },
    Appended {
        index: u64,
        id: EntryId,
        kind: String,
        author: String,
    },
    DeadlineCame {
        of: String,
        deadline: String,
    },
    DocumentArrived {
        account: AccountName,
        request: EntryId,
    },
    DocumentMissing {
        account: AccountName,
        request: EntryId,
    },
    Ordered {
        account: AccountName,
        command: String,
    },
    Answered {
        account: AccountName,
        answer: Result<u64, String>,
    },
    AskedToJoin {
        account: AccountName,
    },
    JoinAnswered {
        account: AccountName,
        answer: Result<u64, String>,
    },
    Settled,
}

/// A fact about the world that changed in a step.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Change {
    /// An account, the coordinator, a group or a request.
    pub of: String,
    pub what: &'static str,
    /// The old value; empty if there was none.
    pub before: String,
    /// The new value; empty if there is none.
    pub after: String,
}

pub(super) type Facts = BTreeMap<(String, &'static str), String>;

/// The steps so far, and the facts after the last one.
#[derive(Default)]
pub(super) struct Record {
    pub(super) steps: Vec<Step>,
    pub(super) happened: Vec<Happening>,
    pub(super) facts: Facts,
}

impl Record {
    pub(super) fn end_step(&mut self, number: u64, at: u64, facts: Facts) {
        let happened = std::mem::take(&mut self.happened);
        let changes = differences(&self.facts, &facts);
        self.facts = facts;
        if !happened.is_empty() || !changes.is_empty() {
            self.steps.push(Step { number, at, happened, changes });
        }
    }
}

fn differences(before: &Facts, after: &Facts) -> Vec<Change> {
    let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let value = |facts: &Facts, key| facts.get(key).cloned().unwrap_or_default();
    let differs = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    differs
        .map(|key| Change {
            of: key.0.clone(),
            what: key.1,
            before: value(before, key),
            after: value(after, key),
        })
        .collect()
}

pub(super) fn appended(index: u64, entry: &Entry) -> Happening {
    let (id, kind, author) = described(entry);
    Happening::Appended { index, id, kind, author }
}

fn described(entry: &Entry) -> (EntryId, String, String) {
    let body = serde_json::to_value(&entry.statement().body).ok();
    let kind = body.as_ref().and_then(|body| body.get("kind")?.as_str());
    let author = match &entry.statement().author {
        Author::Account(account) => account.to_string(),
        Author::Coordinator => COORDINATOR.to_owned(),
    };
    (entry.id(), kind.unwrap_or_default().to_owned(), author)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = format!("{:>7} ms  ", self.at);
        let mut prefix = format!("{:>6} {at}", self.number);
        let blank = " ".repeat(prefix.chars().count());
        for happening in &self.happened {
            writeln!(f, "{prefix}{happening}")?;
            prefix.clone_from(&blank);
        }
        let mut of = "";
        for change in &self.changes {
            if change.of == of {
                write!(f, ", {} {} → {}", change.what, shown(&change.before), change.after)?;
                continue;
            }
            if !of.is_empty() {
                writeln!(f)?;
            }
            of = &change.of;
            let (what, before) = (change.what, shown(&change.before));
            write!(f, "{prefix}  {of}: {what} {before} → {}", change.after)?;
            prefix.clone_from(&blank);
        }
        if of.is_empty() { Ok(()) } else { writeln!(f) }
    }
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "∅" } else { value }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healed => f.write_str("the world heals"),
            Self::NodeStarted { account } => write!(f, "{account} starts"),
            Self::NodeDied { account } => write!(f, "{account} dies"),
            Self::ShareLost { account } => write!(f, "the disk of {account} loses its share"),
            Self::CoordinatorStarted => f.write_str("the coordinator starts"),
            Self::CoordinatorDied => f.write_str("the coordinator dies"),
            Self::CoordinatorLostEntries { left } => {
                write!(f, "the coordinator's disk is an old copy with {left} entries")
            }
            Self::Connected { account } => write!(f, "{account} connects"),
            Self::ConnectionBroke { account } => write!(f, "the connection of {account} breaks"),
            Self::HungUp { account } => write!(f, "{account} hangs up"),
            Self::NodeReceived { account, message } => {
                write!(f, "{account} ◀ ")?;
                from_coordinator(message, f)
            }
            Self::CoordinatorReceived { account, message } => {
                write!(f, "coordinator ◀ {account}: ")?;
                from_node(message, f)
            }
            Self::Appended { index, id, kind, author } => {
                write!(f, "entry {index}: {kind} {} of {author}", id.short())
            }
            Self::DeadlineCame { of, deadline } => write!(f, "a deadline of {of}: {deadline}"),
            Self::DocumentArrived { account, request } => {
                write!(f, "{account} has the document of {}", request.short())
            }
            Self::DocumentMissing { account, request } => {
                write!(f, "{account} cannot get the document of {}", request.short())
            }
            Self::Ordered { account, command } => write!(f, "{account} orders {command}"),
            Self::Answered { account, answer: Ok(index) } => {
                write!(f, "{account} gets the answer: entry {index}")
            }
            Self::Answered { account, answer: Err(why) } => {
                write!(f, "{account} gets the answer: {why}")
            }
            Self::AskedToJoin { account } => write!(f, "{account} asks to join"),
            Self::JoinAnswered { account, answer } => write!(f, "{account} may join: {answer:?}"),
            Self::Settled => f.write_str("everybody has what can be had"),
        }
    }
}

fn from_node(message: &FromNode, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match message {
        FromNode::Hello { after, .. } => write!(f, "hello, I have {after} entries"),
        FromNode::Entries { first, entries } => {
            write!(f, "entries {first} to {}", first + entries.len() as u64)
        }
        FromNode::Submit { entry } => match Entry::from_bytes(&entry.0) {
            Ok(entry) => {
                let (id, kind, author) = described(&entry);
                write!(f, "submits {kind} {} of {author}", id.short())
            }
            Err(_) => f.write_str("submits what is not an entry"),
        },
        FromNode::Cosign { size, .. } => write!(f, "cosigns {size} entries"),
        FromNode::Sealed { session, round, to, .. } => {
            write!(f, "sealed message of round {round} to {to} for {}", session.short())
        }
        FromNode::Part { session, round, .. } => {
            write!(f, "part of round {round} for {}", session.short())
        }
        FromNode::Share { session, size, .. } => {
            write!(f, "share for {}, {size} entries cosigned", session.short())
        }
        FromNode::Declined { session, reason, .. } => {
            write!(f, "declines {}: {reason:?}", session.short())
        }
    }
}

fn from_coordinator(message: &FromCoordinator, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match message {
        FromCoordinator::Log { first, entries, checkpoint } => {
            let end = first + u64::try_from(entries.len()).unwrap_or(0);
            let signed = if checkpoint.is_some() { "with" } else { "without" };
            write!(f, "entries {first}..{end} {signed} checkpoint")
        }
        FromCoordinator::Rejected { entry, reason } => {
            write!(f, "{} rejected: {reason}", entry.short())
        }
        FromCoordinator::Want { first } => write!(f, "asked for entries from {first} on"),
        FromCoordinator::Invite { session, subject, .. } => {
            write!(f, "invited to {} for {subject:?}", session.short())
        }
        FromCoordinator::Sealed { session, from, .. } => {
            write!(f, "sealed message of {from} for {}", session.short())
        }
        FromCoordinator::Package { session, .. } => write!(f, "package of {}", session.short()),
        FromCoordinator::Presence { online, .. } => {
            f.write_str("online are")?;
            online.iter().try_for_each(|account| write!(f, " {account}"))
        }
        FromCoordinator::PresenceChanged { account, online, .. } => {
            write!(f, "{account} is {}", if *online { "online" } else { "offline" })
        }
    }
}

/// Returns the last `most` of these steps as text.
pub fn last_steps(steps: &[Step], most: usize) -> String {
    let skipped = steps.len().saturating_sub(most);
    steps.iter().skip(skipped).map(Step::to_string).collect()
}
