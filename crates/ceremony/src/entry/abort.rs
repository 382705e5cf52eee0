//! Why a session ended without a key.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::AccountName;

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AbortReason {
    /// The coordinator's deadline passed. The log contains no message of exactly these
    /// participants, which accuses nobody.
    TimedOut { missing: BTreeSet<AccountName> },
    /// The node of these participants restarted and lost secrets of the session.
    Restarted { nodes: BTreeSet<AccountName> },
    /// The log proves that these participants broke the protocol.
    Fault { culprits: BTreeSet<AccountName> },
    /// The certifications differ from the log's own transcript. This does not prove who is to
    /// blame.
    Dissent { dissenters: BTreeSet<AccountName> },
    /// This participant was suspended or removed, or got new keys. It follows from the log, so
    /// nobody states it.
    RosterChanged { account: AccountName },
    /// An admin cancelled the session, or the change that it was to carry out was withdrawn or
    /// replaced.
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
                write!(f, "{account} was suspended, removed, or given new keys")
            }
            Self::Cancelled => f.write_str("it was called off"),
        }
    }
}

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
    fn the_reason_of_an_abort_names_all_participants_concerned() {
        let names = |list: &[&str]| list.iter().map(|name| name.parse().unwrap()).collect();
        let said = |list: &[&str]| AbortReason::Restarted { nodes: names(list) }.to_string();
        assert_eq!(said(&[]), "the node of nobody restarted");
        assert_eq!(said(&["ben"]), "the node of ben restarted");
        assert_eq!(said(&["ben", "ada"]), "the node of ada and ben restarted");
        assert_eq!(said(&["cyd", "ben", "ada"]), "the node of ada, ben and cyd restarted");
    }
}
