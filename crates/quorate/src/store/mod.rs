//! Data on disk that survives crashes: databases, documents, and the published log.
//!
//! A store makes one batch at a time durable, completely or not at all. It refuses writes that
//! would cause harm if the code above it had a fault: a changed history, a signing session that
//! releases twice. Missing and unreadable files are different: a missing file is created, an
//! unreadable one is reported and not changed.

pub mod coordinator;
mod database;
pub mod document_title;
pub mod documents;
pub(crate) mod durable;
pub(crate) mod entries;
mod error;
pub mod node;
pub mod place;
pub mod publish;
pub(crate) mod published;
pub(crate) mod upload;

pub use error::{Refusal, StoreError};
