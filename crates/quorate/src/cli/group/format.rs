//! Output formats of groups on the command line.

use quorate_ceremony::policy::{OutputFormat, OutputFormatError};
use quorate_documents::{Output, OutputError};

#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Format(#[from] OutputFormatError),
}

/// Reads `raw`, `ssh`, or `ssh:NAMESPACE`.
pub(super) fn parse_format(text: &str) -> Result<OutputFormat, FormatError> {
    let output: Output = text.parse()?;
    let namespace = output.namespace().map(|namespace| namespace.as_str());
    Ok(OutputFormat::new(output.format().name(), namespace)?)
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
