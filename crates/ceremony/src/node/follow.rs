//! Following the log: how the node acts on new entries and checkpoints.
//!
//! - Upon entries: stage them.
//! - Upon a checkpoint of the tree that they make: admit them, cosign it, and check every group and
//!   request that changed.
//! - Upon a checkpoint of a different tree: keep it, as proof if it proves misbehaviour.

use std::collections::BTreeSet;

use quorate_log::checkpoint::VerifiedCheckpoint;

use super::log::Shown;
use super::view::{Call, View};
use super::{Node, maintenance};
use crate::encoding::Base64;
use crate::entry::Body;
use crate::names::{EntryId, GroupName};
use crate::state::Event;

impl Node {
    pub(super) fn follow(
        &mut self,
        first: u64,
        entries: Vec<Base64>,
        checkpoint: Option<&str>,
        call: &mut Call<'_>,
    ) {
        if self.contradictions.is_proved() || !self.log.stage(first, entries, call) {
            return;
        }
        let Some(note) = checkpoint else { return };
        match self.log.compare(note, self.outbox.is_open()) {
            Shown::Nothing => {}
            Shown::Unusable => self.log.hang_up(call),
            Shown::Behind { size } => self.contradictions.is_behind(size),
            Shown::Contradicts(theirs) => {
                let is_older = theirs.head().size < self.log.tree().size();
                let proved = self.contradictions.add(&self.log, theirs, call);
                self.stop_if(proved, call);
                self.signing.drop_all();
                if !is_older {
                    self.log.hang_up(call);
                }
            }
            Shown::Confirms(checkpoint) => self.believe(checkpoint, note, call),
        }
    }

    /// Stops everything if there is proof of the coordinator's misbehaviour.
    fn stop_if(&mut self, proved: bool, call: &mut Call<'_>) {
        if proved {
            self.signing.drop_all();
            self.log.unstage();
            self.outbox.close(call);
        }
    }

    /// Admits the staged entries, which this checkpoint covers.
    fn believe(&mut self, checkpoint: VerifiedCheckpoint, note: &str, call: &mut Call<'_>) {
        let mut taken = self.log.take_in(&self.process, &self.approvals);
        self.process.note_size(self.log.state().size());
        taken.starts.iter().for_each(|incarnation| self.process.note_start(*incarnation));
        if let Some(theirs) = &taken.foreign {
            let proved = self.contradictions.prove_fork(&self.log, &checkpoint, theirs, call);
            self.stop_if(proved, call);
        }
        taken.persist(call);
        if !self.log.names_coordinator() && taken.misplaced.is_some() {
            // Its coordinator is not the one that this node trusts, so it is not proof.
            return self.log.hang_up(call);
        }
        if let Some(misplaced) = taken.misplaced {
            let proved = self.contradictions.accuse(&self.log, &checkpoint, misplaced, call);
            self.stop_if(proved, call);
        } else if !self.contradictions.is_proved() && self.log.names_coordinator() {
            let proved = self.contradictions.reconsider(&self.log, &checkpoint, call);
            self.stop_if(proved, call);
            if !proved {
                self.log.cosign(checkpoint, note, &self.process, call);
            }
        }
        for (id, index) in taken.ours {
            self.outbox.arrived(id, index, call);
        }
        if self.contradictions.is_proved() || !self.log.names_coordinator() {
            return;
        }
        // First, so that nothing is submitted again that is forgotten in the same step.
        self.outbox.settle_disputes(self.log.state(), call);
        self.outbox.open(call);
        let mut touched = Touched::default();
        touched.note(taken.events);
        self.reconcile(touched, call);
    }

    /// Checks everything, after a start.
    pub(super) fn reconcile_all(&mut self, call: &mut Call<'_>) {
        let touched = Touched {
            groups: self.log.state().groups().keys().cloned().collect(),
            requests: self.log.state().requests().keys().copied().collect(),
            upkeep: true,
            ..Touched::default()
        };
        self.reconcile(touched, call);
    }

