//! The coordinator's shell: hub, log, document store, and one process that dies.

use std::collections::BTreeMap;

use quorate_ceremony::coordinator::{Config, Coordinator, Input, QuotaLimits};
use quorate_ceremony::effect::{CoordinatorChange, CoordinatorDeadline, CoordinatorEffect, JoinId};
use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::names::{AccountName, COORDINATOR, EntryId, Timestamp};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::test_world::{CoordinatorShell, document_of};

use super::Simulation;
use super::event::Event;
use super::hub::HubProcess;
use super::network::ConnectionId;
use super::record::{Happening, appended};
use crate::invariants::{Invariant, Seen, Violation};

/// Deadlines of the simulated deployment.
const CONFIG: Config = Config {
    ceremony_step: 8_000,
    signing: 1_000,
    session: 20_000,
    pause: 100,
    // The schedules in which it loses entries are those in which a node that has them comes back.
    comparison: 600_000,
    quota: QuotaLimits { account: 100, ivn: 2_000 },
};

impl Simulation {
    pub(super) fn start_coordinator(&mut self) -> Result<(), Violation> {
        let number = self.next_process();
        let mut rng = self.chance.split();
        let disk = &self.world.coordinator;
        let checkpoint = disk.checkpoint.as_ref().map(|(note, _)| note.as_str());
        let restored =
            Coordinator::restore(self.hub.secrets(), CONFIG, disk.entries.clone(), checkpoint);
        let mut coordinator = restored.map_err(|error| {
            Invariant::L2.broken(format!("the coordinator cannot restart: {error}"))
        })?;
        if self.hub.lost_entries {
            let cosigned = self.honest().map(|account| (account, u64::MAX));
            coordinator = coordinator.awaiting(cosigned.collect());
        }
        let batch = coordinator.start(self.clock(), &mut rng);
        self.hub.process = Some(HubProcess {
            number,
            coordinator,
            connections: BTreeMap::new(),
            rng,
            deadlines: BTreeMap::new(),
            joins: BTreeMap::new(),
            batch,
            inputs: 0,
            most_inputs: 1,
        });
        self.note(|| Happening::CoordinatorStarted);
        self.flush_coordinator()
    }

    fn crash_coordinator(&mut self) {
        self.note(|| Happening::CoordinatorDied);
        self.outcome.crashes += 1;
        self.hub.process = None;
        let all: Vec<ConnectionId> = self.network.connections.keys().copied().collect();
        all.into_iter().for_each(|connection| self.break_connection(connection));
        if self.chance.happens(self.faults.lost_entries) {
            self.lose_entries();
        }
        let downtime = self.chance.between(1, self.faults.downtime);
        self.schedule(downtime, Event::StartCoordinator);
    }

    fn honest(&self) -> impl Iterator<Item = AccountName> {
        let names = self.world.names.iter();
        names.filter(|name| !self.world.malicious.contains(*name)).cloned()
    }

    /// Replaces the coordinator's disk by an earlier copy, if a node that may connect by that copy
    /// has the whole log.
    fn lose_entries(&mut self) {
        let size = self.world.reference.state.size();
        let has_all = |name: &AccountName| {
            self.world.disk(name).is_some_and(|disk| disk.cosigned_size() == size)
        };
        let admin = self.world.names.iter().take(1);
        if !admin.into_iter().any(has_all) {
            return;
        }
        let stored = u64::try_from(self.world.coordinator.entries.len()).unwrap_or(0);
        let sizes = self.world.reference.checkpoints.range(..=stored);
        let sizes: Vec<u64> = sizes.map(|(size, _)| *size).collect();
        let most = u64::try_from(sizes.len()).unwrap_or(0).saturating_sub(1);
        let drawn = usize::try_from(self.chance.up_to(most)).unwrap_or(0);
        let Some(checkpoint) =
            sizes.get(drawn).and_then(|size| self.world.reference.checkpoints.get(size))
        else {
            return;
        };
        let left = checkpoint.head().size;
        let disk = &mut self.world.coordinator;
        disk.entries.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        disk.checkpoint = Some((checkpoint.to_string(), left));
        disk.cosignatures.retain(|_, (size, _)| *size <= left);
        self.hub.lost_entries = true;
        self.note(|| Happening::CoordinatorLostEntries { left });
    }

