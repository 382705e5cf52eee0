//! Why an IVN was not founded, or an account did not join.

use quorate_ceremony::dsse::EntryError;
use quorate_ceremony::state::Refusal;
use quorate_network::TlsError;
use quorate_network::ca::CaError;
use quorate_network::client::RequestError;
use quorate_network::dialler::{self, DialError};
use quorate_network::ivn::{AccountNameError, HubAddressError};

use crate::home::HomeError;
use crate::keystore::KeystoreError;
use crate::store::StoreError;

/// Why an IVN was not founded, or an account did not join.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A home can not be made or opened.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Keys can not be made or opened.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The log's database can not be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A certificate can not be made.
    #[error("the certificates could not be made")]
    Certificates(#[from] CaError),
    /// A file of a home can not be written or read.
    #[error("{} can not be used; check its disk and permissions", path.display())]
    NotWritten {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The connection can not be set up.
    #[error("the TLS settings could not be made")]
    Tls(#[from] TlsError),
    /// The name does not fit a certificate.
    #[error(transparent)]
    AccountName(#[from] AccountNameError),
    /// A statement can not be signed.
    #[error("the statement could not be made")]
    Entry(#[from] EntryError),
    /// The rules of the log forbid it.
    #[error("{0}")]
    Genesis(Refusal),
    /// The stored TLS key is not text.
    #[error("the stored TLS key can not be read; restore the key file from a backup")]
    TlsKey,
    /// The home's hub address can not be used.
    #[error("this home does not say where the hub is")]
    HubAddress(#[source] HubAddressError),
    /// What this node has signed is not in the log yet.
    #[error(
        "{count} statements of this node are not in the log yet, and are signed with the present keys"
    )]
    Unsent {
        /// How many.
        count: usize,
    },
    /// This node holds proof that the coordinator broke the rules.
    #[error(
        "this node holds proof that the coordinator broke the rules, and states nothing any more"
    )]
    Frozen,
    /// The next keys are another home's.
    #[error("{} does not belong to this home's keys; it was left as it is", path.display())]
    OtherKeys {
        /// The file.
        path: std::path::PathBuf,
    },
    /// Both homes in one directory.
    #[error("the admin's home and the coordinator's home are one directory; give each its own")]
    OneHome,
    /// The coordinator's home serves another address or deployment.
    #[error("the coordinator home {} is for {what} {found}, not {asked}", path.display())]
    OtherCoordinator {
        /// The home.
        path: std::path::PathBuf,
        /// What differs.
        what: &'static str,
        /// As the home says.
        found: String,
        /// As was asked for.
        asked: String,
    },
    /// The hub can not be asked, or its answer did not come.
    #[error(transparent)]
    Hub(#[from] RequestError),
    /// The invitation was used: the account exists.
    #[error("this invitation was used already: account \"{account}\" has joined")]
    Used {
        /// Whom it was for.
        account: String,
    },
    /// The hub refuses, by the log's rules.
    #[error("{0}")]
    Refused(Refusal),
    /// The hub refuses for another reason.
    #[error("the hub refused (status {status}): {detail}")]
    HubRefused {
        /// The HTTP status.
        status: u16,
        /// What the hub says, as much of it as fits a line.
        detail: String,
    },
    /// The hub's answer can not be read.
    #[error("the hub's answer can not be read; is it of another version?")]
    Answer,
    /// The account was admitted, but the home could not be finished.
    #[error("the account has joined, but its home could not be finished")]
    NotSaved(#[source] HomeError),
    /// The hub answers for another IVN than the invitation's.
    #[error(
        "the hub answered with another IVN than the one that the invitation names; nothing of it was kept"
    )]
    OtherIvn,
}

impl SetupError {
    /// Whether the hub may have done what it was asked for, although there is no answer.
    pub(super) fn may_have_succeeded(&self) -> bool {
        match self {
            // A hub that dies before it answers looks like one that closes the connection instead of answering.
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
