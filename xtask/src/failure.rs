//! Why a task did not succeed.

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong; the message says how, and the usage is printed below it.
    Usage(String),
    /// A check found something and has already printed it.
    Checks,
    /// The environment did not do what was asked; the message says what and why.
    Environment(String),
}
