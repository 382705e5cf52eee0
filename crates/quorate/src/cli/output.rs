//! Files that commands write. They are written whole or not at all, and replaced only on request.
//!
//! A command makes its [`Target`] before it asks anybody for anything, so that people do not
//! approve what then cannot be written. Devices, pipes and sockets are written into, and never
//! replaced.

use std::fs::{self, File, FileType};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::file::is_dash;
use crate::api::{Code, Problem};
use crate::store::durable::directory_of;

/// Other names of stdout, which are links to whatever that is.
const STDOUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// The file, or stdout, to which a result is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    path: PathBuf,
    kind: Kind,
    /// The permissions of a new file, before the user's umask.
    mode: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Stdout,
    New,
    Replaced,
    /// A device, pipe or socket.
    Stream,
}

impl Target {
    /// Checks that a file can be written at `path`, or takes stdout for `-`. The file gets the
    /// permissions of the user's other files.
    ///
    /// # Errors
    ///
    /// If the file exists and `may_replace` is false, or it cannot be written.
    pub(super) fn new(path: PathBuf, may_replace: bool) -> Result<Self, Problem> {
        Self::with_mode(path, may_replace, 0o666)
    }

    /// As [`Self::new`], but only its owner can read the file.
    pub(super) fn private(path: PathBuf, may_replace: bool) -> Result<Self, Problem> {
        Self::with_mode(path, may_replace, 0o600)
    }

    fn with_mode(path: PathBuf, may_replace: bool, mode: u32) -> Result<Self, Problem> {
        let kind = if is_dash(&path) || STDOUT.iter().any(|name| path == Path::new(name)) {
            Kind::Stdout
        } else {
            kind_of(&path, may_replace)?
        };
        let target = Self { path, kind, mode };
        match kind {
            Kind::New | Kind::Replaced => target.rehearse()?,
            Kind::Stdout | Kind::Stream => {}
        }
        Ok(target)
    }

    /// Fails if the target is `input`, such as the document, which the output would destroy.
    pub(super) fn spare(&self, input: &Path) -> Result<(), Problem> {
        let identity =
            |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        match (identity(&self.path), identity(input)) {
            (Some(target), Some(input)) if self.kind == Kind::Replaced && target == input => {
                let message = format!(
                    "{} is the input itself, which the output would destroy",
                    self.path.display()
                );
                Err(Problem::new(Code::Usage, message).hint("choose another path with --out"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.kind == Kind::Stdout
    }

    /// Whether it is a file that can be read back.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.kind, Kind::New | Kind::Replaced)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all bytes. A file appears whole or not at all.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Problem> {
        let written = match self.kind {
            Kind::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Kind::Stream => File::options()
                .write(true)
                .open(&self.path)
                .and_then(|mut stream| stream.write_all(bytes)),
            Kind::New => self.create(bytes),
            Kind::Replaced => self.replace(bytes),
        };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => not_written(&self.path, &error),
        })
    }

    fn create(&self, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.write_unfinished(bytes)?;
        // Unlike a rename, a link never replaces an existing file.
        let linked = fs::hard_link(&unfinished, &self.path);
        drop(fs::remove_file(&unfinished));
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                self.create_in_place(bytes)?;
            }
            linked => linked?,
        }
        File::open(directory_of(&self.path))?.sync_all()
    }

    /// Creates the file where the file system has no links, as on many USB sticks. A crash can
    /// leave a part of it, and an existing file still stays as it is.
    fn create_in_place(&self, bytes: &[u8]) -> io::Result<()> {
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(self.mode).open(&self.path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.inspect_err(|_| drop(fs::remove_file(&self.path)))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        // A device may have taken the place of the file meanwhile.
        if fs::symlink_metadata(&self.path).is_ok_and(|it| is_stream(it.file_type())) {
            return Err(io::Error::other("it is a device, a pipe or a socket now"));
        }
        let unfinished = self.write_unfinished(bytes)?;
        fs::rename(&unfinished, &self.path).inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
        File::open(directory_of(&self.path))?.sync_all()
    }

    /// Creates the unfinished file, and removes it.
    fn rehearse(&self) -> Result<(), Problem> {
        let rehearsed = self.write_unfinished(&[]);
        match rehearsed.and_then(fs::remove_file) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = directory_of(&self.path).display();
                let message = format!("there is no directory {directory}");
                Err(Problem::new(Code::Failed, message).hint("create it, or choose another path"))
            }
            Err(error) => Err(not_written(&self.path, &error)),
        }
    }

    fn write_unfinished(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        // Independent of the target's name, which may have the greatest possible length.
        let name = format!(".quorate-{}-{count}.unfinished", std::process::id());
        let unfinished = directory_of(&self.path).join(name);
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(self.mode).open(&unfinished)?;
        match file.write_all(bytes).and_then(|()| file.sync_all()) {
            Ok(()) => Ok(unfinished),
            Err(error) => {
                drop(fs::remove_file(&unfinished));
                Err(error)
            }
        }
    }
}

