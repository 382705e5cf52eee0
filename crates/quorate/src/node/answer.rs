//! Answers to an account holder's questions, from what the node has verified.

use std::collections::BTreeSet;

use quorate_ceremony::effect::CommandError;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Entry;
use quorate_ceremony::names::EntryId;
use quorate_ceremony::node::Node;
use quorate_ceremony::policy::OutputFormat;
use quorate_ceremony::state::refusal::Requests;
use quorate_ceremony::state::{IvnState, Refusal, Refused};
use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::leaf_hash;
use quorate_log::proof::InclusionProof;
use quorate_log::tlog_proof::TlogProof;
use quorate_log::tree::MemoryTree;

use super::hub::Hub;
use super::view;
use crate::api::{Answer, BlockedView, Code, EntryView, Problem, SignAsk};
use crate::control::frame::MAX_BYTES;
use crate::log_audit::{Evidence, entry_view};
use crate::render::size;
use crate::store::documents::DocumentPackage;

/// Converts the error of a command to a problem.
pub(crate) fn problem(error: &CommandError) -> Problem {
    let code = match error {
        CommandError::Unreachable => {
            return Problem::new(Code::Unreachable, error.to_string())
                .hint("the node keeps trying; see: quorate status");
        }
        CommandError::Behind { .. } => Code::Behind,
        CommandError::NoDocument => Code::NoDocument,
        CommandError::Frozen => Code::Frozen,
        CommandError::TooLong => Code::TooLong,
        CommandError::NotTaken(why) => Code::NotTaken(why.clone()),
        CommandError::Refusal(why) => Code::Refused(why.clone()),
    };
    Problem::new(code, error.to_string())
}

/// Like [`problem`], but explains a missing connection if the coordinator rejects this node.
pub(crate) fn told(error: &CommandError, node: &Node, hub: &Hub) -> Problem {
    let blocked = match error {
        CommandError::Unreachable => view::blocked(node, hub.outage.borrow().as_ref()),
        _ => None,
    };
    if let Some(blocked) = blocked {
        return blocked_problem(blocked);
    }
    let about_change = match error {
        CommandError::Refusal(Refusal::Requests(Requests::RequestOver { request })) => {
            node.state().group_of_change(*request)
        }
        _ => None,
    };
    match about_change {
        Some(group) => problem(error).hint(format!("quorate group show {}", group.definition.name)),
        None => problem(error),
    }
}

/// Explains why a group does not sign in a format.
fn format_problem(
    ask: &SignAsk,
    asked: &OutputFormat,
    formats: &BTreeSet<OutputFormat>,
    refused: &Refused,
) -> Problem {
    // A format with a namespace comes first: a raw signature is no substitute for one.
    let best = formats.iter().find(|served| served.namespace().is_some()).or(formats.first());
    let instead = best.map(|served| format!("--as {served}"));
    let wanted: Vec<String> = formats.iter().chain([asked]).map(ToString::to_string).collect();
    let change = format!("quorate group change {} --format {}", ask.group, wanted.join(","));
    let hint = format!(
        "sign with {}, or have the members approve another format: {change}",
        instead.unwrap_or_default()
    );
    Problem::new(Code::FormatNotServed, refused.to_string()).hint(hint)
}

/// Explains why a request would be refused by rule. The log would record it as refused, after the
/// document was stored at the coordinator.
pub(crate) fn refused(state: &IvnState, ask: &SignAsk, refused: &Refused) -> Problem {
    let problem = Problem::new(Code::NotAllowed, refused.to_string());
    let group = match refused {
        Refused::TypeNotServed { group, .. } => group,
        Refused::FormatNotServed { format, served, .. } => {
            return format_problem(ask, format, served, refused);
        }
        Refused::NotAuthorized { .. } => return problem,
    };
    let types = state.group(group).map(|group| group.definition.document_types.clone());
    let types: Vec<String> = types.unwrap_or_default().iter().map(ToString::to_string).collect();
    match types.is_empty() {
        true => problem.hint(format!("leave out --type: {group} signs files without one")),
        false => problem.hint(format!("{group} signs files with --type {}", types.join(" or "))),
    }
}

