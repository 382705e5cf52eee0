//! Options of an output that are pairs of a name and a value, in a fixed order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::certificate::CertificateChain;
use crate::date::to_the_second;
use crate::error::OutputError;

/// Pairs that were not read yet, as in `at=5&reason=approved`.
pub(crate) struct Pairs<'a>(Option<&'a str>);

impl<'a> Pairs<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self(Some(text))
    }

    /// The value of the next pair, if it has this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a str> {
        let (pair, rest) = match self.0?.split_once('&') {
            Some((pair, rest)) => (pair, Some(rest)),
            None => (self.0?, None),
        };
        let value = pair.strip_prefix(name)?.strip_prefix('=')?;
        self.0 = rest;
        Some(value)
    }

    /// Seconds since 1970, until 9999, in the only way to write them.
    pub(crate) fn seconds(&mut self, name: &str) -> Result<Option<u32>, OutputError> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let seconds: u32 = text.parse().map_err(|_| OutputError::Options)?;
        let is_date = to_the_second(i64::from(seconds)).is_some();
        let is_only = seconds.to_string() == text;
        (is_date && is_only).then_some(Some(seconds)).ok_or(OutputError::Options)
    }

    /// Bytes in base64url without padding.
    pub(crate) fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, OutputError> {
        let text = self.take(name);
        text.map(|text| URL_SAFE_NO_PAD.decode(text).map_err(|_| OutputError::Options)).transpose()
    }

    /// A certificate and those of its issuers.
    pub(crate) fn chain(&mut self) -> Result<Option<CertificateChain>, OutputError> {
        let Some(leaf) = self.bytes(CERTIFICATE)? else { return Ok(None) };
        let mut issuers = Vec::new();
        while let Some(issuer) = self.bytes(ISSUER)? {
            issuers.push(issuer);
        }
        let chain = CertificateChain::new(leaf, issuers);
        chain.map(Some).map_err(|_| OutputError::Certificate)
    }

    pub(crate) fn end(self) -> Result<(), OutputError> {
        self.0.is_none().then_some(()).ok_or(OutputError::Options)
    }
}

/// The pairs of a chain.
pub(crate) fn of_chain(chain: &CertificateChain) -> Vec<String> {
    let pair = |name: &str, der: &[u8]| format!("{name}={}", URL_SAFE_NO_PAD.encode(der));
    let issuers = chain.issuers().iter().map(|issuer| pair(ISSUER, issuer));
    std::iter::once(pair(CERTIFICATE, chain.leaf())).chain(issuers).collect()
}

const CERTIFICATE: &str = "certificate";
pub(crate) const ISSUER: &str = "issuer";
