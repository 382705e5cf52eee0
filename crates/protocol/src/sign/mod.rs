//! Threshold signing with FROST(Ed25519, SHA-512): RFC 9591, through `frost-ed25519`.
//!
//! Two rounds among any `min_signers` or more of the participants:
//!
//! 1. each [commits](commit) to fresh nonces, and keeps the [`Nonces`];
//! 2. each [signs](sign) the message under everybody's [`Commitments`], which uses the nonces up.
//!
//! Then anyone who has the [`SignatureShare`]s [aggregates](aggregate) them to one ordinary Ed25519
//! signature, or learns whose share is wrong.
//!
//! This module does not know who sent what. The layer above authenticates every message, and signs
//! a share together with the commitments and the message that it is for. Only then does a wrong
//! share prove that its sender misbehaved, and not that the coordinator gave it other commitments
//! than it aggregated with.
//!
//! Every check and its reason is in `docs/protocols/signing.md`.

mod error;
mod frost;
mod message;
#[cfg(test)]
mod tests;
mod verify;

pub use error::Error;
pub use frost::{Nonces, aggregate, commit, sign, verify_share};
pub use message::{Commitments, EncodingError, Signature, SignatureShare};
pub use verify::{InvalidSignature, verify};
