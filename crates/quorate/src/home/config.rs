//! `home.json`: the public settings of a home.

use std::fs;
use std::io;
use std::path::Path;

use quorate_ceremony::coordinator::QuotaLimits;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Entry;
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::{AccountName, IvnId};
use quorate_ceremony::state::IvnState;
use quorate_network::ca::CaFingerprint;
use quorate_network::hub::HubOptions;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::HomeError;
use crate::file_problem::FileProblem;
use crate::store::durable;

/// The data with which a node finds and recognises its IVN.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    pub ivn: IvnId,
    pub account: AccountName,
    /// The coordinator's hub, `host:port`.
    pub hub: String,
    /// The name in the hub's certificate, which selects the IVN.
    pub server_name: String,
    /// The IVN's CA certificate, PEM.
    pub ca_certificate: String,
    /// The account's own certificate, PEM. Its private key is in the key store.
    pub client_certificate: String,
    /// The first entry of the log, in its encoding in the log.
    pub genesis: Base64,
    /// The log key of the coordinator that this node trusts, if it is not the one of the genesis.
    /// `ca_certificate` is of the same coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<PublicKey>,
    /// Whether to accept group definitions that name this account, and joining a group by a change,
    /// without asking.
    pub auto_accept: bool,
    /// Whether to approve requests without asking, where the group's policy permits that too.
    pub auto_approve: bool,
    pub limits: Limits,
}

impl NodeConfig {
    /// Returns the certificate authority that the node trusts: the one that the genesis pins, or
    /// that of the coordinator which replaced the first.
    ///
    /// # Errors
    ///
    /// [`DamagedConfig`], if this part of the file cannot be read.
    pub fn authority(&self) -> Result<CaFingerprint, DamagedConfig> {
        if self.log_key.is_some() {
            return CaFingerprint::of_pem(&self.ca_certificate)
                .map_err(|_| DamagedConfig("the authority's certificate"));
        }
        let genesis = Entry::from_bytes(&self.genesis.0).ok();
        let state = genesis.and_then(|genesis| IvnState::found(&genesis).ok());
        let state = state.ok_or(DamagedConfig("the genesis"))?;
        Ok(CaFingerprint::new(*state.genesis().ca.as_bytes()))
    }
}

/// A part of `home.json` that cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} in this home is damaged; restore the home from a backup")]
pub struct DamagedConfig(pub &'static str);

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorConfig {
    /// First part of the logs' origins: a host name or another schema-less URL.
    pub deployment: String,
    /// Where the hub listens, `address:port`.
    pub listen: String,
    /// Where members find the hub, `host:port`.
    pub hub: String,
    pub limits: Limits,
    /// The defaults are not written to the file.
    #[serde(default, skip_serializing_if = "StorageLimits::is_default")]
    pub storage: StorageLimits,
    #[serde(default, skip_serializing_if = "LogLimits::is_default")]
    pub log: LogLimits,
    #[serde(default, skip_serializing_if = "ConnectionLimits::is_default")]
    pub connections: ConnectionLimits,
}

impl CoordinatorConfig {
    /// Returns the configuration with these addresses and all limits at their defaults.
    pub fn new(deployment: String, listen: String, hub: String) -> Self {
        Self {
            deployment,
            listen,
            hub,
            limits: Limits::default(),
            storage: StorageLimits::default(),
            log: LogLimits::default(),
            connections: ConnectionLimits::default(),
        }
    }
}

/// How many requests a node sends at the same time, besides its link.
pub(crate) const REQUESTS_AT_ONCE: usize = 8;

/// Bounds on connections to the hub. [`HubOptions`] describes them, and has the defaults.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "HubOptions has the same fields")]
pub struct ConnectionLimits {
    pub handshakes: usize,
    pub handshakes_per_address: usize,
    pub connections_per_account: usize,
    pub joining_connections: usize,
    pub joining_per_address: usize,
    pub strangers_per_address: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        let options = HubOptions::default();
        Self {
            handshakes: options.handshakes,
            handshakes_per_address: options.handshakes_per_address,
            connections_per_account: options.connections_per_account,
            joining_connections: options.joining_connections,
            joining_per_address: options.joining_per_address,
            strangers_per_address: options.strangers_per_address,
        }
    }
}

impl ConnectionLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that members can connect and join.
    ///
    /// # Errors
    ///
    /// The name of the setting that is too small, and what it must be at least.
    pub(crate) fn check(&self) -> Result<(), (&'static str, usize)> {
        for (name, set, least) in [
            // A node's link, and the requests that it sends at the same time.
            ("connections_per_account", self.connections_per_account, 1 + REQUESTS_AT_ONCE),
            ("joining_connections", self.joining_connections, 1),
            ("joining_per_address", self.joining_per_address, 1),
        ] {
            if set < least {
                return Err((name, least));
            }
        }
        Ok(())
    }

    /// Returns the hub's options with these limits and at most this many sockets.
    pub(crate) fn hub_options(self, sockets: usize) -> HubOptions {
        HubOptions {
            handshakes: self.handshakes,
            handshakes_per_address: self.handshakes_per_address,
            connections_per_account: self.connections_per_account,
            joining_connections: self.joining_connections,
            joining_per_address: self.joining_per_address,
            strangers_per_address: self.strangers_per_address,
            sockets,
            ..HubOptions::default()
        }
    }
}

