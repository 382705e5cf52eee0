//! Passphrases: from private files, or asked for.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, Source) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passphrase");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    (directory, Source::File(path))
}

fn protect(weak: bool) -> Purpose {
    Purpose::Protect { what: "the keys of ada".to_owned(), weak }
}

fn from(content: &[u8]) -> Result<Vec<u8>, PassphraseError> {
    let (_directory, source) = file(content, 0o600);
    let passphrase = Passphrase::obtain(&source, &Purpose::Open);
    passphrase.map(|passphrase| passphrase.expose().to_vec())
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
        let (_directory, source) = file(b"sesame", mode);
        let error = Passphrase::obtain(&source, &Purpose::Open).unwrap_err();
        assert!(matches!(error, PassphraseError::TooOpen(_)), "{error}");
    }
    let (_directory, source) = file(b"sesame", 0o400);
    assert!(Passphrase::obtain(&source, &Purpose::Open).is_ok());
}

#[test]
fn a_missing_file_is_named() {
    let source = Source::File(Path::new("/nowhere/passphrase").to_owned());
    let error = Passphrase::obtain(&source, &Purpose::Open).unwrap_err();
    assert!(matches!(error, PassphraseError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("/nowhere/passphrase"), "{error}");
}

#[test]
fn one_text_is_one_passphrase_however_it_is_composed() {
    let (composed, decomposed) = (
        "\u{fa}y>u:\u{d6} \u{6f22}\u{1e9b}\u{323}",
        "u\u{301}y>u:O\u{308} \u{6f22}\u{1e9b}\u{323}",
    );
    assert_ne!(composed, decomposed);
    assert_eq!(from(composed.as_bytes()).unwrap(), from(decomposed.as_bytes()).unwrap());
    assert_eq!(from(composed.as_bytes()).unwrap(), composed.as_bytes());
    // Letters that only look alike stay different.
    assert_ne!(from("ﬁ".as_bytes()).unwrap(), from(b"fi").unwrap());
    let most = "\u{1d160}".repeat(256);
    assert_eq!(from(most.as_bytes()).unwrap().len(), 3 * most.len());
}

#[test]
fn a_new_passphrase_must_be_strong_unless_the_person_insists() {
    let (_directory, weak) = file(b"abc", 0o600);
    let error = Passphrase::obtain(&weak, &protect(false)).unwrap_err();
    assert!(matches!(error, PassphraseError::Weak(Weakness::Short { length: 3 })), "{error}");
    for purpose in [Purpose::Open, protect(true)] {
        assert!(Passphrase::obtain(&weak, &purpose).is_ok(), "{purpose:?}");
    }
    let strong = Source::Command("echo correct horse battery staple".to_owned());
    assert!(Passphrase::obtain(&strong, &protect(false)).is_ok());
}

/// Answers prompts, and collects them.
fn answers<'a>(
    given: &[&str],
    prompts: &'a mut Vec<String>,
) -> impl FnMut(&str) -> io::Result<Zeroizing<String>> + 'a {
    let mut given: Vec<_> = given.iter().rev().map(|answer| (*answer).to_owned()).collect();
    move |prompt| {
        prompts.push(prompt.to_owned());
        given.pop().map(Zeroizing::new).ok_or_else(|| io::Error::other("asked too often"))
    }
}

fn asked(purpose: &Purpose, given: &[&str]) -> (Result<Passphrase, PassphraseError>, Vec<String>) {
    let mut prompts = Vec::new();
    let result = Passphrase::ask(purpose, &mut answers(given, &mut prompts));
    (result, prompts)
}

#[test]
fn a_new_passphrase_is_asked_for_until_it_is_typed_twice() {
    const GOOD: &str = "correct horse battery staple";
    let (opened, prompts) = asked(&Purpose::Open, &["a"]);
    assert_eq!(
        (opened.unwrap().expose(), prompts),
        (b"a".as_slice(), vec!["Passphrase: ".to_owned()])
    );
    assert!(matches!(asked(&Purpose::Open, &[""]).0, Err(PassphraseError::Empty)));
    assert!(matches!(asked(&Purpose::Open, &[]).0, Err(PassphraseError::Terminal(_))));

    let (chosen, prompts) = asked(&protect(false), &[GOOD, GOOD]);
    assert_eq!(chosen.unwrap().expose(), GOOD.as_bytes());
    assert_eq!(prompts[0], "New passphrase: ");
    let introduction = protect(false).introduction().unwrap();
    for said in ["the keys of ada", "at least 15 characters", "Nobody can reset it"] {
        assert!(introduction.contains(said), "{said}: {introduction}");
    }
    assert_eq!(Purpose::Open.introduction(), None);
    let (chosen, prompts) =
        asked(&protect(false), &["", "abc", GOOD, "other", GOOD, "", GOOD, GOOD]);
    assert_eq!(chosen.unwrap().expose(), GOOD.as_bytes());
    assert!(prompts[1].contains("is empty"), "{}", prompts[1]);
    assert!(prompts[2].contains("has 3 characters"), "{}", prompts[2]);
    assert!(prompts[4].contains("The two differ"), "{}", prompts[4]);
    let (insisted, prompts) = asked(&protect(true), &["abc", "abc"]);
    assert_eq!(insisted.unwrap().expose(), b"abc");
    assert!(!prompts[0].contains("15 characters"), "{}", prompts[0]);
    assert!(matches!(asked(&protect(false), &["abc"]).0, Err(PassphraseError::Terminal(_))));
}
