//! A node's part in the ceremonies of its groups: key generation, reshares, and repairs.
//!
//! Round messages go to the log and come back from it; the node acts on what the log shows. What it keeps in memory (its
//! polynomial, its decryption key) is never written down, so a restart ends the session and the coordinator starts
//! another. That it began a session is durable before its first message leaves, and its key package before it certifies.
//!
//! A reshare can strand nobody: the old share is destroyed only when the log shows that the new epoch has started, which
//! takes that all who get a share hold theirs on disk, and that min_signers of them have signed with it.

use std::collections::BTreeSet;

use quorate_protocol::keys::KeyPackage;
use quorate_protocol::keyshare::{Error, Run, Step};
use quorate_protocol::{Identifier, repair};
use rand_core::CryptoRngCore;

use super::Node;
use crate::effect::{NodeChange, NodeEffect};
use crate::encoding::Base64;
use crate::names::{EntryId, GroupName, SessionId, Timestamp};
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::{Group, Refusal, Session, SessionBoard, SessionPhase};
use crate::statement::Body;

/// The secret half of a session's protocol, whichever that is.
pub(super) enum SessionRun {
    Keyshare(Box<Run>),
    Repair(Box<repair::Run>),
}

impl SessionRun {
    /// Begins as `me`, who has this share of the group's key. `None` if there is nothing to take part with.
    fn begin(
        ceremony: &Session,
        me: Identifier,
        package: Option<&KeyPackage>,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<Result<Step<Self>, Error>> {
        let sends = |(run, message)| Step::Send(Self::Keyshare(Box::new(run)), message);
        Some(match &ceremony.board {
            SessionBoard::Keyshare(board) if ceremony.terms.is_reshare() => {
                // Whoever lost its share takes part as one who never had any.
                let begun = Run::reshare(board.parameters(), me, package, rng);
                begun.map(|(run, first)| match first {
                    Some(message) => sends((run, message)),
                    None => Step::Wait(Self::Keyshare(Box::new(run))),
                })
            }
            SessionBoard::Keyshare(board) => Run::start(board.parameters(), me, rng).map(sends),
            SessionBoard::Repair(board) => {
                let parameters = board.parameters();
                let begun = match package {
                    _ if parameters.recipient() == me => repair::Run::recover(parameters, me, rng),
                    Some(package) => repair::Run::help(parameters, me, package, rng),
                    None => return None,
                };
                begun.map(|(run, message)| Step::Send(Self::Repair(Box::new(run)), message))
            }
        })
    }

    fn advance(
        self,
        board: &SessionBoard,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Error> {
        match (self, board) {
            (Self::Keyshare(run), SessionBoard::Keyshare(board)) => {
                run.advance(board, rng).map(|step| map(step, |run| Self::Keyshare(Box::new(run))))
            }
            (Self::Repair(run), SessionBoard::Repair(board)) => {
                run.advance(board, rng).map(|step| map(step, |run| Self::Repair(Box::new(run))))
            }
            _ => Err(Error::OtherBoard),
        }
    }
}

fn map<R, S>(step: Step<R>, of: impl FnOnce(R) -> S) -> Step<S> {
    match step {
        Step::Wait(run) => Step::Wait(of(run)),
        Step::Send(run, message) => Step::Send(of(run), message),
        Step::Done(package) => Step::Done(package),
        Step::Left => Step::Left,
    }
}

impl Node {
    pub(super) fn reconcile_group(
        &mut self,
        name: &GroupName,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        let Ok(group) = self.state.group(name) else { return };
        if self.config.auto_accept
            && !self.is_doubled()
            && let Some(definition) = self.acceptable(group)
            && !self
                .is_stating(|body| matches!(body, Body::GroupAccepted { definition: of, .. } if *of == definition))
        {
            self.state_in_log(Body::GroupAccepted { group: name.clone(), definition }, now, out);
        }
        self.destroy_old_shares(name, now, out);
        self.advance_ceremony(name, now, rng, out);
    }

    /// Wipes what this process holds of sessions that are over.
    pub(super) fn drop_ended_runs(&mut self) {
        let running = self.state.groups().values().filter_map(|group| group.session.as_ref());
        let running: BTreeSet<SessionId> = running.map(|ceremony| ceremony.session).collect();
        self.runs.retain(|session, _| running.contains(session));
    }

    /// The definition, or the proposed change, that this account could accept and has not.
    pub(super) fn acceptable(&self, group: &Group) -> Option<EntryId> {
        if !group.not_accepted().any(|name| *name == self.account) {
            return None;
        }
        let asked = group.change.as_ref().map_or(group.defined, |change| change.id);
        (!self.refused.contains(&asked)).then_some(asked)
    }

    /// The consent to belong to a group; nothing is stated where nobody asked for it.
    pub(super) fn acceptance(&self, name: GroupName) -> Result<Body, Refusal> {
        let group = self.state.group(&name)?;
        if let Some(definition) = self.acceptable(group) {
            return Ok(Body::GroupAccepted { group: name, definition });
        }
        let asked =
            group.has_member(&self.account) || group.not_accepted().any(|it| *it == self.account);
        Err(match asked {
            true => Refusal::AlreadySaid { account: self.account.clone() },
            false => Refusal::NotAMember { account: self.account.clone(), group: name },
        })
    }

    /// Destroys this node's shares of earlier epochs, and then says so. What the log shows is enough to do it: an epoch
    /// starts only with the signatures of all its holders, who have their shares on disk, and of the new shares
    /// themselves, so a log that shows it is no lie, whoever shows it.
    fn destroy_old_shares(&mut self, name: &GroupName, now: Timestamp, out: &mut Vec<NodeEffect>) {
        let Ok(group) = self.state.group(name) else { return };
        let account = &self.account;
        let owed: Vec<u64> = group
            .past_epochs
            .iter()
            .filter(|past| past.is_owed_by(account))
            .map(|past| past.epoch)
            .collect();
        // Of sessions that came to nothing, too, but only when a later one came to something: until then, somebody else
        // may have been shown that they did.
        let in_force = group.key.as_ref().and_then(|key| self.state.session_index(key.session));
        let earlier = |session: &&SessionId| {
            let of = self.state.group_of_session(**session);
            of.is_some_and(|of| of.definition.name == *name)
                && self.state.session_index(**session) < in_force
        };
        let useless: Vec<SessionId> = self.packages.keys().filter(earlier).copied().collect();
        for session in useless {
            self.packages.remove(&session);
            out.push(NodeEffect::Persist(NodeChange::ShareDestroyed(session)));
        }
        for epoch in owed {
            let stated = self.is_stating(|body| {
                matches!(body, Body::ShareDestroyed { group, epoch: of } if group == name && *of == epoch)
            });
            if !stated {
                self.state_in_log(Body::ShareDestroyed { group: name.clone(), epoch }, now, out);
            }
        }
    }

    /// Takes the next step of the group's running session, if there is one to take.
    fn advance_ceremony(
        &mut self,
        name: &GroupName,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        let announced = self.is_announced();
        let Ok(group) = self.state.group(name) else { return };
        let (Some(ceremony), Some(phase)) = (&group.session, group.phase()) else { return };
        let Some(me) = ceremony.terms.identifiers.get(&self.account).copied() else { return };
        // A session in which the log would not take this process's messages is none of its business.
        if !announced || matches!(phase, SessionPhase::Doomed(_) | SessionPhase::Activating) {
            return;
        }
        let session = ceremony.session;
        // An account begins a session once, whatever becomes of the process: a second first message would be
        // equivocation. What the log shows counts too, for a disk that was restored from an older copy.
        let begun = self.sessions.contains_key(&session) || group.posted(&self.account);
        let step = match self.runs.remove(&session) {
            Some(_) if self.took_back(group) => return,
            Some(run) => run.advance(&ceremony.board, &mut *rng),
            None if phase == SessionPhase::Committing && !begun && self.consents(group, now) => {
                let package = self.usable_package(group);
                let Some(first) = SessionRun::begin(ceremony, me, package, &mut *rng) else {
                    return;
                };
                self.sessions.insert(session, false);
                out.push(NodeEffect::Persist(NodeChange::Committed(session)));
                first
            }
            None => return,
        };
        match step {
            Ok(Step::Wait(run)) => {
                self.runs.insert(session, run);
            }
            Ok(Step::Send(run, message)) => {
                self.runs.insert(session, run);
                let message = Base64(message);
                let incarnation = self.incarnation;
                self.state_in_log(
                    Body::CeremonyMessage { session, incarnation, message },
                    now,
                    out,
                );
            }
            Ok(Step::Done(package)) => self.certify(name, session, package, now, out),
            // Dealt or helped, and gets no share: nothing is left to do.
            Ok(Step::Left) => {}
            // The run is consumed. If the log shows why, the session is doomed and the coordinator says so; if not,
            // this node stays silent and the session times out.
            Err(_) => {}
        }
    }

    /// Whether nothing that this node alone knows speaks against carrying out the group's change: its own clock, and a
    /// refusal in place of which the coordinator logged the consent that it took back. That others approved is in the log.
    fn consents(&self, group: &Group, now: Timestamp) -> bool {
        group.change.as_ref().is_none_or(|change| {
            let earliest = Timestamp(now.0.saturating_sub(MAX_CLOCK_LEAD));
            !self.took_back(group) && !change.lapsed(earliest)
        })
    }

    /// Whether the account holder refused the group's change after the consent that the log shows. From then on this node
    /// takes no part in it, begun or not.
    pub(super) fn took_back(&self, group: &Group) -> bool {
        group.change.as_ref().is_some_and(|change| {
            let consented = [&change.approvals, &change.accepted];
            self.refused.contains(&change.id)
                && consented.into_iter().any(|names| names.contains(&self.account))
        })
    }

    /// The share is made: durable first, then the statement that it is.
    fn certify(
        &mut self,
        name: &GroupName,
        session: SessionId,
        package: KeyPackage,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        let Ok(group) = self.state.group(name) else { return };
        let (Some((transcript, public_key_package)), Some(public)) = (
            group.certificate(),
            group.session.as_ref().and_then(|ceremony| ceremony.board.outcome()),
        ) else {
            return;
        };
        if package.check(public).is_err() {
            return;
        }
        let Ok(copy) = KeyPackage::from_bytes(&package.to_bytes()) else { return };
        // A share that was lost is one of those that another session made.
        let repaired = group.session.as_ref().is_some_and(|it| it.terms.repairs().is_some());
        let made_by = match &group.key {
            Some(key) if repaired => key.session,
            _ => session,
        };
        // A repair may have to be tried again after this node had its share, or be of one that is there.
        let stored = self.packages.get(&made_by).map(KeyPackage::to_bytes);
        if stored.as_deref() != Some(&*copy.to_bytes()) {
            if stored.is_some() {
                out.push(NodeEffect::Persist(NodeChange::ShareDestroyed(made_by)));
            }
            let change = NodeChange::KeyPackage { session: made_by, package: copy };
            out.push(NodeEffect::Persist(change));
            self.packages.insert(made_by, package);
        }
        self.state_in_log(
            Body::CeremonyCertified { session, transcript, public_key_package },
            now,
            out,
        );
    }

    /// This node's share of the group's current key, if it fits the logged verifying share.
    pub(super) fn usable_package(&self, group: &Group) -> Option<&KeyPackage> {
        let key = group.key.as_ref()?;
        self.packages.get(&key.session).filter(|package| package.check(&key.public).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quorate_log::key::{LogSigner, Seed};
    use quorate_log::leaf_hash;
    use quorate_log::tree::Frontier;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::entry::Entry;
    use crate::message::FromCoordinator;
    use crate::node::{Config, Input, Saved};
    use crate::test_log::{TestLog, name, secrets, session};

    fn checkpoint(log: &TestLog) -> String {
        let mut frontier = Frontier::default();
        log.entries.iter().for_each(|entry| frontier.append(leaf_hash(entry)));
        let origin = log.state.origin().parse().unwrap();
        LogSigner::new(origin, Seed::new(Box::new([1; 32]))).sign(frontier.head()).to_string()
    }

    fn outgoing(effects: &[NodeEffect]) -> impl Iterator<Item = (usize, &Entry)> {
        effects.iter().enumerate().filter_map(|(at, effect)| match effect {
            NodeEffect::Persist(NodeChange::OutboxAdd(entry)) => Some((at, entry)),
            _ => None,
        })
    }

    /// What ben's node does when it starts with these `sessions` on its disk, and is shown that session 1 waits for
    /// everybody's first message.
    fn invited_to_generate(sessions: BTreeMap<SessionId, bool>) -> Vec<NodeEffect> {
        let mut log = TestLog::grouped();
        log.begin(session(1), 1).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let config = Config { auto_accept: false, auto_approve: false };
        let saved = Saved { entries: log.entries.clone(), sessions, ..Saved::default() };
        let ivn = log.state.ivn();
        let mut node =
            Node::restore(name("ben"), secrets("ben"), config, ivn, saved, &mut rng).unwrap();
        let announced = node.start(log.now, &mut rng);
        node.handle(Input::Connected, log.now, &mut rng);
        let (_, announcement) = outgoing(&announced).last().unwrap();
        let first = u64::try_from(log.entries.len()).unwrap();
        log.enter(announcement).unwrap();
        let entries = vec![Base64(announcement.to_bytes())];
        let checkpoint = Some(checkpoint(&log));
        let message = FromCoordinator::Log { first, entries, checkpoint };
        node.handle(Input::Received(message), log.now, &mut rng)
    }

    fn first_message(effects: &[NodeEffect]) -> Option<usize> {
        outgoing(effects)
            .find(|(_, entry)| matches!(entry.statement().body, Body::CeremonyMessage { .. }))
            .map(|(at, _)| at)
    }

    #[test]
    fn a_session_is_durably_begun_before_its_first_message_is_even_stored() {
        let effects = invited_to_generate(BTreeMap::new());
        let begun = effects.iter().position(|effect| match effect {
            NodeEffect::Persist(NodeChange::Committed(begun)) => *begun == session(1),
            _ => false,
        });
        let begun = begun.unwrap();
        assert!(begun < first_message(&effects).unwrap());
    }

    #[test]
    fn a_session_that_was_begun_before_a_crash_is_never_begun_again() {
        let effects = invited_to_generate(BTreeMap::from([(session(1), false)]));
        assert_eq!(first_message(&effects), None);
        let effects = invited_to_generate(BTreeMap::from([(session(2), false)]));
        assert!(first_message(&effects).is_some(), "another session does not count");
    }
}
