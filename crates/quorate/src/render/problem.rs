//! Advice about problems.

use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::{
    Accounts, Changes, Confirmations, Entries, Groups, Possession, Requests, Sessions,
};

use super::status::{DUPLICATED, account_advice};
use crate::api::{Code, Problem};

/// Returns the problem's own hint, or one that depends on its code.
pub(crate) fn hint(problem: &Problem) -> Option<String> {
    let known = match &problem.code {
        Code::Frozen => Some("for the details, run: quorate doctor".to_owned()),
        Code::NoDocument => Some("ask the requester to submit it again".to_owned()),
        Code::NodeStopped => Some("quorate status".to_owned()),
        Code::Version => Some("use the same version of quorate for both".to_owned()),
        Code::MalformedId | Code::NoSuchId => Some("quorate request list".to_owned()),
        Code::AmbiguousId => Some("give more digits of the one that you mean".to_owned()),
        Code::NotTaken(_) => Some(
            "to withdraw it, reject the request; ask the operator of the coordinator for the reason"
                .to_owned(),
        ),
        Code::Unwanted => Some(
            "if you did not expect that, ask an admin what the log shows: quorate account show"
                .to_owned(),
        ),
        Code::Duplicated => Some(DUPLICATED.to_owned()),
        Code::Blocked(
            why @ Refusal::Accounts(
                Accounts::Suspended { .. }
                | Accounts::Removed { .. }
                | Accounts::KeysReplaced { .. },
            ),
        ) => Some(account_advice(why)),
        Code::Refused(why) => of_refusal(why),
        _ => None,
    };
    problem.hint.clone().or(known)
}

/// Names the command that shows or removes what the log's rules object to.
fn of_refusal(why: &Refusal) -> Option<String> {
    let hint = match why {
        Refusal::Requests(
            Requests::RequestOver { request } | Requests::NotApproved { request },
        ) => {
            format!("quorate request show {}", request.short())
        }
        Refusal::Accounts(Accounts::UnknownAccount { .. }) => {
            "quorate account list shows them all; quorate invite NAME adds one".to_owned()
        }
        Refusal::Groups(Groups::NoShare { account, group }) => format!(
            "the group's members restore the share with: quorate group repair {group} {account}"
        ),
        Refusal::Groups(Groups::UnknownGroup { .. }) | Refusal::Sessions(Sessions::NotAccepted) => {
            "quorate group list".to_owned()
        }
        Refusal::Requests(Requests::UnknownRequest { .. }) => "quorate request list".to_owned(),
        Refusal::Changes(Changes::ChangePending { group, .. }) => format!(
            "quorate group show {group}; to withdraw the change: quorate group cancel {group}"
        ),
        Refusal::Changes(
            Changes::OtherEpoch { group, .. } | Changes::TooFewVoters { group, .. },
        )
        | Refusal::Groups(
            Groups::NoKey { group }
            | Groups::Retired { group }
            | Groups::GroupExists { group }
            | Groups::DefinitionChanged { group },
        )
        | Refusal::Possession(Possession::NotAPastEpoch { group, .. })
        | Refusal::Confirmations(Confirmations::NoConfirmation { group, .. })
        | Refusal::Sessions(
            Sessions::SessionRunning { group } | Sessions::SessionFailed { group },
        ) => format!("quorate group show {group}"),
        Refusal::Changes(Changes::TooFewShares { group, .. }) => format!(
            "quorate group show {group} lists the missing shares: resume suspended members, or \
             restore their backups; otherwise make a new group with a new key"
        ),
        Refusal::Accounts(
            Accounts::Removed { .. }
            | Accounts::AlreadySo { .. }
            | Accounts::OtherRoles { .. }
            | Accounts::AccountExists { .. },
        ) => "quorate account list".to_owned(),
        // This program does not cause these.
        Refusal::Entries(
            Entries::NotGenesis | Entries::Malformed | Entries::Signature | Entries::OtherIvn,
        )
        | Refusal::Accounts(Accounts::KeysTaken { .. } | Accounts::KeysUsed)
        | Refusal::Sessions(
            Sessions::SessionOver
            | Sessions::SessionStep
            | Sessions::StaleIncarnation
            | Sessions::Protocol
            | Sessions::AbortReason
            | Sessions::BadSignature,
        )
        | Refusal::Confirmations(Confirmations::Checkpoint)
        | Refusal::Requests(Requests::Signers) => "quorate doctor".to_owned(),
        _ => return None,
    };
    Some(hint)
}
