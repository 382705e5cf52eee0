//! The keyshare engine: participants make shares of one key that nobody ever holds.
//!
//! Distributed key generation after Pedersen, with Feldman's commitments, in the form of
//! FROST's PedPop (Komlo and Goldberg, 2020) with the additions that make it usable
//! between parties who do not trust each other or the one who relays: hash commitments
//! against a dealer who picks last, proofs bound to one session, sub-shares inside of the
//! signed messages, and complaints that everybody can judge.
//!
//! ```text
//!          Commit              Reveal                 Verdict
//! ┌─────────────────────┐   ┌────────────────────┐   ┌────────────────────────┐
//! │ hash of the dealing │ → │ coefficients,      │ → │ "my sub-shares add up" │ → Complete
//! │ an encryption key   │   │ proof, sub-shares  │   │ or complaints          │ → Failed
//! └─────────────────────┘   └────────────────────┘   └────────────────────────┘
//! ```
//!
//! A *reshare* has the same rounds. Holders of an old key's shares deal those instead of
//! random constants, and the same key is shared anew: among other members, with another
//! min_signers, or only refreshed. It has no hash of the dealing in the first round, so
//! that any min_signers old holders are enough; instead a dealer proves to know what is
//! behind its ephemeral key.
//!
//! Messages travel through one totally ordered log. A [`Board`] is what that log says: a
//! fold over the messages that needs no secret, so participants, coordinator and auditors
//! all compute it and come to the same result, also about who is at fault. A [`Run`] is
//! the secret half of one participant: it looks at the board and says what to post next.
//!
//! A key counts only after all participants have signed the [transcript](Board::transcript)
//! and have stored their packages; that certification is the layer above's, as are
//! signatures on messages, deadlines for [missing](Board::missing) ones, and retries, each
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
