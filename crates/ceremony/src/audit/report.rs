//! The report of an audit.

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::Hash;
use quorate_protocol::Suite;
use serde::{Deserialize, Serialize};

use super::blame::Blame;
use super::decisions::DecisionReport;
use super::fault::Fault;
use crate::document::NotChecked;
use crate::entry::{AbortReason, LogTree, Request, Role};
use crate::identity::AccountKeys;
use crate::names::{AccountName, Digest, EntryId, GroupName, IvnId, SessionId, Timestamp};
use crate::state::{PastChange, PastEpoch, RequestStage};

/// The true contents of a log, recomputed from the entries.
///
/// If there are [`faults`](Self::faults), the state is that before the first inadmissible entry.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AuditReport {
    pub verdict: Verdict,
    /// In the order in which they were found.
    pub faults: Vec<Fault>,
    /// The hash of the genesis.
    pub ivn: IvnId,
    /// The display name, which can be any text of the admin's choice.
    pub name: String,
    pub origin: String,
    /// The log's key as a C2SP vkey: that of the latest coordinator.
    pub log_key: String,
    /// Where members replaced the coordinator, in log order. An earlier checkpoint by an earlier
    /// coordinator may be of a history that they abandoned.
    pub replacements: Vec<ReplacementReport>,
    /// Whether the caller knew the IVN's id or the log's key beforehand. Otherwise this may be a
    /// genuine log of a different IVN: compare `ivn` with an id from a trusted source.
    pub anchored: bool,
    pub size: u64,
    /// The recomputed root of their Merkle tree.
    pub root: Hash,
    /// The latest time that any entry states.
    pub time: Timestamp,
    /// The number of entries of each kind, by its name in JSON.
    pub kinds: BTreeMap<&'static str, u64>,
    pub accounts: Vec<AccountReport>,
    pub groups: Vec<GroupReport>,
    /// In log order.
    pub requests: Vec<RequestReport>,
    /// In log order.
    pub signatures: Vec<SignatureReport>,
    /// Members that used a pair of nonces for more than one signature. This is not a fault of the
    /// log and invalidates no signature, but these members' shares of the key are no longer secret.
    pub reused_nonces: Vec<ReusedNonces>,
    pub checkpoint: CheckpointReport,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Verdict {
    /// All checks succeeded, and in each group with a key enough members confirm this log. No
    /// member then has a different log, as long as fewer than min_signers of them collude with the
    /// coordinator.
    Final,
    /// All checks succeeded, but too few members of some group confirm this log, or no group has a
    /// key. A different log may then exist.
    NotFinal,
    Failed,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ReplacementReport {
    /// The index of the entry with which it came into force.
    pub index: u64,
    /// The entries that count, which the votes follow.
    pub history: LogTree,
    /// The log's key before and after, as C2SP vkeys.
    pub log_keys: [String; 2],
    pub reason: String,
    /// Who voted for it, and the largest tree that each one's node cosigned and then abandoned.
    pub votes: BTreeMap<AccountName, Option<LogTree>>,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AccountReport {
    pub name: AccountName,
    pub roles: BTreeSet<Role>,
    pub keys: AccountKeys,
    /// The index of the entry that admitted it.
    pub admitted: u64,
    /// Whether its cosignatures count. They do not if its cosigner key is one with which anyone or
    /// no one can sign.
    pub cosigns: bool,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct GroupReport {
    pub name: GroupName,
    pub suite: Suite,
    pub min_signers: u16,
    pub approvals_required: u16,
    pub members: Vec<AccountName>,
    /// In hex, recomputed from the messages of the session that made it.
    pub verifying_key: Option<String>,
    pub epoch: Option<u64>,
    /// All sessions of the group, in log order.
    pub sessions: Vec<SessionReport>,
    /// In log order.
    pub changes: Vec<PastChange>,
    pub past_epochs: Vec<PastEpoch>,
    pub cosigned_by: Vec<AccountName>,
    /// How many cosignatures are needed: [`quorate_log::quorum`].
    pub cosignatures_for_final: usize,
    /// Each change of its members, of min_signers, or of a member's keys, and whether enough
    /// previous members confirm it.
    pub confirmations: Vec<ConfirmationReport>,
    /// Whether there are enough cosignatures, and all changes are confirmed.
    pub is_final: bool,
}

/// The confirmation of one change by the previous members ([`crate::state::Confirmation`]).
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ConfirmationReport {
    /// The epoch that began with it, or during which it happened.
    pub epoch: u64,
    /// The member that got its share back under new keys. `None` if an epoch began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<AccountName>,
    /// The index of the entry that brought the new shares into use.
    pub index: u64,
    /// The previous members that cosigned the checkpoint. Empty if an entry contains enough of
    /// their cosignatures.
    pub cosigned_by: Vec<AccountName>,
    pub needed: usize,
    /// Whether there are enough cosignatures, on the checkpoint or in an entry.
    pub confirmed: bool,
    /// Whether the verifier agreed on it: [`AuditReport::agree_up_to`].
    pub agreed: bool,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SessionReport {
    pub session: SessionId,
    /// The epoch that it was to begin. 1 is a key generation, all others are reshares. In a repair,
    /// the epoch of the lost share.
    pub epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
    /// 1 for the first.
    pub attempt: u32,
    /// The index of the entry that started it.
    pub started: u64,
    /// Participants whose certification contains the transcript and key that were recomputed from
    /// the messages.
    pub certified_by: Vec<AccountName>,
    pub outcome: SessionOutcome,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SessionOutcome {
    /// It has not ended.
    Running,
    /// All participants certified the key, and min_signers of them have signed with it. The
    /// transcript is recomputed from parameters and messages.
    Key { index: u64, transcript: Digest },
    /// The member certified that it has its lost share again.
    Repaired { index: u64, account: AccountName },
    /// The blame is recomputed from the session's messages.
    Aborted { index: u64, reason: AbortReason, blame: Vec<Blame> },
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ReusedNonces {
    /// The account whose node did so. Anyone with both entries can compute this member's share of
    /// the key.
    pub account: AccountName,
    pub first: u64,
    pub second: u64,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RequestReport {
    pub id: EntryId,
    pub index: u64,
    pub requester: AccountName,
    pub group: GroupName,
    /// The time of the request by the log.
    pub at: Timestamp,
    /// The statement in its entry.
    pub asked: Request,
    /// How many approvals its rule requires, or the group's key has required since, if that is
    /// more.
    pub approvals_required: u16,
    /// Whether the requester's approval counts.
    pub requester_may_approve: bool,
    /// At the log's own time.
    pub standing: RequestStage,
    /// Approvals that count.
    pub approvals: BTreeSet<AccountName>,
    /// Rejections that count.
    pub refusals: BTreeMap<AccountName, String>,
    /// All approvals and rejections in log order, including those that no longer count because
    /// their authors left or were suspended.
    pub decisions: Vec<DecisionReport>,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SignatureReport {
    pub index: u64,
    pub request: EntryId,
    pub request_index: u64,
    pub group: GroupName,
    /// The time in its entry, by the coordinator's clock.
    pub at: Timestamp,
    /// How many of how many members' shares make a signature, when this one was made.
    pub min_signers: u16,
    pub max_signers: usize,
    /// 64 bytes in hex.
    pub signature: String,
    /// Holders of the shares that made it. Each signed its commitments and its share.
    pub signers: Vec<AccountName>,
    /// Whether the signers' shares add up to the signature.
    pub sum: Check,
    /// Whether each share is its signer's share for this document.
    pub shares: Check,
    /// Whether the signature of the document verifies under the group's key.
    pub document: Check,
    /// Signers whose cosignatures are on the checkpoint. These confirm that the request was in this
    /// log.
    pub confirmed_by: Vec<AccountName>,
    /// Whether its entry came after the request had expired, by the entries' own times. Nodes sign
    /// by their own clocks, so a small delay is not a fault.
    pub late: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Check {
    Verified,
    Failed,
    NotChecked { why: NotChecked },
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CheckpointReport {
    pub size: u64,
    pub root: Hash,
    pub signed_by_log: bool,
    /// The accounts that cosigned it, and the times (seconds since 1970-01-01 UTC, by their
    /// clocks). Contains only cosignatures that verify and count.
    pub cosigned_by: BTreeMap<AccountName, u64>,
}
