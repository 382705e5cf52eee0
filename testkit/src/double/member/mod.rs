//! Malicious members: a double is an account's real node whose messages are altered, with hands of its own.
//!
//! A double is a legitimate member. It holds its account's identity key, and its share where there is one, so what it
//! sends is properly signed, by it. It does not hold the coordinator's keys: what takes a forked log is the malicious
//! coordinator's. Since every message of key generation is an entry of one log, "to some members only" is not in a
//! member's power: each attack is the strongest form that is left.

mod generation;
mod participant;
mod repair_lies;
mod repair_rounds;
mod repairer;
mod repairing;
mod resharing;
mod rounds;
mod sealing;
mod signing;
mod statements;

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::effect::{NodeChange, NodeEffect};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry, Statement};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, Digest, SessionId, Timestamp};
use quorate_ceremony::state::IvnState;
use quorate_ceremony::statement::Body;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;

use generation::Generation;
pub use repairing::RepairMischief;
use repairing::Repairing;
pub use resharing::ReshareMischief;
use resharing::Resharing;
use signing::Signing;

/// How long a message may take to show in the log before it is sent again, in milliseconds.
const PATIENCE: u64 = 500;

/// How a member breaks the rules of key generation and signing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mischief {
    /// Key generation: none. The double's own code takes part by the book, so that it is not by accident that the
    /// others fail.
    ByTheBook,
    /// Its first message is no message.
    GarbageCommit,
    /// Its polynomial has one coefficient more than was agreed on; all else about it is right.
    HigherDegree,
    /// Its polynomial has one coefficient less: its sub-shares would be right for too few signers.
    LowerDegree,
    /// It reveals another dealing than the one whose hash it published; consistent in itself.
    OtherDealing,
    /// It does not prove that it knows its constant term.
    WrongProof,
    /// It publishes another's hash as its own, and then that one's dealing and proof.
    CopiedCommitment,
    /// It lets a session fail after everybody revealed, and in the next deals what another dealt there, with that
    /// one's proof; by then it can commit to it.
    ReplayedProof,
    /// It reveals last, and a constant term that cancels the others', so that the key would be its own.
    RogueKey,
    /// One member's sub-share is not on its polynomial.
    WrongSubShareToOne,
    /// Nobody's sub-share is on its polynomial.
    WrongSubShareToAll,
    /// One member's sub-share can not be decrypted.
    SealedGarbage,
    /// It complains about a right sub-share, and opens it as a complaint does.
    FalseComplaint,
    /// It complains with a shared point that it did not prove: opened with it, the sub-share looks wrong.
    ForgedComplaint,
    /// It publishes two commitments. To different members it can not: there is one log.
    TwoCommits,
    /// It reveals twice, with different sub-shares.
    TwoReveals,
    /// It says nothing in round 1.
    SilentInCommit,
    /// It says nothing in round 2: it has seen nothing, and may know the key first.
    SilentInReveal,
    /// It says nothing in round 3, when it knows the key that would be.
    SilentInVerdict,
    /// It reveals as if the log had shown it other commitments, so that nothing in its message can be held against it.
    OtherView,
    /// Its messages are those of the session before: a stale epoch's.
    LastSessionsMessages,
    /// Its messages name an earlier process of its node.
    EarlierProcess,
    /// It announces a restart in the middle of each session.
    RestartForEver,
    /// It never certifies the key, though it has its share.
    WithholdCertification,
    /// It certifies another key than the messages come to.
    CertifyAnotherKey,
    /// It certifies the key, and then another one. "To some only" is this: everybody sees both.
    CertifyTwice,
    /// It certifies when the session was given up.
    CertifyLate,

    /// Signing: it sends no commitments when it was chosen.
    Silence,
    /// It sends commitments, and then no signature share.
    Stall,
    /// It takes no part in any session, and says so.
    Decline,
    /// It drops its connection whenever it is chosen, and dials again.
    HangUp,
    /// It sends wrong signature shares.
    Garbage,
    /// It sends signature shares that are no scalars.
    NoScalar,
    /// It sends signature shares that another key than its own signed.
    SignedByNobody,
    /// It sends good signature shares of another message.
    ShareOfOtherMessage,
    /// It sends the signature share that it made in the session before, where it kept it.
    ShareOfOtherSession,
    /// It sends each signature share three times, and all earlier ones again.
    ReplayedShares,
    /// It announces the commitments that it announced in the session before, in the same envelope.
    ReplayedCommitments,
    /// It uses one pair of nonces in all sessions, in good shares: it gives its own share of the key away.
    ReusedCommitments,
    /// It announces two pairs of commitments in one session.
    TwoCommitments,
    /// It signs with the share that it got in a session that did not make the group's key: a stale epoch's.
    StaleShare,

    /// Statements: it approves in others' names, signed with its own key.
    ForgedApproval,
    /// It takes the others' approvals of one request, and says them of another one.
    MovedApproval,
    /// It refuses in others' names.
    ForgedRefusal,
    /// It approves requests that there are not.
    ApprovalOfNothing,
    /// It sends messages of sessions that there are not, or that it was not asked to join.
    UnknownSessions,
    /// It sends entries and frames that are longer than they can be.
    Oversized,
    /// It sends as much as it can of everything that is allowed, and of garbage.
    Flood,
}

