//! Attacks of malicious members: an attack is a slip in a ceremony.

use std::collections::BTreeSet;

use quorate_ceremony::state::SessionPlan;

/// Where a member breaks the rules.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Ceremony {
    Dkg,
    Reshare,
    Repair,
    Signing,
    /// In its log entries outside of sessions.
    Log,
}

impl Ceremony {
    pub(super) fn of(plan: &SessionPlan) -> Self {
        match (plan.repairs(), plan.is_reshare()) {
            (Some(_), _) => Self::Repair,
            (None, true) => Self::Reshare,
            (None, false) => Self::Dkg,
        }
    }
}

/// A round of a session that makes shares.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Round {
    /// A commitment in a key generation, otherwise an announcement.
    First,
    /// A dealing. A key generation reveals it.
    Deal,
    /// Only in a repair: the sum of what a helper received.
    Sum,
    /// An approval or complaints.
    Verdict,
}

impl Round {
    pub(super) fn of_message(message: &[u8]) -> Option<Self> {
        match message.first()? {
            1 | 4 | 5 => Some(Self::First),
            2 | 6 | 9 => Some(Self::Deal),
            7 => Some(Self::Sum),
            3 | 8 => Some(Self::Verdict),
            _ => None,
        }
    }
}

/// The members that a slip affects.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum To {
    One,
    All,
}

/// How a member certifies the result of a session.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Certify {
    Never,
    /// Before there is a result.
    Early,
    /// After the session was abandoned.
    Late,
    /// A result that does not follow from the messages.
    Another,
    /// The result, and then a different one.
    Twice,
    /// The share of the recipient that it helps.
    ForAnother,
}

/// How a member breaks the rules. [`ATTACKS`](crate::catalogue::ATTACKS) describes each slip.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Slip {
    // In the messages of a session that makes shares.
    ByTheBook,
    Garbage,
    Silent(Round),
    Twice(Round),
    OtherView,
    OtherViewInSum,
    OtherSession,
    LastSessionsMessages,
    AnothersRound,
    IdentityAsKey,
    AnothersEncryptionKey,
    HigherDegree,
    LowerDegree,
    OtherDealing,
    OtherShare,
    OlderShare,
    OtherWeight,
    ZeroSummand,
    Torsion,
    WrongProof,
    IdentityAsEphemeralKey,
    AnothersEphemeralKey,
    AnothersDealing,
    CopiedCommitment,
    ReplayedProof,
    RogueKey,
    ZeroShareOfAnother,
    ZeroShareOfItself,
    CancelledDegree,
    WrongPart(To),
    GarbagePart,
    WrongSum,
    GarbageSum,
    AnothersSum,
    FalseComplaint,
    ForgedComplaint,
    ComplaintAboutNobody,
    ComplaintAboutItself,

    // In what its node sends around them.
    EarlierProcess,
    RestartForever,
    Certify(Certify),
    RefuseActivation,

    // In a signing session.
    Silence,
    Stall,
    Decline,
    HangUp,
    WrongShare,
    NoScalar,
    SignedByNobody,
    ShareOfOtherMessage,
    ShareOfOtherSession,
    ReplayedShares,
    ReplayedCommitments,
    ReusedCommitments,
    TwoCommitments,
    StaleShare,

    // In the log.
    ForgedApproval,
    MovedApproval,
    ForgedRefusal,
    ApprovalOfNothing,
    UnknownSessions,
    Oversized,
    Flood,
}

impl Slip {
    /// Whether the double speaks instead of its node in a session that makes shares.
    fn is_in_messages(self) -> bool {
        self < Self::EarlierProcess
    }

    /// Whether only a dealer can make this slip. A session does not wait for all possible dealers.
    pub fn is_in_dealing(self) -> bool {
        matches!(self, Self::OtherView | Self::Silent(Round::Deal) | Self::Twice(Round::Deal))
            || (Self::HigherDegree..Self::WrongSum).contains(&self)
    }
}

/// One thing that a member does wrong.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Attack {
    pub ceremony: Ceremony,
    pub slip: Slip,
}

/// What a member does wrong in one ceremony.
#[derive(Clone, Debug, Default)]
pub(super) struct Slips(BTreeSet<Slip>);

impl Slips {
    pub(super) fn of(attacks: &[Attack], ceremony: Ceremony) -> Self {
        let these = attacks.iter().filter(|attack| attack.ceremony == ceremony);
        Self(these.map(|attack| attack.slip).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Slip> {
        self.0.iter().copied()
    }

    pub(super) fn has(&self, slip: Slip) -> bool {
        self.0.contains(&slip)
    }

    /// Whether it makes one of these slips.
    pub(super) fn has_any(&self, slips: &[Slip]) -> bool {
        slips.iter().any(|slip| self.has(*slip))
    }

    /// Whether the double speaks instead of its node in a session that makes shares.
    pub(super) fn are_in_messages(&self) -> bool {
        self.iter().any(Slip::is_in_messages)
    }

    /// Whether the double is silent in a round of such a ceremony.
    pub(super) fn are_silent_in(&self, ceremony: Ceremony, round: Round) -> bool {
        // Repeating an old message takes a session that failed.
        let fails_in = if ceremony == Ceremony::Repair { Round::Sum } else { Round::Verdict };
        self.has(Slip::Silent(round))
            || round == fails_in && self.has_any(&[Slip::LastSessionsMessages, Slip::ReplayedProof])
    }
}