/// Bounds on what is written into each IVN's log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogLimits {
    /// Most statements of 2 KiB in a row by one account.
    pub account_statements: u64,
    /// Most statements of 2 KiB in a row by all accounts of an IVN together.
    pub ivn_statements: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        let QuotaLimits { account, ivn } = QuotaLimits::default();
        Self { account_statements: account, ivn_statements: ivn }
    }
}

impl LogLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn quota(self) -> QuotaLimits {
        QuotaLimits { account: self.account_statements, ivn: self.ivn_statements }
    }
}

/// Bounds on the documents that the coordinator stores for each IVN.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageLimits {
    /// Most bytes of an account's documents that are not signed yet.
    pub account_bytes: u64,
    /// Most bytes of an IVN's documents.
    pub ivn_bytes: u64,
    /// Bytes of the disk that documents leave free, for the logs. On a small disk, a tenth of it.
    pub reserve_bytes: u64,
}

impl Default for StorageLimits {
    /// 1 GiB for each account, 16 GiB for each IVN, and 1 GiB for the logs.
    fn default() -> Self {
        Self { account_bytes: 1 << 30, ivn_bytes: 16 << 30, reserve_bytes: 1 << 30 }
    }
}

impl StorageLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Bounds on what others send.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most bytes of a document with its name and salt.
    pub document_bytes: u64,
}

impl Limits {
    /// Checks that commands can hand the longest document to a node.
    ///
    /// # Errors
    ///
    /// [`TooLongDocuments`].
    pub(crate) fn check(&self) -> Result<(), TooLongDocuments> {
        match self.document_bytes {
            set if set > MOST_DOCUMENT_BYTES => Err(TooLongDocuments { set }),
            _ => Ok(()),
        }
    }
}

/// Most bytes of a document with its name and salt that can be configured: 128 MiB, as much as a
/// command hands to a node.
pub(crate) const MOST_DOCUMENT_BYTES: u64 = 128 << 20;

/// A limit of documents that could not be met.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "config.limits.document_bytes in home.json is {set}; it must be at most {MOST_DOCUMENT_BYTES} (128 MiB)"
)]
pub(crate) struct TooLongDocuments {
    set: u64,
}

impl Default for Limits {
    /// 32 MiB.
    fn default() -> Self {
        Self { document_bytes: 32 << 20 }
    }
}

pub trait Config: DeserializeOwned + Serialize {
    /// The name of the kind, for people.
    const KIND: &'static str;
}

impl Config for NodeConfig {
    const KIND: &'static str = NODE;
}

impl Config for CoordinatorConfig {
    const KIND: &'static str = COORDINATOR;
}

#[derive(Serialize)]
struct File<'a, C> {
    quorate_home: &'static str,
    format: u32,
    config: &'a C,
}

/// The fields that every format of the file begins with.
#[derive(Deserialize)]
struct Start {
    quorate_home: String,
    format: u32,
    config: Box<serde_json::value::RawValue>,
}

/// All members at the top of the file. A setting that is put there by mistake must not be ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the names matter")]
struct Members {
    quorate_home: serde::de::IgnoredAny,
    format: serde::de::IgnoredAny,
    config: serde::de::IgnoredAny,
}

/// Reads the file at `path`. Returns `None` if there is none.
pub(super) fn read<C: Config>(path: &Path) -> Result<Option<C>, HomeError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(HomeError::read(path, error)),
    };
    let damaged = |source: serde_json::Error| {
        let path = path.to_owned();
        HomeError::from(match source.is_data() {
            true => FileProblem::Setting { path, source: source.into() },
            false => FileProblem::Damaged { path, source: Some(source.into()) },
        })
    };
    let start: Start = serde_json::from_slice(&bytes).map_err(damaged)?;
    if start.format > FORMAT {
        let (path, found) = (path.to_owned(), u64::from(start.format));
        return Err(FileProblem::Newer { path, found, known: u64::from(FORMAT) }.into());
    }
    if start.quorate_home != C::KIND {
        let home = durable::directory_of(path).to_owned();
        let found = if start.quorate_home == NODE { NODE } else { COORDINATOR };
        return Err(HomeError::OtherKind { path: home, kind: C::KIND, found });
    }
    // A later format may have more members at the top.
    serde_json::from_slice::<Members>(&bytes).map_err(damaged)?;
    serde_json::from_str(start.config.get()).map(Some).map_err(damaged)
}

/// Writes the file at `path`, and replaces an existing one.
pub(super) fn write<C: Config>(path: &Path, config: &C) -> Result<(), HomeError> {
    let file = File { quorate_home: C::KIND, format: FORMAT, config };
    let mut bytes = serde_json::to_vec_pretty(&file)
        .map_err(|error| HomeError::write(path, io::Error::other(error)))?;
    bytes.push(b'\n');
    durable::replace(path, &bytes).map_err(|error| HomeError::write(path, error))
}

const NODE: &str = "node";
const COORDINATOR: &str = "coordinator";
const FORMAT: u32 = 1;
