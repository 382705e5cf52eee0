//! Where a passphrase comes from without a terminal: a file, or a command's output.
//!
//! A passphrase file may be read by its owner only (0600 or 0400). A file that was placed for this
//! process by somebody else is accepted as it is: below `$CREDENTIALS_DIRECTORY`, on a read-only
//! mount, or owned by root with no access for others and no write access for a group.
//!
//! So a file that anybody can read in a home directory is rejected, and files are accepted as
//! systemd (`LoadCredential=`), Kubernetes and Docker make them, where `chmod` is impossible.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{StatVfsMountFlags, fstatvfs};
use zeroize::Zeroizing;

use crate::keystore::error::PassphraseError;
use crate::keystore::format::OTHERS;

/// The variable in which systemd names the directory of a service's credentials.
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What decides whether a passphrase file is private enough.
#[derive(Clone, Copy, Debug)]
struct Placement {
    mode: u32,
    owner: u32,
    /// The user of this process.
    user: u32,
    is_read_only: bool,
    is_credential: bool,
}

impl Placement {
    fn of(file: &File, path: &Path, credentials: Option<&OsStr>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let is_credential = credentials.is_some_and(|directory| {
            let [directory, path] = [Path::new(directory), path].map(std::fs::canonicalize);
            matches!((directory, path), (Ok(directory), Ok(path)) if path.starts_with(&directory))
        });
        let is_read_only =
            fstatvfs(file).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY));
        Ok(Self {
            mode: metadata.mode(),
            owner: metadata.uid(),
            user: rustix::process::geteuid().as_raw(),
            is_read_only,
            is_credential,
        })
    }

    fn is_accepted(self) -> bool {
        let Self { mode, owner, user, is_read_only, is_credential } = self;
        mode & OTHERS == 0
            || is_read_only
            || (is_credential && mode & 0o022 == 0)
            || (owner == 0 && user != 0 && mode & 0o027 == 0)
    }
}

/// Reads the first line of a file, without its end.
pub(super) fn from_file(
    path: &Path,
    credentials: Option<&OsStr>,
) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    let unreadable = |source| PassphraseError::Unreadable { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    // The permissions of a pipe are irrelevant.
    if file.metadata().map_err(unreadable)?.is_file() {
        let placement = Placement::of(&file, path, credentials).map_err(unreadable)?;
        if !placement.is_accepted() {
            return Err(PassphraseError::TooOpen(path.to_owned()));
        }
    }
    first_line(&mut file).map_err(unreadable)
}

/// Runs a command without a shell, and reads the first line that it prints.
pub(super) fn from_command(line: &str) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    let words = words(line).ok_or(PassphraseError::CommandLine)?;
    let (program, arguments) = words.split_first().ok_or(PassphraseError::CommandLine)?;
    let failed = |source| PassphraseError::CommandNotStarted { program: program.clone(), source };
    // A command that asks may do so; it must not take what is meant for this program.
    let stdin = match io::stdin().is_terminal() {
        true => Stdio::inherit(),
        false => Stdio::null(),
    };
    let mut command = Command::new(program);
    let started = command.args(arguments).stdin(stdin).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(failed)?;
    let read = child.stdout.take().map_or_else(
        || Ok(Zeroizing::default()),
        |mut stdout| {
            let line = first_line(&mut stdout);
            let mut rest = Zeroizing::new([0; 4096]);
            // Otherwise a command that prints more would fail.
            while stdout.read(&mut *rest).is_ok_and(|read| read > 0) {}
            line
        },
    );
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(PassphraseError::CommandFailed { program: program.clone(), status });
    }
    let line = read.map_err(failed)?;
    match line.is_empty() {
        true => Err(PassphraseError::CommandSilent { program: program.clone() }),
        false => Ok(line),
    }
}

/// The words of a command: separated by spaces, except within '…' or "…". Nothing else is special.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            None if matches!(character, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    (quote.is_none() && !words.is_empty()).then_some(words)
}

/// Reads the first line, without its end, and at most a little more than a passphrase can have.
fn first_line(from: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Allocated once, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(vec![0; LIMIT + LINE_END]);
    let mut length = 0;
    while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
        match from.read(free) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Zeroizing::new(line.to_vec()))
}

