//! The demonstration's script: its plan, its reports, and the questions to its nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use quorate_ceremony::entry::GroupDefinition;
use quorate_ceremony::names::{AccountName, EntryId, GroupName};
use quorate_ceremony::policy::{OutputFormat, Policy};
use quorate_protocol::Suite;
use serde::Serialize;

use crate::api::{
    Answer, Code, Command, GroupStage, GroupView, Problem, Query, RequestStage, RequestView,
    SignAsk,
};
use crate::launch::Client;

pub(super) const GROUP: &str = "board";
pub(super) const NAMESPACE: &str = "file";

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The file to be signed, or the sample.
    pub(crate) file: Option<PathBuf>,
    pub(crate) members: u16,
    pub(crate) min_signers: u16,
    /// Where to leave the signed files. Empty or new.
    pub(crate) directory: PathBuf,
    /// Whether to leave the homes of coordinator and nodes too.
    pub(crate) keep: bool,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub(crate) enum Check {
    Passed,
    Failed { why: String },
    Skipped { why: String },
}

/// A report during the demonstration.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Something that takes a while has begun.
    Begun {
        text: String,
    },
    Done {
        what: &'static str,
        text: String,
    },
    Checked {
        what: &'static str,
        check: Check,
        text: String,
    },
}

/// The running demonstration.
pub(super) struct Show<'a, T> {
    pub(super) plan: &'a Plan,
    pub(super) names: &'a [AccountName],
    pub(super) tell: &'a mut T,
    pub(super) checks: BTreeMap<&'static str, Check>,
}

impl<T: FnMut(Step)> Show<'_, T> {
    pub(super) fn name(&self, index: usize) -> Result<AccountName, Problem> {
        let missing = || Problem::new(Code::Usage, "a group has at least two members");
        self.names.get(index).cloned().ok_or_else(missing)
    }

    pub(super) fn done(&mut self, what: &'static str, text: String) {
        (self.tell)(Step::Done { what, text });
    }

    pub(super) fn checked(&mut self, what: &'static str, check: Check, text: String) {
        self.checks.insert(what, check.clone());
        (self.tell)(Step::Checked { what, check, text });
    }

    pub(super) async fn generate_key(
        &mut self,
        client: &Client,
        definition: GroupDefinition,
    ) -> Result<GroupView, Problem> {
        let name = definition.name.clone();
        client.order(Command::DefineGroup(definition)).await?;
        let group = settled(client, &name).await?;
        match group.state {
            GroupStage::Ready => Ok(group),
            _ => Err(Problem::new(Code::Failed, crate::render::group_sentence(&group))),
        }
    }

    pub(super) async fn request(
        &self,
        client: &Client,
        (name, document): &(String, Vec<u8>),
        of: &str,
        format: &str,
    ) -> Result<EntryId, Problem> {
        let ask = SignAsk {
            group: group(of)?,
            document_type: None,
            output: match format {
                "ssh" => format!("ssh:{NAMESPACE}"),
                other => other.to_owned(),
            },
            name: name.clone(),
            note: None,
            document: document.clone(),
            expires_in: None,
        };
        Ok(client.order(ask).await?.0)
    }
}

/// Asks a node until it has an answer.
pub(super) async fn hears<T, F: Future<Output = Option<T>>>(
    what: &str,
    ask: impl Fn() -> F,
) -> Result<T, Problem> {
    let heard = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), heard)
        .await
        .map_err(|_| Problem::new(Code::Waiting, format!("a node was not shown {what} in time")))
}

/// Waits until a group has its key or cannot get one, and nothing about it is pending.
pub(super) async fn settled(client: &Client, name: &GroupName) -> Result<GroupView, Problem> {
    let mut last = None;
    client
        .watch(Query::Group { name: name.clone(), watch: true }, |answer| {
            last = Some(answer);
            ControlFlow::Continue(())
        })
        .await?;
    match last {
        Some(Answer::Group(view)) => Ok(*view),
        _ => Err(Problem::new(Code::Failed, "the node did not describe the group")),
    }
}

/// Returns a group that signs documents without a type, in both formats.
pub(super) fn definition(
    name: &str,
    members: &[AccountName],
    min_signers: u16,
) -> Result<GroupDefinition, Problem> {
    let mut policy = Policy::for_min_signers(min_signers);
    policy.formats.insert(
        OutputFormat::new("raw", None)
            .map_err(|error| Problem::new(Code::Failed, error.to_string()))?,
    );
    Ok(GroupDefinition {
        name: group(name)?,
        suite: Suite::FrostEd25519Sha512,
        min_signers,
        members: members.to_vec(),
        document_types: BTreeSet::new(),
        policy,
    })
}

/// Waits until a request is signed.
pub(super) async fn signed(client: &Client, request: EntryId) -> Result<RequestView, Problem> {
    let mut last = None;
    client
        .watch(Query::Request { id: request.to_string(), watch: true }, |answer| {
            if let Answer::Request(view) = answer {
                last = Some(*view);
            }
            ControlFlow::Continue(())
        })
        .await?;
    match last {
        Some(view) if view.state == RequestStage::Signed => Ok(view),
        Some(view) => Err(Problem::new(Code::Rejected, crate::render::request_sentence(&view))),
        None => Err(Problem::new(Code::Failed, "the node did not describe the request")),
    }
}

pub(super) fn group(name: &str) -> Result<GroupName, Problem> {
    name.parse().map_err(|_| Problem::new(Code::Failed, "the group's name cannot be used"))
}

pub(super) fn join(names: &[AccountName]) -> String {
    names.iter().map(AccountName::as_str).collect::<Vec<_>>().join(", ")
}

pub(super) fn create(path: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(path).map_err(|error| unwritable(path, &error))
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    std::fs::write(path, bytes).map_err(|error| unwritable(path, &error))
}

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Failed, format!("{} cannot be written: {error}", path.display()))
}
