//! Why the log does not admit an entry: one enum for each family of rules, and their sum.

use serde::{Deserialize, Serialize};

use crate::dsse::EntryError;
use crate::names::{AccountName, EntryId, GroupName};

/// Why the log does not admit an entry. All readers agree, because all compute it from the same
/// log.
///
/// Four of them depend on more than the log. Only the coordinator checks [`Entries::ClockSkew`],
/// [`Entries::TooMuch`] and [`Entries::TooMuchTogether`], and each node checks
/// [`Requests::DatedAhead`] for itself.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Deserialize, Serialize)]
#[serde(untagged)]
#[error(transparent)]
#[expect(missing_docs, reason = "each variant is a family, which says what it is about")]
pub enum Refusal {
    Entries(#[from] Entries),
    Accounts(#[from] Accounts),
    Groups(#[from] Groups),
    Changes(#[from] Changes),
    Sessions(#[from] Sessions),
    Requests(#[from] Requests),
    Possession(#[from] Possession),
    Confirmations(#[from] Confirmations),
    Replacements(#[from] Replacements),
}

impl Refusal {
    /// The stable code of this refusal, which is the value of `why` in its JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Entries(refusal) => refusal.code(),
            Self::Accounts(refusal) => refusal.code(),
            Self::Groups(refusal) => refusal.code(),
            Self::Changes(refusal) => refusal.code(),
            Self::Sessions(refusal) => refusal.code(),
            Self::Requests(refusal) => refusal.code(),
            Self::Possession(refusal) => refusal.code(),
            Self::Confirmations(refusal) => refusal.code(),
            Self::Replacements(refusal) => refusal.code(),
        }
    }
}

/// Defines a family of refusals. `code` is the kebab-case word for each variant.
macro_rules! family {
    ($(#[$meta:meta])* $name:ident { $($(#[$error:meta])* $variant:ident $({ $($field:ident: $type:ty),* })? = $code:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Deserialize, Serialize)]
        #[serde(tag = "why", deny_unknown_fields)]
        #[expect(missing_docs, reason = "the names and the messages say it")]
        pub enum $name {
            $($(#[$error])* #[serde(rename = $code)] $variant $({ $($field: $type),* })?,)*
        }

        #[expect(missing_docs, reason = "the names say it")]
        impl $name {
            pub const CODES: &'static [&'static str] = &[$($code),*];

            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant $({ $($field: _),* })? => $code,)*
                }
            }
        }
    };
}

family! {
    /// Why the log does not admit an entry, whatever its kind.
    Entries {
        #[error("the first entry of a log must be a genesis, and no other entry may be one")]
        NotGenesis = "not-genesis",
        #[error("a deployment name is 1 to 120 printable characters without spaces or '+'")]
        Deployment = "deployment",
        #[error("not a well-formed entry")]
        Malformed = "malformed",
        #[error("not signed by its author")]
        Signature = "signature",
        #[error("the entry belongs to a different IVN")]
        OtherIvn = "other-ivn",
        #[error("this author cannot make such a statement")]
        WrongAuthor = "wrong-author",
        #[error(
            "the clocks of this machine and of the coordinator are {seconds} s apart; at most \
             300 s are accepted: set the clock"
        )]
        ClockSkew { seconds: u64 } = "clock-skew",
        #[error(
            "account \"{account}\" has used up its quota of statements \
             (config.log.account_statements in home.json of the coordinator); try again in \
             {seconds} s"
        )]
        TooMuch { account: AccountName, seconds: u64 } = "too-much",
        #[error(
            "the accounts of this IVN have used up their quota of statements \
             (config.log.ivn_statements in home.json of the coordinator); try again in {seconds} s"
        )]
        TooMuchTogether { seconds: u64 } = "too-much-together",
        #[error("\"{account}\" has already stated this")]
        AlreadySaid { account: AccountName } = "already-said",
        #[error(
            "the log has a statement about \"{name}\" that this one did not know of; look at it, \
             and state yours again"
        )]
        Outdated { name: String } = "outdated",
    }
}

