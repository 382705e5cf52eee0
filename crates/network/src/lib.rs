//! The IVN on the wire: identities, join tokens, TLS hub and dialler.
//!
//! This crate isolates and authenticates connections, and does nothing else: their content is only
//! bytes to it. Nodes only dial out, to a [`hub::Hub`] that serves many IVNs on one port:
//!
//! ```text
//! node ── Dialler ── TLS 1.3, SNI = IVN ──▶ Hub ── that IVN's authority ──▶ Peer (IVN, account)
//!           │                                                           ──▶ Routes of that IVN
//!           ├── connect: a Link, frames both ways with heartbeats       ◀── StreamRequest::accept
//!           └── HubClient: single requests (join, documents)
//! ```
//!
//! - [`ca`]: each IVN has its own certificate authority; a node needs a certificate of it.
//! - [`token`]: a join URL pins hub, IVN and authority, and carries the invitation's secret.
//! - [`link`], [`stream`], [`dialler`], [`redial`], [`client`]: connections that work, or report
//!   why not. A [`proxy`] may be in between.
//!
//! The hub is not trusted with anything that it transports: nodes sign and seal for each other
//! above this crate.

pub mod ca;
pub mod client;
pub mod dialler;
pub mod hub;
pub mod ivn;
pub mod link;
mod problem;
pub mod proxy;
pub mod redial;
mod socket_limit;
pub mod stream;
pub mod token;

mod handshake_limit;
mod origin;
mod peer;
mod tls;
mod websocket;

pub use peer::Peer;
pub use tls::{TlsError, provider as crypto_provider};
