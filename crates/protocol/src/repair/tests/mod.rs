//! Repairs, with honest participants and with others.

mod complaints;
mod forks;
mod honest;
mod malicious;
mod secrecy;
mod session;

static_assertions::assert_not_impl_any!(super::Run: Clone, serde::Serialize, PartialEq);
static_assertions::assert_impl_all!(super::Run: Send, Sync, std::fmt::Debug);
static_assertions::assert_impl_all!(super::Board: Send, Sync, Clone, std::fmt::Debug);
