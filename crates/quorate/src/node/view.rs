//! What a node's state looks like to a person: sentences that say where things stand and who is missing.

use std::collections::BTreeSet;

use quorate_ceremony::entry::Entry;
use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{DkgPhase, Group, IvnState, RequestState, Status};
use quorate_ceremony::statement::{AbortReason, Body};
use sha2::{Digest as _, Sha256};

use crate::control::{EntryView, GroupStage, GroupView, MemberView, RequestStage, RequestView};
use crate::store::documents::DocumentPackage;

/// `ada`, `ada and ben`, `ada, ben and carol`.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a AccountName>) -> String {
    join(names, "and")
}

fn list_or<'a>(names: impl IntoIterator<Item = &'a AccountName>) -> String {
    join(names, "or")
}

fn join<'a>(names: impl IntoIterator<Item = &'a AccountName>, word: &str) -> String {
    let names: Vec<&str> = names.into_iter().map(AccountName::as_str).collect();
    match names.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, first)) => format!("{} {word} {last}", first.join(", ")),
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// A group, as this node sees it.
pub(crate) fn group(node: &Node, group: &Group) -> GroupView {
    let definition = &group.definition;
    let missing = group.missing();
    let members = definition
        .members
        .iter()
        .map(|account| MemberView {
            account: account.clone(),
            identifier: group.identifier(account).map_or(0, quorate_protocol::Identifier::get),
            online: node.online().contains(account),
            accepted: group.accepted.contains(account),
            awaited: missing.contains(account),
        })
        .collect();
    GroupView {
        sentence: group_sentence(node, group),
        name: definition.name.clone(),
        state: stage(group),
        suite: definition.suite.to_string(),
        min_signers: definition.min_signers,
        max_signers: u16::try_from(definition.members.len()).unwrap_or(u16::MAX),
        document_types: definition.document_types.clone(),
        policy: definition.policy.clone(),
        members,
        verifying_key: group.key.as_ref().map(|key| hex(key.public.verifying_key().as_bytes())),
        epoch: group.key.as_ref().map(|key| key.epoch),
        attempts: group.past.len() + usize::from(group.dkg.is_some() || group.key.is_some()),
        dkg_ms: group.key.as_ref().map(|key| key.activated.0.saturating_sub(key.started.0)),
    }
}

fn stage(group: &Group) -> GroupStage {
    if group.key.is_some() {
        return GroupStage::Ready;
    }
    match group.phase() {
        Some(DkgPhase::Committing | DkgPhase::Revealing | DkgPhase::Judging) => {
            GroupStage::Generating
        }
        Some(DkgPhase::Certifying) => GroupStage::Certifying,
        Some(DkgPhase::Activating) => GroupStage::Activating,
        Some(DkgPhase::Doomed(reason)) if !reason.retryable() => GroupStage::Failed,
        Some(DkgPhase::Doomed(_)) => GroupStage::Accepted,
        None if group.past.last().is_some_and(|past| !past.reason.retryable()) => {
            GroupStage::Failed
        }
        None if group.not_accepted().next().is_some() => GroupStage::Defined,
        None => GroupStage::Accepted,
    }
}

fn group_sentence(node: &Node, group: &Group) -> String {
    let name = &group.definition.name;
    let of = format!("{} of {}", group.definition.min_signers, group.definition.members.len());
    let offline: Vec<&AccountName> =
        group.definition.members.iter().filter(|member| !node.online().contains(*member)).collect();
    if group.key.is_some() {
        let online = group.definition.members.len() - offline.len();
        return match (node.connected(), online >= usize::from(group.definition.min_signers)) {
            (false, _) => format!("{name} has its key; any {of} members can sign."),
            (true, true) => {
                format!("{name} is ready: any {of} members can sign, {online} are online.")
            }
            (true, false) => format!(
                "{name} has its key, but only {online} of the {} nodes that it takes to sign are online; {} missing.",
                group.definition.min_signers,
                list(offline.iter().copied()) + if offline.len() == 1 { " is" } else { " are" },
            ),
        };
    }
    match group.phase() {
        Some(DkgPhase::Committing) => waiting(group, 1, "hash commitments"),
        Some(DkgPhase::Revealing) => waiting(group, 2, "sealed shares"),
        Some(DkgPhase::Judging) => waiting(group, 3, "acknowledgements"),
        Some(DkgPhase::Certifying) => waiting(group, 4, "certifications"),
        Some(DkgPhase::Activating) => format!(
            "{name}: key generation, round 5 of 5: any {} members prove the new key by a signature.",
            group.definition.min_signers
        ),
        Some(DkgPhase::Doomed(reason)) => abort_sentence(group, &reason),
        None => match group.past.last() {
            Some(past) if !past.reason.retryable() => abort_sentence(group, &past.reason),
            _ if group.not_accepted().next().is_some() => {
                format!("{name} waits for {} to accept its definition.", list(group.not_accepted()))
            }
            _ if !offline.is_empty() => format!(
                "{name}: key generation starts when all members are online; {} missing.",
                list(offline.iter().copied()) + if offline.len() == 1 { " is" } else { " are" },
            ),
            _ => format!("{name}: key generation is about to start."),
        },
    }
}

