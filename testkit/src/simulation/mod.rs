//! One IVN in one thread: the event loop and its participants.

mod coordinator;
mod event;
mod facts;
mod founding;
mod hub;
mod links;
pub(crate) mod network;
mod node;
mod record;
pub(crate) mod sabotage;
mod station;

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::audit::AuditReport;
use quorate_ceremony::effect::CommandId;
use quorate_ceremony::names::{AccountName, Timestamp};

use crate::invariants::{
    Invariant, Invariants, Seen, Violation, l1_approved_requests_are_signed,
    l2_processes_restart_by_themselves, the_audit_says_what_happened,
};
use crate::reference::START;
use crate::rng::Chance;
use crate::scenario::{Faults, Scenario};
use crate::users::Plan;
use crate::world::World;
use event::Event;
use hub::Hub;
use network::Network;
use record::Record;
pub use record::{Change, Happening, Step, last_steps};
pub use sabotage::Sabotage;
use station::Station;

/// How long a healed world may take to finish everything, in milliseconds.
const PATIENCE: u64 = 240_000;
/// The most events of a run, so that a livelock in which virtual time stands still ends.
const MOST_EVENTS: u64 = 400_000;

/// The counts of a successful run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    pub entries: u64,
    /// The root of the log's tree, in base64.
    pub root: String,
    /// Messages from nodes to the coordinator, by kind.
    pub from_nodes: BTreeMap<&'static str, u64>,
    /// Messages from the coordinator to nodes, by kind.
    pub from_coordinator: BTreeMap<&'static str, u64>,
    /// The accounts whose statements the log rejected, and why.
    pub refusals: BTreeSet<(AccountName, String)>,
    /// How many times a process died.
    pub crashes: u64,
    /// How many connections were made.
    pub connections: u64,
    /// How many DKG sessions were started.
    pub sessions: u64,
    /// How many signatures were made.
    pub signatures: u64,
    /// How many groups were retired.
    pub retired: u64,
    /// How many milliseconds passed in the simulated world.
    pub milliseconds: u64,
    /// How many events happened.
    pub events: u64,
}

/// A run in which an invariant does not hold.
#[derive(Debug, thiserror::Error)]
#[error("after {milliseconds} ms: {violation}")]
pub struct Failure {
    pub violation: Violation,
    /// The time of the violation, in milliseconds of the simulated world.
    pub milliseconds: u64,
    /// The steps before it, if the run was [recorded](Simulation::recorded).
    pub steps: Vec<Step>,
}

/// A whole IVN: people, nodes, network, coordinator and disks.
pub struct Simulation {
    now: u64,
    next_event: u64,
    queue: BTreeMap<(u64, u64), Event>,
    chance: Chance,
    faults: Faults,
    plan: Plan,
    network: Network,
    stations: BTreeMap<AccountName, Station>,
    hub: Hub,
    world: World,
    invariants: Invariants,
    sabotage: Option<Sabotage>,
    processes: u64,
    commands: u64,
    outcome: Outcome,
    audit: Option<AuditReport>,
    record: Option<Record>,
}

impl Simulation {
    /// Prepares a run of `scenario` in which all randomness comes from `seed`.
    pub fn new(scenario: Scenario, seed: u64) -> Result<Self, Failure> {
        Self::found(scenario, seed).map_err(|violation| Failure {
            violation,
            milliseconds: 0,
            steps: Vec::new(),
        })
    }

    /// Prepares the run of a seed, including its scenario.
    pub fn of_seed(seed: u64) -> Result<Self, Failure> {
        Self::new(Scenario::random(seed), seed)
    }

    pub fn scenario(&self) -> &Scenario {
        &self.plan.scenario
    }

    /// Breaks the system on purpose.
    #[must_use]
    pub fn with(mut self, sabotage: Sabotage) -> Self {
        self.sabotage = Some(sabotage);
        self
    }

    /// Runs until everything possible is done, and checks every invariant after each event.
    pub fn run(mut self) -> Result<(Outcome, Vec<Step>), Failure> {
        let result = self.drive();
        self.ended(result)
    }

    fn ended(self, result: Result<(), Violation>) -> Result<(Outcome, Vec<Step>), Failure> {
        let steps = self.record.map(|record| record.steps).unwrap_or_default();
        let head = self.world.reference.head();
        let groups = self.world.reference.state.groups().values();
        let retired = groups.filter(|group| group.retirement().is_some()).count() as u64;
        match result {
            Ok(()) => {
                let outcome = Outcome {
                    entries: head.size,
                    root: head.root.to_string(),
                    milliseconds: self.now,
                    retired,
                    ..self.outcome
                };
                Ok((outcome, steps))
            }
            Err(violation) => Err(Failure { violation, milliseconds: self.now, steps }),
        }
    }

