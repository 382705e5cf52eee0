//! Attacks on repairs: by helpers, and by the one that gets its share back.

use std::collections::BTreeMap;

use curve25519_dalek::scalar::Scalar;
use quorate_ceremony::effect::{NodeChange, NodeEffect};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry};
use quorate_ceremony::names::{AccountName, Digest, SessionId, Timestamp};
use quorate_ceremony::state::{Group, Session, SessionPhase};
use quorate_ceremony::statement::Body;
use quorate_protocol::keys::KeyPackage;
use rand_chacha::ChaCha20Rng;

use super::generation::Said;
use super::repair_lies::Liar;
use super::repair_rounds::{ANNOUNCE, DEAL, RepairRounds, SUM, VERDICT};
use super::{PATIENCE, Seat, random, submission, submitted};

/// How a member breaks the rules of a repair. In all else it keeps to them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RepairMischief {
    /// Not at all, but with the double's own code.
    ByTheBook,
    /// Its first message is no message.
    GarbageAnnouncement,
    /// It announces a key with which everybody can open what is sealed to it.
    IdentityAsKey,
    /// It announces another's encryption key, and can open nothing.
    AnothersEncryptionKey,
    /// It announces two encryption keys.
    TwoAnnouncements,
    /// It says nothing in round 1.
    SilentInAnnounce,

    /// It splits a random value instead of its share.
    OtherShare,
    /// It splits its share with the weight that it has for another share than the lost one.
    OtherWeight,
    /// It commits to a summand of zero.
    ZeroSummand,
    /// Its commitments add up, and two of them are outside of the prime-order group.
    Torsion,
    /// It does not prove that it knows the secret of its ephemeral key.
    WrongProof,
    /// Its ephemeral key is one with which everybody can open what it seals.
    IdentityAsEphemeralKey,
    /// It deals under another helper's ephemeral key, and seals what nobody can open: complaints about it would open what
    /// that other one sealed.
    AnothersEphemeralKey,
    /// It says what another helper said.
    AnothersDealing,
    /// One helper's summand is not the one that it committed to.
    WrongSummandToOne,
    /// Nobody's is.
    WrongSummandToAll,
    /// One helper's summand can not be decrypted.
    GarbageSummand,
    /// It deals twice, with different summands.
    TwoDealings,
    /// It does not deal.
    SilentInDeal,
    /// It lets a session fail, and says in the next what it said in that.
    LastSessionsMessages,

    /// It seals another sum than that of the summands that it got.
    WrongSum,
    /// The recipient can not decrypt its sum.
    GarbageSum,
    /// It sends what another helper sealed.
    AnothersSum,
    /// It sends two sums.
    TwoSums,
    /// It says nothing in round 3.
    SilentInSum,
    /// It adds up as if the log had shown it other dealings.
    OtherViewInSum,

    /// It deals, or judges, as if the log had shown it other messages.
    OtherView,
    /// It complains about a right summand, or sum, and opens it as a complaint does.
    FalseComplaint,
    /// It complains with a shared point that it did not prove.
    ForgedComplaint,
    /// It complains about somebody who is no helper.
    ComplaintAboutNobody,
    /// It complains about itself.
    ComplaintAboutItself,
    /// It also says what only others have to say: a helper the verdict, the recipient a dealing.
    AnothersRound,
    /// It approves, and complains.
    TwoVerdicts,
    /// It says nothing in round 4, when it holds its share.
    SilentInVerdict,

    /// Its messages name an earlier process of its node.
    EarlierProcess,
    /// It announces a restart in the middle of each session.
    RestartForEver,
    /// A helper certifies the share that it helps to repair.
    CertifyForAnother,
    /// It never certifies.
    WithholdCertification,
    /// It certifies before there is anything to certify.
    CertifyEarly,
    /// It certifies another share than the messages come to.
    CertifyOtherShare,
    /// It certifies, and then certifies something else.
    CertifyTwice,
    /// It certifies when the session was given up.
    CertifyLate,
}

