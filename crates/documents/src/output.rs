//! The requested signature file: the format and its options, as in a log entry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateChain;
use crate::definition::Asked;
use crate::error::OutputError;
use crate::format::Format;
use crate::format::pgp::{self, Certificate, Moment};

/// What to produce from a signature: everything except document and key that decides the bytes to
/// be signed.
///
/// Written `FORMAT`, `FORMAT:NAMESPACE` or `FORMAT:NAMESPACE?OPTIONS`, also in an entry. An output
/// has one text: a default is written out, so `ssh` reads as `ssh:file`. Which namespaces and
/// options there are is decided by the format's own file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Output {
    format: Format,
    asked: Asked,
}

impl Output {
    /// Combines a format with a namespace; a missing one becomes the format's default, where there
    /// is one.
    ///
    /// # Errors
    ///
    /// [`OutputError`], for a namespace that the format does not have.
    pub fn new(format: Format, namespace: Option<&str>) -> Result<Self, OutputError> {
        Self::with_options(format, namespace, None)
    }

    pub(crate) fn with_options(
        format: Format,
        namespace: Option<&str>,
        options: Option<&str>,
    ) -> Result<Self, OutputError> {
        let namespace = format.served(namespace)?;
        options.map(|options| format.definition().check_options(options)).transpose()?;
        Ok(Self { format, asked: Asked { namespace, options: options.map(str::to_owned) } })
    }

    /// The kind of file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The namespace, for formats that have one.
    pub fn namespace(&self) -> Option<&str> {
        self.asked.namespace.as_deref()
    }

    /// The same with the date of a request, in seconds since 1970, where the format has a date and
    /// none was given.
    pub fn dated(mut self, seconds: u64) -> Self {
        let given = self.asked.options.take();
        let dated = self.format.definition().dated(given.as_deref(), seconds);
        self.asked.options = dated.or(given);
        self
    }

    /// The same with the certificates of the group's key, where the format has them. They replace
    /// others.
    pub fn with_certificates(mut self, chain: &CertificateChain) -> Self {
        let given = self.asked.options.take();
        let certified = self.format.definition().certified(given.as_deref(), chain);
        self.asked.options = certified.or(given);
        self
    }

    /// The same without options: what a group has to serve.
    pub fn without_options(&self) -> Self {
        let asked = Asked { options: None, ..self.asked.clone() };
        Self { asked, ..self.clone() }
    }

    /// Completes the output of an OpenPGP signature with the times that it covers. Others stay as
    /// they are.
    ///
    /// # Errors
    ///
    /// [`OutputError::Options`], if the signature would be older than the key.
    pub fn with_times(&self, key_created: Moment, now: Moment) -> Result<Self, OutputError> {
        match self.needs_times() {
            true => Self::with_options(
                self.format,
                self.namespace(),
                Some(&pgp::complete(key_created, now)),
            ),
            false => Ok(self.clone()),
        }
    }

    /// Whether this is an OpenPGP signature without its times.
    pub fn needs_times(&self) -> bool {
        self.format.definition().covers_times() && self.asked.options.is_none()
    }

    /// The output that makes a group's OpenPGP certificate.
    ///
    /// # Errors
    ///
    /// [`OutputError`], never for a certificate that [`Certificate::new`] returned.
    pub fn certificate(certificate: &Certificate) -> Result<Self, OutputError> {
        let format = "pgp-certificate".parse()?;
        Self::with_options(format, None, Some(&certificate.options()))
    }

    /// The certificate that this output makes, if it is one.
    pub fn to_certificate(&self) -> Option<Certificate> {
        let options = self.asked.options.as_deref()?;
        let is_one = self.format.name() == "pgp-certificate";
        is_one.then(|| Certificate::from_options(options).ok()).flatten()
    }

    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// How many signatures the output takes.
    pub fn signatures(&self) -> u8 {
        self.format.definition().signatures()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.format.name().to_owned();
        if let Some(namespace) = &self.asked.namespace {
            text.push(':');
            text.push_str(namespace);
        }
        if let Some(options) = &self.asked.options {
            text.push('?');
            text.push_str(options);
        }
        f.pad(&text)
    }
}

impl FromStr for Output {
    type Err = OutputError;

    fn from_str(text: &str) -> Result<Self, OutputError> {
        let (scope, options) = match text.split_once('?') {
            None => (text, None),
            Some((scope, options)) => (scope, Some(options)),
        };
        let (format, namespace) = match scope.split_once(':') {
            None => (scope, None),
            Some((format, namespace)) => (format, Some(namespace)),
        };
        Self::with_options(format.parse()?, namespace, options)
    }
}

impl TryFrom<String> for Output {
    type Error = OutputError;

    fn try_from(text: String) -> Result<Self, OutputError> {
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
    use proptest::prelude::*;

    use super::*;
    use crate::error::{Namespace, NamespaceError, UnknownFormat};

    #[test]
    fn format_names_read_back() {
        for format in Format::ALL.iter().copied() {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("pdf".parse::<Format>(), Err(UnknownFormat));
        assert_eq!("RAW".parse::<Format>(), Err(UnknownFormat));
    }

    #[test]
    fn an_output_has_one_text_in_entries_and_for_people() {
        for (text, written) in
            [("raw", "raw"), ("ssh", "ssh:file"), ("ssh:file", "ssh:file"), ("ssh:a:b", "ssh:a:b")]
        {
            let output: Output = text.parse().unwrap();
            assert_eq!(output.to_string(), written);
            assert_eq!(serde_json::to_string(&output).unwrap(), format!("{written:?}"));
            assert_eq!(written.parse(), Ok(output));
        }
        for text in ["raw:file", "raw?a=b", "ssh:", "pdf", "", "ssh:a b", "ssh:file?a", "ssh?"] {
            assert!(text.parse::<Output>().is_err(), "{text}");
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
                let output = Output::new("ssh".parse().unwrap(), Some(namespace.as_str())).unwrap();
                let json = serde_json::to_string(&output).unwrap();
                prop_assert_eq!(serde_json::from_str::<Output>(&json).unwrap(), output);
            }
        }
    }
}
