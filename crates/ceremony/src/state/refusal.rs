//! Why an entry is not admissible.

use serde::{Deserialize, Serialize};

use crate::dsse::EntryError;
use crate::names::{AccountName, EntryId, GroupName};

/// Why the log does not admit an entry. All readers agree, since all compute it from the same log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Deserialize, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Refusal {
    /// The first entry must be a genesis, and no other may be one.
    #[error("not a genesis")]
    NotGenesis,
    /// The deployment can not be part of a log's origin.
    #[error("a deployment name is 1 to 120 printable characters without spaces or '+'")]
    Deployment,
    /// The bytes are no entry.
    #[error("not a well-formed entry")]
    Malformed,
    /// Not signed by its author.
    #[error("not signed by its author")]
    Signature,
    /// Stated for another IVN.
    #[error("the entry belongs to another IVN")]
    OtherIvn,
    /// Such statements are not this author's to make.
    #[error("this author can not make such a statement")]
    WrongAuthor,
    /// The author's clock is too far from the coordinator's. Checked by the coordinator only.
    #[error(
        "the clocks of this machine and of the coordinator are {seconds} s apart; at most 300 s are accepted: set the clock"
    )]
    ClockSkew {
        /// The distance in seconds.
        seconds: u64,
    },
    /// The author has stated as much as the coordinator takes at a time. Checked by the coordinator only.
    #[error("\"{account}\" has stated too much in too short a time; try again in {seconds} s")]
    TooMuch {
        /// Who.
        account: AccountName,
        /// When there is room again, in seconds.
        seconds: u64,
    },
    /// Not on the roster.
    #[error("there is no account \"{account}\"")]
    UnknownAccount {
        /// The name.
        account: AccountName,
    },
    /// It was on the roster.
    #[error("account \"{account}\" was removed; its name is not used again")]
    Removed {
        /// The name.
        account: AccountName,
    },
    /// It may do nothing for now.
    #[error("account \"{account}\" is suspended; an admin can resume it")]
    Suspended {
        /// Which.
        account: AccountName,
    },
    /// The connection was proved with keys that are not the account's any more.
    #[error("the keys of account \"{account}\" were replaced; this node has the earlier ones")]
    KeysReplaced {
        /// Whose.
        account: AccountName,
    },
    /// An invitation for new keys does not change roles.
    #[error(
        "account \"{account}\" has other roles than this invitation says; it keeps those that it has"
    )]
    OtherRoles {
        /// Whose.
        account: AccountName,
    },
    /// Nothing would change.
    #[error("that is so already of account \"{account}\"")]
    AlreadySo {
        /// Whose.
        account: AccountName,
    },
    /// Somebody has to be able to decide.
    #[error(
        "\"{account}\" is the last admin that is not suspended; make another account an admin first"
    )]
    LastAdmin {
        /// Who.
        account: AccountName,
    },
    /// Another admin has to decide that.
    #[error("\"{account}\" can not suspend, resume or remove itself; another admin can")]
    OwnAccount {
        /// Who.
        account: AccountName,
    },
    /// Who is in a group has the member role.
    #[error(
        "account \"{account}\" is a member of group \"{group}\", for which it needs the member role; change the group first"
    )]
    StillMember {
        /// Who.
        account: AccountName,
        /// One of its groups.
        group: GroupName,
    },
    /// The member has no share that it can use, and so no say.
    #[error(
        "\"{account}\" has no share of the key of group \"{group}\" that it can use, and no say in it until it gets one back"
    )]
    NoShare {
        /// Who.
        account: AccountName,
        /// The group.
        group: GroupName,
    },
    /// Not enough members could consent: those count who can use their shares, who are not to get one back, and, where the
    /// policy says so, who did not propose it themselves.
    #[error(
        "only {able} members of group \"{group}\" could consent to this, and it takes {needed}; if it is because the proposer's own consent does not count, let somebody else propose it"
    )]
    TooFewVoters {
        /// The group.
        group: GroupName,
        /// How many could.
        able: usize,
        /// How many it takes.
        needed: u16,
    },
    /// Without those who can not use their shares, the key can not be used.
    #[error("only {able} members of group \"{group}\" can use their shares, and it takes {needed}")]
    TooFewShares {
        /// The group.
        group: GroupName,
        /// How many can.
        able: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Needs the admin role.
    #[error("user account \"{account}\" not authorized: it is not an admin")]
    NotAdmin {
        /// Who tried.
        account: AccountName,
    },
    /// The name is taken.
    #[error("there is an account \"{account}\" already")]
    AccountExists {
        /// The name.
        account: AccountName,
    },
    /// The keys belong to an account on the roster.
    #[error("these keys are those of account \"{account}\"; every account has its own")]
    KeysTaken {
        /// Whose keys they are.
        account: AccountName,
    },
    /// Keys are not used twice.
    #[error("these keys were somebody's before; make others")]
    KeysUsed,
    /// No invitation for this name, or not this one.
    #[error(
        "this invitation is not valid here: it was withdrawn or replaced, or made for another account or IVN"
    )]
    NotInvited,
    /// Too late.
    #[error("this invitation has expired; ask an admin for a new one")]
    InvitationExpired,
    /// No such group.
    #[error("there is no group \"{group}\"")]
    UnknownGroup {
        /// The name.
        group: GroupName,
    },
    /// The group has a key, or is making one.
    #[error("there is a group \"{group}\" already")]
    GroupExists {
        /// The name.
        group: GroupName,
    },
    /// The log has a later statement about the same: this one was held back, or its author's clock is behind.
    #[error(
        "the log has a later statement about \"{name}\" than this one; look at it, and check this machine's clock"
    )]
    Outdated {
        /// The account that is invited, or the group that is defined.
        name: String,
    },
    /// A definition names someone twice.
    #[error("\"{account}\" is named twice")]
    MemberTwice {
        /// Who.
        account: AccountName,
    },
    /// A definition names an account without the member role.
    #[error("account \"{account}\" does not have the member role")]
    MemberRole {
        /// Who.
        account: AccountName,
    },
    /// min_signers out of range.
    #[error("{}", min_signers_problem(*.min_signers, *.members))]
    MinSigners {
        /// What was asked for.
        min_signers: u16,
        /// How many members there are.
        members: usize,
    },
    /// More signers than a signature entry can name.
    #[error(
        "min_signers can be at most {most}, not {min_signers}: what more signers sign does not fit one entry of the log"
    )]
    TooManySigners {
        /// What was asked for.
        min_signers: u16,
        /// The most.
        most: u16,
    },
    /// approvals_required out of range.
    #[error(
        "approvals_required must be {least} (min_signers) to {most} (those who may approve), not {approvals_required}"
    )]
    ApprovalsRequired {
        /// What was asked for.
        approvals_required: u16,
        /// The least.
        least: u16,
        /// The most.
        most: u16,
    },
    /// Only members of the group may.
    #[error("user account \"{account}\" not authorized: it is not a member of group \"{group}\"")]
    NotAMember {
        /// Who tried.
        account: AccountName,
        /// The group.
        group: GroupName,
    },
    /// Said before.
    #[error("\"{account}\" has said so already")]
    AlreadySaid {
        /// Who.
        account: AccountName,
    },
    /// Consent to a definition that was replaced.
    #[error("the definition of group \"{group}\" was replaced; look at the new one")]
    DefinitionChanged {
        /// The group.
        group: GroupName,
    },
    /// The last session of this group ended for a reason after which none follows.
    #[error(
        "the last session of group \"{group}\" failed for good; define the group again, or propose the change again"
    )]
    SessionFailed {
        /// The group.
        group: GroupName,
    },
    /// Not all members accepted the definition yet, or all who join the change.
    #[error("not all members have accepted the group's definition")]
    NotAccepted,
    /// The change was proposed for another epoch of the group's shares.
    #[error(
        "the change is one of epoch {asked} of group \"{group}\", which is in epoch {current}; look at it and propose the change again"
    )]
    OtherEpoch {
        /// The group.
        group: GroupName,
        /// Which it names.
        asked: u64,
        /// Which is in force.
        current: u64,
    },
    /// One change at a time.
    #[error(
        "group \"{group}\" is being changed already, by {}; let that end, or take it back, first",
        .change.short()
    )]
    ChangePending {
        /// The group.
        group: GroupName,
        /// The change that was first.
        change: EntryId,
    },
    /// The key stays, and with it what it can sign with.
    #[error("the suite of a group can not be changed, since its key stays; define another group")]
    SuiteFixed,
    /// Somebody else has to propose that.
    #[error(
        "\"{account}\" can not propose to remove itself from the group; another member, or another admin, can"
    )]
    RemovesItself {
        /// Who.
        account: AccountName,
    },
    /// changes_required out of range.
    #[error(
        "a change can take the consent of {least} (min_signers) to {most} members, not of {changes_required}"
    )]
    ChangesRequired {
        /// What was asked for.
        changes_required: u16,
        /// The least.
        least: u16,
        /// The most.
        most: u16,
    },
    /// A repair gives a member its share back and changes nothing else.
    #[error(
        "a repair is for a member of the group, and changes nothing else about it; \"{account}\" is none, or more would change"
    )]
    Repair {
        /// Who was to get a share back.
        account: AccountName,
    },
    /// Each refresh takes all members and stays in the log.
    #[error("a group can have new shares made every hour at most")]
    RefreshEvery,
    /// Who gets a share back has no say in that.
    #[error("\"{account}\" gets its own share back by this, so the other members decide")]
    OwnRepair {
        /// Who.
        account: AccountName,
    },
    /// With that epoch and in it the group's members, min_signers and members' keys stayed the same, or it has shown enough.
    #[error("group \"{group}\" has nothing to show about changes of its members in epoch {epoch}")]
    NoHandover {
        /// The group.
        group: GroupName,
        /// Which was named.
        epoch: u64,
    },
    /// A checkpoint in an entry is not one of this log, or not cosigned by those whose cosignatures it is to show.
    #[error("the checkpoint is not the log's, or too few of those who have to have cosigned it")]
    Checkpoint,
    /// No shares of that epoch are there to be destroyed.
    #[error("group \"{group}\" has no epoch {epoch} that is over")]
    NotAPastEpoch {
        /// The group.
        group: GroupName,
        /// Which was named.
        epoch: u64,
    },
    /// A session of this group runs, or there is nothing to make: it has a key, and no change is proposed.
    #[error("group \"{group}\" has a ceremony running or a key already")]
    SessionRunning {
        /// The group.
        group: GroupName,
    },
    /// No such session, or it is over.
    #[error("this ceremony session is over or was never started")]
    SessionOver,
    /// The session can not be in that step.
    #[error("the ceremony session is not at this step")]
    SessionStep,
    /// Sent by an earlier process of that node.
    #[error("the message comes from an earlier process of this node")]
    StaleIncarnation,
    /// The message does not fit the protocol at this point.
    #[error("the message does not fit the protocol at this point")]
    Protocol,
    /// The reason given for an abort is not what the log shows.
    #[error("the log does not show this reason for an abort")]
    AbortReason,
    /// The activation signature does not verify.
    #[error("the signature does not verify under the group's key")]
    BadSignature,
    /// The group has no key yet.
    #[error("group \"{group}\" has no key yet")]
    NoKey {
        /// The group.
        group: GroupName,
    },
    /// The request names another policy than the group has.
    #[error(
        "the group's policy is not the one that the request was made under; make the request again"
    )]
    PolicyChanged,
    /// Requests that lapse at once would be of no use.
    #[error("requests to a group must be given some time: its expiry is zero")]
    PolicyExpiry,
    /// The expiry of the request or change is past, or later than the policy lets it be.
    #[error(
        "a request to this group, or a change of it, must expire between now and {longest_hours} hours from now"
    )]
    Expiry {
        /// The policy's limit in hours.
        longest_hours: u64,
    },
    /// No such request.
    #[error("there is no request or proposed change {request}")]
    UnknownRequest {
        /// The id.
        request: EntryId,
    },
    /// The request is decided.
    #[error("{request} is decided already, or has lapsed")]
    RequestOver {
        /// The id.
        request: EntryId,
    },
    /// The requester's consent does not count under this policy.
    #[error("the policy does not let the requester approve its own request or change")]
    RequesterMayNotApprove,
    /// A refusal gives a reason of 1 to 500 characters.
    #[error("a reason has 1 to 500 characters")]
    Reason,
    /// Not approved yet.
    #[error("{request} is not approved, or has lapsed")]
    NotApproved {
        /// The id.
        request: EntryId,
    },
    /// A signature entry does not show min_signers approving members' own signed messages, with shares that add up to
    /// the signature.
    #[error("the signature does not show who made it")]
    Signers,
}