impl RepairMischief {
    /// All there is.
    pub const ALL: [Self; 42] = [
        Self::ByTheBook,
        Self::GarbageAnnouncement,
        Self::IdentityAsKey,
        Self::AnothersEncryptionKey,
        Self::TwoAnnouncements,
        Self::SilentInAnnounce,
        Self::OtherShare,
        Self::OtherWeight,
        Self::ZeroSummand,
        Self::Torsion,
        Self::WrongProof,
        Self::IdentityAsEphemeralKey,
        Self::AnothersEphemeralKey,
        Self::AnothersDealing,
        Self::WrongSummandToOne,
        Self::WrongSummandToAll,
        Self::GarbageSummand,
        Self::TwoDealings,
        Self::SilentInDeal,
        Self::LastSessionsMessages,
        Self::WrongSum,
        Self::GarbageSum,
        Self::AnothersSum,
        Self::TwoSums,
        Self::SilentInSum,
        Self::OtherViewInSum,
        Self::OtherView,
        Self::FalseComplaint,
        Self::ForgedComplaint,
        Self::ComplaintAboutNobody,
        Self::ComplaintAboutItself,
        Self::AnothersRound,
        Self::TwoVerdicts,
        Self::SilentInVerdict,
        Self::EarlierProcess,
        Self::RestartForEver,
        Self::CertifyForAnother,
        Self::WithholdCertification,
        Self::CertifyEarly,
        Self::CertifyOtherShare,
        Self::CertifyTwice,
        Self::CertifyLate,
    ];

    /// Whether the double speaks for itself, instead of its node: in everything that is about what is said.
    fn speaks_itself(self) -> bool {
        self < Self::EarlierProcess
    }

    /// Whether it has more to say in a round in which it has said something.
    fn repeats(self) -> bool {
        matches!(self, Self::TwoAnnouncements | Self::TwoDealings | Self::TwoSums)
    }

    fn is_silent_in(self, round: u8) -> bool {
        match self {
            Self::SilentInAnnounce => round == ANNOUNCE,
            Self::SilentInDeal => round == DEAL,
            Self::SilentInSum | Self::LastSessionsMessages => round == SUM,
            Self::SilentInVerdict => round == VERDICT,
            _ => false,
        }
    }
}

/// What a double knows of repairs.
pub(crate) struct Repairing {
    mischief: RepairMischief,
    /// Everybody's messages, as the log has them.
    read: BTreeMap<SessionId, Vec<(AccountName, Vec<u8>)>>,
    rounds: BTreeMap<SessionId, RepairRounds>,
    /// Its own part.
    liars: BTreeMap<SessionId, Liar>,
    /// What it said in each round.
    said: BTreeMap<(SessionId, u8), Said>,
    /// Its key packages. Of one that its disk lost, it uses what is public.
    packages: BTreeMap<SessionId, Vec<u8>>,
    certifications: BTreeMap<SessionId, Entry>,
    /// Its node's process, as it said itself.
    process: Option<Digest>,
}

impl Repairing {
    pub(super) fn new(mischief: RepairMischief) -> Self {
        Self {
            mischief,
            read: BTreeMap::new(),
            rounds: BTreeMap::new(),
            liars: BTreeMap::new(),
            said: BTreeMap::new(),
            packages: BTreeMap::new(),
            certifications: BTreeMap::new(),
            process: None,
        }
    }

    /// What becomes of what its node wants done, and what it does itself.
    pub(super) fn acts(
        &mut self,
        seat: &Seat<'_>,
        effects: Vec<NodeEffect>,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        for (session, package) in seat.packages {
            self.packages.entry(*session).or_insert_with(|| package.clone());
        }
        let mut done = Vec::new();
        for effect in effects {
            if let NodeEffect::Persist(NodeChange::Entries { entries, .. }) = &effect {
                for entry in entries.iter().filter_map(|bytes| Entry::from_bytes(bytes).ok()) {
                    self.reads(&entry);
                }
            }
            done.extend(self.alters(seat, effect, rng));
        }
        if seat.connected {
            let late = self.certifications.extract_if(.., |session, _| !repairs(seat, *session));
            done.extend(late.map(|(_, entry)| submission(&entry)));
            let speaks = self.mischief.speaks_itself();
            for group in seat.state.groups().values().filter(|_| speaks) {
                done.extend(self.plays(seat, group, rng).unwrap_or_default());
            }
        }
        done
    }

