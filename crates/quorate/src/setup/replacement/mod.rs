//! Replaces the coordinator of an IVN when its keys are lost, or when it has signed two histories.
//!
//! ```text
//! propose   makes a coordinator's home with new keys and a copy of the log    replacement.json
//! vote      a member compares the history with its own node's, and votes      one vote each
//! finish    puts more than half of the members' votes into the new home       replacement.json
//! follow    a node takes over history, votes, keys and address
//! ```
//!
//! Each step works on files of one machine: there is no connection that all could trust. What makes
//! a replacement valid is in the log ([`quorate_ceremony::entry::Replacement`]), where every reader
//! checks it. A node follows it only when its holder says so, because the history may lack entries
//! that the node verified.

pub(super) mod error;
mod finish;
mod follow;
mod history;
mod propose;
mod vote;

use std::path::Path;

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Replacement;
use quorate_ceremony::names::IvnId;
use quorate_network::ca::CaFingerprint;
use quorate_network::ivn::HubAddress;
use serde::{Deserialize, Serialize};

use super::error::SetupError;
use crate::home::IvnDirectory;
use crate::store::durable;

pub use error::ReplacementError;
pub use finish::{Finished, finish};
pub use follow::{Followed, follow};
pub use history::{Comparison, Source};
pub use propose::{NewCoordinator, propose};
pub use vote::{LostShare, Vote, compare, marked, vote};

/// The largest file that is read: some thousand votes.
pub const MAX_FILE: u64 = 8 << 20;

/// What people hand on: a proposed replacement or, with votes, one that is in force.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacementFile {
    quorate: Kind,
    format: u32,
    pub ivn: IvnId,
    /// The display name of the IVN.
    pub name: String,
    /// Where members find the new coordinator, `host:port`.
    pub hub: String,
    /// The certificate of its authority, PEM.
    pub ca_certificate: String,
    pub replacement: Replacement,
    /// Entries of the log that vote for it, in their encoding in the log.
    pub votes: Vec<Base64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
enum Kind {
    #[serde(rename = "coordinator-replacement")]
    Replacement,
}

const FORMAT: u32 = 1;

impl ReplacementFile {
    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`ReplacementError::NotAReplacement`] or [`ReplacementError::OtherAuthority`].
    pub fn from_json(path: &Path, json: &[u8]) -> Result<Self, ReplacementError> {
        let file: Option<Self> = serde_json::from_slice(json).ok();
        let file = file
            .filter(|file| file.format == FORMAT && file.hub.parse::<HubAddress>().is_ok())
            .ok_or_else(|| ReplacementError::NotAReplacement(path.to_owned()))?;
        let authority = CaFingerprint::of_pem(&file.ca_certificate).ok();
        if authority.as_ref().map(CaFingerprint::as_bytes)
            != Some(file.replacement.keys.ca.as_bytes())
        {
            return Err(ReplacementError::OtherAuthority);
        }
        Ok(file)
    }

    pub fn to_json(&self) -> Vec<u8> {
        // Serialising strings and numbers to memory cannot fail.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    fn save(&self, directory: &IvnDirectory) -> Result<(), SetupError> {
        let path = directory.replacement();
        durable::replace(&path, &self.to_json())
            .map_err(|source| SetupError::NotWritten { path, source })
    }
}
