//! Sentences and tables for people, made from data that holds none.

pub mod audit;
mod page;
mod problem;
mod text;

pub(crate) use page::{Page, Stream, Tone, clean, wrap};
pub(crate) use problem::hint;
pub(crate) use text::{commas, list, list_or, plural, relative, rough, utc};
