//! The output formats that a group signs in, and the output that a request asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most formats of one group.
pub const MOST_FORMATS: usize = 16;
/// The longest name of a format and the longest namespace, in bytes.
const LONGEST: usize = 64;
/// Enough for the certificates of a key and its issuers.
const LONGEST_OPTIONS: usize = 16 << 10;

/// An output format that a group signs in: `raw`, or `ssh:file` with its namespace.
///
/// A name is 1 to 64 characters of a-z, 0-9 and `-`. A namespace is 1 to 64 visible ASCII
/// characters without `?`. The crate `documents` knows what the formats are; the rules only compare
/// them.
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
            let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b'?';
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

    /// Whether what a signature of this format covers is a document and nothing else, because the
    /// signed bytes name the format (SSH, DSSE) or are a hash of the document, which nobody can
    /// make equal to other bytes (OpenPGP, minisign).
    ///
    /// The second signature of minisign covers the first, and a text without control characters
    /// that `documents` writes.
    ///
    /// A raw signature covers the document's own bytes, which can also be a certificate, a token or
    /// a message of another protocol. A format that this version does not know counts as one like
    /// that.
    pub(super) fn names_itself(&self) -> bool {
        matches!(self.name.as_str(), "ssh" | "pgp" | "pgp-text" | "minisign" | "dsse")
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
    #[error("a namespace has 1 to {LONGEST} visible ASCII characters without ?")]
    Namespace,
    #[error("the options of an output have 1 to {LONGEST_OPTIONS} visible ASCII characters")]
    Options,
}

/// What a request wants made from the signature: a format that the group has to serve, and options,
/// which only the crate `documents` understands.
///
/// Written `FORMAT`, or `FORMAT?OPTIONS` with 1 to 16,384 visible ASCII characters of options.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Output {
    format: OutputFormat,
    options: Option<String>,
}

#[expect(missing_docs, reason = "the names say it")]
impl Output {
    pub fn format(&self) -> &OutputFormat {
        &self.format
    }
}

impl From<OutputFormat> for Output {
    fn from(format: OutputFormat) -> Self {
        Self { format, options: None }
    }
}

/// The default format, without options.
impl Default for Output {
    fn default() -> Self {
        OutputFormat::default().into()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.options {
            None => self.format.fmt(f),
            Some(options) => f.pad(&format!("{}?{options}", self.format)),
        }
    }
}

impl FromStr for Output {
    type Err = OutputFormatError;

    fn from_str(text: &str) -> Result<Self, OutputFormatError> {
        let Some((format, options)) = text.split_once('?') else {
            return Ok(text.parse::<OutputFormat>()?.into());
        };
        let is_short = (1..=LONGEST_OPTIONS).contains(&options.len());
        match is_short && options.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self { format: format.parse()?, options: Some(options.to_owned()) }),
            false => Err(OutputFormatError::Options),
        }
    }
}

impl TryFrom<String> for Output {
    type Error = OutputFormatError;

    fn try_from(text: String) -> Result<Self, OutputFormatError> {
        text.parse()
    }
}

impl From<Output> for String {
    fn from(output: Output) -> Self {
        output.to_string()
    }
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
        for text in ["", ":", "ssh:", ":file", "SSH:file", "ssh:a b", "ssh:ä", "a,b", "a?b", &long]
        {
            assert!(text.parse::<OutputFormat>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_output_is_a_format_and_options_that_nobody_compares() {
        for (text, format) in [("ssh:file", "ssh:file"), ("pgp?a=1:2?", "pgp"), ("a:b?c", "a:b")] {
            let output: Output = text.parse().unwrap();
            assert_eq!(
                (output.to_string().as_str(), output.format().to_string()),
                (text, format.to_owned())
            );
        }
        let long = format!("pgp?{}", "x".repeat((16 << 10) + 1));
        for text in ["pgp?", "?a", "pgp?a b", "pgp?ä", &long] {
            assert!(text.parse::<Output>().is_err(), "{text}");
        }
    }
}
