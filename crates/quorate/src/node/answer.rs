//! Answers to an account holder's questions, from what the node has verified.

use quorate_ceremony::effect::CommandError;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Entry;
use quorate_ceremony::names::{EntryId, Timestamp};
use quorate_ceremony::node::Node;
use quorate_ceremony::state::{IvnState, Refusal, RequestState};
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::key::LogVerifier;
use quorate_log::leaf_hash;
use quorate_log::proof::InclusionProof;
use quorate_log::tlog_proof::TlogProof;
use quorate_log::tree::MemoryTree;

use super::hub::Hub;
use super::view;
use crate::api::{
    Answer, BlockedView, EntryView, Exit, PastChangeView, Problem, StatusView, TroubleView,
};

/// The fewest hex digits that name a request.
const SHORTEST_ID: usize = 4;

/// How a failed order looks to a person.
pub(crate) fn problem(error: &CommandError) -> Problem {
    match error {
        CommandError::Unreachable => Problem::new(Exit::Unreachable, error.to_string())
            .hint("the node keeps trying; see: quorate status"),
        CommandError::NoDocument => Problem::new(Exit::Error, error.to_string())
            .hint("ask the requester to submit it again"),
        CommandError::Frozen => {
            Problem::new(Exit::Error, error.to_string()).hint("quorate doctor says what it is")
        }
        CommandError::TooLong => Problem::new(Exit::Error, error.to_string()),
        CommandError::NotTaken(invalid) => {
            Problem { message: error.to_string(), ..invalid_problem(invalid) }.hint(
                "if it shall not count any more, reject the request; ask who runs the coordinator",
            )
        }
        CommandError::RefusedHere(invalid) => {
            Problem { message: error.to_string(), ..invalid_problem(invalid) }
        }
        CommandError::Refusal(invalid) => invalid_problem(invalid),
    }
}

/// As [`problem`]; that there is no connection has another reason if the coordinator does not want this node.
pub(crate) fn told(error: &CommandError, node: &Node, hub: &Hub) -> Problem {
    let hindrance = match error {
        CommandError::Unreachable => BlockedView::of(node, hub.outage.borrow().as_ref()),
        _ => None,
    };
    match hindrance {
        Some(BlockedView { sentence, advice }) => {
            Problem::new(Exit::NotAllowed, sentence.trim_end_matches('.')).hint(advice)
        }
        None => match error {
            CommandError::Refusal(Refusal::RequestOver { request })
                if let Some(group) = node.state().group_of_change(*request) =>
            {
                let name = &group.definition.name;
                problem(error).hint(format!("quorate group show {name}"))
            }
            _ => problem(error),
        },
    }
}

/// For [`Refusal`]s that come without a command.
impl From<Refusal> for Problem {
    fn from(invalid: Refusal) -> Self {
        problem(&CommandError::Refusal(invalid))
    }
}

