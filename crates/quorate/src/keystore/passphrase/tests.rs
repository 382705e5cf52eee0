//! Passphrases: from private files, or asked for.

use std::fs::{self, Permissions};

use super::*;

fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passphrase");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

fn from(content: &[u8]) -> Result<Vec<u8>, PassphraseError> {
    let (_directory, path) = file(content, 0o600);
    Passphrase::from_file(&path).map(|passphrase| passphrase.expose().to_vec())
}

#[test]
fn the_first_line_of_a_file_counts_without_its_end() {
    for content in ["open sesame", "open sesame\n", "open sesame\r\n", "open sesame\nmore\n"] {
        assert_eq!(from(content.as_bytes()).unwrap(), b"open sesame");
    }
    assert_eq!(from(b" \xff spaces \n").unwrap(), b" \xff spaces ");
    assert!(matches!(from(b""), Err(PassphraseError::Empty)));
    assert!(matches!(from(b"\nsecond"), Err(PassphraseError::Empty)));
    assert_eq!(from(&[b'x'; 1024]).unwrap().len(), 1024);
    assert_eq!(from(&[&[b'x'; 1024], b"\r\n".as_slice()].concat()).unwrap().len(), 1024);
    assert!(matches!(from(&[b'x'; 1025]), Err(PassphraseError::TooLong { .. })));
    assert!(matches!(from(&[b'x'; 5000]), Err(PassphraseError::TooLong { .. })));
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    for mode in [0o640, 0o604, 0o644, 0o620] {
        let (_directory, path) = file(b"sesame", mode);
        let error = Passphrase::from_file(&path).unwrap_err();
        assert!(matches!(error, PassphraseError::TooOpen(_)), "{error}");
    }
    let (_directory, path) = file(b"sesame", 0o400);
    assert!(Passphrase::from_file(&path).is_ok());
}

#[test]
fn a_missing_file_is_named() {
    let error = Passphrase::obtain(Some(Path::new("/nowhere/passphrase")), Purpose::Open);
    let error = error.unwrap_err();
    assert!(matches!(error, PassphraseError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("/nowhere/passphrase"), "{error}");
}

fn answers(answers: &[&str]) -> impl FnMut(&str) -> io::Result<Zeroizing<String>> {
    let mut answers: Vec<_> = answers.iter().rev().map(|answer| (*answer).to_owned()).collect();
    move |_| answers.pop().map(Zeroizing::new).ok_or_else(|| io::Error::other("asked too often"))
}

#[test]
fn a_new_passphrase_is_asked_for_twice() {
    let ask = |purpose, given: &[&str]| Passphrase::ask(purpose, &mut answers(given));
    assert_eq!(ask(Purpose::Open, &["a"]).unwrap().expose(), b"a");
    assert_eq!(ask(Purpose::Protect, &["a", "a"]).unwrap().expose(), b"a");
    assert!(matches!(ask(Purpose::Protect, &["a", "b"]), Err(PassphraseError::Differ)));
    assert!(matches!(ask(Purpose::Protect, &["a", "ab"]), Err(PassphraseError::Differ)));
    assert!(matches!(ask(Purpose::Open, &[""]), Err(PassphraseError::Empty)));
    assert!(matches!(ask(Purpose::Open, &[]), Err(PassphraseError::Terminal(_))));
}
