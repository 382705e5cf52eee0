//! The repair engine: a participant that lost its signing share gets exactly that share back.
//!
//! The repairable threshold scheme of Laing and Stinson ("A Survey and Refinement of Repairable
//! Threshold Schemes", 2017), which frost-core has as `keys::repairable`, between parties who do
//! not trust each other or the relay: with commitments that everybody can check against
//! the key's verifying shares, summands and sums sealed inside of signed messages, and complaints
//! that everybody can judge.
//!
//! ```text
//!      Announce                Deal                      Sum                    Verdict
//! ┌───────────────────┐   ┌──────────────────┐   ┌─────────────────────┐   ┌──────────────────┐
//! │ the recipient and │ → │ each splits what │ → │ each seals the sum  │ → │ "it is my share" │
//! │ min_signers of    │   │ it has to add to │   │ of what it got to   │   │ or complaints    │
//! │ the others, keys  │   │ the lost share   │   │ the recipient, or   │   └──────────────────┘
//! └───────────────────┘   │ among all of them│   │ complains           │
//!                         └──────────────────┘   └─────────────────────┘
//! ```
//!
//! The lost share is a sum of the helpers' shares, each multiplied by its Lagrange coefficient.
//! Each helper splits its term into random summands, one for each helper, so that no one helper,
//! nor the recipient, sees another's term. All shares, verifying shares and the key stay what they
//! were. The verdict completes the repair, or a complaint makes it fail.
//!
//! As in [key generation](crate::keyshare), messages travel through one totally ordered log; a
//! [`Board`] is the result of these messages, the same for everybody, and a [`Run`] is one
//! participant's secret half. The layer above decides who may ask for a repair. It is also
//! responsible for signatures on messages, deadlines and retries, each under a new session id.
//!
//! Every field, check and reason is in `docs/protocols/repair.md`.

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
