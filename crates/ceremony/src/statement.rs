//! What can be stated in the log: one variant of [`Body`] for each kind of entry.
//!
//! All state is a fold over these ([`crate::state`]). Who may state what, and when, is decided there; this file only
//! says what each kind contains.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::encoding::Base64;
use crate::identity::{AccountKeys, PublicKey};
use crate::names::{AccountName, Digest, DocumentType, EntryId, GroupName, SessionId, Timestamp};
use crate::policy::Policy;
use crate::signing::SignedPart;
use quorate_protocol::Suite;

/// What an account may do. Roles add up.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Decides who is on the roster, with which roles, and defines groups. Can not sign by this role.
    Admin,
    /// Can be a member of signing groups.
    Member,
    /// Can submit documents where a policy lets it.
    Requester,
    /// Reads the log.
    Auditor,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Requester => "requester",
            Self::Auditor => "auditor",
        })
    }
}

/// The kinds of entries and their contents.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
pub enum Body {
    /// The first entry: founds the IVN. By its first admin; signed by the admin and by the coordinator.
    Genesis(Genesis),
    /// Lets the holder of a one-time key join, and nobody who was invited under the same name before. By an admin.
    Invitation(Invitation),
    /// Puts an account on the roster. By the account; signed with the invitation's key and its own.
    AccountAdmitted {
        /// The account's keys.
        keys: AccountKeys,
    },
    /// Replaces the author's own keys. By the account; signed with its present identity key and with the new one. It keeps
    /// its shares.
    KeysRotated {
        /// The new keys.
        keys: AccountKeys,
    },
    /// Stops an account from doing anything until it is resumed; its consents to what is undecided are void. By an admin.
    AccountSuspended {
        /// Whom.
        account: AccountName,
    },
    /// Ends a suspension. By an admin.
    AccountResumed {
        /// Whose.
        account: AccountName,
    },
    /// Takes an account off the roster, for ever: its name is not used again. By an admin.
    AccountRemoved {
        /// Whom.
        account: AccountName,
    },
    /// Changes what an account may do. By an admin.
    AccountRoles {
        /// Whom.
        account: AccountName,
        /// All that it may do from now on.
        roles: BTreeSet<Role>,
    },
    /// Announces that a node process of the author started: shares in memory of earlier processes are gone, and a
    /// cloned node shows as two processes that alternate. By the account.
    NodeStarted {
        /// Random; the author's ceremony messages name it until its next start.
        incarnation: Digest,
    },
    /// A process of the author's node finds that another one started after it, though it still runs: there are two copies
    /// of the node. Neither signs until one of them starts anew. By the account.
    NodeDuplicated {
        /// The process that says so.
        incarnation: Digest,
        /// The one that the log shows.
        other: Digest,
    },
    /// Defines a signing group. By an admin; in force when each member has accepted.
    GroupDefined(GroupDefinition),
    /// A member's consent to belong to a group as defined, or as proposed. By the member.
    GroupAccepted {
        /// Which group.
        group: GroupName,
        /// The entry of the definition, or of the proposed change: consent to one is none to a later one of the same
        /// name.
        definition: EntryId,
    },
    /// Proposes to change a group that has a key. By an admin, or by a member, whose consent it is where the policy says
    /// so. In force when enough members approved, all who join accepted, and the key was shared anew.
    GroupChange(GroupChange),
    /// Takes a proposed change back. By its author, or by an admin.
    GroupChangeWithdrawn {
        /// The change's entry.
        change: EntryId,
    },
    /// Opens a session in which a group's key is made, or shared anew. By the coordinator, which contributes a random
    /// session id and nothing else: all parameters come from the group's definition, or from the approved change.
    CeremonyStarted {
        /// Whose key.
        group: GroupName,
        /// The session.
        session: SessionId,
        /// 1 for the first attempt.
        attempt: u32,
    },
    /// One round's message of one participant ([`quorate_protocol::keyshare`], [`quorate_protocol::repair`]). By the
    /// participant.
    CeremonyMessage {
        /// The session.
        session: SessionId,
        /// The author's running process, see [`Body::NodeStarted`].
        incarnation: Digest,
        /// The message's canonical bytes.
        message: Base64,
    },
    /// A participant has its key package on disk and agrees with what this says. By the participant.
    CeremonyCertified {
        /// The session.
        session: SessionId,
        /// Hash of the parameters and of all messages.
        transcript: Digest,
        /// Hash of the public key package: verifying key, all verifying shares, min_signers.
        public_key_package: Digest,
    },
    /// Ends a session without a key. By the coordinator (for a reason that the log shows), or by an admin (cancelled).
    CeremonyAborted {
        /// The session.
        session: SessionId,
        /// Why.
        reason: AbortReason,
    },
    /// The new shares work: min_signers members signed the activation record with them. By the coordinator; the signature
    /// proves it.
    EpochStarted {
        /// The session that made the shares.
        session: SessionId,
        /// The group's signature (64 bytes) over the activation record.
        signature: Base64,
    },
    /// A majority of those who were a group's members before a change cosigned a log with that change
    /// ([`crate::state::Handover`]). By the coordinator; the cosignatures prove it.
    HandedOver {
        /// Whose members, min_signers, or members' keys changed.
        group: GroupName,
        /// The epoch that began with it, or in which it was.
        epoch: u64,
        /// A checkpoint of this log with their cosignatures (C2SP tlog-checkpoint, tlog-cosignature).
        checkpoint: String,
    },
    /// Asks a group to sign a document. By the requester, whose consent it is where the policy says so.
    Request(Request),
    /// The author's node destroyed its share of an earlier epoch. By who held one. It is the author's word: copies can
    /// not be proved to be gone.
    ShareDestroyed {
        /// Whose key.
        group: GroupName,
        /// Which of its sets of shares.
        epoch: u64,
    },
    /// The author's node can still use its share. By who holds one.
    ShareProved {
        /// Whose key.
        group: GroupName,
        /// Which of its sets of shares.
        epoch: u64,
        /// 64 bytes: that the author knows the discrete logarithm of its verifying share
        /// ([`quorate_protocol::keys::KeyPackage::prove`]), in the context of
        /// [`crate::state::possession_context`].
        proof: Base64,
    },
    /// A member's consent. By the member.
    Approval {
        /// The entry of the request, or of the proposed change of a group.
        request: EntryId,
    },
    /// A member's refusal. By the member.
    Refusal {
        /// The entry of the request, or of the proposed change of a group.
        request: EntryId,
        /// Why, in the member's words; 1 to 500 characters.
        reason: String,
    },
    /// The result, with who took part. By the coordinator; the signatures in it prove it.
    Signature {
        /// The request's entry.
        request: EntryId,
        /// The signing session.
        session: SessionId,
        /// The group's signature: 64 bytes.
        signature: Base64,
        /// Each signer's own signed messages.
        signers: Vec<SignerRecord>,
    },
}

