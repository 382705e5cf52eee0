//! `quorate invite`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, ValueEnum};
use quorate_ceremony::entry::{Invitation, Role};
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::{AccountName, Timestamp};
use rand_core::OsRng;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::context::{Context, now};
use super::session::Session;
use super::{Failure, Run, duration};
use crate::api::{Answer, Code, Command, Problem, Query};
use crate::error_chain::chain;
use crate::home::NodeConfig;
use crate::render::{relative, utc};
use crate::setup::invitation::invite;

/// Invite someone: prints a URL for `quorate join`
///
/// Only the URL is written to stdout. It is a secret and works once: the first person to use it
/// becomes this account. Inviting the same name again replaces the earlier URL, and `quorate
/// account withdraw-invitation` revokes it. Needs the admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate invite ben
  quorate invite ben --expires 7d --role member,admin
  quorate invite ben > url.txt          then give url.txt to ben, and to nobody else")]
pub(super) struct Invite {
    /// Name of the new account: a-z, 0-9, - _ .
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
    /// How long the URL works: 30m, 24h, 7d
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
pub(super) struct Issued {
    pub(super) account: AccountName,
    roles: BTreeSet<Role>,
    pub(super) expires_at: Timestamp,
    #[serde(serialize_with = "serialize_url")]
    pub(super) url: Zeroizing<String>,
    index: u64,
}

fn serialize_url<S: Serializer>(url: &Zeroizing<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(url)
}

/// Invites `account` and returns its join URL. With `replaces`, the account exists and gets new
/// keys instead of these.
pub(super) fn issue_join_url(
    config: &NodeConfig,
    session: &Session,
    account: AccountName,
    roles: BTreeSet<Role>,
    valid_for: Duration,
    replaces: Option<PublicKey>,
) -> Result<Issued, Problem> {
    let expires_at = now().plus(duration::milliseconds(valid_for));
    let (invitation, link) = invite(config, account.clone(), roles.clone(), expires_at, &mut OsRng)
        .map_err(|error| Problem::new(Code::Failed, chain(&error)))?;
    let (_, index) = session.order(Command::Invite(Invitation { replaces, ..invitation }))?;
    Ok(Issued { account, roles, expires_at, url: link.to_url(), index })
}

impl Run for Invite {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.node_config()?;
        let roles: BTreeSet<Role> = self.role.into_iter().map(Role::from).collect();
        let session = context.session()?;
        let is_again = match session.ask(Query::Accounts)? {
            Answer::Accounts { invitations, .. } => {
                invitations.iter().any(|open| open.account == self.name)
            }
            _ => false,
        };
        let issued = issue_join_url(&config, &session, self.name, roles, self.expires, None)?;
        if context.terminal.is_json() {
            context.terminal.object("invitation", &issued)?;
            return Ok(());
        }
        context.terminal.bytes(format!("{}\n", issued.url.as_str()).as_bytes())?;
        context.terminal.note(|page| {
            page.blank();
            if is_again {
                page.sentence(format!("The earlier URL for {} no longer works.", issued.account));
            }
            page.sentence(format!(
                "This URL is secret and works once, until {} ({}). Give it to {} over a channel that only they read; they run:",
                utc(issued.expires_at),
                relative(now(), issued.expires_at),
                issued.account
            ));
            page.copyable("quorate join 'URL'");
            page.sentence("To revoke it before it is used:");
            let withdraw = format!("quorate account withdraw-invitation {}", issued.account);
            page.copyable(context.command(&withdraw));
        });
        Ok(())
    }
}
