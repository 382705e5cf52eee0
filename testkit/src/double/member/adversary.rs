//! Drives a malicious member: reads the log, alters what its node sends, and sends messages of its
//! own.

use std::collections::BTreeMap;

use curve25519_dalek::scalar::Scalar;
use quorate_ceremony::effect::{NodeChange, NodeEffect};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body, Entry};
use quorate_ceremony::message::{DeclineReason, FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, Digest, SessionId, Timestamp};
use quorate_ceremony::signing::Subject;
use quorate_ceremony::state::{Group, Session, SessionPhase};
use quorate_protocol::keys::KeyPackage;
use rand_chacha::ChaCha20Rng;

use super::attack::{Attack, Ceremony, Certify, Round, Slip, Slips};
use super::dealer::Dealer;
use super::helper::Helper;
use super::rounds::Rounds;
use super::script::{Script, Turn};
use super::seat::{Seat, random, submission, submitted};
use super::signer::Signer;
use super::{flooder, forger};

/// Milliseconds that a message may take to appear in the log before it is sent again.
const PATIENCE: u64 = 500;

/// A malicious member. It remembers more than its node does, and for longer.
pub(crate) struct Adversary {
    attacks: Vec<Attack>,
    rng: ChaCha20Rng,
    kinds: BTreeMap<SessionId, Ceremony>,
    /// The logged messages of all members.
    read: BTreeMap<SessionId, Vec<(AccountName, Vec<u8>)>>,
    /// The sessions in which it speaks instead of its node.
    parts: BTreeMap<SessionId, Part>,
    /// Certifications that it sends when their sessions are over.
    held_back: BTreeMap<SessionId, Entry>,
    /// All its key packages, oldest first. It never destroys one.
    packages: Vec<(SessionId, Vec<u8>)>,
    /// The process that its node stated last.
    process: Option<Digest>,
    signer: Signer,
    /// The logged approvals of other members.
    approvals: Vec<Entry>,
}

/// A session in which a double speaks instead of its node.
struct Part {
    kind: Ceremony,
    rounds: Rounds,
    script: Box<dyn Script>,
    /// Its messages of each round, and when they were last sent.
    said: BTreeMap<Round, (Vec<Vec<u8>>, Timestamp)>,
    /// When it last certified.
    certified: Timestamp,
}

impl Part {
    fn new(kind: Ceremony, session: &Session, seat: &Seat<'_>) -> Option<Self> {
        let rounds = Rounds::of(session, seat.account, seat.accomplices)?;
        let script: Box<dyn Script> = match kind {
            Ceremony::Repair => Box::new(Helper::default()),
            _ => Box::new(Dealer::default()),
        };
        Some(Self { kind, rounds, script, said: BTreeMap::new(), certified: Timestamp(0) })
    }
}

impl Adversary {
    pub(crate) fn new(attacks: Vec<Attack>, rng: ChaCha20Rng) -> Self {
        Self {
            attacks,
            rng,
            kinds: BTreeMap::new(),
            read: BTreeMap::new(),
            parts: BTreeMap::new(),
            held_back: BTreeMap::new(),
            packages: Vec::new(),
            process: None,
            signer: Signer::default(),
            approvals: Vec::new(),
        }
    }

    fn slips(&self, ceremony: Ceremony) -> Slips {
        Slips::of(&self.attacks, ceremony)
    }

    /// Returns what it does wrong in a session that makes shares.
    fn slips_in(&self, session: SessionId) -> Option<(Ceremony, Slips)> {
        let kind = *self.kinds.get(&session)?;
        Some((kind, self.slips(kind)))
    }

    /// Whether it speaks instead of its node in sessions of a kind.
    fn speaks(&self, slips: &Slips) -> bool {
        // Its node takes part until the double has a share that is no longer in force.
        let waits = slips.has(Slip::OlderShare) && self.packages.len() < 2;
        slips.are_in_messages() && !waits
    }

    pub(crate) fn hears(&mut self, message: &FromCoordinator) {
        self.signer.hears(message);
    }

