//! Suites: which protocol, curve and hash a group uses, and the code that does it.

use std::fmt;
use std::str::FromStr;

use crate::algebra::Algebra;
use crate::curve::Over;
use crate::curve::edwards25519::Edwards25519;
use crate::curve::weierstrass::{P256, Secp256k1};
use crate::signing::ecdsa::EcdsaCurve;
use crate::signing::plan::{Plan, Scheme};

/// A protocol × curve × hash. A group keeps its suite permanently.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize, serde::Serialize,
)]
#[non_exhaustive]
pub enum Suite {
    /// FROST(Ed25519, SHA-512) of RFC 9591, section 6.1. Its signatures are ordinary Ed25519 ones
    /// (RFC 8032). Written `frost-ed25519-sha512`.
    #[serde(rename = "frost-ed25519-sha512")]
    FrostEd25519Sha512,
    /// DKLs23 on P-256. Its signatures are ordinary ECDSA ones (FIPS 186-5) with SHA-256. Written
    /// `ecdsa-p256-sha256`.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// DKLs23 on secp256k1, else the same. Written `ecdsa-secp256k1-sha256`.
    #[serde(rename = "ecdsa-secp256k1-sha256")]
    EcdsaSecp256k1Sha256,
    /// Exists only in this crate's own tests: runs the keyshare engine on a curve with other
    /// encodings, another generator and no cofactor.
    #[cfg(test)]
    #[serde(rename = "test-p256")]
    TestP256,
}

/// The data of a suite that the rest of the crate needs.
pub(crate) struct Registration {
    name: &'static str,
    /// Stands for the suite in encoded packages. Never reused.
    code: u8,
    algebra: &'static dyn Algebra,
    /// `None` if shares of its keys can be made, but cannot sign.
    signing: Option<Scheme>,
}

impl Suite {
    /// Every suite.
    pub const ALL: &'static [Self] = &[
        Self::FrostEd25519Sha512,
        Self::EcdsaP256Sha256,
        Self::EcdsaSecp256k1Sha256,
        #[cfg(test)]
        Self::TestP256,
    ];

    /// The only match over suites. Above it, scalars and points are bytes.
    fn registration(self) -> Registration {
        match self {
            Self::FrostEd25519Sha512 => Registration {
                name: "frost-ed25519-sha512",
                code: 1,
                algebra: &Over::<Edwards25519>::NEW,
                signing: Some(Scheme::Frost),
            },
            Self::EcdsaP256Sha256 => Registration {
                name: "ecdsa-p256-sha256",
                code: 2,
                algebra: &Over::<P256>::NEW,
                signing: Some(Scheme::Ecdsa(EcdsaCurve::P256)),
            },
            Self::EcdsaSecp256k1Sha256 => Registration {
                name: "ecdsa-secp256k1-sha256",
                code: 3,
                algebra: &Over::<Secp256k1>::NEW,
                signing: Some(Scheme::Ecdsa(EcdsaCurve::Secp256k1)),
            },
            #[cfg(test)]
            Self::TestP256 => Registration {
                name: "test-p256",
                code: 255,
                algebra: &Over::<P256>::NEW,
                signing: Some(Scheme::Test),
            },
        }
    }

    /// The suite's name, as in [`Display`](fmt::Display) and in JSON.
    pub fn name(self) -> &'static str {
        self.registration().name
    }

    pub(crate) fn code(self) -> u8 {
        self.registration().code
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|suite| suite.code() == code)
    }

    /// The course of a signing session, if there is a signing protocol for the suite.
    pub fn signing_plan(self) -> Option<&'static Plan> {
        self.signing().map(Scheme::plan)
    }

    pub(crate) fn signing(self) -> Option<Scheme> {
        self.registration().signing
    }

    pub(crate) fn algebra(self) -> &'static dyn Algebra {
        self.registration().algebra
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is not a suite that this version knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "unknown suite: this version knows frost-ed25519-sha512, ecdsa-p256-sha256 and ecdsa-secp256k1-sha256"
)]
pub struct UnknownSuite;

impl FromStr for Suite {
    type Err = UnknownSuite;

    fn from_str(name: &str) -> Result<Self, UnknownSuite> {
        Self::ALL.iter().copied().find(|suite| suite.name() == name).ok_or(UnknownSuite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_lead_back_to_their_suite() {
        for suite in Suite::ALL.iter().copied() {
            assert_eq!(suite.to_string().parse(), Ok(suite));
            assert_eq!(serde_json::to_string(&suite).unwrap(), format!("\"{suite}\""));
            assert_eq!(Suite::from_code(suite.code()), Some(suite));
        }
        assert_eq!("frost-ed25519".parse::<Suite>(), Err(UnknownSuite));
        assert_eq!(Suite::from_code(0), None);
    }
}