fn waiting(group: &Group, round: u8, what: &str) -> String {
    let missing = group.missing();
    format!(
        "{}: key generation, round {round} of 5: waiting for {what} of {}.",
        group.definition.name,
        list(&missing)
    )
}

fn abort_sentence(group: &Group, reason: &AbortReason) -> String {
    let name = &group.definition.name;
    match reason {
        AbortReason::TimedOut { missing } => format!(
            "{name}: key generation stopped because {} did not answer in time; it starts again when all are online.",
            list(missing)
        ),
        AbortReason::Restarted { nodes } => format!(
            "{name}: key generation starts again because the node of {} restarted.",
            list(nodes)
        ),
        AbortReason::Fault { culprits } => format!(
            "{name}: key generation failed: {} broke the protocol, as the log proves. Define the group again without them.",
            list(culprits)
        ),
        AbortReason::Dissent { dissenters } => format!(
            "{name}: key generation failed: {} saw other messages than the log shows. Check whether the coordinator shows everybody the same log.",
            list(dissenters)
        ),
        AbortReason::Cancelled => {
            format!(
                "{name}: key generation was cancelled by an admin. Define the group again to start over."
            )
        }
    }
}

/// What this node knows of a document.
#[derive(Clone, Debug)]
pub(crate) struct FileFacts {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl FileFacts {
    pub(crate) fn of(package: &DocumentPackage) -> Self {
        Self {
            name: package.name.as_str().to_owned(),
            size: package.document.len() as u64,
            sha256: hex(&Sha256::digest(&package.document)),
        }
    }
}

/// A request, as this node sees it.
pub(crate) fn request(
    node: &Node,
    state: &RequestState,
    file: Option<FileFacts>,
    now: Timestamp,
) -> RequestView {
    let group = node.state().groups().get(&state.request.group);
    let undecided: BTreeSet<AccountName> =
        group.map(|group| state.undecided(group).cloned().collect()).unwrap_or_default();
    let (signature, signature_index, signers) = match &state.status {
        Status::Signed { index, signature, signers } => {
            (Some(hex(signature)), Some(*index), signers.clone())
        }
        _ => (None, None, Vec::new()),
    };
    RequestView {
        sentence: request_sentence(node, state, now),
        id: state.id,
        index: state.index,
        state: request_stage(state, now),
        requester: state.requester.clone(),
        group: state.request.group.clone(),
        document_type: state.request.document_type.clone(),
        format: state.request.format.clone(),
        namespace: state.request.namespace.clone(),
        document: state.request.document,
        file_name: file.as_ref().map(|file| file.name.clone()),
        file_size: file.as_ref().map(|file| file.size),
        file_sha256: file.map(|file| file.sha256),
        at: state.at,
        expires_at: state.request.expires_at,
        approvals_required: state.policy.approvals_required,
        approvals: state.approvals.clone(),
        refusals: state.refusals.clone(),
        undecided,
        verifying_key: group
            .and_then(|group| group.key.as_ref())
            .map(|key| hex(key.public.verifying_key().as_bytes())),
        signature,
        signature_index,
        signers,
        refused: match &state.status {
            Status::Refused(refused) => Some(refused.to_string()),
            _ => None,
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn request_stage(state: &RequestState, now: Timestamp) -> RequestStage {
    if state.lapsed(now) {
        return RequestStage::Expired;
    }
    match state.status {
        Status::Refused(_) => RequestStage::Refused,
        Status::Open => RequestStage::Open,
        Status::Approved => RequestStage::Approved,
        Status::Rejected => RequestStage::Rejected,
        Status::Signed { .. } => RequestStage::Signed,
    }
}

fn request_sentence(node: &Node, state: &RequestState, now: Timestamp) -> String {
    let Some(group) = node.state().groups().get(&state.request.group) else {
        return "The group of this request is unknown.".to_owned();
    };
    let min_signers = usize::from(group.definition.min_signers);
    match request_stage(state, now) {
        RequestStage::Refused => match &state.status {
            Status::Refused(refused) => format!("Refused: {refused}."),
            _ => "Refused.".to_owned(),
        },
        RequestStage::Signed => match &state.status {
            Status::Signed { signers, .. } => {
                format!("Signed, with the shares of {}.", list(signers))
            }
            _ => "Signed.".to_owned(),
        },
        RequestStage::Expired => format!(
            "Expired with {} of {} approvals; ask again if it is still wanted.",
            state.approvals.len(),
            state.policy.approvals_required
        ),
        RequestStage::Rejected => format!(
            "Rejected by {}: {}",
            list(state.refusals.keys()),
            state.refusals.values().next().map_or("", String::as_str)
        ),
        RequestStage::Open => {
            let missing = state.missing_approvals();
            let undecided: Vec<&AccountName> = state.undecided(group).collect();
            let who = if undecided.len() == missing { list(undecided) } else { list_or(undecided) };
            let refused = match state.refusals.len() {
                0 => String::new(),
                count => format!(" ({} refused)", plural(count, "member", "members")),
            };
            format!(
                "Waiting for {} of {who}: {} of {} so far{refused}.",
                plural(missing, "approval", "approvals"),
                state.approvals.len(),
                state.policy.approvals_required
            )
        }
        RequestStage::Approved if !node.connected() => {
            "Approved; whether it is signed shows when the coordinator can be reached.".to_owned()
        }
        RequestStage::Approved => {
            let (online, offline): (Vec<_>, Vec<_>) =
                state.approvals.iter().partition(|name| node.online().contains(*name));
            match min_signers.checked_sub(online.len()) {
                Some(lacking) if lacking > 0 => format!(
                    "Approved; waiting for {} of {} to come online. It is then signed by itself.",
                    plural(lacking, "node", "nodes"),
                    list_or(offline)
                ),
                _ => "Approved; the signature is being made.".to_owned(),
            }
        }
    }
}

/// An entry of the log, in a sentence.
pub(crate) fn entry(state: &IvnState, index: u64, entry: &Entry) -> EntryView {
    let statement = entry.statement();
    let (kind, sentence) = sentence(state, &statement.body);
    EntryView {
        index,
        id: entry.id(),
        author: statement.author.to_string(),
        at: statement.at,
        kind: kind.to_owned(),
        sentence,
    }
}

fn sentence(state: &IvnState, body: &Body) -> (&'static str, String) {
    let group_of = |session| {
        state.group_of_session(session).map_or_else(
            || "an unknown group".to_owned(),
            |group| group.definition.name.to_string(),
        )
    };
    match body {
        Body::Genesis(genesis) => ("genesis", format!("founds the IVN \"{}\"", genesis.name)),
        Body::Invitation(invitation) => ("invitation", format!("invites {}", invitation.name)),
        Body::AccountAdmitted { .. } => ("account-admitted", "joins".to_owned()),
        Body::NodeStarted { .. } => ("node-started", "starts its node".to_owned()),
        Body::GroupDefined(definition) => (
            "group-defined",
            format!(
                "defines group {}: any {} of {} can sign",
                definition.name,
                definition.min_signers,
                list(&definition.members)
            ),
        ),
        Body::GroupAccepted { group, .. } => {
            ("group-accepted", format!("accepts to belong to {group}"))
        }
        Body::CeremonyStarted { group, attempt, .. } => {
            ("ceremony-started", format!("starts key generation {attempt} of {group}"))
        }
        Body::CeremonyMessage { session, message, .. } => {
            let round = match message.0.first() {
                Some(1) => "hash commitment",
                Some(2) => "commitments and sealed shares",
                Some(3) => "verdict",
                _ => "a message",
            };
            ("ceremony-message", format!("posts its {round} for {}", group_of(*session)))
        }
        Body::CeremonyCertified { session, .. } => {
            ("ceremony-certified", format!("certifies the key of {}", group_of(*session)))
        }
        Body::CeremonyAborted { session, reason } => (
            "ceremony-aborted",
            format!("ends a key generation of {} without a key: {reason}", group_of(*session)),
        ),
        Body::EpochStarted { session, .. } => {
            ("epoch-started", format!("puts the key of {} into use", group_of(*session)))
        }
        Body::Request(request) => {
            ("request", format!("asks {} for a signature ({})", request.group, request.format))
        }
        Body::Approval { request } => ("approval", format!("approves request {}", request.short())),
        Body::Refusal { request, reason } => {
            ("refusal", format!("refuses request {}: {reason}", request.short()))
        }
        Body::Signature { request, signers, .. } => (
            "signature",
            format!(
                "logs the signature of request {}, made by {}",
                request.short(),
                list(signers.iter().map(|record| &record.account))
            ),
        ),
    }
}
