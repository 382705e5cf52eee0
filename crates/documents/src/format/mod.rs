//! The formats: one file for each, and the registry.

pub(crate) mod cms;
mod dsse;
mod jws;
mod minisign;
pub(crate) mod pgp;
mod raw;
mod ssh;
mod ssh_agent;
mod tuf;
pub(crate) mod x509;

use std::fmt;
use std::str::FromStr;

pub(crate) use ssh::key_type as ssh_key_type;

use crate::definition::Definition;
use crate::error::{KeyKindError, OutputError, UnknownFormat};
use crate::key::VerifyingKey;
use crate::kind::KeyKind;

/// A kind of signature file.
#[derive(Clone, Copy)]
pub struct Format(&'static dyn Definition);

impl Format {
    /// Every format, for help texts and "did you mean". A file is read as the first that fits.
    pub const ALL: &'static [Self] = &[
        Self(&raw::Raw),
        Self(&ssh::Ssh),
        Self(&minisign::Minisign),
        Self(&ssh_agent::SshAgent),
        Self(&pgp::Pgp),
        Self(&pgp::PgpText),
        Self(&pgp::PgpCertificate),
        Self(&cms::Cms),
        Self(&x509::Csr),
        Self(&x509::ISSUED),
        Self(&x509::AUTHORITY),
        Self(&x509::SELF),
        Self(&dsse::Dsse),
        Self(&tuf::Tuf),
        Self(&jws::Compact),
        Self(&jws::Detached),
    ];

    /// The name in entries, on the command line and in the API.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What the format is for, in a few words.
    pub fn purpose(self) -> &'static str {
        self.0.purpose()
    }

    /// The ending of its files, without the dot, for signatures by this kind of key.
    pub fn ending(self, kind: KeyKind) -> &'static str {
        self.0.ending_for(kind)
    }

    /// All endings that its files have.
    pub fn endings(self) -> Vec<&'static str> {
        let mut endings: Vec<_> = self.0.kinds().iter().map(|kind| self.ending(*kind)).collect();
        endings.dedup();
        endings
    }

    /// Whether common tools verify signatures in this format by this kind of key.
    ///
    /// # Errors
    ///
    /// [`KeyKindError`], which names what can be done instead.
    pub fn accepts(self, kind: KeyKind) -> Result<(), KeyKindError> {
        if self.0.kinds().contains(&kind) {
            return Ok(());
        }
        let instead = Self::ALL.iter().filter(|format| format.0.kinds().contains(&kind));
        Err(KeyKindError {
            format: self.name(),
            takes: listed(self.0.kinds().iter()),
            kind,
            instead: listed(instead),
        })
    }

    /// The namespace that a group has to serve for this one: itself, or the default.
    ///
    /// # Errors
    ///
    /// [`OutputError`], for a namespace that the format does not have.
    pub fn served(self, namespace: Option<&str>) -> Result<Option<String>, OutputError> {
        self.0.namespace(namespace)
    }

    pub(crate) fn definition(self) -> &'static dyn Definition {
        self.0
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let all = Self::ALL.iter().copied();
        all.into_iter().find(|format| format.name() == name).ok_or(UnknownFormat)
    }
}

/// The public key file of minisign.
pub(crate) fn minisign_key_file(key: &VerifyingKey) -> String {
    minisign::public_key_file(key.as_bytes())
}

/// The public key blob of SSH (RFC 8709 §4, RFC 5656 §3.1).
pub(crate) fn ssh_key_blob(key: &VerifyingKey) -> Vec<u8> {
    ssh::public_key_blob(key)
}

fn listed<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
