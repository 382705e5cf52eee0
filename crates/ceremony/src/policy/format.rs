//! The output formats that a group signs in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most formats of one group.
pub const MOST_FORMATS: usize = 16;
/// The longest name of a format and the longest namespace, in bytes.
const LONGEST: usize = 64;

/// An output format that a group signs in: `raw`, or `ssh:file` with its namespace.
///
/// A name is 1 to 64 characters of a-z, 0-9 and `-`. A namespace is 1 to 64 visible ASCII
/// characters. The crate `documents` knows what the formats are; the rules only compare them.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutputFormat {
    name: String,
    namespace: Option<String>,
}

#[expect(missing_docs, reason = "the names say it")]
impl OutputFormat {
    /// Returns the format, if the texts are such.
    ///
    /// # Errors
    ///
    /// Fails if the name or the namespace has a wrong length or other characters.
    pub fn new(name: &str, namespace: Option<&str>) -> Result<Self, OutputFormatError> {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        check(name, is_name).ok_or(OutputFormatError::Name)?;
        if let Some(namespace) = namespace {
            let is_visible = |byte: u8| byte.is_ascii_graphic();
            check(namespace, is_visible).ok_or(OutputFormatError::Namespace)?;
        }
        Ok(Self { name: name.to_owned(), namespace: namespace.map(str::to_owned) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(super) fn is(&self, name: &str, namespace: Option<&str>) -> bool {
        self.name == name && self.namespace() == namespace
    }
}

fn check(text: &str, is_permitted: impl Fn(u8) -> bool) -> Option<()> {
    let is_short = (1..=LONGEST).contains(&text.len());
    (is_short && text.bytes().all(is_permitted)).then_some(())
}

/// SSH signatures over files, as `sign` makes them by default: `ssh:file`.
impl Default for OutputFormat {
    fn default() -> Self {
        Self { name: "ssh".to_owned(), namespace: Some("file".to_owned()) }
    }
}

/// Whether what a signature of this format covers is a document and nothing else, because the
/// signed bytes name the format.
///
/// A raw signature covers the document's own bytes, which can also be a certificate, a token or a
/// message of another protocol. A format that this version does not know counts as one like that.
pub(super) fn names_itself(name: &str) -> bool {
    name == "ssh"
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            None => f.pad(&self.name),
            Some(namespace) => f.pad(&format!("{}:{namespace}", self.name)),
        }
    }
}

impl FromStr for OutputFormat {
    type Err = OutputFormatError;

    fn from_str(text: &str) -> Result<Self, OutputFormatError> {
        match text.split_once(':') {
            None => Self::new(text, None),
            Some((name, namespace)) => Self::new(name, Some(namespace)),
        }
    }
}

impl TryFrom<String> for OutputFormat {
    type Error = OutputFormatError;

    fn try_from(text: String) -> Result<Self, OutputFormatError> {
        text.parse()
    }
}

impl From<OutputFormat> for String {
    fn from(format: OutputFormat) -> Self {
        format.to_string()
    }
}

/// Why a text is not an [`OutputFormat`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OutputFormatError {
    #[error("the name of a format has 1 to {LONGEST} characters: a-z, 0-9 and -")]
    Name,
    #[error("a namespace has 1 to {LONGEST} visible ASCII characters")]
    Namespace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_reads_back_as_it_was_written() {
        for (text, namespace) in
            [("raw", None), ("ssh:file", Some("file")), ("ssh:a:b", Some("a:b"))]
        {
            let format: OutputFormat = text.parse().unwrap();
            assert_eq!((format.to_string().as_str(), format.namespace()), (text, namespace));
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("{text:?}"));
        }
        assert_eq!(OutputFormat::default().to_string(), "ssh:file");
    }

    #[test]
    fn texts_that_could_be_read_in_two_ways_are_no_formats() {
        let long = "x".repeat(65);
        for text in ["", ":", "ssh:", ":file", "SSH:file", "ssh:a b", "ssh:ä", "a,b", &long] {
            assert!(text.parse::<OutputFormat>().is_err(), "{text}");
        }
    }
}
