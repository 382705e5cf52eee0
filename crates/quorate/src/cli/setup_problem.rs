//! Exit codes and hints when founding, joining or restoring fails.

use std::path::Path;

use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Accounts;
use quorate_network::client::RequestError;
use quorate_network::dialler::DialError;

use super::context::home_problem;
use crate::api::{Code, Problem};
use crate::error_chain::chain;
use crate::file_problem::FileProblem;
use crate::keystore::{KeystoreError, ProtectorError};
use crate::setup::SetupError;

pub(super) fn setup_problem(error: &SetupError) -> Problem {
    let problem = |code| Problem::new(code, chain(error));
    let ask_admin = "ask an admin for a new one: quorate invite NAME";
    match error {
        SetupError::Home(error) => home_problem(error),
        SetupError::Unsent { .. } => problem(Code::Failed)
            .hint("start the node until `quorate status` shows nothing unsent, then stop it: quorate node run"),
        SetupError::Frozen => problem(Code::Failed).hint("quorate doctor explains it"),
        SetupError::RotationBegun => {
            problem(Code::Failed).hint("finish that with: quorate node rotate-keys")
        }
        SetupError::OtherKeys { .. } => problem(Code::Failed)
            .hint("restore it from where it was moved or copied; it may be the account's only key"),
        SetupError::Used { .. } => problem(Code::NotAllowed).hint(
            "if that was you, use the home that was made then; otherwise tell an admin: someone else had the URL",
        ),
        SetupError::Refused(why @ Refusal::Accounts(Accounts::InvitationExpired | Accounts::NotInvited)) => {
            problem(Code::Blocked(why.clone())).hint(ask_admin)
        }
        SetupError::Refused(why) => problem(Code::Blocked(why.clone())),
        SetupError::HubRefused { status: 500.., .. } => {
            problem(Code::Unreachable).hint("try the same command again; keys that it made are kept")
        }
        SetupError::HubRefused { .. } => problem(Code::NotAllowed),
        SetupError::Hub(RequestError::Dial(DialError::Unreachable { .. })) => {
            problem(Code::Unreachable)
                .hint("is the coordinator running (quorate serve), and is this the right network?")
        }
        SetupError::Hub(RequestError::Dial(DialError::OtherHub(_) | DialError::NotAHub)) => {
            problem(Code::UntrustedKey)
                .hint("do not go on: ask the admin whether the URL is right, and who else could answer there")
        }
        SetupError::Hub(RequestError::Dial(DialError::UnknownIvn)) => {
            problem(Code::NotAllowed).hint(ask_admin)
        }
        SetupError::Hub(RequestError::Dial(_)) => problem(Code::Unreachable),
        SetupError::Hub(_) | SetupError::Answer => problem(Code::Unreachable)
            .hint("try the same command again: if it worked at the hub, it is finished now"),
        SetupError::NotSaved(_) => problem(Code::Failed)
            .hint("make room, and run the same command again: it finishes what is there"),
        SetupError::OtherIvn => problem(Code::UntrustedKey)
            .hint("do not go on: tell the admin that the hub is not what the invitation says"),
        SetupError::OneHome => problem(Code::Usage).hint("--coordinator-home sets the coordinator's home"),
        SetupError::OtherCoordinator { .. } => {
            problem(Code::Usage).hint("leave the option out, or choose another --coordinator-home")
        }
        _ => problem(Code::Failed),
    }
}

/// Explains why a coordinator's backup does not open.
pub(super) fn coordinator_keystore_problem(error: &KeystoreError, path: &Path) -> Problem {
    let name = path.display();
    match error {
        KeystoreError::OtherKind { .. } => {
            Problem::new(Code::Failed, format!("{name} is not a backup of a coordinator"))
                .hint("quorate coordinator backup makes one")
        }
        KeystoreError::Protector { source: ProtectorError::WrongPassphrase, .. } => {
            Problem::new(Code::Failed, format!("the backup {name} has a different passphrase"))
                .hint("it is the one that was given to quorate coordinator backup")
        }
        error => keystore_problem(error, path),
    }
}

/// Explains why a backup does not open.
pub(super) fn keystore_problem(error: &KeystoreError, path: &Path) -> Problem {
    let name = path.display();
    match error {
        KeystoreError::File(FileProblem::Damaged { .. }) => Problem::new(
            Code::Failed,
            format!("the backup {name} is damaged or cut off; nothing was restored"),
        )
        .hint("use another copy of it, or an older backup"),
        KeystoreError::OtherKind { .. } => {
            Problem::new(Code::Failed, format!("{name} is not a backup of a node"))
                .hint("quorate node backup makes one")
        }
        KeystoreError::Protector { source: ProtectorError::WrongPassphrase, .. } => {
            Problem::new(Code::Failed, format!("the backup {name} has a different passphrase"))
                .hint("it is the one that the node's home had when the backup was made, unless it was made with --other-passphrase")
        }
        error => Problem::new(Code::Failed, chain(error)),
    }
}
