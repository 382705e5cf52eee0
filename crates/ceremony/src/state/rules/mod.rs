//! The effects of the kinds of statements: one file for each family, none of which imports another.

mod accounts;
mod changes;
mod confirmations;
mod groups;
mod possession;
mod replacements;
mod requests;
mod sessions;
