//! What an entry changed.

use crate::names::{AccountName, EntryId, GroupName};

/// What an entry changed, for callers that act on it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Event {
    Invited(AccountName),
    Admitted(AccountName),
    /// This account has new keys or roles, or may act again.
    Account(AccountName),
    /// This account, or the owner of its former keys, may not act any more.
    Dismissed(AccountName),
    NodeStarted(AccountName),
    GroupDefined(GroupName),
    GroupAccepted(GroupName),
    /// A change of the group was proposed, voted on, accepted by a joiner, or withdrawn.
    Change(GroupName),
    /// A session started, or recorded a message or a certification.
    Ceremony(GroupName),
    CeremonyAborted(GroupName),
    /// All participants certified, so that the shares can be activated.
    CeremonyCertified(GroupName),
    EpochStarted(GroupName),
    GroupRetired(GroupName),
    ShareDestroyed(GroupName),
    ShareProved(GroupName),
    RequestOpened(EntryId),
    RequestVoted(EntryId),
    RequestApproved(EntryId),
    RequestRejected(EntryId),
    RequestWithdrawn(EntryId),
    RequestRefused(EntryId),
    RequestSigned(EntryId),
    /// The log has one more of its signatures, and not the last.
    RequestPartlySigned(EntryId),
    /// The coordinator has new keys from here on.
    CoordinatorReplaced,
}
