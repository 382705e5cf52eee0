//! `pgp-text`: a text with its OpenPGP signature in one file (RFC 9580 §7), as apt reads an
//! `InRelease`.
//!
//! The signature covers neither white space at the end of a line nor the kind of line end, and the
//! file does not keep the line end after the last line (§7.2).

use super::options::Times;
use super::packet::{Key, Kind, Statement, armor};
use super::read;
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{OutputError, ReadError, Unsignable};
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;

pub(crate) struct PgpText;

impl Definition for PgpText {
    fn name(&self) -> &'static str {
        "pgp-text"
    }

    fn purpose(&self) -> &'static str {
        "a text with its OpenPGP signature in one file, for apt's InRelease"
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
        let times = Times::of(asked, "pgp-text")?;
        let refused =
            |reason: &str| Unsignable::Content { format: "pgp-text", reason: reason.to_owned() };
        let text = str::from_utf8(document)
            .map_err(|_| refused("it is not text; sign it as pgp, with the signature beside it"))?;
        if text.chars().any(|char| char.is_control() && !matches!(char, '\n' | '\t')) {
            return Err(refused(
                "it has control characters or Windows line ends, which readers treat differently; \
                 sign it as pgp, with the signature beside it",
            ));
        }
        let text = text.strip_suffix('\n').unwrap_or(text);
        let key = Key { bytes: key.as_bytes(), created: times.created };
        let statement = Statement::new(Kind::Text, &key, times, &[]);
        Ok(Box::new(Unsigned { text, statement }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        read::cleartext(file).map(|found| found.map(|found| Box::new(found) as Box<dyn Found>))
    }
}

struct Unsigned<'a> {
    /// Without the last line end.
    text: &'a str,
    statement: Statement,
}

impl Unsigned<'_> {
    fn hash(&self) -> [u8; 64] {
        self.statement.hash([covered(self.text).as_bytes()])
    }
}

/// The text as it is hashed: lines without white space at the end, joined by CR LF.
fn covered(text: &str) -> String {
    let lines: Vec<&str> =
        text.split('\n').map(|line| line.trim_end_matches([' ', '\t'])).collect();
    lines.join("\r\n")
}

impl Preparation for Unsigned<'_> {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        self.hash().to_vec()
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let signature = signatures.first().map(Signature::as_bytes).unwrap_or_default();
        let mut file = String::from("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n");
        for line in self.text.split('\n') {
            // Dash-escaped text (§7.1). `From ` is escaped for mail.
            if line.starts_with('-') || line.starts_with("From ") {
                file.push_str("- ");
            }
            file.push_str(line);
            file.push('\n');
        }
        file.push_str(&armor("SIGNATURE", &self.statement.packet(&self.hash(), signature)));
        file.into_bytes()
    }
}
