//! The state of a node and its IVN for people.

use crate::api::{BlockedView, StatusView, TroubleKind, TroubleView};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;

/// Describes the state of the node and its IVN in one sentence.
pub(crate) fn status_sentence(view: &StatusView) -> String {
    if let Some(trouble) = &view.trouble {
        return trouble_sentence(trouble);
    }
    if let Some(blocked) = &view.hindrance {
        return blocked_sentence(blocked);
    }
    if !view.connected {
        return format!("Not connected to the coordinator at {}; trying again.", view.hub);
    }
    if let Some(seconds) = view.clock_lead {
        return format!(
            "This machine's clock is {seconds} s ahead of the coordinator's, which therefore accepts nothing from it; \
             set the clock."
        );
    }
    let lacking: Vec<&str> = view
        .groups
        .iter()
        .filter(|group| group.lacks_share)
        .map(|group| group.name.as_str())
        .collect();
    let needs = match view.inbox {
        0 if !lacking.is_empty() => String::new(),
        0 => "; nothing needs you".to_owned(),
        1 => "; 1 request or change needs you".to_owned(),
        count => format!("; {count} requests or changes need you"),
    };
    let lacks = match lacking.is_empty() {
        true => String::new(),
        false => format!("; this node has no share of {}", lacking.join(", ")),
    };
    let (online, accounts) = (view.online.len(), view.accounts.len());
    format!("Connected; {online} of {accounts} accounts are online{needs}{lacks}.")
}

/// Explains why a node does not follow the log.
pub(crate) fn trouble_sentence(view: &TroubleView) -> String {
    match &view.kind {
        TroubleKind::Misbehaviour(proved) => format!(
            "The coordinator is proved to break the rules: {proved}. This node keeps the proof and no longer signs."
        ),
        TroubleKind::Unexplained => {
            "The coordinator signed a checkpoint that does not fit the log that this node verified; this node signs \
             nothing until the log shows which is right."
                .to_owned()
        }
        TroubleKind::Behind { size } => format!(
            "The coordinator shows a log of only {size} entries, fewer than this node has verified: it was restored \
             from an old copy."
        ),
    }
}

/// Explains why a node may not act for its account.
pub(crate) fn blocked_sentence(view: &BlockedView) -> String {
    match view {
        BlockedView::Account(why) => format!("This node may not connect: {why}."),
        BlockedView::Coordinator(message) => {
            format!("The coordinator rejects this node: {message}.")
        }
        BlockedView::Duplicated => {
            "Two copies of this node run; neither signs until one of them is gone.".to_owned()
        }
    }
}

/// Advises on a node that may not act.
pub(crate) fn blocked_advice(view: &BlockedView, account: &AccountName) -> String {
    match view {
        BlockedView::Account(why) => of_account(why),
        BlockedView::Coordinator(_) => format!(
            "if you did not expect that, ask an admin what the log shows: quorate account show {account}"
        ),
        BlockedView::Duplicated => DUPLICATED.to_owned(),
    }
}

pub(super) fn of_account(why: &Refusal) -> String {
    match why {
        Refusal::Accounts(Accounts::Suspended { account }) => format!(
            "ask an admin to run: quorate account resume {account}; this node then continues automatically"
        ),
        Refusal::Accounts(Accounts::Removed { .. }) => {
            "a removed account cannot be restored; to join the IVN again, ask an admin for an invitation under a new name"
                .to_owned()
        }
        _ => "use the home that has the new keys; if you did not replace them, tell the other members immediately"
            .to_owned(),
    }
}

pub(super) const DUPLICATED: &str = "stop both, delete the home of one, and start the other again";
