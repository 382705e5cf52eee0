//! Secret scalars: signing shares and what they are made of, as bytes.

use std::fmt;

use zeroize::Zeroizing;

/// The length of every suite's encoded scalars, in bytes. The byte order is the curve's.
pub(crate) const SCALAR_LENGTH: usize = 32;

/// A secret scalar in its suite's encoding: a signing share or a part of one.
///
/// On the heap, so that moving it leaves no copies behind; wiped on drop.
pub(crate) struct SecretScalar(Box<Zeroizing<[u8; SCALAR_LENGTH]>>);

impl SecretScalar {
    pub(crate) fn copy_of(bytes: &[u8; SCALAR_LENGTH]) -> Self {
        let mut scalar = Self(Box::new(Zeroizing::new([0; SCALAR_LENGTH])));
        scalar.expose_mut().copy_from_slice(bytes);
        scalar
    }

    /// Search for this name to audit the uses of secrets.
    pub(crate) fn expose(&self) -> &[u8; SCALAR_LENGTH] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; SCALAR_LENGTH] {
        &mut self.0
    }
}

impl fmt::Debug for SecretScalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretScalar([REDACTED])")
    }
}
