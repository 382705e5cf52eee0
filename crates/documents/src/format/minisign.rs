//! `minisign`: signature files of minisign 0.6, "ED": the file is hashed with BLAKE2b-512.
//!
//! A file takes two signatures of the key: one over the hash, and one over the first signature and
//! the trusted comment. The reader is another implementation than the writer: it parses and
//! verifies strictly, and then `minisign-verify`, which has hash and curve of its own, must agree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest as _};
use sha2::Sha256;

use crate::date::to_the_minute;
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{OutputError, ReadError, Unsignable, VerifyError};
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::preview::Preview;

pub(crate) struct Minisign;

impl Definition for Minisign {
    fn name(&self) -> &'static str {
        "minisign"
    }

    fn purpose(&self) -> &'static str {
        "for minisign -V"
    }

    fn ending(&self) -> &'static str {
        "minisig"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        &[KeyKind::Ed25519]
    }

    fn signatures(&self) -> u8 {
        2
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
        Ok(Box::new(Unsigned { document, at, key: key.as_bytes() }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        let found = || Ok(Box::new(read(file)?) as Box<dyn Found>);
        file.starts_with(UNTRUSTED.as_bytes()).then(found)
    }
}

/// The seconds since 1970 in the options `at=SECONDS`, and the same for people.
fn moment(options: &str) -> Option<(u64, String)> {
    let digits = options.strip_prefix(AT)?;
    let seconds: u64 = digits.parse().ok()?;
    let date = to_the_minute(i64::try_from(seconds).ok()?)?;
    // An output has one text.
    (seconds.to_string() == digits).then_some((seconds, date))
}

struct Unsigned<'a> {
    document: &'a [u8],
    at: Option<(u64, String)>,
    key: &'a [u8],
}

impl Unsigned<'_> {
    /// As minisign writes it, without the file's name: options are in the log, and the name of a
    /// document must not be.
    fn trusted_comment(&self) -> String {
        match &self.at {
            Some((seconds, _)) => format!("timestamp:{seconds}\thashed"),
            None => "hashed".to_owned(),
        }
    }
}

impl Preparation for Unsigned<'_> {
    fn to_be_signed(&self, earlier: &[Signature]) -> Vec<u8> {
        match earlier.first() {
            None => Blake2b512::digest(self.document).to_vec(),
            Some(first) => [first.as_bytes(), self.trusted_comment().as_bytes()].concat(),
        }
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let mut bytes = signatures.iter().map(Signature::as_bytes);
        let mut next = || bytes.next().unwrap_or_default();
        let id = key_id(self.key);
        let first = STANDARD.encode([PREHASHED, &id, next()].concat());
        let (shown, comment) = (shown_id(id), self.trusted_comment());
        let second = STANDARD.encode(next());
        format!(
            "{UNTRUSTED}signature by minisign key {shown}\n{first}\n{TRUSTED}{comment}\n{second}\n"
        )
        .into_bytes()
    }

    fn preview(&self) -> Option<Preview> {
        let (_, date) = self.at.as_ref()?;
        let preview = Preview::of("file, for minisign");
        Some(preview.field("signed as of", format!("{date} UTC, says the requester")))
    }
}

/// The key as minisign's public key file.
pub(super) fn public_key_file(key: &[u8]) -> String {
    let id = key_id(key);
    let line = STANDARD.encode([PURE, &id, key].concat());
    format!("{UNTRUSTED}minisign public key {}\n{line}\n", shown_id(id))
}

/// The number by which minisign tells keys apart. It makes a random one with each key; ours is the
/// beginning of the key's SHA-256, so that everybody gets the same.
fn key_id(key: &[u8]) -> [u8; 8] {
    let mut id = [0; 8];
    id.iter_mut().zip(Sha256::digest(key)).for_each(|(to, from)| *to = from);
    id
}

/// As minisign displays it.
fn shown_id(id: [u8; 8]) -> String {
    format!("{:016X}", u64::from_le_bytes(id))
}

