//! `quorate invite`: lets someone join.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, ValueEnum};
use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::statement::Role;
use rand_core::OsRng;
use serde::Serialize;

use super::context::{Context, now};
use super::duration;
use super::{Failure, Run};
use crate::api::{Ask, Exit, Problem};
use crate::error_chain::chain;
use crate::setup::invitation::invite;

/// Invite someone: prints a URL for `quorate join`
///
/// The URL goes to stdout, alone. It is a secret and works once: whoever uses it first becomes this account. Inviting the
/// same name again replaces the earlier URL, and `quorate account withdraw-invitation` takes it back. Needs the admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate invite ben
  quorate invite ben --expires 7d --role member,admin
  quorate invite ben > url.txt          then give url.txt to ben, and to nobody else")]
pub(super) struct Invite {
    /// Name of the account to be: a-z, 0-9, - _ .
    #[arg(value_name = "NAME")]
    name: AccountName,
    /// What the account may do: member, requester, auditor, admin
    #[arg(
        long,
        value_name = "ROLE",
        value_enum,
        value_delimiter = ',',
        default_value = "member",
        hide_possible_values = true
    )]
    role: Vec<RoleName>,
    /// For how long the URL is good: 30m, 24h, 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration::parse)]
    expires: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum RoleName {
    Member,
    Requester,
    Auditor,
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Member => Self::Member,
            RoleName::Requester => Self::Requester,
            RoleName::Auditor => Self::Auditor,
            RoleName::Admin => Self::Admin,
        }
    }
}

#[derive(Serialize)]
struct InvitationView<'a> {
    account: AccountName,
    roles: BTreeSet<Role>,
    expires_at: Timestamp,
    /// Secret.
    url: &'a str,
    /// Of the invitation's entry.
    index: u64,
}

impl Run for Invite {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.node_config()?;
        let roles: BTreeSet<Role> = self.role.into_iter().map(Role::from).collect();
        let expires_at = now().plus(duration::milliseconds(self.expires));
        let (invitation, link) =
            invite(&config, self.name.clone(), roles.clone(), expires_at, &mut OsRng)
                .map_err(|error| Problem::new(Exit::Error, chain(&error)))?;
        let (_, index) = context.session()?.order(Ask::Invite(invitation))?;
        let url = link.to_url();
        if context.terminal.is_json() {
            let view = InvitationView { account: self.name, roles, expires_at, url: &url, index };
            context.terminal.object("invitation", &view)?;
            return Ok(());
        }
        context.terminal.bytes(format!("{}\n", url.as_str()).as_bytes())?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(format!(
                "This URL is secret and works once, until {} ({}). Give it to {} over a channel that only they read; they run:",
                duration::utc(expires_at),
                duration::relative(now(), expires_at),
                self.name
            ));
            page.copyable("quorate join 'URL'");
            page.sentence("To take it back before it is used:");
            let withdraw = format!("quorate account withdraw-invitation {}", self.name);
            page.copyable(context.command(&withdraw));
        });
        Ok(())
    }
}
