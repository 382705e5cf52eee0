//! Where a rule is broken.

/// Where a rule is broken.
#[derive(Debug)]
pub(super) struct Problem {
    /// Relative to the root.
    pub(super) path: String,
    /// From 1; 0 for the file as a whole.
    pub(super) line: usize,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}
