//! `quorate node passphrase`.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::names::AccountName;
use rand_core::OsRng;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::setup_problem::setup_problem;
use crate::cli::weak_passphrase::WeakPassphrase;
use crate::cli::{Failure, Run};
use crate::keystore::{Cost, PassphraseProtector};
use crate::render::Tone;
use crate::setup::passphrase::{change, open};

/// Change the passphrase of this account's home
///
/// Works whether the node runs or not: a running node goes on, and needs the new passphrase when it
/// is started again. Keys and shares stay the same. If the command dies, one of the two passphrases
/// opens the home. Backups and other copies that were made before still open with the earlier
/// passphrase; if somebody may know it and have such a copy, get new keys (quorate node
/// rotate-keys) and new shares (quorate group refresh).
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate node passphrase
  quorate node passphrase --passphrase-file ./pass --new-passphrase-file ./new")]
pub(super) struct ChangePassphrase {
    /// Read the new passphrase from the first line of a file
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    weak: WeakPassphrase,
}

#[derive(Serialize)]
struct ChangedView {
    account: AccountName,
    home: PathBuf,
}

impl Run for ChangePassphrase {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let home = context.node_home()?;
        let account = context.node_config()?.account;
        let present = context.home_passphrase()?;
        let present = PassphraseProtector::new(present, Cost::RECOMMENDED);
        let keys = open(&home, &present).map_err(|error| setup_problem(&error))?;
        let new = context.other_passphrase(
            self.new_passphrase_file.as_deref(),
            &self.weak.to_protect(format!("the keys of {account}")),
            "--new-passphrase-file",
        )?;
        let new = PassphraseProtector::new(new, Cost::RECOMMENDED);
        change(&home, &keys, &new, &mut OsRng).map_err(|error| setup_problem(&error))?;
        let view = ChangedView { account, home };
        context.terminal.show("passphrase", &view, |page| {
            page.verdict(Tone::Good, format!("the home of {} has a new passphrase", view.account));
            page.field("home", view.home.display());
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(
                "Backups that were made before still open with the earlier passphrase. Make a new one:",
            );
            page.copyable(context.command("quorate node backup --out FILE"));
        });
        Ok(())
    }
}
