//! Names and identifiers: newtypes that can contain only valid values.
//!
//! People choose names, which appear in the log, in file names and on the command line, so their
//! alphabet is small. Identifiers are 32-byte hashes or random strings, written in hex.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes: the limit of a DNS label.
pub const MAX_NAME: usize = 63;

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NameError {
    #[error("a name has 1 to {MAX_NAME} characters, this one has {0}")]
    Length(usize),
    #[error(
        "a name is made of a-z, 0-9, '-', '_' and '.', and starts with a letter or a digit; {0:?} does not fit"
    )]
    Character(char),
    #[error("the name \"{COORDINATOR}\" is taken by the coordinator itself")]
    Reserved,
}

/// The author name of the coordinator's own entries. No account can have it.
pub const COORDINATOR: &str = "coordinator";

fn check_name(text: &str) -> Result<(), NameError> {
    if text.is_empty() || text.len() > MAX_NAME {
        return Err(NameError::Length(text.chars().count()));
    }
    for (position, character) in text.chars().enumerate() {
        let fits = match character {
            'a'..='z' | '0'..='9' => true,
            '-' | '_' | '.' => position > 0,
            _ => false,
        };
        if !fits {
            return Err(NameError::Character(character));
        }
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        #[expect(missing_docs, reason = "the names say it")]
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check_name(text)?;
                if text == COORDINATOR {
                    return Err(NameError::Reserved);
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of an account on an IVN's roster: 1–63 of `a-z 0-9 - _ .`.
    AccountName
}
name! {
    /// The name of a group within an IVN: 1–63 of `a-z 0-9 - _ .`.
    GroupName
}
name! {
    /// A kind of document that a group signs, such as `contract`: 1–63 of `a-z 0-9 - _ .`.
    DocumentType
}

/// The text is not 64 hex digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        #[expect(missing_docs, reason = "the names say it")]
        impl $name {
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first 20 hex digits. An author that chooses its id by trying cannot make it
            /// begin like another one, because these are 80 bits.
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(20);
                text
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError)?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }
    };
}

id! {
    /// An isolated virtual network: SHA-256 of its genesis statement's bytes.
    IvnId
}
id! {
    /// A log entry: SHA-256 of the bytes that its author signed (the DSSE pre-authentication
    /// encoding).
    EntryId
}
id! {
    /// One session of a ceremony or signature. Random and never repeated.
    SessionId
}
id! {
    /// A SHA-256 hash of public or salted data: a policy, a transcript, a document commitment.
    Digest
}

/// A point in time: milliseconds since the Unix epoch, UTC.
///
/// The deterministic core never reads a clock; its caller passes the time.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

#[expect(missing_docs, reason = "the names say it")]
impl Timestamp {
    /// Adds a duration in milliseconds.
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_short_and_start_with_a_letter_or_digit() {
        for good in ["a", "ada", "ada-2", "0day", "legal.eu_1", &"x".repeat(63)] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        for bad in ["", "Ada", "-a", ".a", "a b", "a/b", "ä", "a\n", &"x".repeat(64)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn seconds_are_whole_ones() {
        assert_eq!([0, 999, 1_000, 61_999].map(|at| Timestamp(at).seconds()), [0, 0, 1, 61]);
    }

    #[test]
    fn nobody_can_be_called_coordinator() {
        assert_eq!(COORDINATOR.parse::<AccountName>(), Err(NameError::Reserved));
        assert!(serde_json::from_str::<AccountName>("\"coordinator\"").is_err());
    }

    #[test]
    fn ids_are_64_hex_digits_and_nothing_else() {
        let id = IvnId::new([0xAB; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.short(), "ab".repeat(10));
        assert_eq!("ab".parse::<IvnId>(), Err(IdError));
        assert_eq!(format!("{}0", id).parse::<IvnId>(), Err(IdError));
    }
}
