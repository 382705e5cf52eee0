//! `pgp`: a detached, armored OpenPGP signature over the bytes of a file.

use super::options::Times;
use super::packet::{Key, Kind, Statement, armor};
use super::read;
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{OutputError, ReadError, Unsignable};
use crate::git;
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::preview::Preview;

pub(crate) struct Pgp;

impl Definition for Pgp {
    fn name(&self) -> &'static str {
        "pgp"
    }

    fn purpose(&self) -> &'static str {
        "an OpenPGP signature beside the file, for gpg, sqv and git"
    }

    fn ending(&self) -> &'static str {
        "asc"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        &[KeyKind::Ed25519]
    }

    fn covers_times(&self) -> bool {
        true
    }

    fn check_options(&self, given: &str) -> Result<(), OutputError> {
        Times::read(given).map(drop)
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        asked: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let times = Times::of(asked, "pgp")?;
        let key = Key { bytes: key.as_bytes(), created: times.created };
        let statement = Statement::new(Kind::Binary, &key, times, &[]);
        Ok(Box::new(Unsigned { document, statement }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        read::detached(file).map(|found| found.map(|found| Box::new(found) as Box<dyn Found>))
    }
}

struct Unsigned<'a> {
    document: &'a [u8],
    statement: Statement,
}

impl Unsigned<'_> {
    /// Not made with the preparation, which is also made to check or to show a document.
    fn hash(&self) -> [u8; 64] {
        self.statement.hash([self.document])
    }
}

impl Preparation for Unsigned<'_> {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        self.hash().to_vec()
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let signature = signatures.first().map(Signature::as_bytes).unwrap_or_default();
        armor("SIGNATURE", &self.statement.packet(&self.hash(), signature)).into_bytes()
    }

    fn preview(&self) -> Option<Preview> {
        git::object(self.document)
    }
}
