//! How many entries an account may put into the log.
//!
//! Some statements are limited by what they answer: one acceptance for each definition, one message
//! for each round. The others have no limit, and all readers of the log must keep them permanently.
//! Therefore each costs credit, which comes back with time, and immediately when a request is
//! signed: to its requester and to those who approved it, because that is what the log is for.
//! Rejected requests give nothing back: otherwise two members could write request after request and
//! rejection after rejection. This is not a rule of the log: only the coordinator applies it.
//!
//! The accounts of an IVN also have a limit together, which protects the other IVNs of the
//! coordinator. While it is reached, an admin can still suspend, remove and limit accounts.

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
/// The time after which an account's next credit comes back, in milliseconds.
const FORGIVEN: u64 = 1_000;
/// The time after which the IVN's next credit comes back, in milliseconds.
const FORGIVEN_TOGETHER: u64 = 100;

/// How many statements of 2 KiB may be made in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QuotaLimits {
    /// By one account. One more is permitted after each second.
    pub account: u64,
    /// By all accounts of the IVN together, which bounds how fast its log can fill the disk that
    /// it shares with other IVNs. Ten more are permitted after each second. Far higher than
    /// `account`, so that no account can stop the others.
    pub ivn: u64,
}

impl Default for QuotaLimits {
    /// 10,000 (20 MiB of log) by one account, and 200,000 (400 MiB) by all.
    fn default() -> Self {
        Self { account: 10_000, ivn: 200_000 }
    }
}

/// What of the quota is used up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct QuotaUse {
    pub limits: QuotaLimits,
    /// The most that an account has spent.
    pub account: u64,
    pub ivn: u64,
    /// How many entries were rejected because of the quota, since the start.
    pub rejected: u64,
}

/// The recent statements of each account and of all, and their limits.
#[derive(Debug)]
pub(super) struct Quota {
    limits: QuotaLimits,
    accounts: BTreeMap<AccountName, Spent>,
    together: Spent,
    rejected: u64,
}

#[derive(Debug, Default)]
struct Spent {
    statements: u64,
    /// The time up to which credit has come back.
    since: Timestamp,
}

impl Spent {
    /// Returns the seconds until there is credit again, or `None` if there is some.
    fn wait(&mut self, limit: u64, pause: u64, now: Timestamp) -> Option<u64> {
        // The clock may have been ahead.
        self.since = self.since.min(now);
        let forgiven = now.0.saturating_sub(self.since.0) / pause;
        self.since = self.since.plus(forgiven.saturating_mul(pause));
        self.statements = self.statements.saturating_sub(forgiven);
        let excess = self.statements.checked_sub(limit)?;
        // A limit of zero would stop an account that has stated nothing.
        (self.statements > 0).then(|| (excess + 1).saturating_mul(pause).div_ceil(1_000))
    }

    fn spend(&mut self, cost: u64, now: Timestamp) {
        if self.statements == 0 {
            self.since = now;
        }
        self.statements = self.statements.saturating_add(cost);
    }
}

impl Quota {
    pub(super) fn new(limits: QuotaLimits) -> Self {
        Self { limits, accounts: BTreeMap::new(), together: Spent::default(), rejected: 0 }
    }

