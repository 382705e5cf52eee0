//! What to do about a problem.

use quorate_ceremony::state::Refusal;

use crate::api::{Code, Problem};

/// What to do next about a problem, where it does not say so itself.
pub(crate) fn hint(problem: &Problem) -> Option<String> {
    let known = match &problem.code {
        Code::Frozen => Some("for the details, run: quorate doctor".to_owned()),
        Code::NoDocument => Some("ask the requester to submit it again".to_owned()),
        Code::NodeStopped => Some("quorate status".to_owned()),
        Code::Version => Some("use the same version of quorate for both".to_owned()),
        Code::MalformedId | Code::NoSuchId => Some("quorate request list".to_owned()),
        Code::AmbiguousId => Some("give more digits; quorate request list".to_owned()),
        Code::NotTaken(_) => Some(
            "to withdraw it, reject the request; ask whoever runs the coordinator for the reason"
                .to_owned(),
        ),
        Code::Refused(why) | Code::RejectedHere(why) => of_refusal(why),
        _ => None,
    };
    problem.hint.clone().or(known)
}

/// The command that shows or removes what the log's rules object to.
fn of_refusal(why: &Refusal) -> Option<String> {
    let hint = match why {
        Refusal::RequestOver { request } | Refusal::NotApproved { request } => {
            format!("quorate request show {}", request.short())
        }
        Refusal::UnknownAccount { .. } => {
            "quorate account list shows them all; quorate invite NAME adds one".to_owned()
        }
        Refusal::NoShare { account, group } => format!(
            "the group's members restore the share with: quorate group repair {group} {account}"
        ),
        Refusal::UnknownGroup { .. } | Refusal::NotAccepted => "quorate group list".to_owned(),
        Refusal::UnknownRequest { .. } => "quorate request list".to_owned(),
        Refusal::ChangePending { group, .. } => format!(
            "quorate group show {group}; to withdraw the change: quorate group cancel {group}"
        ),
        Refusal::OtherEpoch { group, .. }
        | Refusal::NoKey { group }
        | Refusal::GroupExists { group }
        | Refusal::DefinitionChanged { group }
        | Refusal::NotAPastEpoch { group, .. }
        | Refusal::NoHandover { group, .. }
        | Refusal::SessionRunning { group }
        | Refusal::SessionFailed { group }
        | Refusal::TooFewVoters { group, .. } => format!("quorate group show {group}"),
        Refusal::TooFewShares { group, .. } => format!(
            "quorate group show {group} lists the missing shares: resume suspended members, or \
             restore their backups; otherwise make a new group with a new key"
        ),
        Refusal::Removed { .. }
        | Refusal::AlreadySo { .. }
        | Refusal::OtherRoles { .. }
        | Refusal::AccountExists { .. } => "quorate account list".to_owned(),
        // People cannot cause these with this program.
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
        | Refusal::Signers => "quorate doctor".to_owned(),
        _ => return None,
    };
    Some(hint)
}
