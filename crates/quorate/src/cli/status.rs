//! `quorate status`.

use clap::Args;

use super::context::Context;
use super::{Failure, Run};
use crate::api::{Exit, StatusView};
use crate::render::{
    Concern, Page, Tone, blocked_advice, clock_sentence, commas, concern, group_advice,
    group_sentence, group_tone, json, loses_nobody, loses_nobody_sentence, plural, status_sentence,
    trouble_advice,
};

/// Report the state of your node and its IVN: one sentence, then the details
///
/// The sentence is about the worst that is true. Exit code 0 if your groups can sign, 8 if one of
/// them cannot, 1 if this machine's clock is wrong, 7 if the coordinator cannot be reached, 6 if
/// this account may not act (it is suspended or removed, or has new keys), 3 if the coordinator's
/// log contradicts what this node has verified.
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
        let concern = concern(&status);
        let (tone, exit) = match concern {
            None => (Tone::Good, None),
            Some(Concern::Trouble(_)) => (Tone::Bad, Some(Exit::Verification)),
            Some(Concern::Blocked(_)) => (Tone::Bad, Some(Exit::NotAllowed)),
            Some(Concern::Unreachable) => (Tone::Warn, Some(Exit::Unreachable)),
            Some(Concern::Clock) => (Tone::Bad, Some(Exit::Error)),
            Some(Concern::CannotSign(_)) => (Tone::Bad, Some(Exit::TooFewNodes)),
            Some(Concern::TooFewOnline(_)) => (Tone::Warn, Some(Exit::TooFewNodes)),
            Some(Concern::LosesNobody(_) | Concern::LacksShare) => (Tone::Warn, None),
        };
        // The short connection of this command is not the node.
        let is_at_rest = !session.is_running_node() && exit.is_none();
        let (tone, exit) = match is_at_rest {
            true => (Tone::Bad, Some(Exit::TooFewNodes)),
            false => (tone, exit),
        };
        context.terminal.show("status", &json::status(&status), |page| {
            match is_at_rest {
                true => {
                    let account = &status.account;
                    page.verdict(
                        tone,
                        format!(
                            "The node of {account} is not running, so it approves and signs nothing."
                        ),
                    );
                    page.note(format!("Checked over a temporary connection: {}", status_sentence(&status)));
                }
                false => page.verdict(tone, status_sentence(&status)),
            }
            match concern {
                Some(Concern::Trouble(trouble)) => page.advice(trouble_advice(trouble)),
                Some(Concern::Blocked(blocked)) => {
                    page.advice(blocked_advice(blocked, &status.account));
                }
                Some(Concern::Clock) => {
                    if let Some((_, advice)) = clock_sentence(&status) {
                        page.advice(advice);
                    }
                }
                _ => {}
            }
            details(page, &status);
        })?;
        if !session.is_running_node() {
            context.terminal.note(|page| {
                page.blank();
                page.sentence("To start it, and leave it running:");
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
        if loses_nobody(group) {
            page.item(Tone::Warn, loses_nobody_sentence(group));
        }
    }
    if status.groups.is_empty() {
        page.item(Tone::Faint, "none yet");
    }
    page.title("Accounts");
    for (account, its_roles) in &status.accounts {
        let (tone, is) = match status.online.contains(account) {
            true => (Tone::Good, "online"),
            false if status.connected => (Tone::Faint, "offline"),
            // The coordinator reports who is online.
            false => (Tone::Faint, "unknown, because this node is not connected"),
        };
        page.item(tone, format!("{account}: {is} ({})", commas(its_roles)));
    }
}
