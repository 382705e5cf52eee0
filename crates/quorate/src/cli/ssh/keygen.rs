//! The command line of `ssh-keygen -Y`, as far as git and other programs use it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// What a command line of `ssh-keygen` asks for.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Asked {
    Sign(SignLine),
    /// Something that needs no key of ours, such as a verification.
    Other,
}

/// `-Y sign -n NAMESPACE -f KEY [FILE]`.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct SignLine {
    pub(super) namespace: String,
    /// A file with the public key, or `key::` and the key.
    pub(super) key: OsString,
    /// Stdin, if there is none.
    pub(super) file: Option<PathBuf>,
}

/// Why a command line is not understood.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum LineError {
    #[error("-Y and what to do is missing")]
    Action,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("the option {0} needs a value")]
    Value(String),
    #[error("the option {0} is not supported")]
    Option(String),
    #[error("only -O hashalg=sha512 is supported, not {0}")]
    Setting(String),
    #[error("the namespace is not text")]
    Namespace,
    #[error("only one file can be signed at a time")]
    Files,
}

/// Reads the arguments of `ssh-keygen`. Only those of a signature are read to the end.
pub(super) fn read(arguments: &[OsString]) -> Result<Asked, LineError> {
    match action(arguments) {
        None => Err(LineError::Action),
        Some(action) if action != "sign" => Ok(Asked::Other),
        Some(_) => sign_line(arguments).map(Asked::Sign),
    }
}

fn action(arguments: &[OsString]) -> Option<&OsStr> {
    let place = arguments.iter().position(|it| it.as_bytes().starts_with(b"-Y"))?;
    match arguments.get(place)?.as_bytes().strip_prefix(b"-Y") {
        Some([]) => arguments.get(place + 1).map(OsString::as_os_str),
        joined => joined.map(OsStr::from_bytes),
    }
}

fn sign_line(arguments: &[OsString]) -> Result<SignLine, LineError> {
    let mut line = SignLine::default();
    let (mut namespace, mut key, mut files) = (None, None, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let bytes = argument.as_bytes();
        let (letter, joined) = match bytes {
            b"--" => {
                files.extend(rest.by_ref().map(PathBuf::from));
                continue;
            }
            [b'-', letter, joined @ ..] => (*letter, joined),
            _ => {
                files.push(PathBuf::from(argument));
                continue;
            }
        };
        let shown = || argument.to_string_lossy().into_owned();
        let mut value = || match joined {
            [] => rest.next().map(OsString::as_os_str).ok_or_else(|| LineError::Value(shown())),
            joined => Ok(OsStr::from_bytes(joined)),
        };
        match letter {
            b'Y' => drop(value()?),
            b'n' => namespace = Some(value()?.to_str().ok_or(LineError::Namespace)?.to_owned()),
            b'f' => key = Some(value()?.to_owned()),
            b'O' => match value()? {
                setting if setting == "hashalg=sha512" => {}
                setting => return Err(LineError::Setting(setting.to_string_lossy().into_owned())),
            },
            // Quiet, verbose, and that the key is in an agent: all the same for a group.
            b'q' | b'v' | b'U' if joined.is_empty() => {}
            _ => return Err(LineError::Option(shown())),
        }
    }
    line.namespace = namespace.ok_or(LineError::Missing("-n NAMESPACE"))?;
    line.key = key.ok_or(LineError::Missing("-f KEY"))?;
    match files.len() {
        0 | 1 => line.file = files.pop(),
        _ => return Err(LineError::Files),
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_line(line: &str) -> Result<Asked, LineError> {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        read(&arguments)
    }

    fn signing(namespace: &str, key: &str, file: Option<&str>) -> Result<Asked, LineError> {
        Ok(Asked::Sign(SignLine {
            namespace: namespace.to_owned(),
            key: key.into(),
            file: file.map(PathBuf::from),
        }))
    }

    #[test]
    fn the_lines_that_git_writes_are_understood() {
        let line = signing("git", "release.pub", Some("/tmp/buffer"));
        assert_eq!(read_line("-Y sign -n git -f release.pub /tmp/buffer"), line);
        assert_eq!(read_line("-Y sign -n git -f release.pub -U /tmp/buffer"), line);
        assert_eq!(read_line("-Ysign -ngit -frelease.pub -q -- /tmp/buffer"), line);
        assert_eq!(read_line("-Y sign -n file -f a"), signing("file", "a", None));
        for other in [
            "-Y find-principals -f signers -s sig -Overify-time=20260101000000",
            "-Y verify -n git -f signers -I ada -s sig",
            "-Y check-novalidate -n git -s sig",
            "-Yverify",
        ] {
            assert_eq!(read_line(other), Ok(Asked::Other), "{other}");
        }
    }

    #[test]
    fn a_line_that_would_sign_something_else_is_refused() {
        for (line, error) in [
            ("-l -f a", LineError::Action),
            ("-Y", LineError::Action),
            ("-Y sign -f a b", LineError::Missing("-n NAMESPACE")),
            ("-Y sign -n git b", LineError::Missing("-f KEY")),
            ("-Y sign -n git -f", LineError::Value("-f".to_owned())),
            ("-Y sign -n git -f a b c", LineError::Files),
            (
                "-Y sign -n git -f a -O hashalg=sha256 b",
                LineError::Setting("hashalg=sha256".into()),
            ),
            ("-Y sign -n git -f a -x b", LineError::Option("-x".to_owned())),
        ] {
            assert_eq!(read_line(line), Err(error), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_key_namespace_and_file_are_read_back(
            namespace in "[a-z]{1,8}", key in "[^\0]{1,8}", file in "[^-\0][^\0]{0,8}",
        ) {
            let line = ["-Y", "sign", "-n", &namespace, "-f", &key, &file].map(OsString::from);
            prop_assert_eq!(read(&line), signing(&namespace, &key, Some(&file)));
        }

        #[test]
        fn no_arguments_make_the_reader_panic(arguments: Vec<Vec<u8>>) {
            let arguments: Vec<OsString> =
                arguments.iter().map(|bytes| OsStr::from_bytes(bytes).to_owned()).collect();
            let _ = read(&arguments);
            let _ = sign_line(&arguments);
        }
    }
}
