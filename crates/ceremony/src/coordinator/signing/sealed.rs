//! Sealed messages between signers, and the signers that do not sign together.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::signing::Board;

use crate::encoding::Base64;
use crate::names::AccountName;

/// The sealed messages of one round of a session, by recipient and sender, until all are here.
#[derive(Debug, Default)]
pub(super) struct Letters(BTreeMap<AccountName, BTreeMap<AccountName, Base64>>);

impl Letters {
    /// Keeps a message, if it is the first from its sender to its recipient.
    pub(super) fn put(&mut self, from: &AccountName, to: AccountName, message: Base64) {
        self.0.entry(to).or_default().entry(from.clone()).or_insert(message);
    }

    /// Whether a signer has sent each other one the message that it announced in this round.
    pub(super) fn are_complete(
        &self,
        board: &Board,
        round: u8,
        from: &AccountName,
        signers: &BTreeMap<&AccountName, Identifier>,
    ) -> bool {
        let Some(sender) = signers.get(from) else { return false };
        signers.iter().filter(|(to, _)| **to != from).all(|(to, recipient)| {
            let message = self.0.get(*to).and_then(|theirs| theirs.get(from));
            message.is_some_and(|it| board.is_announced(round, (*sender, *recipient), &it.0))
        })
    }

    /// Takes the messages to one signer, with their senders.
    pub(super) fn take(&mut self, to: &AccountName) -> BTreeMap<AccountName, Base64> {
        self.0.remove(to).unwrap_or_default()
    }
}

/// Pairs of signers of which one has called a sealed message of the other wrong. Nobody else can
/// tell which of the two is right, so they are not asked to sign together again.
///
/// Honest signers are never such a pair. So every pair has a member that misbehaves, and the honest
/// ones still find each other. Nothing depends on it but whether sessions finish, so it is not
/// stored.
#[derive(Debug, Default)]
pub(super) struct Apart(BTreeSet<(AccountName, AccountName)>);

impl Apart {
    pub(super) fn keep(&mut self, one: &AccountName, other: &AccountName) {
        let (first, second) = if one < other { (one, other) } else { (other, one) };
        self.0.insert((first.clone(), second.clone()));
    }

    fn are(&self, one: &AccountName, other: &AccountName) -> bool {
        let (first, second) = if one < other { (one, other) } else { (other, one) };
        self.0.contains(&(first.clone(), second.clone()))
    }

    /// The first `count` of these accounts, in their order, of which no two are such a pair.
    pub(super) fn choose<'a>(
        &self,
        from: &[&'a AccountName],
        count: usize,
    ) -> Option<Vec<&'a AccountName>> {
        let mut chosen = Vec::with_capacity(count);
        self.extend(&mut chosen, from, count).then_some(chosen)
    }

    fn extend<'a>(
        &self,
        chosen: &mut Vec<&'a AccountName>,
        from: &[&'a AccountName],
        count: usize,
    ) -> bool {
        if chosen.len() == count {
            return true;
        }
        for (next, account) in (1..).zip(from) {
            if from.len() < next + count - chosen.len() - 1 {
                return false;
            }
            if chosen.iter().any(|other| self.are(other, account)) {
                continue;
            }
            chosen.push(account);
            if self.extend(chosen, from.get(next..).unwrap_or_default(), count) {
                return true;
            }
            chosen.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<AccountName> {
        all.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn signers_that_are_apart_are_not_chosen_together() {
        let all = names(&["ada", "ben", "cyd", "dan", "eve"]);
        let free: Vec<&AccountName> = all.iter().collect();
        let mut apart = Apart::default();
        let chosen = |apart: &Apart, count| {
            apart
                .choose(&free, count)
                .map(|them| them.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(chosen(&apart, 3).unwrap(), "ada ben cyd");
        apart.keep(&all[1], &all[0]);
        assert_eq!(chosen(&apart, 3).unwrap(), "ada cyd dan");
        apart.keep(&all[0], &all[2]);
        apart.keep(&all[0], &all[3]);
        assert_eq!(chosen(&apart, 3).unwrap(), "ben cyd dan");
        assert_eq!(chosen(&apart, 4).unwrap(), "ben cyd dan eve");
        assert_eq!(chosen(&apart, 5), None);
        assert_eq!(chosen(&apart, 6), None);
    }
}
