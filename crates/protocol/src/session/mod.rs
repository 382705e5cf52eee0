//! What the sessions of all ceremonies have in common: messages in log order, and one participant's
//! run.
//!
//! A *session* is one attempt at a ceremony: at a key generation or a reshare
//! ([`keyshare`](crate::keyshare)), or at a [`repair`](crate::repair). A [`Board`] is the result of
//! its messages, and a [`Run`] is one participant's secret half. The ceremony defines which
//! messages there are, what is checked in them and where they lead: see [`Phases`].

mod board;
pub(crate) mod complaint;
pub(crate) mod discrete_log;
mod error;
pub(crate) mod message;
mod phase;
pub(crate) mod possession;
mod run;
pub(crate) mod sealing;
#[cfg(test)]
pub(crate) mod test_session;

use std::fmt;

pub use board::{Board, Faults, Phases, Posted};
pub use error::Error;
pub use phase::{Phase, Round};
pub use run::{Run, Secrets, Step};

pub(crate) use board::first_view;
pub(crate) use phase::after_tag;

pub use crate::fault::Fault;

/// Names one attempt at a ceremony. Unique forever.
///
/// Every hash and proof of a session is bound to this name, so nothing from one session is valid in
/// another. A retry is another session.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(
    /// 32 bytes that occur in no other session: random, or a hash of a unique manifest.
    pub [u8; 32],
);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// The most participants that a session can have.
///
/// Their messages must fit into entries of the log, which have at most 65,535 bytes and encode a
/// message in base64 twice: 16 bytes for 9. The longest message is a verdict that complains about
/// all dealers, with 35 + 98·n bytes if none of them gets a share; a dealing has at most 198 +
/// 81·n, for n of n and points of 33 bytes. At 350 participants that is 34,335 bytes, which become
/// 61,040 in the log and leave more than 4,000 for the rest of the entry.
pub const MAX_PARTICIPANTS: usize = 350;

/// What everybody agrees on before the first message.
pub trait Parameters: Clone + fmt::Debug + Eq {
    /// A hash of all parameters, with which every other hash of the session begins.
    fn binding(&self) -> &[u8; 32];

    /// The session's name.
    fn session(&self) -> SessionId;
}