const AT: &str = "at=";
const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
const PREHASHED: &[u8] = b"ED";
const PURE: &[u8] = b"Ed";

#[derive(Debug)]
struct MinisignSignature {
    id: [u8; 8],
    over_hash: [u8; 64],
    comment: String,
    over_comment: [u8; 64],
    /// What `minisign-verify` reads again.
    file: String,
}

fn read(file: &[u8]) -> Result<MinisignSignature, ReadError> {
    let file = str::from_utf8(file).map_err(|_| ReadError::Minisign("it is not UTF-8"))?;
    let lines: Vec<&str> = file.lines().collect();
    let [_, first, comment, second] = lines.as_slice() else {
        return Err(ReadError::Minisign("it does not have four lines"));
    };
    let comment = comment.strip_prefix(TRUSTED);
    let comment = comment.ok_or(ReadError::Minisign("the third line is no trusted comment"))?;
    // minisign cuts these off before it verifies, or displays something else than was signed.
    if comment.chars().any(|c| c.is_control() && c != '\t') {
        return Err(ReadError::Minisign("the trusted comment has control characters"));
    }
    let damaged = || ReadError::Minisign("a line of base64 is damaged");
    let first = STANDARD.decode(first).map_err(|_| damaged())?;
    let (algorithm, rest) = first.split_at_checked(2).ok_or_else(damaged)?;
    let (id, over_hash) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    match algorithm {
        PREHASHED => {}
        PURE => return Err(ReadError::Minisign("it is of the legacy kind, without a hash")),
        _ => return Err(ReadError::Minisign("its algorithm is unknown")),
    }
    let second = STANDARD.decode(second).map_err(|_| damaged())?;
    Ok(MinisignSignature {
        id: *id,
        over_hash: over_hash.try_into().map_err(|_| damaged())?,
        comment: comment.to_owned(),
        over_comment: second.try_into().map_err(|_| damaged())?,
        file: file.to_owned(),
    })
}

