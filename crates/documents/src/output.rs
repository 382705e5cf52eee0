//! The requested signature file: the format and its options, as in a log entry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of signature file.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// 64 bytes, the pure Ed25519 signature over the document: `openssl pkeyutl -verify -rawin`.
    Raw,
    /// An armored SSHSIG, SHA-512: `ssh-keygen -Y verify`, also read by git.
    Ssh,
}

impl Format {
    /// Every format, for help texts and "did you mean".
    pub const ALL: [Self; 2] = [Self::Raw, Self::Ssh];

    /// The name in entries, on the command line and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Ssh => "ssh",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or(UnknownFormat)
    }
}

/// A name that is not a [`Format`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown signature format; the formats are raw and ssh")]
pub struct UnknownFormat;

/// The purpose of an SSH signature: a signature made for one namespace does not verify in another.
///
/// 1 to 64 visible ASCII characters, without those that have a meaning in an `allowed_signers` file
/// (`"`, `,`, `*`, `?`, `!`, `\`).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(String);

impl Namespace {
    /// The longest namespace, in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// Checks a text and makes it a namespace.
    ///
    /// # Errors
    ///
    /// [`NamespaceError`], when it is empty, too long or has other characters.
    pub fn new(namespace: impl Into<String>) -> Result<Self, NamespaceError> {
        let namespace = namespace.into();
        if namespace.is_empty() {
            return Err(NamespaceError::Empty);
        }
        if namespace.len() > Self::MAX_LENGTH {
            return Err(NamespaceError::TooLong(namespace.len()));
        }
        match namespace.chars().find(|&c| !c.is_ascii_graphic() || "\",*?!\\".contains(c)) {
            Some(character) => Err(NamespaceError::Character(character)),
            None => Ok(Self(namespace)),
        }
    }

    /// The namespace as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The namespace of signatures over ordinary files: `file`, as `ssh-keygen`'s manual suggests.
impl Default for Namespace {
    fn default() -> Self {
        Self("file".to_owned())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(namespace: &str) -> Result<Self, NamespaceError> {
        Self::new(namespace)
    }
}

impl TryFrom<String> for Namespace {
    type Error = NamespaceError;

    fn try_from(namespace: String) -> Result<Self, NamespaceError> {
        Self::new(namespace)
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> Self {
        namespace.0
    }
}

/// Why a text is not a [`Namespace`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NamespaceError {
    #[error("a namespace cannot be empty; for ordinary files use \"file\"")]
    Empty,
    /// Longer than [`Namespace::MAX_LENGTH`]; its length in bytes.
    #[error("a namespace has at most 64 bytes, this one has {0}")]
    TooLong(usize),
    #[error("a namespace cannot contain {0:?}; use letters, digits and - . _ @ /")]
    Character(char),
}

/// What to produce from a signature: everything except the document that decides the bytes to be
/// signed.
///
/// In an entry: `{"format":"raw"}` or `{"format":"ssh","namespace":"file"}`, nothing else; a
/// missing namespace reads as `file`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum Output {
    /// [`Format::Raw`].
    Raw,
    /// [`Format::Ssh`].
    Ssh { namespace: Namespace },
}

impl Output {
    /// Combines a format with its options; a missing namespace becomes [`Namespace::default`] where
    /// there is one.
    ///
    /// # Errors
    ///
    /// [`OutputError::NamespaceWithoutUse`], for a namespace with [`Format::Raw`]: the signature
    /// would not cover it.
    pub fn new(format: Format, namespace: Option<Namespace>) -> Result<Self, OutputError> {
        match (format, namespace) {
            (Format::Raw, None) => Ok(Self::Raw),
            (Format::Raw, Some(_)) => Err(OutputError::NamespaceWithoutUse),
            (Format::Ssh, namespace) => Ok(Self::Ssh { namespace: namespace.unwrap_or_default() }),
        }
    }

    /// The kind of file.
    pub fn format(&self) -> Format {
        match self {
            Self::Raw => Format::Raw,
            Self::Ssh { .. } => Format::Ssh,
        }
    }

    /// The namespace, for formats that have one.
    pub fn namespace(&self) -> Option<&Namespace> {
        match self {
            Self::Raw => None,
            Self::Ssh { namespace } => Some(namespace),
        }
    }
}

/// `raw`, or `ssh:file` with the namespace.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw => f.pad(Format::Raw.name()),
            Self::Ssh { namespace } => f.pad(&format!("{}:{namespace}", Format::Ssh)),
        }
    }
}

