//! Creates invitations: a one-time key whose public half goes into the log and whose private half
//! goes into a URL.

use std::collections::BTreeSet;

use quorate_ceremony::entry::{Entry, Invitation, Role};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::names::{AccountName, Timestamp};
use quorate_ceremony::state::IvnState;
use quorate_network::ivn::{HubAddressError, IvnId};
use quorate_network::token::JoinToken;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::link::JoinLink;
use crate::home::NodeConfig;

/// Creates an invitation: the admin's statement for the log, and the link for the invited person,
/// which is valid once the statement is logged.
///
/// # Errors
///
/// When the admin's home has no valid hub address, or no genesis.
pub fn invite(
    admin: &NodeConfig,
    account: AccountName,
    roles: BTreeSet<Role>,
    expires_at: Timestamp,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Invitation, JoinLink), InviteError> {
    let genesis = Entry::from_bytes(&admin.genesis.0).map_err(|_| InviteError::Genesis)?;
    let state = IvnState::found(&genesis).map_err(|_| InviteError::Genesis)?;
    let key = SecretKey::generate(rng);
    let invitation =
        Invitation { name: account.clone(), roles, key: key.public(), expires_at, replaces: None };
    let token = JoinToken::new(
        admin.hub.parse().map_err(InviteError::Hub)?,
        IvnId::new(*state.ivn().as_bytes()),
        admin.authority().map_err(|_| InviteError::Genesis)?,
        Zeroizing::new(*key.seed()),
    );
    Ok((invitation, JoinLink { token, account }))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InviteError {
    #[error("this home is damaged: it has no genesis; restore it from a backup")]
    Genesis,
    #[error("the hub address in this home is not valid")]
    Hub(#[source] HubAddressError),
}