impl Mischief {
    /// All there is.
    pub const ALL: [Self; 48] = [
        Self::ByTheBook,
        Self::GarbageCommit,
        Self::HigherDegree,
        Self::LowerDegree,
        Self::OtherDealing,
        Self::WrongProof,
        Self::CopiedCommitment,
        Self::ReplayedProof,
        Self::RogueKey,
        Self::WrongSubShareToOne,
        Self::WrongSubShareToAll,
        Self::SealedGarbage,
        Self::FalseComplaint,
        Self::ForgedComplaint,
        Self::TwoCommits,
        Self::TwoReveals,
        Self::SilentInCommit,
        Self::SilentInReveal,
        Self::SilentInVerdict,
        Self::OtherView,
        Self::LastSessionsMessages,
        Self::EarlierProcess,
        Self::RestartForEver,
        Self::WithholdCertification,
        Self::CertifyAnotherKey,
        Self::CertifyTwice,
        Self::CertifyLate,
        Self::Silence,
        Self::Stall,
        Self::Decline,
        Self::HangUp,
        Self::Garbage,
        Self::NoScalar,
        Self::SignedByNobody,
        Self::ShareOfOtherMessage,
        Self::ShareOfOtherSession,
        Self::ReplayedShares,
        Self::ReplayedCommitments,
        Self::ReusedCommitments,
        Self::TwoCommitments,
        Self::StaleShare,
        Self::ForgedApproval,
        Self::MovedApproval,
        Self::ForgedRefusal,
        Self::ApprovalOfNothing,
        Self::UnknownSessions,
        Self::Oversized,
        Self::Flood,
    ];
}

/// What a double sees when it acts.
pub(crate) struct Seat<'a> {
    pub(crate) account: &'a AccountName,
    pub(crate) secrets: AccountSecrets,
    /// The log as its node has it.
    pub(crate) state: &'a IvnState,
    /// The shares on its disk.
    pub(crate) packages: &'a BTreeMap<SessionId, Vec<u8>>,
    pub(crate) documents: &'a BTreeMap<Digest, Vec<u8>>,
    /// All malicious members, itself included: whoever wants to speak last does not wait for them.
    pub(crate) accomplices: &'a BTreeSet<AccountName>,
    pub(crate) now: Timestamp,
    pub(crate) connected: bool,
    /// Whether this is one of the moments at which a person looks at a node: now and then.
    pub(crate) looks: bool,
}

impl Seat<'_> {
    /// A statement of this account, properly signed.
    fn entry(&self, body: Body) -> Option<Entry> {
        self.entry_as(self.account, &self.secrets.identity, body)
    }

    fn entry_as(&self, author: &AccountName, key: &SecretKey, body: Body) -> Option<Entry> {
        let statement = Statement {
            ivn: Some(self.state.ivn()),
            author: Author::Account(author.clone()),
            at: self.now,
            body,
        };
        Entry::sign(statement, &[key]).ok()
    }

    fn submits(&self, body: Body) -> Option<NodeEffect> {
        self.entry(body).map(|entry| submission(&entry))
    }

    /// A message of a ceremony, as if an earlier process of its node had sent it.
    fn submits_as_earlier_process(
        &self,
        session: SessionId,
        message: &Base64,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        let (incarnation, message) = (Digest::new(random(rng)), message.clone());
        let body = Body::CeremonyMessage { session, incarnation, message };
        self.submits(body).into_iter().collect()
    }

    /// That a process started which there is not. Then its own is the latest again, if it is named, so that it signs, if
    /// nothing else.
    fn restarts(&self, own: Option<Digest>, rng: &mut ChaCha20Rng) -> Vec<NodeEffect> {
        let started = [Some(Digest::new(random(rng))), own].into_iter().flatten();
        started.filter_map(|incarnation| self.submits(Body::NodeStarted { incarnation })).collect()
    }

    /// That its share is another than the one that its node certifies.
    fn certifies_another(
        &self,
        session: SessionId,
        transcript: Digest,
        public_key_package: Digest,
    ) -> Option<NodeEffect> {
        let mut other = *public_key_package.as_bytes();
        other[0] ^= 1;
        let public_key_package = Digest::new(other);
        self.submits(Body::CeremonyCertified { session, transcript, public_key_package })
    }
}

fn submission(entry: &Entry) -> NodeEffect {
    NodeEffect::Send(FromNode::Submit { entry: Base64(entry.to_bytes()) })
}

