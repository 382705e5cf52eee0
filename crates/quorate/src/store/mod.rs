//! What is on disk, and how it survives: databases, documents, and the published log.
//!
//! A store makes one batch durable at a time, whole or not at all. It refuses what could hurt if the code above it had a
//! fault: history that changes, a signing session that releases twice. Missing and unreadable are different things: a
//! missing file is made, an unreadable one is reported and left exactly as it is.

pub mod coordinator;
mod database;
pub mod documents;
pub(crate) mod durable;
mod error;
pub mod node;
pub mod publish;
mod published;

pub use error::{Refusal, StoreError};