/// Explains why a command was not carried out without a connection.
fn blocked_problem(blocked: BlockedView) -> Problem {
    match blocked {
        BlockedView::Account(why) => {
            let message = format!("this node may not connect: {why}");
            Problem::new(Code::Blocked(why), message)
        }
        BlockedView::Coordinator(message) => {
            Problem::new(Code::Unwanted, format!("the coordinator rejects this node: {message}"))
        }
        BlockedView::Duplicated => {
            Problem::new(Code::Duplicated, "two copies of this node run, and neither signs")
        }
    }
}

/// Converts entries from `first` on to views.
pub(crate) fn entries(state: &IvnState, stored: &[Vec<u8>], first: u64) -> Vec<EntryView> {
    (first..)
        .zip(stored)
        .filter_map(|(index, bytes)| {
            Some(entry_view(state, index, &Entry::from_bytes(bytes).ok()?))
        })
        .collect()
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Proves that entry `index` is in the log, under a checkpoint from the coordinator. It must belong
/// to the tree that this node verified itself.
pub(crate) fn prove(
    state: &IvnState,
    stored: &[Vec<u8>],
    index: u64,
    checkpoint: Option<&str>,
) -> Result<Answer, Problem> {
    let entry = stored.get(usize_of(index)).ok_or_else(|| {
        let message = format!("the log has {} entries; there is no entry {index}", stored.len());
        Problem::new(Code::Failed, message)
    })?;
    let (checkpoint, tree) = checkpoint_of(state, stored, checkpoint)?;
    let inclusion = InclusionProof::prove(&tree, index, tree.head().size).map_err(|_| {
        Problem::new(
            Code::Waiting,
            "the coordinator has not signed a checkpoint with this entry yet",
        )
    })?;
    let proof = TlogProof::new(inclusion, checkpoint.as_signed().clone());
    Ok(Answer::Proof {
        entry: Base64(entry.clone()),
        proof: proof.to_string(),
        log_key: state.log_verifier().ok_or_else(no_proof)?.to_string(),
    })
}

/// Makes evidence about a request, under a checkpoint from the coordinator.
pub(crate) fn evidence(
    state: &IvnState,
    request: EntryId,
    package: Option<DocumentPackage>,
    mut stored: Vec<Vec<u8>>,
    checkpoint: Option<&str>,
) -> Result<Answer, Problem> {
    let (checkpoint, tree) = checkpoint_of(state, &stored, checkpoint)?;
    stored.truncate(usize_of(tree.head().size));
    let checkpoint = checkpoint.as_signed().to_string();
    let file = Evidence::new(request, package.as_ref(), checkpoint, stored).to_bytes();
    if file.len() as u64 > MAX_BYTES {
        let message = format!(
            "the evidence has {}, and a node hands out at most {}",
            size(file.len() as u64),
            size(MAX_BYTES)
        );
        return Err(Problem::new(Code::Failed, message).hint(
            "keep a copy of the log instead, and check it: quorate log verify DIR --document FILE",
        ));
    }
    Ok(Answer::Evidence { file })
}

fn no_proof() -> Problem {
    Problem::new(Code::Failed, "the proof could not be made")
}

/// Checks the coordinator's checkpoint. Returns the tree that it is of.
fn checkpoint_of(
    state: &IvnState,
    stored: &[Vec<u8>],
    checkpoint: Option<&str>,
) -> Result<(VerifiedCheckpoint, MemoryTree), Problem> {
    let verifier = state.log_verifier().ok_or_else(no_proof)?;
    let checkpoint = checkpoint.ok_or_else(|| problem(&CommandError::Unreachable))?;
    let checkpoint = VerifiedCheckpoint::from_note(checkpoint, &verifier)
        .map_err(|error| Problem::new(Code::Verification, error.to_string()))?;
    let head = checkpoint.head();
    if head.size > stored.len() as u64 {
        let message = "this node has not received the latest entries of the log yet";
        return Err(Problem::new(Code::Waiting, message).hint("try again"));
    }
    let mut tree = MemoryTree::default();
    for bytes in stored.iter().take(usize_of(head.size)) {
        tree.append(leaf_hash(bytes));
    }
    if tree.head() != head {
        let message = "the coordinator's checkpoint is not of the log that this node verified";
        return Err(Problem::new(Code::Verification, message).hint("quorate doctor"));
    }
    Ok((checkpoint, tree))
}