/// The entry that an effect submits.
fn submitted(effect: &NodeEffect) -> Option<Entry> {
    match effect {
        NodeEffect::Send(FromNode::Submit { entry }) => Entry::from_bytes(&entry.0).ok(),
        _ => None,
    }
}

/// A malicious member. It remembers more than its node, and longer.
pub(crate) enum Double {
    /// In key generation, signing, or what it states.
    Member(Box<Member>),
    /// In reshares alone.
    Resharing(Box<(Resharing, ChaCha20Rng)>),
    /// In repairs alone.
    Repairing(Box<(Repairing, ChaCha20Rng)>),
}

impl Double {
    pub(crate) fn new(mischief: Mischief, rng: ChaCha20Rng) -> Self {
        Self::Member(Box::new(Member::new(mischief, rng)))
    }

    pub(crate) fn in_reshares(mischief: ReshareMischief, rng: ChaCha20Rng) -> Self {
        Self::Resharing(Box::new((Resharing::new(mischief), rng)))
    }

    pub(crate) fn in_repairs(mischief: RepairMischief, rng: ChaCha20Rng) -> Self {
        Self::Repairing(Box::new((Repairing::new(mischief), rng)))
    }

    /// The coordinator says something to its node.
    pub(crate) fn hears(&mut self, message: &FromCoordinator) {
        match self {
            Self::Member(member) => member.signing.hears(message),
            Self::Resharing(double) => double.0.hears(message),
            Self::Repairing(_) => {}
        }
    }

    /// What becomes of what its node wants done.
    pub(crate) fn acts(&mut self, seat: &Seat<'_>, effects: Vec<NodeEffect>) -> Vec<NodeEffect> {
        match self {
            Self::Member(member) => member.acts(seat, effects),
            Self::Resharing(double) => {
                let (resharing, rng) = double.as_mut();
                resharing.acts(seat, effects, rng)
            }
            Self::Repairing(double) => {
                let (repairing, rng) = double.as_mut();
                repairing.acts(seat, effects, rng)
            }
        }
    }
}

/// One that breaks the rules of key generation, of signing, or of what it states.
pub(crate) struct Member {
    mischief: Mischief,
    rng: ChaCha20Rng,
    generation: Generation,
    signing: Signing,
    /// Others' approvals, as the log has them.
    approvals: Vec<Entry>,
}

impl Member {
    fn new(mischief: Mischief, rng: ChaCha20Rng) -> Self {
        let (generation, signing) = (Generation::default(), Signing::default());
        Self { mischief, rng, generation, signing, approvals: Vec::new() }
    }

    fn acts(&mut self, seat: &Seat<'_>, effects: Vec<NodeEffect>) -> Vec<NodeEffect> {
        let mut done = Vec::new();
        for effect in effects {
            if let NodeEffect::Persist(NodeChange::Entries { entries, .. }) = &effect {
                for entry in entries.iter().filter_map(|bytes| Entry::from_bytes(bytes).ok()) {
                    self.generation.reads(&entry);
                    if matches!(entry.statement().body, Body::Approval { .. }) {
                        self.approvals.push(entry);
                    }
                }
            }
            done.extend(self.alters(seat, effect));
        }
        if seat.connected {
            done.extend(self.generation.acts(self.mischief, seat, &mut self.rng));
            done.extend(self.signing.acts(self.mischief, seat));
            done.extend(self.states(seat));
        }
        done
    }

    fn alters(&mut self, seat: &Seat<'_>, effect: NodeEffect) -> Vec<NodeEffect> {
        if let Some(entry) = submitted(&effect) {
            return self.generation.alters(self.mischief, seat, &entry, effect, &mut self.rng);
        }
        match effect {
            NodeEffect::Send(message @ FromNode::Cosign { .. }) => {
                self.signing.cosigns(&message);
                vec![NodeEffect::Send(message)]
            }
            NodeEffect::Send(FromNode::Commitments { .. }) if self.mischief == Mischief::HangUp => {
                vec![NodeEffect::Disconnect]
            }
            NodeEffect::Send(
                message @ (FromNode::Commitments { .. }
                | FromNode::Share { .. }
                | FromNode::Declined { .. }),
            ) => self
                .signing
                .alters(self.mischief, seat, message, &mut self.rng)
                .into_iter()
                .map(NodeEffect::Send)
                .collect(),
            effect => vec![effect],
        }
    }

    fn states(&mut self, seat: &Seat<'_>) -> Vec<NodeEffect> {
        // What is not about a key begins when there is one: otherwise there would be none to be stopped.
        let keyed = seat.state.groups().values().any(|group| group.key.is_some());
        if seat.looks && keyed {
            statements::says(self.mischief, seat, &self.approvals, &mut self.rng)
        } else {
            Vec::new()
        }
    }
}

fn random(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}
