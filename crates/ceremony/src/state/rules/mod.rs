//! What the kinds of statements do: one file for each family, none of which imports another.

mod accounts;
mod changes;
mod confirmations;
mod groups;
mod possession;
mod requests;
mod sessions;
