//! What the log admits and what it does not, entry by entry.

mod changes;
mod generation;
mod groups;
mod requests;
mod roster;
mod signatures;