    /// Passes an input to the coordinator, which seals after one or several inputs.
    pub(super) fn tell_coordinator(&mut self, input: Input) -> Result<(), Violation> {
        let now = self.clock();
        let Some(process) = &mut self.hub.process else { return Ok(()) };
        let effects = process.coordinator.handle(input, now, &mut process.rng);
        process.batch.extend(effects);
        process.inputs += 1;
        if process.inputs >= process.most_inputs {
            return self.flush_coordinator();
        }
        if process.inputs == 1 {
            let number = process.number;
            let soon = self.chance.up_to(self.faults.delay.min(25));
            self.schedule(soon, Event::FlushCoordinator { process: number });
        }
        Ok(())
    }

    pub(super) fn flush_coordinator_of(&mut self, process: u64) -> Result<(), Violation> {
        let running = self.hub.process.as_ref().is_some_and(|running| running.number == process);
        if running { self.flush_coordinator() } else { Ok(()) }
    }

    fn flush_coordinator(&mut self) -> Result<(), Violation> {
        let now = self.clock();
        let most_inputs = self.chance.between(1, self.faults.batch.max(1));
        let Some(process) = &mut self.hub.process else { return Ok(()) };
        process.inputs = 0;
        process.most_inputs = most_inputs;
        let mut effects = std::mem::take(&mut process.batch);
        effects.extend(process.coordinator.seal(now, &mut process.rng));
        if let Some(sabotage) = self.sabotage {
            sabotage.of_coordinator(&self.hub.secrets(), &mut effects);
        }
        let mut durable = 0;
        if self.plan.scenario.faults.durable_first {
            effects.sort_by_key(|effect| !is_durable(effect));
            durable = effects.iter().filter(|effect| is_durable(effect)).count();
        }
        let dies_after = self.chance.happens(self.faults.coordinator_crash).then(|| {
            let after = self.chance.up_to(u64::try_from(effects.len()).unwrap_or(0));
            let after = usize::try_from(after).unwrap_or(0);
            // A transaction is written as a whole or not at all.
            if after < durable { 0 } else { after }
        });
        self.carry_out(effects.into_iter().take(dies_after.unwrap_or(usize::MAX)))?;
        if dies_after.is_some() {
            self.crash_coordinator();
        }
        Ok(())
    }

    pub(super) fn coordinator_deadline(
        &mut self,
        process: u64,
        deadline: CoordinatorDeadline,
        at: Timestamp,
    ) -> Result<(), Violation> {
        let Some(running) = &mut self.hub.process else { return Ok(()) };
        if running.number != process || running.deadlines.get(&deadline) != Some(&at) {
            return Ok(());
        }
        running.deadlines.remove(&deadline);
        self.note(|| Happening::DeadlineCame {
            of: COORDINATOR.to_owned(),
            deadline: format!("{deadline:?}"),
        });
        self.tell_coordinator(Input::Deadline(deadline))
    }

    pub(super) fn coordinator_document(
        &mut self,
        process: u64,
        request: EntryId,
    ) -> Result<(), Violation> {
        let away = self.chance.happens(self.faults.no_document);
        let Some(running) = self.hub.process.as_ref().filter(|running| running.number == process)
        else {
            return Ok(());
        };
        let document = document_of(running.coordinator.state(), &self.world.documents, request);
        let document = document.filter(|_| !away);
        self.tell_coordinator(Input::Document { request, document })
    }

    pub(super) fn join(&mut self, account: &AccountName) -> Result<(), Violation> {
        let Some(bytes) = self.admission(account) else { return Ok(()) };
        let id = JoinId(self.next_command().0);
        let Some(process) = &mut self.hub.process else { return Ok(()) };
        process.joins.insert(id, account.clone());
        self.tell_coordinator(Input::Join(id, bytes))
    }
}

impl CoordinatorShell for Simulation {
    type Error = Violation;