    fn reads(&mut self, entry: &Entry) {
        if let (Author::Account(author), Body::CeremonyMessage { session, message, .. }) =
            (&entry.statement().author, &entry.statement().body)
        {
            let read = self.read.entry(*session).or_default();
            read.push((author.clone(), message.0.clone()));
        }
    }

    fn alters(
        &mut self,
        seat: &Seat<'_>,
        effect: NodeEffect,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        let Some(entry) = submitted(&effect) else { return vec![effect] };
        match &entry.statement().body {
            Body::NodeStarted { incarnation } => {
                self.process = Some(*incarnation);
                vec![effect]
            }
            // What its node wanted to say, also when it is too late for that.
            Body::CeremonyMessage { session, .. } if self.rounds.contains_key(session) => {
                Vec::new()
            }
            Body::CeremonyMessage { session, message, .. } if repairs(seat, *session) => {
                self.alters_message(seat, *session, message, effect, rng)
            }
            Body::CeremonyCertified { session, transcript, public_key_package }
                if repairs(seat, *session) =>
            {
                let false_one = seat.certifies_another(*session, *transcript, *public_key_package);
                match self.mischief {
                    RepairMischief::WithholdCertification => Vec::new(),
                    RepairMischief::CertifyLate => {
                        self.certifications.insert(*session, entry);
                        Vec::new()
                    }
                    RepairMischief::CertifyOtherShare => false_one.into_iter().collect(),
                    RepairMischief::CertifyTwice => {
                        std::iter::once(effect).chain(false_one).collect()
                    }
                    _ => vec![effect],
                }
            }
            _ => vec![effect],
        }
    }

    /// What becomes of a message of the protocol that its node submits.
    fn alters_message(
        &self,
        seat: &Seat<'_>,
        session: SessionId,
        message: &Base64,
        effect: NodeEffect,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        let certifies_in = match self.mischief {
            RepairMischief::CertifyEarly => ANNOUNCE,
            _ => SUM,
        };
        match self.mischief {
            RepairMischief::EarlierProcess => {
                seat.submits_as_earlier_process(session, message, rng)
            }
            RepairMischief::RestartForEver => {
                std::iter::once(effect).chain(seat.restarts(self.process, rng)).collect()
            }
            RepairMischief::CertifyEarly | RepairMischief::CertifyForAnother
                if message.0.first() == Some(&certifies_in) =>
            {
                let made_up = seat.submits(Body::CeremonyCertified {
                    session,
                    transcript: Digest::new(random(rng)),
                    public_key_package: Digest::new(random(rng)),
                });
                std::iter::once(effect).chain(made_up).collect()
            }
            mischief if mischief.speaks_itself() => Vec::new(),
            _ => vec![effect],
        }
    }

