//! The statements in the log: one variant of [`Body`] for each kind of entry, and one row for it in
//! [`Body::class`].
//!
//! The state is a fold over entries ([`crate::state`]), which decides when each is admissible.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::abort::AbortReason;
use super::account::{Genesis, Invitation, Role};
use super::group::{GroupChange, GroupDefinition};
use super::replacement::{LogTree, Replacement};
use super::request::{Request, SignerRecord};
use crate::encoding::Base64;
use crate::identity::AccountKeys;
use crate::names::{AccountName, Digest, EntryId, GroupName, SessionId};

/// The kinds of entries and their contents. Each comment names the author.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub enum Body {
    /// The first admin founds the IVN with the first entry. The coordinator signs it too.
    Genesis(Genesis),
    /// An admin permits the holder of a one-time key to join. This replaces earlier invitations of
    /// the same name.
    Invitation(Invitation),
    /// An account joins the roster. Signed with the invitation's key and with its own.
    AccountAdmitted { keys: AccountKeys },
    /// An account replaces its own keys and keeps its shares. Signed with its present identity key
    /// and with the new one.
    KeysRotated { keys: AccountKeys },
    /// An admin suspends an account. Its votes on undecided requests and changes are void.
    AccountSuspended { account: AccountName },
    /// An admin ends a suspension.
    AccountResumed { account: AccountName },
    /// An admin removes an account permanently. Its name cannot be used again.
    AccountRemoved { account: AccountName },
    /// An admin replaces all roles of an account.
    AccountRoles { account: AccountName, roles: BTreeSet<Role> },
    /// An admin announces the address, `host:port`, at which members find the coordinator from now
    /// on. Nodes that receive this dial there.
    HubMoved { hub: String },
    /// An account announces that a process of its node started. The secrets in memory of earlier
    /// processes are lost, and the log shows a cloned node as two processes that alternate. The
    /// process's ceremony messages contain its random `incarnation`.
    NodeStarted { incarnation: Digest },
    /// An account states that another process of its node started while this one runs, so there are
    /// two copies. Neither signs until one of them restarts.
    NodeDuplicated { incarnation: Digest, other: Digest },
    /// An admin defines a group, which is in force when each member has accepted.
    GroupDefined(GroupDefinition),
    /// A member accepts membership of a group as defined, or as proposed by a change. This does not
    /// accept a later definition or change of the same name.
    GroupAccepted { group: GroupName, definition: EntryId },
    /// An admin or a member proposes to change a group that has a key. It counts as a member's
    /// approval if the policy permits that. The change is in force once enough members have
    /// approved, all joiners have accepted, and the members hold new shares. The retirement of the
    /// group is in force once enough members have approved.
    GroupChange(GroupChange),
    /// Its author or an admin withdraws a proposed change.
    GroupChangeWithdrawn { change: EntryId },
    /// The coordinator starts a session that makes a group's key, new shares, or a lost share
    /// again. Attempts count from one. The coordinator chooses only a random session id: all
    /// parameters follow from the group's definition or the approved change.
    CeremonyStarted { group: GroupName, session: SessionId, attempt: u32 },
    /// One round's message of one participant, in its canonical bytes
    /// ([`quorate_protocol::keyshare`], [`quorate_protocol::repair`]). By the participant, whose
    /// running process is the `incarnation` of [`Body::NodeStarted`].
    CeremonyMessage { session: SessionId, incarnation: Digest, message: Base64 },
    /// A participant has its key package on disk and certifies two hashes: of the parameters and
    /// all messages, and of the public key package with the verifying key, all verifying shares and
    /// min_signers.
    CeremonyCertified { session: SessionId, transcript: Digest, public_key_package: Digest },
    /// The coordinator aborts a session for a reason that the log shows, or an admin cancels it.
    CeremonyAborted { session: SessionId, reason: AbortReason },
    /// The coordinator starts an epoch. The group's signature (64 bytes) over the activation record
    /// proves that min_signers members can sign with the new shares.
    EpochStarted { session: SessionId, signature: Base64 },
    /// The coordinator proves that a majority of a group's previous members cosigned a log with a
    /// change ([`crate::state::Confirmation`]).
    ChangeConfirmed {
        group: GroupName,
        /// The epoch that began with the change, or during which it happened.
        epoch: u64,
        /// A checkpoint of this log with their cosignatures (C2SP tlog-checkpoint,
        /// tlog-cosignature).
        checkpoint: String,
    },
    /// A member of a group, or an account with the requester role, asks the group to sign a
    /// document. It counts as a member's approval if the policy permits that.
    Request(Request),
    /// The requester withdraws its own request, which is not signed yet.
    RequestWithdrawn { request: EntryId },
    /// A holder states that its node destroyed its share of an earlier epoch. The destruction of
    /// all copies cannot be proved.
    ShareDestroyed { group: GroupName, epoch: u64 },
    /// A holder proves that its node can still use its share.
    ShareProved {
        group: GroupName,
        epoch: u64,
        /// 64 bytes: that the author knows the discrete logarithm of its verifying share
        /// ([`quorate_protocol::keys::KeyPackage::prove`]), in the context of
        /// [`crate::state::possession_context`].
        proof: Base64,
    },
    /// A member approves a request or a proposed change.
    Approval { request: EntryId },
    /// A member rejects a request or a proposed change, with a reason of 1 to 500 characters. A
    /// member that approved a request can still reject it until the log contains the signature;
    /// that voids its approval.
    Refusal { request: EntryId, reason: String },
    /// The coordinator logs a signature (64 bytes), with each signer's own signed messages as
    /// proof.
    Signature {
        request: EntryId,
        session: SessionId,
        signature: Base64,
        signers: Vec<SignerRecord>,
    },
    /// A member votes for a replacement of the coordinator: which history of the log counts, and
    /// with which keys it goes on. In force as soon as more than half of the members have voted for
    /// it, in entries that follow the history and each other directly.
    CoordinatorReplaced {
        replacement: Replacement,
        /// The largest tree that the author's node cosigned, if it is not part of the history that
        /// counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        abandoned: Option<LogTree>,
    },
}

