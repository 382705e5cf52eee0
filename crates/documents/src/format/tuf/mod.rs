//! `tuf`: metadata of an update repository (The Update Framework 1.0, §4.2), with the group's
//! signature added to those that it has.
//!
//! The signature covers `signed` in the Canonical JSON of OLPC. For TUF a group is one key, and the
//! threshold of a role counts it once. Writer and reader make the canonical text in different ways.

use std::io;

use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};
use serde_json::{Map, Value, json};

use crate::date::to_the_second;
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{OutputError, ReadError, Unsignable, VerifyError};
use crate::json;
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::preview::Preview;
use crate::tuf_key;

mod shown;

pub(crate) struct Tuf;

impl Definition for Tuf {
    fn name(&self) -> &'static str {
        "tuf"
    }

    fn purpose(&self) -> &'static str {
        "metadata of an update repository, with the signature in it"
    }

    fn ending(&self) -> &'static str {
        "signed.json"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        KeyKind::ALL
    }

    fn check_options(&self, given: &str) -> Result<(), OutputError> {
        moment(given).map(drop).ok_or(OutputError::Options)
    }

    fn dated(&self, given: Option<&str>, seconds: u64) -> Option<String> {
        let options = given.is_none().then(|| format!("{AT}{seconds}"));
        options.filter(|options| moment(options).is_some())
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        asked: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let at = asked.options.as_deref().and_then(moment);
        let refused = |reason: String| Unsignable::Content { format: "tuf", reason };
        Ok(Box::new(Unsigned::new(document, at.as_deref(), key).map_err(refused)?))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        if !file.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let value = json::read(file).ok()?;
        value.get("signed")?.get("_type")?;
        value.get("signatures")?;
        Some(read(&value, file).map(|found| Box::new(found) as Box<dyn Found>))
    }
}

const AT: &str = "at=";

/// The time in the options `at=SECONDS`, as `YYYY-MM-DDTHH:MM:SSZ`.
fn moment(options: &str) -> Option<String> {
    let digits = options.strip_prefix(AT)?;
    let seconds: i64 = digits.parse().ok()?;
    // An output has one text.
    let date = to_the_second(seconds).filter(|_| seconds.to_string() == digits)?;
    Some(format!("{}Z", date.replace(' ', "T")))
}

/// Whether this is a time as metadata has it, `YYYY-MM-DDTHH:MM:SSZ`: such texts compare as times.
fn is_time(text: &str) -> bool {
    let same = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    let number =
        |from: usize, to: usize| text.get(from..to).and_then(|text| text.parse::<u8>().ok());
    let below = |from: usize, to: usize, limit: u8| number(from, to).is_some_and(|it| it < limit);
    let month = number(5, 7).and_then(|month| time::Month::try_from(month).ok());
    let year = text.get(..4).and_then(|text| text.parse::<i32>().ok());
    let date = || time::Date::from_calendar_date(year?, month?, number(8, 10)?).ok();
    same.eq(*b"0000-00-00T00:00:00Z")
        && date().is_some()
        && below(11, 13, 24)
        && below(14, 16, 60)
        && below(17, 19, 60)
}

const ROLES: &[&str] = &["root", "targets", "snapshot", "timestamp"];

struct Unsigned {
    /// The whole file.
    fields: Map<String, Value>,
    covered: Vec<u8>,
    key_id: String,
    preview: Preview,
}

impl Unsigned {
    fn new(document: &[u8], at: Option<&str>, key: &VerifyingKey) -> Result<Self, String> {
        let value =
            json::read(document).map_err(|error| format!("it cannot be read as JSON: {error}"))?;
        if json::canonical(&value).is_none() {
            return Err("it contains a number that is not an integer of 64 bits".to_owned());
        }
        let Value::Object(fields) = value else { return Err("it is no JSON object".to_owned()) };
        let no_metadata = "it is no TUF metadata, which has \"signed\" and \"signatures\"";
        let signed = fields.get("signed").filter(|signed| signed.is_object());
        let signed = signed.ok_or(no_metadata)?;
        let signatures = fields.get("signatures").ok_or(no_metadata)?;
        let signatures = signatures_in(signatures).ok_or(
            "its signatures are no list of \"keyid\" and \"sig\" in which each key stands once",
        )?;
        if signatures.len() >= SIGNATURES {
            return Err(format!("it has {} signatures; a file has at most 64", signatures.len()));
        }
        let text = |name: &str| signed.get(name).and_then(Value::as_str);
        let role = text("_type").unwrap_or_default();
        if !ROLES.contains(&role) {
            return Err(format!("its \"_type\" is not one of {}", ROLES.join(", ")));
        }
        if !text("spec_version").is_some_and(|version| version.starts_with("1.")) {
            return Err("its \"spec_version\" is not 1.x".to_owned());
        }
        let version = signed.get("version").and_then(Value::as_u64).filter(|version| *version > 0);
        let version = version.ok_or("its \"version\" is no number from 1 on")?;
        let expires = text("expires").filter(|expires| is_time(expires));
        let expires = expires.ok_or("its \"expires\" is no time like 2030-01-31T00:00:00Z")?;
        if at.is_some_and(|at| expires <= at) {
            return Err(format!(
                "it expired at {expires}, before the request; give it a later time"
            ));
        }
        let covered = json::canonical(signed).unwrap_or_default();
        let key_id = key_id(signed, key);
        let preview = shown::preview(signed, role, version, expires, &key_id);
        Ok(Self { covered, key_id, preview, fields })
    }
}