impl Body {
    /// What kind of statement it is: its name in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::Invitation(_) => "invitation",
            Self::AccountAdmitted { .. } => "account-admitted",
            Self::KeysRotated { .. } => "keys-rotated",
            Self::AccountSuspended { .. } => "account-suspended",
            Self::AccountResumed { .. } => "account-resumed",
            Self::AccountRemoved { .. } => "account-removed",
            Self::AccountRoles { .. } => "account-roles",
            Self::NodeStarted { .. } => "node-started",
            Self::NodeDuplicated { .. } => "node-duplicated",
            Self::ShareProved { .. } => "share-proved",
            Self::GroupDefined(_) => "group-defined",
            Self::GroupAccepted { .. } => "group-accepted",
            Self::GroupChange(_) => "group-change",
            Self::GroupChangeWithdrawn { .. } => "group-change-withdrawn",
            Self::CeremonyStarted { .. } => "ceremony-started",
            Self::CeremonyMessage { .. } => "ceremony-message",
            Self::CeremonyCertified { .. } => "ceremony-certified",
            Self::CeremonyAborted { .. } => "ceremony-aborted",
            Self::EpochStarted { .. } => "epoch-started",
            Self::HandedOver { .. } => "handed-over",
            Self::ShareDestroyed { .. } => "share-destroyed",
            Self::Request(_) => "request",
            Self::Approval { .. } => "approval",
            Self::Refusal { .. } => "refusal",
            Self::Signature { .. } => "signature",
        }
    }

    /// Whether it is of use only while the process that made it runs: another one does not say it again.
    pub fn is_of_one_process(&self) -> bool {
        matches!(self, Self::NodeStarted { .. } | Self::CeremonyMessage { .. })
    }
}