impl Refusal {
    /// The stable code of this refusal: the same word as `why` in its JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotGenesis => "not-genesis",
            Self::Deployment => "deployment",
            Self::Malformed => "malformed",
            Self::Signature => "signature",
            Self::OtherIvn => "other-ivn",
            Self::WrongAuthor => "wrong-author",
            Self::ClockSkew { .. } => "clock-skew",
            Self::TooMuch { .. } => "too-much",
            Self::UnknownAccount { .. } => "unknown-account",
            Self::Removed { .. } => "removed",
            Self::Suspended { .. } => "suspended",
            Self::KeysReplaced { .. } => "keys-replaced",
            Self::OtherRoles { .. } => "other-roles",
            Self::AlreadySo { .. } => "already-so",
            Self::LastAdmin { .. } => "last-admin",
            Self::OwnAccount { .. } => "own-account",
            Self::StillMember { .. } => "still-member",
            Self::NoShare { .. } => "no-share",
            Self::TooFewVoters { .. } => "too-few-voters",
            Self::TooFewShares { .. } => "too-few-shares",
            Self::NotAdmin { .. } => "not-admin",
            Self::AccountExists { .. } => "account-exists",
            Self::KeysTaken { .. } => "keys-taken",
            Self::KeysUsed => "keys-used",
            Self::NotInvited => "not-invited",
            Self::InvitationExpired => "invitation-expired",
            Self::UnknownGroup { .. } => "unknown-group",
            Self::GroupExists { .. } => "group-exists",
            Self::Outdated { .. } => "outdated",
            Self::MemberTwice { .. } => "member-twice",
            Self::MemberRole { .. } => "member-role",
            Self::MinSigners { .. } => "min-signers",
            Self::TooManySigners { .. } => "too-many-signers",
            Self::ApprovalsRequired { .. } => "approvals-required",
            Self::NotAMember { .. } => "not-a-member",
            Self::AlreadySaid { .. } => "already-said",
            Self::DefinitionChanged { .. } => "definition-changed",
            Self::SessionFailed { .. } => "session-failed",
            Self::NotAccepted => "not-accepted",
            Self::OtherEpoch { .. } => "other-epoch",
            Self::ChangePending { .. } => "change-pending",
            Self::SuiteFixed => "suite-fixed",
            Self::RemovesItself { .. } => "removes-itself",
            Self::ChangesRequired { .. } => "changes-required",
            Self::Repair { .. } => "repair",
            Self::RefreshEvery => "refresh-every",
            Self::OwnRepair { .. } => "own-repair",
            Self::NoHandover { .. } => "no-handover",
            Self::Checkpoint => "checkpoint",
            Self::NotAPastEpoch { .. } => "not-a-past-epoch",
            Self::SessionRunning { .. } => "session-running",
            Self::SessionOver => "session-over",
            Self::SessionStep => "session-step",
            Self::StaleIncarnation => "stale-incarnation",
            Self::Protocol => "protocol",
            Self::AbortReason => "abort-reason",
            Self::BadSignature => "bad-signature",
            Self::NoKey { .. } => "no-key",
            Self::PolicyChanged => "policy-changed",
            Self::PolicyExpiry => "policy-expiry",
            Self::Expiry { .. } => "expiry",
            Self::UnknownRequest { .. } => "unknown-request",
            Self::RequestOver { .. } => "request-over",
            Self::RequesterMayNotApprove => "requester-may-not-approve",
            Self::Reason => "reason",
            Self::NotApproved { .. } => "not-approved",
            Self::Signers => "signers",
        }
    }
}