/// The properties of all statements of one kind, in every state of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Class {
    /// The kind's name in JSON.
    pub kind: &'static str,
    pub author: Authors,
    pub cost: Cost,
    /// Whether a later entry can undo its effect. Its id is then remembered, so that the
    /// coordinator cannot restore the effect by repeating the entry.
    pub reversible: bool,
    /// Whether it has a meaning only while the process that made it runs. A later process does not
    /// state it again.
    pub of_one_process: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Authors {
    /// The first admin, in the first entry.
    Founder,
    Account,
    /// The coordinator. Anyone can check such a statement without trusting it.
    Coordinator,
    Either,
}

/// Whether a statement costs some of the quota that the coordinator gives each account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cost {
    /// No: the rules of the log limit how many there can be.
    Free,
    /// Yes: nothing in the log limits how many there can be.
    Metered,
}

impl Class {
    const fn of(kind: &'static str, author: Authors, cost: Cost) -> Self {
        Self { kind, author, cost, reversible: false, of_one_process: false }
    }

    const fn reversible(self) -> Self {
        Self { reversible: true, ..self }
    }

    const fn of_one_process(self) -> Self {
        Self { of_one_process: true, ..self }
    }
}

#[expect(missing_docs, reason = "the names say it")]
impl Body {
    pub fn class(&self) -> Class {
        use Authors::{Account, Coordinator, Either, Founder};
        use Cost::{Free, Metered};
        match self {
            Self::Genesis(_) => Class::of("genesis", Founder, Free),
            Self::Invitation(_) => Class::of("invitation", Account, Metered).reversible(),
            Self::AccountAdmitted { .. } => Class::of("account-admitted", Account, Free),
            Self::KeysRotated { .. } => Class::of("keys-rotated", Account, Metered),
            Self::AccountSuspended { .. } => {
                Class::of("account-suspended", Account, Metered).reversible()
            }
            Self::AccountResumed { .. } => {
                Class::of("account-resumed", Account, Metered).reversible()
            }
            Self::AccountRemoved { .. } => Class::of("account-removed", Account, Free).reversible(),
            Self::AccountRoles { .. } => Class::of("account-roles", Account, Metered).reversible(),
            Self::HubMoved { .. } => Class::of("hub-moved", Account, Metered).reversible(),
            Self::NodeStarted { .. } => {
                Class::of("node-started", Account, Metered).reversible().of_one_process()
            }
            Self::NodeDuplicated { .. } => Class::of("node-duplicated", Account, Metered),
            Self::GroupDefined(_) => Class::of("group-defined", Account, Metered).reversible(),
            Self::GroupAccepted { .. } => Class::of("group-accepted", Account, Free).reversible(),
            Self::GroupChange(_) => Class::of("group-change", Account, Metered),
            Self::GroupChangeWithdrawn { .. } => Class::of("group-change-withdrawn", Account, Free),
            Self::CeremonyStarted { .. } => Class::of("ceremony-started", Coordinator, Free),
            Self::CeremonyMessage { .. } => {
                Class::of("ceremony-message", Account, Free).of_one_process()
            }
            Self::CeremonyCertified { .. } => Class::of("ceremony-certified", Account, Free),
            Self::CeremonyAborted { .. } => Class::of("ceremony-aborted", Either, Free),
            Self::EpochStarted { .. } => Class::of("epoch-started", Coordinator, Free),
            Self::ChangeConfirmed { .. } => Class::of("change-confirmed", Coordinator, Free),
            Self::ShareDestroyed { .. } => Class::of("share-destroyed", Account, Free),
            Self::ShareProved { .. } => Class::of("share-proved", Account, Metered),
            Self::Request(_) => Class::of("request", Account, Metered),
            Self::RequestWithdrawn { .. } => Class::of("request-withdrawn", Account, Free),
            Self::Approval { .. } => Class::of("approval", Account, Metered).reversible(),
            Self::Refusal { .. } => Class::of("refusal", Account, Metered).reversible(),
            Self::Signature { .. } => Class::of("signature", Coordinator, Free),
            Self::CoordinatorReplaced { .. } => Class::of("coordinator-replaced", Account, Metered),
        }
    }

    pub fn kind(&self) -> &'static str {
        self.class().kind
    }
}
