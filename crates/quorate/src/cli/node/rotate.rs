//! `quorate node rotate-keys`.

use clap::Args;
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Entries;
use rand_core::OsRng;
use serde::Serialize;

use crate::api::{Code, Problem};
use crate::cli::confirm::{Question, Yes, confirm};
use crate::cli::context::{Context, home_problem, now};
use crate::cli::setup_problem::setup_problem;
use crate::cli::{Failure, Run};
use crate::home::NodeHome;
use crate::keystore::{Cost, PassphraseProtector};
use crate::launch::{Found, find};
use crate::node::log_shows;
use crate::render::Tone;
use crate::setup::SetupError;
use crate::setup::rotate::{finish, state};

/// Give this account new keys; copies of the earlier ones are refused from then on
///
/// For when somebody may have seen the present ones: the keys that sign this account's statements
/// and cosign the log, and the key of its certificate. Its shares of groups' keys stay as they are;
/// `quorate group refresh` makes new ones. The node must be stopped and have sent all its
/// statements. This command can be killed at any moment and run again: it finishes what was begun.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate node rotate-keys
  quorate node rotate-keys --yes --home ./ben --passphrase-file ./pass")]
pub(super) struct RotateKeys {
    #[command(flatten)]
    yes: Yes,
}

#[derive(Serialize)]
struct RotationView {
    account: AccountName,
    identity: PublicKey,
    /// Of the entry that contains the new keys.
    index: u64,
    /// Whether this run finished what an earlier one had begun.
    resumed: bool,
}

impl Run for RotateKeys {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let path = context.node_home()?;
        let account = context.node_config()?.account;
        let text = format!("Give {account} new keys?");
        let question = Question { text: &text, no: "not changed", instead: None, look: None };
        confirm(context, self.yes, &question, |page| {
            page.sentence(
                "All earlier copies of this home, and all its backups, would be refused:",
            );
            page.field("home", path.display());
        })?;
        let mut home = match context.wait_for(find(&path))? {
            Found::AtRest(home) => *home,
            Found::Running(_) => {
                let message = format!("the node of {account} is running");
                let hint = "stop it first (Ctrl-C where it runs); start it again afterwards";
                return Err(Problem::new(Code::Failed, message).hint(hint).into());
            }
        };
        let protector = PassphraseProtector::new(context.home_passphrase()?, Cost::RECOMMENDED);
        let stated =
            context.wait_for(state(&mut home, &protector, now(), &mut OsRng)).map_err(|error| {
                match error {
                    SetupError::Refused(Refusal::Entries(Entries::Signature)) => {
                        superseded(&account)
                    }
                    error => setup_problem(&error),
                }
            })?;
        let identity = stated.next.account().identity.public();
        let again = context.command("quorate node rotate-keys");
        // The coordinator's word is not enough: the present keys stay until the log shows the new
        // ones.
        let is_shown = context.wait_for(log_shows(home, stated.next)).map_err(|problem| {
            Problem::new(problem.code, format!("not finished: {}", problem.message))
                .hint(format!("run it again: {again}"))
        })?;
        if !is_shown {
            let message = "not finished: the coordinator reports that the new keys are in the log, but its log does not contain them";
            return Err(Problem::new(Code::Waiting, message)
                .hint(format!("run it again: {again}"))
                .into());
        }
        let home = NodeHome::open(&path).map_err(|error| home_problem(&error))?;
        finish(&home).map_err(|error| setup_problem(&error))?;
        drop(home);
        let view = RotationView { account, identity, index: stated.index, resumed: stated.resumed };
        context.terminal.show("rotation", &view, |page| {
            page.verdict(Tone::Good, format!("{} has new keys", view.account));
            page.field("identity key", hex::encode(view.identity.0));
            page.field("in the log", format!("entry {}", view.index));
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(
                "Earlier copies of this home, including backups, are now rejected. Start the node again:",
            );
            page.copyable(context.command("quorate node run"));
        });
        Ok(())
    }
}

/// Explains that the log rejects statements that are signed with this home's keys.
fn superseded(account: &AccountName) -> Problem {
    let message =
        format!("the keys of account \"{account}\" were replaced; this home has the earlier ones");
    Problem::new(Code::NotAllowed, message).hint(
        "use the home that has the new keys; if you did not replace them, tell the other members immediately",
    )
}