/// The founding statement.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// First part of the log's origin, `<deployment>/ivn/<ivn id>`: a host name or another schema-less URL.
    pub deployment: String,
    /// What people call this IVN.
    pub name: String,
    /// The first admin's keys; its name is the statement's author.
    pub admin: AccountKeys,
    /// The first admin's roles.
    pub roles: BTreeSet<Role>,
    /// Signs checkpoints.
    pub log_key: PublicKey,
    /// Signs the coordinator's own entries.
    pub coordinator_key: PublicKey,
    /// SHA-256 of the DER of the IVN's CA certificate.
    pub ca: Digest,
    /// Random, so that no two IVNs have one id.
    pub nonce: Digest,
}

/// An invitation.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The name of the account to be.
    pub name: AccountName,
    /// Its roles.
    pub roles: BTreeSet<Role>,
    /// The public half of a one-time key, whose private half is in the join URL; [`PublicKey::NOBODYS`] where an earlier
    /// invitation is only taken back.
    pub key: PublicKey,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// Of an account that is on the roster and has lost its keys: the identity key that it has. Who accepts gives it
    /// others, and the roles are those that it has. It holds no shares then, and has no say in its groups, until their
    /// members give it one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<PublicKey>,
}

impl Invitation {
    /// Whether it lets nobody in: it takes the place of one that is withdrawn.
    pub fn is_withdrawal(&self) -> bool {
        self.key == PublicKey::NOBODYS
    }
}

/// A group's definition.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupDefinition {
    /// Its name, unique within the IVN.
    pub name: GroupName,
    /// Protocol × curve × hash.
    pub suite: Suite,
    /// How many members it takes to sign: enforced by the mathematics.
    pub min_signers: u16,
    /// The members. Of a group without a key, the first has identifier 1, and so on; with a key, each keeps the identifier
    /// that it has.
    pub members: Vec<AccountName>,
    /// Which documents it signs. Empty: those without a type.
    pub document_types: BTreeSet<DocumentType>,
    /// What a request needs: enforced by every member's node.
    pub policy: Policy,
}

/// A proposed change of a group.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupChange {
    /// The epoch that the group is in: a change is of no use after another one.
    pub epoch: u64,
    /// The whole group as it is to be. Its name and its suite stay.
    pub definition: GroupDefinition,
    /// Until when it can be decided, and its carrying out begun.
    pub expires_at: Timestamp,
    /// A member that lost its share and is to get it back. Nothing else changes then: the definition is the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
}

/// A request.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who shall sign.
    pub group: GroupName,
    /// What kind of document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_type: Option<DocumentType>,
    /// The output format, such as `ssh`: which bytes are signed for a document. Opaque here.
    pub format: String,
    /// The format's namespace, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Salted commitment to the document.
    pub document: Digest,
    /// The policy that the requester saw ([`Policy::hash`]): a later change never loosens this request.
    pub policy: Digest,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// Why a session ended without a key.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AbortReason {
    /// The coordinator's deadline passed; these had not posted. They are not accused of anything.
    TimedOut {
        /// Whose message was missing: exactly those whose message the log does not show.
        missing: BTreeSet<AccountName>,
    },
    /// These participants' node restarted with their part in memory.
    Restarted {
        /// Whose process changed.
        nodes: BTreeSet<AccountName>,
    },
    /// These participants provably broke the protocol: the log shows how.
    Fault {
        /// Who.
        culprits: BTreeSet<AccountName>,
    },
    /// The certifications differ: someone saw another transcript. It does not tell who is to blame.
    Dissent {
        /// Who certified something else than the log's own transcript.
        dissenters: BTreeSet<AccountName>,
    },
    /// This account, which took part, was suspended, removed, or given other keys. Nobody states that: it follows.
    RosterChanged {
        /// Whose.
        account: AccountName,
    },
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

/// One signer's part in a finished signature, in its own signed words.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignerRecord {
    /// Who.
    pub account: AccountName,
    /// Its signed commitments.
    pub commitments: SignedPart,
    /// Its signed share.
    pub share: SignedPart,
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
