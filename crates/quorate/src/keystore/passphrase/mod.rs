//! Passphrases, and how they are read without being seen.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretSlice};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::error::PassphraseError;
use super::format::OTHERS;

/// The environment variable that stands in for `--passphrase-file`.
pub const PASSPHRASE_VARIABLE: &str = "QUORATE_PASSPHRASE_FILE";

/// A secret of the account's holder: 1 to 1024 bytes.
pub struct Passphrase(SecretSlice<u8>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    Open,
    /// To protect new keys, which asks twice.
    Protect,
}

impl Passphrase {
    /// Checks the length of a passphrase.
    ///
    /// # Errors
    ///
    /// When it is empty or too long.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, PassphraseError> {
        if bytes.is_empty() {
            Err(PassphraseError::Empty)
        } else if bytes.len() as u64 > LIMIT {
            Err(PassphraseError::TooLong { limit: LIMIT })
        } else {
            Ok(Self(SecretSlice::new(bytes.as_slice().into())))
        }
    }

    /// Reads a passphrase from `file` if it is given, else from the file that
    /// `QUORATE_PASSPHRASE_FILE` names, else from the terminal.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or other users can read it too; or when there is neither file
    /// nor terminal.
    pub fn obtain(file: Option<&Path>, purpose: Purpose) -> Result<Self, PassphraseError> {
        let variable = std::env::var_os(PASSPHRASE_VARIABLE).filter(|value| !value.is_empty());
        match file.map(Path::to_owned).or_else(|| variable.map(PathBuf::from)) {
            Some(file) => Self::from_file(&file),
            None => Self::from_terminal(purpose),
        }
    }

    /// Asks for a new passphrase on the terminal, twice, whatever the environment contains.
    ///
    /// # Errors
    ///
    /// When there is no terminal, or the two differ.
    pub fn ask_for_new() -> Result<Self, PassphraseError> {
        Self::from_terminal(Purpose::Protect)
    }

    fn from_terminal(purpose: Purpose) -> Result<Self, PassphraseError> {
        if !io::stdin().is_terminal() {
            return Err(PassphraseError::NoTerminal);
        }
        Self::ask(purpose, &mut |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new))
    }

    /// Reads the first line of a file that only its owner can read, without its line end.
    ///
    /// # Errors
    ///
    /// When it cannot be read, other users can read it too, or it is empty or too long.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let unreadable = |source| PassphraseError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        // The permissions of a pipe are irrelevant.
        if metadata.is_file() && metadata.permissions().mode() & OTHERS != 0 {
            return Err(PassphraseError::TooOpen(path.to_owned()));
        }
        // Allocated once, so that growing leaves no copy behind.
        let mut bytes = Zeroizing::new(vec![0; LIMIT as usize + LINE_END]);
        let length = read_up_to(file, &mut bytes).map_err(unreadable)?;
        bytes.truncate(length);
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Self::new(Zeroizing::new(line.to_vec()))
    }

    fn ask(
        purpose: Purpose,
        prompt: &mut dyn FnMut(&str) -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, PassphraseError> {
        let mut ask = |text| {
            let answer = prompt(text).map_err(PassphraseError::Terminal)?;
            Self::new(Zeroizing::new(answer.as_bytes().to_vec()))
        };
        match purpose {
            Purpose::Open => ask("Passphrase: "),
            Purpose::Protect => {
                let first = ask("New passphrase: ")?;
                let second = ask("The same again: ")?;
                let same = first.expose().ct_eq(second.expose());
                if same.into() { Ok(first) } else { Err(PassphraseError::Differ) }
            }
        }
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

fn read_up_to(mut file: File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(free) = buffer.get_mut(length..).filter(|free| !free.is_empty()) {
        match file.read(free) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

const LIMIT: u64 = 1024;

const LINE_END: usize = 2;

#[cfg(test)]
mod tests;
