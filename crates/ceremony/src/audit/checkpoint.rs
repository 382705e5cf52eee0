//! The checkpoint of an audited log: its signer, its cosigners, and the groups for which it is
//! final.

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::checkpoint::{CosignerSet, SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::key::{CosignerVerifier, LogVerifier};
use quorate_log::tree::TreeHead;

use super::fault::Fault;
use crate::identity::cosigner_verifier;
use crate::names::AccountName;
use crate::state::IvnState;

pub(super) struct Cosigners {
    count: BTreeMap<AccountName, CosignerVerifier>,
    /// The names of accounts that have no usable key or are suspended.
    ignored: BTreeSet<String>,
}

impl Cosigners {
    /// Collects the roster's cosigner keys. They are all different, because the fold rejects
    /// copies: a cosignature does not cover its cosigner's name, so a copied key would count twice.
    pub(super) fn of(state: &IvnState) -> Self {
        let mut cosigners = Self { count: BTreeMap::new(), ignored: BTreeSet::new() };
        for (name, account) in state.accounts() {
            let origin = state.origin();
            let verifier = cosigner_verifier(&origin, name, &account.keys.cosigner);
            match verifier.filter(|_| !account.suspended) {
                Some(verifier) => drop(cosigners.count.insert(name.clone(), verifier)),
                None => drop(cosigners.ignored.insert(format!("{origin}/{name}"))),
            }
        }
        cosigners
    }

    pub(super) fn counts(&self, account: &AccountName) -> bool {
        self.count.contains_key(account)
    }

    /// The signature lines that are neither by the log nor by an account on the roster.
    /// Cosignatures that do not count are not included.
    fn strangers(&self, signed: &SignedCheckpoint, log: &LogVerifier) -> Vec<Fault> {
        let known = |name: &str, id| {
            (name == log.origin().as_str() && id == log.id())
                || self.count.values().any(|v| v.name().as_str() == name && v.id() == id)
                || self.ignored.contains(name)
        };
        let lines = signed.note().signatures().iter();
        lines
            .filter(|line| !known(line.name().as_str(), line.id()))
            .map(|line| Fault::Stranger { name: line.name().clone() })
            .collect()
    }

    /// Returns the accounts that cosigned, and when.
    fn verify(
        &self,
        checkpoint: &VerifiedCheckpoint,
        faults: &mut Vec<Fault>,
    ) -> BTreeMap<AccountName, u64> {
        let mut cosigned_by = BTreeMap::new();
        for (account, verifier) in &self.count {
            // A set of one cannot be ambiguous.
            let one = CosignerSet::new([verifier.clone()]).unwrap_or_default();
            match checkpoint.cosigned_by(&one) {
                Ok(cosigners) => {
                    let times = cosigners.times().values();
                    cosigned_by.extend(times.map(|t| (account.clone(), t.as_posix_seconds())));
                }
                Err(_) => faults.push(Fault::Cosignature { account: account.clone() }),
            }
        }
        cosigned_by
    }
}

pub(super) struct Checked {
    pub(super) signed_by_log: bool,
    /// Empty unless the checkpoint is by the log's key, and of the entries' tree.
    pub(super) cosigned_by: BTreeMap<AccountName, u64>,
}

/// Checks a checkpoint of the log whose entries make the tree `entries`. Strangers are found only
/// if the roster is complete.
pub(super) fn check(
    signed: &SignedCheckpoint,
    log: &LogVerifier,
    entries: TreeHead,
    cosigners: &Cosigners,
    roster_is_whole: bool,
    faults: &mut Vec<Fault>,
) -> Checked {
    let stated = signed.unverified().head();
    if stated != entries {
        faults.push(Fault::OtherTree { entries, checkpoint: stated });
    }
    if roster_is_whole {
        faults.extend(cosigners.strangers(signed, log));
    }
    match signed.clone().verify(log) {
        Ok(checkpoint) => {
            let mut cosigned_by = cosigners.verify(&checkpoint, faults);
            if stated != entries {
                cosigned_by.clear();
            }
            Checked { signed_by_log: true, cosigned_by }
        }
        Err(reason) => {
            faults.push(Fault::Checkpoint { reason });
            Checked { signed_by_log: false, cosigned_by: BTreeMap::new() }
        }
    }
}
