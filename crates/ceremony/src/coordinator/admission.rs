//! What gets into the log: entries of those who may make them, and not too many.
//!
//! The log's own rules are the fold's. Beside them, an entry has to come over its author's own connection, its time must
//! not be in the future, and its author needs credit.
//!
//! Most statements are bounded by what they answer: one acceptance for each definition, one vote on each request, one
//! message for each round. The rest an account could make without end, and every reader of the log would have to keep
//! them for ever. So each costs credit, which comes back with time, and at once when a request is decided. This is the
//! coordinator's own business and no rule of the log: nobody else has to agree with it.

use std::collections::BTreeMap;

use quorate_log::leaf_hash;
use rand_core::CryptoRngCore;

use super::{Coordinator, note_milestone};
use crate::effect::CoordinatorEffect;
use crate::entry::{Author, Entry, Statement};
use crate::message::FromCoordinator;
use crate::names::{AccountName, Timestamp};
use crate::state::Refusal;
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::statement::Body;

/// How many bytes of an entry one credit pays for. Nearly all entries are shorter.
const PAID: usize = 2_048;
/// How many statements each member makes about new shares, besides what it deals.
const SHORT_STATEMENTS: usize = 4;
/// How many bytes a sealed sub-share takes in an entry.
const SEALED: usize = 128;
/// After how many milliseconds one statement is forgotten.
const FORGIVEN: u64 = 1_000;

/// What each account has stated lately.
#[derive(Debug, Default)]
pub(super) struct Credit(BTreeMap<AccountName, Spent>);

#[derive(Debug)]
struct Spent {
    statements: u64,
    /// Up to when time was counted as credit.
    since: Timestamp,
}

impl Coordinator {
    /// A node submits an entry of its account's.
    pub(super) fn submitted(
        &mut self,
        account: AccountName,
        bytes: &[u8],
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        // Without an id there is nothing to name in an answer.
        let Ok(entry) = Entry::from_bytes(bytes) else { return };
        let result = if entry.statement().author == Author::Account(account.clone()) {
            self.append(entry.clone(), now, rng, out)
        } else {
            Err(Refusal::WrongAuthor)
        };
        if let Err(reason) = result {
            let rejected = FromCoordinator::Rejected { entry: entry.id(), reason };
            out.push(CoordinatorEffect::Send(account, rejected));
        }
    }

    /// Somebody who was invited shows its admission.
    pub(super) fn join(
        &mut self,
        bytes: &[u8],
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) -> Result<u64, Refusal> {
        let entry = Entry::from_bytes(bytes)?;
        // Where the account's keys are in the log, that is shown again to get another certificate; the founder's are in
        // the genesis. Keys that it has no more get none.
        let keys = match &entry.statement().body {
            Body::AccountAdmitted { keys } | Body::KeysRotated { keys } => keys,
            Body::Genesis(genesis) => &genesis.admin,
            _ => return Err(Refusal::WrongAuthor),
        };
        if let Some(index) = self.index.get(&entry.id()) {
            let Author::Account(account) = &entry.statement().author else {
                return Err(Refusal::WrongAuthor);
            };
            self.state.check_connection(account, Some(keys.identity))?;
            return Ok(*index);
        }
        if matches!(entry.statement().body, Body::Genesis(_)) {
            return Err(Refusal::WrongAuthor);
        }
        // The log knows the time only from what its entries claim, so an admission that claims to be old would pass
        // with an invitation that has expired since.
        let age = now.0.saturating_sub(entry.statement().at.0);
        if age > MAX_CLOCK_LEAD {
            return Err(Refusal::ClockSkew { seconds: age / 1000 });
        }
        self.append(entry, now, rng, out)
    }

    /// Puts an entry into the log, unless it is there, and does what follows from it.
    fn append(
        &mut self,
        entry: Entry,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) -> Result<u64, Refusal> {
        if let Some(index) = self.index.get(&entry.id()) {
            return Ok(*index);
        }
        let lead = entry.statement().at.0.saturating_sub(now.0);
        if lead > MAX_CLOCK_LEAD {
            return Err(Refusal::ClockSkew { seconds: lead / 1000 });
        }
        let payer = match &entry.statement().author {
            Author::Account(account) if costs(&entry.statement().body) => {
                self.credit.check(account, self.config.credit, now)?;
                Some(account.clone())
            }
            Author::Account(_) | Author::Coordinator => None,
        };
        let bytes = entry.to_bytes();
        let events = self.state.apply(&entry)?;
        if let Some(account) = payer {
            let length = bytes.len() + self.causes(&entry);
            self.credit.spend(&account, length, now);
        }
        let index = self.frontier.size();
        self.frontier.append(leaf_hash(&bytes));
        note_milestone(&self.frontier, &mut self.milestones);
        self.index.insert(entry.id(), index);
        out.push(CoordinatorEffect::Append { index, entry });
        for event in events {
            self.react(event, now, rng, out);
        }
        Ok(index)
    }

