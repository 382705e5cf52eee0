//! What an admin is told before an account's shares are given up: which groups could not sign any more, or just.

use crate::cli::context::Context;
use crate::cli::session::Session;
use crate::cli::terminal::{Page, Tone};
use crate::control::{AccountView, Exit, Problem, ShareState};
use quorate_ceremony::state::Invalid;
use quorate_ceremony::statement::Role;

/// Refuses what would leave a group with fewer healthy shares than it takes to sign, unless it is wanted all the same;
/// warns of what leaves it with just enough. `done` says what is not done then.
pub(super) fn check(
    context: &Context,
    account: &AccountView,
    done: &str,
    force: bool,
) -> Result<(), Problem> {
    let name = &account.account;
    let (fatal, just): (Vec<_>, Vec<_>) =
        account.shortfalls.iter().partition(|short| short.is_fatal());
    if let Some(first) = fatal.first().filter(|_| !force) {
        let figures: Vec<String> = fatal.iter().map(ToString::to_string).collect();
        let message = format!(
            "not {done}: without {name} these groups could sign nothing: {}",
            figures.join("; ")
        );
        return Err(Problem::new(Exit::NotAllowed, message).hint(format!(
            "have them changed first: quorate group change {} --remove {name} …; or, if {name} has to be cut off \
             whatever it costs, add --force",
            first.group
        )));
    }
    for short in fatal.iter().chain(&just) {
        let what = match short.is_fatal() {
            true => "it can sign nothing then",
            false => "it can not lose another",
        };
        context.terminal.note(|page| page.item(Tone::Warn, format!("{short}; {what}")));
    }
    Ok(())
}

/// Only an admin is shown figures and asked: everybody else is told at once that it is an admin's.
pub(super) fn check_admin(session: &Session) -> Result<(), Problem> {
    let status = session.status()?;
    match status.roles.contains(&Role::Admin) {
        true => Ok(()),
        false => Err(Invalid::NotAdmin { account: status.account }.into()),
    }
}

/// What the groups of an account need from their members now. `repair` if the account is to get its shares back.
pub(super) fn needs(page: &mut Page, account: &AccountView, repair: bool) {
    let name = &account.account;
    for group in account.groups.iter().filter(|group| group.share != ShareState::NoKey) {
        let group = &group.group;
        page.copyable(match repair {
            true => format!("quorate group repair {group} {name}"),
            false => format!("quorate group change {group} --remove {name}"),
        });
    }
    for group in account.groups.iter().filter(|group| group.share == ShareState::NoKey) {
        let group = &group.group;
        page.sentence(format!(
            "{group} has no key yet, and waits for {name}: define it again with"
        ));
        page.copyable(format!("quorate group create {group} …"));
    }
}
