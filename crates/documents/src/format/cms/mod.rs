//! `cms`: detached signatures of the Cryptographic Message Syntax (RFC 5652), as CAdES-B has them
//! (ETSI EN 319 122-1): `FILE.p7s`.
//!
//! The group signs attributes: the digest of the document, the hash of its certificate, and a time
//! that the requester claims. The certificate is an option of the output, so that every member
//! writes the same attributes. The writer is the crate `cms`; the reader parses with `asn1-rs`.

mod oid;
pub(crate) mod read;
pub(crate) mod write;

use sha2::{Digest as _, Sha256};

use self::read::Read;
use self::write::Unsigned;
use crate::certificate::{CertificateChain, Leaf, shown};
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{OutputError, ReadError, Unsignable, VerifyError};
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::options::{self, Pairs};
use crate::preview::Preview;

pub(crate) struct Cms;

/// `certificate=…`, then any `issuer=…`, then `at=SECONDS`.
#[derive(Default)]
struct Options {
    chain: Option<CertificateChain>,
    at: Option<u32>,
}

impl Options {
    fn read(text: Option<&str>) -> Result<Self, OutputError> {
        let Some(text) = text else { return Ok(Self::default()) };
        let mut pairs = Pairs::of(text);
        let (chain, at) = (pairs.chain()?, pairs.seconds("at")?);
        pairs.end()?;
        Ok(Self { chain, at })
    }

    fn written(&self) -> Option<String> {
        let mut pairs = self.chain.as_ref().map(options::of_chain).unwrap_or_default();
        pairs.extend(self.at.map(|at| format!("at={at}")));
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }
}

impl Definition for Cms {
    fn name(&self) -> &'static str {
        NAME
    }

    fn purpose(&self) -> &'static str {
        "for openssl cms -verify, beside the file"
    }

    fn ending(&self) -> &'static str {
        "p7s"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        &[KeyKind::EcdsaP256]
    }

    fn check_options(&self, given: &str) -> Result<(), OutputError> {
        Options::read(Some(given)).map(drop)
    }

    fn dated(&self, given: Option<&str>, seconds: u64) -> Option<String> {
        let options = Options::read(given).ok()?;
        let at = options.at.or_else(|| u32::try_from(seconds).ok());
        Options { at, ..options }.written()
    }

    fn certified(&self, given: Option<&str>, chain: &CertificateChain) -> Option<String> {
        let options = Options::read(given).ok()?;
        Options { chain: Some(chain.clone()), ..options }.written()
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        asked: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let options = Options::read(asked.options.as_deref()).unwrap_or_default();
        let (Some(chain), Some(at)) = (options.chain, options.at) else {
            return Err(Unsignable::NoCertificate(NAME));
        };
        let leaf = Leaf::checked(chain.leaf(), key, at.into())?;
        let content = |reason: String| Unsignable::Content { format: NAME, reason };
        if is_part_of_pdf(document) {
            return Err(content(
                "a PDF could be made in which this signature would be valid".to_owned(),
            ));
        }
        let unsigned = Unsigned::new(&chain, Sha256::digest(document).into(), Some(at))
            .map_err(|error| content(format!("a certificate cannot be written again: {error}")))?;
        Ok(Box::new(Prepared { unsigned, leaf, at }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        let is_one = file.first() == Some(&0x30) && begins_with(file, &SIGNED_DATA_DER);
        is_one.then(|| {
            let read = read::read(file);
            let read = read.map_err(|why| ReadError::File(NAME, why.to_owned()))?;
            Ok(Box::new(Detached(read)) as Box<dyn Found>)
        })
    }
}

/// Whether this is what a signature in a PDF covers: the file without the signature.
fn is_part_of_pdf(document: &[u8]) -> bool {
    let has_range = || {
        let text = document.windows(BYTE_RANGE.len());
        text.enumerate().any(|(at, bytes)| {
            let rest = document.get(at + BYTE_RANGE.len()..).unwrap_or_default();
            bytes == BYTE_RANGE && sum_of_range(rest) == Some(document.len())
        })
    };
    document.trim_ascii_start().starts_with(b"%PDF-") && has_range()
}

/// The bytes that the array after `/ByteRange` covers.
fn sum_of_range(rest: &[u8]) -> Option<usize> {
    let end = rest.iter().take(200).position(|byte| *byte == b']')?;
    let text = str::from_utf8(rest.get(..end)?).ok()?.trim_start().strip_prefix('[')?;
    let numbers: Vec<usize> = text.split_ascii_whitespace().flat_map(str::parse).collect();
    let [_, first, _, second] = numbers.as_slice() else { return None };
    first.checked_add(*second)
}

/// Whether a file begins with this part, after at most a long header of DER.
fn begins_with(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).take(10).any(|bytes| bytes == part)
}

struct Prepared {
    unsigned: Unsigned,
    leaf: Leaf,
    at: u32,
}

impl Preparation for Prepared {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        self.unsigned.covered().to_vec()
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let file = signatures.first().map(|signature| self.unsigned.finish(signature));
        file.and_then(Result::ok).unwrap_or_default()
    }

    fn preview(&self) -> Option<Preview> {
        let preview = Preview::of("file, for a signature with a certificate")
            .field("signed as of", format!("{} UTC, says the requester", shown(self.at.into())));
        Some(self.leaf.describe(preview))
    }
}

#[derive(Debug)]
struct Detached(Read);

impl Found for Detached {
    fn verifying_key(&self) -> Option<VerifyingKey> {
        self.0.verifying_key()
    }

    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        // A signature from a PDF has no time.
        let seconds = self.0.seconds.ok_or(VerifyError::Mismatch)?;
        self.0.verify(&Sha256::digest(document).into(), key, seconds)
    }
}

const NAME: &str = "cms";
const BYTE_RANGE: &[u8] = b"/ByteRange";
const SIGNED_DATA_DER: [u8; 11] =
    [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
