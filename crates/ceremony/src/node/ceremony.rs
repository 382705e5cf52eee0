//! A node's part in its groups' distributed key generation.
//!
//! Round messages go to the log and come back from it; the node acts on what the log shows. What it keeps in memory (its
//! polynomial, its decryption key) is never written down, so a restart ends the session and the coordinator starts
//! another. Its key package is durable before it certifies.

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
        // One process begins a session once: a second first message would be equivocation.
        let begun = group.posted(&self.account)
            || self.is_stating(
                |body| matches!(body, Body::CeremonyMessage { session: s, .. } if *s == session),
            );
        let step = match self.runs.remove(&session) {
            Some(run) => run.advance(&dkg.board, &mut *rng),
            None if phase == DkgPhase::Committing && !begun => {
                let Some(me) = group.identifier(&self.account) else { return };
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
