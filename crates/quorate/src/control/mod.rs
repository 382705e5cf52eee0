//! The control socket of a running node, as a transport: queries and commands of [`crate::api`] as
//! lines of JSON.
//!
//! A running node listens on a Unix socket in its home (mode 0600). A client sends one
//! [`Ask`](crate::api::Ask) as a line of JSON and reads [`Answer`](crate::api::Answer)s, a line
//! each, until the connection ends: one for most questions, several while it watches. If no node
//! runs, a node in the client's own process answers the same questions.

pub mod client;
pub(crate) mod server;

/// The longest line on the control socket, in bytes: a document of the largest size in base64, and
/// some.
pub const MAX_LINE: usize = 128 << 20;
