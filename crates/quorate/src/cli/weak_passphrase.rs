//! `--weak-passphrase`, for commands that protect something new.

use clap::Args;

use crate::keystore::Purpose;

#[derive(Args, Debug)]
pub(super) struct WeakPassphrase {
    /// Accept a new passphrase with less than 15 characters, or one that is tried first
    #[arg(long)]
    weak_passphrase: bool,
}

impl WeakPassphrase {
    /// The purpose of a passphrase that is to protect `what`.
    pub(super) fn to_protect(&self, what: String) -> Purpose {
        Purpose::Protect { what, weak: self.weak_passphrase }
    }
}
