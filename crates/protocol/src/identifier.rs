//! Identifiers: the participants' x-coordinates.

use std::fmt;
use std::num::NonZeroU16;

/// A participant of one group: the non-zero x-coordinate, 1 to 65535, at which the shared
/// polynomial is evaluated for it (RFC 9591, section 4.2).
///
/// Identifiers are small on purpose: multiplying a point by 16 bits costs a sixteenth of
/// multiplying it by a scalar, which makes exact checks in the exponent cheap. Within one epoch an
/// identifier is never given to another account.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize, serde::Serialize,
)]
#[serde(transparent)]
pub struct Identifier(NonZeroU16);

impl Identifier {
    /// The length of an encoded identifier, in bytes.
    pub(crate) const LENGTH: usize = 2;

    /// The x-coordinate as a number.
    pub fn get(self) -> u16 {
        self.0.get()
    }

    /// Two bytes, big-endian.
    pub(crate) fn to_bytes(self) -> [u8; Self::LENGTH] {
        self.get().to_be_bytes()
    }
}

/// Identifiers start at 1: the value at 0 is the secret itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("0 is not an identifier: they start at 1")]
pub struct ZeroIdentifier;

impl TryFrom<u16> for Identifier {
    type Error = ZeroIdentifier;

    fn try_from(value: u16) -> Result<Self, ZeroIdentifier> {
        NonZeroU16::new(value).map(Self).ok_or(ZeroIdentifier)
    }
}

impl From<NonZeroU16> for Identifier {
    fn from(value: NonZeroU16) -> Self {
        Self(value)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_refused_in_every_form() {
        assert_eq!(Identifier::try_from(0), Err(ZeroIdentifier));
        assert!(serde_json::from_str::<Identifier>("0").is_err());
        assert_eq!(serde_json::from_str::<Identifier>("7").unwrap().get(), 7);
        assert_eq!(Identifier::try_from(65535).unwrap().to_string(), "65535");
    }
}
