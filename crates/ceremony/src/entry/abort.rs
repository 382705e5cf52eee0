//! Why a session ended without a key.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::AccountName;

/// Why a session ended without a key.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AbortReason {
    /// The coordinator's deadline passed; `missing` are exactly those whose message the log does not
    /// show. They are not accused of anything.
    TimedOut { missing: BTreeSet<AccountName> },
    /// These participants' node restarted with their part in memory.
    Restarted { nodes: BTreeSet<AccountName> },
    /// These participants provably broke the protocol: the log shows how.
    Fault { culprits: BTreeSet<AccountName> },
    /// The certifications differ: someone saw another transcript. It does not tell who is to blame.
    Dissent { dissenters: BTreeSet<AccountName> },
    /// This account, which took part, was suspended, removed, or given other keys. Nobody states that: it follows.
    RosterChanged { account: AccountName },
    /// It was called off: by an admin, or with the change that it was to carry out, when that was taken back or gave way to
    /// another one.
    Cancelled,
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { missing } => {
                write!(f, "no message came from {}, which proves nothing", Names(missing))
            }
            Self::Restarted { nodes } => write!(f, "the node of {} restarted", Names(nodes)),
            Self::Fault { culprits } => {
                write!(f, "the messages prove that {} cheated", Names(culprits))
            }
            Self::Dissent { dissenters } => write!(
                f,
                "{} certified something else than the messages come to",
                Names(dissenters)
            ),
            Self::RosterChanged { account } => {
                write!(f, "{account} was suspended, removed, or given other keys")
            }
            Self::Cancelled => f.write_str("it was called off"),
        }
    }
}

/// Names in a sentence.
struct Names<'a>(&'a BTreeSet<AccountName>);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.len().saturating_sub(1);
        for (position, name) in self.0.iter().enumerate() {
            match position {
                0 => {}
                _ if position == last => f.write_str(" and ")?,
                _ => f.write_str(", ")?,
            }
            name.fmt(f)?;
        }
        if self.0.is_empty() { f.write_str("nobody") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_an_abort_is_a_sentence_with_everybody_in_it() {
        let names = |list: &[&str]| list.iter().map(|name| name.parse().unwrap()).collect();
        let said = |list: &[&str]| AbortReason::Restarted { nodes: names(list) }.to_string();
        assert_eq!(said(&[]), "the node of nobody restarted");
        assert_eq!(said(&["ben"]), "the node of ben restarted");
        assert_eq!(said(&["ben", "ada"]), "the node of ada and ben restarted");
        assert_eq!(said(&["cyd", "ben", "ada"]), "the node of ada, ben and cyd restarted");
    }
}