/// Looks at what is at `path`.
fn kind_of(path: &Path, may_replace: bool) -> Result<Kind, Problem> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kind::New),
        Err(error) => return Err(not_written(path, &error)),
    };
    let target = fs::metadata(path).map(|metadata| metadata.file_type());
    match target {
        Ok(target) if is_stream(target) => Ok(Kind::Stream),
        Ok(target) if target.is_dir() => {
            let message = format!("{} is a directory", path.display());
            Err(Problem::new(Code::Failed, message).hint("name a file with --out"))
        }
        // What is there belongs to the system, even if it leads to an ordinary file.
        _ if found.is_symlink() && is_of_system(path) => Ok(Kind::Stream),
        _ if may_replace => Ok(Kind::Replaced),
        _ => Err(exists(path)),
    }
}

fn is_stream(kind: FileType) -> bool {
    kind.is_char_device() || kind.is_block_device() || kind.is_fifo() || kind.is_socket()
}

fn is_of_system(path: &Path) -> bool {
    ["/dev", "/proc", "/sys"].iter().any(|directory| path.starts_with(directory))
}

fn not_written(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Code::Failed, format!("{} cannot be written: {error}", path.display()))
        .hint("choose another path with --out")
}

fn exists(path: &Path) -> Problem {
    Problem::new(Code::Failed, format!("{} exists already", path.display()))
        .hint("--force replaces it; --out writes somewhere else")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn place() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn names(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn an_existing_file_is_replaced_only_on_request() {
        let directory = place();
        let path = directory.path().join("contract.pdf.sig");
        let early = Target::new(path.clone(), false).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(Target::new(path.clone(), false).unwrap_err().message.contains("exists already"));
        assert!(early.write(b"theirs").unwrap_err().message.contains("exists already"));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        Target::new(path.clone(), true).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(directory.path()), 1);
    }

    #[test]
    fn without_links_a_file_is_created_and_never_replaced() {
        let directory = place();
        let path = directory.path().join("contract.pdf.sig");
        let target = Target::new(path.clone(), false).unwrap();
        target.create_in_place(b"signature").unwrap();
        let again = target.create_in_place(b"other").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"signature");
        assert_eq!(names(directory.path()), 1);
    }

    #[test]
    fn what_cannot_be_written_is_known_before_the_work() {
        let directory = place();
        let missing = Target::new(directory.path().join("no/such/x.sig"), false).unwrap_err();
        assert!(missing.message.contains("there is no directory"), "{missing:?}");
        let taken = Target::new(directory.path().to_owned(), true).unwrap_err();
        assert!(taken.message.contains("is a directory"), "{taken:?}");
        let long = directory.path().join("x".repeat(256));
        assert!(Target::new(long, false).unwrap_err().message.contains("cannot be written"));
        // The longest name that a file can have.
        let longest = Target::new(directory.path().join("x".repeat(255)), false).unwrap();
        longest.write(b"signature").unwrap();
        assert_eq!(names(directory.path()), 1);
    }

    #[test]
    fn a_pipe_is_written_into_and_never_replaced() {
        let directory = place();
        let path = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        for may_replace in [false, true] {
            let target = Target::new(path.clone(), may_replace).unwrap();
            let reader = std::thread::spawn({
                let path = path.clone();
                move || fs::read(path).unwrap()
            });
            target.write(b"signature").unwrap();
            assert_eq!(reader.join().unwrap(), b"signature");
            assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
        }
    }

    #[test]
    fn devices_and_sockets_are_never_replaced() {
        let null = Target::new("/dev/null".into(), true).unwrap();
        assert_eq!(null.kind, Kind::Stream);
        null.write(b"signature").unwrap();
        assert_eq!(Target::new("/dev/stdout".into(), true).unwrap().kind, Kind::Stdout);
        let directory = place();
        let link = directory.path().join("null");
        symlink("/dev/null", &link).unwrap();
        Target::new(link.clone(), true).unwrap().write(b"signature").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let socket = directory.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        Target::new(socket.clone(), true).unwrap().write(b"signature").unwrap_err();
        assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
        // It became one after the check.
        let path = directory.path().join("file");
        fs::write(&path, "old").unwrap();
        let target = Target::new(path.clone(), true).unwrap();
        fs::remove_file(&path).unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        target.write(b"signature").unwrap_err();
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    }

    #[test]
    fn a_link_is_replaced_and_not_what_it_leads_to() {
        let directory = place();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "precious").unwrap();
        symlink(&file, &link).unwrap();
        Target::new(link.clone(), true).unwrap().write(b"signature").unwrap();
        assert_eq!(
            (fs::read(&file).unwrap(), fs::read(&link).unwrap()),
            (b"precious".into(), b"signature".into())
        );
    }

    #[test]
    fn the_document_is_not_its_own_output() {
        let directory = place();
        let (file, again) = (directory.path().join("file"), directory.path().join("again"));
        fs::write(&file, "document").unwrap();
        fs::hard_link(&file, &again).unwrap();
        for path in [&file, &again] {
            let target = Target::new(path.clone(), true).unwrap();
            assert!(target.spare(&file).unwrap_err().message.contains("the input itself"));
        }
        let other = Target::new(directory.path().join("other"), true).unwrap();
        assert_eq!(other.spare(&file), Ok(()));
    }

    #[test]
    fn a_private_file_is_its_owners_alone() {
        let directory = place();
        let path = directory.path().join("backup");
        Target::private(path.clone(), false).unwrap().write(b"sealed").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
