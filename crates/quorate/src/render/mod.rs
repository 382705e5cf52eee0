//! Makes sentences and tables for people from the views, which are data only.

mod account;
pub mod audit;
mod change;
mod decisions;
mod entry;
mod evidence_page;
mod group;
pub(crate) mod json;
mod page;
mod problem;
mod request;
mod share;
mod status;
mod text;

pub(crate) use account::{account_details, account_line, account_sentence, shortfall};
pub(crate) use change::{Difference, change, change_sentence, rule_differences};
pub(crate) use decisions::{decisions, trust_sentence, unknown_document};
pub(crate) use entry::entry_sentence;
pub(crate) use evidence_page::evidence_page;
pub(crate) use group::{
    change_end, group, group_advice, group_sentence, group_tone, is_done, member_names,
    member_state, standing, unused,
};
pub(crate) use page::{Page, Stream, Tone, clean, wrap};
pub(crate) use problem::hint;
pub(crate) use request::{
    request, request_details, request_in_list, request_sentence, warnings as request_warnings,
};
pub(crate) use share::hindered;
pub(crate) use status::{
    Concern, account_advice, blocked_advice, blocked_sentence, clock_sentence, concern,
    loses_nobody, loses_nobody_sentence, status_sentence, trouble_advice, trouble_sentence,
    watched_groups,
};
pub(crate) use text::{clause, commas, list, list_or, plural, relative, rough, size, utc};
