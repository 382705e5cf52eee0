//! Why founding an IVN or joining it failed.

use quorate_ceremony::dsse::EntryError;
use quorate_ceremony::state::Refusal;
use quorate_network::TlsError;
use quorate_network::ca::CaError;
use quorate_network::client::RequestError;
use quorate_network::dialler::{self, DialError};
use quorate_network::ivn::{AccountNameError, HubAddressError};
use quorate_network::proxy::ProxyError;

use super::replacement::error::ReplacementError;
use crate::home::{DamagedConfig, HomeError};
use crate::keystore::KeystoreError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Config(#[from] DamagedConfig),
    #[error("the certificates could not be made")]
    Certificates(#[from] CaError),
    #[error("{} cannot be used; check its disk and permissions", path.display())]
    NotWritten { path: std::path::PathBuf, source: std::io::Error },
    #[error("{} cannot be read", path.display())]
    NotRead { path: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    Replacement(#[from] ReplacementError),
    #[error("the TLS settings could not be made")]
    Tls(#[from] TlsError),
    #[error("HTTPS_PROXY or ALL_PROXY cannot be used")]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    AccountName(#[from] AccountNameError),
    #[error("the statement could not be made")]
    Entry(#[from] EntryError),
    #[error("{0}")]
    Genesis(Refusal),
    #[error("the stored TLS key cannot be read; restore the key file from a backup")]
    TlsKey,
    #[error("the hub address in this home is not valid")]
    HubAddress(#[source] HubAddressError),
    #[error(
        "{count} statements of this node are not in the log yet, and are signed with the present keys"
    )]
    Unsent { count: usize },
    #[error(
        "this node holds proof that the coordinator broke the rules, and signs no further statements"
    )]
    Frozen,
    #[error("this account is getting new keys, and has to get them first")]
    RotationBegun,
    #[error("{} does not belong to this home's keys; it was left as it is", path.display())]
    OtherKeys { path: std::path::PathBuf },
    #[error("the admin's home and the coordinator's home are one directory; give each its own")]
    OneHome,
    #[error("the coordinator home {} is for {what} {found}, not {asked}", path.display())]
    OtherCoordinator {
        path: std::path::PathBuf,
        /// The setting that differs.
        what: &'static str,
        found: String,
        asked: String,
    },
    /// The hub cannot be reached, or its answer did not arrive.
    #[error(transparent)]
    Hub(#[from] RequestError),
    #[error("this invitation was used already: account \"{account}\" has joined")]
    Used { account: String },
    /// The log's rules forbid it.
    #[error("{0}")]
    Refused(Refusal),
    #[error("the hub refused (status {status}): {detail}")]
    HubRefused {
        status: u16,
        /// The beginning of the hub's message, at most a line.
        detail: String,
    },
    #[error("the hub's answer cannot be read; is it of another version?")]
    Answer,
    #[error("the account has joined, but its home could not be finished")]
    NotSaved(#[source] HomeError),
    #[error("the hub answered for a different IVN than the invitation's; nothing was stored")]
    OtherIvn,
}

impl SetupError {
    /// Whether the hub may have done its part, although there is no answer.
    pub(super) fn may_have_succeeded(&self) -> bool {
        match self {
            // A hub that dies before it answers looks like one that closes the connection instead
            // of answering.
            Self::Hub(
                RequestError::Broken(_)
                | RequestError::TimedOut(_)
                | RequestError::TooLarge(_)
                | RequestError::Dial(DialError::Refused(dialler::Refusal::Closed)),
            )
            | Self::Answer
            | Self::NotSaved(_) => true,
            Self::HubRefused { status, .. } => *status >= 500,
            _ => false,
        }
    }
}
