//! `quorate account replace-keys`.

use std::time::Duration;

use clap::Args;
use quorate_ceremony::names::{AccountName, GroupName};
use quorate_ceremony::state::Shortfall;
use serde::Serialize;

use super::commands::{Force, find};
use super::share_loss_check::{self, Loss};
use crate::api::Standing;
use crate::cli::confirm::{Question, Yes, confirm};
use crate::cli::context::{Context, now};
use crate::cli::invite::{Issued, issue_join_url};
use crate::cli::{Failure, Run, duration};
use crate::render::{account_details, relative, utc};

/// Give an account new keys, after its device was lost: prints a URL for `quorate join`
///
/// Joining with the URL, in a new home, takes over the account with its roles; its previous node is
/// refused from then on. The account has no share and no vote in its groups until their members
/// restore its share (`quorate group repair`), so that an admin cannot vote in other people's
/// names. Until the URL is used, the present keys stay valid: if somebody else may have them,
/// suspend the account first, and resume it when it has joined. Asks for confirmation. Needs the
/// admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account replace-keys ben
  quorate account replace-keys ben --expires 1h --yes > url.txt")]
pub(super) struct ReplaceKeys {
    /// The account
    #[arg(value_name = "NAME")]
    name: AccountName,
    /// How long the URL works: 30m, 24h, 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration::parse)]
    expires: Duration,
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    force: Force,
}

#[derive(Serialize)]
struct InvitationView<'a> {
    #[serde(flatten)]
    issued: &'a Issued,
    /// The groups in which the account has no share until their members restore it.
    groups: Vec<GroupName>,
    /// The groups that are left with too few healthy shares to sign, or with just enough.
    judged: &'a [Shortfall],
}

impl Run for ReplaceKeys {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (session, view) = find(context, &self.name)?;
        share_loss_check::check(context, &view, Loss::Replaced, self.force.force)?;
        let text = format!("Give {} new keys?", self.name);
        let question = Question { text: &text, no: "not invited", instead: None, look: None };
        confirm(context, self.yes, &question, |page| {
            page.sentence(
                "As soon as the URL is used, this account's present keys are refused, and it has no share and no vote until the \
                 members of its groups restore its shares:",
            );
            account_details(page, &view, now());
        })?;
        let config = context.node_config()?;
        let (roles, replaces) = (view.roles.clone(), view.identity);
        let issued = issue_join_url(&config, &session, self.name, roles, self.expires, replaces)?;
        if context.terminal.is_json() {
            let with_key = view.groups.iter().filter(|group| group.health.is_some());
            let groups = with_key.map(|group| group.group.clone()).collect();
            let judged = &view.shortfalls;
            let view = InvitationView { issued: &issued, groups, judged };
            context.terminal.object("invitation", &view)?;
            return Ok(());
        }
        context.terminal.bytes(format!("{}\n", issued.url.as_str()).as_bytes())?;
        context.terminal.note(|page| {
            let name = &issued.account;
            page.blank();
            page.sentence(format!(
                "This URL is secret and works once, until {} ({}). Give it to {name}, whom you know, over a channel \
                 that only they read; they run, with a new home:",
                utc(issued.expires_at),
                relative(now(), issued.expires_at),
            ));
            page.copyable("quorate join 'URL'");
            if view.standing == Standing::Active {
                page.sentence(format!(
                    "Until then the present keys are valid. If somebody else may have them: quorate account suspend \
                     {name}, and resume it afterwards."
                ));
            } else {
                page.sentence("It is suspended. When it has joined:");
                page.copyable(format!("quorate account resume {name}"));
            }
            if !view.groups.is_empty() {
                page.sentence(format!(
                    "Then {name} has no share and no vote in its groups until their members restore its shares:"
                ));
                share_loss_check::needs(page, &view, Loss::Replaced);
                page.sentence(
                    "If somebody else may have the lost device, make new shares afterwards, so that the lost \
                     one stops working: quorate group refresh GROUP",
                );
            }
        });
        Ok(())
    }
}