/// The longest passphrase, in bytes.
pub(super) const LIMIT: usize = 1024;

const LINE_END: usize = 2;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const MINE: Placement =
        Placement { mode: 0o600, owner: 7, user: 7, is_read_only: false, is_credential: false };

    #[test]
    fn a_file_is_private_or_was_placed_by_somebody_else() {
        let of_root = Placement { owner: 0, ..MINE };
        let credential = Placement { is_credential: true, ..of_root };
        let mounted = Placement { is_read_only: true, ..of_root };
        let as_root = Placement { user: 0, ..of_root };
        for (placement, mode, is_accepted) in [
            (MINE, 0o600, true),
            (MINE, 0o400, true),
            (MINE, 0o440, false),
            (MINE, 0o644, false),
            (of_root, 0o440, true),
            (of_root, 0o640, true),
            (of_root, 0o660, false),
            (of_root, 0o444, false),
            (as_root, 0o440, false),
            (as_root, 0o644, false),
            (credential, 0o440, true),
            (credential, 0o444, true),
            (credential, 0o664, false),
            (mounted, 0o440, true),
            (mounted, 0o444, true),
            (Placement { is_read_only: true, ..as_root }, 0o644, true),
        ] {
            let placement = Placement { mode, ..placement };
            assert_eq!(placement.is_accepted(), is_accepted, "{placement:?}");
        }
    }

    #[test]
    fn a_credential_is_read_through_the_links_that_its_mount_has() {
        // As Kubernetes mounts a secret: a link to a link to a directory of this version.
        let mount = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let version = mount.path().join("..2026_11_30");
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("passphrase"), "correct horse\n").unwrap();
        let permissions = std::fs::Permissions::from_mode(0o440);
        std::fs::set_permissions(version.join("passphrase"), permissions).unwrap();
        std::os::unix::fs::symlink("..2026_11_30", mount.path().join("..data")).unwrap();
        let path = mount.path().join("passphrase");
        std::os::unix::fs::symlink("..data/passphrase", &path).unwrap();

        let read = |directory: Option<&Path>| from_file(&path, directory.map(Path::as_os_str));
        assert_eq!(*read(Some(mount.path())).unwrap(), b"correct horse");
        for directory in [None, Some(elsewhere.path()), Some(Path::new("/nowhere"))] {
            assert!(matches!(read(directory), Err(PassphraseError::TooOpen(_))), "{directory:?}");
        }
    }

    #[test]
    fn a_command_is_split_at_spaces_outside_of_quotation_marks() {
        let split = |line| words(line).map(|words| words.join("|"));
        assert_eq!(split(" pass  show quorate/ada\n").as_deref(), Some("pass|show|quorate/ada"));
        assert_eq!(split(r#"a 'b "c' d"e f"g"#).as_deref(), Some(r#"a|b "c|de fg"#));
        assert_eq!(split("a '' $HOME;ls").as_deref(), Some("a||$HOME;ls"));
        assert_eq!((split(" "), split("a 'b")), (None, None));
    }

    #[test]
    fn a_command_that_does_not_give_a_passphrase_is_told_apart() {
        assert_eq!(*from_command("printf 'correct horse\\nmore'").unwrap(), b"correct horse");
        assert_eq!(*from_command("seq 1 20000").unwrap(), b"1");
        let error = |line| from_command(line).unwrap_err();
        assert!(matches!(error("'"), PassphraseError::CommandLine));
        let missing = error("/nowhere/command --now");
        assert!(matches!(missing, PassphraseError::CommandNotStarted { .. }), "{missing}");
        assert!(missing.to_string().contains("/nowhere/command"), "{missing}");
        assert!(!missing.to_string().contains("--now"), "arguments can be secret: {missing}");
        let failed = error("false");
        assert!(matches!(failed, PassphraseError::CommandFailed { .. }), "{failed}");
        assert!(failed.to_string().contains("exit status: 1"), "{failed}");
        assert!(matches!(error("true"), PassphraseError::CommandSilent { .. }));
    }
}