    /// Alters the effects of its node, and adds its own.
    pub(crate) fn acts(&mut self, seat: &Seat<'_>, effects: Vec<NodeEffect>) -> Vec<NodeEffect> {
        for (session, package) in seat.packages {
            if !self.packages.iter().any(|(known, _)| known == session) {
                self.packages.push((*session, package.clone()));
            }
        }
        let running = seat.state.groups().values().filter_map(|group| group.session.as_ref());
        self.kinds.extend(running.map(|it| (it.session, Ceremony::of(&it.terms))));
        let mut done = Vec::new();
        for effect in effects {
            if let NodeEffect::Persist(NodeChange::Entries { entries, .. }) = &effect {
                for entry in entries.iter().filter_map(|bytes| Entry::from_bytes(bytes).ok()) {
                    self.reads(entry);
                }
            }
            done.extend(self.alters(seat, effect));
        }
        if seat.connected {
            done.extend(self.certifies_late(seat));
            for group in seat.state.groups().values() {
                done.extend(self.plays(seat, group).unwrap_or_default());
            }
            let slips = self.slips(Ceremony::Signing);
            done.extend(self.signer.acts(&slips, seat));
            done.extend(self.states(seat));
        }
        done
    }

    fn reads(&mut self, entry: Entry) {
        match (&entry.statement().author, &entry.statement().body) {
            (Author::Account(author), Body::CeremonyMessage { session, message, .. }) => {
                let read = self.read.entry(*session).or_default();
                read.push((author.clone(), message.0.clone()));
            }
            (_, Body::Approval { .. }) => self.approvals.push(entry),
            _ => {}
        }
    }

    fn alters(&mut self, seat: &Seat<'_>, effect: NodeEffect) -> Vec<NodeEffect> {
        if let Some(entry) = submitted(&effect) {
            return self.alters_entry(seat, &entry, effect);
        }
        let NodeEffect::Send(message) = effect else { return vec![effect] };
        let slips = self.slips(Ceremony::Signing);
        match message {
            FromNode::Cosign { .. } => {
                self.signer.cosigns(&message);
                vec![NodeEffect::Send(message)]
            }
            FromNode::Part { session, .. } if self.refuses_activation(session) => {
                let reason = DeclineReason::NoShare;
                vec![NodeEffect::Send(FromNode::Declined { session, reason, because: None })]
            }
            FromNode::Part { .. } if slips.has(Slip::HangUp) => {
                vec![NodeEffect::Disconnect]
            }
            message => {
                let altered = self.signer.alters(&slips, seat, message, &mut self.rng);
                altered.into_iter().map(NodeEffect::Send).collect()
            }
        }
    }

    /// Whether a signing session activates the shares of a reshare that it wants to stop.
    fn refuses_activation(&self, session: SessionId) -> bool {
        let Some(Subject::Activation { session }) = self.signer.subject(session) else {
            return false;
        };
        let slips = self.slips_in(session);
        slips.is_some_and(|(_, slips)| slips.has(Slip::RefuseActivation))
    }

    fn alters_entry(
        &mut self,
        seat: &Seat<'_>,
        entry: &Entry,
        effect: NodeEffect,
    ) -> Vec<NodeEffect> {
        match &entry.statement().body {
            Body::NodeStarted { incarnation } => {
                self.process = Some(*incarnation);
                vec![effect]
            }
            Body::CeremonyMessage { session, message, .. } => {
                self.alters_message(seat, *session, message, effect)
            }
            Body::CeremonyCertified { session, .. } => {
                let Some((kind, slips)) = self.slips_in(*session) else { return vec![effect] };
                // The double's share of a stale epoch is from a session that it caused to fail.
                let is_first = self.read.keys().all(|known| known == session);
                let withholds = kind == Ceremony::Dkg
                    && is_first
                    && self.slips(Ceremony::Signing).has(Slip::StaleShare);
                if withholds || self.speaks(&slips) {
                    return Vec::new();
                }
                self.certifies(seat, &slips, entry)
            }
            _ => vec![effect],
        }
    }

