//! The contents of the log, as data. Files import only those above them in this list. Only
//! [`crate::state`] can change it, because it gives out shared references only.

pub(crate) mod change;
pub(crate) mod confirmation;
pub(crate) mod group;
pub(crate) mod key;
pub(crate) mod plan;
pub(crate) mod replacement;
pub(crate) mod request;
pub(crate) mod roster;
pub(crate) mod session;
pub(crate) mod turn;