impl Found for MinisignSignature {
    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        let expected = key_id(key.as_bytes());
        if self.id != expected {
            let name = |id| format!("minisign key {}", shown_id(id));
            return Err(VerifyError::OtherKey { expected: name(expected), found: name(self.id) });
        }
        key.verifies(&Blake2b512::digest(document), &self.over_hash)?;
        let covered = [self.over_hash.as_slice(), self.comment.as_bytes()].concat();
        key.verifies(&covered, &self.over_comment)?;
        let key = minisign_verify::PublicKey::decode(&public_key_file(key.as_bytes()));
        let file = minisign_verify::Signature::decode(&self.file);
        let (Ok(key), Ok(file)) = (key, file) else { return Err(VerifyError::Mismatch) };
        key.verify(document, &file, false).map_err(|_| VerifyError::Mismatch)
    }

    fn signed_note(&self) -> Option<(&'static str, &str)> {
        Some(("trusted comment", &self.comment))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::*;
    use crate::{Output, SignatureFile, prepare, verify};

    fn key(seed: u8) -> VerifyingKey {
        VerifyingKey::Ed25519(SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
    }

    fn output(text: &str) -> Output {
        text.parse().unwrap()
    }

    fn sign(document: &[u8], output: &Output) -> String {
        let key = key(1);
        let prepared = prepare(document, output, &key).unwrap();
        let mut made = Vec::new();
        for _ in 0..prepared.signatures() {
            let message = prepared.to_be_signed(&made).unwrap();
            let signature = SigningKey::from_bytes(&[1; 32]).sign(&message);
            made.push(Signature::Ed25519(signature.to_bytes()));
        }
        String::from_utf8(prepared.finish(&made).unwrap()).unwrap()
    }

    #[test]
    fn only_a_date_is_an_option_and_it_has_one_text() {
        for text in ["minisign", "minisign?at=0", "minisign?at=1767225600"] {
            assert_eq!(output(text).to_string(), text);
        }
        for text in ["", "at=", "at=-1", "at=+1", "at=01", "at=1&at=2", "at=253402300800", "file=a"]
        {
            assert!(format!("minisign?{text}").parse::<Output>().is_err(), "{text}");
        }
        assert!("minisign:file".parse::<Output>().is_err());
        assert_eq!(output("minisign").dated(7).to_string(), "minisign?at=7");
        assert_eq!(output("minisign?at=6").dated(7).to_string(), "minisign?at=6");
        assert_eq!(output("minisign").dated(u64::MAX).to_string(), "minisign");
        assert_eq!(output("ssh").dated(7).to_string(), "ssh:file");
    }

    #[test]
    fn the_trusted_comment_is_signed_and_has_the_date() {
        let dated = sign(b"a release", &output("minisign?at=1767225600"));
        let comment = "timestamp:1767225600\thashed";
        let file = SignatureFile::read(dated.as_bytes()).unwrap();
        assert_eq!(file.signed_note(), Some(("trusted comment", comment)));
        let (output, key) = (output("minisign?at=1767225600"), key(1));
        let preview = prepare(b"a release", &output, &key).unwrap().preview().unwrap();
        assert_eq!(preview.fields[0].value, "2026-01-01 00:00 UTC, says the requester");
        let changed = dated.replace("timestamp:1767225600", "timestamp:1767225601");
        assert!(matches!(
            verify(b"a release", changed.as_bytes(), &key, &output),
            Err(VerifyError::Mismatch)
        ));
    }

    #[test]
    fn a_part_of_another_file_does_not_verify_in_this_one() {
        let [one, other] = ["minisign?at=1", "minisign?at=2"].map(|it| sign(b"a", &output(it)));
        let (one, other): (Vec<_>, Vec<_>) = (one.lines().collect(), other.lines().collect());
        for (first, last) in [(&one, &other), (&other, &one)] {
            let mixed = [first[0], first[1], first[2], last[3], ""].join("\n");
            assert!(verify(b"a", mixed.as_bytes(), &key(1), &output("minisign")).is_err());
        }
    }

    #[test]
    fn another_key_is_named_by_its_minisign_id() {
        let file = sign(b"a", &output("minisign"));
        let id = shown_id(key_id(key(1).as_bytes()));
        assert!(file.contains(&id) && public_key_file(key(1).as_bytes()).contains(&id));
        match verify(b"a", file.as_bytes(), &key(2), &output("minisign")) {
            Err(VerifyError::OtherKey { found, .. }) => assert!(found.ends_with(&id), "{found}"),
            result => panic!("{result:?}"),
        }
    }

    #[test]
    fn the_legacy_kind_is_refused_as_such() {
        let file = sign(b"a", &output("minisign"));
        let legacy = file.replacen("\nRU", "\nRW", 1);
        assert!(matches!(
            SignatureFile::read(legacy.as_bytes()),
            Err(ReadError::Minisign(why)) if why.contains("legacy")
        ));
    }

    proptest! {
        #[test]
        fn a_changed_file_is_refused_or_means_the_same(at: prop::sample::Index, with: u8) {
            let file = sign(b"a release", &output("minisign?at=1767225600"));
            let mut changed = file.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = with;
            if verify(b"a release", &changed, &key(1), &output("minisign")).is_ok() {
                // Nothing but the untrusted comment and the last line end can differ.
                let rest = |file: &[u8]| -> Vec<String> {
                    String::from_utf8_lossy(file).lines().skip(1).map(str::to_owned).collect()
                };
                prop_assert_eq!(rest(&changed), rest(file.as_bytes()));
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes: Vec<u8>, text in "(trusted comment: |RUQ|[A-Za-z0-9+/=]{0,99}|\n|\t|é){0,20}",
        ) {
            for rest in [bytes.as_slice(), text.as_bytes()] {
                let file = [UNTRUSTED.as_bytes(), rest].concat();
                if let Ok(file) = SignatureFile::read(&file) {
                    prop_assert!(file.verify(b"", &key(1), None).is_err());
                }
            }
        }
    }
}
