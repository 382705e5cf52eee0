//! The keyshare engine: participants make shares of one key that nobody ever holds.
//!
//! Distributed key generation after Pedersen, with Feldman's commitments, in the form of FROST's
//! PedPop (Komlo and Goldberg, 2020). Additions make it usable between parties that trust neither
//! each other nor the relay: hash commitments against a dealer that picks last, proofs bound to one
//! session, sub-shares inside of the signed messages, and complaints that everybody can judge.
//!
//! ```text
//!          Commit              Reveal                 Verdict
//! ┌─────────────────────┐   ┌────────────────────┐   ┌────────────────────────┐
//! │ hash of the dealing │ → │ coefficients,      │ → │ "my sub-shares add up" │ → Complete
//! │ an encryption key   │   │ proof, sub-shares  │   │ or complaints          │ → Failed
//! └─────────────────────┘   └────────────────────┘   └────────────────────────┘
//! ```
//!
//! A *reshare* has the same rounds. Holders of an old key's shares deal those instead of random
//! constants, so that the same key is shared again: among other members, with another min_signers,
//! or only refreshed. The first round has no hash of the dealing, so that any min_signers old
//! holders are enough; instead a dealer proves that it knows the secret of its ephemeral key.
//!
//! Messages travel through one totally ordered log. A [`Board`] is a fold over these messages that
//! needs no secret, so participants, coordinator and auditors all compute it and reach the same
//! result, also about who is at fault. A [`Run`] is the secret half of one participant: it looks at
//! the board and returns the message to post next.
//!
//! A key counts only after all participants have signed the [transcript](Board::transcript) and
//! have stored their packages. The layer above is responsible for that certification, for
//! signatures on messages, for deadlines for [missing](Board::missing) ones, and for retries, each
//! under a new [`SessionId`].
//!
//! Every field, check and reason is in `docs/protocols/keyshare.md`.

mod board;
mod message;
mod parameters;
mod run;
#[cfg(test)]
mod tests;

pub use board::Board;
pub(crate) use message::Round;
pub use parameters::{Parameters, ParametersError};
pub use run::{Run, Secrets, Step};

pub use crate::session::{Error, Fault, MAX_PARTICIPANTS, Phase, Posted, SessionId};