/// The id under which metadata knows the key: root metadata can give it any, and otherwise it is
/// that of securesystemslib.
fn key_id(signed: &Value, key: &VerifyingKey) -> String {
    let usual = tuf_key::id(key);
    let known = signed.get("keys").and_then(Value::as_object);
    let described = tuf_key::described(key);
    let is_ours = |found: &Value| found.get("keyval") == described.get("keyval");
    let mut ours = known.into_iter().flatten().filter(|(_, found)| is_ours(found));
    let first = ours.next().map(|(id, _)| id);
    match ours.any(|(id, _)| *id == usual) {
        true => usual,
        false => first.cloned().unwrap_or(usual),
    }
}

/// The ids and signatures, if each id stands there once.
fn signatures_in(list: &Value) -> Option<Vec<(&str, &str)>> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for signature in list.as_array()? {
        let text = |name: &str| signature.get(name).and_then(Value::as_str);
        let id = text("keyid")?;
        if found.iter().any(|(other, _)| *other == id) {
            return None;
        }
        found.push((id, text("sig")?));
    }
    Some(found)
}

/// The most signatures that a file has.
const SIGNATURES: usize = 64;

impl Preparation for Unsigned {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        self.covered.clone()
    }

    /// As python-tuf writes it, and with a line end.
    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let mut fields = self.fields.clone();
        let signature = signatures.first().map(tuf_key::signature_bytes).unwrap_or_default();
        if let Some(Value::Array(list)) = fields.get_mut("signatures") {
            let is_ours = |found: &Value| found.get("keyid") == Some(&json!(self.key_id));
            list.retain(|found| !is_ours(found));
            list.push(json!({ "keyid": self.key_id, "sig": hex::encode(signature) }));
        }
        let mut file = Vec::new();
        let pretty = PrettyFormatter::with_indent(b" ");
        let mut writer = serde_json::Serializer::with_formatter(&mut file, pretty);
        let written = serde::Serialize::serialize(&Value::Object(fields), &mut writer);
        if written.is_ok() {
            file.push(b'\n');
        }
        file
    }

    fn preview(&self) -> Option<Preview> {
        Some(self.preview.clone())
    }
}

#[derive(Debug)]
struct TufSignatures {
    file: Vec<u8>,
    covered: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

fn read(value: &Value, file: &[u8]) -> Result<TufSignatures, ReadError> {
    let damaged = |reason: &str| ReadError::File("TUF", reason.to_owned());
    let list = value.get("signatures").and_then(signatures_in);
    let list = list.ok_or_else(|| damaged("its list of signatures is damaged or ambiguous"))?;
    if !(1..=SIGNATURES).contains(&list.len()) {
        return Err(damaged("it has no signature, or more than 64"));
    }
    let signatures = list.iter().map(|(_, signature)| hex::decode(signature));
    Ok(TufSignatures {
        file: file.to_vec(),
        covered: covered(value).ok_or_else(|| damaged("a number in it is not an integer"))?,
        signatures: signatures
            .collect::<Result<_, _>>()
            .map_err(|_| damaged("a signature is not in hexadecimal digits"))?,
    })
}

/// The canonical text of `signed`. Serde's maps are sorted by bytes.
fn covered(file: &Value) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, Canonical);
    serde::Serialize::serialize(file.get("signed")?, &mut writer).ok()?;
    Some(text)
}

struct Canonical;

impl Formatter for Canonical {
    fn write_f64<W: ?Sized + io::Write>(&mut self, _: &mut W, _: f64) -> io::Result<()> {
        Err(io::ErrorKind::InvalidData.into())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        writer.write_all(match escape {
            CharEscape::Quote => b"\\\"",
            CharEscape::ReverseSolidus => b"\\\\",
            CharEscape::Solidus => b"/",
            CharEscape::Backspace => b"\x08",
            CharEscape::FormFeed => b"\x0c",
            CharEscape::LineFeed => b"\n",
            CharEscape::CarriageReturn => b"\r",
            CharEscape::Tab => b"\t",
            CharEscape::AsciiControl(byte) => return writer.write_all(&[byte]),
        })
    }
}

impl Found for TufSignatures {
    /// The metadata is in the file, with all its signatures.
    fn document(&self) -> Option<&[u8]> {
        Some(&self.file)
    }

    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        let wanted = json::read(document).ok().and_then(|value| covered(&value));
        if wanted.as_ref() != Some(&self.covered) {
            return Err(VerifyError::Mismatch);
        }
        let mut tried = self.signatures.iter();
        tried
            .find_map(|signature| tuf_key::verifies(key, &self.covered, signature).ok())
            .ok_or(VerifyError::Mismatch)
    }
}

#[cfg(test)]
mod tests;