fn invalid_problem(invalid: &Refusal) -> Problem {
    let text = invalid.to_string();
    match invalid {
        Refusal::NotAdmin { .. }
        | Refusal::NotAMember { .. }
        | Refusal::WrongAuthor
        | Refusal::NotInvited
        | Refusal::InvitationExpired
        | Refusal::RequesterMayNotApprove
        | Refusal::OwnRepair { .. }
        | Refusal::RemovesItself { .. }
        | Refusal::Suspended { .. }
        | Refusal::KeysReplaced { .. }
        | Refusal::LastAdmin { .. }
        | Refusal::OwnAccount { .. }
        | Refusal::StillMember { .. }
        | Refusal::MemberRole { .. } => Problem::new(Exit::NotAllowed, text),
        Refusal::RequestOver { request } => Problem::new(Exit::Rejected, text)
            .hint(format!("quorate request show {}", request.short())),
        Refusal::UnknownAccount { .. } => Problem::new(Exit::Error, text)
            .hint("quorate account list shows them all; quorate invite NAME adds one"),
        Refusal::NoShare { account, group } => Problem::new(Exit::NotAllowed, text).hint(format!(
            "the group's members give it back with: quorate group repair {group} {account}"
        )),
        Refusal::UnknownGroup { .. } => Problem::new(Exit::Error, text).hint("quorate group list"),
        Refusal::UnknownRequest { .. } => {
            Problem::new(Exit::Error, text).hint("quorate request list")
        }
        Refusal::ChangePending { group, .. } => Problem::new(Exit::Error, text).hint(format!(
            "quorate group show {group}; to take it back: quorate group cancel {group}"
        )),
        Refusal::OtherEpoch { group, .. }
        | Refusal::NoKey { group }
        | Refusal::GroupExists { group }
        | Refusal::DefinitionChanged { group }
        | Refusal::NotAPastEpoch { group, .. }
        | Refusal::NoHandover { group, .. }
        | Refusal::SessionRunning { group }
        | Refusal::SessionFailed { group }
        | Refusal::TooFewVoters { group, .. } => {
            Problem::new(Exit::Error, text).hint(format!("quorate group show {group}"))
        }
        Refusal::TooFewShares { group, .. } => Problem::new(Exit::Error, text).hint(format!(
            "quorate group show {group} says whose are missing: resume who is suspended, or restore its backup; else \
             make a new group with a new key"
        )),
        Refusal::NotApproved { request } => {
            Problem::new(Exit::Error, text).hint(format!("quorate request show {}", request.short()))
        }
        Refusal::Removed { .. }
        | Refusal::AlreadySo { .. }
        | Refusal::OtherRoles { .. }
        | Refusal::AccountExists { .. } => {
            Problem::new(Exit::Error, text).hint("quorate account list")
        }
        Refusal::NotAccepted => Problem::new(Exit::Error, text).hint("quorate group list"),
        Refusal::PolicyChanged
        | Refusal::Expiry { .. }
        | Refusal::MinSigners { .. }
        | Refusal::TooManySigners { .. }
        | Refusal::ApprovalsRequired { .. }
        | Refusal::ChangesRequired { .. }
        | Refusal::RefreshEvery
        | Refusal::PolicyExpiry
        | Refusal::MemberTwice { .. }
        | Refusal::SuiteFixed
        | Refusal::Repair { .. }
        | Refusal::Reason
        | Refusal::AlreadySaid { .. }
        | Refusal::Outdated { .. }
        | Refusal::ClockSkew { .. }
        | Refusal::TooMuch { .. }
        | Refusal::Deployment => Problem::new(Exit::Error, text),
        // What people can not bring about with this program.
        Refusal::NotGenesis
        | Refusal::Malformed
        | Refusal::Signature
        | Refusal::OtherIvn
        | Refusal::KeysTaken { .. }
        | Refusal::KeysUsed
        | Refusal::SessionOver
        | Refusal::SessionStep
        | Refusal::StaleIncarnation
        | Refusal::Protocol
        | Refusal::AbortReason
        | Refusal::BadSignature
        | Refusal::Checkpoint
        | Refusal::Signers => Problem::new(Exit::Error, text).hint("quorate doctor"),
    }
}

/// The request, or the pending change of a group, whose id begins like this.
pub(crate) fn find_votable(state: &IvnState, id: &str) -> Result<EntryId, Problem> {
    let wanted = well_formed(id)?;
    let pending = state.groups().values().filter_map(|group| group.change.as_ref());
    let mut found =
        pending.map(|change| change.id).filter(|id| id.to_string().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(change), None) => Ok(change),
        _ => find_request(state, id).map(|request| request.id),
    }
}

/// The one change that is over and whose id begins like this.
pub(crate) fn find_past_change(state: &IvnState, id: &str) -> Option<PastChangeView> {
    let wanted = well_formed(id).ok()?;
    let groups = state.groups().values();
    let past = groups.flat_map(|group| group.past_changes.iter());
    let mut found = past.filter(|past| past.id.to_string().starts_with(&wanted));
    let first = found.next()?;
    found.next().is_none().then(|| view::past_change(first))
}

fn well_formed(id: &str) -> Result<String, Problem> {
    let wanted = id.to_ascii_lowercase();
    if wanted.len() >= SHORTEST_ID && wanted.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(wanted);
    }
    let message =
        format!("\"{id}\" is not a request id: at least {SHORTEST_ID} hexadecimal digits");
    Err(Problem::new(Exit::Error, message).hint("quorate request list"))
}

/// The one request whose id begins like this.
pub(crate) fn find_request<'a>(state: &'a IvnState, id: &str) -> Result<&'a RequestState, Problem> {
    let wanted = well_formed(id)?;
    let mut found =
        state.requests().values().filter(|request| request.id.to_string().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(request), None) => Ok(request),
        (None, _) => Err(Problem::new(Exit::Error, format!("there is no request {id}"))
            .hint("quorate request list")),
        (Some(_), Some(_)) => {
            Err(Problem::new(Exit::Error, format!("several requests begin with {id}"))
                .hint("give more digits; quorate request list"))
        }
    }
}

