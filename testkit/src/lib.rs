//! A whole IVN with faults and invariants, in one thread or in real processes ([`cluster`]).
//!
//! [`Simulation`] runs any number of nodes and their coordinator with virtual time and one seed.
//! Its network delays, drops, repeats and reorders messages, its disks keep only what was
//! persisted, and its processes die between any two effects. The machines are those of
//! `quorate-ceremony`; only the shell is replaced. After every event, it checks the [`invariants`]
//! of the design.
//!
//! ```text
//!  people ──commands──▶ Node ◀──faulty network──▶ Coordinator
//!    ▲                   │ effects, in order          │ effects, in order
//!    └── look at ────────┴─▶ disk     invariants ◀────┴─▶ disk
//! ```
//!
//! A run is a function of its [`Scenario`] and its seed, so the seed reproduces a failure.
#![expect(missing_docs, reason = "only tests use this crate, and most names say it")]

pub mod catalogue;
pub mod cluster;
pub mod double;
pub mod invariants;
pub mod scenario;
pub mod simulation;

mod reference;
mod rng;
mod users;
mod world;

pub use double::member::{Attack, Ceremony, Certify, Round, Slip, To};
pub use scenario::{Faults, PlannedChange, PlannedRequest, Scenario, Vote};
pub use simulation::{Change, Failure, Happening, Outcome, Sabotage, Simulation, Step, last_steps};
