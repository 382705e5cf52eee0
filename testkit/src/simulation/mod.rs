//! One IVN in one thread: the event loop, and who is who.

mod coordinator;
mod founding;
mod links;
pub(crate) mod network;
mod node;
pub(crate) mod sabotage;
pub(crate) mod world;

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::audit::AuditReport;
use quorate_ceremony::effect::{CommandId, CoordinatorDeadline, NodeDeadline};
use quorate_ceremony::names::{AccountName, EntryId, Timestamp};

use crate::invariants::{
    Invariant, Invariants, Seen, Violation, l1_approved_requests_are_signed,
    l2_processes_restart_by_themselves, the_audit_says_what_happened,
};
use crate::rng::Chance;
use crate::scenario::{Faults, Scenario};
use crate::users::Plan;
use coordinator::Hub;
use network::{ConnectionId, Direction, Network};
use node::Station;
pub use sabotage::Sabotage;
use world::World;

/// When runs start, in milliseconds since the Unix epoch.
pub(crate) const START: u64 = 1_750_000_000_000;
/// How long a healed world may take to get everything done, in milliseconds.
const PATIENCE: u64 = 240_000;
/// The most things that can happen in a run. A livelock without virtual time passing ends here.
const MOST_EVENTS: u64 = 400_000;

/// What is going to happen.
#[derive(Debug)]
enum Event {
    Heal,
    StartNode(AccountName),
    StartCoordinator,
    /// A person looks at its node.
    Look(AccountName),
    Join(AccountName),
    Joined(AccountName),
    Dial {
        account: AccountName,
        process: u64,
    },
    Arrive(ConnectionId, Direction, Vec<u8>),
    Break(ConnectionId),
    NodeNotices(ConnectionId),
    CoordinatorNotices(ConnectionId),
    NodeDeadline {
        account: AccountName,
        process: u64,
        deadline: NodeDeadline,
        at: Timestamp,
    },
    CoordinatorDeadline {
        process: u64,
        deadline: CoordinatorDeadline,
        at: Timestamp,
    },
    NodeDocument {
        account: AccountName,
        process: u64,
        request: EntryId,
    },
    CoordinatorDocument {
        process: u64,
        request: EntryId,
    },
    FlushNode {
        account: AccountName,
        process: u64,
    },
    FlushCoordinator {
        process: u64,
    },
}

/// A run that ended well, in numbers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// Entries in the log.
    pub entries: u64,
    /// The root of the log's tree, in base64.
    pub root: String,
    /// Messages from nodes to the coordinator, by kind.
    pub from_nodes: BTreeMap<&'static str, u64>,
    /// Messages from the coordinator to nodes, by kind.
    pub from_coordinator: BTreeMap<&'static str, u64>,
    /// Whose statements were not admitted to the log, and why.
    pub refusals: BTreeSet<(AccountName, String)>,
    /// How often a process died.
    pub crashes: u64,
    /// How many connections were made.
    pub connections: u64,
    /// How many DKG sessions were started.
    pub sessions: u64,
    /// How many signatures were made.
    pub signatures: u64,
    /// How many milliseconds passed in the simulated world.
    pub milliseconds: u64,
    /// How many things happened.
    pub events: u64,
}

/// A run in which an invariant does not hold.
#[derive(Debug, thiserror::Error)]
#[error("after {milliseconds} ms: {violation}")]
pub struct Failure {
    /// What does not hold.
    pub violation: Violation,
    /// When, in milliseconds of the simulated world.
    pub milliseconds: u64,
    /// What happened before, if the run was [traced](Simulation::traced).
    pub trace: Vec<String>,
}

/// A whole IVN: people, nodes, network, coordinator and disks.
pub struct Simulation {
    seed: u64,
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
    trace: Option<Vec<String>>,
}

impl Simulation {
    /// A run of `scenario` in which everything random comes from `seed`.
    ///
    /// # Errors
    ///
    /// If the IVN can not be founded.
    pub fn new(scenario: Scenario, seed: u64) -> Result<Self, Failure> {
        founding::found(scenario, seed).map_err(|violation| Failure {
            violation,
            milliseconds: 0,
            trace: Vec::new(),
        })
    }

    /// The run of a seed: scenario and all.
    ///
    /// # Errors
    ///
    /// See [`Self::new`].
    pub fn of_seed(seed: u64) -> Result<Self, Failure> {
        Self::new(Scenario::random(seed), seed)
    }

    /// Writes down what happens.
    #[must_use]
    pub fn traced(mut self) -> Self {
        let scenario = &self.plan.scenario;
        self.trace = Some(vec![format!("seed {}: {scenario:#?}", self.seed)]);
        self
    }

    /// Breaks the system on purpose.
    #[must_use]
    pub fn with(mut self, sabotage: Sabotage) -> Self {
        self.sabotage = Some(sabotage);
        self
    }

    /// Runs until everybody has what can be had, and checks every invariant after everything that happens.
    ///
    /// # Errors
    ///
    /// The first violation.
    pub fn run(mut self) -> Result<(Outcome, Vec<String>), Failure> {
        let result = self.drive();
        self.ended(result)
    }

    fn ended(self, result: Result<(), Violation>) -> Result<(Outcome, Vec<String>), Failure> {
        let trace = self.trace.unwrap_or_default();
        let head = self.world.reference.head();
        match result {
            Ok(()) => {
                let outcome = Outcome {
                    entries: head.size,
                    root: head.root.to_string(),
                    milliseconds: self.now,
                    ..self.outcome
                };
                Ok((outcome, trace))
            }
            Err(violation) => Err(Failure { violation, milliseconds: self.now, trace }),
        }
    }

    /// Like [`Self::run`]; gives what an auditor finds in the log afterwards, if there are malicious members.
    ///
    /// # Errors
    ///
    /// The first violation.
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
            self.happen(event)?;
            if looked && self.is_settled() {
                return self.check_end();
            }
        }
        Err(Invariant::Simulator.broken("nothing happens any more"))
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Heal => {
                self.faults = self.faults.healed();
                self.note(|| "the world heals".to_owned());
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

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} ms  {}", self.now, what()));
        }
    }

    /// The coordinator's clock.
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

    /// Everybody is there, and nobody waits for anything.
    fn is_settled(&self) -> bool {
        let size = self.world.reference.state.size();
        self.plan.unfinished(&self.world).is_empty()
            && self.hub.is_idle()
            && self.stations.values().all(|station| station.is_idle(size))
    }

    fn check_end(&mut self) -> Result<(), Violation> {
        let what = "everybody has what can be had";
        self.note(|| what.to_owned());
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