    /// Returns what it sends in place of a protocol message that its node submits.
    fn alters_message(
        &mut self,
        seat: &Seat<'_>,
        session: SessionId,
        message: &Base64,
        effect: NodeEffect,
    ) -> Vec<NodeEffect> {
        let Some((_, slips)) = self.slips_in(session) else { return vec![effect] };
        if self.speaks(&slips) {
            return Vec::new();
        }
        if slips.has(Slip::EarlierProcess) {
            return seat.submits_as_earlier_process(session, message, &mut self.rng);
        }
        let mut done = vec![effect];
        if slips.has(Slip::RestartForever) {
            done.extend(seat.restarts(self.process, &mut self.rng));
        }
        let too_early = match Round::of_message(&message.0) {
            Some(Round::First) => slips.has(Slip::Certify(Certify::Early)),
            Some(Round::Sum) => slips.has(Slip::Certify(Certify::ForAnother)),
            _ => false,
        };
        if too_early {
            done.extend(seat.submits(Body::CeremonyCertified {
                session,
                transcript: Digest::new(random(&mut self.rng)),
                public_key_package: Digest::new(random(&mut self.rng)),
            }));
        }
        done
    }

    /// Returns what it sends in place of a correct certification.
    fn certifies(&mut self, seat: &Seat<'_>, slips: &Slips, entry: &Entry) -> Vec<NodeEffect> {
        let Body::CeremonyCertified { session, transcript, public_key_package } =
            &entry.statement().body
        else {
            return Vec::new();
        };
        let another = || seat.certifies_another(*session, *transcript, *public_key_package);
        if slips.has(Slip::Certify(Certify::Never)) {
            Vec::new()
        } else if slips.has(Slip::Certify(Certify::Late)) {
            self.held_back.insert(*session, entry.clone());
            Vec::new()
        } else if slips.has(Slip::Certify(Certify::Another)) {
            another().into_iter().collect()
        } else if slips.has(Slip::Certify(Certify::Twice)) {
            std::iter::once(submission(entry)).chain(another()).collect()
        } else {
            vec![submission(entry)]
        }
    }

    /// Returns the certifications that it held back while their sessions ran.
    fn certifies_late(&mut self, seat: &Seat<'_>) -> Vec<NodeEffect> {
        let runs = |session: SessionId| {
            let mut running =
                seat.state.groups().values().filter_map(|group| group.session.as_ref());
            running.any(|it| it.session == session)
        };
        let late = self.held_back.extract_if(.., |session, _| !runs(*session));
        late.map(|(_, entry)| submission(&entry)).collect()
    }

    /// Speaks in the current round of a group's session.
    fn plays(&mut self, seat: &Seat<'_>, group: &Group) -> Option<Vec<NodeEffect>> {
        let session = group.session.as_ref()?;
        let (kind, slips) = self.slips_in(session.session)?;
        if !self.speaks(&slips) {
            return None;
        }
        let known = self.parts.remove(&session.session);
        let mut part = known.or_else(|| Part::new(kind, session, seat))?;
        let read = self.read.get(&session.session).map(Vec::as_slice).unwrap_or_default();
        part.rounds.read(session, read);
        let done = if group.phase() == Some(SessionPhase::Certifying) {
            self.certifies_itself(seat, group, &slips, &mut part)
        } else {
            self.says(seat, group, &slips, &mut part)
        };
        self.parts.insert(session.session, part);
        done
    }