family! {
    Accounts {
        #[error("there is no account \"{account}\"")]
        UnknownAccount { account: AccountName } = "unknown-account",
        #[error("account \"{account}\" was removed; its name is not used again")]
        Removed { account: AccountName } = "removed",
        #[error("account \"{account}\" is suspended; an admin can resume it")]
        Suspended { account: AccountName } = "suspended",
        #[error("the keys of account \"{account}\" were replaced; this node has the old keys")]
        KeysReplaced { account: AccountName } = "keys-replaced",
        #[error(
            "an invitation for new keys cannot change roles; account \"{account}\" keeps those \
             that it has"
        )]
        OtherRoles { account: AccountName } = "other-roles",
        #[error("account \"{account}\" is already in that state")]
        AlreadySo { account: AccountName } = "already-so",
        #[error(
            "\"{account}\" is the last admin that is not suspended; make another account an \
             admin first"
        )]
        LastAdmin { account: AccountName } = "last-admin",
        #[error("\"{account}\" cannot suspend, resume or remove itself; another admin can")]
        OwnAccount { account: AccountName } = "own-account",
        #[error(
            "account \"{account}\" is a member of group \"{group}\", for which it needs the \
             member role; change the group first"
        )]
        StillMember { account: AccountName, group: GroupName } = "still-member",
        #[error("only admins can do that, and \"{account}\" is not an admin")]
        NotAdmin { account: AccountName } = "not-admin",
        #[error("there is already an account \"{account}\"")]
        AccountExists { account: AccountName } = "account-exists",
        #[error("these keys belong to account \"{account}\"; every account has its own")]
        KeysTaken { account: AccountName } = "keys-taken",
        #[error("these keys were used before; generate new ones")]
        KeysUsed = "keys-used",
        #[error(
            "this invitation is not valid here: it was withdrawn or replaced, or made for \
             another account or IVN"
        )]
        NotInvited = "not-invited",
        #[error("this invitation has expired; ask an admin for a new one")]
        InvitationExpired = "invitation-expired",
    }
}

family! {
    Groups {
        #[error("there is no group \"{group}\"")]
        UnknownGroup { group: GroupName } = "unknown-group",
        #[error("there is already a group \"{group}\"")]
        GroupExists { group: GroupName } = "group-exists",
        #[error("\"{account}\" is listed twice")]
        MemberTwice { account: AccountName } = "member-twice",
        #[error("account \"{account}\" does not have the member role")]
        MemberRole { account: AccountName } = "member-role",
        #[error("{}", min_signers_problem(*.min_signers, *.members))]
        MinSigners { min_signers: u16, members: usize } = "min-signers",
        #[error(
            "min_signers can be at most {most}, not {min_signers}: the signed messages of more \
             signers do not fit one entry of the log"
        )]
        TooManySigners { min_signers: u16, most: u16 } = "too-many-signers",
        #[error(
            "approvals_required must be {least} (min_signers) to {most} (the members who may \
             approve), not {approvals_required}"
        )]
        ApprovalsRequired { approvals_required: u16, least: u16, most: u16 } = "approvals-required",
        #[error(
            "a change can require {least} (min_signers) to {most} approvals, not \
             {changes_required}"
        )]
        ChangesRequired { changes_required: u16, least: u16, most: u16 } = "changes-required",
        #[error("a group can be refreshed every hour at most")]
        RefreshEvery = "refresh-every",
        #[error("a group signs in 1 to {most} formats, not {formats}")]
        Formats { formats: usize, most: usize } = "formats",
        #[error("documents are kept for at least an hour after the end of their request")]
        DeleteDocumentsAfter = "delete-documents-after",
        #[error("the expiry of a policy must be greater than zero")]
        PolicyExpiry = "policy-expiry",
        #[error(
            "user account \"{account}\" not authorized: it is not a member of group \"{group}\""
        )]
        NotAMember { account: AccountName, group: GroupName } = "not-a-member",
        #[error(
            "\"{account}\" has no usable share of the key of group \"{group}\", and no vote in \
             it until it gets one back"
        )]
        NoShare { account: AccountName, group: GroupName } = "no-share",
        #[error("the definition of group \"{group}\" was replaced; review the new one")]
        DefinitionChanged { group: GroupName } = "definition-changed",
        #[error("group \"{group}\" has no key yet")]
        NoKey { group: GroupName } = "no-key",
        #[error("group \"{group}\" is retired, and signs nothing any more")]
        Retired { group: GroupName } = "retired",
    }
}

