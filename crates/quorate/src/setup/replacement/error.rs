//! Why a coordinator cannot be replaced.

use std::path::PathBuf;

use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::Refusal;

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplacementError {
    #[error("{} is not the description of a new coordinator; quorate coordinator replace writes one", .0.display())]
    NotAReplacement(PathBuf),
    #[error("{} is not a vote for a new coordinator; quorate coordinator approve writes one", .0.display())]
    NotAVote(PathBuf),
    #[error("the vote in {} is for a different replacement", .0.display())]
    OtherVote(PathBuf),
    #[error("this is about a different IVN than this home's")]
    OtherIvn,
    #[error("the certificate in the file is not the one that the votes are about")]
    OtherAuthority,
    #[error("{} has no log of this IVN; give a node's home, a published log, or a file with one entry a line", .0.display())]
    NoHistory(PathBuf),
    #[error("entry {index} of the log in {} is damaged or inadmissible", path.display())]
    Damaged { path: PathBuf, index: u64 },
    #[error("the log in {} has only {found} entries, and {needed} are needed", path.display())]
    TooShort { path: PathBuf, found: u64, needed: u64 },
    #[error("the log in {} is not the history that is voted for", .0.display())]
    OtherHistory(PathBuf),
    /// The own log is shorter, or a different one.
    #[error(
        "this node's log of {own} entries does not contain the history of {needed} entries that is voted for"
    )]
    NeedsHistory { own: u64, needed: u64 },
    #[error(
        "this node follows this coordinator already, and its log has other votes than the file"
    )]
    OtherVotes,
    #[error(
        "account \"{account}\" has different keys in the history that is voted for, or is not in it"
    )]
    OtherKeys { account: AccountName },
    #[error("this account has voted for another replacement, in {}", path.display())]
    VotedOtherwise { path: PathBuf },
    #[error("the vote of {account} is dated {minutes} minutes ahead of this machine's clock")]
    VoteAhead { account: AccountName, minutes: u64 },
    #[error("{0}")]
    Refused(Refusal),
    #[error("only {votes} of the {needed} votes that are needed are here; {} can still vote", names(.missing))]
    TooFew { votes: usize, needed: usize, missing: Vec<AccountName> },
    #[error("{} is not the home of a new coordinator; quorate coordinator replace makes one", .0.display())]
    NotProposed(PathBuf),
}

fn names(names: &[AccountName]) -> String {
    crate::render::list(names)
}