    fn append(&mut self, index: u64, entry: Entry) -> Result<(), Violation> {
        self.note(|| appended(index, &entry));
        let next = u64::try_from(self.world.coordinator.entries.len()).ok();
        Invariant::OneLog
            .check(next == Some(index), || format!("entry {index} comes after {next:?}"))?;
        self.world.coordinator.entries.push(entry.to_bytes());
        let known = usize::try_from(index).ok().and_then(|at| self.world.reference.entries.get(at));
        if let Some(known) = known {
            return Invariant::OneLog.check(*known == entry.to_bytes(), || {
                format!("the coordinator appends another entry {index} than it did before")
            });
        }
        self.world.reference.append(&entry).map_err(|refusal| {
            Invariant::OneLog
                .broken(format!("the coordinator appends what is not admissible: {refusal}"))
        })?;
        match entry.statement().body {
            Body::CeremonyStarted { .. } => self.outcome.sessions += 1,
            Body::Signature { .. } => self.outcome.signatures += 1,
            _ => {}
        }
        self.see(&Seen::Appended(&entry))?;
        // The loss is the reason for the repair.
        if let Body::GroupChange(proposal) = &entry.statement().body
            && let Some(member) = &proposal.repairs
            && let Ok(group) = self.world.reference.state.group(&proposal.definition.name)
            && let Some(session) = group.key.as_ref().map(|key| key.session)
        {
            self.lose_share(member, session);
        }
        Ok(())
    }

    fn persist(&mut self, change: CoordinatorChange) -> Result<(), Violation> {
        self.world.coordinator.write(&change);
        if let CoordinatorChange::Checkpoint { note, size } = &change {
            let of = self.world.reference.checkpoint(note);
            Invariant::OneLog.check(of == Some(*size), || {
                format!("the checkpoint of {size} entries is not of the log on the disk")
            })?;
        }
        self.see(&Seen::CoordinatorStored(&change))
    }

    fn send(&mut self, to: AccountName, message: FromCoordinator) -> Result<(), Violation> {
        self.send_from_coordinator(to, message)
    }

    fn stored(
        &mut self,
        to: &AccountName,
        first: u64,
        end: u64,
    ) -> Result<Vec<Vec<u8>>, Violation> {
        let stored = self.world.coordinator.stored(first, end).map(<[_]>::to_vec);
        stored.ok_or_else(|| {
            Invariant::OneLog
                .broken(format!("{to} is sent entries {first}..{end}, which are not stored"))
        })
    }

    fn frame(&mut self) -> u64 {
        self.chance.between(1, 8)
    }

    fn disconnect(&mut self, account: AccountName) -> Result<(), Violation> {
        self.hang_up_on(&account);
        Ok(())
    }

    fn deadline(&mut self, deadline: CoordinatorDeadline, at: Timestamp) -> Result<(), Violation> {
        let late = self.chance.up_to(20);
        let now = self.clock();
        let Some(process) = &mut self.hub.process else { return Ok(()) };
        process.deadlines.insert(deadline.clone(), at);
        let event = Event::CoordinatorDeadline { process: process.number, deadline, at };
        self.schedule(at.0.saturating_sub(now.0) + late, event);
        Ok(())
    }

    fn prepare(&mut self, request: EntryId) -> Result<(), Violation> {
        let Some(process) = self.hub.process.as_ref().map(|process| process.number) else {
            return Ok(());
        };
        let delay = self.chance.up_to(5);
        self.schedule(delay, Event::CoordinatorDocument { process, request });
        Ok(())
    }

    fn respond_join(&mut self, id: JoinId, answer: Result<u64, Refusal>) -> Result<(), Violation> {
        let account = self.hub.process.as_mut().and_then(|process| process.joins.remove(&id));
        let Some(account) = account else { return Ok(()) };
        let joins = answer.is_ok();
        self.note(|| Happening::JoinAnswered {
            account: account.clone(),
            answer: answer.map_err(|refusal| refusal.to_string()),
        });
        let lost = self.chance.happens(self.faults.drop);
        let delay = self.chance.up_to(self.faults.delay);
        if joins && !lost {
            self.schedule(delay, Event::Joined(account));
        }
        Ok(())
    }
}

fn is_durable(effect: &CoordinatorEffect) -> bool {
    matches!(effect, CoordinatorEffect::Append { .. } | CoordinatorEffect::Persist(_))
}