family! {
    Changes {
        #[error(
            "too few members of group \"{group}\" could approve this ({able}; it takes {needed}); if \
             the proposer's own approval does not count, let another member propose it"
        )]
        TooFewVoters { group: GroupName, able: usize, needed: u16 } = "too-few-voters",
        #[error(
            "too few members of group \"{group}\" can use their shares ({able}; it takes \
             {needed})"
        )]
        TooFewShares { group: GroupName, able: usize, needed: usize } = "too-few-shares",
        #[error(
            "this is about epoch {asked} of group \"{group}\", which is now in epoch {current}; \
             review the group, and propose a change again"
        )]
        OtherEpoch { group: GroupName, asked: u64, current: u64 } = "other-epoch",
        #[error(
            "group \"{group}\" is already being changed, by {}; wait until that change ends, or \
             withdraw it", .change.short()
        )]
        ChangePending { group: GroupName, change: EntryId } = "change-pending",
        #[error("the suite of a group cannot change, because its key stays; define a new group")]
        SuiteFixed = "suite-fixed",
        #[error(
            "\"{account}\" cannot propose to remove itself from the group; another member, or \
             another admin, can"
        )]
        RemovesItself { account: AccountName } = "removes-itself",
        #[error(
            "a repair is for a member of the group and changes nothing else; \"{account}\" is \
             not a member, or the definition differs"
        )]
        Repair { account: AccountName } = "repair",
        #[error("\"{account}\" would get its own share back, so the other members decide")]
        OwnRepair { account: AccountName } = "own-repair",
        #[error("a proposal that retires a group changes nothing else of it")]
        Retirement = "retirement",
    }
}

family! {
    Sessions {
        #[error(
            "the last session of group \"{group}\" failed permanently; define the group again, \
             or propose the change again"
        )]
        SessionFailed { group: GroupName } = "session-failed",
        #[error("not all members have accepted the group's definition")]
        NotAccepted = "not-accepted",
        #[error("group \"{group}\" already has a running session or a key")]
        SessionRunning { group: GroupName } = "session-running",
        #[error("this session is over or was never started")]
        SessionOver = "session-over",
        #[error("the session is not at this step")]
        SessionStep = "session-step",
        #[error("the message comes from an earlier process of this node")]
        StaleIncarnation = "stale-incarnation",
        #[error("the message does not fit the protocol at this point")]
        Protocol = "protocol",
        #[error("the log does not show this reason for an abort")]
        AbortReason = "abort-reason",
        #[error("the signature does not verify under the group's key")]
        BadSignature = "bad-signature",
    }
}

family! {
    Requests {
        #[error(
            "the group's policy is not the one that the request was made under; make the request \
             again"
        )]
        PolicyChanged = "policy-changed",
        #[error(
            "a request to this group, or a change of it, must expire between now and \
             {longest_hours} hours from now"
        )]
        Expiry { longest_hours: u64 } = "expiry",
        #[error("a request takes 1 to {most} signatures")]
        Signatures { most: u8 } = "signatures",
        #[error(
            "by this machine's clock, this is open {days} days longer than its group's policy \
             permits: either this clock is behind, or the clock of its author was ahead; check this \
             clock, then reject it or approve it later"
        )]
        DatedAhead { days: u64 } = "dated-ahead",
        #[error("there is no request or proposed change {request}")]
        UnknownRequest { request: EntryId } = "unknown-request",
        #[error("{request} is already decided, or has expired")]
        RequestOver { request: EntryId } = "request-over",
        #[error("the policy does not let the requester approve its own request or change")]
        RequesterMayNotApprove = "requester-may-not-approve",
        #[error("only the requester, \"{requester}\", can withdraw this request")]
        NotRequester { requester: AccountName } = "not-requester",
        #[error("a reason has 1 to 500 bytes, all on one line")]
        Reason = "reason",
        #[error("{request} is not approved, or has expired")]
        NotApproved { request: EntryId } = "not-approved",
        #[error("the signature does not show who made it")]
        Signers = "signers",
    }
}

