//! How many entries an account may put into the log.
//!
//! Some statements are limited by what they answer: one acceptance for each definition, one message
//! for each round. The others have no limit, and all readers of the log must keep them permanently.
//! Therefore each costs credit, which comes back with time, and immediately when a request is
//! signed: to its requester and to those who approved it, because that is what the log is for.
//! Rejected requests give nothing back: otherwise two members could write request after request and
//! rejection after rejection. This is not a rule of the log: only the coordinator applies it.

use std::collections::BTreeMap;

use crate::entry::{Author, Body, Cost, Entry};
use crate::names::{AccountName, Timestamp};
use crate::state::refusal::Entries;
use crate::state::{IvnState, Refusal};

/// How many bytes of an entry one credit pays for. Nearly all entries are shorter.
const PAID: usize = 2_048;
/// How many statements each member makes about new shares, in addition to its dealing.
const SHORT_STATEMENTS: usize = 4;
/// How many bytes a sealed sub-share takes in an entry.
const SEALED: usize = 128;
/// The time after which one credit comes back, in milliseconds.
const FORGIVEN: u64 = 1_000;

/// The recent statements of each account, and their limit.
#[derive(Debug)]
pub(super) struct Quota {
    limit: u64,
    spent: BTreeMap<AccountName, Spent>,
}

#[derive(Debug)]
struct Spent {
    statements: u64,
    /// The time up to which credit has come back.
    since: Timestamp,
}

impl Quota {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, spent: BTreeMap::new() }
    }

    /// Returns the account that pays for an entry, if the entry costs anything.
    ///
    /// # Errors
    ///
    /// [`Entries::TooMuch`] with the time until the account has credit again.
    pub(super) fn payer(
        &mut self,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Option<AccountName>, Refusal> {
        match &entry.statement().author {
            Author::Account(account) if entry.statement().body.class().cost == Cost::Metered => {
                self.check(account, now)?;
                Ok(Some(account.clone()))
            }
            Author::Account(_) | Author::Coordinator => Ok(None),
        }
    }

    /// Takes the credit for an admitted entry of this length.
    pub(super) fn pay(
        &mut self,
        account: &AccountName,
        entry: &Entry,
        length: usize,
        state: &IvnState,
        now: Timestamp,
    ) {
        self.spend(account, length + causes(entry, state), now);
    }

    fn check(&mut self, account: &AccountName, now: Timestamp) -> Result<(), Refusal> {
        let Some(spent) = self.spent.get_mut(account) else { return Ok(()) };
        let forgiven = now.0.saturating_sub(spent.since.0) / FORGIVEN;
        spent.since = spent.since.plus(forgiven.saturating_mul(FORGIVEN));
        spent.statements = spent.statements.saturating_sub(forgiven);
        if spent.statements == 0 {
            self.spent.remove(account);
        } else if spent.statements >= self.limit {
            let seconds = (spent.statements - self.limit + 1).saturating_mul(FORGIVEN) / 1_000;
            return Err(Entries::TooMuch { account: account.clone(), seconds }.into());
        }
        Ok(())
    }

    /// Long entries cost as much as several short ones.
    fn spend(&mut self, account: &AccountName, length: usize, now: Timestamp) {
        let new = Spent { statements: 0, since: now };
        let spent = self.spent.entry(account.clone()).or_insert(new);
        let cost = u64::try_from(length.div_ceil(PAID)).unwrap_or(u64::MAX);
        spent.statements = spent.statements.saturating_add(cost);
    }

    pub(super) fn give_back(&mut self, account: &AccountName) {
        if let Some(spent) = self.spent.get_mut(account) {
            spent.statements = spent.statements.saturating_sub(1);
        }
    }
}

/// The fewest bytes that other members write because of an entry that needs no approval: all
/// members make new shares of their group's key.
fn causes(entry: &Entry, state: &IvnState) -> usize {
    let group = match &entry.statement().body {
        Body::GroupChange(proposal) => state.group(&proposal.definition.name).ok(),
        _ => None,
    };
    let refreshed = group.filter(|group| {
        let change = group.change.as_ref().filter(|change| change.id == entry.id());
        change.is_some_and(|change| change.is_refresh(group))
    });
    refreshed.map_or(0, |group| {
        let members = group.definition.members.len();
        let dealers = usize::from(group.definition.min_signers);
        members * SHORT_STATEMENTS * PAID + dealers * members * SEALED
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::name;

    const LIMIT: u64 = 3;

    fn states(credit: &mut Quota, at: u64) -> Result<(), Refusal> {
        credit.check(&name("ada"), Timestamp(at))?;
        credit.spend(&name("ada"), PAID, Timestamp(at));
        Ok(())
    }

    #[test]
    fn credit_runs_out_and_comes_back_with_time() {
        let mut credit = Quota::new(LIMIT);
        for _ in 0..LIMIT {
            assert_eq!(states(&mut credit, 10), Ok(()));
        }
        let refused = Err(Entries::TooMuch { account: name("ada"), seconds: 1 }.into());
        assert_eq!(states(&mut credit, 10), refused);
        assert_eq!(states(&mut credit, 1_009), refused);
        assert_eq!(states(&mut credit, 1_010), Ok(()));
        assert_eq!(
            states(&mut credit, 2_009),
            refused,
            "one for each second, not one for each try"
        );
        assert_eq!(states(&mut credit, 2_010), Ok(()));
        assert_eq!(credit.check(&name("ben"), Timestamp(10)), Ok(()), "each has its own");
    }

    #[test]
    fn a_pause_gives_no_more_credit_than_there_is_at_first() {
        let mut credit = Quota::new(LIMIT);
        for at in [10, 1_000_000] {
            for _ in 0..LIMIT {
                assert_eq!(states(&mut credit, at), Ok(()));
            }
            assert!(states(&mut credit, at).is_err());
        }
    }

    #[test]
    fn a_long_statement_costs_as_much_as_many_short_ones() {
        let mut credit = Quota::new(LIMIT);
        credit.spend(&name("ada"), PAID * 2 + 1, Timestamp(10));
        let refused = Err(Entries::TooMuch { account: name("ada"), seconds: 1 }.into());
        assert_eq!(states(&mut credit, 10), refused);
    }

    #[test]
    fn what_is_signed_gives_its_credit_back() {
        let mut credit = Quota::new(LIMIT);
        for _ in 0..10 * LIMIT {
            assert_eq!(states(&mut credit, 10), Ok(()));
            credit.give_back(&name("ada"));
        }
    }
}
