//! `quorate account list` and `quorate account show`.

use clap::Args;
use quorate_ceremony::names::AccountName;
use serde::Serialize;

use crate::api::{AccountView, Answer, Code, InvitedView, Problem, Query};
use crate::cli::context::{Context, now};
use crate::cli::session::Session;
use crate::cli::{Failure, Run, suggest};
use crate::launch::unexpected;
use crate::render::{Tone, account_details, account_line, json, relative, utc};

/// List all accounts, with their roles and groups and whether they may act, and open invitations
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate account list
  quorate account list --json | jq -r '.accounts[] | select(.standing == \"suspended\").account'")]
pub(super) struct List {}

/// Show one account: its roles, its keys, the state of its shares, and what depends on them
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
    #[serde(serialize_with = "for_programs")]
    pub(super) accounts: Vec<AccountView>,
    pub(super) invitations: Vec<InvitedView>,
}

fn for_programs<S: serde::Serializer>(accounts: &[AccountView], to: S) -> Result<S::Ok, S::Error> {
    json::each(accounts, json::account).serialize(to)
}

impl Run for List {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let view = accounts(&context.session()?)?;
        context.terminal.show("accounts", &view, |page| {
            for account in &view.accounts {
                account_line(page, account);
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
        context.terminal.show("account", &json::account(&account), |page| {
            account_details(page, &account, now())
        })?;
        Ok(())
    }
}

pub(super) fn accounts(session: &Session) -> Result<AccountsView, Problem> {
    match session.ask(Query::Accounts)? {
        Answer::Accounts { accounts, invitations } => Ok(AccountsView { accounts, invitations }),
        other => Err(unexpected(&other)),
    }
}

/// Returns the account of that name. The error suggests a similar name.
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
