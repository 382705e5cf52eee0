//! Test doubles: those who belong here and do not keep to the rules.

pub(crate) mod member;