/// Reads `raw`, `ssh:NAMESPACE`, or `ssh`, which is `ssh:file`.
impl FromStr for Output {
    type Err = OutputError;

    fn from_str(text: &str) -> Result<Self, OutputError> {
        let (format, namespace) = match text.split_once(':') {
            None => (text, None),
            Some((format, namespace)) => (format, Some(namespace.parse()?)),
        };
        Self::new(format.parse()?, namespace)
    }
}

/// Options that cannot be combined, or a text that is no output.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OutputError {
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error("a raw signature has no namespace; leave it out or choose the ssh format")]
    NamespaceWithoutUse,
}

/// [`Output`] as it is written in an entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    format: Format,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<Namespace>,
}

impl TryFrom<Fields> for Output {
    type Error = OutputError;

    fn try_from(fields: Fields) -> Result<Self, OutputError> {
        Self::new(fields.format, fields.namespace)
    }
}

impl From<Output> for Fields {
    fn from(output: Output) -> Self {
        match output {
            Output::Raw => Self { format: Format::Raw, namespace: None },
            Output::Ssh { namespace } => Self { format: Format::Ssh, namespace: Some(namespace) },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn format_names_read_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
        }
        assert_eq!("pdf".parse::<Format>(), Err(UnknownFormat));
        assert_eq!("RAW".parse::<Format>(), Err(UnknownFormat));
    }

    #[test]
    fn outputs_have_these_bytes_in_entries() {
        let ssh = Output::new(Format::Ssh, None).unwrap();
        assert_eq!(serde_json::to_string(&Output::Raw).unwrap(), r#"{"format":"raw"}"#);
        assert_eq!(serde_json::to_string(&ssh).unwrap(), r#"{"format":"ssh","namespace":"file"}"#);
        assert_eq!(serde_json::from_str::<Output>(r#"{"format":"ssh"}"#).unwrap(), ssh);
    }

    #[test]
    fn outputs_read_back_as_people_write_them() {
        for (text, written) in
            [("raw", "raw"), ("ssh", "ssh:file"), ("ssh:file", "ssh:file"), ("ssh:a:b", "ssh:a:b")]
        {
            assert_eq!(text.parse::<Output>().unwrap().to_string(), written);
        }
        for text in ["raw:file", "ssh:", "pdf", "", "ssh:a b"] {
            assert!(text.parse::<Output>().is_err(), "{text}");
        }
    }

    #[test]
    fn outputs_with_contradictory_or_unknown_fields_are_refused() {
        for json in [
            r#"{"format":"raw","namespace":"file"}"#,
            r#"{"format":"raw","hash":"sha1"}"#,
            r#"{"format":"ssh","namespace":""}"#,
            r#"{"format":"ssh","namespace":"two words"}"#,
            r#"{"format":"pdf"}"#,
            r#"{"namespace":"file"}"#,
        ] {
            assert!(serde_json::from_str::<Output>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn namespaces_are_short_visible_and_not_patterns() {
        assert_eq!(Namespace::new(""), Err(NamespaceError::Empty));
        assert_eq!(Namespace::new("a b"), Err(NamespaceError::Character(' ')));
        assert_eq!(Namespace::new("a\n"), Err(NamespaceError::Character('\n')));
        assert_eq!(Namespace::new("ä"), Err(NamespaceError::Character('ä')));
        assert_eq!(Namespace::new("*"), Err(NamespaceError::Character('*')));
        assert_eq!(Namespace::new("x".repeat(65)), Err(NamespaceError::TooLong(65)));
        assert!(Namespace::new("x".repeat(64)).is_ok());
        assert!(Namespace::new("contract@example.com").is_ok());
    }

    proptest! {
        #[test]
        fn any_accepted_namespace_survives_an_entry(text in "\\PC{0,70}") {
            if let Ok(namespace) = Namespace::new(text) {
                let output = Output::Ssh { namespace };
                let json = serde_json::to_string(&output).unwrap();
                prop_assert_eq!(serde_json::from_str::<Output>(&json).unwrap(), output);
            }
        }
    }
}
