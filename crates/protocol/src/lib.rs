//! Cryptographic protocols: one run, seen by one participant.
//!
//! * [`keyshare`] generates a key whose signing shares only their owners ever hold.
//! * [`repair`] gives a participant that lost its signing share that same share back.
//! * [`keys`] is what a key generation leaves behind: a secret [`keys::KeyPackage`] for each
//!   participant and one [`keys::PublicKeyPackage`] for everybody.
//! * [`signing`] makes one ordinary signature with any `min_signers` of the shares.
//!
//! Nothing in here does I/O, reads a clock or makes its own randomness. Messages are canonical
//! bytes; the layer above certifies who sent them, and that everybody received the same ones in the
//! same order. `docs/protocols/` describes every message with its fields, checks and their reasons.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use quorate_protocol::keyshare::{Board, Parameters, Run, SessionId, Step};
//! use quorate_protocol::{Identifier, Suite, signing};
//! # use rand_core::OsRng;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let participants = (1..=3).map(Identifier::try_from).collect::<Result<Vec<_>, _>>()?;
//! let parameters = Parameters::new(
//!     Suite::FrostEd25519Sha512,
//!     SessionId([7; 32]),
//!     [9; 32],
//!     2,
//!     participants.iter().copied(),
//! )?;
//!
//! // Each participant runs the secret half; everybody computes the board from the log.
//! let mut board = Board::new(parameters.clone());
//! let mut runs = Vec::new();
//! for me in participants {
//!     let (run, message) = Run::start(&parameters, me, &mut OsRng)?;
//!     board.post(me, &message)?;
//!     runs.push((me, run));
//! }
//! let mut packages = BTreeMap::new();
//! while !runs.is_empty() {
//!     let mut next = Vec::new();
//!     let mut outbox = Vec::new();
//!     for (me, run) in runs {
//!         match run.advance(&board, &mut OsRng)? {
//!             Step::Wait(run) => next.push((me, run)),
//!             Step::Send(run, message) => {
//!                 outbox.push((me, message));
//!                 next.push((me, run));
//!             }
//!             Step::Done(package) => drop(packages.insert(me, package)),
//!             Step::Left => return Err("only a reshare ends like this".into()),
//!         }
//!     }
//!     for (me, message) in outbox {
//!         board.post(me, &message)?;
//!     }
//!     runs = next;
//! }
//! let public = board.outcome().ok_or("not complete")?;
//!
//! // Any two of the three sign.
//! let mut board = signing::Board::new(public.suite(), None)?;
//! let session = SessionId([8; 32]);
//! let opening = signing::Opening { session, signers: None, message: None };
//! let mut runs = Vec::new();
//! for (me, package) in packages.iter().skip(1) {
//!     let (run, message) = signing::Run::start(package, &opening, &mut OsRng)?;
//!     board.post(1, *me, &message.posted().0)?;
//!     runs.push((package, run));
//! }
//! board.fix_signers();
//! let mut shares = Vec::new();
//! for (package, run) in runs {
//!     match run.advance(package, public, &board, Some(b"a contract"), &mut OsRng)? {
//!         signing::Step::Share(share) => shares.push((package.identifier(), share)),
//!         signing::Step::Send(..) => return Err("FROST has two rounds".into()),
//!     }
//! }
//! for (from, share) in shares {
//!     board.post(2, from, &share)?;
//! }
//! let signature = board.combine(public, b"a contract")?;
//! signing::verify(public.verifying_key(), b"a contract", &signature)?;
//! # Ok(())
//! # }
//! ```

mod algebra;
mod curve;
mod fault;
mod identifier;
pub mod keys;
pub mod keyshare;
pub mod repair;
mod secret;
pub mod session;
pub mod signing;
mod suite;
mod transcript;
mod wipe;
mod wire;

pub use identifier::{Identifier, ZeroIdentifier};
pub use suite::{Suite, UnknownSuite};

/// The name of a ceremony's message that people understand. The first byte decides: no two
/// protocols have one in common.
pub fn message_name(message: &[u8]) -> Option<&'static str> {
    let tag = *message.first()?;
    name_of::<keyshare::Round>(tag).or_else(|| name_of::<repair::Round>(tag))
}

fn name_of<R: session::Round>(tag: u8) -> Option<&'static str> {
    R::ALL.iter().find(|round| round.tag() == tag).map(|round| round.message_name())
}
