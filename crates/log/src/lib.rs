//! The transparency log of an IVN, in C2SP formats.
//!
//! An append-only sequence of entries, each at most 65,535 bytes, under a Merkle tree of [RFC 9162
//! §2.1] with SHA-256. This crate knows nothing of what entries mean, holds no clock, and does no
//! I/O beyond [`tile::TileReader`].
//!
//! ```text
//! entries ──▶ tile::TileWriter ──▶ files (tlog-tiles)
//!                   │ tree head
//!                   ▼
//!             key::LogSigner ──▶ checkpoint ◀── key::CosignerSigner (each node)
//!                                    │
//!             proof, tlog_proof ─────┴──▶ checked by nodes and auditors
//! ```
//!
//! Formats: [signed-note], [tlog-checkpoint], [tlog-cosignature], [tlog-tiles], [tlog-proof]. Every
//! decoder is total and bounded: no bytes make it panic or use memory beyond a small multiple of
//! its input.
//!
//! [RFC 9162 §2.1]: https://www.rfc-editor.org/rfc/rfc9162.html#section-2.1
//! [signed-note]: https://c2sp.org/signed-note
//! [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
//! [tlog-cosignature]: https://c2sp.org/tlog-cosignature
//! [tlog-tiles]: https://c2sp.org/tlog-tiles
//! [tlog-proof]: https://c2sp.org/tlog-proof

pub mod checkpoint;
pub mod compare;
mod decimal;
mod hash;
pub mod key;
pub mod note;
pub mod proof;
pub mod quorum;
pub mod tile;
pub mod tlog_proof;
pub mod tree;

pub use hash::{Hash, InvalidHash, leaf_hash, node_hash};
