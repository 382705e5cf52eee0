//! What a node's state looks like to a person: sentences that say where things stand and who is missing.

mod account;
mod group;
mod shares;

use std::collections::BTreeSet;

use quorate_ceremony::entry::{Body, Entry, GroupChange, Invitation};
use quorate_ceremony::names::{AccountName, EntryId, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{IvnState, RequestState, Status};
use sha2::{Digest as _, Sha256};

use crate::api::{EntryView, RequestStage, RequestView};
use crate::render::{list, list_or, plural};
use crate::store::documents::DocumentPackage;

pub(crate) use self::account::accounts;
pub(crate) use self::group::{group, past_change};
pub(crate) use self::shares::lacks_share;

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
        approvals_required: state.approvals_required,
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
            state.approvals_required
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
                state.approvals_required
            )
        }
        RequestStage::Approved if !node.connected() => {
            "Approved; whether it is signed shows when the coordinator can be reached.".to_owned()
        }
        RequestStage::Approved => {
            let shares = shares::shares(node, group, now);
            let approving = shares.into_iter().filter(|(name, _)| state.approvals.contains(*name));
            shares::of_approved(
                &group.definition.name,
                usize::from(group.definition.min_signers),
                &approving.collect::<Vec<_>>(),
                &state.undecided(group).collect::<Vec<_>>(),
                node.online(),
            )
        }
    }
}

/// An entry of the log, in a sentence.
pub(crate) fn entry(state: &IvnState, index: u64, entry: &Entry) -> EntryView {
    let statement = entry.statement();
    EntryView {
        index,
        id: entry.id(),
        author: statement.author.to_string(),
        at: statement.at,
        kind: statement.body.kind().to_owned(),
        sentence: sentence(state, &statement.body),
    }
}

fn sentence(state: &IvnState, body: &Body) -> String {
    let group_of = |session| {
        state.group_of_session(session).map_or_else(
            || "an unknown group".to_owned(),
            |group| group.definition.name.to_string(),
        )
    };
    match body {
        Body::Genesis(genesis) => format!("founds the IVN \"{}\"", genesis.name),
        Body::Invitation(invitation) if invitation.is_withdrawal() => {
            format!("withdraws the invitation of {}", invitation.name)
        }
        Body::Invitation(Invitation { name, replaces: None, .. }) => format!("invites {name}"),
        Body::Invitation(Invitation { name, replaces: Some(_), .. }) => {
            format!("lets {name} replace its lost keys")
        }
        Body::AccountAdmitted { .. } => "joins".to_owned(),
        Body::KeysRotated { .. } => "replaces its own keys".to_owned(),
        Body::AccountSuspended { account } => format!("suspends {account}"),
        Body::AccountResumed { account } => format!("resumes {account}"),
        Body::AccountRemoved { account } => format!("removes {account}"),
        Body::AccountRoles { account, roles } => {
            let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
            format!("gives {account} the roles {}", roles.join(", "))
        }
        Body::NodeStarted { .. } => "starts its node".to_owned(),
        Body::NodeDuplicated { .. } => "says that two copies of its node run".to_owned(),
        Body::ShareProved { group, epoch, .. } => {
            format!("proves its share of {group}, epoch {epoch}")
        }
        Body::GroupDefined(definition) => format!(
            "defines group {}: any {} of {} can sign",
            definition.name,
            definition.min_signers,
            list(&definition.members)
        ),
        Body::GroupAccepted { group, .. } => format!("accepts to belong to {group}"),
        Body::GroupChange(GroupChange { definition, repairs: Some(member), .. }) => {
            format!("proposes that {member} get its lost share of {} back", definition.name)
        }
        Body::GroupChange(GroupChange { definition, repairs: None, .. }) => format!(
            "proposes that {} be: any {} of {} can sign",
            definition.name,
            definition.min_signers,
            list(&definition.members)
        ),
        Body::GroupChangeWithdrawn { change } => {
            format!("takes back the change {}", change.short())
        }
        Body::ShareDestroyed { group, epoch } => {
            format!("has destroyed its share of {group}, epoch {epoch}")
        }
        Body::CeremonyStarted { group, attempt, .. } => {
            format!("starts session {attempt} of {group}")
        }
        Body::CeremonyMessage { session, message, .. } => {
            let what = quorate_protocol::message_name(&message.0).unwrap_or("message");
            format!("posts its {what} for {}", group_of(*session))
        }
        Body::CeremonyCertified { session, .. } => {
            format!("certifies what the session of {} came to", group_of(*session))
        }
        Body::CeremonyAborted { session, reason } => {
            format!("ends a session of {}: {reason}", group_of(*session))
        }
        Body::EpochStarted { session, .. } => {
            format!("puts the new shares of the key of {} into use", group_of(*session))
        }
        Body::HandedOver { group, epoch, .. } => format!(
            "shows that those who were members of {group} before saw how it changed in epoch {epoch}: their cosignatures"
        ),
        Body::Request(request) => {
            format!("asks {} for a signature ({})", request.group, request.format)
        }
        Body::Approval { request } => format!("approves {}", what(state, *request)),
        Body::Refusal { request, reason } => {
            format!("refuses {}: {reason}", what(state, *request))
        }
        Body::Signature { request, signers, .. } => format!(
            "logs the signature of request {}, made by {}",
            request.short(),
            list(signers.iter().map(|record| &record.account))
        ),
    }
}

/// What a vote is on.
fn what(state: &IvnState, id: EntryId) -> String {
    let kind = if state.group_of_change(id).is_some() { "the change" } else { "request" };
    format!("{kind} {}", id.short())
}
