//! `quorate group retire`.

use clap::Args;
use quorate_ceremony::names::GroupName;

use super::change::{Waiting, definition_of, proposal, propose};
use crate::api::Proposal;
use crate::cli::confirm::{Question, Yes, confirm};
use crate::cli::context::Context;
use crate::cli::{Failure, Run};
use crate::render::{Tone, group_sentence};

/// Retire a group: its key never signs again, and its members destroy their shares
///
/// As many members have to approve as for any other change. As soon as they have, the group takes
/// no more requests, its open requests end, and each member's node destroys its share and states
/// that in the log; `group show` names the nodes that have not. What was signed stays valid, and
/// the public key stays in the log. It cannot be undone. Backups of homes still contain the shares:
/// destroy them, too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group retire board
  quorate group retire board --yes --wait --timeout 1d")]
pub(super) struct Retire {
    /// The group
    #[arg(value_name = "GROUP")]
    name: GroupName,
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    waiting: Waiting,
}

impl Run for Retire {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let group = session.group(&self.name)?;
        let same = definition_of(&group)?;
        let question = Question {
            text: "Propose to retire it permanently?",
            no: "not proposed",
            instead: None,
            look: None,
        };
        confirm(context, self.yes, &question, |page| {
            page.verdict(Tone::Warn, group_sentence(&group));
            page.note(
                "Once enough members approve, nobody can sign with its key again, its open requests end, and the \
                 members' nodes destroy their shares.",
            );
        })?;
        let retired = Proposal { retires: true, ..proposal(&group, same) };
        propose(context, &session, &group, retired, &self.waiting)
    }
}
