//! The outcome of an attack: whether anything went wrong, and what the victims know and can prove.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::document::{Documents, NotChecked, ToSign};
use quorate_ceremony::entry::Entry;
use quorate_ceremony::misbehaviour::{Misbehaviour, Proved};
use quorate_ceremony::names::{AccountName, Digest, EntryId};
use quorate_ceremony::node::Contradiction;
use quorate_ceremony::signing::Subject;
use quorate_ceremony::state::{IvnState, Status};
use quorate_ceremony::test_world::{board, message_of};

use super::attack_world::Stage;
use super::coordinator::ViewId;
use crate::invariants::{Violation, s3_of_two_views_at_most_one_is_final};
use crate::reference::{START, summary};

impl Stage {
    /// Returns what went wrong: acts of a node against its holder's will, a state that differs from
    /// its disk, or two contradictory logs that auditors accept.
    pub fn violations(&self) -> Vec<String> {
        let mut found = self.violations.clone();
        for (account, station) in &self.stations {
            let mut entries = station.disk.entries.iter().map(|bytes| Entry::from_bytes(bytes));
            let mut folded = entries.next().and_then(|entry| IvnState::found(&entry.ok()?).ok());
            for entry in entries {
                let applied = entry.ok().zip(folded.as_mut()).map(|(e, state)| state.apply(&e));
                if !matches!(applied, Some(Ok(_))) {
                    found.push(format!("{account} stored an entry that is not admissible"));
                }
            }
            if folded.as_ref().map(summary) != Some(summary(station.node.state())) {
                found.push(format!("{account} does not believe what its disk says"));
            }
        }
        found.extend(self.split_views().err().map(|violation| violation.to_string()));
        found
    }

    /// Checks S3 with the real auditor, for every cosigned checkpoint.
    fn split_views(&self) -> Result<(), Violation> {
        let mut views = Vec::new();
        if self.liar.views.len() < 2 {
            return Ok(());
        }
        for (number, view) in self.liar.views.iter().enumerate() {
            let latest = view.entries.len() as u64;
            let sizes: BTreeSet<u64> = view
                .cosignatures
                .keys()
                .copied()
                .chain([latest])
                .filter(|s| *s <= latest)
                .collect();
            // Most would cosign the latest size; earlier ones are its subsets in time.
            for size in sizes.into_iter().rev().take(4) {
                let now = START / 1000;
                let checkpoint = self.liar.cosigned(ViewId(number), size, &self.secrets, now);
                let entries = usize::try_from(size).ok().and_then(|size| view.entries.get(..size));
                views.extend(entries.map(<[_]>::to_vec).zip(checkpoint));
            }
        }
        s3_of_two_views_at_most_one_is_final(&views)
    }

    /// Returns the proof that a node stored, judged by the log's public key and the node's own
    /// entries.
    pub fn proof_of(&self, account: &AccountName) -> Option<Proved> {
        let station = self.stations.get(account)?;
        let proof = Misbehaviour::from_json(station.disk.misbehaviour.first()?).ok()?;
        let key = self.liar.log_verifier()?;
        let mut documents = Known(&self.documents);
        proof.verify(&key, station.disk.entries.clone(), &mut documents).ok()
    }

    /// Returns the contradiction that keeps a node from signing.
    pub fn trouble_of(&self, account: &AccountName) -> Option<Contradiction> {
        self.stations.get(account)?.node.trouble().cloned()
    }

    /// Whether a request is signed, according to a member's node.
    pub fn is_signed(&self, account: &AccountName, request: EntryId) -> bool {
        let state = self.node(account).state().request(request);
        state.is_ok_and(|state| matches!(state.status, Status::Signed))
    }

    /// Returns the honest nodes that released a share for a request.
    pub fn released(&self, request: EntryId) -> BTreeSet<AccountName> {
        let subject = Subject::Request { request };
        let theirs = self.truth.released.iter().filter(|(_, of)| *of == subject);
        theirs.map(|(by, _)| by.clone()).collect()
    }

    /// Returns how many shares of keys a node has on its disk.
    pub fn shares_held(&self, account: &AccountName) -> usize {
        self.stations.get(account).map_or(0, |station| station.disk.packages.len())
    }

    /// Returns the epoch in force, according to a member's node.
    pub fn epoch_of(&self, account: &AccountName) -> u64 {
        let group = self.node(account).state().group(&board());
        group.ok().and_then(|group| group.key.as_ref()).map_or(0, |key| key.epoch)
    }

    /// Returns how many shares honest nodes have released so far.
    pub fn shares_released(&self) -> usize {
        self.truth.released.len()
    }
}

/// The documents that were submitted.
struct Known<'a>(&'a BTreeMap<Digest, Vec<u8>>);

impl Documents for Known<'_> {
    fn to_be_signed(&mut self, _: EntryId, wanted: &ToSign) -> Result<Vec<u8>, NotChecked> {
        let document = self.0.get(&wanted.request.document);
        Ok(message_of(document.ok_or(NotChecked::NoDocument)?, wanted))
    }
}
