//! Passphrases, and how they are read without being seen.

mod source;
mod strength;

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretSlice};
use subtle::ConstantTimeEq as _;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use self::source::LIMIT;
use super::error::PassphraseError;

pub use strength::{SHORTEST, Weakness};

/// The environment variable that stands in for `--passphrase-file`.
pub const PASSPHRASE_VARIABLE: &str = "QUORATE_PASSPHRASE_FILE";
/// The environment variable that stands in for `--passphrase-command`.
pub const PASSPHRASE_COMMAND_VARIABLE: &str = "QUORATE_PASSPHRASE_COMMAND";

/// A secret of the account's holder: 1 to 1024 bytes.
///
/// Text is in Unicode normalization form C, so that keyboards and systems which compose characters
/// differently give the same passphrase. Other bytes are taken as they are.
pub struct Passphrase(SecretSlice<u8>);

/// Where a passphrase comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    Terminal,
    /// The first line of a file.
    File(PathBuf),
    /// The first line of the output of a command. It runs without a shell.
    Command(String),
}

/// Why a passphrase is needed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// To open what it protects.
    Open,
    /// To protect something new. A terminal asks twice.
    Protect {
        /// What it is to protect, for people.
        what: String,
        /// Whether a weak passphrase is accepted.
        weak: bool,
    },
}

impl Purpose {
    /// What a person has to know before they choose a passphrase.
    pub(crate) fn introduction(&self) -> Option<String> {
        let Self::Protect { what, weak } = self else { return None };
        let length = match weak {
            true => String::new(),
            false => format!(" It needs at least {SHORTEST} characters; five words are good."),
        };
        Some(format!(
            "Choose a passphrase for {what}.{length} Nobody can reset it: without it, {what} cannot be used."
        ))
    }
}

impl Passphrase {
    /// Checks the length of a passphrase, and normalizes text.
    ///
    /// # Errors
    ///
    /// When it is empty or too long.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, PassphraseError> {
        if bytes.is_empty() {
            return Err(PassphraseError::Empty);
        }
        if bytes.len() > LIMIT {
            return Err(PassphraseError::TooLong { limit: LIMIT });
        }
        Ok(Self(SecretSlice::new(normalized(&bytes).as_slice().into())))
    }

    /// Reads a passphrase. One that is to protect something new is checked for its strength.
    ///
    /// # Errors
    ///
    /// When the source cannot be read, others can read the file, or the passphrase is empty, too
    /// long or too weak.
    pub fn obtain(source: &Source, purpose: &Purpose) -> Result<Self, PassphraseError> {
        let passphrase = match source {
            Source::Terminal if !io::stdin().is_terminal() => {
                return Err(PassphraseError::NoTerminal);
            }
            Source::Terminal if is_in_background() => return Err(PassphraseError::Background),
            Source::Terminal => {
                return Self::ask(purpose, &mut |prompt| {
                    rpassword::prompt_password(prompt).map(Zeroizing::new)
                });
            }
            Source::File(path) => {
                let credentials = std::env::var_os(source::CREDENTIALS);
                source::from_file(path, credentials.as_deref()).and_then(Self::new)?
            }
            Source::Command(line) => source::from_command(line).and_then(Self::new)?,
        };
        passphrase.check(purpose)?;
        Ok(passphrase)
    }

    /// Checks that it is strong enough for this purpose.
    fn check(&self, purpose: &Purpose) -> Result<(), PassphraseError> {
        match purpose {
            Purpose::Protect { weak: false, .. } => {
                strength::check(self.expose()).map_err(PassphraseError::Weak)
            }
            Purpose::Open | Purpose::Protect { weak: true, .. } => Ok(()),
        }
    }

    /// Asks on a terminal. A new passphrase is asked for until it is strong enough and was typed
    /// twice alike.
    fn ask(
        purpose: &Purpose,
        prompt: &mut dyn FnMut(&str) -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, PassphraseError> {
        let mut ask = |text: &str| {
            let answer = prompt(text).map_err(PassphraseError::Terminal)?;
            Self::new(Zeroizing::new(answer.as_bytes().to_vec()))
        };
        let Purpose::Protect { .. } = purpose else { return ask("Passphrase: ") };
        let mut before = String::new();
        loop {
            let first = match ask(&format!("{before}New passphrase: ")) {
                Ok(first) => first,
                Err(error @ (PassphraseError::Empty | PassphraseError::TooLong { .. })) => {
                    before = format!("{error}.\n");
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Err(error) = first.check(purpose) {
                before = format!("{}.\n", crate::error_chain::chain(&error));
                continue;
            }
            let is_same = match ask("The same again: ") {
                Ok(second) => first.expose().ct_eq(second.expose()).into(),
                Err(PassphraseError::Empty | PassphraseError::TooLong { .. }) => false,
                Err(error) => return Err(error),
            };
            if is_same {
                return Ok(first);
            }
            before = "The two differ; type both again.\n".to_owned();
        }
    }

    /// Returns the same passphrase again, which is wiped when it is dropped.
    pub(crate) fn again(&self) -> Self {
        Self(SecretSlice::new(self.expose().into()))
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase([REDACTED])")
    }
}

/// Whether the terminal belongs to another process, such as the shell that started this one with
/// `&`. What is typed would go there, and be displayed.
fn is_in_background() -> bool {
    rustix::termios::tcgetpgrp(io::stdin())
        .is_ok_and(|foreground| foreground != rustix::process::getpgrp())
}

/// Text in Unicode normalization form C (UAX #15); other bytes as they are.
fn normalized(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Zeroizing::new(bytes.to_vec()) };
    // Allocated once, so that growing leaves no copy behind. Composing makes UTF-8 at most three
    // times as long.
    let mut composed = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(3)));
    composed.extend(text.nfc());
    Zeroizing::new(composed.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