    /// Says what is to be said in the round in which a group's repair is.
    fn plays(
        &mut self,
        seat: &Seat<'_>,
        group: &Group,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<NodeEffect>> {
        let ceremony = group.session.as_ref().filter(|it| it.terms.repairs().is_some())?;
        let session = ceremony.session;
        if group.phase() == Some(SessionPhase::Certifying) {
            return self.certifies(seat, group);
        }
        let known = self.rounds.remove(&session);
        let mut rounds = known.or_else(|| RepairRounds::of(ceremony, seat.account))?;
        let read = self.read.get(&session).map(Vec::as_slice).unwrap_or_default();
        rounds.read(ceremony, read);
        let done = self.says(seat, group, ceremony, &rounds, rng);
        self.rounds.insert(session, rounds);
        done
    }

    fn says(
        &mut self,
        seat: &Seat<'_>,
        group: &Group,
        ceremony: &Session,
        rounds: &RepairRounds,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<NodeEffect>> {
        let (session, round) = (ceremony.session, rounds.round()?);
        let spoke = rounds.message(round, rounds.me).is_some() && !self.mischief.repeats();
        if spoke || !rounds.has_a_say() {
            return None;
        }
        if !self.said.contains_key(&(session, round)) {
            let messages = self.messages(group, session, rounds, round, rng)?;
            self.said.insert((session, round), (messages, Timestamp(0)));
        }
        let incarnation = seat.state.account(seat.account).ok()?.incarnation?;
        let (messages, at) = self.said.get_mut(&(session, round))?;
        // The log takes messages only of a process that it knows.
        if at.plus(PATIENCE) > seat.now || self.process != Some(incarnation) {
            return None;
        }
        *at = seat.now;
        let bodies = messages.iter().map(|message| {
            let message = Base64(message.clone());
            Body::CeremonyMessage { session, incarnation, message }
        });
        Some(bodies.filter_map(|body| seat.submits(body)).collect())
    }

    /// What it says in a round; nothing yet, if it wants to see more first.
    fn messages(
        &mut self,
        group: &Group,
        session: SessionId,
        rounds: &RepairRounds,
        round: u8,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<Vec<u8>>> {
        if self.mischief.is_silent_in(round) {
            return Some(Vec::new());
        }
        let earlier = |((of, said), _): &(&(SessionId, u8), &_)| *of != session && *said == round;
        if self.mischief == RepairMischief::LastSessionsMessages
            && let Some((_, (old, _))) = self.said.iter().find(earlier)
        {
            return Some(old.clone());
        }
        let mischief = self.mischief;
        let liar = self.liars.entry(session).or_insert_with(|| Liar::new(mischief, rounds, rng));
        match round {
            ANNOUNCE => liar.announces(rounds, rng),
            DEAL => {
                let key = group.key.as_ref()?;
                liar.deals(rounds, share(self.packages.get(&key.session)?)?, rng)
            }
            SUM => liar.adds_up(rounds, rng),
            _ => liar.judges(rounds, rng),
        }
    }

    /// Says that its share is there again, when it is on its disk.
    fn certifies(&mut self, seat: &Seat<'_>, group: &Group) -> Option<Vec<NodeEffect>> {
        let session = group.session.as_ref()?.session;
        let (transcript, public_key_package) = group.certificate()?;
        let made_by = group.key.as_ref()?.session;
        let repaired = self.liars.get(&session)?.repaired?;
        let mut package = self.packages.get(&made_by)?.clone();
        package.get_mut(6..38)?.copy_from_slice(repaired.as_bytes());
        let package = KeyPackage::from_bytes(&package).ok()?;
        let (_, at) = self.said.entry((session, 9)).or_insert_with(|| (Vec::new(), Timestamp(0)));
        if group.certified(seat.account) || at.plus(PATIENCE) > seat.now {
            return None;
        }
        *at = seat.now;
        let stores = NodeChange::KeyPackage { session: made_by, package };
        let stores = (!seat.packages.contains_key(&made_by)).then(|| NodeEffect::Persist(stores));
        let body = Body::CeremonyCertified { session, transcript, public_key_package };
        Some(stores.into_iter().chain(seat.submits(body)).collect())
    }
}

/// The signing share in a key package.
fn share(package: &[u8]) -> Option<Scalar> {
    Option::from(Scalar::from_canonical_bytes(package.get(6..38)?.try_into().ok()?))
}

/// Whether this is the running session of a repair.
fn repairs(seat: &Seat<'_>, session: SessionId) -> bool {
    let mut running = seat.state.groups().values().filter_map(|group| group.session.as_ref());
    running.any(|ceremony| ceremony.session == session && ceremony.terms.repairs().is_some())
}