family! {
    Possession {
        #[error("group \"{group}\" has no past epoch {epoch}")]
        NotAPastEpoch { group: GroupName, epoch: u64 } = "not-a-past-epoch",
    }
}

family! {
    Confirmations {
        #[error(
            "group \"{group}\" needs no confirmation by the previous members for epoch {epoch}"
        )]
        NoConfirmation { group: GroupName, epoch: u64 } = "no-confirmation",
        #[error(
            "the checkpoint is not part of this log, or lacks cosignatures from enough of the \
             previous members"
        )]
        Checkpoint = "checkpoint",
    }
}

fn min_signers_problem(min_signers: u16, members: usize) -> String {
    match min_signers {
        0 | 1 => format!(
            "min_signers must be at least 2, not {min_signers}: a quorum of one is an ordinary key"
        ),
        _ if members == 1 => "that would leave 1 member; a group needs at least 2".to_owned(),
        _ if members == 0 => "that would leave no member; a group needs at least 2".to_owned(),
        _ => format!(
            "a group in which {min_signers} members sign needs at least {min_signers} members, and this one would have {members}"
        ),
    }
}

impl From<EntryError> for Refusal {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Signature => Entries::Signature.into(),
            EntryError::TooLong
            | EntryError::Json
            | EntryError::PayloadType
            | EntryError::Spelling => Entries::Malformed.into(),
        }
    }
}

family! {
    Replacements {
        #[error("account \"{account}\" has no vote about the coordinator: it is not a member")]
        NoVote { account: AccountName } = "no-vote",
        #[error("the vote is about a different history than the entries before it")]
        OtherHistory = "other-history",
        #[error("a new coordinator has new keys, all different; these were used before")]
        KnownKeys = "known-keys",
        #[error("nobody can sign checkpoints with the new log key")]
        UnusableKey = "unusable-log-key",
        #[error("the reason for a new coordinator is 1 to 500 bytes without control characters")]
        Reason = "replacement-reason",
        #[error(
            "a running coordinator does not accept votes for another one; \
             quorate coordinator finish does"
        )]
        Running = "coordinator-running",
        #[error("it was stated before the members replaced the coordinator; state it again")]
        BeforeReplacement = "before-replacement",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_code_is_the_word_in_the_json() {
        let account: AccountName = "ben".parse().unwrap();
        let refusals: [Refusal; 5] = [
            Entries::NotGenesis.into(),
            Entries::ClockSkew { seconds: 400 }.into(),
            Groups::NotAMember { account: account.clone(), group: "board".parse().unwrap() }.into(),
            Accounts::AlreadySo { account }.into(),
            Groups::MinSigners { min_signers: 1, members: 3 }.into(),
        ];
        for refusal in refusals {
            let json = serde_json::to_value(&refusal).unwrap();
            assert_eq!(json["why"], refusal.code());
            assert_eq!(serde_json::from_value::<Refusal>(json).unwrap(), refusal);
        }
    }

    #[test]
    fn no_two_refusals_have_the_same_code() {
        let families = [
            Entries::CODES,
            Accounts::CODES,
            Groups::CODES,
            Changes::CODES,
            Sessions::CODES,
            Requests::CODES,
            Possession::CODES,
            Confirmations::CODES,
            Replacements::CODES,
        ];
        let all = families.concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
