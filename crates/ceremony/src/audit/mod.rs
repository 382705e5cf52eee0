//! Audit: replays a whole log offline and reports what is true.
//!
//! ```text
//! entries ──▶ the fold that nodes and coordinator use ──▶ roster, groups, requests
//!    │                └── what the fold leaves out: shares, signatures, S2 made again
//!    └──▶ Merkle tree ──▶ checkpoint: the log's signature, the roster's cosignatures
//! ```
//!
//! An auditor trusts nobody. The coordinator may have shown a different log to others, which only
//! cosignatures can exclude (see [`Verdict`]). The person that delivered the log may have made up
//! an IVN, which only an [`Anchor`] can exclude. Checks that were impossible are reported as such.
//!
//! A log that was cut to an earlier checkpoint is a valid log. Compare sizes to notice that.

mod blame;
mod checkpoint;
mod decisions;
mod fault;
mod finality;
mod replay;
mod report;
mod signature;
#[cfg(test)]
mod tests;

pub use blame::Blame;
pub use decisions::{Decided, DecisionReport};
pub use fault::{Fault, SignatureFault};
pub use replay::{Anchor, NoIvn, latest_log_key, log_key, replay};
pub use report::{
    AccountReport, AuditReport, Check, CheckpointReport, ConfirmationReport, GroupReport,
    ReplacementReport, RequestReport, ReusedNonces, SessionOutcome, SessionReport, SignatureReport,
    Verdict,
};