    /// Returns the account that pays for an entry, if the entry costs anything.
    ///
    /// # Errors
    ///
    /// [`Entries::TooMuch`] or [`Entries::TooMuchTogether`] with the time until there is credit
    /// again.
    pub(super) fn payer(
        &mut self,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Option<AccountName>, Refusal> {
        match &entry.statement().author {
            Author::Account(account) if entry.statement().body.class().cost == Cost::Metered => {
                let checked = self.check(account, now).and_then(|()| {
                    if stops_others(&entry.statement().body) { Ok(()) } else { self.check_all(now) }
                });
                checked.inspect_err(|_| self.rejected += 1)?;
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
        if let Some(spent) = self.accounts.get_mut(account) {
            if let Some(seconds) = spent.wait(self.limits.account, FORGIVEN, now) {
                return Err(Entries::TooMuch { account: account.clone(), seconds }.into());
            }
            if spent.statements == 0 {
                self.accounts.remove(account);
            }
        }
        Ok(())
    }

    fn check_all(&mut self, now: Timestamp) -> Result<(), Refusal> {
        match self.together.wait(self.limits.ivn, FORGIVEN_TOGETHER, now) {
            Some(seconds) => Err(Entries::TooMuchTogether { seconds }.into()),
            None => Ok(()),
        }
    }

    /// Long entries cost as much as several short ones.
    fn spend(&mut self, account: &AccountName, length: usize, now: Timestamp) {
        let cost = u64::try_from(length.div_ceil(PAID)).unwrap_or(u64::MAX);
        self.accounts.entry(account.clone()).or_default().spend(cost, now);
        self.together.spend(cost, now);
    }

    pub(super) fn give_back(&mut self, account: &AccountName) {
        // If time has already given all credit back, there is nothing left to give back.
        let Some(spent) = self.accounts.get_mut(account).filter(|spent| spent.statements > 0)
        else {
            return;
        };
        for spent in [spent, &mut self.together] {
            spent.statements = spent.statements.saturating_sub(1);
        }
    }

    /// What is used up, as of the last statements.
    pub(super) fn in_use(&self) -> QuotaUse {
        let spent = self.accounts.values().map(|spent| spent.statements);
        QuotaUse {
            limits: self.limits,
            account: spent.max().unwrap_or(0),
            ivn: self.together.statements,
            rejected: self.rejected,
        }
    }
}

/// Whether an admin states this against accounts that use up the quota of all.
fn stops_others(body: &Body) -> bool {
    matches!(body, Body::AccountSuspended { .. } | Body::AccountRoles { .. })
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
    const LIMITS: QuotaLimits = QuotaLimits { account: LIMIT, ivn: 100 * LIMIT };

    fn states(credit: &mut Quota, at: u64) -> Result<(), Refusal> {
        credit.check(&name("ada"), Timestamp(at))?;
        credit.spend(&name("ada"), PAID, Timestamp(at));
        Ok(())
    }

    #[test]
    fn credit_runs_out_and_comes_back_with_time() {
        let mut credit = Quota::new(LIMITS);
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
    fn all_accounts_together_have_a_limit_as_well() {
        let mut credit = Quota::new(QuotaLimits { account: 2, ivn: 3 });
        let (ada, ben, cyd) = (name("ada"), name("ben"), name("cyd"));
        for account in [&ada, &ada, &ben] {
            assert_eq!(credit.check_all(Timestamp(10)), Ok(()));
            credit.spend(account, PAID, Timestamp(10));
        }
        let refused = Err(Entries::TooMuchTogether { seconds: 1 }.into());
        assert_eq!(credit.check_all(Timestamp(109)), refused);
        assert_eq!(credit.check_all(Timestamp(110)), Ok(()), "ten come back in a second");
        credit.spend(&cyd, PAID, Timestamp(110));
        assert_eq!(credit.check_all(Timestamp(110)), refused);
        credit.give_back(&cyd);
        assert_eq!(credit.check_all(Timestamp(110)), Ok(()), "something was signed");
        credit.spend(&cyd, PAID, Timestamp(110));
        credit.give_back(&name("dan"));
        assert_eq!(credit.check_all(Timestamp(110)), refused, "dan has spent nothing");
    }

    #[test]
    fn a_clock_that_was_ahead_leaves_nothing_behind() {
        let mut credit = Quota::new(QuotaLimits { account: 1, ivn: 1 });
        credit.spend(&name("ada"), PAID, Timestamp(1_000_000));
        assert!(credit.check(&name("ada"), Timestamp(10)).is_err());
        assert_eq!(credit.check(&name("ada"), Timestamp(1_010)), Ok(()));
        assert!(credit.check_all(Timestamp(1_010)).is_err(), "looked at for the first time");
        assert_eq!(credit.check_all(Timestamp(1_110)), Ok(()));
    }

    #[test]
    fn a_pause_gives_no_more_credit_than_there_is_at_first() {
        let mut credit = Quota::new(LIMITS);
        for at in [10, 1_000_000] {
            for _ in 0..LIMIT {
                assert_eq!(states(&mut credit, at), Ok(()));
            }
            assert!(states(&mut credit, at).is_err());
        }
    }

    #[test]
    fn a_long_statement_costs_as_much_as_many_short_ones() {
        let mut credit = Quota::new(LIMITS);
        credit.spend(&name("ada"), PAID * 2 + 1, Timestamp(10));
        let refused = Err(Entries::TooMuch { account: name("ada"), seconds: 1 }.into());
        assert_eq!(states(&mut credit, 10), refused);
    }

    #[test]
    fn what_is_signed_gives_its_credit_back() {
        let mut credit = Quota::new(LIMITS);
        for _ in 0..10 * LIMIT {
            assert_eq!(states(&mut credit, 10), Ok(()));
            credit.give_back(&name("ada"));
        }
    }
}