/// Entries from `first` on.
pub(crate) fn entries(state: &IvnState, stored: &[Vec<u8>], first: u64) -> Vec<EntryView> {
    (first..)
        .zip(stored)
        .filter_map(|(index, bytes)| {
            Some(view::entry(state, index, &Entry::from_bytes(bytes).ok()?))
        })
        .collect()
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// How the node and its IVN are.
pub(crate) fn status(
    node: &Node,
    hub: String,
    outage: Option<&Problem>,
    now: Timestamp,
) -> StatusView {
    let state = node.state();
    let inbox = node.inbox(now).len() + node.changes_to_decide(now).len();
    let roles = state.account(node.account()).map(|account| account.roles.clone());
    let trouble = TroubleView::of(node);
    let hindrance = BlockedView::of(node, outage);
    let sentence = match (&trouble, node.connected()) {
        (Some(trouble), _) => trouble.sentence.clone(),
        (None, _) if let Some(hindrance) = &hindrance => hindrance.sentence.clone(),
        (None, true) if let Some(seconds) = node.clock_lead() => format!(
            "This machine's clock is {seconds} s ahead of the coordinator's, which takes nothing from it; set the clock."
        ),
        (None, false) => format!("Not connected to the coordinator at {hub}; trying again."),
        (None, true) => {
            let online = node.online().len();
            let lacking: Vec<&str> = state
                .groups()
                .values()
                .filter(|group| view::lacks_share(node, group))
                .map(|group| group.definition.name.as_str())
                .collect();
            let needs = match inbox {
                0 if !lacking.is_empty() => String::new(),
                0 => "; nothing needs you".to_owned(),
                1 => "; 1 request or change needs you".to_owned(),
                count => format!("; {count} requests or changes need you"),
            };
            let lacks = match lacking.is_empty() {
                true => String::new(),
                false => format!("; this node has no share of {}", lacking.join(", ")),
            };
            format!(
                "Connected; {online} of {} accounts are online{needs}{lacks}.",
                state.accounts().len()
            )
        }
    };
    StatusView {
        sentence,
        account: node.account().clone(),
        roles: roles.unwrap_or_default(),
        removed: state.former_accounts().contains_key(node.account()),
        ivn: state.ivn(),
        ivn_name: state.genesis().name.clone(),
        hub,
        connected: node.connected(),
        log_size: state.size(),
        log_key: log_verifier(state).map(|verifier| verifier.to_string()).unwrap_or_default(),
        online: node.online().clone(),
        accounts: state
            .accounts()
            .iter()
            .map(|(name, account)| (name.clone(), account.roles.clone()))
            .collect(),
        trouble,
        hindrance,
        groups: state.groups().values().map(|group| view::group(node, group, now)).collect(),
        inbox,
        unsent: node.unsent(),
        now,
    }
}

fn log_verifier(state: &IvnState) -> Option<LogVerifier> {
    LogVerifier::new(state.origin().parse().ok()?, &state.genesis().log_key.0).ok()
}

/// A proof that entry `index` is in the log, under `checkpoint`: one that the coordinator handed out, which is used only
/// if it is of the tree that this node verified itself.
pub(crate) fn prove(
    state: &IvnState,
    stored: &[Vec<u8>],
    index: u64,
    checkpoint: Option<String>,
) -> Result<Answer, Problem> {
    let bug = || Problem::new(Exit::Error, "the proof could not be made");
    let entry = stored.get(usize_of(index)).ok_or_else(|| {
        let message = format!("the log has {} entries; there is no entry {index}", stored.len());
        Problem::new(Exit::Error, message)
    })?;
    let verifier = log_verifier(state).ok_or_else(bug)?;
    let checkpoint = checkpoint.ok_or_else(|| problem(&CommandError::Unreachable))?;
    let checkpoint = checkpoint
        .parse::<SignedCheckpoint>()
        .and_then(|signed| signed.verify(&verifier))
        .map_err(|error| Problem::new(Exit::Verification, error.to_string()))?;
    let head = checkpoint.head();
    if head.size > stored.len() as u64 {
        let message = "the log is ahead of this node for a moment";
        return Err(Problem::new(Exit::Waiting, message).hint("try again"));
    }
    let mut tree = MemoryTree::default();
    for bytes in stored.iter().take(usize_of(head.size)) {
        tree.append(leaf_hash(bytes));
    }
    if tree.head() != head {
        let message = "the coordinator's checkpoint is not of the log that this node verified";
        return Err(Problem::new(Exit::Verification, message).hint("quorate doctor"));
    }
    let inclusion = InclusionProof::prove(&tree, index, head.size).map_err(|_| {
        Problem::new(
            Exit::Waiting,
            "the coordinator has not signed a checkpoint with this entry yet",
        )
    })?;
    let proof = TlogProof::new(inclusion, checkpoint.as_signed().clone());
    Ok(Answer::Proof {
        entry: Base64(entry.clone()),
        proof: proof.to_string(),
        log_key: verifier.to_string(),
    })
}
