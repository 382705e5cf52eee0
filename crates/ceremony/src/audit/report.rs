//! What an audit found: the report, which says no more than was checked.

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::Hash;
use quorate_protocol::Suite;
use serde::{Deserialize, Serialize};

use super::blame::Blame;
use super::fault::Fault;
use crate::document::NotChecked;
use crate::entry::{AbortReason, Role};
use crate::identity::AccountKeys;
use crate::names::{AccountName, Digest, EntryId, GroupName, IvnId, SessionId, Timestamp};
use crate::state::{PastChange, PastEpoch, Refused};

/// What is true of a log.
///
/// Everything in it was recomputed from the entries. If there are [`faults`](Self::faults), the
/// rest says how far the audit came: state is that before the first inadmissible entry.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// All in all.
    pub verdict: Verdict,
    /// Everything that does not hold, in the order in which it was found.
    pub faults: Vec<Fault>,
    /// The IVN: the hash of its genesis.
    pub ivn: IvnId,
    /// What people call it. Any text: the admin chose it.
    pub name: String,
    /// The log's origin.
    pub origin: String,
    /// The log's key as a C2SP vkey, from the genesis.
    pub log_key: String,
    /// Whether the caller knew the IVN's id or the log's key beforehand. If not, this may be a
    /// genuine log of somebody else: compare `ivn` with an id that came another way.
    pub anchored: bool,
    /// How many entries the log has.
    pub size: u64,
    /// The root of their Merkle tree, recomputed.
    pub root: Hash,
    /// The latest time that any entry claims.
    pub time: Timestamp,
    /// How many entries there are of each kind, as [`Body`](crate::entry::Body) names it in
    /// JSON.
    pub kinds: BTreeMap<&'static str, u64>,
    /// The roster.
    pub accounts: Vec<AccountReport>,
    /// The groups, with their keys.
    pub groups: Vec<GroupReport>,
    /// The requests, in log order.
    pub requests: Vec<RequestReport>,
    /// The signatures, in log order.
    pub signatures: Vec<SignatureReport>,
    /// Whose nonces made more than one signature. No fault of the log, and it takes no signature
    /// back; but these members' shares of the key are as good as public.
    pub reused_nonces: Vec<ReusedNonces>,
    /// Who cosigned the checkpoint.
    pub checkpoint: CheckpointReport,
}

/// The outcome of an audit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that was checked holds, and of each group with a key so many members confirm this log
    /// that nobody else can be shown another one, as long as fewer than min_signers of them collude
    /// with the coordinator.
    Final,
    /// All that was checked holds, but too few members of some group confirm this log, or no group
    /// has a key: somebody else may be shown another log.
    NotFinal,
    /// Something does not hold.
    Failed,
}

/// An account on the roster.
#[derive(Clone, Debug, Serialize)]
pub struct AccountReport {
    /// Its name.
    pub name: AccountName,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Its keys.
    pub keys: AccountKeys,
    /// Index of the entry that admitted it.
    pub admitted: u64,
    /// Whether its cosignatures count: not if its cosigner key is one with which anybody or nobody
    /// can sign.
    pub cosigns: bool,
}

/// A group.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// Its name.
    pub name: GroupName,
    /// The suite of its key.
    pub suite: Suite,
    /// How many members it takes to sign.
    pub min_signers: u16,
    /// How many members' consents a request needs.
    pub approvals_required: u16,
    /// The members.
    pub members: Vec<AccountName>,
    /// Its key in hex, recomputed from the messages of the session that made it.
    pub verifying_key: Option<String>,
    /// Which set of shares is in force, if there is a key.
    pub epoch: Option<u64>,
    /// The sessions that made its key and made new shares of it, or failed to, in log order.
    pub sessions: Vec<SessionReport>,
    /// Its changes, in log order.
    pub changes: Vec<PastChange>,
    /// The sets of shares that were in force before, oldest first.
    pub past_epochs: Vec<PastEpoch>,
    /// Which members' cosignatures are on the checkpoint.
    pub cosigned_by: Vec<AccountName>,
    /// How many are needed: [`quorate_log::quorum`].
    pub cosignatures_for_final: usize,
    /// The confirmations of its changes by the previous members.
    pub confirmations: Vec<ConfirmationReport>,
    /// Whether there are enough cosignatures, and all changes are confirmed.
    pub is_final: bool,
}

