//! `quorate status`.

use clap::Args;

use super::context::Context;
use super::{Failure, Run};
use crate::api::{Exit, StatusView};
use crate::render::{
    Page, Tone, blocked_advice, commas, group_advice, group_sentence, group_tone, json, plural,
    status_sentence,
};

/// Report the state of your node and its IVN: one sentence, then the details
///
/// Exit code 0 if all is well, 7 if the coordinator cannot be reached, 6 if this account may not
/// act (it is suspended or removed, or has new keys), 3 if the coordinator's log contradicts what
/// this node has verified.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate status
  quorate status --json | jq .groups")]
pub(super) struct Status {}

impl Run for Status {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let status = session.status()?;
        let exit = match (&status.trouble, status.connected) {
            (Some(_), _) => Some(Exit::Verification),
            (None, _) if status.hindrance.is_some() => Some(Exit::NotAllowed),
            (None, false) => Some(Exit::Unreachable),
            (None, true) => None,
        };
        let tone = match exit {
            Some(Exit::Verification | Exit::NotAllowed) => Tone::Bad,
            Some(_) => Tone::Warn,
            None if status.groups.iter().any(|group| group.lacks_share) => Tone::Warn,
            None => Tone::Good,
        };
        context.terminal.show("status", &json::status(&status), |page| {
            page.verdict(tone, status_sentence(&status));
            if let Some(hindrance) = &status.hindrance {
                page.advice(blocked_advice(hindrance, &status.account));
            }
            details(page, &status);
        })?;
        if !session.is_running_node() {
            context.terminal.note(|page| {
                page.blank();
                page.sentence(
                    "No node is running: this account approves and signs nothing until one is.",
                );
                page.copyable(context.command("quorate node run"));
            });
        } else if status.inbox > 0 {
            context.terminal.note(|page| {
                page.blank();
                page.sentence("Requests are waiting for you:");
                page.copyable(context.command("quorate inbox"));
            });
        }
        match exit {
            Some(exit) => Err(Failure::Shown(exit)),
            None => Ok(()),
        }
    }
}

fn details(page: &mut Page, status: &StatusView) {
    let roles = match status.roles.is_empty() {
        true if status.removed => "removed permanently".to_owned(),
        true => "not admitted yet, as far as this node knows".to_owned(),
        false => commas(&status.roles),
    };
    page.field("account", format!("{} ({roles})", status.account));
    page.field("IVN", format!("{} {}", status.ivn_name, status.ivn));
    page.field("hub", &status.hub);
    page.field("log", format!("{} entries, all verified here", status.log_size));
    page.field("log key", &status.log_key);
    if status.unsent > 0 {
        let unsent = plural(
            status.unsent,
            "statement is on its way to the log",
            "statements are on their way to the log",
        );
        page.field("unsent", unsent);
    }
    page.title("Groups");
    for group in &status.groups {
        page.item(group_tone(group), group_sentence(group));
        if let Some(advice) = group_advice(group) {
            page.advice(advice);
        }
    }
    if status.groups.is_empty() {
        page.item(Tone::Faint, "none yet");
    }
    page.title("Accounts");
    for (account, its_roles) in &status.accounts {
        let (tone, is) = match status.online.contains(account) {
            true => (Tone::Good, "online"),
            false => (Tone::Faint, "offline"),
        };
        page.item(tone, format!("{account}: {is} ({})", commas(its_roles)));
    }
}