    fn says(
        &mut self,
        seat: &Seat<'_>,
        group: &Group,
        slips: &Slips,
        part: &mut Part,
    ) -> Option<Vec<NodeEffect>> {
        let session = group.session.as_ref()?.session;
        let round = part.rounds.round()?;
        let spoke = part.rounds.message(round, part.rounds.me.get()).is_some();
        if spoke && !slips.has(Slip::Twice(round)) || !part.rounds.has_a_say(round) {
            return None;
        }
        if !part.said.contains_key(&round) {
            let messages = self.messages(group, slips, part, round)?;
            part.said.insert(round, (messages, Timestamp(0)));
        }
        let incarnation = seat.state.account(seat.account).ok()?.incarnation?;
        let (messages, at) = part.said.get_mut(&round)?;
        // The log admits messages only from a process that it knows.
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

    /// Returns its messages of a round, or `None` while it waits to see more.
    fn messages(
        &mut self,
        group: &Group,
        slips: &Slips,
        part: &mut Part,
        round: Round,
    ) -> Option<Vec<Vec<u8>>> {
        let kind = part.kind;
        let earlier = self.parts.values().filter(|other| other.kind == kind);
        if slips.are_silent_in(kind, round) {
            return Some(Vec::new());
        }
        if slips.has(Slip::Garbage) && round == Round::First {
            return Some(vec![vec![1, 2, 3]]);
        }
        if slips.has(Slip::LastSessionsMessages)
            && let Some((old, _)) = earlier.clone().find_map(|part| part.said.get(&round))
        {
            return Some(old.clone());
        }
        let shares = self.packages.iter();
        let shares = shares.filter_map(|(session, package)| Some((*session, share(package)?)));
        let turn = Turn {
            round,
            slips,
            rounds: &part.rounds,
            earlier: earlier.map(|part| &part.rounds).collect(),
            key: group.key.as_ref(),
            shares: &shares.collect::<Vec<_>>(),
        };
        part.script.says(&turn, &mut self.rng)
    }

    /// Certifies the result of a session in which it spoke instead of its node.
    fn certifies_itself(
        &mut self,
        seat: &Seat<'_>,
        group: &Group,
        slips: &Slips,
        part: &mut Part,
    ) -> Option<Vec<NodeEffect>> {
        let session = group.session.as_ref()?;
        let (transcript, public_key_package) = group.certificate()?;
        let waits = part.certified.plus(PATIENCE) > seat.now;
        if waits || group.certified(seat.account) || !session.terms.is_recipient(seat.account) {
            return None;
        }
        let mut done = Vec::new();
        if part.kind == Ceremony::Repair {
            done.extend(self.stores(seat, group, part.script.repaired()?)?);
        }
        part.certified = seat.now;
        let session = session.session;
        let body = Body::CeremonyCertified { session, transcript, public_key_package };
        done.extend(self.certifies(seat, slips, &seat.entry(body)?));
        Some(done)
    }

    /// Writes its repaired share to the disk, unless it is there already.
    fn stores(&self, seat: &Seat<'_>, group: &Group, repaired: Scalar) -> Option<Vec<NodeEffect>> {
        let session = group.key.as_ref()?.session;
        let (_, package) = self.packages.iter().find(|(made_in, _)| *made_in == session)?;
        let mut package = package.clone();
        package.get_mut(6..38)?.copy_from_slice(repaired.as_bytes());
        let package = KeyPackage::from_bytes(&package).ok()?;
        let stores = NodeEffect::Persist(NodeChange::KeyPackage { session, package });
        let is_lost = !seat.packages.contains_key(&session);
        Some(is_lost.then_some(stores).into_iter().collect())
    }

    fn states(&mut self, seat: &Seat<'_>) -> Vec<NodeEffect> {
        // These attacks begin when there is a key, because they have nothing to stop before.
        let keyed = seat.state.groups().values().any(|group| group.key.is_some());
        if !seat.looks || !keyed {
            return Vec::new();
        }
        let mut done = Vec::new();
        for slip in self.slips(Ceremony::Log).iter() {
            done.extend(forger::says(slip, seat, &self.approvals, &mut self.rng));
            done.extend(flooder::says(slip, seat, &mut self.rng));
        }
        done
    }
}

fn share(package: &[u8]) -> Option<Scalar> {
    Option::from(Scalar::from_canonical_bytes(package.get(6..38)?.try_into().ok()?))
}
