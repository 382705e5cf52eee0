//! What is recorded about a run.

use quorate_ceremony::names::COORDINATOR;
use quorate_ceremony::state::Status;

use super::Simulation;
use super::record::{Facts, Happening, Record};

impl Simulation {
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.record = Some(Record { facts: self.facts(), ..Record::default() });
        self
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> Happening) {
        if let Some(record) = &mut self.record {
            record.happened.push(what());
        }
    }

    pub(super) fn end_step(&mut self) {
        if self.record.is_some() {
            let facts = self.facts();
            if let Some(record) = &mut self.record {
                record.end_step(self.outcome.events, self.now, facts);
            }
        }
    }

    /// Returns what a person wants to know about the state of the world.
    fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        let mut note =
            |of: &str, what, value: String| drop(facts.insert((of.to_owned(), what), value));
        let disk = &self.world.coordinator;
        let process = self.hub.process.as_ref();
        note(COORDINATOR, "process", running(process.is_some(), true).to_owned());
        note(COORDINATOR, "entries", disk.entries.len().to_string());
        let checkpoint = disk.checkpoint.as_ref().map_or(0, |(_, size)| *size);
        note(COORDINATOR, "checkpoint", checkpoint.to_string());
        for (account, station) in &self.stations {
            let Some(disk) = self.world.disk(account) else { continue };
            let (of, process) = (account.as_str(), station.process.as_ref());
            let connected = process.is_some_and(|process| process.connection.is_some());
            note(of, "process", running(process.is_some(), connected).to_owned());
            note(of, "entries", disk.entries.len().to_string());
            note(of, "cosigned", disk.cosigned_size().to_string());
            note(of, "outbox", disk.outbox.len().to_string());
            note(of, "shares", disk.packages.len().to_string());
            let released = disk.sessions.values().filter(|released| **released).count();
            note(of, "sessions", format!("{} ({released} signed)", disk.sessions.len()));
            let trouble = process.and_then(|process| process.node.trouble());
            note(of, "contradiction", trouble.map_or("none".to_owned(), |t| format!("{t:?}")));
        }
        let state = &self.world.reference.state;
        for (name, group) in state.groups() {
            let epoch = group.key.as_ref().map_or(0, |key| key.epoch);
            note(name.as_str(), "epoch", epoch.to_string());
            note(name.as_str(), "phase", format!("{:?}", group.phase()));
        }
        for (id, request) in state.requests() {
            let status = match &request.status {
                Status::Open => "open",
                Status::Approved => "approved",
                Status::Signed => "signed",
                Status::Rejected => "rejected",
                Status::Refused(_) => "refused by the log",
                Status::Withdrawn => "withdrawn",
                Status::GroupRetired => "group-retired",
            };
            note(&format!("request {}", id.short()), "status", status.to_owned());
        }
        facts
    }
}

fn running(runs: bool, connected: bool) -> &'static str {
    match (runs, connected) {
        (false, _) => "off",
        (true, false) => "not connected",
        (true, true) => "running",
    }
}
