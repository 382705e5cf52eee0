//! Output formats of groups on the command line.

use quorate_ceremony::policy::{OutputFormat, OutputFormatError};
use quorate_documents::{Format, OutputError, UnknownFormat};

#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Unknown(#[from] UnknownFormat),
    #[error(transparent)]
    Format(#[from] OutputFormatError),
}

/// Reads `raw`, `ssh`, or `ssh:NAMESPACE`.
pub(super) fn parse_format(text: &str) -> Result<OutputFormat, FormatError> {
    let (format, namespace) = match text.split_once(':') {
        None => (text, None),
        Some((format, namespace)) => (format, Some(namespace)),
    };
    let namespace = format.parse::<Format>()?.served(namespace)?;
    Ok(OutputFormat::new(format, namespace.as_deref())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_without_a_namespace_is_for_files() {
        let read = |text| parse_format(text).map(|format| format.to_string()).ok();
        assert_eq!(read("ssh").as_deref(), Some("ssh:file"));
        assert_eq!(read("ssh:git").as_deref(), Some("ssh:git"));
        assert_eq!(read("raw").as_deref(), Some("raw"));
        assert_eq!((read("pdf"), read("ssh:"), read("raw:x")), (None, None, None));
    }
}
