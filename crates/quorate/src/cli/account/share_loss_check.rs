//! Checks, before an account loses its shares, which groups could no longer sign, or only just.

use crate::api::{AccountView, Code, Problem};
use crate::cli::context::Context;
use crate::cli::session::Session;
use crate::render::{Page, shortfall};
use quorate_ceremony::entry::Role;
use quorate_ceremony::names::{AccountName, GroupName};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;

/// Why an account can no longer use its shares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Loss {
    Suspended,
    Removed,
    /// It gets new keys, and no share until the other members restore it.
    Replaced,
}

impl Loss {
    /// Completes "not …", for a command that was not carried out.
    fn participle(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Removed => "removed",
            Self::Replaced => "invited to replace its keys",
        }
    }

    fn instead(self, group: &GroupName, name: &AccountName) -> String {
        match self {
            Self::Suspended | Self::Removed => format!(
                "change them first: quorate group change {group} --remove {name} …; or, if {name} has to be \
                 disconnected at any cost, add --force"
            ),
            Self::Replaced => format!(
                "the other members are too few to restore the shares; restore a backup of the node of {name}, if there is \
                 one: quorate node restore; or, if the present keys must not be used at any cost, add --force"
            ),
        }
    }
}

/// Fails if a group would be left with too few healthy shares to sign, except with `force`. Warns
/// if it would be left with just enough.
pub(super) fn check(
    context: &Context,
    account: &AccountView,
    loss: Loss,
    force: bool,
) -> Result<(), Problem> {
    let name = &account.account;
    let (fatal, just): (Vec<_>, Vec<_>) =
        account.shortfalls.iter().partition(|short| short.is_fatal());
    if let Some(first) = fatal.first().filter(|_| !force) {
        let figures: Vec<String> = fatal.iter().map(|short| shortfall(short)).collect();
        let message = format!(
            "not {}: without {name} these groups could not sign: {}",
            loss.participle(),
            figures.join("; ")
        );
        return Err(Problem::new(Code::NotAllowed, message).hint(loss.instead(&first.group, name)));
    }
    for short in fatal.iter().chain(&just) {
        let what = match short.is_fatal() {
            true => "it could not sign",
            false => "it could not lose another",
        };
        // With --quiet and --json too, because it affects what other people can do.
        context.terminal.warn(&format!("{}; {what}", shortfall(short)));
    }
    Ok(())
}

/// Fails for everyone but admins, before any figures are displayed or questions asked.
pub(super) fn check_admin(session: &Session) -> Result<(), Problem> {
    let status = session.status()?;
    match status.roles.contains(&Role::Admin) {
        true => Ok(()),
        false => Err(Refusal::Accounts(Accounts::NotAdmin { account: status.account }).into()),
    }
}

/// Displays what the members of the account's groups should do now.
pub(super) fn needs(page: &mut Page, account: &AccountView, loss: Loss) {
    let name = &account.account;
    for group in account.groups.iter().filter(|group| group.health.is_some()) {
        let group = &group.group;
        page.copyable(match loss {
            Loss::Replaced => format!("quorate group repair {group} {name}"),
            Loss::Suspended | Loss::Removed => {
                format!("quorate group change {group} --remove {name}")
            }
        });
    }
    for group in account.groups.iter().filter(|group| group.health.is_none()) {
        let group = &group.group;
        if loss == Loss::Replaced {
            page.sentence(format!(
                "{group} has no key yet; all its members have to accept again, and find it in their inboxes:"
            ));
            page.copyable("quorate inbox");
        } else {
            page.sentence(format!(
                "{group} has no key yet, and waits for {name}: define it again with"
            ));
            page.copyable(format!("quorate group create {group} …"));
        }
    }
}
