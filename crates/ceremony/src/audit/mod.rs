//! Audit: replays a whole log offline and says what is true.
//!
//! ```text
//! entries ──▶ the fold that nodes and coordinator use ──▶ roster, groups, requests
//!    │                └── what the fold leaves out: shares, signatures, S2 made again
//!    └──▶ Merkle tree ──▶ checkpoint: the log's signature, the roster's cosignatures
//! ```
//!
//! An auditor trusts nobody: not the coordinator, who may have shown others another log (that takes
//! cosignatures to rule out, see [`Verdict`]), and not the person who handed the log over, who may
//! have made up an IVN of its own (that takes an [`Anchor`]). What could not be checked is reported
//! as not checked.
//!
//! A log that was cut short to an earlier checkpoint is a log. To notice that, compare sizes.

mod blame;
mod checkpoint;
mod fault;
mod finality;
mod replay;
mod report;
mod signature;
#[cfg(test)]
mod tests;

pub use blame::Blame;
pub use fault::{Fault, SignatureFault};
pub use replay::{Anchor, NoIvn, log_key, replay};
pub use report::{
    AccountReport, AuditReport, Check, CheckpointReport, ConfirmationReport, GroupReport,
    RequestReport, ReusedNonces, SessionOutcome, SessionReport, SignatureReport, Standing, Verdict,
};
