//! A node's part in its groups' distributed key generation.
//!
//! Round messages go to the log and come back from it; the node acts on what the log shows. What it keeps in memory (its
//! polynomial, its decryption key) is never written down, so a restart ends the session and the coordinator starts
//! another. That it began a session is durable before its first message leaves, and its key package before it certifies.

use quorate_protocol::keys::KeyPackage;
use quorate_protocol::keyshare::{Run, Step};
use rand_core::CryptoRngCore;

use super::Node;
use crate::effect::{NodeChange, NodeEffect};
use crate::encoding::Base64;
use crate::names::{GroupName, SessionId, Timestamp};
use crate::state::{DkgPhase, Group};
use crate::statement::Body;

impl Node {
    pub(super) fn reconcile_group(
        &mut self,
        name: &GroupName,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        let Ok(group) = self.state.group(name) else { return };
        if !group.definition.members.contains(&self.account) {
            return;
        }
        let accept = self.config.auto_accept
            && group.key.is_none()
            && !group.accepted.contains(&self.account)
            && !self
                .is_stating(|body| matches!(body, Body::GroupAccepted { definition, .. } if *definition == group.defined));
        if accept {
            let definition = group.defined;
            self.state_in_log(Body::GroupAccepted { group: name.clone(), definition }, now, out);
        }
        self.advance_dkg(name, now, rng, out);
        let running: Vec<SessionId> = self
            .state
            .groups()
            .values()
            .filter_map(|g| g.dkg.as_ref())
            .map(|dkg| dkg.session)
            .collect();
        self.runs.retain(|session, _| running.contains(session));
    }

    /// Takes the next step of the group's running session, if there is one to take.
    fn advance_dkg(
        &mut self,
        name: &GroupName,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        let announced = self
            .state
            .account(&self.account)
            .is_ok_and(|account| account.incarnation == Some(self.incarnation));
        let Ok(group) = self.state.group(name) else { return };
        let (Some(dkg), Some(phase)) = (&group.dkg, group.phase()) else { return };
        // A session in which the log would not take this process's messages is none of its business.
        if !announced || matches!(phase, DkgPhase::Doomed(_) | DkgPhase::Activating) {
            return;
        }
        let session = dkg.session;
        // An account begins a session once, whatever becomes of the process: a second first message would be
        // equivocation. What the log shows counts too, for a disk that was restored from an older copy.
        let begun = self.sessions.contains_key(&session) || group.posted(&self.account);
        let step = match self.runs.remove(&session) {
            Some(run) => run.advance(&dkg.board, &mut *rng),
            None if phase == DkgPhase::Committing && !begun => {
                let Some(me) = group.identifier(&self.account) else { return };
                self.sessions.insert(session, false);
                out.push(NodeEffect::Persist(NodeChange::Committed(session)));
                Run::start(dkg.board.parameters(), me, &mut *rng)
                    .map(|(run, message)| Step::Send(run, message))
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
            // Nothing is kept, and nobody waits for anything: only a reshare ends so.
            Ok(Step::Left) => {}
            // The run is consumed. If the log shows why, the session is doomed and the coordinator says so; if not,
            // this node stays silent and the session times out.
            Err(_) => {}
        }
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
        let (Some((transcript, public_key_package)), Some(public)) =
            (group.certificate(), group.dkg.as_ref().and_then(|dkg| dkg.board.outcome()))
        else {
            return;
        };
        if package.check(public).is_err() {
            return;
        }
        let Ok(copy) = KeyPackage::from_bytes(&package.to_bytes()) else { return };
        out.push(NodeEffect::Persist(NodeChange::KeyPackage { session, package: copy }));
        self.packages.insert(session, package);
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
    use crate::chronicle::{Chronicle, name, secrets, session};
    use crate::entry::Entry;
    use crate::message::FromCoordinator;
    use crate::node::{Config, Input, Saved};

    fn checkpoint(log: &Chronicle) -> String {
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
        let mut log = Chronicle::grouped();
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
