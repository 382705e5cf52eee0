//! What to say when founding or joining fails, and how to exit.

use std::path::Path;

use quorate_ceremony::state::Refusal;
use quorate_network::client::RequestError;
use quorate_network::dialler::DialError;

use super::context::home_problem;
use crate::api::{Exit, Problem};
use crate::error_chain::chain;
use crate::keystore::{KeystoreError, ProtectorError};
use crate::setup::SetupError;

/// The one place where setup's errors get their exit codes and hints.
pub(super) fn setup_problem(error: &SetupError) -> Problem {
    let problem = |exit| Problem::new(exit, chain(error));
    let ask_admin = "ask an admin for a new one: quorate invite NAME";
    match error {
        SetupError::Home(error) => home_problem(error),
        SetupError::Unsent { .. } => problem(Exit::Error)
            .hint("start the node until `quorate status` shows nothing unsent, then stop it: quorate node run"),
        SetupError::Frozen => problem(Exit::Error).hint("quorate doctor says what it is"),
        SetupError::OtherKeys { .. } => problem(Exit::Error)
            .hint("restore it from where it was moved or copied; it may be the account's only key"),
        SetupError::Used { .. } => problem(Exit::NotAllowed).hint(
            "if that was you, use the home that was made then; otherwise tell an admin: someone else had the URL",
        ),
        SetupError::Refused(Refusal::InvitationExpired | Refusal::NotInvited) => {
            problem(Exit::NotAllowed).hint(ask_admin)
        }
        SetupError::Refused(_) => problem(Exit::NotAllowed),
        SetupError::HubRefused { status: 500.., .. } => {
            problem(Exit::Unreachable).hint("try the same command again; the keys that it made are kept")
        }
        SetupError::HubRefused { .. } => problem(Exit::NotAllowed),
        SetupError::Hub(RequestError::Dial(DialError::Unreachable { .. })) => {
            problem(Exit::Unreachable)
                .hint("is the coordinator running (quorate serve), and is this the right network?")
        }
        SetupError::Hub(RequestError::Dial(DialError::OtherHub(_) | DialError::NotAHub)) => {
            problem(Exit::UntrustedKey)
                .hint("do not go on: ask the admin whether the URL is right, and who else could answer there")
        }
        SetupError::Hub(RequestError::Dial(DialError::UnknownIvn)) => {
            problem(Exit::NotAllowed).hint(ask_admin)
        }
        SetupError::Hub(RequestError::Dial(_)) => problem(Exit::Unreachable),
        SetupError::Hub(_) | SetupError::Answer => problem(Exit::Unreachable)
            .hint("try the same command again: if it worked at the hub, it is finished now"),
        SetupError::NotSaved(_) => problem(Exit::Error)
            .hint("make room, and run the same command again: it finishes what is there"),
        SetupError::OtherIvn => problem(Exit::UntrustedKey)
            .hint("do not go on: tell the admin that the hub is not what the invitation says"),
        SetupError::OneHome => problem(Exit::Usage).hint("--coordinator-home says where the coordinator's goes"),
        SetupError::OtherCoordinator { .. } => {
            problem(Exit::Usage).hint("leave the option out, or choose another --coordinator-home")
        }
        _ => problem(Exit::Error),
    }
}

/// Explains why a backup does not open.
pub(super) fn keystore_problem(error: &KeystoreError, path: &Path) -> Problem {
    let name = path.display();
    match error {
        KeystoreError::Damaged(_) => Problem::new(
            Exit::Error,
            format!("the backup {name} is damaged or cut off; nothing was restored"),
        )
        .hint("use another copy of it, or an older backup"),
        KeystoreError::OtherKind { .. } => {
            Problem::new(Exit::Error, format!("{name} is not a backup of a node"))
                .hint("quorate node backup makes one")
        }
        KeystoreError::Protector { source: ProtectorError::WrongPassphrase, .. } => {
            Problem::new(Exit::Error, format!("the backup {name} has another passphrase"))
                .hint("it is the one that the node's home had when the backup was made, unless it was made with --other-passphrase")
        }
        error => Problem::new(Exit::Error, chain(error)),
    }
}
