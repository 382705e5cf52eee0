//! Threshold ECDSA with DKLs23, in five rounds: a set-up between each two signers, and the three
//! rounds of the paper.
//!
//! ```text
//! 1  to all    a key for sealed messages, and commitments to seeds
//! 2  to each   the seeds, and the set-up of two multiplications
//! 3  to each   the beginning of the multiplications, and a commitment to a nonce's point
//! 4  to each   the multiplications, and what opens the commitment
//! 5  to all    the signature share
//! ```
//!
//! A message to a single signer is sealed by its sender. Everyone receives its digest. Every
//! message and its reason is in `docs/protocols/ecdsa.md`.

mod dkls;
mod message;
mod session;
mod signature;
#[cfg(test)]
mod tests;

pub(super) use message::Contents;
pub(super) use session::start;
pub(super) use signature::{check_signature_encoding, verifies};

/// The curves of ECDSA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EcdsaCurve {
    P256,
    Secp256k1,
}
