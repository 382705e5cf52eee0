//! A whole IVN with faults and invariants: in one thread, or in real processes ([`cluster`]).
//!
//! [`Simulation`] runs any number of nodes and their coordinator with virtual time, one seed, a network that delays,
//! drops, repeats and reorders, disks that keep only what was persisted, and processes that die between any two
//! effects. The machines are the real ones of `quorate-ceremony`; only what a shell would do is replaced. After
//! everything that happens, the [`invariants`] of the design are checked.
//!
//! ```text
//!  people ──commands──▶ Node ◀──faulty network──▶ Coordinator
//!    ▲                   │ effects, in order          │ effects, in order
//!    └── look at ────────┴─▶ disk     invariants ◀────┴─▶ disk
//! ```
//!
//! A run is a function of its [`Scenario`] and its seed, so a failure is replayed by its seed.

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
