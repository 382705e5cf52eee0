//! What the log admits and what it does not, entry by entry.

mod changes;
mod epochs;
mod generation;
mod groups;
mod requests;
mod roster;
mod signatures;