    /// Acts on the groups and requests that changed. Works from the state and not from the events,
    /// so that catching up with a thousand entries does only what is still needed.
    fn reconcile(&mut self, touched: Touched, call: &mut Call<'_>) {
        self.signing.drop_groups(self.log.state(), &touched.epochs);
        // The start of an earlier process of this node may be logged after the start of this one.
        if touched.accounts || touched.started {
            self.announce_process(call);
        }
        if let Some(body) = self.process.duplication(self.log.state()) {
            self.outbox.state_once(&self.process, body.clone(), |stated| *stated == body, call);
        }
        // Sessions may have waited for this process's announcement.
        let groups: Vec<GroupName> = if touched.started {
            self.log.state().groups().keys().cloned().collect()
        } else {
            touched.groups.into_iter().collect()
        };
        for name in groups {
            self.reconcile_group(&name, call);
        }
        self.keyshares.drop_ended_runs(self.log.state());
        for id in touched.requests {
            self.reconcile_request(id, call);
        }
        if touched.upkeep || touched.started {
            self.upkeep(call);
        }
    }

    fn reconcile_group(&mut self, name: &GroupName, call: &mut Call<'_>) {
        let view = View { state: self.log.state(), me: &self.process };
        let Ok(group) = view.state.group(name) else { return };
        let (keyshares, outbox) = (&mut self.keyshares, &mut self.outbox);
        if self.config.auto_accept
            && !view.me.is_doubled(view.state)
            && let Some(definition) = self.approvals.acceptable(view.me, group)
        {
            let body = Body::GroupAccepted { group: name.clone(), definition };
            outbox.state_once(view.me, body, |stated| matches!(stated, Body::GroupAccepted { definition: of, .. } if *of == definition), call);
        }
        keyshares.destroy_old(&view, name, outbox, call);
        let next = keyshares.advance(&view, name, &self.approvals, &mut self.sessions, call);
        if let Some(body) = next {
            outbox.state(view.me, body, call);
        }
    }

    pub(super) fn reconcile_request(&mut self, id: EntryId, call: &mut Call<'_>) {
        let view = View { state: self.log.state(), me: &self.process };
        let auto_approve = self.config.auto_approve;
        self.approvals.reconcile(&view, auto_approve, &mut self.outbox, id, call);
    }

    pub(super) fn upkeep(&mut self, call: &mut Call<'_>) {
        if !self.contradictions.is_proved() {
            let view = View { state: self.log.state(), me: &self.process };
            maintenance::run(&view, self.clock_agrees, &self.keyshares, &mut self.outbox, call);
        }
    }
}

#[derive(Debug, Default)]
struct Touched {
    groups: BTreeSet<GroupName>,
    requests: BTreeSet<EntryId>,
    /// Groups that have started a new epoch.
    epochs: BTreeSet<GroupName>,
    started: bool,
    accounts: bool,
    /// Whether a periodic task may now be due at a different time.
    upkeep: bool,
}

impl Touched {
    fn note(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Invited(_)
                | Event::Admitted(_)
                | Event::Dismissed(_)
                | Event::CoordinatorReplaced => {}
                // A resumed account has to announce its node.
                Event::Account(_) => {
                    self.accounts = true;
                    self.upkeep = true;
                }
                Event::NodeStarted(_) => self.started = true,
                Event::ShareProved(_) => self.upkeep = true,
                Event::EpochStarted(group) => {
                    self.upkeep = true;
                    self.epochs.insert(group.clone());
                    self.groups.insert(group);
                }
                Event::GroupDefined(group)
                | Event::GroupAccepted(group)
                | Event::Change(group)
                | Event::Ceremony(group)
                | Event::CeremonyAborted(group)
                | Event::CeremonyCertified(group)
                | Event::GroupRetired(group)
                | Event::ShareDestroyed(group) => {
                    self.groups.insert(group);
                }
                Event::RequestOpened(id)
                | Event::RequestVoted(id)
                | Event::RequestApproved(id)
                | Event::RequestRejected(id)
                | Event::RequestWithdrawn(id)
                | Event::RequestRefused(id)
                | Event::RequestPartlySigned(id)
                | Event::RequestSigned(id) => {
                    self.requests.insert(id);
                }
            }
        }
    }
}