/// The confirmation of one change by the previous members ([`crate::state::Confirmation`]).
#[derive(Clone, Debug, Serialize)]
pub struct ConfirmationReport {
    /// The epoch that began with the change, or in which the repair took place.
    pub epoch: u64,
    /// The member with new keys whose share was repaired, if the change was a repair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<AccountName>,
    /// Index of the entry with which it came into force.
    pub index: u64,
    /// The previous members that cosigned the checkpoint; empty if the log contains the confirmation.
    pub cosigned_by: Vec<AccountName>,
    /// How many are needed.
    pub needed: usize,
    /// Whether there are enough, on the checkpoint or in an entry.
    pub confirmed: bool,
    /// Whether it is not in question, enough or not: [`AuditReport::agree_up_to`].
    pub agreed: bool,
}

/// A session of a key generation or of a reshare.
#[derive(Clone, Debug, Serialize)]
pub struct SessionReport {
    /// Its id.
    pub session: SessionId,
    /// The number of the set of shares that it was to make; 1 is a key generation, all others are
    /// reshares. In a repair, the set of the share that was lost.
    pub epoch: u64,
    /// Whose lost share it is to make again, in a repair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
    /// 1 for the first.
    pub attempt: u32,
    /// Index of the entry that started it.
    pub started: u64,
    /// Who certified it, and with the transcript and key that were recomputed from the messages.
    pub certified_by: Vec<AccountName>,
    /// How it ended.
    pub outcome: SessionOutcome,
}

/// How a session ended.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SessionOutcome {
    /// Not yet.
    Running,
    /// With a key that all participants certified and min_signers of them have signed with. The
    /// transcript is recomputed from parameters and messages.
    Key { index: u64, transcript: Digest },
    /// A member has a lost share back, and certified that.
    Repaired { index: u64, account: AccountName },
    /// Without a key. The blame is recomputed from the session's messages.
    Aborted { index: u64, reason: AbortReason, blame: Vec<Blame> },
}

/// One pair of nonces behind two signatures.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ReusedNonces {
    /// The account whose node did so. Anyone who has both entries can compute this member's share
    /// of the key.
    pub account: AccountName,
    /// Index of the earlier signature's entry.
    pub first: u64,
    /// Index of the later one's.
    pub second: u64,
}

/// A request.
#[derive(Clone, Debug, Serialize)]
pub struct RequestReport {
    /// Its id.
    pub id: EntryId,
    /// Index of its entry.
    pub index: u64,
    /// Who asks.
    pub requester: AccountName,
    /// Of whom.
    pub group: GroupName,
    /// Where it stands.
    pub standing: Standing,
    /// Who consented.
    pub approvals: BTreeSet<AccountName>,
    /// Who refused, and why.
    pub refusals: BTreeMap<AccountName, String>,
}

/// Where a request stands at the log's own time.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Standing {
    /// Refused by rule.
    Refused { refused: Refused },
    /// Waits for consents.
    Open,
    /// Has its consents, waits for the signature.
    Approved,
    /// Cannot get its consents any more.
    Rejected,
    /// Was not decided in time.
    Lapsed,
    /// Signed.
    Signed,
}

/// A signature.
#[derive(Clone, Debug, Serialize)]
pub struct SignatureReport {
    /// Index of its entry.
    pub index: u64,
    /// What was asked.
    pub request: EntryId,
    /// Index of that entry.
    pub request_index: u64,
    /// Whose key.
    pub group: GroupName,
    /// The signature, 64 bytes in hex.
    pub signature: String,
    /// Whose shares made it; each signed its commitments and its share.
    pub signers: Vec<AccountName>,
    /// Whether the signers' shares add up to the signature.
    pub sum: Check,
    /// Whether each share is that signer's, for this document.
    pub shares: Check,
    /// Whether the signature is one of the document under the group's key.
    pub document: Check,
    /// Which signers' cosignatures are on the checkpoint: they confirm that the request was in this
    /// log.
    pub confirmed_by: Vec<AccountName>,
    /// Whether its entry came after the request had lapsed, by the entries' own times. Nodes sign
    /// by their clocks, so a moment is no fault.
    pub late: bool,
}

/// Whether something was checked, and holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Check {
    /// It holds.
    Verified,
    /// It does not hold.
    Failed,
    /// It was not checked.
    NotChecked { why: NotChecked },
}

/// The checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct CheckpointReport {
    /// The size that it states.
    pub size: u64,
    /// The root that it states.
    pub root: Hash,
    /// Whether the log's key signed it.
    pub signed_by_log: bool,
    /// Which accounts cosigned it, and when (seconds since 1970-01-01 UTC, by their clocks). Only
    /// cosignatures that verify and count.
    pub cosigned_by: BTreeMap<AccountName, u64>,
}