    /// Runs like [`Self::run`]. If there are malicious members, also returns an auditor's report on
    /// the log.
    pub fn run_and_audit(mut self) -> Result<(Outcome, Option<AuditReport>), Failure> {
        let result = self.drive();
        let audit = self.audit.take();
        self.ended(result).map(|(outcome, _)| (outcome, audit))
    }

    fn drive(&mut self) -> Result<(), Violation> {
        self.schedule(0, Event::StartCoordinator);
        self.schedule(self.faults.heal, Event::Heal);
        let names = self.world.names.clone();
        for name in names {
            if self.stations.get(&name).is_some_and(|station| station.is_on_roster) {
                self.schedule(0, Event::StartNode(name.clone()));
            }
            let first = self.chance.up_to(50);
            self.schedule(first, Event::Look(name));
        }
        let limit = self.faults.heal + PATIENCE;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = at;
            self.outcome.events += 1;
            if at > limit || self.outcome.events > MOST_EVENTS {
                let missing = self.plan.unfinished(&self.world).join(", ");
                let what = format!("{PATIENCE} ms after the world healed: {missing}");
                return Err(Invariant::L1.broken(what));
            }
            let looked = matches!(event, Event::Look(_));
            let happened = self.happen(event);
            self.end_step();
            happened?;
            if looked && self.is_settled() {
                let end = self.check_end();
                self.end_step();
                return end;
            }
        }
        Err(Invariant::Simulator.broken("nothing happens any more"))
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Heal => {
                self.faults = self.faults.healed();
                self.note(|| Happening::Healed);
                Ok(())
            }
            Event::StartNode(account) => self.start_node(&account),
            Event::StartCoordinator => self.start_coordinator(),
            Event::Look(account) => self.look(&account),
            Event::Join(account) => self.join(&account),
            Event::Joined(account) => self.joined(&account),
            Event::Dial { account, process } => self.dial(&account, process),
            Event::Arrive(connection, direction, bytes) => {
                self.arrive(connection, direction, &bytes)
            }
            Event::Break(connection) => {
                self.break_connection(connection);
                Ok(())
            }
            Event::NodeNotices(connection) => self.node_notices(connection),
            Event::CoordinatorNotices(connection) => self.coordinator_notices(connection),
            Event::NodeDeadline { account, process, deadline, at } => {
                self.node_deadline(&account, process, deadline, at)
            }
            Event::CoordinatorDeadline { process, deadline, at } => {
                self.coordinator_deadline(process, deadline, at)
            }
            Event::NodeDocument { account, process, request } => {
                self.node_document(&account, process, request)
            }
            Event::CoordinatorDocument { process, request } => {
                self.coordinator_document(process, request)
            }
            Event::FlushNode { account, process } => self.flush_node_of(&account, process),
            Event::FlushCoordinator { process } => self.flush_coordinator_of(process),
        }
    }

    fn schedule(&mut self, after: u64, event: Event) {
        self.next_event += 1;
        self.queue.insert((self.now + after, self.next_event), event);
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        self.invariants.observe(&self.world, seen)
    }

    /// Returns the time of the coordinator's clock.
    fn clock(&self) -> Timestamp {
        Timestamp(START + self.now)
    }

    fn next_command(&mut self) -> CommandId {
        self.commands += 1;
        CommandId(self.commands)
    }

    fn next_process(&mut self) -> u64 {
        self.processes += 1;
        self.processes
    }

    /// Whether all nodes are connected and nobody waits for anything.
    fn is_settled(&self) -> bool {
        let size = self.world.reference.state.size();
        self.plan.unfinished(&self.world).is_empty()
            && self.hub.is_idle()
            && self.stations.values().all(|station| station.is_idle(size))
    }

    fn check_end(&mut self) -> Result<(), Violation> {
        self.note(|| Happening::Settled);
        if !self.world.malicious.is_empty() {
            self.audit = Some(the_audit_says_what_happened(&self.world)?);
        }
        l1_approved_requests_are_signed(&self.plan, &self.world)?;
        for (name, station) in &self.stations {
            if let Some(process) = &station.process
                && !self.world.malicious.contains(name)
            {
                l2_processes_restart_by_themselves(&self.plan, &self.world, name, &process.node)?;
            }
        }
        Ok(())
    }
}
