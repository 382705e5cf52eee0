//! The surroundings of honest nodes and of a malicious coordinator's machines: a [`Stage`] carries
//! out their effects.
#![expect(
    clippy::indexing_slicing,
    reason = "a view that is not there fails the test that asked for it"
)]

use std::convert::Infallible;

use quorate_ceremony::coordinator as hub;
use quorate_ceremony::effect::{
    CommandError, CommandId, CoordinatorChange, CoordinatorDeadline, CoordinatorEffect, Done,
    NodeChange, NodeDeadline, NodeEffect,
};
use quorate_ceremony::entry::Entry;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, EntryId, Timestamp};
use quorate_ceremony::test_world::{CoordinatorShell, NodeShell, document_of};

use super::attack_world::Stage;
use super::coordinator::ViewId;

impl Stage {
    pub(super) fn carry_out_for(&mut self, id: ViewId, effects: Vec<CoordinatorEffect>) {
        let mut at = AtView { stage: self, id, prepared: Vec::new() };
        let Ok(()) = at.carry_out(effects);
        at.prepared.into_iter().for_each(|document| self.tell_view(id, document));
    }

    /// Carries out all effects unless the node dies first. Returns whether the node lives.
    pub(super) fn carry_out(&mut self, account: &AccountName, effects: Vec<NodeEffect>) -> bool {
        let dies_after = self.chance.happens(self.trouble.crash).then(|| {
            let after = self.chance.up_to(effects.len() as u64);
            usize::try_from(after).unwrap_or(0)
        });
        let effects = effects.into_iter().take(dies_after.unwrap_or(usize::MAX));
        let mut at = AtNode { stage: self, account, hangs_up: false, wanted: Vec::new() };
        let Ok(()) = at.carry_out(effects);
        let (hangs_up, wanted) = (at.hangs_up, at.wanted);
        if dies_after.is_some() {
            return false;
        }
        self.look_at(account);
        for request in wanted {
            self.fetch(account, request);
        }
        if hangs_up {
            self.hang_up(account);
        }
        true
    }
}

/// The surroundings of an honest node.
struct AtNode<'a> {
    stage: &'a mut Stage,
    account: &'a AccountName,
    hangs_up: bool,
    wanted: Vec<EntryId>,
}

impl NodeShell for AtNode<'_> {
    type Error = Infallible;

    fn persist(&mut self, change: NodeChange) -> Result<(), Infallible> {
        if let Some(station) = self.stage.stations.get_mut(self.account)
            && let Err(why) = station.disk.write(&change)
        {
            self.stage.violations.push(format!("the disk of {}: {why}", self.account));
        }
        Ok(())
    }

    fn send(&mut self, message: FromNode) -> Result<(), Infallible> {
        let Stage { stations, liar, truth, violations, .. } = &mut *self.stage;
        let Some(station) = stations.get_mut(self.account) else { return Ok(()) };
        let state = station.node.state();
        if let Err(what) = truth.let_go(self.account, &message, state, &liar.accomplices) {
            violations.push(what);
        }
        if station.connected {
            station.outbound.push_back(message);
        }
        Ok(())
    }

    fn disconnect(&mut self) -> Result<(), Infallible> {
        self.hangs_up = true;
        Ok(())
    }

    fn deadline(&mut self, deadline: NodeDeadline, at: Timestamp) -> Result<(), Infallible> {
        if let Some(station) = self.stage.stations.get_mut(self.account) {
            station.deadlines.insert(deadline, at);
        }
        Ok(())
    }

    fn fetch(&mut self, request: EntryId) -> Result<(), Infallible> {
        self.wanted.push(request);
        Ok(())
    }

    fn respond(
        &mut self,
        command: CommandId,
        answer: Result<Done, CommandError>,
    ) -> Result<(), Infallible> {
        if let Some(station) = self.stage.stations.get_mut(self.account) {
            station.answers.insert(command, answer.map(|done| done.entry));
        }
        Ok(())
    }
}

/// The surroundings of the machine that continues one of the coordinator's logs.
struct AtView<'a> {
    stage: &'a mut Stage,
    id: ViewId,
    prepared: Vec<hub::Input>,
}

impl CoordinatorShell for AtView<'_> {
    type Error = Infallible;

    fn append(&mut self, _: u64, entry: Entry) -> Result<(), Infallible> {
        self.stage.liar.views[self.id.0].entries.push(entry.to_bytes());
        Ok(())
    }

    fn persist(&mut self, _: CoordinatorChange) -> Result<(), Infallible> {
        Ok(())
    }

    /// Sends only to nodes that are shown this log, and only what the coordinator lets pass.
    fn send(&mut self, to: AccountName, message: FromCoordinator) -> Result<(), Infallible> {
        if self.stage.liar.seat(&to) == self.id {
            for message in (self.stage.liar.outgoing)(&to, message) {
                self.stage.sends(&to, message, false);
            }
        }
        Ok(())
    }

    fn stored(
        &mut self,
        _: &AccountName,
        first: u64,
        end: u64,
    ) -> Result<Vec<Vec<u8>>, Infallible> {
        let range = usize::try_from(first).ok().zip(usize::try_from(end).ok());
        let entries = &self.stage.liar.views[self.id.0].entries;
        let stored = range.and_then(|(first, end)| entries.get(first..end));
        Ok(stored.unwrap_or_default().to_vec())
    }

    fn deadline(&mut self, deadline: CoordinatorDeadline, at: Timestamp) -> Result<(), Infallible> {
        self.stage.liar.views[self.id.0].deadlines.insert(deadline, at);
        Ok(())
    }

    fn prepare(&mut self, request: EntryId) -> Result<(), Infallible> {
        let state = self.stage.liar.views[self.id.0].machine.state();
        let document = document_of(state, &self.stage.documents, request);
        self.prepared.push(hub::Input::Document { request, document });
        Ok(())
    }
}