/// Two reasons: a quorum of one is none, and more than there are never come together.
fn min_signers_problem(min_signers: u16, members: usize) -> String {
    let there_are = if members == 1 { "1 member".to_owned() } else { format!("{members} members") };
    match min_signers {
        0 | 1 => format!(
            "min_signers must be at least 2, not {min_signers}: a quorum of one is an ordinary key"
        ),
        _ if members < 2 => format!(
            "{min_signers} of {there_are} could never sign, and a group has at least 2 members"
        ),
        _ => format!(
            "{min_signers} of {there_are} could never sign: min_signers is 2 to the number of members"
        ),
    }
}

impl From<EntryError> for Refusal {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Signature => Self::Signature,
            EntryError::TooLong
            | EntryError::Json
            | EntryError::PayloadType
            | EntryError::Spelling => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_word_in_the_json() {
        let account: AccountName = "ben".parse().unwrap();
        let refusals = [
            Refusal::NotGenesis,
            Refusal::ClockSkew { seconds: 400 },
            Refusal::NotAMember { account: account.clone(), group: "board".parse().unwrap() },
            Refusal::AlreadySo { account },
            Refusal::MinSigners { min_signers: 1, members: 3 },
        ];
        for refusal in refusals {
            let json = serde_json::to_value(&refusal).unwrap();
            assert_eq!(json["why"], refusal.code());
        }
    }
}
