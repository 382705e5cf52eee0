//! `quorate account list` and `quorate account show`.

use clap::Args;
use quorate_ceremony::names::{AccountName, Timestamp};
use serde::Serialize;

use crate::api::{AccountView, Answer, Ask, Code, InvitedView, Problem, ShareState, Standing};
use crate::cli::context::{Context, now};
use crate::cli::session::{Session, unexpected};
use crate::cli::{Failure, Run, suggest};
use crate::render::{Page, Tone, commas, relative, utc};

/// List all accounts: roles, groups, and whether they may act; and open invitations
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account list
  quorate account list --json | jq -r '.accounts[] | select(.standing == \"suspended\").account'")]
pub(super) struct List {}

/// Show one account: its roles, its keys, what is known of its shares, and what depends on them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account show ben
  quorate account show ben --json | jq .shortfalls")]
pub(super) struct Show {
    /// The account
    #[arg(value_name = "NAME")]
    name: AccountName,
}

#[derive(Serialize)]
pub(super) struct AccountsView {
    pub(super) accounts: Vec<AccountView>,
    pub(super) invitations: Vec<InvitedView>,
}

impl Run for List {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let view = accounts(&context.session()?)?;
        context.terminal.show("accounts", &view, |page| {
            for account in &view.accounts {
                line(page, account);
            }
            if !view.invitations.is_empty() {
                page.title("Invitations");
            }
            for open in &view.invitations {
                let what = if open.replaces_keys { "may join with new keys" } else { "may join" };
                let (at, until) = (utc(open.expires_at), relative(now(), open.expires_at));
                page.item(Tone::Warn, format!("{}: {what} until {at} ({until})", open.account));
            }
        })?;
        Ok(())
    }
}

impl Run for Show {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let account = account(&context.session()?, &self.name)?;
        context.terminal.show("account", &account, |page| details(page, &account))?;
        Ok(())
    }
}

pub(super) fn accounts(session: &Session) -> Result<AccountsView, Problem> {
    match session.ask(Ask::Accounts)? {
        Answer::Accounts { accounts, invitations } => Ok(AccountsView { accounts, invitations }),
        other => Err(unexpected(&other)),
    }
}

/// The account of that name, or which one may be meant.
pub(super) fn account(session: &Session, name: &AccountName) -> Result<AccountView, Problem> {
    let mut all = accounts(session)?.accounts;
    match all.iter().position(|account| account.account == *name) {
        Some(position) => Ok(all.swap_remove(position)),
        None => {
            let known = all.iter().map(|account| account.account.as_str());
            let unknown = Problem::new(Code::Failed, format!("there is no account \"{name}\""));
            Err(match suggest::nearest(name.as_str(), known) {
                Some(near) => unknown.hint(format!("did you mean \"{near}\"?")),
                None => unknown.hint("`quorate account list` shows them all"),
            })
        }
    }
}

fn tone(account: &AccountView) -> Tone {
    match account.standing {
        Standing::Active if account.duplicated => Tone::Bad,
        Standing::Active if account.online => Tone::Good,
        Standing::Active | Standing::Removed => Tone::Faint,
        Standing::Suspended => Tone::Bad,
    }
}

fn line(page: &mut Page, account: &AccountView) {
    let is = match account.standing {
        Standing::Removed => "removed",
        Standing::Suspended => "suspended",
        Standing::Active if account.duplicated => "two copies of its node run",
        Standing::Active if account.online => "online",
        Standing::Active => "offline",
    };
    let mut text = format!("{}: {is}", account.account);
    if !account.roles.is_empty() {
        text.push_str(&format!(" ({})", commas(&account.roles)));
    }
    if !account.groups.is_empty() {
        text.push_str(&format!("; {}", commas(account.groups.iter().map(|it| &it.group))));
    }
    page.item(tone(account), text);
}

pub(super) fn details(page: &mut Page, view: &AccountView) {
    page.verdict(tone(view), &view.sentence);
    if !view.roles.is_empty() {
        page.field("roles", commas(&view.roles));
    }
    if let Some(identity) = &view.identity {
        page.field("identity key", hex::encode(identity.0));
    }
    if let (Some(admitted), Some(keyed)) = (view.admitted, view.keyed) {
        page.field("admitted", format!("by entry {admitted} of the log"));
        if keyed != admitted {
            page.field("present keys", format!("since entry {keyed}"));
        }
    }
    if let Some(removed) = view.removed {
        page.field("removed", format!("by entry {removed} of the log"));
    }
    if !view.groups.is_empty() {
        page.title("Groups");
    }
    for group in &view.groups {
        let tone = match group.share {
            ShareState::Healthy => Tone::Good,
            ShareState::NoKey | ShareState::Silent => Tone::Warn,
            ShareState::Doubled | ShareState::Unable => Tone::Bad,
        };
        page.item(tone, format!("{}: {}", group.group, at(&group.detail, group.proved)));
    }
    if !view.shortfalls.is_empty() {
        page.title(format!("Without {}", view.account));
    }
    for short in &view.shortfalls {
        page.item(if short.is_fatal() { Tone::Bad } else { Tone::Warn }, short);
    }
}

fn at(text: &str, proved: Option<Timestamp>) -> String {
    match proved {
        Some(proved) => format!("{text}; shown last {}", relative(now(), proved)),
        None => text.to_owned(),
    }
}
