//! Bytes in JSON, and domain-separated hashing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::names::Digest;

/// Bytes in base64 in JSON (RFC 4648 §4, padded).
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The canonical encoding of a structured value, whose hash represents the value.
///
/// ```text
/// value  = label ‖ 0x00 ‖ fields     label: ASCII; names the kind of value and the version
/// fields = (tag ‖ length ‖ bytes)*   tag: 1 byte; length: 8 bytes, big-endian
/// ```
///
/// * Fields are in ascending order of their tags, which are unique within a struct.
/// * A number is big-endian at its full width, a flag is one byte (0 or 1), text is UTF-8.
/// * An absent optional field is left out.
/// * A list repeats its tag once for each element, in order.
/// * A struct within a struct is a field that contains the inner struct's `fields`.
///
/// A field contains its tag and its length, so an encoding has only one meaning: distinct values of
/// one label have distinct encodings, and a new optional field changes none of them.
#[derive(Clone, Debug, Default)]
pub struct Encoder(Vec<u8>);

#[expect(missing_docs, reason = "the names say it")]
impl Encoder {
    /// Begins a value of the kind that `label` names. [`Self::default`] begins a nested one.
    pub fn new(label: &str) -> Self {
        Self([label.as_bytes(), &[0]].concat())
    }

    /// Adds a field, or one more element of a list.
    #[must_use]
    pub fn field(mut self, tag: u8, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.push(tag);
        self.0.extend((value.len() as u64).to_be_bytes());
        self.0.extend(value);
        self
    }

    #[must_use]
    pub fn optional(self, tag: u8, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.field(tag, value),
            None => self,
        }
    }

    #[must_use]
    pub fn nested(self, tag: u8, inner: Self) -> Self {
        self.field(tag, inner.0)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn digest(&self) -> Digest {
        Digest::new(Sha256::digest(&self.0).into())
    }
}

pub(crate) fn short_hex(bytes: &[u8]) -> String {
    let mut text = hex::encode(bytes);
    text.truncate(8);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_parts_changes_the_hash() {
        let hash = |label, parts: &[&str]| {
            parts.iter().fold(Encoder::new(label), |value, part| value.field(1, part)).digest()
        };
        assert_ne!(hash("d", &["ab", "c"]), hash("d", &["a", "bc"]));
        assert_ne!(hash("d", &["a"]), hash("e", &["a"]));
        assert_ne!(hash("d", &[]), hash("d", &[""]));
    }

    #[test]
    fn moving_a_value_to_another_field_changes_the_hash() {
        let [one, two] = [1, 2].map(|tag| Encoder::new("d").field(tag, "a").digest());
        assert_ne!(one, two);
        let nested = Encoder::new("d").nested(1, Encoder::default().field(1, "a")).digest();
        assert_ne!(nested, one);
    }
}
