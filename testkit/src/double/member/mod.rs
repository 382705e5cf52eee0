//! Malicious members: a double is an account's real node whose messages are altered.
//!
//! A double is a legitimate member. It holds its account's identity key, and a share if the account
//! has one, so its messages are properly signed. It does not hold the coordinator's keys: attacks
//! that need a forked log belong to the malicious coordinator. All messages of key generation are
//! entries of one log, so a member cannot send different messages to different members. Each attack
//! is the strongest form that remains.
//!
//! ```text
//! node ──effects──▶ Adversary ──altered effects──▶ coordinator
//!                     │ in sessions that make shares, it can also speak instead of the node:
//!                     ├─ Dealer   key generations and reshares  (biased_dealer)
//!                     ├─ Helper   repairs                       (false_accuser, for both)
//!                     ├─ Signer   signing sessions
//!                     └─ forger, flooder                        the log
//! ```
//!
//! An [`Attack`] is a slip in a ceremony. A double can combine several, also in different
//! ceremonies.

mod adversary;
mod attack;
mod biased_dealer;
mod dealer;
mod false_accuser;
mod flooder;
mod forger;
mod helper;
mod participant;
mod repairer;
mod rounds;
mod script;
mod sealing;
mod seat;
mod signer;

pub(crate) use adversary::Adversary;
pub use attack::{Attack, Ceremony, Certify, Round, Slip, To};
pub(crate) use seat::Seat;
