//! Opens a node's home: its store, its configuration, and a dialler for its hub.

use quorate_ceremony::effect::NodeChange;
use quorate_ceremony::node::Saved;
use quorate_network::ca::{CaFingerprint, NodeCertificate, NodeKey};
use quorate_network::dialler::{DialOptions, Dialler};

use crate::api::{Code, Problem};
use crate::error_chain::chain;
use crate::fail_points;
use crate::home::NodeConfig;
use crate::store::StoreError;
use crate::store::node::NodeStore;

/// Loads the saved state. A new node has only the genesis that it received when it joined.
pub(super) async fn load(store: &mut NodeStore, config: &NodeConfig) -> Result<Saved, StoreError> {
    let saved = store.load().await?;
    if !saved.entries.is_empty() {
        return Ok(saved);
    }
    let entries = vec![config.genesis.0.clone()];
    store.commit(vec![NodeChange::Entries { first: 0, entries }]).await?;
    store.load().await
}

pub(super) fn damaged(what: &str) -> Problem {
    Problem::new(Code::Failed, format!("{what} in this home is damaged and cannot be used"))
}

/// Returns the certificate authority that the node trusts.
pub(super) fn authority(config: &NodeConfig) -> Result<CaFingerprint, Problem> {
    config.authority().map_err(|error| problem(&error))
}

/// Returns a dialler for the hub: as the account, or without a certificate if `key` is absent.
pub(super) fn dialler(
    config: &NodeConfig,
    authority: CaFingerprint,
    key: Option<&NodeKey>,
) -> Result<Dialler, Problem> {
    let address = config.hub.parse().map_err(|_| damaged("the hub's address"))?;
    let ivn = quorate_network::ivn::IvnId::new(*config.ivn.as_bytes());
    let certificate = NodeCertificate::from_pem(&config.client_certificate)
        .map_err(|_| damaged("the certificate"))?;
    let identity = key.map(|key| (&certificate, key));
    let proxy = crate::proxy::from_environment(&address).map_err(|error| problem(&error))?;
    let dialler = Dialler::new(address, ivn, authority, identity, options());
    Ok(dialler.map_err(|error| problem(&error))?.through(proxy))
}

pub(super) fn problem(error: &dyn std::error::Error) -> Problem {
    Problem::new(Code::Failed, chain(error))
}

fn options() -> DialOptions {
    let defaults = DialOptions::default();
    let link = quorate_network::link::LinkOptions { queue: 1024, ..defaults.link };
    DialOptions {
        link: fail_points::links(link),
        timeout: fail_points::patience(defaults.timeout),
        longest_pause: fail_points::patience(defaults.longest_pause),
    }
}
