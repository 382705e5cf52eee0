//! Threshold signing: participants make one ordinary signature with any `min_signers` or more of
//! the shares of a key.
//!
//! A [`Board`] is the public half of a session: it takes the signers' messages round by round,
//! checks each, and combines the last round's into the signature. A [`Run`] is the secret half of
//! one signer: it makes that signer's message of each round from the board of the rounds before,
//! and the last message uses it up.
//!
//! ```text
//!            round 1                 …            last round
//! Run ──▶ first message ──▶ Run ──▶ … ──▶ Run ──▶ signature share        one for each signer
//!               │            ▲             ▲             │
//!               ▼            │             │             ▼
//! Board ═══════ ● ═══════════╧═════════════╧════════════ ● ══▶ signature, or culprits
//! ```
//!
//! The protocols are those of the suites: FROST and threshold ECDSA. What the layer above has to
//! know of a protocol before it runs it is its [`Plan`]: the number of rounds, who receives each
//! round's messages, when the signers are fixed, and when the message is needed.
//!
//! - Upon a decision to take part: [`Run::start`], and send the first message.
//! - Upon a message from another signer: [`Board::post`] it, or give it to [`Run::receive`] if it
//!   was addressed to this signer only and its round is complete.
//! - Upon all messages of a round: [`Run::advance`], and send the next message.
//! - Upon all signature shares: [`Board::combine`]. Any number of wrong shares are found, and their
//!   senders named.
//! - Upon a signature and its signers' messages, at any time later: [`Board::check`].
//!
//! This module does not know who sent what. The layer above authenticates every message, and signs
//! it together with the session, the round and all messages of the rounds before. Only then does a
//! wrong message prove that its sender misbehaved, and not that the coordinator gave it other
//! messages than it combined.
//!
//! Every check and its reason is in `docs/protocols/signing.md`.

mod board;
mod contents;
pub(crate) mod ecdsa;
mod error;
mod frost;
pub(crate) mod plan;
mod run;
mod secrets;
mod signature;
#[cfg(test)]
mod test_scheme;
#[cfg(test)]
mod tests;

pub use board::{Board, Messages};
pub use error::{EncodingError, Error};
pub use plan::{Delivery, Needed, Plan, Signers};
pub use run::{Run, Step};
pub use secrets::{Addressed, Message, Opening};
pub use signature::{InvalidSignature, Signature, verify};
