//! The control socket of a running node: questions and answers of [`crate::api`] in frames.
//!
//! A running node listens on a Unix socket in its home (mode 0600), and greets each client with a
//! line, which shows that its process runs. A client sends one [`Ask`](crate::api::Ask) and reads
//! [`Answer`](crate::api::Answer)s until the connection ends: one for most questions, several for a
//! watch.

pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod server;
pub(crate) mod socket;
