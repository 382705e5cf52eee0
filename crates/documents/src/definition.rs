//! What a format is: the traits that each file in `format/` implements.

use std::fmt;

use crate::certificate::CertificateChain;
use crate::error::{OutputError, ReadError, Unsignable, VerifyError};
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::preview::Preview;

/// What stands behind the name of a format in an output.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) namespace: Option<String>,
    pub(crate) options: Option<String>,
}

/// What a file of `format/` implements to be a format.
pub(crate) trait Definition: Sync {
    /// In entries, on the command line and in the API: a-z, 0-9 and `-`.
    fn name(&self) -> &'static str;

    /// What the format is for, in a few words.
    fn purpose(&self) -> &'static str;

    /// The ending of the files, without the dot.
    fn ending(&self) -> &'static str;

    /// The ending for signatures by this kind of key, where it differs.
    fn ending_for(&self, kind: KeyKind) -> &'static str {
        let _ = kind;
        self.ending()
    }

    /// The kinds of keys by which common tools verify signatures in this format.
    fn kinds(&self) -> &'static [KeyKind];

    /// Whether signatures cover the time at which the key was created, besides their own: an output
    /// is completed with both.
    fn covers_times(&self) -> bool {
        false
    }

    /// How many signatures a file takes.
    fn signatures(&self) -> u8 {
        1
    }

    /// Checks the namespace of an output, and returns it, or its default.
    fn namespace(&self, given: Option<&str>) -> Result<Option<String>, OutputError> {
        given.map_or(Ok(None), |_| Err(OutputError::NamespaceWithoutUse))
    }

    /// Checks the options of an output, which may be incomplete.
    fn check_options(&self, given: &str) -> Result<(), OutputError> {
        let _ = given;
        Err(OutputError::Options)
    }

    /// The options that give a file the date of its request, where the format has a date and the
    /// given options do not.
    fn dated(&self, given: Option<&str>, seconds: u64) -> Option<String> {
        let _ = (given, seconds);
        None
    }

    /// The given options with the certificates of the key, where the format has them.
    fn certified(&self, given: Option<&str>, chain: &CertificateChain) -> Option<String> {
        let _ = (given, chain);
        None
    }

    /// Reads a document. The caller has checked the kind of the key.
    fn prepare<'a>(
        &self,
        document: &'a [u8],
        asked: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable>;

    /// Reads a signature file. `None`: it is of another format.
    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>>;
}

/// A document that can be signed in one format.
pub(crate) trait Preparation {
    /// The bytes that the next signature covers.
    fn to_be_signed(&self, earlier: &[Signature]) -> Vec<u8>;

    /// The file. It may be wrong if the signatures are: the caller verifies it.
    fn finish(&self, signatures: &[Signature]) -> Vec<u8>;

    fn preview(&self) -> Option<Preview> {
        None
    }
}

/// A signature file that was read but not verified.
pub(crate) trait Found: fmt::Debug + Send + Sync {
    /// The key that the file names, where the format has one. It is a claim.
    fn verifying_key(&self) -> Option<VerifyingKey> {
        None
    }

    /// The namespace of the file, where the format has one.
    fn namespace(&self) -> Option<&str> {
        None
    }

    /// The document that the file contains, where it does.
    fn document(&self) -> Option<&[u8]> {
        None
    }

    /// A text that the signature covers besides the document, with its name.
    fn signed_note(&self) -> Option<(&'static str, &str)> {
        None
    }

    /// Verifies with code other than the writer's. The caller has checked that `key` is usable
    /// and of a kind that the format has.
    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        namespace: Option<&str>,
    ) -> Result<(), VerifyError>;
}
