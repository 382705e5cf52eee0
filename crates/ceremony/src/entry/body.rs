//! What can be stated in the log: one variant of [`Body`] for each kind of entry, and one row for it in
//! [`Body::class`].
//!
//! All state is a fold over these ([`crate::state`]), which decides when each is admissible.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::abort::AbortReason;
use super::account::{Genesis, Invitation, Role};
use super::group::{GroupChange, GroupDefinition};
use super::request::{Request, SignerRecord};
use crate::encoding::Base64;
use crate::identity::AccountKeys;
use crate::names::{AccountName, Digest, EntryId, GroupName, SessionId};

/// The kinds of entries and their contents.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub enum Body {
    /// The first entry: founds the IVN. By its first admin; signed by the admin and by the
    /// coordinator.
    Genesis(Genesis),
    /// Lets the holder of a one-time key join, and nobody who was invited under the same name
    /// before. By an admin.
    Invitation(Invitation),
    /// Puts an account on the roster. By the account; signed with the invitation's key and its own.
    AccountAdmitted { keys: AccountKeys },
    /// Replaces the author's own keys. By the account; signed with its present identity key and
    /// with the new one. The account keeps its shares.
    KeysRotated { keys: AccountKeys },
    /// Stops an account from doing anything until it is resumed; its consents to what is undecided
    /// are void. By an admin.
    AccountSuspended { account: AccountName },
    /// Ends a suspension. By an admin.
    AccountResumed { account: AccountName },
    /// Takes an account off the roster permanently: its name is not used again. By an admin.
    AccountRemoved { account: AccountName },
    /// Replaces all roles of an account. By an admin.
    AccountRoles { account: AccountName, roles: BTreeSet<Role> },
    /// Announces that a node process of the author started: shares in memory of earlier processes
    /// are gone, and a cloned node shows as two processes that alternate. By the account. Its
    /// ceremony messages name the random `incarnation` until the next start.
    NodeStarted { incarnation: Digest },
    /// A process of the author's node finds that another one, which the log shows, started after
    /// it, though it still runs: there are two copies of the node. Neither signs until one of them
    /// starts again. By the account.
    NodeDuplicated { incarnation: Digest, other: Digest },
    /// Defines a signing group. By an admin; in force when each member has accepted.
    GroupDefined(GroupDefinition),
    /// A member's consent to belong to a group as defined, or as proposed. By the member. Consent
    /// to the entry of one definition or change is no consent to a later one of the same name.
    GroupAccepted { group: GroupName, definition: EntryId },
    /// Proposes to change a group that has a key. By an admin, or by a member, whose consent it is
    /// where the policy says so. In force when enough members approved, all who join accepted, and
    /// the key was shared again.
    GroupChange(GroupChange),
    /// Withdraws a proposed change. By its author, or by an admin.
    GroupChangeWithdrawn { change: EntryId },
    /// Opens a session in which a group's key is made or shared again; attempts count from one. By
    /// the coordinator, which contributes a random session id and nothing else: all parameters come
    /// from the group's definition, or from the approved change.
    CeremonyStarted { group: GroupName, session: SessionId, attempt: u32 },
    /// One round's message of one participant, in its canonical bytes
    /// ([`quorate_protocol::keyshare`], [`quorate_protocol::repair`]). By the participant, whose
    /// running process is the `incarnation` of [`Body::NodeStarted`].
    CeremonyMessage { session: SessionId, incarnation: Digest, message: Base64 },
    /// A participant has its key package on disk and agrees with two hashes: of the parameters and
    /// all messages; and of the public key package, which contains the verifying key, all verifying
    /// shares and min_signers. By the participant.
    CeremonyCertified { session: SessionId, transcript: Digest, public_key_package: Digest },
    /// Ends a session without a key. By the coordinator (for a reason that the log shows), or by an
    /// admin (cancelled).
    CeremonyAborted { session: SessionId, reason: AbortReason },
    /// The new shares of a session work: min_signers members signed the activation record with
    /// them. By the coordinator; the group's signature (64 bytes) proves it.
    EpochStarted { session: SessionId, signature: Base64 },
    /// A majority of a group's previous members cosigned a log with its change
    /// ([`crate::state::Confirmation`]). By the coordinator; the cosignatures prove it.
    ChangeConfirmed {
        group: GroupName,
        /// The epoch that began with the change, or in which the repair took place.
        epoch: u64,
        /// A checkpoint of this log with their cosignatures (C2SP tlog-checkpoint, tlog-cosignature).
        checkpoint: String,
    },
    /// Asks a group to sign a document. By the requester, whose consent it is where the policy says
    /// so.
    Request(Request),
    /// The author's node destroyed its share of an earlier epoch. By the account that held it, whose
    /// word it is: nobody can prove that no copy is left.
    ShareDestroyed { group: GroupName, epoch: u64 },
    /// The author's node can still use its share. By an account that holds one.
    ShareProved {
        group: GroupName,
        epoch: u64,
        /// 64 bytes: that the author knows the discrete logarithm of its verifying share
        /// ([`quorate_protocol::keys::KeyPackage::prove`]), in the context of
        /// [`crate::state::possession_context`].
        proof: Base64,
    },
    /// A member's consent to a request or to a proposed change of a group. By the member.
    Approval { request: EntryId },
    /// A member's refusal of either, with a reason of 1 to 500 characters. By the member.
    Refusal { request: EntryId, reason: String },
    /// The result, 64 bytes, with each signer's own signed messages. By the coordinator; the
    /// signatures in it prove it.
    Signature {
        request: EntryId,
        session: SessionId,
        signature: Base64,
        signers: Vec<SignerRecord>,
    },
}

/// What is true of all statements of one kind, in all states of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Class {
    /// The kind's name in JSON.
    pub kind: &'static str,
    /// Who may state it.
    pub author: Authors,
    /// What it costs its author.
    pub cost: Cost,
    /// Whether a later entry can undo its effect. Its id is then remembered, so that the coordinator
    /// cannot restore the effect by repeating the entry.
    pub reversible: bool,
    /// Whether it is useful only while the process that made it runs; a later process does not state it
    /// again.
    pub of_one_process: bool,
}

/// Who may make a kind of statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authors {
    /// The first admin, in the first entry.
    Founder,
    /// An account on the roster, or one that joins it.
    Account,
    /// The coordinator. Anyone can check such a statement without trusting it.
    Coordinator,
    /// An account or the coordinator.
    Either,
}

/// Whether a statement takes some of the quota that the coordinator gives each account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cost {
    /// It does not: the rules of the log bound how many there can be.
    Free,
    /// It does: nothing in the log bounds how many there can be.
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

impl Body {
    /// What is true of all statements of this kind.
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
            Self::Approval { .. } => Class::of("approval", Account, Free).reversible(),
            Self::Refusal { .. } => Class::of("refusal", Account, Free).reversible(),
            Self::Signature { .. } => Class::of("signature", Coordinator, Free),
        }
    }

    /// The kind of statement: its name in JSON.
    pub fn kind(&self) -> &'static str {
        self.class().kind
    }
}