    /// How many bytes others say at least because of an entry that nobody else need consent to: all members make new
    /// shares of their group's key.
    fn causes(&self, entry: &Entry) -> usize {
        let group = match &entry.statement().body {
            Body::GroupChange(proposal) => self.state.group(&proposal.definition.name).ok(),
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

    /// Appends a statement of the coordinator's own.
    pub(super) fn append_own(
        &mut self,
        body: Body,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) -> Result<u64, Refusal> {
        let statement =
            Statement { ivn: Some(self.state.ivn()), author: Author::Coordinator, at: now, body };
        let entry = Entry::sign(statement, &[&self.key])?;
        self.append(entry, now, rng, out)
    }
}

/// Whether nothing in the log bounds how many of these there are.
pub(super) fn costs(body: &Body) -> bool {
    match body {
        Body::Invitation(_)
        | Body::KeysRotated { .. }
        | Body::AccountSuspended { .. }
        | Body::AccountResumed { .. }
        | Body::AccountRoles { .. }
        | Body::NodeStarted { .. }
        | Body::NodeDuplicated { .. }
        | Body::ShareProved { .. }
        | Body::GroupDefined(_)
        | Body::GroupChange(_)
        | Body::Request(_) => true,
        Body::Genesis(_)
        | Body::AccountAdmitted { .. }
        | Body::AccountRemoved { .. }
        | Body::GroupAccepted { .. }
        | Body::GroupChangeWithdrawn { .. }
        | Body::ShareDestroyed { .. }
        | Body::CeremonyStarted { .. }
        | Body::CeremonyMessage { .. }
        | Body::CeremonyCertified { .. }
        | Body::CeremonyAborted { .. }
        | Body::EpochStarted { .. }
        | Body::HandedOver { .. }
        | Body::Approval { .. }
        | Body::Refusal { .. }
        | Body::Signature { .. } => false,
    }
}

impl Credit {
    /// Whether `account` has credit left, out of `limit`.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMuch`] with the time after which there is some again.
    fn check(&mut self, account: &AccountName, limit: u64, now: Timestamp) -> Result<(), Refusal> {
        let Some(spent) = self.0.get_mut(account) else { return Ok(()) };
        let forgiven = now.0.saturating_sub(spent.since.0) / FORGIVEN;
        spent.since = spent.since.plus(forgiven.saturating_mul(FORGIVEN));
        spent.statements = spent.statements.saturating_sub(forgiven);
        if spent.statements == 0 {
            self.0.remove(account);
        } else if spent.statements >= limit {
            let seconds = (spent.statements - limit + 1).saturating_mul(FORGIVEN) / 1_000;
            return Err(Refusal::TooMuch { account: account.clone(), seconds });
        }
        Ok(())
    }

    /// Takes the credit for a statement of this length, after [`Self::check`]: what is long costs as many short ones.
    fn spend(&mut self, account: &AccountName, length: usize, now: Timestamp) {
        let spent = self.0.entry(account.clone()).or_insert(Spent { statements: 0, since: now });
        let cost = u64::try_from(length.div_ceil(PAID)).unwrap_or(u64::MAX);
        spent.statements = spent.statements.saturating_add(cost);
    }

    /// Gives one back.
    pub(super) fn give_back(&mut self, account: &AccountName) {
        if let Some(spent) = self.0.get_mut(account) {
            spent.statements = spent.statements.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_log::name;

    const LIMIT: u64 = 3;

    fn states(credit: &mut Credit, at: u64) -> Result<(), Refusal> {
        credit.check(&name("ada"), LIMIT, Timestamp(at))?;
        credit.spend(&name("ada"), PAID, Timestamp(at));
        Ok(())
    }

    #[test]
    fn credit_runs_out_and_comes_back_with_time() {
        let mut credit = Credit::default();
        for _ in 0..LIMIT {
            assert_eq!(states(&mut credit, 10), Ok(()));
        }
        let refused = Err(Refusal::TooMuch { account: name("ada"), seconds: 1 });
        assert_eq!(states(&mut credit, 10), refused);
        assert_eq!(states(&mut credit, 1_009), refused);
        assert_eq!(states(&mut credit, 1_010), Ok(()));
        assert_eq!(
            states(&mut credit, 2_009),
            refused,
            "one for each second, not one for each try"
        );
        assert_eq!(states(&mut credit, 2_010), Ok(()));
        assert_eq!(credit.check(&name("ben"), LIMIT, Timestamp(10)), Ok(()), "each has its own");
    }

    #[test]
    fn a_pause_gives_no_more_credit_than_there_is_at_first() {
        let mut credit = Credit::default();
        for at in [10, 1_000_000] {
            for _ in 0..LIMIT {
                assert_eq!(states(&mut credit, at), Ok(()));
            }
            assert!(states(&mut credit, at).is_err());
        }
    }

    #[test]
    fn a_long_statement_costs_as_much_as_many_short_ones() {
        let mut credit = Credit::default();
        credit.spend(&name("ada"), PAID * 2 + 1, Timestamp(10));
        let refused = Err(Refusal::TooMuch { account: name("ada"), seconds: 1 });
        assert_eq!(states(&mut credit, 10), refused);
    }

    #[test]
    fn what_is_decided_gives_its_credit_back() {
        let mut credit = Credit::default();
        for _ in 0..10 * LIMIT {
            assert_eq!(states(&mut credit, 10), Ok(()));
            credit.give_back(&name("ada"));
        }
    }
}
