//! Sessions of the keyshare engine, with honest participants and with others.

mod complaints;
mod forks;
mod honest;
mod last_dealer;
mod malicious;
mod possession;
mod reshare;
mod sealed;
mod session;
mod vectors;

static_assertions::assert_not_impl_any!(super::Run: Clone, serde::Serialize, PartialEq);
static_assertions::assert_impl_all!(super::Run: Send, Sync, std::fmt::Debug);
static_assertions::assert_impl_all!(super::Board: Send, Sync, Clone, std::fmt::Debug);
static_assertions::assert_not_impl_any!(crate::session::sealing::SecretKey: Clone, std::fmt::Debug);
static_assertions::assert_not_impl_any!(crate::session::sealing::SharedPoint: Clone, std::fmt::Debug);
