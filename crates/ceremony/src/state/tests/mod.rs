//! What the log admits and what it does not, entry by entry.

mod accounts;
mod changes;
mod clocks;
mod epochs;
mod generation;
mod groups;
mod health;
mod repair;
mod replacements;
mod requests;
mod retirement;
mod roster;
mod signatures;
